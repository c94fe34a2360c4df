"""Files from clients: raw and in forms, with real clients, under both interpreters; whole or not at all."""

import json
import random
import subprocess
import time

import httpx
import pytest

from host_tests.servers import read_response

APP = "host_tests/apps/uploads_app.py"

pytestmark = pytest.mark.usefixtures("uploading")


@pytest.fixture
def uploading(start_server):
    """Return a server that takes files."""
    return start_server(script=APP)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """Return a file of a megabyte in which no byte can be lost unnoticed."""
    path = tmp_path_factory.mktemp("content") / "content.bin"
    path.write_bytes(random.Random(7).randbytes(1_000_000))
    return path


def curl(*arguments):
    done = subprocess.run(["curl", "-sS", "-m", "20", *map(str, arguments)], capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def names(server):
    return httpx.get(server.url + "names").json()


def eventually(look, wanted):
    """Wait until `look()` returns what is wanted."""
    deadline = time.monotonic() + 10
    while (found := look()) != wanted:
        assert time.monotonic() < deadline, f"{found} instead of {wanted}"
        time.sleep(0.05)


@pytest.mark.parametrize("options", [(), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect:")], ids=str)
def test_put_is_stored_byte_for_byte(uploading, content, options):
    answer = json.loads(curl("-T", content, *options, uploading.url + "put/a.bin"))
    assert answer == {"size": 1_000_000}
    assert (uploading.data / "a.bin").read_bytes() == content.read_bytes()
    assert names(uploading) == ["a.bin"]


def test_form_of_curl_is_taken_apart(uploading, content):
    answer = curl(
        *("-F", "title=grüß Gott", "-F", f"file=@{content};filename=../../x y?.bin;type=image/png"),
        *("-F", "skipped=" + "s" * 5000, "-F", "empty="),
        uploading.url + "form",
    )
    assert json.loads(answer) == [
        ["title", "grüß Gott"],
        ["file", "x y_.bin", "image/png", 1_000_000],
        ["empty", ""],
    ]
    assert (uploading.data / "x y_.bin").read_bytes() == content.read_bytes()


def test_form_of_httpx_is_taken_apart(uploading):
    answer = httpx.post(
        uploading.url + "form", data={"a": "1"}, files={"f": ("b.txt", b"\r\n--nearly", "text/plain")}
    ).json()
    assert answer == [["a", "1"], ["f", "b.txt", "text/plain", 10]]
    assert (uploading.data / "b.txt").read_bytes() == b"\r\n--nearly"


MULTIPART = "multipart/form-data; boundary=B"
FIELD = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
NONE = b'--B\r\nContent-Disposition: form-data; name="f"; filename=""\r\nContent-Type: application/octet-stream\r\n\r\n'
FILE = b'--B\r\nContent-Disposition: form-data; name="f"; filename="cut"\r\n\r\n'


@pytest.mark.parametrize(
    ("kind", "body", "wanted"),
    [
        ("application/x-www-form-urlencoded", b"a=1&b=%C3%BC+x&a=2", [["a", "1"], ["b", "ü x"], ["a", "2"]]),
        (MULTIPART, FIELD + b"1\r\n--B--", [["a", "1"]]),
        ("application/json", b"{}", 415),
        (MULTIPART, b"--B\r\n", 400),
        ("application/x-www-form-urlencoded", b"a=%zz", 400),
        (MULTIPART, FILE + b"1\r\n--B--", 415),
        # Nothing was chosen.
        (MULTIPART, FIELD + b"1\r\n" + NONE + b"\r\n" + FIELD + b"2\r\n--B--", [["a", "1"], ["a", "2"]]),
        (MULTIPART, NONE + b"\r\n--B--", []),
        (MULTIPART, NONE + b"1\r\n--B--", 415),
        (MULTIPART, FILE + b"\r\n--B--", 415),
    ],
)
def test_held_form_is_pairs_of_text(uploading, kind, body, wanted):
    answer = httpx.post(uploading.url + "fields", content=body, headers={"Content-Type": kind})
    assert (answer.json() if answer.status_code == 200 else answer.status_code) == wanted


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([NONE, FIELD + b"1"], [["a", "1"]]),
        ([FIELD + b"1", NONE, NONE, FIELD + b"2", NONE], [["a", "1"], ["a", "2"]]),
        ([NONE + b"content", FILE], [["f", "file", "application/octet-stream", 7], ["f", "cut", "text/plain", 0]]),
        ([NONE], []),
    ],
)
def test_file_field_left_empty_is_no_file(uploading, parts, wanted):
    before = set(httpx.get(uploading.url + "names").json())
    body = b"\r\n".join(parts) + b"\r\n--B--\r\n"
    for content in (body, (body[at : at + 7] for at in range(0, len(body), 7))):
        answer = httpx.post(uploading.url + "form", content=content, headers={"Content-Type": MULTIPART})
        assert answer.json() == wanted
    stored = {name for name, *more in wanted if more[1:]} and {one[1] for one in wanted if len(one) > 2}
    assert set(httpx.get(uploading.url + "names").json()) - before == set(stored)


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"x", 415),
        ("multipart/form-data", b"x", 400),
        (MULTIPART, FILE + b"x", 400),
        (MULTIPART, FIELD + b"x" * 3000, 413),
    ],
)
def test_bad_form_is_refused_and_leaves_no_file(uploading, kind, body, status):
    answer = httpx.post(uploading.url + "form", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert names(uploading) == []


def test_too_long_a_file_is_refused_and_leaves_nothing(uploading):
    assert httpx.put(uploading.url + "small/x", content=b"x" * 1000).json() == {"size": 1000}
    answer = httpx.put(uploading.url + "small/y", content=b"y" * 1001)
    assert (answer.status_code, names(uploading)) == (413, ["x"])


def test_old_file_stays_when_a_new_one_is_interrupted(uploading):
    httpx.put(uploading.url + "put/x", content=b"old")
    with uploading.connect() as connection:
        connection.sendall(b"PUT /put/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b"n" * 4000)
        eventually(lambda: len(names(uploading)), 2)
    eventually(lambda: names(uploading), ["x"])
    assert (uploading.data / "x").read_bytes() == b"old"
    eventually(lambda: httpx.get(uploading.url + "busy").json(), {"busy": 1})


def test_stop_in_the_middle_leaves_no_file(uploading):
    with uploading.connect() as connection:
        connection.sendall(b"PUT /put/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b"n" * 4000)
        eventually(lambda: len(names(uploading)), 1)
        httpx.get(uploading.url + "stop")
        uploading.process.wait(20)
    assert list(uploading.data.iterdir()) == []


def test_what_a_power_cut_left_is_removed_at_the_next_start(start_server, interpreter, tmp_path):
    (tmp_path / "folder").mkdir()
    for name in (".upload-1", "folder/.upload-7", "folder/kept"):
        (tmp_path / name).write_text("x")
    server = start_server(script=APP, data=tmp_path)
    assert names(server) == ["folder"]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["kept"]


def test_silent_upload_is_answered_408(start_server):
    server = start_server("silence_ms=500", script=APP)
    with server.connect() as connection:
        connection.sendall(b"PUT /put/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nnnn")
        assert read_response(connection).status == 408
        assert connection.recv(1) == b""
    assert names(server) == []
