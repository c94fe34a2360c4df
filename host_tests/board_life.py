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
import signal
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

# Between two looks whether something has come.
_LOOK_S = 0.01

# What MicroPython does on an ESP32 (ports/esp32/main.c): boot.py, main.py, then the prompt; a SystemExit, which is what
# a reset is among the fakes, starts the board anew. Between the two files the board gets its ports and its fast clock.
_PROGRAM = """
import sys
sys.path.insert(0, "{fakes}")
import esptime
esptime.install()

names = {{"__name__": "__main__"}}


def execute(path, **changes):
    with open(path) as file:
        text = file.read()
    for name in changes:
        was, is_now = changes[name]
        assert was in text, was
        text = text.replace(was, is_now)
    try:
        exec(compile(text, path, "exec"), names)
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


window = "_WINDOW_MS = 1000", "_WINDOW_MS = {window_ms}"
execute("{tree}/boot.py", window=window, home=("/.limpet/", "{flash}/.limpet/"))

import asyncio
import gc
import time

import firmware.board as board
import machine
import network
import ntptime
from firmware.board import dns, indicator, memory, recovery, settings, tasks

SPEED = {speed}
lit = []


class Clock:
    start = time.ticks_ms()

    @property
    def now_ms(self):
        return time.ticks_diff(time.ticks_ms(), self.start) * SPEED

    @now_ms.setter
    def now_ms(self, value):
        time.sleep_ms(max(0, value - self.now_ms) // SPEED)


def value(self, level=None, real=machine.Pin.value):
    if level is not None:
        lit.append("#" if level else ".")
        if len(lit) > 400:
            lit[:] = lit[200:]
    return real(self, level)


def run(coroutine, start, real=board.run):
    async def life():
        serial = asyncio.create_task(listen())
        try:
            await coroutine
        finally:
            serial.cancel()

    real(life(), start)


async def listen():
    stream = asyncio.StreamReader(sys.stdin.buffer)
    while True:
        line = await stream.readline()
        if not line:
            return
        obey(line)


def used():
    network.world.log.clear()
    network.world.connects.clear()
    ntptime.asked.clear()
    gc.collect()
    return gc.mem_alloc()


recovery.root = "{flash}"
clock = network.world.clock = Clock()
air = network.world.air
board.ticks_ms = lambda: clock.now_ms & 0x3FFFFFFF
board.sleep_ms = lambda ms: asyncio.sleep_ms(ms // SPEED)
board.uptime_s = lambda: clock.now_ms // 1000
board.options = lambda: {{"host": "{host}", "port": {port}, "tls_port": None, "data": "{flash}/data"}}
board.run = run
machine.Pin.value = value
# Not 53, which takes a right of its own; and not the access point's address, which is nobody's here.
dns.serve = lambda address, port=53, host=None, serve=dns.serve: serve(address, {dns_port}, "{host}")
{before_main}
execute("{tree}/main.py")
prompt()
"""


class Board:
    """A board whose flash is the folder `flash`, with the firmware of `tree`. `port` and `dns_port` are its own."""

    def __init__(self, interpreter: Interpreter, flash: Path, tree: Path = ROOT, speed: int = 20):
        self.interpreter = interpreter
        self.flash = flash
        self.tree = tree
        self.speed = speed
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

    def start(self, cause: int = POWER_ON, window_ms: int = 20, before_main: str = "") -> Board:
        """Power on. `before_main`: code to run between boot.py and main.py."""
        (self.flash / "reset_cause").write_text(str(cause))
        self.port = free_port()
        self.dns_port = free_port()
        program = _PROGRAM.format(
            fakes=ROOT / "host_tests" / "fakes",
            tree=self.tree,
            flash=self.flash,
            host=HOST,
            port=self.port,
            dns_port=self.dns_port,
            speed=self.speed,
            window_ms=window_ms,
            before_main=before_main,
        )
        path = f"{ROOT}/host_tests/fakes:{self.tree}:.frozen"
        self.process = subprocess.Popen(
            self.interpreter.argv("-c", program),
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
        """Type Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

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
