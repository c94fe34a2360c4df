"""Mixed requests, as a household with a few browsers, scripts and mistakes sends them to the shipped site of a board.

    mix = Mix("http://127.0.0.1:8080/", token)   # one that may write
    mix.run(3000)                                # over four connections at once
    mix.statuses, mix.refused, mix.wrong         # Counter, how many 503, lines about what was not as it should be

Pages, their parts, conditions, ranges; JSON of every part; log-ins and writes; live streams and WebSockets; what is
wrong in every way that has a status of its own. Some clients keep their connection, some make a new one for each
request. `soak` and the tests send them.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from tools.answers import Response, read_response

CONNECTIONS = 4
# The server's own longest deadline is 10 s of silence inside a body; a busy machine adds to that.
TIMEOUT_S = 60
# On one connection, at most.
REQUESTS = 20
# Each at a rate that no limit minds: this machine has so many for a server of its own.
ADDRESSES = 200
SOURCE = "127.0.1.{}"
LOOPBACK = "127.0.0.1"

# Who asks too fast is told to wait (429).
TRIES = 8
WAIT_AT_MOST_S = 10
# A board that was reset serves again after some ten seconds; one that does not for so long has gone.
COMES_BACK_S = 180
LOOK_EVERY_S = 0.2

# What a 503 says where it was memory that was missing (firmware/server/errors.py, loader.py).
OUT_OF_MEMORY = b"Out of memory"

JSON = "Content-Type: application/json"
FILE = bytes(range(256)) * 12
UPGRADE = (
    *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)


class Kind(NamedTuple):
    """A kind of request: how often among all, its request line, which statuses are right, fields, and a body.

    `first`: only so many bytes of the answer's body are read, and the connection is closed then.
    """

    weight: int
    method: str
    target: str
    right: tuple = (200,)
    fields: tuple = ()
    body: bytes = b""
    may_write: bool = False
    first: int = 0


KINDS = (
    *(Kind(6, "GET", path) for path in ("/", "/app.js", "/style.css")),
    *(Kind(2, "GET", path, fields=("Accept-Encoding: gzip, br",)) for path in ("/", "/api.js", "/log.js")),
    Kind(3, "GET", "/app.js", (206,), ("Range: bytes=100-299",)),
    Kind(2, "GET", "/app.js", (416,), ("Range: bytes=900000-",)),
    Kind(2, "HEAD", "/"),
    *(Kind(6, "GET", f"/api/{name}", may_write=True) for name in ("status", "led", "pins", "files")),
    Kind(6, "GET", "/users", may_write=True),
    Kind(3, "GET", "/metrics", may_write=True),
    *(Kind(3, "GET", path) for path in ("/api/session", "/openapi.json")),
    # Which says so itself where all is not well.
    Kind(3, "GET", "/healthz", (200, 503)),
    Kind(3, "GET", "/api/readings?since=0", (200, 204), may_write=True),
    *(Kind(3, "GET", path, may_write=True) for path in ("/api/log?since=0", "/api/settings", "/api/tokens")),
    Kind(1, "GET", "/api/update", (200, 404), may_write=True),  # a laptop has none
    *(Kind(4, "PUT", "/api/led", (200,), (JSON,), body, True) for body in (b'{"on": true}', b'{"on": false}')),
    Kind(3, "PUT", "/files/mixed/a.bin", (201, 204), (), FILE, True),
    Kind(3, "GET", "/files/mixed/a.bin", (200, 404), may_write=True),
    Kind(1, "DELETE", "/files/mixed/a.bin", (204, 404), (), b"", True),
    Kind(3, "POST", "/users", (422,), (JSON,), b'{"name": ""}', True),
    Kind(3, "PUT", "/api/led", (422,), (JSON,), b'{"on": 1}', True),
    Kind(2, "PUT", "/api/led", (400,), (JSON,), b'{"on":', True),
    Kind(2, "PUT", "/api/led", (415,), ("Content-Type: text/plain",), b"on", True),
    Kind(2, "PUT", "/api/led", (401,), (JSON,), b'{"on": true}'),
    Kind(2, "GET", "/api/settings", (401,)),
    Kind(4, "GET", "/nothing", (404,)),
    Kind(2, "GET", "/users/999", (404,), may_write=True),
    Kind(2, "DELETE", "/api/status", (405,), (), b"", True),
    Kind(1, "POST", "/users", (413,), (JSON,), b" " * 9000, True),
    # A head that is not whole makes room for others, 408; this one is longer than what is read at once.
    Kind(1, "GET", "/" + "a" * 3000, (408, 414, 431)),
    Kind(1, "GET", "/", (400,), ("Not a field",)),
    Kind(1, "GET", "/api/events", may_write=True, first=40),
    Kind(1, "GET", "/ws", (101,), UPGRADE, may_write=True),
)


class Mix:
    """Sends requests to the board at `address`, a URL; `token` is one that may write.

    `password`: the administrator's, for log-ins; without it there are none. All counts and lists begin empty:

    `statuses`      Counter of all answers
    `refused`       how many were told to come again, 503
    `starved`       seconds since the start of `run` at which a 503 said that it was for want of memory
    `cut`           the same of streams that ended before their time
    `waits`         how often an answer was "too many requests", 429
    `again`         how often a request was sent again, since the server had closed a connection that was kept
    `wrong`         a line for each answer that is not right
    `unanswered`    a line for each request that was sent over a new connection, or was not, and got no answer
    `done`          how many requests were sent, with an answer or without
    `is_gone`       nothing has listened at the address for COMES_BACK_S: the rest was not sent
    """

    def __init__(self, address: str, token: str, password: str | None = None):
        self._address = address
        self._token = token
        self._kinds = (*KINDS, log_in(password)) if password else KINDS
        self._weights = [kind.weight for kind in self._kinds]
        # A server of this machine's own sees as many addresses as there are.
        self._has_sources = place(address)[0] == LOOPBACK and _has_sources()
        self._left = 0
        self._lock = threading.Lock()
        self._told = None
        self._start = self._end = 0.0
        self.statuses = Counter()
        self.refused = self.waits = self.again = self.done = 0
        self.starved = []
        self.cut = []
        self.wrong = []
        self.unanswered = []
        self.is_gone = False

    def run(
        self, count: int, seed: int = 1, seconds: float | None = None, told: Callable[[int], None] = lambda done: None
    ) -> None:
        """Send `count` requests, or as many as go within so many `seconds`; `told` gets how many are done."""
        self._left, self._told, self._start = count, told, time.monotonic()
        self._end = self._start + seconds if seconds else float("inf")
        clients = [
            threading.Thread(target=self._client, args=(random.Random(f"{seed} {number}"),), daemon=True)
            for number in range(CONNECTIONS)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    def _take(self, at_most: int) -> int:
        with self._lock:
            if self.is_gone or time.monotonic() > self._end:
                self._left = 0
            count = min(self._left, at_most)
            self._left -= count
            return count

    def _client(self, chance):
        while True:
            count = self._take(chance.choice((1, 1, 2, 5, REQUESTS)))
            if not count:
                return
            connection = None
            for kind in chance.choices(self._kinds, self._weights, k=count):
                connection = self._ask(kind, connection, chance)
                with self._lock:
                    self.done += 1
            if connection:
                connection.close()
            with self._lock:
                self._told(self.done)

    def _ask(self, kind: Kind, connection, chance):
        """Ask, and count the answer; return the connection while it is to be used again."""
        for _ in range(TRIES):
            answer, connection = self._ask_once(kind, connection, chance)
            if answer is None or answer.status != 429:
                break
            with self._lock:
                self.waits += 1
            wait = answer.header("retry-after") or ""
            time.sleep(min(int(wait) if wait.isdigit() else 1, WAIT_AT_MOST_S))
        if answer:
            self._count(kind, answer)
        return connection

    def _ask_once(self, kind, connection, chance):
        """Return (the answer or None, the connection while it is to be used again)."""
        is_kept = connection is not None
        try:
            connection = connection or self._connect(chance)
            answer = connection.ask(kind, self._token)
        except Cut:
            connection.close()
            with self._lock:
                self.statuses[200] += 1
                self.cut.append(time.monotonic() - self._start)
            return None, None
        except (OSError, AssertionError) as error:
            has_begun = connection is not None and connection.received
            if connection:
                connection.close()
            # RFC 9112 9.3.1: a server may close a connection that is kept when a request is on its way.
            if is_kept and not has_begun:
                with self._lock:
                    self.again += 1
                return self._ask_once(kind, None, chance)
            self._note(self.wrong if has_begun else self.unanswered, kind, repr(error))
            if not has_begun:
                self._wait_for_server()
            return None, None
        if kind.first or answer.status == 101 or "close" in (answer.header("connection") or ""):
            connection.close()
            connection = None
        return answer, connection

    def _connect(self, chance):
        source = SOURCE.format(chance.randrange(1, ADDRESSES)) if self._has_sources else None
        return Connection(self._address, source)

    def _wait_for_server(self):
        """Wait until somebody listens again."""
        deadline = time.monotonic() + COMES_BACK_S
        while not self.is_gone:
            try:
                socket.create_connection(place(self._address), 5).close()
                return
            except OSError:
                time.sleep(LOOK_EVERY_S)
            if time.monotonic() > deadline:
                self.is_gone = True

    def _count(self, kind, answer):
        is_refused = answer.status == 503 and 503 not in kind.right
        with self._lock:
            self.statuses[answer.status] += 1
            self.refused += is_refused
            if is_refused and OUT_OF_MEMORY in answer.body:
                self.starved.append(time.monotonic() - self._start)
        if answer.status not in (*kind.right, 429, 503):
            self._note(self.wrong, kind, repr(answer))
        elif answer.status == 200 and kind.target.startswith("/api/") and kind.method == "GET" and not kind.first:
            self._check_json(kind, answer)

    def _check_json(self, kind, answer):
        try:
            for line in answer.body.splitlines() if "/log" in kind.target else [answer.body]:
                json.loads(line)
        except ValueError:
            self._note(self.wrong, kind, repr(answer))

    def _note(self, lines, kind, what):
        at = time.monotonic() - self._start
        with self._lock:
            lines.append(f"after {at:.0f} s {kind.method} {kind.target[:60]}: {what}")


class Cut(Exception):
    """A stream has ended before its time: nothing can be said any more once it has begun."""


def place(address: str) -> tuple[str, int]:
    """Return host and port of a URL."""
    parts = urlsplit(address)
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


class Connection:
    """A connection to the server at a URL. `received`: something of the last answer has come; `stream`: what comes."""

    def __init__(self, address: str, source: str | None = None):
        self._host = place(address)[0]
        self._socket = socket.create_connection(place(address), TIMEOUT_S, (source, 0) if source else None)
        if urlsplit(address).scheme == "https":
            self._socket = _unverified().wrap_socket(self._socket, server_hostname=self._host)
        self.stream = self._socket.makefile("rb")
        self.received = False

    def ask(self, kind: Kind, token: str) -> Response:
        """Return the answer to a request of a kind. Raises OSError, AssertionError and Cut."""
        self.received = False
        host = "limpet.local" if self._host == LOOPBACK else f"[{self._host}]" if ":" in self._host else self._host
        lines = [f"{kind.method} {kind.target} HTTP/1.1", f"Host: {host}", "User-Agent: mixed/1.0", *kind.fields]
        if kind.may_write:
            lines += [f"Authorization: Bearer {token}"]
        if kind.body:
            lines += [f"Content-Length: {len(kind.body)}"]
        data = "\r\n".join([*lines, "", ""]).encode() + kind.body
        # What it answered early is still there to be read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)
        self.received = bool(self.stream.peek(1))
        if not kind.first:
            return read_response(self.stream, kind.method == "HEAD")
        answer = read_response(self.stream, True)
        if answer.status == 200:
            if len(self.stream.read(kind.first)) < kind.first:
                raise Cut("the stream ends before its time")
        return answer

    def close(self) -> None:
        """Close it."""
        self.stream.close()
        self._socket.close()


def log_in(password: str) -> Kind:
    """Return the kind of request that logs in with the administrator's password."""
    return Kind(1, "POST", "/api/login", (200,), (JSON,), json.dumps({"password": password}).encode())


def _has_sources() -> bool:
    """Tell whether this machine has more addresses of its own than one: macOS has not."""
    with contextlib.suppress(OSError), socket.create_server((SOURCE.format(1), 0)):
        return True
    return False


def _unverified() -> ssl.SSLContext:
    # A board's certificate is of its owner's own making.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
