"""Bodies of any size, read by their handlers: byte-exact, at the handler's pace, whatever the client does."""

import asyncio
import hashlib
import json
import subprocess
import time
from types import SimpleNamespace

import httpx
import pytest

from firmware.server import incoming
from host_tests.apps.live import pattern
from host_tests.server.test_connection import Client, answers, chunked, last, request
from host_tests.server.test_listener import wait_until
from host_tests.server.test_stream import LIVE, notes, open_door, state, wait_for_note, wait_until_free
from host_tests.servers import read_response

MEGABYTE = b"".join(pattern(1_000_003))
UNREAD = ["/put/unread/x", "/put/unread/plain/x", "/put/refused"]


def digest(body):
    return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def chunks_of(body, size=1000):
    return [body[at : at + size] for at in range(0, len(body), size)]


SIZES = [0, 1, 2, 100, 1900, 2047, 2048, 2049, 2176, 2177, 8192, 8193, 20_000]


@pytest.mark.parametrize("size", SIZES)
def test_body_is_exact(both, size):
    body = MEGABYTE[:size]
    with Client(both) as client:
        for raw in (request("PUT /hash", body=body), chunked("PUT /hash", *chunks_of(body, 777))):
            client.send(raw)
            answer = client.read()
            assert (answer.status, json.loads(answer.body)) == (200, digest(body))
        assert client.is_open()
    wait_until_free(both)


def test_body_of_a_megabyte_is_exact(both):
    with Client(both) as client:
        client.send(request("PUT /hash", body=MEGABYTE))
        assert json.loads(client.read().body) == digest(MEGABYTE)
        client.send(chunked("PUT /hash", *chunks_of(MEGABYTE, 4099)))
        assert json.loads(client.read().body) == digest(MEGABYTE)
        assert client.is_open()


def test_body_byte_by_byte_is_exact(live):
    for raw in (request("PUT /hash", body=b"hello, world"), chunked("PUT /hash", b"hello", b", ", b"world")):
        with Client(live) as client:
            for at in range(len(raw)):
                client.send(raw[at : at + 1])
            assert json.loads(client.read().body) == digest(b"hello, world")
            assert client.is_open()


def test_request_without_a_body_has_an_empty_one(live):
    for raw in (last("PUT /hash"), last("PUT /hash", body=b""), request("PUT /hash", version="1.0")):
        (answer,) = answers(live, raw)
        assert json.loads(answer.body) == digest(b"")


def test_bodies_pipelined_are_told_apart(both):
    bodies = [b"one", MEGABYTE[:5000], b"", b"four" * 700]
    raws = [request("PUT /hash", body=bodies[0]), chunked("POST /hash", *chunks_of(bodies[1], 600))]
    raws += [request("GET /json"), request("PUT /hash", body=bodies[2]), request("PUT /hash", body=bodies[3])]
    with Client(both) as client:
        client.send(b"".join(raws))
        got = [client.read() for _ in raws]
        assert [json.loads(answer.body) for answer in got[:2] + got[3:]] == [digest(body) for body in bodies]
        assert got[2].body == b'{"hello": "world"}'
        assert client.is_open()


def test_body_may_be_read_once(live):
    with Client(live) as client:
        answer = client.ask("PUT /put/twice", body=MEGABYTE[:5000])
        assert json.loads(answer.body) == [5000, 0]
        assert client.is_open()


@pytest.mark.parametrize("pad", [0, 300, 600])
def test_body_is_read_in_large_pieces_whatever_its_head_takes(both, pad):
    with Client(both) as client:
        for _ in range(2):
            client.send(request("PUT /parts", "X-Pad: " + "x" * pad, body=MEGABYTE))
            # 1,400 bytes at once, or what came in a packet; the head leaves so much room of 2 KB.
            assert json.loads(client.read().body)["parts"] < len(MEGABYTE) / 1000
            assert client.is_open()


def test_half_closed_client_is_answered(both):
    for raw in (last("PUT /hash", body=MEGABYTE), chunked("PUT /hash", *chunks_of(MEGABYTE))):
        (answer,) = answers(both, raw, half_close=True)
        assert json.loads(answer.body) == digest(MEGABYTE)


def test_many_uploads_at_once(live):
    clients = [Client(live) for _ in range(20)]
    pieces = chunks_of(MEGABYTE[:100_000], 5000)
    for client in clients:
        client.send(request("PUT /hash", "Content-Length: 100000"))
    for piece in pieces:
        for client in clients:
            client.send(piece)
    for client in clients:
        assert json.loads(client.read().body) == digest(MEGABYTE[:100_000])
        client.socket.close()


# -- 100-continue


def test_continue_is_sent_once_the_handler_reads(both):
    name = f"continue{both.port}"
    with Client(both) as client:
        client.send(request("PUT /hash", "Expect: 100-continue", "Content-Length: 5"))
        assert client.read().status == 100
        client.send(b"hello")
        assert json.loads(client.read().body) == digest(b"hello")
        client.send(request(f"PUT /put/slow/{name}", "Expect: 100-continue", "Transfer-Encoding: chunked"))
        assert client.read().status == 100
        client.send(b"5\r\nhello\r\n0\r\n\r\n")
        wait_for_note(both, name, "begun")
        open_door(both, name)
        assert json.loads(client.read().body) == {"size": 5}
        assert client.is_open()


def test_continue_is_not_sent_behind_a_body_that_came(live):
    with Client(live) as client:
        client.send(request("PUT /hash", "Expect: 100-continue", body=b"hello"))
        assert json.loads(client.read().body) == digest(b"hello")
        assert client.is_open()


@pytest.mark.parametrize("path", UNREAD)
def test_continue_is_not_sent_for_a_body_that_nobody_reads(both, path):
    with Client(both) as client:
        client.send(request(f"PUT {path}", "Expect: 100-continue", "Content-Length: 5"))
        answer = client.read()
        assert answer.status == (403 if "refused" in path else 200)
        # Nobody knows whether the body will come.
        assert answer.header("connection") == "close"
        client.half_close()
        assert client.rest() == b""
    wait_until_free(both)


# -- handlers that do not take it all


@pytest.mark.parametrize("path", UNREAD)
def test_short_body_that_nobody_reads_is_skipped(both, path):
    with Client(both) as client:
        for raw in (request(f"PUT {path}", body=b"x" * 5000), request(f"PUT {path}", body=b"")):
            client.send(raw)
            assert client.read().status == (403 if "refused" in path else 200)
        assert client.is_open()


@pytest.mark.parametrize("path", UNREAD)
@pytest.mark.parametrize("way", [lambda *a: request(a[0], body=a[1]), lambda *a: chunked(a[0], *chunks_of(a[1]))])
def test_long_body_that_nobody_reads_is_not_waited_for(both, path, way):
    (answer,) = answers(both, way(f"PUT {path}", b"x" * 200_000))
    assert answer.status == (403 if "refused" in path else 200)
    assert answer.header("connection") == "close"
    wait_until_free(both)


@pytest.mark.parametrize("way", ["length", "chunked"])
def test_body_read_in_part_does_not_become_the_next_request(both, way):
    body = b"GET /json HTTP/1.1\r\nHost: x\r\n\r\n" * 100
    with Client(both) as client:
        raw = request("PUT /put/some/10", body=body) if way == "length" else chunked("PUT /put/some/10", body)
        client.send(raw)
        answer = client.read()
        assert answer.body == body[:10]
        if answer.header("connection") == "close":
            client.half_close()
            assert client.rest() == b""
        else:
            assert json.loads(client.ask("PUT /hash", body=b"next").body) == digest(b"next")
    wait_until_free(both)


def test_long_body_read_in_part_ends_the_connection(both):
    (answer,) = answers(both, request("PUT /put/some/5000", body=MEGABYTE[:300_000]))
    assert answer.body == MEGABYTE[:5000]
    assert answer.header("connection") == "close"


@pytest.mark.parametrize("size", [1, 100_000])
def test_handler_that_fails_in_the_middle(both, size):
    (answer,) = answers(both, last(f"PUT /put/failing/{size}", body=MEGABYTE[:300_000]))
    assert answer.status == 500
    assert b"wrong" not in answer.body
    wait_until_free(both)


def test_handler_that_fails_in_a_short_body_keeps_the_connection(live):
    with Client(live) as client:
        assert client.ask("PUT /put/failing/1", body=b"x" * 3000).status == 500
        assert client.is_open()


@pytest.mark.parametrize("size", [5, 3000, 300_000])
@pytest.mark.parametrize("way", ["length", "chunked"])
def test_body_may_be_sent_back_as_it_comes(both, size, way):
    body = MEGABYTE[:size]
    with Client(both) as client:
        raw = request("PUT /put/back", body=body) if way == "length" else chunked("PUT /put/back", *chunks_of(body))
        client.send(raw)
        answer = client.read()
        assert answer.body == body
        # It was not sure that all would be read.
        assert (answer.header("connection") == "close") is not client.is_open()
    wait_until_free(both)


# -- wrong framing


WRONG = {
    "size": b"x\r\nhello\r\n0\r\n\r\n",
    "size, later": b"5\r\nhello\r\n-1\r\n",
    "no line end": b"5\r\nhelloworld",
    "bare line feed": b"5\nhello\n0\n\n",
    "too large": b"fffffffff\r\n",
    "overhead": b"1;" + b"x" * 3000 + b"\r\na\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_chunks_are_refused(both, what):
    errors = state(both)["counters"]["errors"]
    with Client(both) as client:
        client.send(request("PUT /hash", "Transfer-Encoding: chunked") + WRONG[what])
        answer = client.read()
        assert answer.status in (400, 413)
        assert answer.header("connection") == "close"
        client.half_close()
        assert client.rest() == b""
    assert wait_until_free(both)["counters"]["errors"] == errors


# -- clients that go, or stay silent


@pytest.mark.parametrize("how", ["reset", "close", "half-close"])
@pytest.mark.parametrize("when", ["reading", "slow"])
@pytest.mark.parametrize("way", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_client_that_vanishes_in_its_body_ends_the_handler(both, when, how, way):
    name = f"gone-{when}-{how}-{way[0]}"
    before = state(both)["counters"]
    if when == "reading":
        open_door(both, name)
    client = Client(both)
    body = b"h" * 3000
    client.send(request(f"PUT /put/slow/{name}", way) + (b"%x\r\n" % len(body) + body if way[0] == "T" else body))
    wait_for_note(both, name, "begun")
    if how == "reset":
        client.reset()
    elif how == "close":
        client.socket.close()
    else:
        client.half_close()
    if when == "slow":
        open_door(both, name)
    assert wait_for_note(both, name, "ended") is True, "the request was gone in `finally`"
    assert "done" not in notes(both, name)
    now = wait_until_free(both)["counters"]
    assert (now["errors"], now["lost"]) == (before["errors"], before["lost"] + 1)
    client.socket.close()


def test_silent_client_is_told(start_server):
    server = start_server("silence_ms=1000", script=LIVE, heapsize="16m")
    length = "Content-Length: 100"
    names = {"silent": length, "silent-chunks": "Transfer-Encoding: chunked", "expects": length}
    clients = {}
    for name, field in names.items():
        open_door(server, name)
        client = clients[name] = Client(server)
        expect = ["Expect: 100-continue"] if name == "expects" else []
        body = {"silent": b"hello", "silent-chunks": b"5\r\nhel", "expects": b""}[name]
        client.send(request(f"PUT /put/slow/{name}", field, *expect) + body)
    slow = Client(server)
    slow.send(request("PUT /put/slow/patient", "Content-Length: 10") + b"hello")
    wait_for_note(server, "patient", "begun")
    dripping = Client(server)
    dripping.send(request("PUT /hash", "Content-Length: 6"))
    for letter in b"hello!":
        dripping.send(bytes([letter]))
        time.sleep(0.4)
    assert json.loads(dripping.read().body) == digest(b"hello!")
    for name, client in clients.items():
        answer = client.read()
        if name == "expects":
            assert answer.status == 100
            answer = client.read()
        assert (answer.status, answer.header("connection")) == (408, "close"), name
        assert client.rest() == b""
        assert wait_for_note(server, name, "ended")
        assert "done" not in notes(server, name)
    # A handler takes as long as it takes.
    open_door(server, "patient")
    slow.send(b"world")
    assert json.loads(slow.read().body) == {"size": 10}
    slow.socket.close()
    dripping.socket.close()
    assert wait_until_free(server)["counters"]["errors"] == 0


def test_slow_handler_slows_its_client(live):
    with Client(live) as client:
        client.socket.settimeout(0.5)
        client.send(request("PUT /put/slow/pace", "Content-Length: 100000000"))
        sent = 0
        try:
            while sent < 100_000_000:
                sent += client.socket.send(MEGABYTE)
        except TimeoutError:
            pass
        assert sent < 50_000_000, "it was read although the handler waits"
        assert "size" not in notes(live, "pace")
        client.reset()
    open_door(live, "pace")
    assert wait_for_note(live, "pace", "ended")


def test_stop_ends_uploads(start_server):
    server = start_server(script=LIVE, heapsize="16m")
    with Client(server) as reading, Client(server) as waiting:
        open_door(server, "stop-reading")
        reading.send(request("PUT /put/slow/stop-reading", "Content-Length: 100") + b"hello")
        waiting.send(request("PUT /put/slow/stop-waiting", "Content-Length: 100") + b"hello")
        wait_until(lambda: notes(server, "stop-reading").get("size"), "the handler reads")
        wait_for_note(server, "stop-waiting", "begun")
        assert answers(server, last("GET /stop"))[0].status == 200
        assert server.process.wait(10) == 0
    assert server.output().count("ended\n") == 2


# -- memory, and real clients

# The smallest heap, of .py files, that does this on a 64-bit build (twice the word of a board's).
SMALL_HEAP = "512k"


@pytest.mark.interpreters("amd64")
def test_megabyte_in_a_small_heap(start_server):
    words = ("connections=2", "requests=100000")
    server = start_server(*words, script=LIVE, heapsize=SMALL_HEAP)
    with Client(server) as client:
        for raw in (request("PUT /hash", body=MEGABYTE), chunked("PUT /hash", *chunks_of(MEGABYTE))) * 2:
            client.send(raw)
            assert json.loads(client.read().body) == digest(MEGABYTE)
    assert "Memory" not in server.output()


def test_long_upload_survives_every_sweep(live):
    clock = state(live)["clock"]
    while state(live)["clock"] < clock + 4:
        with Client(live) as client:
            client.send(request("PUT /hash", body=MEGABYTE * 10))
            assert json.loads(client.read().body)["size"] == len(MEGABYTE) * 10


@pytest.mark.interpreters("amd64")
def test_uploads_leave_nothing_in_memory(live):
    def upload(size):
        with Client(live) as client:
            client.send(request("PUT /hash", body=MEGABYTE * size))
            assert json.loads(client.read().body)["size"] == size * len(MEGABYTE)

    # A client's larger buffer goes with it.
    upload(1)
    before = wait_until_free(live)["heap"]
    upload(5)
    assert wait_until_free(live)["heap"] - before < 2048


def test_curl_uploads(live, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(MEGABYTE)
    for options in (["-T", file], ["-T", "-"], ["--data-binary", f"@{file}"], ["-0", "-T", file]):
        with open(file, "rb") as source:
            command = ["curl", "-sSf", *options, live.url + "hash"]
            done = subprocess.run(command, stdin=source, capture_output=True, check=True, timeout=120)
        assert json.loads(done.stdout) == digest(MEGABYTE)


def test_curl_uploads_slowly(live, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(MEGABYTE)
    command = ["curl", "-sSf", "--limit-rate", "1M", "-T", file, live.url + "hash"]
    assert json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout) == digest(MEGABYTE)


def test_httpx_uploads_a_generator(live):
    with httpx.Client(base_url=live.url) as client:
        for _ in range(2):
            assert client.put("hash", content=iter(chunks_of(MEGABYTE, 9999))).json() == digest(MEGABYTE)


def test_early_answer_reaches_a_client_that_sends_on(live):
    with Client(live) as client:
        client.send(request("PUT /put/refused", "Content-Length: 1000000") + b"x" * 1000)
        assert read_response(client.socket).status == 403


def test_refusal_reaches_a_client_that_sends_for_long(both):
    """A photograph over Wi-Fi: whoever is reset in the middle never reads why."""
    piece = bytes(50_000)
    with Client(both) as client:
        client.send(b"PUT /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
        for _ in range(40):
            client.send(piece)
            time.sleep(0.05)
        answer = client.read()
        assert (answer.status, answer.header("connection")) == (404, "close")
        assert not client.is_open()
    wait_until_free(both)


def test_client_that_was_refused_gives_its_place_to_others(start_server):
    server = start_server("connections=2", script=LIVE, heapsize="16m")
    refused = [Client(server) for _ in range(2)]
    try:
        for client in refused:
            client.send(b"PUT /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n")
            assert client.read().status == 404
        for _ in range(4):
            with Client(server) as client:
                assert client.ask("GET /json").status == 200
    finally:
        for client in refused:
            client.__exit__()


def test_body_that_finds_no_room_has_some_made(monkeypatch):
    told = []

    def scarce(size):
        told.append(size)
        if len(told) == 1:
            raise MemoryError
        return bytearray(size)

    monkeypatch.setattr(incoming, "bytearray", scarce, raising=False)
    buffer = bytearray(b"GETabc")
    limits = SimpleNamespace(body_bytes=8192, silence_sweeps=1)
    server = SimpleNamespace(limits=limits, clock=0, make_room=lambda: told.append("room"))
    slot = SimpleNamespace(server=server, head_end=3, end=6, buffer=buffer, view=memoryview(buffer), again=None)
    request = SimpleNamespace(length=3, expects=False, reader=SimpleNamespace(done=False))
    asyncio.run(incoming.hold(slot, request))
    assert request.body == b"abc" and told == [3, "room", 3]
