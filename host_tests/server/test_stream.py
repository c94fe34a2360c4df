"""Responses of unknown length: framing, back-pressure, errors, and clients that go, under both interpreters."""

import json
import socket
import subprocess
import time

import httpx
import pytest

from host_tests.apps.live import BLOCK, KINDS, pattern
from host_tests.server.test_connection import Client, answers, ask, last, request
from host_tests.server.test_listener import wait_until

LIVE = "host_tests/apps/live.py"
# What both sides of a connection on loopback may hold, with much to spare, in blocks.
HELD_BLOCKS = 12_000_000 // len(BLOCK)


def state(server):
    return json.loads(ask(server, "GET /state").body)


def notes(server, name):
    return json.loads(ask(server, f"GET /notes/{name}").body)


def wait_for_note(server, name, what):
    """Return a note's value once it is there."""
    return wait_until(lambda: notes(server, name).get(what), f"note {what} of {name}")


def wait_until_free(server):
    """Return the state once nobody but who asks is there, and nothing that goes on for long."""

    def look():
        now = state(server)
        return now if (now["busy"], now["live"], now["watchers"]) == (1, 0, 0) else None

    return wait_until(look, "all slots and places free")


def open_door(server, name):
    assert ask(server, f"GET /open/{name}").status == 200


def stop(server):
    """Begin an orderly stop."""
    assert ask(server, "GET /stop").status == 200


def read_some(client, size=1):
    """Read until `size` bytes of what follows the head are there; return them."""
    raw = b""
    while raw.find(b"\r\n\r\n") < 0 or len(raw) - raw.find(b"\r\n\r\n") - 4 < size:
        piece = client.socket.recv(65536)
        assert piece, f"it ended after {raw!r}"
        raw += piece
    return raw


def cut_off(client):
    """Return what comes up to the connection's end, in whichever way it ends."""
    raw = b""
    try:
        while True:
            piece = client.socket.recv(65536)
            if not piece:
                break
            raw += piece
    except ConnectionResetError:
        pass
    return raw


LINES = b"".join(b"line %d\n" % at for at in range(5))
TEXT = "text/html; charset=utf-8"
BINARY = "application/octet-stream"
WHOLE = {
    "/stream/plain/5": (LINES, TEXT),
    "/stream/async/5": (LINES, BINARY),
    "/stream/kinds": (b"".join(kind.encode() if isinstance(kind, str) else bytes(kind) for kind in KINDS), TEXT),
    "/stream/kinds/async": (b"".join(kind.encode() if isinstance(kind, str) else bytes(kind) for kind in KINDS), TEXT),
    "/stream/iterator": (b"abc", TEXT),
    "/stream/object/whole": (b"xxx", TEXT),
    "/stream/object/async/whole": (b"xxx", TEXT),
    "/stream/blocks/100000": (b"".join(pattern(100_000)), BINARY),
    "/stream/huge/1000000": (b"".join(pattern(1_000_000)) + b"end", BINARY),
    **{f"/stream/huge/{n}": (b"".join(pattern(n)) + b"end", BINARY) for n in (1, 2700, 2860, 2870, 2880, 2881, 5760)},
}


@pytest.mark.parametrize("path", WHOLE)
def test_stream_is_chunked_and_the_connection_kept(both, path):
    body, kind = WHOLE[path]
    with Client(both) as client:
        for _ in range(2):
            answer = client.ask(f"GET {path}")
            assert (answer.status, answer.version) == (200, (1, 1))
            assert answer.header("transfer-encoding") == "chunked"
            assert answer.header("content-length") is None
            assert answer.header("content-type") == kind
            assert answer.header("connection") is None
            assert answer.header("trailer") is None
            assert answer.body == body
            assert answer.trailers == []
        assert client.is_open()
    assert wait_until_free(both)["counters"]["errors"] == 0


@pytest.mark.parametrize("path", WHOLE)
@pytest.mark.parametrize("fields", [(), ("Connection: keep-alive",)])
def test_stream_to_http_1_0_ends_with_the_connection(live, path, fields):
    body, kind = WHOLE[path]
    with Client(live) as client:
        client.send(request(f"GET {path}", *fields, version="1.0"))
        raw = client.rest()
    head, _, rest = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"chunked" not in head.lower()
    assert b"content-length" not in head.lower()
    assert b"connection: close" in head.lower()
    assert f"content-type: {kind}".encode() in head.lower()
    assert rest == body


def test_stream_ends_the_connection_when_asked(both):
    (answer,) = answers(both, last("GET /stream/plain/5"))
    assert answer.header("connection") == "close"
    assert answer.body == LINES


def test_status_and_fields_of_an_async_handler_that_returns_a_stream(both):
    with Client(both) as client:
        answer = client.ask("GET /stream/handler/5")
        assert (answer.status, answer.header("x-kind"), answer.body) == (201, "stream", LINES)
        assert answer.header("content-type") == "text/csv"
        assert client.is_open()


EMPTY = {"/stream/nothing": 204, "/stream/nothing/async": 204, "/stream/nothing/response": 200}


@pytest.mark.parametrize("path", EMPTY)
def test_stream_of_nothing_is_an_empty_answer(both, path):
    with Client(both) as client:
        answer = client.ask(f"GET {path}")
        assert (answer.status, answer.body) == (EMPTY[path], b"")
        assert client.is_open()
    wait_until_free(both)


def test_every_chunk_is_sent_when_it_is_made(live):
    with Client(live) as client:
        client.send(request("GET /stream/wait/chunk"))
        raw = read_some(client, len(b"6\r\nfirst\n\r\n"))
        assert raw.endswith(b"\r\n\r\n6\r\nfirst\n\r\n")
        open_door(live, "chunk")
        assert client.socket.recv(65536) + cut_off_at_end(client) == b"7\r\nsecond\n\r\n0\r\n\r\n"
        assert client.is_open()
    assert notes(live, "chunk")["ended"] == "/stream/wait/chunk", "the request was gone in `finally`"


def cut_off_at_end(client):
    """Return what has come, up to the last chunk."""
    raw = b""
    client.socket.settimeout(0.2)
    try:
        while not raw.endswith(b"0\r\n\r\n"):
            raw += client.socket.recv(65536)
    except socket.timeout:
        pass
    client.socket.settimeout(15)
    return raw


def ended_if_begun(server, name):
    """Tell whether a generator was not run; MicroPython has to begin one to know what it is, and then to end it."""
    seen = notes(server, name)
    return not seen or (seen["count"] == 1 and wait_for_note(server, name, "ended"))


def test_head_request_starts_nothing(both):
    name = "head-request"
    with Client(both) as client:
        answer = client.ask(f"HEAD /stream/endless/{name}")
        assert answer.status == 200
        assert answer.header("transfer-encoding") == "chunked"
        assert answer.header("content-length") is None
        assert client.is_open()
    assert ended_if_begun(both, name)
    assert wait_until_free(both)["counters"]["errors"] == 0


def test_head_request_for_an_async_stream_ends_it(live):
    with Client(live) as client:
        assert client.ask("HEAD /stream/endless/async/head-later").status == 200
        assert client.is_open()
    assert ended_if_begun(live, "head-later")
    wait_until_free(live)


@pytest.mark.parametrize("status", [204, 304])
def test_status_without_a_body_starts_nothing(live, status):
    with Client(live) as client:
        answer = client.ask(f"GET /stream/status/{status}/bodiless{status}")
        assert answer.status == status
        assert answer.header("transfer-encoding") is None
        assert client.is_open()
    assert ended_if_begun(live, f"bodiless{status}")
    wait_until_free(live)


# -- errors


@pytest.mark.parametrize("way", ["fail", "fail/async"])
@pytest.mark.parametrize(("kind", "status"), [("error", 500), ("http", 404), ("lost", 500), ("memory", 503)])
def test_error_before_the_first_chunk_has_its_status(both, way, kind, status):
    name = f"early-{kind}-{len(way)}"
    with Client(both) as client:
        answer = client.ask(f"GET /stream/{way}/0/{kind}/{name}")
        assert answer.status == status
        assert answer.header("transfer-encoding") is None
        assert answer.header("x-why") == ("because" if kind == "http" else None)
        assert b"it went wrong" not in answer.body
        assert client.is_open()
    assert notes(both, name)["ended"]
    wait_until_free(both)


@pytest.mark.parametrize("way", ["fail", "fail/async"])
@pytest.mark.parametrize("kind", ["error", "http", "lost", "memory", "cancelled"])
@pytest.mark.parametrize("chunks", [1, 3])
def test_error_behind_the_first_chunk_cuts_the_connection(both, way, kind, chunks):
    name = f"late-{kind}-{len(way)}-{chunks}"
    with Client(both) as client:
        client.send(request(f"GET /stream/{way}/{chunks}/{kind}/{name}"))
        raw = cut_off(client)
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert raw.endswith(b"\r\n\r\n" + b"6\r\nchunk\n\r\n" * chunks)
    assert wait_for_note(both, name, "ended")
    wait_until_free(both)


@pytest.mark.parametrize("chunks", [0, 1])
def test_chunk_that_is_none_is_an_error(live, chunks):
    errors = state(live)["counters"]["errors"]
    with Client(live) as client:
        client.send(request(f"GET /stream/odd/{chunks}/odd{chunks}", "Connection: close"))
        raw = cut_off(client)
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n" if chunks else b"HTTP/1.1 500 ")
    assert not raw.endswith(b"0\r\n\r\n")
    assert wait_for_note(live, f"odd{chunks}", "ended")
    assert wait_until_free(live)["counters"]["errors"] == errors + 1


def test_head_that_cannot_be_made_ends_the_generator(live):
    with Client(live) as client:
        answer = client.ask("GET /stream/head/bad-head")
        assert answer.status == 500
        assert answer.header("x") is None
        assert client.is_open()
    assert ended_if_begun(live, "bad-head") or wait_for_note(live, "bad-head", "ended")
    wait_until_free(live)


# -- back-pressure, and clients that go


@pytest.mark.parametrize("way", ["endless", "endless/async"])
def test_generator_waits_for_its_client(live, way):
    name = f"slow-{len(way)}"
    with Client(live, window=16384) as slow:
        slow.send(request(f"GET /stream/{way}/{name}"))

        def rests():
            before = notes(live, name).get("count", 0)
            time.sleep(0.1)
            return before if before and notes(live, name)["count"] == before else None

        made = wait_until(rests, "the generator waits")
        assert 0 < made < HELD_BLOCKS
        size = 0
        while size < made * len(BLOCK) + 2_000_000:
            size += len(slow.socket.recv(1 << 20))
        assert wait_until(lambda: notes(live, name)["count"] > made, "the generator goes on")
        # No further than what was taken and what is held.
        assert notes(live, name)["count"] <= size // len(BLOCK) + made + 100
    assert wait_for_note(live, name, "ended")
    wait_until_free(live)


def test_client_that_takes_nothing_is_given_up(start_server):
    server = start_server("silence_ms=1000", script=LIVE, heapsize="16m")
    clients = [Client(server, window=16384) for _ in range(2)]
    clients[0].send(request("GET /stream/endless/stalled"))
    clients[1].send(request("GET /stream/endless/async/stalled-later"))
    for name in ("stalled", "stalled-later"):
        assert wait_for_note(server, name, "ended")
    now = wait_until_free(server)
    assert now["counters"]["errors"] == 0
    for client in clients:
        client.socket.close()


GOING = {
    "before the first chunk": ("wait/first", "begun", 0),
    "while the generator awaits": ("wait", "begun", 1),
    "behind the last chunk": ("wait/end", None, 1),
    "while chunks come": ("endless", "count", 1),
    "in the middle of a chunk": ("endless", "count", 3000),
    "while chunks come later": ("endless/async", "count", 1),
}


@pytest.mark.parametrize("when", GOING)
def test_client_that_goes_ends_the_generator(live, when):
    path, what, size = GOING[when]
    before = state(live)["counters"]
    clients = {}
    # Who closes its side only, but reads on, is there.
    for how in ("reset", "close", "half-close") if "wait" in path else ("reset", "close"):
        name = f"{path}-{size}-{how}".replace("/", "-")
        client = clients[name] = Client(live)
        client.send(request(f"GET /stream/{path}/{name}"))
        if what:
            wait_for_note(live, name, what)
        if size:
            read_some(client, size)
        if how == "reset":
            client.reset()
        elif how == "close":
            client.socket.close()
        else:
            client.half_close()
    for name in clients:
        assert wait_for_note(live, name, "ended")
    now = wait_until_free(live)
    assert now["counters"]["errors"] == before["errors"]
    assert now["counters"]["lost"] == before["lost"] + len(clients)
    for client in clients.values():
        client.socket.close()


def test_half_closed_client_gets_all_of_it(both):
    for path in ("/stream/blocks/500000", "/stream/async/100"):
        (answer,) = answers(both, request(f"GET {path}"), half_close=True)
        assert answer.status == 200
    wait_until_free(both)


def test_half_closed_client_gets_a_stream_that_soon_ends(live):
    with Client(live) as client:
        client.send(request("GET /stream/wait/half"))
        client.half_close()
        wait_for_note(live, "half", "begun")
        open_door(live, "half")
        assert client.read().body == b"first\nsecond\n"
        assert client.rest() == b""


def test_stubborn_generator_does_not_hold_its_slot(live):
    client = Client(live)
    client.send(request("GET /stream/stubborn/mule"))
    read_some(client)
    client.reset()
    now = wait_until(lambda: (lambda now: now if now["live"] == 0 else None)(state(live)), "the place is free")
    assert now["busy"] == 1
    open_door(live, "mule")
    assert wait_for_note(live, "mule", "ended")
    assert ask(live, "GET /stream/plain/5").body == LINES


# -- what is pipelined behind


BEHIND = ["/stream/plain/5", "/stream/wait/pipelined", "/stream/blocks/500000", "/sleep/100", "/feed/x/poll?wait=1"]


# Who waits for news and closes its side has gone.
HALVES = [(path, half_close) for path in BEHIND for half_close in (False, True) if not (half_close and "poll" in path)]


@pytest.mark.parametrize(("path", "half_close"), HALVES)
def test_requests_behind_are_answered_in_order(both, path, half_close):
    with Client(both) as client:
        client.send(request(f"GET {path}") + request("GET /json") + request("GET /stream/plain/5"))
        if half_close:
            client.half_close()
        if "pipelined" in path:
            time.sleep(0.05)
            open_door(both, "pipelined")
        first = client.read()
        assert first.status == (204 if "poll" in path else 200)
        assert client.read().body == b'{"hello": "world"}'
        assert client.read().body == LINES
        if half_close:
            assert client.rest() == b""


@pytest.mark.parametrize("path", ["/stream/wait/many", "/sleep/200", "/feed/many/poll?wait=1"])
def test_more_behind_than_the_buffer_holds_is_answered_too(live, path):
    count = 90  # some 4 KB
    with Client(live) as client:
        client.send(request(f"GET {path}"))
        client.send(request("GET /json") * count)
        time.sleep(0.05)
        if "stream" in path:
            open_door(live, "many")
        assert client.read().status in (200, 204)
        for _ in range(count):
            assert client.read().body == b'{"hello": "world"}'
        assert client.is_open()


def test_many_streams_go_on_side_by_side(live):
    clients = [Client(live) for _ in range(30)]
    for client in clients:
        client.send(request("GET /stream/blocks/200000") + request("GET /stream/async/50"))
    whole = b"".join(pattern(200_000))
    for client in clients:
        assert client.read().body == whole
        assert client.read().body.endswith(b"line 49\n")
        client.socket.close()
    wait_until_free(live)


def test_others_are_served_while_a_stream_floods(live):
    with Client(live) as flood, Client(live) as other:
        flood.send(request("GET /stream/endless/flood"))
        read_some(flood)
        taken = 0
        for _ in range(20):
            taken += len(flood.socket.recv(1 << 20))
            assert other.is_open()
    assert taken
    assert wait_for_note(live, "flood", "ended")


# -- hooks


def test_hooks_see_a_stream(start_server):
    server = start_server("hooked", script=LIVE, heapsize="16m")
    with Client(server) as client:
        assert client.ask("GET /stream/plain/5").header("x-after") == "seen"
        assert client.ask("GET /stream/huge/1000000").header("x-after") == "seen"
        assert client.ask("GET /stream/plain/99").body == b'{"instead": true}'
        assert client.ask("HEAD /stream/async/7").header("x-after") == "seen"
        assert client.ask("GET /json").header("x-after") == "seen"
    done = notes(server, "done")
    # What is sent is the body, without its framing.
    assert done["/stream/plain/5"] == len(LINES)
    assert done["/stream/huge/1000000"] == 1_000_003
    assert done["/stream/async/7"] == 0
    client = Client(server)
    client.send(request("GET /stream/wait/lost"))
    read_some(client)
    client.reset()
    assert wait_until(lambda: "/stream/wait/lost" in notes(server, "done"), "the hook")
    assert notes(server, "done")["/stream/wait/lost"] is None
    assert wait_until_free(server)["counters"]["errors"] == 0


# -- real clients


def test_curl_takes_a_stream(live, tmp_path):
    out = tmp_path / "out"
    subprocess.run(["curl", "-sSf", "-o", out, live.url + "stream/blocks/3000000"], check=True, timeout=120)
    assert out.read_bytes() == b"".join(pattern(3_000_000))
    subprocess.run(["curl", "-sSf0", "-o", out, live.url + "stream/blocks/3000000"], check=True, timeout=120)
    assert out.read_bytes() == b"".join(pattern(3_000_000))


def test_curl_with_a_limit_takes_a_stream_byte_exact(live, tmp_path):
    out = tmp_path / "out"
    command = ["curl", "-sSf", "--limit-rate", "1500K", "-o", out, live.url + "stream/blocks/2000000"]
    subprocess.run(command, check=True, timeout=120)
    assert out.read_bytes() == b"".join(pattern(2_000_000))


def test_curl_tells_a_stream_that_was_cut(live):
    done = subprocess.run(
        ["curl", "-sS", live.url + "stream/fail/3/error/curl"], capture_output=True, check=False, timeout=600
    )
    assert done.stdout == b"chunk\n" * 3
    assert done.returncode in (18, 56), done.stderr


def test_httpx_takes_a_stream_line_by_line(live):
    with httpx.Client(base_url=live.url) as client:
        for path in ("stream/plain/300", "stream/async/300"):
            with client.stream("GET", path) as answer:
                assert list(answer.iter_lines()) == [f"line {at}" for at in range(300)]
        assert client.get("json").json() == {"hello": "world"}


# -- the server stops


def test_server_that_stops_ends_streams(start_server):
    server = start_server(script=LIVE, heapsize="16m")
    clients = [Client(server) for _ in range(4)]
    clients[0].send(request("GET /stream/wait/stopped"))
    clients[1].send(request("GET /stream/wait/first/stopped-first"))
    clients[2].send(request("GET /stream/endless/stopped-plain"))
    clients[3].send(request("GET /stream/endless/async/stopped-later"))
    for name, what in (("stopped", "begun"), ("stopped-first", "begun"), ("stopped-later", "count")):
        wait_for_note(server, name, what)
    began = time.monotonic()
    stop(server)
    assert server.process.wait(10) == 0
    assert time.monotonic() - began < 10
    for client in clients:
        raw = cut_off(client)
        assert not raw.endswith(b"0\r\n\r\n"), "a stream that was cut short looks complete"
        client.socket.close()
    assert server.output().count("ended\n") == 4
    assert server.output().endswith("stopped\n")
