"""What `bench` measures: each server as a process of its own under MicroPython, and the browser that asks it.

`NAME_app.py` runs under MicroPython, from .mpy, with the arguments PORT FOLDER PATH MODE: PATH is what it will be asked
for, and MODE "keep" or "close" what becomes of a connection then. Limpet has routes beside the first only where PATH is
one of them (`more.py`), and with MODE "garbage" tells what its heap holds (`garbage.py`). On its way it prints lines
`NAME BYTES` (see `mark`), the last of them when it listens.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from tools import ROOT, mpy

HOST = "127.0.0.1"

API = "/api/status"
API_ANSWER = {"ok": True, "n": 1}
PAGE = "/page.html"
FILE = "/file.bin"
SIZES = {PAGE: 4 * 1024, FILE: 256 * 1024}

# What is below /more/ is in `more.py`.
ASYNC = "/more/async"
TUPLE = "/more/tuple"
TEXT = "/more/text"
POST = "/more/post"
ONE_OF_MANY = "/more/99/{n}"  # the last of a hundred patterns, with another id each time
MISSING = "/nothing"
GARBAGE = "/garbage"


class Question(NamedTuple):
    """What a browser asks for, and what it has to get.

    `path` may have {n}, the number of the request. `body` (bytes) makes it a POST of JSON. The answer is `content`
    (bytes); None: JSON like API_ANSWER, with `n`, where that is given, or the number of the request.
    """

    path: str
    content: bytes | None = None
    status: int = 200
    body: bytes | None = None
    n: int | None = API_ANSWER["n"]

    def is_answered_by(self, body: bytes, number: int) -> bool:
        """Tell whether this is the body to get by request `number`."""
        if self.content is not None:
            return body == self.content
        return json.loads(body) == {**API_ANSWER, "n": number if self.n is None else self.n}


class AnyPage(Question):
    """One whose answer each server words as it likes, in a few bytes at least."""

    def is_answered_by(self, body: bytes, number: int) -> bool:
        return len(body) > 5


def post_of(size: int) -> Question:
    """Return the question that sends `size` bytes of JSON, a list of numbers, and is told how many these are."""
    count = (size - 16) // 4
    body = b'{"values": [%s]}' % b", ".join(b"%d" % (10 + at % 90) for at in range(count))
    return Question(POST, body=body.ljust(size), n=count)


QUESTIONS = {
    API: Question(API),
    ASYNC: Question(ASYNC),
    TUPLE: Question(TUPLE, status=201),
    TEXT: Question(TEXT, "<p>grüß Gott".encode()),
    MISSING: AnyPage(MISSING, status=404),
    ONE_OF_MANY: Question(ONE_OF_MANY, n=None),
    GARBAGE: AnyPage(GARBAGE),
}

# The head of a browser's request, some 400 bytes.
HEAD = (
    "{method} {path} HTTP/1.1\r\n"
    "Host: 192.168.4.1\r\n"
    "Connection: {connection}\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Referer: http://192.168.4.1/\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Accept-Language: en-GB,en;q=0.9\r\n"
    "Cookie: session=4d1a6f0a9b3c\r\n"
)

# Under valgrind everything takes fifty times as long.
TIMEOUT_S = 60

RECEIVE_BYTES = 1 << 18


class Failed(Exception):
    """A server that did not start, or did not answer as it should; one line says how."""


def build(target: Path, arch: str) -> None:
    """Compile the servers and everything they import to .mpy files below `target`. Raises SystemExit, CompileError."""
    mpy.compile_tree(ROOT / "firmware", target / "firmware", arch)
    for file in Path(__file__).parent.glob("[a-z]*.py"):
        mpy.compile_file(file, target / f"{file.stem}.mpy", arch)
    spec = importlib.util.find_spec("microdot")
    if spec is None:
        raise SystemExit("No microdot to compare with: run `./tools/test` once, then use `.venv/bin/python -m tools`.")
    # What it imports of itself; the rest are extensions.
    for name in ("__init__", "microdot"):
        source = Path(spec.submodule_search_locations[0], f"{name}.py")
        mpy.compile_file(source, target / "microdot" / f"{name}.mpy", arch, f"microdot/{name}.py")


def make_files(folder: Path) -> dict[str, bytes]:
    """Write the files to serve into `folder`; return {path: content}."""
    contents = {path: random.Random(path).randbytes(size) for path, size in SIZES.items()}
    # Half a year old: what was written a moment ago may still change, which costs a server more.
    moment = time.time() - 180 * 86400
    folder.mkdir()
    for path, content in contents.items():
        file = Path(f"{folder}{path}")
        file.write_bytes(content)
        os.utime(file, (moment, moment))
    return contents


def free_port() -> int:
    """Return a TCP port that nobody used a moment ago, below those that clients are given."""
    while True:
        # Not of `random` itself: whoever seeds it would have two runs at once take the same.
        port = random.SystemRandom().randrange(20000, 32768)
        with socket.socket() as listener:
            try:
                listener.bind((HOST, port))
                return port
            except OSError:
                continue


class Server:
    """A running server, a context manager that ends it. Raises Failed where it does not come to listen.

    `command` runs MicroPython, `tree` is what `build` made. Attributes: `port`; `marks`, {name: bytes of heap in use};
    `errors`, all it wrote to stderr, once it has ended.
    """

    def __init__(self, command: list[str], tree: Path, heap: str, name: str, *args: str):
        self.errors = ""
        self.marks = {}
        self.port = free_port()
        self._console = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - see stop
        self._process = subprocess.Popen(
            [*command, "-X", f"heapsize={heap}", "-m", f"{name}_app", str(self.port), *map(str, args)],
            cwd=tree,
            env={**os.environ, "MICROPYPATH": f"{tree}:.frozen"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._console,
            text=True,
        )
        hung = threading.Timer(TIMEOUT_S, self._process.kill)
        hung.start()
        line = ""
        for line in self._process.stdout:
            mark, _, value = line.strip().partition(" ")
            if not value.isdigit():
                break
            self.marks[mark] = int(value)
            if mark == "listening":
                break
        hung.cancel()
        if "listening" not in self.marks:
            self.stop()
            raise Failed(f"{name} does not start in a heap of {heap}: {self.errors.strip() or line.strip()}")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process, wherever it is."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._console.seek(0)
        self.errors = self._console.read()
        self._console.close()


class Browser:
    """Asks a server one Question again and again, one after the other, and checks all of every answer.

    `connections` counts those it has made, `body` is what the last answer had.
    """

    def __init__(self, port: int, question: Question, keep_alive: bool, timeout_s: float = TIMEOUT_S):
        self.address = (HOST, port)
        self.question = question
        self.keep_alive = keep_alive
        self.timeout_s = timeout_s
        self.connections = 0
        self.body = b""
        self._asked = 0
        self._sock = None

    def ask(self, times: int) -> None:
        """Ask as often, and leave the connection, if the server does, open. Raises Failed."""
        try:
            for _ in range(times):
                self._ask()
        except (OSError, ValueError) as error:
            self.close()
            raise Failed(f"no answer: {error}") from None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._sock:
            self._sock.close()
            self._sock = None

    def request(self) -> bytes:
        """Return the next request."""
        body = self.question.body
        path = self.question.path.replace("{n}", str(self._asked))
        connection = "keep-alive" if self.keep_alive else "close"
        head = HEAD.format(method="GET" if body is None else "POST", path=path, connection=connection)
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"{head}\r\n".encode() + (body or b"")

    def _send(self, request):
        """Send a request. A new connection takes it along in one call where the system can.

        So it is there when the server accepts. Else it is a matter of luck whether a server looks for it in vain first.
        """
        if self._sock:
            self._sock.sendall(request)
            return
        self._sock = socket.socket()
        self.connections += 1
        sent = 0
        try:
            sent = self._sock.sendto(request, socket.MSG_FASTOPEN, self.address)
        except (AttributeError, OSError):
            self._sock.connect(self.address)
        self._sock.sendall(request[sent:])
        self._sock.settimeout(self.timeout_s)

    def _ask(self):
        self._asked += 1
        self._send(self.request())
        data = bytearray()
        while b"\r\n\r\n" not in data:
            piece = self._sock.recv(RECEIVE_BYTES)
            if not piece:
                raise Failed("the connection ended before the answer")
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        if not re.match(rb"HTTP/1.[01] %d " % self.question.status, head):
            raise Failed(f"not an answer to expect: {bytes(head)!r}")
        closes = head.startswith(b"HTTP/1.0") or re.search(rb"\r\n(?i:connection): *close", head)
        field = re.search(rb"\r\n(?i:content-length): *([0-9]+)", head)
        length = int(field.group(1)) if field else None
        if length is None and not closes:
            raise Failed(f"nothing tells the answer's end: {bytes(head)!r}")
        # Who announces the end of the connection has to come to it, which is part of the request.
        while closes or len(body) < length:
            piece = self._sock.recv(RECEIVE_BYTES)
            if not piece:
                break
            body += piece
        if not self.question.is_answered_by(body, self._asked) or length not in (None, len(body)):
            raise Failed(f"a wrong body of {len(body)} bytes: {bytes(body[:80])!r}")
        self.body = bytes(body)
        if closes or not self.keep_alive:
            self.close()
