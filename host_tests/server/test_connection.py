"""One client: what the server answers, byte by byte, over real sockets and under both interpreters."""

import json
import random
import shutil
import socket
import struct
import subprocess
import threading
import time

import httpx
import pytest

from host_tests.apps.kitchen import pattern
from host_tests.servers import SOCKET_TIMEOUT_S, Server, cpython, read_response, read_responses

KITCHEN = "host_tests/apps/kitchen.py"

BODY_BYTES = 8192  # what a handler is given, by default
HEAD_BYTES = 2048
TARGET_BYTES = 1024
FIELDS = 32
REQUESTS = 100


def request(line, *fields, body=None, version="1.1"):
    """Return a request: `line` is "METHOD target"; Host and, with a body, Content-Length are added."""
    lines = [f"{line} HTTP/{version}", "Host: limpet.test", *fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def chunked(line, *chunks, fields=(), last=b"0\r\n\r\n"):
    """Return a request whose body is in chunks, each with an extension; `last` is what ends it."""
    raw = b"".join(b"%x;n=%d\r\n%s\r\n" % (len(chunk), at, chunk) for at, chunk in enumerate(chunks))
    return request(line, *fields, "Transfer-Encoding: chunked") + raw + last


def last(line, *fields, **options):
    """Return a request after which the connection ends."""
    return request(line, *fields, "Connection: close", **options)


class Client:
    """A connection, for `with`. What it reads has to be an answer to the letter."""

    def __init__(self, server, window=None):
        if window:
            # Before it connects, or the other side has been told of a larger one.
            self.socket = socket.socket()
            self.socket.settimeout(SOCKET_TIMEOUT_S)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            self.socket.connect((server.host, server.port))
        else:
            self.socket = server.connect()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def send(self, raw):
        self.socket.sendall(raw)

    def read(self, head=False):
        return read_response(self.socket, head)

    def ask(self, line, *fields, **options):
        self.send(request(line, *fields, **options))
        return self.read(head=line.startswith("HEAD "))

    def is_open(self):
        """Tell whether it can be asked once more."""
        try:
            return self.ask("GET /json").status == 200
        except (AssertionError, OSError):
            return False

    def rest(self):
        """Return what comes up to a clean end of the connection."""
        raw = b""
        while True:
            piece = self.socket.recv(65536)
            if not piece:
                return raw
            raw += piece

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """End it with a reset, not in peace."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def answers(server, raw, half_close=False, head=False):
    """Return all answers to `raw`. As clients do, end the connection behind the one that says so; nothing follows."""
    with Client(server) as client, client.socket.makefile("rb") as stream:
        try:
            client.send(raw)
            if half_close:
                client.half_close()
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered early: the answer is there to be read
        found = []
        try:
            while stream.peek(1):
                found.append(read_response(stream, head))
                if found[-1].header("connection") == "close":
                    if not half_close:
                        client.half_close()
                    assert stream.read() == b"", "something behind the last answer"
        except ConnectionResetError:
            raise AssertionError(f"the connection was reset after {found}") from None
        except OSError as error:
            raise AssertionError(f"{error!r} after {found}") from None
        return found


def ask(server, line, *fields, **options):
    """Return the answer to one request over a connection of its own, which has to end behind it."""
    (answer,) = answers(server, last(line, *fields, **options), head=line.startswith("HEAD "))
    assert answer.header("connection") == "close"
    return answer


def state(server):
    return json.loads(ask(server, "GET /state").body)


@pytest.fixture(scope="module", params=["plain", "hooked", "hooked-later"])
def kitchen(request, server_interpreter):
    """The kitchen, without hooks, with some, and with asynchronous ones: requests go different ways."""
    words = [] if request.param == "plain" else [request.param]
    with Server(server_interpreter, *words, script=KITCHEN, heapsize="16m") as running:
        yield running


# -- answers


def test_large_answer_reaches_a_slow_reader_while_others_are_served(kitchen):
    size = 6_000_000  # more than both sides of a connection buffer
    with Client(kitchen, window=16384) as slow, Client(kitchen) as other:
        slow.send(request(f"GET /size/{size}"))
        assert slow.socket.recv(1, socket.MSG_PEEK)
        assert json.loads(other.ask("GET /state").body)["writing"] == 1, "it was no slow reader"
        for _ in range(20):
            assert other.is_open()
        assert slow.read().body == pattern(size)
        assert slow.is_open()


# -- connections that are kept


def test_connection_is_kept(kitchen):
    with Client(kitchen) as client:
        for _ in range(3):
            answer = client.ask("GET /json")
            assert answer.header("connection") is None
            assert answer.body == b'{"hello": "world"}'


@pytest.mark.parametrize("value", ["close", "Close", "CLOSE", "keep-alive, close", "x,close ,y", "close, Upgrade"])
@pytest.mark.parametrize("path", ["/json", "/text", "/async", "/nothing", "/none"])
def test_connection_is_closed_when_asked(kitchen, path, value):
    (answer,) = answers(kitchen, request(f"GET {path}", f"Connection: {value}"))
    assert answer.header("connection") == "close"


def test_connection_is_closed_when_asked_in_a_second_line(kitchen):
    raw = request("GET /json", "Connection: keep-alive", "X: y", "connection: close")
    assert [answer.header("connection") for answer in answers(kitchen, raw)] == ["close"]


@pytest.mark.parametrize("value", ["closed", "x-close", "keep-alive", "Upgrade", "", ","])
def test_connection_is_kept_with_other_options(kitchen, value):
    with Client(kitchen) as client:
        assert client.ask("GET /json", f"Connection: {value}").header("connection") is None
        assert client.is_open()


@pytest.mark.parametrize("path", ["/json", "/text", "/async", "/nothing"])
def test_http_1_0_is_closed_unless_asked(kitchen, path):
    (answer,) = answers(kitchen, request(f"GET {path}", version="1.0"))
    assert answer.header("connection") == "close"
    with Client(kitchen) as client:
        answer = client.ask(f"GET {path}", "Connection: Keep-Alive", version="1.0")
        assert answer.header("connection") == "keep-alive"
        assert client.is_open()


def test_http_1_0_needs_no_host(kitchen):
    (answer,) = answers(kitchen, b"GET /json HTTP/1.0\r\n\r\n")
    assert answer.status == 200


def test_http_1_0_that_asks_for_both_is_closed(kitchen):
    (answer,) = answers(kitchen, request("GET /json", "Connection: keep-alive, close", version="1.0"))
    assert answer.header("connection") == "close"


def test_server_closes_by_itself(kitchen):
    raws = [
        last("GET /json"), last("GET /text"), last("GET /async"), last("GET /nothing"), b"\0",
        request("GET /json", version="1.0"), request("GET /text", version="1.0"), last("POST /echo", body=b"hello"),
        last("POST /nothing", body=b"hello"), request("POST /echo", body=b"x" * 10_000),
        request("GET /json", "Expect: x"), last("GET /json") + b"more",
        last("GET /text") + b"more", request("GET /x", version="2.0"), request("GET " + "/" * 1025),
    ]  # fmt: skip
    clients = [Client(kitchen) for _ in raws]
    for client, raw in zip(clients, raws):
        client.send(raw)
    for client, raw in zip(clients, raws):
        answer = read_responses(client.rest())
        assert [answer.header("connection") for answer in answer] == ["close"], raw
        client.socket.close()


def test_empty_lines_between_requests_are_skipped(kitchen):
    raw = b"\r\n\r\n" + request("GET /json") + b"\r\n" + request("POST /echo", body=b"a") + b"\r\n" + last("GET /text")
    assert [answer.status for answer in answers(kitchen, raw)] == [200, 200, 200]


def test_connection_ends_with_its_last_request_and_all_answers_arrive(kitchen):
    # More than are answered; the rest is unread when the server closes (RFC 9112 9.6).
    got = answers(kitchen, request("GET /text", "X-Filler: " + "x" * 100) * (REQUESTS + 200))
    assert [answer.status for answer in got] == [200] * REQUESTS
    assert [answer.header("connection") for answer in got] == [None] * (REQUESTS - 1) + ["close"]


# -- requests one behind the other


def test_head_that_comes_again_is_told_from_others(kitchen):
    """A head of one length may be the one before, or not; whole, in pieces, with others or a body behind it."""
    one, two, three = (request(f"GET /target/{name}", "A: b") for name in ("one", "two", "three"))
    post = request("POST /echo", body=b"x" * 50)
    with Client(kitchen) as client:

        def asks(*heads):
            client.send(b"".join(heads))
            assert [json.loads(client.read().body)["path"] for _ in heads] == [names[head] for head in heads]

        names = {one: "/target/one", two: "/target/two", three: "/target/three"}
        for heads in ((one,), (one,), (one,), (two,), (one,), (one,), (one, one, two), (one,), (three,), (three, one)):
            asks(*heads)
        for cut in (1, len(one) // 2, len(one) - 1):
            for head in (one, one, one, two):
                client.send(head[:cut])
                # The server has read this far by then, or it is in one piece after all: both has to do.
                time.sleep(0.05)
                client.send(head[cut:])
                assert json.loads(client.read().body)["path"] == names[head]
        for _ in range(3):
            client.send(post)
            assert client.read().body == b"x" * 50
        for body in (b"y" * 50, b"z" * 50):
            client.send(post[:-50])
            time.sleep(0.05)
            client.send(body + one)
            assert client.read().body == body
            assert json.loads(client.read().body)["path"] == "/target/one"
        for _ in range(3):
            asks(one)
        # What comes then is longer than what is left of the buffer.
        long = request("GET /target/long", "A: " + "b" * 900)
        for _ in range(3):
            client.send(long)
            assert json.loads(client.read().body)["path"] == "/target/long"
            asks(one)


def test_body_behind_a_head_that_comes_again_is_its_own(kitchen):
    behind = request("GET /target/one")
    with Client(kitchen) as client:
        for number in range(8):
            body = b"%d" % number * 60
            client.send(request("POST /echo", body=body))
            assert client.read().body == body
        raw = request("POST /echo", body=b"x" * 60)
        # In the head, at its end, in the body.
        for cut in (10, len(raw) - 60, len(raw) - 20, len(raw)):
            for body in (b"y" * 60, b"z" * 60):
                raw = raw[:-60] + body
                client.send(raw[:cut])
                time.sleep(0.05)
                client.send(raw[cut:] + behind)
                assert client.read().body == body
                assert json.loads(client.read().body)["path"] == "/target/one"
                client.send(raw)
                assert client.read().body == body


def test_fields_of_a_head_of_the_same_length_are_its_own(kitchen):
    with Client(kitchen) as client:
        for kind, status in (("json", 200), ("jsom", 415), ("json", 200)):
            for _ in range(4):
                fields = (f"Content-Type: application/{kind}",)
                assert client.ask("POST /echo/json", *fields, body=b"[1]").status == status


def test_pipelined_requests_are_answered_in_order(kitchen):
    raw = b"".join(request(f"GET /size/{size}") for size in range(20)) + last("GET /size/20")
    assert [answer.body for answer in answers(kitchen, raw)] == [pattern(size) for size in range(21)]


@pytest.mark.parametrize("path", ["/json", "/text", "/async", "/nothing"])
def test_pipelined_requests_of_one_kind_are_all_answered(kitchen, path):
    got = answers(kitchen, request(f"GET {path}") * 30 + last(f"GET {path}"))
    assert len(got) == 31
    assert len({(answer.status, answer.body) for answer in got}) == 1


def test_pipelined_requests_of_all_kinds_are_answered_in_order(kitchen):
    raw, wanted = b"", []
    for number in range(10):
        name = b"%d" % number
        raw += request("GET /json")
        raw += request("POST /echo", body=name * 50)
        raw += request("OPTIONS /json")
        raw += chunked("POST /echo", name, name * 300)
        raw += request("GET /async")
        raw += request("POST /nothing", body=b"GET /raise HTTP/1.1\r\nHost: x\r\n\r\n")
        raw += request("POST /echo/async", body=b"")
        raw += request("DELETE /json")
        wanted += [(200, b'{"hello": "world"}'), (200, name * 50), (204, b""), (200, name * 301)]
        wanted += [(200, b'{"path": "/async"}'), (404, None), (200, b""), (405, None)]
    raw += last("GET /none")
    wanted.append((204, b""))
    got = [(answer.status, answer.body) for answer in answers(kitchen, raw)]
    assert len(got) == len(wanted)
    for (status, body), (wanted_status, wanted_body) in zip(got, wanted):
        assert status == wanted_status
        assert body == wanted_body or wanted_body is None


def test_pipelined_head_leaves_no_body_behind(kitchen):
    with Client(kitchen) as client:
        client.send(request("HEAD /size/300") + request("HEAD /nothing") + request("HEAD /json") + request("GET /json"))
        assert [client.read(head=True).status for _ in range(3)] == [200, 404, 200]
        assert client.read().body == b'{"hello": "world"}'


def test_pipelined_requests_in_pieces_of_any_size(kitchen):
    # Heads that fill the buffer move down in it again and again.
    raw = b"".join(request("POST /echo", "X: " + "x" * (50 * n), body=b"%d" % n * n) for n in range(1, 30)) + last(
        "GET /json"
    )
    wanted = [b"%d" % n * n for n in range(1, 30)] + [b'{"hello": "world"}']
    chance = random.Random(5)
    with Client(kitchen) as client:
        at = 0
        while at < len(raw):
            size = chance.choice([1, 5, 200, 2000, 5000])
            client.send(raw[at : at + size])
            at += size
        got = read_responses(client.rest())
    assert [answer.body for answer in got] == wanted


def test_heads_around_the_length_of_a_slots_own_buffer_are_served_with_their_bodies(kitchen):
    for length in (1000, 1022, 1023, 1024, 1025, 1026, 1100, 1151, 1152, 1153, 1500, 2048):
        body = b"%d" % length * 300
        fill = length - len(request("POST /echo", "X: ", body=body)) + len(body)
        raw = request("POST /echo", "X: " + "x" * fill, body=body)
        assert len(raw) - len(body) == length
        parts = chunked("POST /echo", b"a", b"b" * 500, fields=["X: " + "x" * (fill - 20)])
        first, second, third = answers(kitchen, raw + parts + last("GET /text"))
        assert (first.status, first.body, second.body) == (200, body, b"a" + b"b" * 500), length
        assert third.status == 200, length


# -- requests in pieces

PIECES = {
    "get": (request("GET /size/20", "User-Agent: x", "Accept: */*"), (200, pattern(20))),
    "length": (request("POST /echo", "X: y", body=b"hello\r\n\r\nworld"), (200, b"hello\r\n\r\nworld")),
    "chunked": (
        chunked("POST /echo", b"hello", b"\r\n", b"world" * 4, last=b"0\r\nA: b\r\n\r\n"),
        (200, b"hello\r\n" + b"world" * 4),
    ),
    "unread": (request("POST /nothing", body=b"hello"), (404, None)),
    "refused": (request("POST /json", body=b"hello"), (405, None)),
}


def pass_by(other):
    """Return once the server has read what was sent before: it has served somebody else twice since."""
    for _ in range(2):
        other.ask("GET /none")


@pytest.mark.parametrize("kind", PIECES)
def test_request_may_be_split_anywhere(kitchen, kind):
    raw, (status, body) = PIECES[kind]
    client = other = None
    for cut in range(1, len(raw)):
        if cut % 24 == 1:
            client, other = Client(kitchen), Client(kitchen)
        client.send(raw[:cut])
        pass_by(other)
        client.send(raw[cut:])
        answer = client.read()
        assert answer.status == status, cut
        assert answer.body == body or body is None, cut


@pytest.mark.parametrize("kind", PIECES)
def test_request_may_come_byte_by_byte(kitchen, kind):
    raw, (status, body) = PIECES[kind]
    with Client(kitchen) as client:
        for at in range(len(raw)):
            if at % 48 == 0:
                other = Client(kitchen)
            client.send(raw[at : at + 1])
            pass_by(other)
        answer = client.read()
        assert answer.status == status
        assert answer.body == body or body is None
        assert client.is_open()


# -- clients that have sent all they want


@pytest.mark.parametrize("kind", PIECES)
def test_half_closed_client_gets_its_answer(kitchen, kind):
    raw, (status, body) = PIECES[kind]
    (answer,) = answers(kitchen, raw, half_close=True)
    assert answer.status == status
    assert answer.body == body or body is None


@pytest.mark.parametrize("path", ["/json", "/text", "/async/20", "/size/300000", "/file/2000", "/nothing"])
def test_half_closed_client_gets_all_its_answers(kitchen, path):
    got = answers(kitchen, request(f"GET {path}") * 5, half_close=True)
    assert len(got) == 5
    assert len({(answer.status, answer.body) for answer in got}) == 1


@pytest.mark.parametrize("between", range(4))
def test_half_closed_client_is_not_lost_before_its_handler_began(kitchen, between):
    # The sweep is overdue behind the first, and comes between a handler's call and its task's first step.
    lines = ["GET /block/700", *["GET /json"] * between, "GET /async", "GET /json"]
    got = answers(kitchen, b"".join(request(line) for line in lines), half_close=True)
    assert [answer.status for answer in got] == [200] * len(lines)


@pytest.mark.parametrize("kind", PIECES)
def test_half_closed_client_that_never_finished_gets_no_success(kitchen, kind):
    raw, _ = PIECES[kind]
    before = state(kitchen)["seen"]
    for cut in range(1, len(raw), 7):
        for answer in answers(kitchen, raw[:cut], half_close=True):
            assert answer.status >= 400
    assert state(kitchen)["seen"] == before


# -- methods and targets


def test_options_tells_the_methods(kitchen):
    with Client(kitchen) as client:
        answer = client.ask("OPTIONS /json")
        assert (answer.status, answer.body) == (204, b"")
        assert sorted(answer.header("allow").split(", ")) == ["GET", "HEAD", "OPTIONS"]
        answer = client.ask("OPTIONS /echo")
        assert sorted(answer.header("allow").split(", ")) == ["OPTIONS", "PATCH", "POST", "PUT"]
        assert client.ask("OPTIONS /nothing").status == 404
        assert client.is_open()


@pytest.mark.parametrize("target", ["*", "http://limpet.test", "HTTPS://limpet.test:443"])
def test_options_of_the_server(kitchen, target):
    answer = ask(kitchen, f"OPTIONS {target}")
    assert answer.status == 204
    assert {"GET", "HEAD", "POST", "OPTIONS"} <= set(answer.header("allow").split(", "))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_method_without_route_is_not_allowed(kitchen, method):
    answer = ask(kitchen, f"{method} /json")
    assert answer.status == 405
    assert sorted(answer.header("allow").split(", ")) == ["GET", "HEAD", "OPTIONS"]


def test_head_needs_get(kitchen):
    answer = ask(kitchen, "HEAD /echo")
    assert answer.status == 405
    assert "POST" in answer.header("allow")


@pytest.mark.parametrize(
    "method", ["TRACE", "CONNECT", "PROPFIND", "get", "Get", "GETS", "!#$%&'*+-.^_`|~9", "X" * 200]
)
@pytest.mark.parametrize("path", ["/json", "/nothing", "/size/5"])
def test_unknown_method_is_not_implemented(kitchen, method, path):
    with Client(kitchen) as client:
        assert client.ask(f"{method} {path}").status == 501
        assert client.is_open()


def test_connect_is_not_implemented(kitchen):
    assert ask(kitchen, "CONNECT limpet.test:443").status == 501


@pytest.mark.parametrize("version", ["2.0", "0.9", "3.0", "9.9"])
def test_other_version_is_not_supported(kitchen, version):
    (answer,) = answers(kitchen, request("GET /json", version=version) * 2)
    assert (answer.status, answer.header("connection")) == (505, "close")


def test_later_minor_version_is_served(kitchen):
    with Client(kitchen) as client:
        answer = client.ask("GET /json", version="1.7")
        assert (answer.status, answer.version, answer.header("connection")) == (200, (1, 1), None)
        assert client.is_open()


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/target", "/target", ""),
        ("/target?", "/target", ""),
        ("/target?a=b", "/target", "a=b"),
        ("http://limpet.test/target", "/target", ""),
        ("http://limpet.test:8080/target?a=b", "/target", "a=b"),
        ("HTTP://LIMPET.TEST/target?a=/", "/target", "a=/"),
        ("https://[::1]:443/target", "/target", ""),
        ("http://somebody.else/target", "/target", ""),
        ("/%74arget", "/target", ""),
        ("/target/a%20b?c=%20", "/target/a b", "c=%20"),
        ("/target/%2525", "/target/%25", ""),
        ("/target/gr%C3%BC%C3%9F", "/target/grüß", ""),
        ("/target/a;b,c=d:e@f!$&'()*+", "/target/a;b,c=d:e@f!$&'()*+", ""),
        ("/target?http://x/?y", "/target", "http://x/?y"),
    ],
)
def test_target_is_read(kitchen, target, path, query):
    answer = ask(kitchen, f"GET {target}")
    assert answer.status == 200
    said = json.loads(answer.body)
    assert (said["path"], said["query"]) == (path, query)


@pytest.mark.parametrize(
    "target",
    [
        "*", "json", "limpet.test:80", "limpet.test/json", "ftp://limpet.test/json", "http:/json", "http://", "http:///json",
        "http://user@limpet.test/json", "http://user:word@limpet.test/json", "http://limpet.test\\json", "httpx://x/json",
        "?a=b", "http://?a", "file:///etc/passwd", "javascript:1",
    ],
)  # fmt: skip
def test_target_in_no_known_form_is_refused(kitchen, target):
    (answer,) = answers(kitchen, request(f"GET {target}") + request("GET /json"))
    assert (answer.status, answer.header("connection")) == (400, "close")


@pytest.mark.parametrize(
    "target", ["/%", "/%zz", "/target/%f", "/target/%00", "/target/%0d%0a", "/%ff", "/target/%c0%af", "/json%"]
)
def test_path_that_cannot_be_decoded_is_refused(kitchen, target):
    with Client(kitchen) as client:
        assert client.ask(f"GET {target}").status == 400
        assert client.is_open()


# -- heads that are none

BROKEN = {
    "not HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "bare LF": b"GET /json HTTP/1.1\nHost: x\n\n",
    "no version": b"GET /json\r\n\r\n",
    "no Host": b"GET /json HTTP/1.1\r\n\r\n",
    "two Hosts": request("GET /json", "Host: y"),
    "space before the colon": request("GET /json", "Content-Length : 5"),
    "folded line": request("GET /json", "A: b\r\n c"),
    "NUL": request("GET /json", "A: b\0"),
    "bare CR": request("GET /json", "A: b\rB: c"),
    "no colon": request("GET /json", "A"),
    "no name": request("GET /json", ": b"),
    "both lengths": request("POST /echo", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "both lengths, reversed": request("POST /echo", "Transfer-Encoding: chunked", "Content-Length: 0") + b"0\r\n\r\n",
    "chunked in 1.0": request("POST /echo", "Transfer-Encoding: chunked", version="1.0") + b"0\r\n\r\n",
    "two lengths": request("POST /echo", "Content-Length: 5", "Content-Length: 6") + b"hello",
    "two lengths in one": request("POST /echo", "Content-Length: 5, 6") + b"hello",
    "no length": request("POST /echo", "Content-Length:"),
    "length with sign": request("POST /echo", "Content-Length: +5") + b"hello",
    "negative length": request("POST /echo", "Content-Length: -5") + b"hello",
    "length in words": request("POST /echo", "Content-Length: five") + b"hello",
    "hexadecimal length": request("POST /echo", "Content-Length: 0x5") + b"hello",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_be_framed_is_refused_and_the_connection_closed(kitchen, kind):
    before = state(kitchen)["seen"]
    (answer,) = answers(kitchen, BROKEN[kind] + request("POST /echo", body=b"smuggled"))
    assert (answer.status, answer.header("connection")) == (400, "close")
    assert state(kitchen)["seen"] == before


@pytest.mark.parametrize(
    ("coding", "status"),
    [
        ("gzip", 501),
        ("gzip, chunked", 501),
        ("identity", 501),
        ("xchunked", 501),
        ("chunked;q=1", 501),
        ("chunked, chunked", None),
        ("chunked, identity", None),
        ("", None),
        (",", None),
        ('"chunked"', None),
        ("chunked\x0b", 400),
    ],
)
def test_other_coding_is_refused_and_the_connection_closed(kitchen, coding, status):
    raw = request("POST /echo", f"Transfer-Encoding: {coding}") + b"0\r\n\r\n" + request("POST /echo", body=b"smuggled")
    before = state(kitchen)["seen"]
    (answer,) = answers(kitchen, raw)
    assert answer.status == status or (status is None and answer.status in (400, 501))
    assert answer.header("connection") == "close"
    assert state(kitchen)["seen"] == before


def test_coding_in_any_case_is_chunked(kitchen):
    raw = request("POST /echo", "transfer-ENCODING:\t ChunKed \t") + b"2\r\nhi\r\n0\r\n\r\n" + last("GET /json")
    assert [answer.body for answer in answers(kitchen, raw)] == [b"hi", b'{"hello": "world"}']


@pytest.mark.parametrize("kind", ["not HTTP", "NUL", "no Host", "two lengths"])
def test_refusal_arrives_however_much_is_sent(kitchen, kind):
    (answer,) = answers(kitchen, BROKEN[kind] + b"x" * 300_000)
    assert answer.status == 400


def test_refused_version_is_told_however_much_is_sent(kitchen):
    (answer,) = answers(kitchen, b"GET / HTTP/7.0\r\n" + b"x" * 300_000)
    assert answer.status == 505


def test_refused_head_has_no_body(kitchen):
    (answer,) = answers(kitchen, request("HEAD /json", "Content-Length: x"), head=True)
    assert answer.status == 400


def test_upgrade_is_not_taken(kitchen):
    with Client(kitchen) as client:
        fields = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
        answer = client.ask("GET /json", *fields)
        assert (answer.status, answer.header("upgrade")) == (200, None)
        assert client.is_open()


# -- limits of heads


def test_target_at_the_limit(kitchen):
    assert ask(kitchen, "GET /target?" + "a" * (TARGET_BYTES - 8)).status == 200
    for size in (TARGET_BYTES + 1, TARGET_BYTES * 30):
        (answer,) = answers(kitchen, request("GET /target?" + "a" * (size - 8)))
        assert (answer.status, answer.header("connection")) == (414, "close")


def test_fields_at_the_limit(kitchen):
    lines = [f"X-{number}: y" for number in range(FIELDS - 2)]
    assert ask(kitchen, "GET /json", *lines).status == 200
    (answer,) = answers(kitchen, last("GET /json", *lines, "One: more"))
    assert (answer.status, answer.header("connection")) == (431, "close")


def test_head_at_the_limit(kitchen):
    room = HEAD_BYTES - len(last("GET /json", "X: "))
    assert ask(kitchen, "GET /json", "X: " + "x" * room).status == 200
    for more in (1, 2, 3, 127, 128, 129, 1000, 100_000):
        (answer,) = answers(kitchen, last("GET /json", "X: " + "x" * (room + more)))
        assert (answer.status, answer.header("connection")) == (431, "close"), more


def test_head_at_the_limit_with_a_body_behind(kitchen):
    room = HEAD_BYTES - len(request("POST /echo", "X: ", "Content-Length: 5000"))
    body = pattern(5000)
    with Client(kitchen) as client:
        assert client.ask("POST /echo", "X: " + "x" * room, body=body).body == body
        raw = chunked(
            "POST /echo", *[body[at : at + 7] for at in range(0, 5000, 7)], fields=["X: " + "x" * (room - 40)]
        )
        client.send(raw)
        assert client.read().body == body
        assert client.is_open()


def test_empty_lines_without_end_are_refused(kitchen):
    (answer,) = answers(kitchen, b"\r\n" * 50_000)
    assert answer.status in (400, 431)


def test_head_without_end_is_refused(kitchen):
    (answer,) = answers(kitchen, b"GET /json HTTP/1.1\r\nX: " + b"x" * 500_000)
    assert answer.status == 431
    (answer,) = answers(kitchen, b"X" * 500_000)
    assert answer.status in (414, 431, 501)


# -- bodies


@pytest.mark.parametrize("path", ["/echo", "/echo/async"])
@pytest.mark.parametrize("size", [0, 1, 1000, 2100, BODY_BYTES - 1, BODY_BYTES])
def test_body_comes_back(kitchen, path, size):
    body = pattern(size)
    with Client(kitchen) as client:
        assert client.ask(f"POST {path}", body=body).body == body
        client.send(chunked(f"POST {path}", *[body[at : at + 600] for at in range(0, size, 600)]))
        assert client.read().body == body
        client.send(chunked(f"POST {path}", *([body] if body else []), last=b"000;a=b\r\nDigest: x\r\n\r\n"))
        assert client.read().body == body
        assert client.is_open()


def test_body_s_length_may_be_repeated(kitchen):
    with Client(kitchen) as client:
        client.send(request("POST /echo", "Content-Length: 2", "content-length: 2") + b"hi")
        answer = client.read()
        # RFC 9112 6.3 leaves the choice: take it as one, or refuse it.
        assert (answer.status, answer.body) == (200, b"hi") or answer.status == 400


def test_body_of_a_request_that_needs_none_is_no_request(kitchen):
    smuggled = request("POST /echo", body=b"x")
    before = state(kitchen)["seen"]
    with Client(kitchen) as client:
        for line in (
            "GET /json",
            "HEAD /json",
            "OPTIONS /json",
            "GET /async",
            "DELETE /json",
            "GET /nothing",
            "TRACE /json",
        ):
            client.ask(line, body=smuggled)
        assert client.is_open()
    assert state(kitchen)["seen"] == before


@pytest.mark.parametrize("path", ["/echo", "/echo/async", "/echo/json"])
def test_too_long_a_body_is_refused(kitchen, path):
    body = b"x" * (BODY_BYTES + 1)
    raws = [
        request(f"POST {path}", body=body),
        request(f"POST {path}", body=body * 50),
        request(f"POST {path}", f"Content-Length: {10**14}") + body,
        request(f"POST {path}", f"Content-Length: {10**400}") + body,
        chunked(f"POST {path}", body),
        chunked(f"POST {path}", *[b"x" * 1000] * 9),
        chunked(f"POST {path}", *[b"x" * 1000] * 500),
        request(f"POST {path}", "Transfer-Encoding: chunked") + b"7fffffff\r\n" + body * 3,
        request(f"POST {path}", "Transfer-Encoding: chunked") + b"FFFFFFFFF\r\n" + body * 3,
    ]
    for at, raw in enumerate(raws):
        (answer,) = answers(kitchen, raw)
        assert (answer.status, answer.header("connection")) == (413, "close"), at


@pytest.mark.parametrize(
    "raw",
    [
        b"5\nhello\r\n0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"x\r\n\r\n", b"\r\n\r\n",
        b"5;\nhello\r\n0\r\n\r\n", b"2\r\nhi\r\n0\r\nA : b\r\n\r\n", b"1;" + b"a" * 5000 + b"\r\nx\r\n0\r\n\r\n",
        b"0\r\n" + b"A: b\r\n" * 1000 + b"\r\n", b"1\r\na\r\n" + b"1;a=bbbbbbbbbbbb\r\nx\r\n" * 1000 + b"0\r\n\r\n",
    ],
    ids=repr,
)  # fmt: skip
def test_chunks_that_are_none_are_refused(kitchen, raw):
    before = state(kitchen)["seen"]
    raw = request("POST /echo", "Transfer-Encoding: chunked") + raw + request("POST /echo", body=b"smuggled")
    (answer,) = answers(kitchen, raw)
    assert (answer.status, answer.header("connection")) == (400, "close")
    assert state(kitchen)["seen"] == before


@pytest.mark.parametrize(("line", "status"), [("POST /nothing", 404), ("POST /json", 405), ("PROPFIND /json", 501)])
def test_body_that_nobody_wants_is_read_away(kitchen, line, status):
    smuggled = request("POST /echo", body=b"x")
    before = state(kitchen)["seen"]
    with Client(kitchen) as client:
        for size in (1, len(smuggled), 3000, BODY_BYTES):
            body = (smuggled * (size // len(smuggled) + 1))[:size]
            assert client.ask(line, body=body).status == status
            assert client.ask("GET /json").body == b'{"hello": "world"}'
    assert state(kitchen)["seen"] == before


@pytest.mark.parametrize(("line", "status"), [("POST /nothing", 404), ("POST /json", 405), ("PROPFIND /json", 501)])
def test_long_body_that_nobody_wants_ends_the_connection(kitchen, line, status):
    smuggled = request("POST /echo", body=b"x")
    before = state(kitchen)["seen"]
    for raw in (
        request(line, body=b"x" * (BODY_BYTES + 1)),
        request(line, body=b"x" * 500_000),
        chunked(line, smuggled, smuggled),
        chunked(line, *[b"x" * 5000] * 100),
    ):
        got = answers(kitchen, raw + smuggled)
        assert got[0].status == status
        assert got[0].header("connection") == "close" or len(got) == 2
    assert state(kitchen)["seen"] == before


# -- Expect


@pytest.mark.parametrize("path", ["/echo", "/echo/async"])
@pytest.mark.parametrize("value", ["100-continue", "100-Continue"])
def test_continue_is_sent_before_the_body_is_read(kitchen, path, value):
    with Client(kitchen) as client:
        for body in (b"hello", pattern(5000)):
            client.send(request(f"POST {path}", f"Expect: {value}", f"Content-Length: {len(body)}"))
            interim = client.read()
            assert (interim.status, interim.reason, interim.headers) == (100, "Continue", [])
            client.send(body)
            assert client.read().body == body
        assert client.is_open()


def test_continue_is_sent_for_chunks(kitchen):
    with Client(kitchen) as client:
        client.send(request("POST /echo", "Expect: 100-continue", "Transfer-Encoding: chunked"))
        assert client.read().status == 100
        client.send(b"2\r\nhi\r\n0\r\n\r\n")
        assert client.read().body == b"hi"
        assert client.is_open()


def test_continue_is_sent_once(kitchen):
    with Client(kitchen) as client:
        client.send(request("POST /echo", "Expect: 100-continue", "Content-Length: 3"))
        assert client.read().status == 100
        for byte in (b"a", b"b", b"c"):
            client.send(byte)
        assert client.read().body == b"abc"
        assert client.is_open()


def test_body_need_not_wait_for_continue(kitchen):
    raw = request("POST /echo", "Expect: 100-continue", body=b"hello") * 3 + last("GET /json")
    got = [answer for answer in answers(kitchen, raw) if answer.status != 100]
    assert [answer.body for answer in got] == [b"hello"] * 3 + [b'{"hello": "world"}']


@pytest.mark.parametrize(
    ("line", "fields", "status"),
    [
        ("POST /nothing", ["Content-Length: 5"], 404),
        ("POST /json", ["Content-Length: 5"], 405),
        ("PROPFIND /json", ["Content-Length: 5"], 501),
        ("POST /echo", ["Content-Length: 100000"], 413),
        ("POST /echo", ["Content-Length: x"], 400),
        ("POST /echo", ["Transfer-Encoding: gzip"], 501),
        ("POST /nothing", ["Transfer-Encoding: chunked"], 404),
    ],
)
def test_continue_is_not_sent_when_refused(kitchen, line, fields, status):
    with Client(kitchen) as client:
        client.send(request(line, "Expect: 100-continue", *fields))
        answer = client.read()
        assert (answer.status, answer.header("connection")) == (status, "close")
        client.half_close()
        assert client.rest() == b""


def test_continue_is_not_sent_without_a_body(kitchen):
    with Client(kitchen) as client:
        assert client.ask("GET /json", "Expect: 100-continue").status == 200
        assert client.ask("POST /echo", "Expect: 100-continue", body=b"").status == 200
        assert client.is_open()


def test_continue_is_not_sent_to_http_1_0(kitchen):
    with Client(kitchen) as client:
        client.send(request("POST /echo", "Expect: 100-continue", "Content-Length: 2", version="1.0"))
        with Client(kitchen) as other:
            pass_by(other)
        client.send(b"hi")
        assert client.read().body == b"hi"
        assert client.rest() == b""


@pytest.mark.parametrize("value", ["", "x", "200-ok", "100-continue, x", "100-continue; a", '"100-continue"'])
def test_other_expectation_fails(kitchen, value):
    before = state(kitchen)["seen"]
    (answer,) = answers(kitchen, request("POST /echo", f"Expect: {value}", body=b"x" * 5000))
    assert (answer.status, answer.header("connection")) == (417, "close")
    assert state(kitchen)["seen"] == before


# -- whatever comes

SEEDS = [
    *(raw for raw, _ in PIECES.values()),
    *BROKEN.values(),
    request("GET /fields", "A: b", "C: d"),
    request("GET /target/x?a=1&b=%20"),
    request("GET /field/a", "A: b", "a: c"),
    request("POST /echo/json", "Content-Type: application/json", body=b'{"a": [1, 2.5, "x\\u00e4", null]}'),
    request("POST /echo", "Expect: 100-continue", body=b"hello"),
    request("OPTIONS *"),
    request("GET http://x/json", "Connection: close"),
    request("GET /json", "Connection: keep-alive", version="1.0"),
    request("GET /nothing", "Accept: application/json"),
]
DAMAGE = [
    *(
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"\0",
        b"\x7f",
        b"\x80",
        b"\xff",
        b"%",
        b"%41",
        b"%00",
        b"%ff",
    ),
    *(
        b"?",
        b"#",
        b"/",
        b"//",
        b"..",
        b"*",
        b"0",
        b"5",
        b"-",
        b"+",
        b"1.0",
        b"Content-Length: 3\r\n",
        b"Host: y\r\n",
        b'"',
    ),
    *(b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"chunked", b"{", b"}", b"\\u", b"\\ud800", b"e9"),
    *("ä".encode(), b"\xc0\xaf", b"\xed\xa0\x80"),
]


def damaged(chance):
    """Return one or two requests with some of their bytes replaced, left out, doubled or put in between."""
    raw = b"".join(chance.choices(SEEDS, k=chance.choice([1, 1, 2])))
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(raw) + 1)
        new = chance.choice([*DAMAGE, bytes([chance.randrange(256)]), raw[at : at + chance.randrange(30)] * 2])
        raw = raw[:at] + new + raw[at + chance.choice([0, 0, 1, 2, 5]) :]
    return raw


def test_damaged_requests_are_answered_alike_by_both_interpreters(micropython):
    chance = random.Random(11)

    def told(server):
        found = []
        for answer in answers(server, raw, half_close=True):
            body = answer.body
            if answer.header("content-type") == "application/json":
                body = json.loads(body)  # with names in any order, and characters escaped or not
            fields = [item for item in answer.headers if item[0] not in ("date", "content-length")]
            found.append((answer.status, fields, body))
        return found

    with Server(cpython(), script=KITCHEN) as one, Server(micropython, script=KITCHEN) as other:
        for _ in range(2000):
            raw = damaged(chance)
            assert told(one) == told(other), raw


# -- clients of others


def test_httpx_is_served(kitchen):
    with httpx.Client(base_url=kitchen.url, timeout=120) as client:
        for _ in range(3):
            assert client.get("/json").json() == {"hello": "world"}
        assert client.post("/echo/json", json={"a": ["ü"]}).json() == {"json": {"a": ["ü"]}}
        assert client.post("/echo", content=iter([b"chunks ", b"of ", b"httpx"])).content == b"chunks of httpx"
        assert client.head("/size/5000").headers["content-length"] == "5000"
        assert client.get("/size/200000").content == pattern(200000)
        assert client.options("/json").headers["allow"]
        assert client.put("/echo", content=b"").content == b""
        assert client.get("/target", params={"a": "ü&="}).json()["args"] == [["a", "ü&="]]
        assert client.get("/nothing").status_code == 404
        assert client.post("/nothing", content=b"x" * 100_000).status_code == 404
        assert client.get("/json").status_code == 200


def test_many_clients_are_served_at_once(kitchen):
    failures = []

    def work(number):
        try:
            with httpx.Client(base_url=kitchen.url, timeout=120) as client:
                for turn in range(10):
                    size = 100 * number + turn
                    assert client.get(f"/size/{size}").content == pattern(size)
                    assert client.post("/echo/async", content=b"%d" % size).content == b"%d" % size
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.fixture(scope="module")
def curl():
    command = shutil.which("curl")
    if not command:
        pytest.skip("there is no curl")

    def run(*args, data=None):
        options = ["--silent", "--show-error", "--max-time", "15", "--noproxy", "*"]
        done = subprocess.run([command, *options, *args], input=data, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_curl_is_served(kitchen, curl, tmp_path):
    url = kitchen.url.rstrip("/")
    assert curl(url + "/json", url + "/json", url + "/text") == b'{"hello": "world"}' * 2 + "<p>grüß Gott".encode()
    assert curl("--http1.0", url + "/json") == b'{"hello": "world"}'
    assert curl("--data-binary", "hello", url + "/echo") == b"hello"
    assert read_response(curl("--head", url + "/size/777"), head=True).header("content-length") == "777"
    assert b"Allow: " in curl("--request", "OPTIONS", "--request-target", "*", "--include", url)
    body = tmp_path / "body"
    body.write_bytes(pattern(8000))
    expect = ["--header", "Expect: 100-continue", "--expect100-timeout", "10"]
    assert curl(*expect, "--data-binary", f"@{body}", url + "/echo", url + "/json").startswith(pattern(8000))
    assert curl(
        *expect, "--header", "Transfer-Encoding: chunked", "--data-binary", f"@{body}", url + "/echo"
    ) == pattern(8000)
    assert curl("--upload-file", "-", url + "/echo", data=b"from a pipe") == b"from a pipe"
    body.write_bytes(pattern(1_000_000))
    code = ["--output", tmp_path / "out", "--write-out", "%{http_code}"]
    assert curl(*code, "--data-binary", f"@{body}", url + "/echo") == b"413"
    assert curl(*code, *expect, "--data-binary", f"@{body}", url + "/nothing") == b"404"
    said = json.loads(curl("--get", "--data-urlencode", "a=ü b", url + "/target"))
    assert said["args"] == [["a", "ü b"]]


def test_no_slot_is_left_behind(kitchen):
    """Last in this file: whatever went before, only who asks is there."""
    for _ in range(100):
        now = state(kitchen)
        if now["busy"] == 1:
            return
        time.sleep(0.1)
    raise AssertionError(now)
