"""A board with a heap of a chosen size, its life over resets, and people who ask it for things.

    forge = Forge(tmp_path)                    # the compiled tree, and what the harness itself takes of a heap
    with Life(forge, 150) as life:             # a board with 150 KB, six slots, a backlog of 8
        Person(life, "Ann").work()             # what somebody does once
        Stranger(life, seed).work(200)         # random requests of somebody without credentials
        life.watch_page()                      # the page comes, now or within a minute

Words have 32 bits, and everything of the firmware is in the heap. A reset starts the board anew, as on a chip. A minute
is sixty looks of the memory's keeper, whatever time the machine takes for them.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
from pathlib import Path

from host_tests.board_life import NAMES_BYTES, PATIENCE_S, RESET, Board
from host_tests.conftest import interpreter_named
from host_tests.servers import HOST, SOCKET_TIMEOUT_S, read_response
from host_tests.site.test_visit import PAGE, PINS, compiled
from tools.mixed import ADDRESSES, JSON, KINDS, UPGRADE, Kind

SLOTS = 6
# From the first page that cannot be served to a serving board.
MOST_LOOKS = 60
# For so many looks /healthz remembers that a request has failed (board/memory.py).
FAULT_LOOKS = 15

PASSWORD = "correct horse"
FILE = bytes(range(256)) * 40

# A browser's head has 718 bytes with this.
_BROWSER = (
    "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36",
    'sec-ch-ua: "Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
    'sec-ch-ua-platform: "macOS"',
    "sec-ch-ua-mobile: ?0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-User: ?1",
    "Sec-Fetch-Dest: document",
    "Upgrade-Insecure-Requests: 1",
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8",
    "Cache-Control: no-cache",
    "Pragma: no-cache",
)

# What the harness needs of a board: its looks are counted in a file.
_BEFORE_MAIN = """
from firmware.server import transport
transport.BACKLOG = 8
looks = open("{flash}/looks", "ab")
def take_turn(python_bytes):
    looks.write(b".")
    looks.flush()
board.take_turn = take_turn
"""


class NoAnswer(AssertionError):
    """A connection that was accepted sent a whole request, and got no answer."""


class WentDown(Exception):
    """The board was reset meanwhile: there is nobody to answer."""


class Forge:
    """The tree of a board, in `folder`; and how much of a heap the harness has, in KB."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.tree = compiled(folder / "tree")
        self.lives = 0
        self.harness_kb = 0
        with Life(self, 2048) as life:
            # A heap's own tables take a part of it.
            self.harness_kb = round((life.board.tell("zero") - NAMES_BYTES) * 1.024 / 1024)


class Life:
    """A board's life, resets and all. `answers` counts statuses, `resets` is a list of causes."""

    def __init__(self, forge: Forge, heap_kb: int, **settings):
        forge.lives += 1
        self.heap_kb = heap_kb
        flash = forge.folder / f"flash{forge.lives}"
        self.board = Board(interpreter_named("i386"), flash, forge.tree, heapsize=f"{heap_kb + forge.harness_kb}k")
        self.board.air(("Home", "password1"))
        networks = [{"ssid": "Home", "password": "password1"}]
        self.board.settings(networks=networks, limits={"connections": SLOTS}, pins={"gpio": PINS}, **settings)
        self._before_main = _BEFORE_MAIN.format(flash=flash)
        self._looks = flash / "looks"
        self._is_over = False
        self._lock = threading.Lock()
        self.answers = {}
        self.resets = []
        self.failed = None
        self.health = b""  # what /healthz said last
        self.board.start(before_main=self._before_main)
        self.board.until("joined")
        self._thread = threading.Thread(target=self._look_after, daemon=True)
        self._thread.start()

    def __enter__(self) -> Life:
        return self

    def __exit__(self, *error) -> None:
        self._is_over = True
        self.board.process.kill()
        self._thread.join(PATIENCE_S)
        print(self.board.console)

    def looks(self) -> int:
        """Return how often the keeper has looked in all lives."""
        return self._looks.stat().st_size if self._looks.exists() else 0

    def _look_after(self):
        """Start the board anew whenever it has reset itself."""
        while True:
            self.board.process.wait()
            self.board.end()
            if self._is_over:
                return
            ends = self.board.lines[-30:]
            causes = [line for line in ends if line.startswith("limpet: reset:")]
            if "starts anew" not in ends[-1:] or not causes:
                self.failed = "the board has ended:\n" + "\n".join(ends)
                return
            with self._lock:
                self.resets.append(causes[-1])
                self.board.start(RESET, before_main=self._before_main)

    def _port(self):
        with self._lock:
            return self.board.port, len(self.resets)

    def ask(self, method, target, *fields, body=b"", first=0, source=None):
        """Return the answer to a request on a connection of its own.

        Raises WentDown where the board was reset meanwhile, and NoAnswer.
        """
        lines = [f"{method} {target} HTTP/1.1", "Host: limpet.local", *fields, "Connection: close"]
        if body:
            lines += [f"Content-Length: {len(body)}"]
        return self.send("\r\n".join([*lines, "", ""]).encode() + body, method == "HEAD", first, source)

    def send(self, data, is_head=False, first=0, source=None):
        """Return the answer to a request as it is, as `ask` does."""
        assert not self.failed, self.failed
        port, resets = self._port()
        try:
            client = self._connect(port, source)
        except OSError:
            # Nobody listens: that is a start.
            self.wait_for_start(resets)
            raise WentDown from None
        try:
            with client:
                # What was answered early is there to be read.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    client.sendall(data)
                with client.makefile("rb") as stream:
                    answer = read_response(stream, is_head or bool(first))
                    if first and answer.status in (101, 200):
                        # It may end early: it has begun, so nothing can be said any more.
                        stream.read(first)
        except (OSError, AssertionError) as error:
            for _ in range(10):
                if self.board.process.poll() is not None or self._port() != (port, resets):
                    self.wait_for_start(resets)
                    raise WentDown from None
                time.sleep(0.05)
            raise NoAnswer(f"{data[:60]}: {error!r}, look {self.looks()}") from None
        self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
        assert answer.status != 500, answer
        return answer

    def _connect(self, port, source):
        return socket.create_connection((HOST, port), SOCKET_TIMEOUT_S, (source, 0) if source else None)

    def wait_for_start(self, resets):
        """Wait until the board listens, again where it has not been reset more often than that."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert not self.failed, self.failed
            port, now = self._port()
            if now > resets or self.board.process.poll() is None:
                with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
                    return
            time.sleep(0.05)
        raise AssertionError("the board does not come back")

    def watch_page(self, times=8):
        """Ask for the page; the first that is not served begins a minute in which it has to be, and /healthz agrees."""
        since = None
        while times > 0 or since is not None:
            since = self._watch_once(since)
            times -= 1
            if times <= 0 and since is None and self._status("/healthz") != 200:
                since = self.looks()

    def _watch_once(self, since):
        """Ask once; return when the page was served no more, None where it is."""
        before = self._moment()
        page = self._status("/", *_BROWSER)
        health = self._status("/healthz")
        if page == 200 and (health == 200 or since is None):
            return None
        resets, looks = self._moment()
        # A request that has failed is a fault for 15 looks. A life that has just begun knows of none.
        if page and health == 200 and resets == before[0] and looks - before[1] < FAULT_LOOKS:
            raise AssertionError(f"the board is well, and the page is {page}")
        since = looks if since is None else since
        assert looks - since <= MOST_LOOKS, f"page {page}, /healthz {health} for {looks - since} looks: {self.health}"
        time.sleep(0.05)
        return since

    def _moment(self):
        return len(self.resets), self.looks()

    def _status(self, path, *fields):
        try:
            answer = self.ask("GET", path, *fields)
            if path == "/healthz":
                self.health = answer.body
            return answer.status
        except WentDown:
            return None


class Person:
    """Somebody who may do everything, and does it once with `work`. `users` and `files`: what was acknowledged."""

    def __init__(self, life: Life, name: str):
        self.life = life
        self.name = name
        self.cookie = ()
        self.users = []
        self.files = {}

    def ask(self, method, path, *fields, tries=3, **more):
        """Return the answer, None where there is none in some tries."""
        if isinstance(more.get("body"), dict):
            more["body"] = json.dumps(more["body"]).encode()
            fields = (*fields, JSON)
        for _ in range(tries):
            with contextlib.suppress(WentDown):
                answer = self.life.ask(method, path, *_BROWSER, *self.cookie, *fields, **more)
                if answer.status != 503:
                    return answer
            time.sleep(0.05)
        return None

    def log_in(self):
        session = self.ask("GET", "/api/session")
        if session is None or session.status != 200:
            return
        if json.loads(session.body)["password_set"]:
            answer = self.ask("POST", "/api/login", body={"password": PASSWORD})
        else:
            answer = self.ask("PUT", "/api/password", body={"new": PASSWORD})
            if answer is None or answer.status != 200:
                answer = self.ask("POST", "/api/login", body={"password": PASSWORD})
        if answer is not None and answer.header("set-cookie"):
            self.cookie = ("Cookie: " + answer.header("set-cookie").split(";")[0],)

    def work(self):
        """Do what one does in an evening: some 35 requests."""
        for path in PAGE:
            self.ask("GET", path)
        self.log_in()
        for path in ("/api/status", "/api/readings?since=0", "/api/led", "/api/pins", "/users", "/api/files"):
            self.ask("GET", path)
        self.ask("PUT", "/api/led", body={"on": True})
        made = self.ask("POST", "/users", body={"name": self.name, "email": f"{self.name}@example.org"}, tries=1)
        if made is not None and made.status == 201:
            self.users.append(json.loads(made.body)["user"]["id"])
        path = f"/files/{self.name}.bin"
        put = self.ask("PUT", path, body=FILE, tries=1)
        if put is not None and put.status in (201, 204):
            self.files[path] = FILE
        settings = self.ask("GET", "/api/settings")
        if settings is not None and settings.status == 200:
            self.ask("PUT", "/api/settings", JSON, body=settings.body)
        for path in ("/api/log?since=0", "/metrics", "/api/tokens", "/api/update", "/openapi.json", "/nothing"):
            self.ask("GET", path)
        self.ask("GET", "/api/events", first=40)
        self.ask("GET", "/ws", *UPGRADE, first=2)
        for path in PAGE[:3]:
            self.ask("GET", path)

    def check(self):
        """Look into the flash for what was acknowledged: it is there, whatever there is memory for."""
        data = self.life.board.flash / "data"
        if self.users:
            users = {user["id"]: user["name"] for user in self.life.board.saved("users.json")["users"]}
            assert [users.get(id) for id in self.users] == [self.name] * len(self.users), users
        for path in self.files:
            assert (data / path[1:]).read_bytes() == self.files[path], path


KINDS_OF_STRANGERS = (
    *(kind._replace(may_write=False) for kind in KINDS),
    Kind(2, "PUT", "/files/big.bin", (401,), (), bytes(300_000)),
    Kind(2, "PUT", "/files/big.bin", (401,), ("Expect: 100-continue",), bytes(300_000)),
    Kind(3, "GET", "/", (400,), ("Bad Name: x",)),
    Kind(3, "GET", "/", (200,), ("X-Long: " + "x" * 1200,)),
    Kind(2, "POST", "/api/login", (401, 429), (JSON,), b'{"password": "a guess or two"}'),
    Kind(2, "PUT", "/api/password", (401,), (JSON,), b'{"new": "a guess or two"}'),
)


class Stranger:
    """Somebody without credentials, who asks for anything."""

    def __init__(self, life: Life, seed: str):
        self.life = life
        self.chance = random.Random(seed)

    def work(self, count: int):
        """Send so many requests."""
        weights = [kind.weight for kind in KINDS_OF_STRANGERS]
        for kind in self.chance.choices(KINDS_OF_STRANGERS, weights, k=count):
            source = f"127.0.1.{self.chance.randrange(1, ADDRESSES)}"
            with contextlib.suppress(WentDown):
                self.life.ask(kind.method, kind.target, *kind.fields, body=kind.body, first=kind.first, source=source)
