"""WebSockets as a client has them: frames over real sockets, the `websockets` client, both interpreters.

The numbers in names are those of the Autobahn suite's sections that check the same.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import struct
import threading
import time

import pytest
import websockets
from websockets.sync.client import connect

from host_tests.server.test_connection import Client, ask, request
from host_tests.server.test_listener import wait_until
from host_tests.server.test_stream import (
    HELD_BLOCKS,
    LIVE,
    cut_off,
    notes,
    open_door,
    state,
    stop,
    wait_for_note,
    wait_until_free,
)
from host_tests.servers import Server, read_response
from host_tests.vectors.websocket import frame, more, parts, text

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MESSAGE_BYTES = 70_000
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade")
HANDSHAKE = (*UPGRADE, "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}")


@pytest.fixture(scope="module")
def live(server_interpreter):
    words = (f"message_bytes={MESSAGE_BYTES}", "ping_ms=60000")
    with Server(server_interpreter, *words, script=LIVE, heapsize="16m") as running:
        yield running


class Socket(Client):
    """A WebSocket client that knows nothing but frames."""

    def __init__(self, server, path="/ws/echo", *fields, window=None, send=b""):
        super().__init__(server, window)
        self.send(request(f"GET {path}", *HANDSHAKE, *fields) + send)
        self.answer = self.read()
        assert self.answer.status == 101, self.answer

    def exactly(self, size):
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            assert piece, f"it ended after {data!r}"
            data += piece
        return data

    def frame(self):
        """Return (opcode, payload) of the next frame, which has to be whole, plain and as short as can be."""
        first, length = self.exactly(2)
        assert first & 0xF0 == 0x80, f"not a whole frame: {first:x}"
        if length == 126:
            (length,) = struct.unpack(">H", self.exactly(2))
            assert length > 125
        elif length == 127:
            (length,) = struct.unpack(">Q", self.exactly(8))
            assert length > 65535
        else:
            assert length < 126, "masked"
        return first & 15, self.exactly(length)

    def closed(self):
        """Return (code, reason) of a close frame and see to it that nothing but the end follows."""
        opcode, payload = self.frame()
        assert opcode == CLOSE, (opcode, payload)
        assert self.rest() == b""
        return (int.from_bytes(payload[:2], "big"), payload[2:].decode()) if payload else (None, "")

    def bye(self, code=1000):
        """Close in peace."""
        self.send(close(code))
        assert self.closed() == (code, "")
        self.socket.close()


def close(code, reason=b""):
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


# -- handshake


def test_handshake_is_answered(live):
    with Socket(live) as client:
        answer = client.answer
        assert answer.header("upgrade") == "websocket"
        assert answer.header("connection").lower() == "upgrade"
        expected = base64.b64encode(hashlib.sha1(KEY.encode() + GUID).digest()).decode()
        assert answer.header("sec-websocket-accept") == expected
        for name in ("sec-websocket-protocol", "sec-websocket-extensions", "content-length", "transfer-encoding"):
            assert answer.header(name) is None
        assert answer.header("content-type") is None
        client.bye()


def test_handshake_fields_are_tolerant_of_case_and_lists(live):
    with Client(live) as client:
        fields = ("upgrade: WebSocket", "CONNECTION: keep-alive, Upgrade", "sec-websocket-version: 13")
        client.send(request("GET /ws/echo", *fields, f"sec-websocket-key: {KEY}"))
        assert client.read().status == 101


def without(name):
    return [field for field in HANDSHAKE if not field.startswith(name)]


BAD_HANDSHAKES = {
    "no upgrade": (426, without("Upgrade")),
    "no connection": (400, without("Connection")),
    "no fields": (426, []),
    "another protocol": (426, [*without("Upgrade"), "Upgrade: h2c"]),
    "no version": (426, without("Sec-WebSocket-Version")),
    "version 8": (426, [*without("Sec-WebSocket-Version"), "Sec-WebSocket-Version: 8"]),
    "version 14": (426, [*without("Sec-WebSocket-Version"), "Sec-WebSocket-Version: 14"]),
    "no key": (400, without("Sec-WebSocket-Key")),
    "short key": (400, [*without("Sec-WebSocket-Key"), "Sec-WebSocket-Key: c2hvcnQ="]),
    "no base64": (400, [*without("Sec-WebSocket-Key"), "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="]),
    "two keys": (400, [*HANDSHAKE, f"Sec-WebSocket-Key: {KEY}"]),
    "a stranger's page": (403, [*HANDSHAKE, "Origin: https://evil.example"]),
    "a page of nowhere": (403, [*HANDSHAKE, "Origin: null"]),
    "a page of another port": (403, [*HANDSHAKE, "Origin: http://limpet.test:81"]),
    "a page of a like name": (403, [*HANDSHAKE, "Origin: http://limpet.test.evil.example"]),
}


@pytest.mark.parametrize("what", BAD_HANDSHAKES)
def test_bad_handshake_is_refused(live, what):
    status, fields = BAD_HANDSHAKES[what]
    with Client(live) as client:
        client.send(request("GET /ws/echo", *fields))
        answer = client.read()
        assert answer.status == status
        assert answer.header("content-length") is not None
        assert answer.header("sec-websocket-accept") is None
        if status == 426:
            assert answer.header("sec-websocket-version") == "13"
            assert answer.header("upgrade") == "websocket"
            assert "upgrade" in answer.header("connection").lower()
        # It was a request like any other.
        assert client.is_open()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
def test_handshake_with_another_method_is_not_allowed(live, method):
    with Client(live) as client:
        answer = client.ask(f"{method} /ws/echo", *HANDSHAKE)
        assert answer.status == 405
        assert "GET" in answer.header("allow")
        assert client.is_open()


def test_handshake_in_http_1_0_is_no_upgrade(live):
    with Client(live) as client:
        client.send(request("GET /ws/echo", *HANDSHAKE, version="1.0"))
        assert client.read().status == 426


def test_handshake_with_a_body_does_not_take_it_for_frames(live):
    with Client(live) as client:
        client.send(request("GET /ws/echo", *HANDSHAKE, body=text(b"smuggled")) + text(b"real"))
        answer = client.read()
        if answer.status == 101:
            assert client.socket.recv(100) == b"\x81\x04real"
        else:
            assert 400 <= answer.status < 500


ORIGINS = ["http://limpet.test", "https://limpet.test", "HTTP://LIMPET.TEST", "https://friend.example"]
SAME_ORIGIN = "Sec-Fetch-Site: same-origin"
CROSS_SITE = "Sec-Fetch-Site: cross-site"


@pytest.mark.parametrize(
    "fields",
    [
        *[(f"Origin: {origin}",) for origin in ORIGINS],
        (SAME_ORIGIN, "Origin: http://limpet.test:8080"),
        (CROSS_SITE, "Origin: https://friend.example"),
    ],
)
def test_page_that_may_connect_does(live, fields):
    with Socket(live, "/ws/origins", *fields) as client:
        client.bye()


@pytest.mark.parametrize("host", ["limpet.test:80", "Limpet.Test:80"])
def test_page_may_connect_though_host_has_the_port_of_its_scheme(live, host):
    with Client(live) as client:
        raw = request("GET /ws/origins", *HANDSHAKE, "Origin: http://limpet.test")
        client.send(raw.replace(b"Host: limpet.test", b"Host: " + host.encode()))
        assert client.read().status == 101
        client.send(close(1000))


@pytest.mark.parametrize(
    "fields", [(CROSS_SITE,), ("Sec-Fetch-Site: same-site",), (CROSS_SITE, "Origin: http://limpet.test")]
)
def test_page_of_another_site_may_not_connect(live, fields):
    with Client(live) as client:
        client.send(request("GET /ws/origins", *HANDSHAKE, *fields))
        assert client.read().status == 403


PROTOCOLS = {
    "chat": "chat",
    "superchat, chat": "superchat",
    "other, chat": "chat",
    "other,chat,superchat": "chat",
    "other": None,
    "Chat": None,
    "": None,
}


@pytest.mark.parametrize("offered", PROTOCOLS)
def test_subprotocol_is_the_clients_first_that_is_known(live, offered):
    with Socket(live, "/ws/protocols", f"Sec-WebSocket-Protocol: {offered}") as client:
        assert client.answer.header("sec-websocket-protocol") == PROTOCOLS[offered]
        client.bye()


def test_subprotocols_in_two_lines_are_one_list(live):
    fields = ("Sec-WebSocket-Protocol: other", "Sec-WebSocket-Protocol: superchat")
    with Socket(live, "/ws/protocols", *fields) as client:
        assert client.answer.header("sec-websocket-protocol") == "superchat"
        client.bye()


def test_frames_right_behind_the_handshake_are_read(live):
    with Socket(live, send=text(b"one") + frame(PING, b"p") + text(b"two")) as client:
        got = [client.frame() for _ in range(3)]
        assert [payload for opcode, payload in got if opcode == TEXT] == [b"one", b"two"]
        assert (PONG, b"p") in got
        client.bye()


# -- frames, sent whole and byte by byte


def send_whole(client, raw):
    client.send(raw)


def send_bytes(client, raw):
    # Far more would only take longer.
    for at in range(min(len(raw), 300)):
        client.send(raw[at : at + 1])
    client.send(raw[300:])


sent_each_way = pytest.mark.parametrize("send", [send_whole, send_bytes], ids=["whole", "byte by byte"])

STAR = b"*"
HELLO = "Hello-µ@ßöäüàá-UTF-8!!".encode()
KOSME = "κόσμε".encode()
ECHOES = {
    **{f"1.1 text of {n}": (text(STAR * n), [(TEXT, STAR * n)]) for n in (0, 125, 126, 127, 128, 65535, 65536)},
    **{
        f"1.2 binary of {n}": (frame(BINARY, b"\xfe" * n), [(BINARY, b"\xfe" * n)])
        for n in (0, 125, 126, 127, 128, 65535, 65536)
    },
    "2.1 ping": (frame(PING), [(PONG, b"")]),
    "2.2 ping with text": (frame(PING, b"Hello, world!"), [(PONG, b"Hello, world!")]),
    "2.3 ping with bytes": (frame(PING, b"\x00\xff\xfe\xfd\xfc"), [(PONG, b"\x00\xff\xfe\xfd\xfc")]),
    "2.4 ping of 125": (frame(PING, b"\xfe" * 125), [(PONG, b"\xfe" * 125)]),
    "2.7 pong unasked": (frame(PONG) + text(b"x"), [(TEXT, b"x")]),
    "2.8 pong with payload": (frame(PONG, b"unsolicited") + text(b"x"), [(TEXT, b"x")]),
    "2.9 pong, ping": (frame(PONG, b"u") + frame(PING, b"p"), [(PONG, b"p")]),
    "2.10 ten pings": (b"".join(frame(PING, b"%d" % n) for n in range(10)), [(PONG, b"%d" % n) for n in range(10)]),
    "5.3 two parts": (parts(TEXT, b"one", b"two"), [(TEXT, b"onetwo")]),
    "5.6 ping between": (text(b"one", False) + frame(PING, b"p") + more(b"two"), [(PONG, b"p"), (TEXT, b"onetwo")]),
    "5.19 many parts and pings": (
        text(b"f1", False) + more(b"f2", False) + frame(PING, b"p1") + more(b"f3", False)
        + more(b"f4", False) + frame(PING, b"p2") + more(b"f5"),
        [(PONG, b"p1"), (PONG, b"p2"), (TEXT, b"f1f2f3f4f5")],
    ),
    "5.20 pong between": (text(b"one", False) + frame(PONG, b"u") + more(b"two"), [(TEXT, b"onetwo")]),
    "6.1 nothing in parts": (parts(TEXT, b"", b"", b""), [(TEXT, b"")]),
    "6.1.3 little in parts": (parts(TEXT, b"", b"middle", b""), [(TEXT, b"middle")]),
    "6.2 unicode": (text(HELLO), [(TEXT, HELLO)]),
    "6.2.4 a byte a frame": (parts(TEXT, *(bytes([byte]) for byte in HELLO)), [(TEXT, HELLO)]),
    "6.5 greek": (text(KOSME), [(TEXT, KOSME)]),
    "6.9 edges": (text("\x7f߿￿\U0010ffff\U00010000퟿".encode()), [(TEXT, "\x7f߿￿\U0010ffff\U00010000퟿".encode())]),
    "6.22 no characters": (text("￾￿\U0001fffe".encode()), [(TEXT, "￾￿\U0001fffe".encode())]),
    "not UTF-8, binary": (frame(BINARY, b"\xff\x80"), [(BINARY, b"\xff\x80")]),
    "10.1 small frames": (
        parts(TEXT, *[STAR * 1300] * 50, STAR * 536), [(TEXT, STAR * 65536)]
    ),
    "mask of zeros": (frame(TEXT, b"plain", key=bytes(4)), [(TEXT, b"plain")]),
}  # fmt: skip


@sent_each_way
@pytest.mark.parametrize("what", ECHOES)
def test_frames_are_answered(live, what, send):
    raw, expected = ECHOES[what]
    with Socket(live) as client:
        send(client, raw)
        assert [client.frame() for _ in expected] == expected
        client.bye()


FAILING = {
    "2.5 ping of 126": (1002, frame(PING, b"\xfe" * 126)),
    **{f"3 reserved bits {rsv}": (1002, frame(TEXT, b"x", rsv=rsv)) for rsv in range(1, 8)},
    "3 reserved bit in a ping": (1002, frame(PING, b"x", rsv=4)),
    "3 reserved bit in a close": (1002, frame(CLOSE, b"\x03\xe8", rsv=4)),
    **{f"4.1 opcode {code}": (1002, frame(code, b"x")) for code in (3, 4, 5, 6, 7)},
    **{f"4.2 opcode {code}": (1002, frame(code, b"x")) for code in (11, 12, 13, 14, 15)},
    "5.1 ping in parts": (1002, frame(PING, b"p", False) + more(b"q")),
    "5.2 pong in parts": (1002, frame(PONG, b"p", False) + more(b"q")),
    "close in parts": (1002, frame(CLOSE, b"\x03\xe8", False)),
    "5.9 continuation of nothing": (1002, more(b"x")),
    "5.10 continuation of nothing, not last": (1002, more(b"x", False)),
    "5.15 message within a message": (1002, text(b"one", False) + text(b"two")),
    "5.16 binary within text": (1002, text(b"one", False) + frame(BINARY, b"two")),
    "6.3 not UTF-8": (1007, text(KOSME + b"\xed\xa0\x80edited")),
    "6.3.2 not UTF-8, a byte a frame": (1007, parts(TEXT, *(bytes([b]) for b in KOSME + b"\xed\xa0\x80edited"))),
    "6.4 not UTF-8, message not at its end": (1007, text(KOSME + b"\xf4\x90\x80\x80", False)),
    "6.4.3 not UTF-8, frame not at its end": (1007, frame(TEXT, KOSME + b"\xf4\x90" + b"x" * 100)[:-100]),
    "6.6 cut within a character": (1007, text(KOSME[:-1])),
    "6.8 five bytes": (1007, text(b"\xf8\x88\x80\x80\x80")),
    "6.14 lone continuation": (1007, text(b"\x80")),
    "6.18 overlong": (1007, text(b"\xc0\xaf")),
    "6.20 surrogate": (1007, text(b"\xed\xbf\xbf")),
    "7.3.2 close of one byte": (1002, frame(CLOSE, b"a")),
    "7.3.6 close of 126": (1002, frame(CLOSE, b"\x03\xe8" + b"*" * 124)),
    "7.5.1 close with no UTF-8": (1007, frame(CLOSE, b"\x03\xe8" + KOSME + b"\xed\xa0\x80")),
    **{
        f"7.9 close with {code}": (1002, close(code))
        for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "not masked": (1002, b"\x81\x02hi"),
    "not masked ping": (1002, b"\x89\x00"),
    "length of two bytes that needs one": (1002, frame(TEXT, b"x", extended=2)),
    "length of eight bytes that needs two": (1002, frame(TEXT, b"x" * 200, extended=8)),
    "length of 2**63": (1002, b"\x82\xff\x80" + bytes(7) + b"mask"),
    "message too long": (1009, frame(BINARY, b"x" * (MESSAGE_BYTES + 1))),
    "message too long in its head": (1009, b"\x82\xff\x00\x00\x7f\xff\xff\xff\xff\xffmask"),
    "message too long in parts": (1009, parts(BINARY, b"x" * MESSAGE_BYTES, b"y")),
}


@sent_each_way
@pytest.mark.parametrize("what", FAILING)
def test_wrong_frames_fail_the_connection(live, what, send):
    code, raw = FAILING[what]
    with Socket(live, "/ws/echo") as client:
        client.send(text(b"before"))
        assert client.frame() == (TEXT, b"before")
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            send(client, raw)
        opcode, payload = client.frame()
        assert opcode == CLOSE, payload
        assert int.from_bytes(payload[:2], "big") == code
        payload[2:].decode()
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            client.send(close(code))
        assert cut_off(client) == b""


@pytest.mark.parametrize("what", ["3 reserved bits 4", "6.3 not UTF-8", "message too long in its head"])
def test_failed_connection_is_closed_once_the_client_agrees(live, what):
    code, raw = FAILING[what]
    with Socket(live) as client:
        client.send(raw)
        assert client.frame()[0] == CLOSE
        clock = state(live)["clock"]
        client.send(close(code))
        assert cut_off(client) == b""
        # Two sweeps is when one that stays silent is closed.
        assert state(live)["clock"] <= clock + 1


def test_nothing_behind_a_wrong_frame_is_answered(live):
    with Socket(live) as client:
        client.send(text(b"one") + frame(TEXT, b"x", rsv=4) + text(b"two") + frame(PING))
        assert client.frame() == (TEXT, b"one")
        assert client.frame()[0] == CLOSE
        assert cut_off(client) == b""


# -- closing


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999])
def test_close_is_answered_with_its_code(live, code):
    name = f"close{code}"
    with Socket(live, f"/ws/noted/{name}") as client:
        client.send(close(code, "wörds".encode()))
        assert client.closed() == (code, "")
    assert wait_for_note(live, name, "ended") == code


def test_close_without_a_code_is_answered(live):
    with Socket(live, "/ws/noted/empty") as client:
        client.send(frame(CLOSE))
        assert client.closed() == (None, "")
    assert wait_for_note(live, "empty", "ended") == 1005
    assert notes(live, "empty")["after"] == 1005


def test_nothing_is_answered_behind_a_close(live):
    with Socket(live) as client:
        client.send(text(b"one") + close(1000) + text(b"two") + frame(PING) + close(1001))
        assert client.frame() == (TEXT, b"one")
        assert client.closed() == (1000, "")


def test_close_within_a_message_is_answered(live):
    with Socket(live) as client:
        client.send(text(b"one", False) + close(1000))
        assert client.closed() == (1000, "")


def test_messages_before_a_close_are_all_answered(live):
    with Socket(live) as client:
        client.send(b"".join(text(b"%d" % n) for n in range(100)) + close(1000))
        assert [client.frame() for _ in range(100)] == [(TEXT, b"%d" % n) for n in range(100)]
        assert client.closed() == (1000, "")


@pytest.mark.parametrize("path", ["/ws/nothing", "/ws/push/3/0"])
def test_handler_that_returns_closes_with_1000(live, path):
    with Socket(live, path) as client:
        if "push" in path:
            assert [client.frame() for _ in range(3)] == [(TEXT, b"0"), (TEXT, b"1"), (TEXT, b"2")]
        opcode, payload = client.frame()
        assert (opcode, payload) == (CLOSE, b"\x03\xe8")
        client.send(close(1000))
        assert client.rest() == b""


def test_handler_that_returns_after_a_message_closes_with_1000(live):
    with Socket(live, "/ws/first") as client:
        client.send(text(b"only") + text(b"not this"))
        assert client.frame() == (TEXT, b"only")
        assert client.frame() == (CLOSE, b"\x03\xe8")
        client.send(close(1000))
        assert cut_off(client) == b""


@pytest.mark.parametrize("name", ["at once", "later"])
def test_handler_that_fails_closes_with_1011(live, name):
    errors = state(live)["counters"]["errors"]
    with Socket(live, f"/ws/fail/{name}".replace(" ", "%20")) as client:
        assert client.frame() == (TEXT, b"before")
        if name == "later":
            client.send(text(b"go"))
        opcode, payload = client.frame()
        assert (opcode, payload[:2]) == (CLOSE, b"\x03\xf3")
        assert b"wrong" not in payload
        client.send(close(1011))
        assert client.rest() == b""
    assert wait_until_free(live)["counters"]["errors"] == errors + 1
    assert "it went wrong" in live.output()


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_handler_that_closes(live, code):
    name = f"own{code}"
    with Socket(live, f"/ws/close/{code}/{name}") as client:
        assert client.frame() == (CLOSE, code.to_bytes(2, "big") + "bye ü".encode())
        client.send(text(b"on its way") + close(code))
        assert client.rest() == b""
    assert wait_for_note(live, name, "ended") == code
    seen = notes(live, name)
    assert (seen["received"], seen["error"]) == (None, "Lost")
    wait_until_free(live)


def test_client_that_does_not_answer_a_close_is_left(live):
    with Socket(live, "/ws/nothing") as client:
        assert client.frame()[0] == CLOSE
        assert client.rest() == b""
    wait_until_free(live)


@pytest.mark.parametrize("how", ["reset", "close", "half-close"])
@pytest.mark.parametrize("path", ["noted", "slow", "deaf", "endless", "feed"])
def test_client_that_vanishes_leaves_1006(live, path, how):
    name = f"gone-{path}-{how}"
    before = state(live)["counters"]["errors"]
    client = Socket(live, f"/ws/{path}/{name}")
    if path in ("noted", "slow"):
        client.send(text(b"x"))
        wait_for_note(live, name, "count")
    elif path != "endless":
        wait_until(lambda: notes(live, name), "the handler")
    if how == "reset":
        client.reset()
    elif how == "close":
        client.socket.close()
    else:
        client.half_close()
        if path == "endless":
            cut_off(client)
    assert wait_for_note(live, name, "ended") == 1006
    assert wait_until_free(live)["counters"]["errors"] == before
    client.socket.close()


def test_client_that_vanishes_within_a_frame(live):
    for at in (1, 3, 7, 9):
        name = f"within{at}"
        client = Socket(live, f"/ws/noted/{name}")
        client.send(text(b"hello")[:at])
        wait_until(lambda name=name: notes(live, name), "the handler")
        client.socket.close()
        assert wait_for_note(live, name, "ended") == 1006
    wait_until_free(live)


def test_client_that_vanishes_in_the_handshake(live):
    for _ in range(3):
        client = Client(live)
        client.send(request("GET /ws/echo", *HANDSHAKE))
        client.reset()
    wait_until_free(live)


# -- pace


def test_pings_are_answered_while_the_handler_is_slow(live):
    with Socket(live, "/ws/slow/pings") as client:
        client.send(text(b"slow"))
        wait_for_note(live, "pings", "count")
        # No message waits: the connection is read.
        for n in range(300):
            client.send(frame(PING, b"%d" % n))
            assert client.frame() == (PONG, b"%d" % n)
        client.send(b"".join(frame(PING, b"%d" % n) for n in range(300)))
        assert [client.frame() for _ in range(300)] == [(PONG, b"%d" % n) for n in range(300)]
        open_door(live, "pings")
        assert client.frame() == (TEXT, b"slow")
        client.bye()


def test_flood_of_pings_that_nobody_reads_costs_no_memory(live):
    with Socket(live, "/ws/slow/flood", window=16384) as client, Client(live) as other:
        client.socket.settimeout(0.3)
        pings = b"".join(frame(PING, b"x" * 125) for _ in range(1000))
        with contextlib.suppress(TimeoutError, OSError):
            for _ in range(200):
                client.socket.sendall(pings)
        assert other.is_open()
        assert state(live)["heap"] < 12_000_000
        client.reset()
    wait_until_free(live)


def test_slow_handler_slows_its_client(start_server):
    server = start_server(f"message_bytes={MESSAGE_BYTES}", "ping_ms=500", script=LIVE, heapsize="16m")
    with Socket(server, "/ws/slow/pace") as client:
        client.socket.settimeout(1)
        sent = 0
        with contextlib.suppress(TimeoutError):
            for _ in range(1000):
                client.socket.sendall(frame(BINARY, b"x" * 60_000))
                sent += 1
        assert sent < 1000, "it was read although the handler waits"
        assert notes(server, "pace")["count"] == 1
        client.reset()
    assert wait_for_note(server, "pace", "ended") == 1006
    wait_until_free(server)


def test_handler_waits_for_a_client_that_does_not_read(live):
    with Socket(live, "/ws/endless/backpressure", window=16384) as client:

        def rests():
            before = notes(live, "backpressure").get("count", 0)
            time.sleep(0.1)
            return before if before and notes(live, "backpressure")["count"] == before else None

        made = wait_until(rests, "the handler waits")
        assert 0 < made < HELD_BLOCKS
        for _ in range(made + 2000):
            assert client.frame()[0] == BINARY
        client.reset()
    assert wait_for_note(live, "backpressure", "ended") == 1006


def test_client_that_reads_nothing_is_given_up(start_server):
    server = start_server("silence_ms=1000", script=LIVE, heapsize="16m")
    with Socket(server, "/ws/endless/stalled", window=16384):
        assert wait_for_note(server, "stalled", "ended") == 1006
        wait_until_free(server)


@pytest.mark.parametrize("size", [10, 3000, 70_000])
def test_messages_of_many_tasks_are_whole(live, size):
    singers, songs = 5, 20 if size < 70_000 else 5
    with Socket(live, f"/ws/chorus/{singers}/{songs}/{size}", window=16384) as client:
        heard = {str(voice): [] for voice in range(singers)}
        while True:
            opcode, payload = client.frame()
            if opcode == CLOSE:
                assert payload == b"\x03\xe8"
                break
            voice, at, song = payload.decode().split(" ")
            assert song == voice * size
            heard[voice].append(int(at))
        assert all(order == list(range(songs)) for order in heard.values())
        client.send(close(1000))


def test_others_are_served_while_a_handler_floods(live):
    with Socket(live, "/ws/endless/greedy") as client:
        done = threading.Event()

        def take():
            with contextlib.suppress(OSError):
                while not done.is_set():
                    client.socket.recv(1 << 20)

        thread = threading.Thread(target=take)
        thread.start()
        try:
            with Client(live) as other:
                for _ in range(20):
                    assert other.is_open()
        finally:
            done.set()
            thread.join()
            client.reset()
    assert wait_for_note(live, "greedy", "ended") == 1006


def test_pongs_do_not_break_into_a_message(live):
    with Socket(live, "/ws/chorus/3/60/70000", window=16384) as client:
        client.send(b"".join(frame(PING, b"%d" % n) for n in range(20)))
        pongs = []
        while True:
            opcode, payload = client.frame()
            if opcode == PONG:
                pongs.append(payload)
            elif opcode == CLOSE:
                break
            else:
                voice, _, song = payload.decode().split(" ")
                assert song == voice * 70_000
        assert pongs == [b"%d" % n for n in range(20)]
        client.send(close(1000))


# -- keep-alive


def test_silent_client_is_asked_and_given_up(start_server):
    server = start_server("ping_ms=500", script=LIVE, heapsize="16m")
    with Socket(server, "/ws/noted/silent") as silent, Socket(server, "/ws/noted/answering") as answering:
        seen = []
        for _ in range(3):
            opcode, payload = answering.frame()
            seen.append(opcode)
            answering.send(frame(PONG, payload))
        assert seen == [PING] * 3
        assert wait_for_note(server, "silent", "ended") == 1006
        assert cut_off(silent).startswith(b"\x89\x00")
        answering.send(text(b"still there"))
        while True:
            opcode, payload = answering.frame()
            if opcode == TEXT:
                break
        assert payload == b"still there"
    wait_until_free(server)


def test_client_whose_handler_is_slow_is_not_given_up(start_server):
    server = start_server("ping_ms=500", script=LIVE, heapsize="16m")
    with Socket(server, "/ws/slow/patience") as client:
        client.send(text(b"one") + text(b"two"))
        clock = state(server)["clock"]
        wait_until(lambda: state(server)["clock"] > clock + 6, "some sweeps")
        open_door(server, "patience")
        got = []
        while (TEXT, b"two") not in got:
            got.append(client.frame())
        assert [payload for opcode, payload in got if opcode == TEXT] == [b"one", b"two"]


# -- to many


def test_what_is_published_reaches_everybody(live):
    clients = [Socket(live, "/ws/feed/chat") for _ in range(20)]
    wait_until(lambda: notes(live, "chat").get("followers") == 20, "all follow")
    clients[0].send(text("grüße".encode()))
    for client in clients:
        opcode, payload = client.frame()
        assert (opcode, json.loads(payload)) == (TEXT, "grüße")
    for at in range(20):
        clients[at].send(text(b"%d" % at))
        for client in clients:
            assert client.frame() == (TEXT, b'"%d"' % at)
    for client in clients:
        client.bye()
    wait_until_free(live)


def test_follower_that_does_not_read_is_dropped(start_server):
    server = start_server("silence_ms=1000", script=LIVE, heapsize="16m")
    clients = [Socket(server, "/ws/feed/slow") for _ in range(3)]
    slow = Socket(server, "/ws/feed/slow", window=16384)
    wait_until(lambda: notes(server, "slow").get("followers") == 4, "all follow")
    for at in range(700):
        body = json.dumps("%d %s" % (at, "x" * 8000)).encode()
        assert ask(server, "POST /feed/slow", "Content-Type: application/json", body=body).status == 200
        for client in clients:
            assert client.frame() == (TEXT, body), "somebody missed something"
    assert wait_for_note(server, "slow", "ended") == 1006
    for client in clients:
        client.bye()
    assert wait_until_free(server)["counters"]["errors"] == 0
    slow.socket.close()


# -- the server stops


def test_server_that_stops_says_1001(start_server):
    server = start_server(script=LIVE, heapsize="16m")
    clients = {path: Socket(server, f"/ws/{path}/stop-{path}") for path in ("noted", "slow", "deaf", "feed")}
    clients["slow"].send(text(b"x"))
    wait_for_note(server, "stop-slow", "count")
    endless = Socket(server, "/ws/endless/stop-endless", window=16384)
    began = time.monotonic()
    stop(server)
    for path, client in clients.items():
        opcode, payload = client.frame()
        assert (opcode, payload[:2]) == (CLOSE, b"\x03\xe9"), path
        client.send(close(1001))
        assert cut_off(client) == b""
    assert server.process.wait(10) == 0
    assert time.monotonic() - began < 10
    endless.socket.close()
    assert server.output().split() == ["ended"] * 5 + ["stopped"]


# -- the websockets client


def test_websockets_client_talks(live):
    with connect(live.url.replace("http", "ws") + "ws/echo", max_size=None) as socket:
        for message in ("text", "grüß €", "", b"bytes", b"", os.urandom(MESSAGE_BYTES), "x" * MESSAGE_BYTES):
            socket.send(message)
            assert socket.recv() == message
        socket.send(["in ", "several ", "parts"])
        assert socket.recv() == "in several parts"
        assert socket.ping().wait(5)
    assert (socket.close_code, socket.close_reason) == (1000, "")


def test_websockets_client_hears_why_it_is_closed(live):
    with connect(live.url.replace("http", "ws") + "ws/echo") as socket:
        socket.send(b"x" * (MESSAGE_BYTES + 1))
        with pytest.raises(websockets.ConnectionClosedError) as caught:
            socket.recv()
        assert caught.value.rcvd.code == 1009
    with connect(live.url.replace("http", "ws") + "ws/close/4001/client") as socket:
        with pytest.raises(websockets.ConnectionClosed) as caught:
            socket.recv()
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4001, "bye ü")


def test_websockets_client_chooses_a_subprotocol(live):
    url = live.url.replace("http", "ws") + "ws/protocols"
    with connect(url, subprotocols=["other", "superchat"]) as socket:
        assert socket.subprotocol == "superchat"


def test_websockets_client_of_a_strangers_page_is_refused(live):
    with pytest.raises(websockets.InvalidStatus) as caught:
        connect(live.url.replace("http", "ws") + "ws/echo", origin="https://evil.example")
    assert caught.value.response.status_code == 403


def test_many_websockets_clients_at_once(live):
    async def one(number):
        url = live.url.replace("http", "ws") + "ws/echo"
        async with websockets.connect(url) as socket:
            for at in range(20):
                message = f"{number} {at} " + "x" * at * 50
                await socket.send(message)
                assert await socket.recv() == message

    async def all_of_them():
        await asyncio.gather(*[one(number) for number in range(30)])

    asyncio.run(all_of_them())
    wait_until_free(live)


def test_hooks_see_a_handshake(start_server):
    server = start_server("hooked", script=LIVE, heapsize="16m")
    with Socket(server, "/ws/noted/hooked") as client:
        assert client.answer.header("x-after") == "seen"
        client.send(text(b"hello"))
        assert client.frame() == (TEXT, b"hello")
        client.bye()
    assert wait_until(lambda: notes(server, "done").get("/ws/noted/hooked"), "the hook") == 5
    assert wait_until_free(server)["counters"]["errors"] == 0


def test_ordinary_answers_have_nothing_of_websockets(live):
    assert ask(live, "GET /json").header("upgrade") is None
    with Client(live) as client:
        client.send(request("GET /json", *HANDSHAKE))
        assert read_response(client.socket).status == 200
        assert client.is_open()
