"""The one way out: heads of any length, hooks that replace, fail or wait, errors before and behind a begun answer."""

import json

import pytest

from host_tests.apps.kitchen import pattern
from host_tests.conftest import interpreter_named
from host_tests.server.test_connection import Client, last, request
from host_tests.server.test_listener import wait_until
from host_tests.servers import Server, read_responses
from tools import ROOT

ANSWERS = "host_tests/apps/answers.py"
LIVE = (ROOT / "host_tests/apps/live.py").read_bytes()

BODIES = {
    "none": b"",
    "bytes": b"hello",
    "json": b'{"hello": "world"}',
    "long": pattern(6000),
    "file": LIVE[:5000],
    "stream": b"one\ntwo\n",
}
# What the head has beside its long fields depends on the kind; the buffer's 2,880 bytes are passed in the middle.
SIZES = (100, 1300, 1440, *range(2580, 2780, 11), 3000, 9000)


@pytest.fixture(scope="module", params=["", "hooked"])
def served(request, server_interpreter):
    words = [*request.param.split(), "requests=100000"]
    with Server(server_interpreter, *words, script=ANSWERS, heapsize="16m") as running:
        yield running


@pytest.fixture(scope="module")
def hooked(server_interpreter):
    with Server(server_interpreter, "hooked", "requests=100000", script=ANSWERS, heapsize="16m") as running:
        yield running


def notes(client):
    return json.loads(client.ask("GET /notes").body)


def values_of(answer):
    return "".join(value for name, value in answer.headers if name.startswith("x-field-"))


# -- heads


@pytest.mark.parametrize("kind", BODIES)
def test_head_of_any_length_is_sent_with_its_body(served, kind):
    with Client(served) as client:
        for size in SIZES:
            answer = client.ask(f"GET /head/{size}/{kind}")
            assert values_of(answer).strip("v") == ""
            assert len(values_of(answer)) >= size
            assert (answer.status, answer.body) == (204 if kind == "none" else 200, BODIES[kind]), size
            head = client.ask(f"HEAD /head/{size}/{kind}")
            assert (head.status, values_of(head)) == (answer.status, values_of(answer))
            assert head.header("content-length") == answer.header("content-length")
        told = notes(client)
        assert told == ["closed"] * (2 * len(SIZES) if kind == "file" else 0)


def test_head_of_any_length_is_told_that_the_connection_ends(served):
    for size in SIZES[::4]:
        (answer,) = read_responses(served.raw(last(f"GET /head/{size}/json")))
        assert answer.header("connection") == "close"
        assert answer.body == BODIES["json"]


@pytest.mark.parametrize("kind", [kind for kind in BODIES if kind != "none"])
def test_field_that_cannot_be_sent_is_an_error_and_closes_the_body(served, kind):
    with Client(served) as client:
        for method in ("GET", "HEAD"):
            answer = client.ask(f"{method} /bad-field/{kind}")
            assert answer.status == 500
            assert answer.header("injected") is None
            assert answer.header("x-bad") is None
        assert notes(client) == ["closed"] * 2 * (kind == "file")
        assert client.is_open()


# -- errors behind the begin of an answer


def test_file_that_got_shorter_cuts_the_connection(served):
    with Client(served) as client:
        client.send(request(f"GET /file/{len(LIVE) + 5}") + request("GET /json"))
        raw = client.rest()
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: %d" % (len(LIVE) + 5) in head
    assert LIVE.startswith(body)
    with Client(served) as client:
        wait_until(lambda: "closed" in notes(client), "its end")


def test_stream_that_fails_cuts_the_connection(served):
    with Client(served) as client:
        client.send(request("GET /stream/failing") + request("GET /json"))
        assert client.rest().endswith(b"\r\n4\r\none\n\r\n")
    with Client(served) as client:
        wait_until(lambda: "ended" in notes(client), "its end")
    assert "it went wrong" in served.output()


# -- after hooks


@pytest.mark.parametrize("path", ["/json", "/file/9000", "/stream", "/size/9000", "/error/404"])
@pytest.mark.parametrize(
    ("wish", "status", "body", "asked"),
    [
        ("replace", 203, b"replaced", ["first {0}", "second 203", "third 203"]),
        ("replace-later", 200, b'{"replaced": "later"}', ["first {0}", "second {0}", "third 200"]),
        ("file", 200, LIVE[:50], ["first {0}", "second 200", "third 200"]),
        ("same", 202, None, ["first {0}", "second 202", "third 202"]),
        ("raise", 500, None, None),
        ("raise-later", 500, None, None),
        # Where memory is short the client is to come again, also where an error's page fails for it.
        ("starve", 503, None, None),
        ("refuse", None, None, None),
        ("bad", 500, None, None),
    ],
)
def test_hook_behind_replaces_or_fails_and_what_is_not_sent_is_closed(hooked, path, wish, status, body, asked):
    was = 404 if "404" in path else 200
    if wish == "refuse":
        status = 403
    with Client(hooked) as client:
        for method in ("GET", "HEAD"):
            answer = client.ask(f"{method} {path}", f"X-After: {wish}")
            assert answer.status == status
            assert answer.header("x-bad") is None
            if body is not None and method == "GET":
                assert answer.body == body
            if asked:
                assert answer.header("x-third") == "1"
            told = notes(client)
            assert told.count("closed") == (path == "/file/9000") + (wish == "file")
            if asked:
                assert [line for line in told if line[-1].isdigit()] == [line.format(was) for line in asked]
        assert client.is_open()


HOOK = """
from firmware import App
from firmware.testing import TestClient
app = App()

@app.after
def hook(request, response):
    wish = request.args.get("do")
    if wish == "read":
        print(type(response.body) is bytes and response.body == b'{"x": "' + b"y" * len(response.body[9:]) + b'"}')
    elif wish == "change":
        response.body = response.body.replace(b"y", b"zz")
    elif wish == "set":
        response.body = b"new"

@app.get("/json/<int:size>")
def json(request, size):
    return {"x": "y" * size}

with TestClient(app) as client:
    for size in (10, 600, 2000, 5000):
        whole = client.get("/json/%d" % size)
        assert len(whole.body) == size + 9
        assert client.get("/json/%d?do=read" % size).body == whole.body
        assert client.get("/json/%d?do=change" % size).json == {"x": "z" * (2 * size)}
        assert client.get("/json/%d?do=set" % size).body == b"new"
        assert client.head("/json/%d?do=set" % size).headers["content-length"] == "3"
        assert client.head("/json/%d" % size).headers["content-length"] == str(size + 9)
"""


def test_hook_sees_json_of_any_length_as_bytes(interpreter):
    assert interpreter.run("-c", HOOK).stdout == "True\n" * 4


# -- done hooks

SENT = {"/json": 18, "/size/9000": 9000, "/file/9000": 9000, "/stream": 8, "/head/5000/json": 18}


@pytest.mark.parametrize("wrong", ["none", "a", "b", "c", "a,b", "a,b,c"])
@pytest.mark.parametrize("path", SENT)
def test_every_done_hook_is_told_once_whichever_fails_and_the_connection_kept(hooked, path, wrong):
    with Client(hooked) as client:
        for _ in range(2):
            assert client.ask(f"GET {path}", f"X-Done: {wrong}").status == 200
            told = [line for line in notes(client) if line[-1].isdigit()]
            assert told == [f"{name} 200 {SENT[path]}" for name in "abc"]


@pytest.mark.parametrize("wrong", ["none", "a", "b", "a,b,c"])
@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/raise", 500), ("/error/409", 409)])
def test_every_done_hook_is_told_once_of_an_error_and_the_connection_kept(hooked, path, status, wrong):
    with Client(hooked) as client:
        for _ in range(2):
            answer = client.ask(f"GET {path}", f"X-Done: {wrong}")
            assert answer.status == status
            assert notes(client) == [f"{name} {status} {len(answer.body)}" for name in "abc"]


def test_done_hooks_are_told_of_a_client_that_was_lost(hooked):
    client = Client(hooked, window=16384)
    client.send(request("GET /size/6000000", "X-Done: a"))
    assert client.socket.recv(1)
    client.reset()
    told = []

    def look():
        with Client(hooked) as other:
            told.extend(line for line in notes(other) if line[-1:] == "e")
        return len(told) == 3

    wait_until(look, "they are told")
    assert told == ["a 200 None", "b 200 None", "c 200 None"]


# -- error pages


@pytest.mark.parametrize("status", [409, 410, 413])
def test_error_page_that_fails_is_the_plain_one(served, status):
    with Client(served) as client:
        for method in ("GET", "HEAD"):
            answer = client.ask(f"{method} /error/{status}")
            # What cannot be sent is an error of the server's.
            assert answer.status == (500 if status == 413 else status)
            assert answer.header("x-bad") is None
            if method == "GET" and status != 413:
                assert b"so it is" in answer.body
        assert client.is_open()


def test_error_page_may_be_a_stream_or_a_file(served):
    with Client(served) as client:
        answer = client.ask("GET /error/411")
        assert (answer.status, answer.body) == (411, b"page\n")
        assert notes(client) == ["page ended"]
        answer = client.ask("GET /error/412")
        assert (answer.status, answer.body) == (412, LIVE[:100])
        assert client.ask("HEAD /error/412").header("content-length") == "100"
        assert notes(client) == ["closed"] * 2
        assert client.is_open()


SCARCE = """
import micropython
from firmware.server import transport

class Server:
    text = transport.new_text(8)
    made = 0

    def make_room(self):
        micropython.heap_unlock()
        self.made += 1

server = Server()
value = {"a": "x" * 100}
micropython.heap_lock()
size = transport.dump_json(value, server)
read = bytearray(size)
transport.take_json(server.text, memoryview(read))
print(size, server.made, read == b'{"a": "' + b"x" * 100 + b'"}')
"""


def test_json_that_finds_no_room_has_some_made():
    assert interpreter_named("i386").run("-c", SCARCE).stdout.split() == ["109", "1", "True"]


IN_PLACE = """
from firmware.server import inplace, transport

class Server:
    out = bytearray(2880)
    out_view = memoryview(out)
    made = 0

    def make_room(self):
        self.made += 1

server = Server()
for count in (1, 100, 2552, 2553):
    server.text = text = transport.new_text(8)
    size = inplace.dump_in_place({"a": "x" * count}, server)
    view = server.out_view[10 : 10 + size]
    if size <= 2560:
        transport.take_json(server.text, view)
    right = bytes(view) == b'{"a": "' + b"x" * count + b'"}'
    print(size, server.made, right, server.text is text)
"""


def test_json_that_finds_no_room_is_made_where_it_is_sent_from():
    """In no piece of its own; what is too long even so has room made."""
    lines = interpreter_named("i386").run("-c", IN_PLACE).stdout.splitlines()
    assert lines[:2] == ["10 0 True True", "109 0 True True"]
    assert [line.split()[:2] for line in lines[2:]] == [["2561", "1"], ["2562", "2"]]


TOO_LONG = """
import gc
from firmware import App
from firmware.testing import TestClient

app = App()
app.limits.connections = 2

@app.get("/long")
def long(request):
    return {"a": ["x" * 200] * 600}

@app.get("/short")
def short(request):
    return {}

def free():
    assert client.get("/short").status == 200
    gc.collect()
    return gc.mem_free()

with TestClient(app) as client:
    free()
    before = free()
    status = client.get("/long").status
    print(status, before - free())
"""


def test_json_that_there_is_no_room_for_gives_its_memory_back():
    # The text alone has 120 KB, and is twice there while its buffer grows.
    done = interpreter_named("i386").run("-c", TOO_LONG, heapsize="240k")
    status, kept = done.stdout.split()[-2:]
    assert status == "503" and int(kept) < 16_000
