"""Asks an application without a socket: for tests of one's own, on CPython and on MicroPython. No board has it.

    with TestClient(app) as client:
        answer = client.get("/api/led")
        assert answer.status == 200 and answer.json == {"on": False}
        assert client.put("/api/led", json={"on": True}).json == {"on": True}

All of the server takes part but its sockets: framing, hooks, errors, streams. An application that gets a request byte
by byte has to give the same answer, and so has one that gets another request right behind it: `feed` says how they
come. WebSockets need a socket.
"""

import asyncio
import json

from firmware.http.escapes import quote
from firmware.server import opening, transport
from firmware.server.limits import SWEEP_MS

# How a request comes: as a whole, byte by byte, or with another one in the same packet.
WHOLE = "whole"
BYTES = "bytes"
BEHIND = "behind"

_NEXT = b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

# Bytes of an answer that are shown where something is wrong with it.
_MAX_SAID = 200

# Turns of the event loop in which a server notices that a client has hung up.
_LAST_TURNS = 8


class Answer:
    """What a client was answered.

    `status`; `headers`, {name in lower case: value}, lines of one name joined by commas; `lines`, a list of all (name,
    value); `body` (bytes); `text` and `json`, the body as text and as JSON's value.
    """

    def __init__(self, status, lines, body):
        self.status = status
        self.lines = lines
        self.body = body
        self.headers = {}
        for name, value in lines:
            self.headers[name] = self.headers[name] + ", " + value if name in self.headers else value

    def __getattr__(self, name):
        if name == "text":
            return self.body.decode()
        if name == "json":
            return json.loads(self.body.decode())
        raise AttributeError(name)


class TestClient:
    """A client of an App; its cookies are kept from one answer to the next request, in the dict `cookies`.

    `feed`: how requests come (WHOLE, BYTES or BEHIND); `address`: where they come from; `timeout_s`: how long an answer
    may take. Background tasks run while a request is under way. `close()` ends them; `with` calls it.
    """

    __test__ = False  # pytest: these are no tests

    def __init__(self, app, feed=WHOLE, address="127.0.0.1", timeout_s=30):
        if feed not in (WHOLE, BYTES, BEHIND):
            raise ValueError("not a way to feed: %r" % feed)
        self.app = app
        self.feed = feed
        self.cookies = {}
        self._address = address
        self._timeout_ms = timeout_s * 1000
        self._loop = asyncio.get_event_loop() if transport.MICROPYTHON else asyncio.new_event_loop()
        self._server = app.server = opening.make(app, "Test")
        self._server.reactor = _Reactor()
        self._has_begun = False
        self._swept = transport.ticks_ms()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """End what still runs."""
        self._loop.run_until_complete(self._end())
        if not transport.MICROPYTHON:
            self._loop.close()

    def get(self, path, **options):
        """Send a GET; all of these return an Answer, and take the options of `request`."""
        return self.request("GET", path, **options)

    def head(self, path, **options):
        """Send a HEAD."""
        return self.request("HEAD", path, **options)

    def post(self, path, **options):
        """Send a POST."""
        return self.request("POST", path, **options)

    def put(self, path, **options):
        """Send a PUT."""
        return self.request("PUT", path, **options)

    def patch(self, path, **options):
        """Send a PATCH."""
        return self.request("PATCH", path, **options)

    def delete(self, path, **options):
        """Send a DELETE."""
        return self.request("DELETE", path, **options)

    def options(self, path, **options):
        """Send an OPTIONS."""
        return self.request("OPTIONS", path, **options)

    def request(self, method, path, headers=None, body=None, json=None, form=None, until=None):
        """Send a request to `path`, percent-encoded and with its query; return the Answer.

        `headers`: a dict; `body`: bytes or text, or `json`: a value, or `form`: a dict of text. `until` (bytes): the
        client hangs up once the answer has this in it, as one does with a stream that never ends. Raises AssertionError
        for an answer that breaks HTTP, and for none in time.
        """
        raw = self._head(method, path, headers or {}, *_encoded(body, json, form))
        raw += _NEXT if self.feed == BEHIND else b""
        sock = self._loop.run_until_complete(self._exchange(raw, method == "HEAD", until))
        answer, end = _read(sock.sent, method == "HEAD", True)
        if answer is None:
            raise AssertionError("no answer, or not a whole one: %r" % bytes(sock.sent[:_MAX_SAID]))
        if self.feed == BEHIND and until is None and "close" not in answer.headers.get("connection", "").lower():
            if _read(sock.sent[end:], False, True)[0] is None:
                raise AssertionError("what came behind was not answered: %r" % bytes(sock.sent[end : end + _MAX_SAID]))
        self._keep_cookies(answer)
        return answer

    def raw(self, data):
        """Send bytes as they are, then the end; return all that is answered, as bytes."""
        return bytes(self._loop.run_until_complete(self._exchange(data, False, None, True)).sent)

    def _head(self, method, path, headers, kind, body):
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: localhost"]
        if self.cookies:
            lines.append("Cookie: " + "; ".join([name + "=" + value for name, value in self.cookies.items()]))
        if kind and "content-type" not in [name.lower() for name in headers]:
            lines.append("Content-Type: " + kind)
        if body is not None:
            lines.append("Content-Length: %d" % len(body))
        lines += ["%s: %s" % item for item in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")

    def _keep_cookies(self, answer):
        for name, value in answer.lines:
            if name == "set-cookie":
                pair, _, rest = value.partition(";")
                cookie, _, content = pair.partition("=")
                self.cookies[cookie] = content
                if "max-age=0" in rest.lower().replace(" ", "").split(";"):
                    del self.cookies[cookie]

    # -- inside the event loop

    async def _exchange(self, raw, is_head, until, is_ended=False):
        """Send bytes over a new connection; return its socket once they are answered."""
        if not self._has_begun:
            self._has_begun = True
            self.app.begin_background(self.app)
        sock = _Socket()
        self._server.place((sock, (self._address, 50000)), None)
        step = 1 if self.feed == BYTES else len(raw) or 1
        for at in range(0, len(raw), step):
            sock.coming += raw[at : at + step]
            await self._turn(sock)
        sock.is_ended = is_ended
        start = transport.ticks_ms()
        looked_at = -1
        while not sock.is_closed and not (until and until in sock.sent):
            seen = len(sock.sent)
            await self._turn(sock)
            if transport.elapsed_ms(start) > self._timeout_ms:
                said = bytes(sock.sent[:_MAX_SAID])
                raise AssertionError("no whole answer within %d ms: %r" % (self._timeout_ms, said))
            if len(sock.sent) != seen:
                continue
            # Only where nothing more comes at once: an answer in many pieces is not to be read as often.
            if looked_at != seen and until is None and not is_ended and self._is_whole(sock.sent, is_head):
                break
            looked_at = seen
            await transport.sleep_ms(1)
        sock.is_ended = sock.is_gone = True
        for _ in range(_LAST_TURNS):
            await self._turn(sock)
        return sock

    def _is_whole(self, sent, is_head):
        answer, end = _read(sent, is_head, False)
        return answer is not None and (self.feed != BEHIND or _read(sent[end:], False, False)[0] is not None)

    async def _turn(self, sock):
        """Let the server do what there is to do."""
        if transport.elapsed_ms(self._swept) >= SWEEP_MS:
            self._swept = transport.ticks_ms()
            self._server.sweep()
        if sock.mode == transport.READ and (sock.coming or sock.is_ended):
            sock.watcher.ready()
        await transport.sleep_ms(0)

    async def _end(self):
        self.app.end_background(self.app.apps())
        self._server.close()
        for _ in range(_LAST_TURNS):
            await transport.sleep_ms(0)


class _Reactor:
    """Stands for the one of `transport`: the client tells by itself when there is something to read."""

    def watch(self, sock, watcher, mode):
        sock.watcher = watcher
        sock.mode = mode

    def renew(self):
        pass


class _Socket:
    """The server's end of a connection."""

    def __init__(self):
        self.coming = b""
        self.sent = bytearray()
        self.is_ended = False  # whether nothing more comes
        self.is_gone = False  # whether nobody reads any more
        self.is_closed = False  # by the server
        self.watcher = None
        self.mode = 0

    def readinto(self, buffer):
        if not self.coming:
            return 0 if self.is_ended else None
        size = min(len(buffer), len(self.coming))
        buffer[:size] = self.coming[:size]
        self.coming = self.coming[size:]
        return size

    def write(self, data, size=None):
        if self.is_gone:
            raise OSError("the client has gone")
        size = len(data) if size is None else size
        self.sent.extend(memoryview(data)[:size])
        return size

    def close(self):
        self.is_closed = True


def _encoded(body, value, form):
    """Return (Content-Type or None, body or None) of what a request has to bring."""
    if value is not None:
        return "application/json", json.dumps(value).encode()
    if form is not None:
        pairs = [quote(name) + "=" + quote(str(value)) for name, value in form.items()]
        return "application/x-www-form-urlencoded", "&".join(pairs).encode()
    return None, body.encode() if isinstance(body, str) else body


def _read(sent, is_head, is_over):
    """Return (the first Answer in bytes, where it ends), or (None, 0) where it is not whole.

    `is_over`: whether nothing more comes: an answer that was cut by who asked has what there is. Raises AssertionError.
    """
    sent = bytes(sent)
    start = 0
    while True:
        end = sent.find(b"\r\n\r\n", start)
        if end < 0:
            return None, 0
        status, lines = _fields(sent[start:end])
        start = end + 4
        # 100 Continue is no answer yet.
        if status >= 200 or status == 101:
            break
    lengths = [value for name, value in lines if name == "content-length"]
    codings = [value for name, value in lines if name == "transfer-encoding"]
    if len(lengths) + len(codings) > 1 or (status in (101, 204) and lengths + codings):
        raise AssertionError("framed wrongly: %r" % lines)
    if is_head or status in (101, 204, 304):
        return Answer(status, lines, b""), start
    if codings:
        body, end = _chunks(sent, start)
    else:
        end = start + int(lengths[0]) if lengths else len(sent)
        body = sent[start:end]
        if (len(body) < end - start or not lengths) and not is_over:
            end = 0
    if not end and not is_over:
        return None, 0
    return Answer(status, lines, body), end


def _fields(head):
    """Return (status, [(name in lower case, value)]) of a head (bytes)."""
    rows = head.decode().split("\r\n")
    words = rows[0].split(" ", 2)
    if words[0] != "HTTP/1.1" or len(words) < 3 or len(words[1]) != 3:
        raise AssertionError("not a status line: %r" % rows[0])
    lines = []
    for row in rows[1:]:
        name, colon, value = row.partition(":")
        if not colon or not name or " " in name:
            raise AssertionError("not a header field: %r" % row)
        lines.append((name.lower(), value.strip()))
    return int(words[1]), lines


def _chunks(sent, at):
    """Return (the data of the chunks from `at` on, where they end, 0 where they do not yet)."""
    body = b""
    while True:
        line = sent.find(b"\r\n", at)
        if line < 0:
            return body, 0
        size = int(sent[at:line].decode(), 16)
        at = line + 2 + size
        if len(sent) < at + 2:
            return body, 0
        body += sent[line + 2 : at]
        if sent[at : at + 2] != b"\r\n":
            raise AssertionError("no line end behind a chunk: %r" % sent[at : at + _MAX_SAID])
        at += 2
        if not size:
            return body, at
