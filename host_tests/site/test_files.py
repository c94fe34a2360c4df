"""The shipped site's files: PUT, GET with ranges, DELETE, over real sockets and under both interpreters."""

import random
import subprocess
import time

import httpx
import pytest

from host_tests.servers import read_response

CONTENT = random.Random(3).randbytes(100_000)


@pytest.fixture
def files(server):
    """Return a client of the server, below /files/; what it made is gone afterwards."""
    with httpx.Client(base_url=server.url + "files/", timeout=120) as client:
        yield client
    for path in sorted((server.data / "files").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def stored(server):
    folder = server.data / "files"
    try:
        return {str(path.relative_to(folder)) for path in folder.rglob("*")}
    except FileNotFoundError:
        return stored(server)  # one went while it was looked at


@pytest.mark.interpreters("cpython", "amd64", "i386")
def test_every_file_is_listed_however_many(start_server):
    """With 40 KB of heap to spare, beyond what 200 files would take as one text."""
    server = start_server(heapsize="400k")
    assert httpx.get(server.url + "api/files").json()["files"] == []
    names = [f"folder {number % 7}/a file with quite a long name, number {number:03}.txt" for number in range(405)]
    for name in names:
        path = server.data / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 5)
    for _ in range(3):
        answer = httpx.get(server.url + "api/files", timeout=30)
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
        listed = answer.json()
        assert listed["files"] == [{"name": name, "size": 5} for name in sorted(names)]
        assert listed["more"] is False and listed["free_bytes"] > 0


@pytest.mark.interpreters("amd64", "i386")
def test_list_says_where_there_are_more_than_the_memory_holds(start_server):
    server = start_server(heapsize="400k")
    folder = server.data / "files"
    folder.mkdir(parents=True)
    for number in range(5000):
        (folder / f"{number:05} {'x' * 60}").touch()
    listed = httpx.get(server.url + "api/files", timeout=60).json()
    assert listed["more"] is True and 20 < len(listed["files"]) < 5000
    assert httpx.get(server.url + "healthz").status_code == 200


def test_file_comes_back_as_it_was_put(files, server):
    answer = files.put("a b/ü.bin", content=CONTENT)
    assert (answer.status_code, answer.headers["location"]) == (201, "/files/a%20b/%C3%BC.bin")
    assert stored(server) == {"a b", "a b/ü.bin"}
    answer = files.get("a b/ü.bin")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert files.put("a b/ü.bin", content=b"new").status_code == 204
    assert files.get("a b/ü.bin").content == b"new"
    assert files.head("a b/ü.bin").headers["content-length"] == "3"


def test_parts_of_a_file_are_got(files):
    files.put("x", content=CONTENT)
    answer = files.get("x", headers={"Range": "bytes=99990-"})
    assert (answer.status_code, answer.content) == (206, CONTENT[99990:])
    assert answer.headers["content-range"] == "bytes 99990-99999/100000"
    assert files.get("x", headers={"Range": "bytes=100000-"}).status_code == 416
    tag = files.get("x").headers["etag"]
    assert files.get("x", headers={"If-None-Match": tag}).status_code == 304


def test_deleted_file_is_gone_with_its_empty_folders(files, server):
    files.put("a/b/c", content=b"1")
    files.put("a/d", content=b"2")
    assert files.get("a/b/c").content == b"1"
    assert files.delete("a/b/c").status_code == 204
    assert stored(server) == {"a", "a/d"}
    assert [files.request(method, "a/b/c").status_code for method in ("DELETE", "GET")] == [404, 404]
    assert files.delete("a").status_code == 404
    assert files.delete("a/d").status_code == 204
    assert stored(server) == set()


def test_conditions_are_kept(files):
    assert files.put("x", content=b"1", headers={"If-Match": "*"}).status_code == 412
    assert files.put("x", content=b"1", headers={"If-None-Match": "*"}).status_code == 201
    assert files.put("x", content=b"2", headers={"If-None-Match": "*"}).status_code == 412
    tag = files.get("x").headers["etag"]
    assert files.put("x", content=b"22", headers={"If-Match": tag}).status_code == 204
    assert files.delete("x", headers={"If-Match": tag}).status_code == 412
    assert files.get("x").content == b"22"


UNSAFE = [".hidden", "a/.git/config", "..%2fusers.json", "%2e%2e/users.json", "a//b", "a/", "a%5cb", "c:x", "a%3fb"]


@pytest.mark.parametrize("name", [*UNSAFE, "x" * 65])
def test_unsafe_name_is_refused(server, files, name):
    request = f"PUT /files/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    assert read_response(server.raw(request.encode())).status == 400
    assert stored(server) == set()


def test_file_and_folder_of_one_name_are_refused(files):
    files.put("a/b", content=b"1")
    assert files.put("a", content=b"2").status_code == 409
    assert files.put("a/b/c", content=b"2").status_code == 409
    assert files.get("a/b").content == b"1"


def test_part_of_a_file_is_not_taken_for_all(files, server):
    assert files.put("x", content=b"1", headers={"Content-Range": "bytes 0-0/2"}).status_code == 400
    assert stored(server) == set()


def test_too_long_a_file_is_refused_before_it_is_sent(server):
    with server.connect() as connection:
        connection.sendall(
            b"PUT /files/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
        )
        assert read_response(connection).status == 413


def test_stored_page_cannot_act_as_one_of_the_site(files):
    files.put("x.html", content=b"<script>alert(1)</script>")
    answer = files.get("x.html")
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_slow_upload_that_is_cut_leaves_nothing(server, files, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    client = subprocess.Popen(["curl", "-s", "-T", source, "--limit-rate", "20k", server.url + "files/cut.bin"])
    deadline = time.monotonic() + 10
    while not any(name.startswith(".upload-") for name in stored(server)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    client.kill()
    client.wait()
    while stored(server):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_file_below_a_file_is_refused_at_any_depth(files, server):
    files.put("a", content=b"1")
    assert [files.put(name, content=b"2").status_code for name in ("a/b", "a/b/c", "a/b/c/d")] == [409] * 3
    assert stored(server) == {"a"}


def test_folders_are_not_nested_without_end(files, server):
    assert files.put("d/" * 9 + "f", content=b"1").status_code == 400
    assert files.put("d/" * 8 + "f", content=b"1").status_code == 201
    assert httpx.get(server.url + "api/files").json()["files"] == [{"name": "d/" * 8 + "f", "size": 1}]


def test_refused_upload_leaves_no_folders(files, server):
    with server.connect() as connection:
        head = b"PUT /files/new/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\n"
        connection.sendall(head + b"n" * 4000)
        deadline = time.monotonic() + 10
        while "new" not in stored(server):
            assert time.monotonic() < deadline
    while stored(server):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_archive_beside_a_file_is_a_file_of_its_own(files):
    files.put("log.txt", content=b"lines")
    files.put("log.txt.gz", content=b"something else")
    answer = files.get("log.txt", headers={"Accept-Encoding": "gzip"})
    assert answer.content == b"lines" and "content-encoding" not in answer.headers
    assert files.delete("log.txt", headers={"If-Match": answer.headers["etag"]}).status_code == 204
