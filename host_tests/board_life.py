"""A whole board as a process: boot.py, then main.py, under MicroPython over the fakes of an ESP32.

    board = Board(interpreter, tmp_path)
    board.air("Home", "password1")
    board.settings(networks=[{"ssid": "Home", "password": "password1"}])
    board.start()                       # power on
    board.until("http://")              # what it prints
    board.tell("network.world.name")    # what somebody at the serial line would find out
    board.cut()                         # the power goes; the flash stays

Its clock runs `speed` times as fast as ours, for everything but boot.py's window and the server's own deadlines. Its
web server and its DNS server are at 127.0.0.1, on ports that nobody else has.
"""

from __future__ import annotations

import ast
import json
import subprocess
import threading
import time
from pathlib import Path

import httpx

from host_tests.servers import HOST, SOCKET_TIMEOUT_S, Interpreter, free_port
from tools import ROOT

# What the machine may take for a step, however busy it is: only a test that fails waits so long.
PATIENCE_S = 30

# `machine.reset_cause()`
POWER_ON = 1
RESET = 2
SOFT_RESET = 5

# Six tables of names, for 20, 40, ... 640 of them, at 7 bytes (py/qstr.c on a 32-bit board). Ours have to fit.
NAMES_MOST = 1260
NAMES_BYTES = 7 * NAMES_MOST
# Frozen names are in the image; those that are made besides have to fit three tables.
FROZEN_NAMES_MOST = 140
FROZEN_NAMES_BYTES = 7 * FROZEN_NAMES_MOST
# So many others make the table behind those there for ours: where the fakes' are partly in the image, it takes more.
FILL, FROZEN_FILL = 1000, 1300

# Between two looks whether something has come.
_LOOK_S = 0.01

# What MicroPython does on an ESP32 (ports/esp32/main.c): boot.py, main.py, then the prompt; a SystemExit, which is what
# a reset is among the fakes, starts the board anew. Between the two files the board gets its ports and its fast clock.
_PROGRAM = """
import sys
sys.path.insert(0, "{fakes}")
import esptime
esptime.install()
import builtins
import gc
import socket
import time

import esp32  # noqa: F401
import machine
import network
import ntptime

SPEED = {speed}
lit = []
names = {{"__name__": "__main__"}}


def compiled(path, changes):
    # On a board a file's text is nowhere once it is compiled: this function's frame, which has it, is gone then, too.
    with open(path) as file:
        text = file.read()
    for name in changes:
        was, is_now = changes[name]
        assert was in text, was
        text = text.replace(was, is_now)
    return compile(text, path, "exec")


def execute(path, **changes):
    code = compiled(path, changes)
    try:
        exec(code, names)
    except SystemExit:
        print("starts anew")
        sys.exit()
    except BaseException as error:
        print("prompt, for", repr(error))
        prompt()


def prompt():
    print(">>>")
    for line in sys.stdin.buffer:
        obey(line)
    sys.exit()


def obey(line):
    try:
        try:
            print("==>", repr(eval(line, globals())))
        except SyntaxError:
            exec(line, globals())
            print("==> None")
    except Exception as error:
        print("==>", repr(repr(error)))


class Clock:
    start = time.ticks_ms()

    @property
    def now_ms(self):
        return time.ticks_diff(time.ticks_ms(), self.start) * SPEED

    @now_ms.setter
    def now_ms(self, value):
        time.sleep_ms(max(0, value - self.now_ms) // SPEED)


class Module:
    # One of the firmware's, loaded by whoever asks it something: the board itself may do without it.
    def __init__(self, name):
        object.__setattr__(self, "module", lambda: __import__(name, None, None, ("it",)))

    def __getattr__(self, name):
        return getattr(self.module(), name)

    def __setattr__(self, name, value):
        setattr(self.module(), name, value)


class Sockets:
    # Not port 53, which takes a right of its own; and not the access point's address, which is nobody's here.
    def __getattr__(self, name):
        return getattr(socket, name)

    def getaddrinfo(self, host, port, *kind):
        return socket.getaddrinfo(*(("{host}", {dns_port}) if port == 53 else (host, port)), *kind)


def value(self, level=None, real=machine.Pin.value):
    if level is not None:
        lit.append("#" if level else ".")
        if len(lit) > 400:
            lit[:] = lit[200:]
    return real(self, level)


def run(coroutine, start):
    async def life():
        serial = asyncio.create_task(listen())
        try:
            await coroutine
        finally:
            serial.cancel()

    board_run(life(), start)


async def listen():
    # Not a stream of asyncio's: what that takes is not the board's.
    while True:
        await readable()
        line = sys.stdin.buffer.readline()
        if not line:
            return
        obey(line)


def readable():
    yield asyncio.core._io_queue.queue_read(sys.stdin.buffer)


def used():
    # What the firmware has of the heap, from boot.py's first import on; what is in the fakes is nobody's.
    network.world.log.clear()
    network.world.connects.clear()
    ntptime.asked.clear()
    gc.collect()
    return gc.mem_alloc() - zero + NAMES


# MicroPython's tables of names double as they fill. Those of the fakes, which are nobody's, would bring the next one
# nearer: so that is there already, with room for as many names as six tables have, and what these take is added.
[hasattr(sys, "name%d" % number) for number in range({fill})]
NAMES = {names}

sys.modules["socket"] = Sockets()
clock = network.world.clock = Clock()
air = network.world.air
board_run = None
dns = Module("firmware.board.dns")
indicator = Module("firmware.board.indicator")
memory = Module("firmware.board.memory")
settings = Module("firmware.board.settings")
tasks = Module("firmware.server.tasks")
{before_boot}
zero = NAMES
zero = used()

window = "_WINDOW_MS = 1000", "_WINDOW_MS = {window_ms}"
home = "/.limpet/", "{flash}/.limpet/"
execute("{tree}/boot.py", window=window, home=home, package=("/firmware/", "{tree}/firmware/"))

import asyncio

import firmware.board as board
from firmware.board import recovery

counted = used()
recovery.root = "{flash}"
board_run = board.run
board.ticks_ms = lambda: clock.now_ms & 0x3FFFFFFF
board.sleep_ms = lambda ms: asyncio.sleep_ms(ms // SPEED)
board.uptime_s = lambda: clock.now_ms // 1000
# What the harness has is not there, and Python's heap does not grow here.
board.heap = lambda: {{"free": gc.mem_free(), "used": gc.mem_alloc() - zero + NAMES}}
board.options = lambda: {{"host": "{host}", "port": {port}, "tls_port": None, "data": "{flash}/data"}}
board.run = run
board.take_turn = lambda python_bytes: board.uptime_s()  # the serial line is `listen`'s
machine.Pin.value = value
{before_main}
zero += used() - counted
execute("{tree}/main.py")
prompt()
"""


class Board:
    """A board whose flash is the folder `flash`, with the firmware of `tree`. `port` and `dns_port` are its own.

    `heapsize`, as "150k", is the heap's, with what the harness has of it; `used()` is without that.
    """

    def __init__(self, interpreter: Interpreter, flash: Path, tree: Path = ROOT, speed: int = 20, heapsize=None):
        self.interpreter = interpreter
        self.flash = flash
        self.tree = tree
        self.speed = speed
        self.heapsize = heapsize
        self.port = self.dns_port = 0
        self.process = None
        self.lines = []
        self._at = 0  # the line that `until` looks at next
        self._reader = None
        (flash / "data").mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    # -- before the power comes on

    def settings(self, **members) -> None:
        """Write `config.json`, as if it had been saved in another life."""
        (self.flash / "data" / "config.json").write_text(json.dumps(members))

    def saved(self, name: str = "config.json") -> dict:
        """Return a document of the flash."""
        return json.loads((self.flash / "data" / name).read_text())

    def air(self, *networks: tuple[str, str | None]) -> None:
        """Say which networks are in range: (name, password or None), as access points 1, 2, ..."""
        (self.flash / "air").write_text(json.dumps(networks))

    # -- power

    def start(self, cause: int = POWER_ON, window_ms: int = 20, before_main: str = "", before_boot: str = "") -> Board:
        """Power on. `before_main`: code to run between boot.py and main.py; `before_boot`: before both."""
        (self.flash / "reset_cause").write_text(str(cause))
        self.port = free_port()
        self.dns_port = free_port()
        is_frozen = self.interpreter.word == "frozen"
        program = _PROGRAM.format(
            fakes=ROOT / "host_tests" / "fakes",
            tree=self.tree,
            flash=self.flash,
            host=HOST,
            port=self.port,
            dns_port=self.dns_port,
            speed=self.speed,
            window_ms=window_ms,
            names=FROZEN_NAMES_BYTES if is_frozen else NAMES_BYTES,
            fill=FROZEN_FILL if is_frozen else FILL,
            before_main=before_main,
            before_boot=before_boot,
        )
        # On a board a module is `firmware/...`, below the folder where the program runs.
        path = f"{ROOT}/host_tests/fakes::{self.tree}:.frozen"
        self.process = subprocess.Popen(
            self.interpreter.argv("-c", program, heapsize=self.heapsize),
            cwd=self.flash,
            env={**self.interpreter.environment(), "MICROPYPATH": path, "FAKE_BOARD": str(self.flash)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._at = len(self.lines)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def cut(self) -> None:
        """Cut the power."""
        self.process.kill()
        self.end()

    def end(self) -> None:
        """Wait until the board has ended by itself."""
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        self.process.stdin.close()
        self.process.stdout.close()

    # -- the serial line

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip())

    @property
    def console(self) -> str:
        """All that the board has printed in all its lives."""
        return "\n".join(self.lines)

    def until(self, words: str) -> str:
        """Return the next line with `words` in it, what is before it being done with."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            is_over = self.process.poll() is not None and not self._reader.is_alive()
            while self._at < len(self.lines):
                self._at += 1
                if words in self.lines[self._at - 1]:
                    return self.lines[self._at - 1]
            if is_over:
                break
            time.sleep(_LOOK_S)
        raise AssertionError(f"no {words!r} behind:\n{self.console}")

    def type(self, line: str) -> None:
        """Type a line of Python."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def tell(self, expression: str):
        """Return what an expression is on the board (or what a statement is: None)."""
        self.type(expression)
        return ast.literal_eval(self.until("==> ")[4:])

    def interrupt(self) -> None:
        """Type Ctrl-C while the board serves.

        It comes between two steps, as on a chip. A signal may come within a collection of garbage, and on a PC the heap
        stays locked then.
        """
        self.type("raise KeyboardInterrupt")

    def open_files(self) -> int:
        """Return how many files and sockets the board has open, without clients; 0 where the system does not tell."""
        clients = "sum(bool(slot.sock) for slot in memory.keeper._server.slots)"
        wait_until(lambda: self.tell(clients) == 0, "the clients' end")
        folder = Path(f"/proc/{self.process.pid}/fd")
        return len(list(folder.iterdir())) if folder.exists() else 0

    # -- the network

    def client(self, **options) -> httpx.Client:
        """Return a client of the board's."""
        return httpx.Client(base_url=self.url, timeout=SOCKET_TIMEOUT_S, **options)

    def status(self) -> dict:
        """Return what /api/status tells."""
        with self.client() as client:
            answer = client.get("/api/status")
            assert answer.status_code == 200, answer
            return answer.json()


def wait_until(condition, what: str = "it"):
    """Return what `condition()` returns, once that is true."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(_LOOK_S)
    raise AssertionError(f"{what} does not come")
