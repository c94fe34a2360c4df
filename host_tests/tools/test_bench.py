"""tools/bench.py and tools/mpy.py: what they measure and compile, and budgets that no change may exceed unnoticed.

Counts do not depend on how fast the machine is; they hold for MicroPython 1.25 of Debian, and others differ a little.
"""

import http.client
import json
import random
import shutil
import socket
import threading

import pytest

from host_tests.conftest import CI, interpreter_named
from tools import ROOT, bench, bench_apps, mpy
from tools.bench_apps import API, HOST, QUESTIONS, Browser, Failed, Question, post_of

# A heap in which a `PUT` of a megabyte arrives byte for byte whatever lies where: 92 KB did six times of six, and the
# pieces that are left free lie elsewhere in every run and with every change.
PUT_HEAP_KB = 96

# How much more than proportionally a long body may cost.
LINEAR = 1.1


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A Bench of both word sizes."""
    for word in ("amd64", "i386"):
        interpreter_named(word)
    if not CI and not shutil.which("valgrind"):
        pytest.skip("no valgrind")
    return bench.Bench(tmp_path_factory.mktemp("bench"))


@pytest.mark.parametrize("row", bench.ROWS, ids=lambda row: row.label)
def test_figure_stays_within_its_bound(measured, row):
    """`python3 -m tools bench --lower` lowers the bounds, in tools/bench_bounds.json, when Limpet gets better."""
    assert row.of(measured) <= bench.bounds()[row.label]


def test_bounds_are_of_the_rows():
    assert list(bench.bounds()) == [row.label for row in bench.ROWS]


def test_json_body_of_any_size_costs_the_same_for_each_byte(measured):
    small, half, whole = (measured.instructions("limpet", post_of(size), True) for size in (100, 4004, 7908))
    assert whole - half <= LINEAR * (half - small)


def test_a_megabyte_is_put_byte_for_byte_in_a_heap_within_its_budget(measured, tmp_path):
    content = random.Random(1).randbytes(1 << 20)
    command, tree = measured.interpreters["i386"], measured.trees["i386"]
    with bench_apps.Server(command, tree, f"{PUT_HEAP_KB}k", "put", tmp_path) as running:
        for name in ("first", "second"):
            connection = http.client.HTTPConnection(HOST, running.port, timeout=120)
            connection.request("PUT", f"/{name}", content)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b'{"size": 1048576}')
            connection.close()
            assert (tmp_path / name).read_bytes() == content


def test_a_server_without_keep_alive_has_no_figure_for_it(measured):
    assert measured.system_calls("microdot", API, True) is None


def test_the_floor_serves_in_eight_kilobytes_and_not_in_two(measured):
    assert measured.serves("floor", 8)
    assert not measured.serves("floor", 2)


def test_breakdown_adds_up_to_the_idle_heap(measured):
    found = bench.breakdown(measured)
    assert sum(found["parts"].values()) == pytest.approx(1024 * measured.idle_heap("limpet"), rel=0.01)
    assert sum(found["modules"].values()) == pytest.approx(found["parts"]["imports"], rel=0.05)
    assert 0 < found["names"] < found["parts"]["imports"]
    assert " firmware.server.connection\n" in bench.breakdown_text(found)


def test_table_is_aligned_and_shows_what_is_missing():
    rows = [
        {"label": "new: JSON", "unit": "instructions", "limpet": 49999.6, "microdot": 1e6, "floor": 2703, "aim": 5e4},
        {"label": "new: page", "unit": "bytes", "limpet": 1234, "microdot": None, "floor": None, "aim": None},
        {"label": "heap: idle", "unit": "KB", "limpet": 23.96, "microdot": 26.84, "floor": 2.7, "aim": 24},
    ]
    assert bench.table(rows).splitlines() == [
        "                                                limpet   microdot   floor     aim",
        "Instructions of a request, new connection each",
        "  JSON                                          50,000  1,000,000   2,703  50,000",
        "  page                                           1,234          -       -       -",
        "Heap",
        "  idle                                           24 KB    26.8 KB  2.7 KB   24 KB",
    ]


def test_bounds_are_lowered_and_never_raised():
    rows = [
        {"label": "a", "unit": "instructions", "limpet": 1000.4},
        {"label": "b", "unit": "KB", "limpet": 60.0},
        {"label": "c", "unit": "calls", "limpet": 4.02},
    ]
    assert bench.lowered({"a": 1049, "b": 80, "gone": 1}, rows) == {"a": 1049, "b": 63.0, "c": 4.2}


def test_missing_valgrind_is_one_line_that_tells_what_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="apt install valgrind") as stopped:
        bench.main([])
    assert "\n" not in stopped.value.code


# -- the browser


JSON = b'{"ok": true, "n": 1}'
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + JSON


@pytest.fixture
def answering():
    """A function that starts a server for one connection, which gets these bytes and an end; returns its port."""
    with socket.create_server((HOST, 0)) as listener:

        def start(answer):
            def serve():
                with listener.accept()[0] as client:
                    client.recv(65536)
                    client.sendall(answer)

            threading.Thread(target=serve, daemon=True).start()
            return listener.getsockname()[1]

        yield start


@pytest.mark.parametrize("ending", [b"Connection: close\r\n", b"", b"connection:close\r\n"])
def test_browser_takes_a_good_answer(answering, ending):
    port = answering(GOOD.replace(b"Content-", ending + b"Content-"))
    Browser(port, QUESTIONS[API], keep_alive=False).ask(1)


def test_browser_takes_a_body_that_the_end_ends(answering):
    Browser(answering(b"HTTP/1.0 200 OK\r\n\r\n" + JSON), QUESTIONS[API], keep_alive=False).ask(1)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        GOOD.replace(b"200", b"503"),
        GOOD.replace(b"true", b"null"),
        GOOD.replace(b"20\r", b"21\r"),
        GOOD + b"x",
        GOOD.replace(b"Content-Length: 20\r\n", b""),
    ],
)
def test_browser_refuses_what_is_wrong(answering, answer):
    with pytest.raises(Failed):
        Browser(answering(answer), QUESTIONS[API], keep_alive=False).ask(1)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (QUESTIONS[bench_apps.TUPLE], GOOD.replace(b"200 OK", b"201 Created")),
        (QUESTIONS[bench_apps.MISSING], GOOD.replace(b"200 OK", b"404 Not Found")),
        (QUESTIONS[bench_apps.ONE_OF_MANY], GOOD),
        (Question("/x", JSON), GOOD),
        (post_of(16 + 4), GOOD),
    ],
)
def test_browser_takes_the_answer_to_its_question_alone(answering, question, answer):
    Browser(answering(answer), question, keep_alive=False).ask(1)
    for other in (GOOD.replace(b"200 OK", b"500 Oh"), answer.replace(b'{"ok": true, "n": 1}', b"x" * 5 + b" " * 15)):
        if other != answer and not (question.status == 404 and b"404" in other):
            with pytest.raises(Failed):
                Browser(answering(other), question, keep_alive=False).ask(1)


def test_posts_have_their_length_and_are_json():
    for size in (100, 8000):
        question = post_of(size)
        assert len(question.body) == size
        assert len(json.loads(question.body)["values"]) == question.n
        head, _, body = Browser(0, question, keep_alive=True).request().partition(b"\r\n\r\n")
        assert head.startswith(b"POST /more/post HTTP/1.1\r\n")
        assert b"\r\nContent-Length: %d" % size in head
        assert body == question.body


def test_another_id_is_asked_for_each_time():
    browser = Browser(0, QUESTIONS[bench_apps.ONE_OF_MANY], keep_alive=True)
    assert browser.request().startswith(b"GET /more/99/0 ")


# -- mpy


@pytest.mark.parametrize("arch", ["xtensawin", "rv32imc"])
def test_the_firmware_compiles_for_boards(tmp_path, arch):
    made = mpy.compile_tree(ROOT / "firmware", tmp_path, arch)
    assert {file.suffix for file in made} == {".mpy"}
    assert (tmp_path / "server" / "app.mpy").read_bytes()[:2] == b"M\x06"
    assert len(made) == len([file for file in (ROOT / "firmware").rglob("*.py") if file.name not in mpy.LAPTOPS])


def test_a_file_that_does_not_compile_is_named_with_its_line(tmp_path):
    source = tmp_path / "wrong.py"
    source.write_text("x = 1\nif:\n")
    with pytest.raises(mpy.CompileError, match=r"wrong\.py.*line 2.*SyntaxError"):
        mpy.compile_file(source, tmp_path / "wrong.mpy", "x64")


def test_the_files_to_serve_are_old_enough_to_be_kept(tmp_path):
    contents = bench_apps.make_files(tmp_path / "www")
    assert {path: len(content) for path, content in contents.items()} == bench_apps.SIZES
