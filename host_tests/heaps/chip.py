"""A plain ESP32 as a process: boot.py, then main.py, with the heaps of the chip and the fakes of its modules.

    chip = Chip(tmp_path, tree)          # STOCK, or OWN: what the image leaves for both heaps
    chip.start()
    chip.until("joined")
    chip.heaps()                         # {"python", "used", "free", "largest", "lowest"} in bytes

Time is real, but for boot.py's window and the first minute. What `host_tests.board_life` has beyond that is left out:
everything in Python's heap is the firmware's own.
"""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path

import pytest

from host_tests import heaps
from host_tests.board_life import POWER_ON, Board
from host_tests.conftest import CI
from host_tests.servers import HOST, Interpreter, free_port
from tools import ROOT

# What is free of the system's heap at the prompt, as measured on the chip: in the large region, and in the small ones.
STOCK = (110592, 32036)
# Without Bluetooth.
OWN = (110592, 87168)

# Python's first area, and what is used of it at the prompt.
AREA_BYTES = 57344
PROMPT_BYTES = 2464
# Room for the fakes, which the chip has in C.
FAKES_BYTES = 81920

_PROGRAM = """
import sys
sys.path.insert(0, "{fakes}")
import esptime
esptime.install()
import gc, time, errno, socket, io, os, json, _idf, esp32, machine, network, ntptime


class Clock:
    start = time.ticks_ms()

    @property
    def now_ms(self):
        return time.ticks_diff(time.ticks_ms(), self.start)

    @now_ms.setter
    def now_ms(self, value):
        time.sleep_ms(max(0, value - self.now_ms))


class Lock:
    place = None

    def acquire(self):
        if Threads.size and Threads.is_new:
            Threads.is_new = False
            self.place = _idf.take(Threads.size, 0)

    def release(self):
        _idf.give(self.place)


class Threads:
    allocate_lock = Lock
    size = 0
    is_new = False

    @staticmethod
    def stack_size(size):
        Threads.size = size

    @staticmethod
    def start_new_thread(function, arguments):
        Threads.is_new = True
        function(*arguments)


def execute(path):
    with open(path) as file:
        code = file.read()
    code = compile(code, path, "exec")
    try:
        exec(code, names)
    except SystemExit:
        print("starts anew")
        sys.exit()
    except BaseException as error:
        print("prompt, for", repr(error))
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


async def listen(stream):
    while True:
        line = await stream.readline()
        if not line:
            return
        obey(line)


def accept(*words):
    client = accepted(*words)
    _idf.client(client[0].fileno())
    return client


def run(coroutine, start):
    import asyncio
    from firmware.server import transport

    global accepted
    accepted, transport.accept = transport.accept, accept

    async def life():
        asyncio.create_task(listen(asyncio.StreamReader(sys.stdin.buffer)))
        await coroutine

    really_run(life(), start)


def patch():
    import firmware.board as board
    from firmware.board import recovery

    global really_run
    really_run, board.run = board.run, run
    board.options = lambda: {{"host": "{host}", "port": {port}, "tls_port": None, "data": "{flash}/data"}}
    recovery.root = "{flash}"
    recovery.FINISHED_MS = 4000


def heaps():
    network.world.log.clear()
    network.world.connects.clear()
    gc.collect()
    small, large = _idf.info()
    largest = max(small[2], large[2])
    used = gc.mem_alloc() - before
    return [gc.mem_free() + used - largest, used, small[1] + large[1], largest, large[3]]


class Gc:
    # Without the fakes.

    collect = gc.collect
    threshold = gc.threshold
    mem_free = gc.mem_free

    @staticmethod
    def mem_alloc():
        return gc.mem_alloc() - before


sys.modules["_thread"] = Threads
sys.modules["gc"] = Gc
network.world.clock = Clock()
names = {{"__name__": "__main__"}}
before = 0
gc.collect()
# What the fakes leave of the room that they have is nobody's.
ballast = bytearray(gc.mem_free() - {first})
before = gc.mem_alloc() - {prompt}
_idf.begin({small}, {large}, {overhead})
{before_boot}
execute("{flash}/boot.py")
patch()
{before_main}
execute("{tree}/main.py")
"""


def interpreter(is_frozen: bool = False) -> Interpreter:
    """Return MicroPython with the chip's heaps; without it the test fails in CI, and is skipped elsewhere."""
    command, reason = heaps.locate(is_frozen)
    if command:
        return Interpreter("heaps", command)
    if CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Chip(Board):
    """A plain ESP32 whose flash is the folder `flash`, with the firmware of `tree`, or the frozen one."""

    def __init__(self, flash: Path, tree: Path, memory: tuple[int, int] = STOCK, is_frozen: bool = False):
        super().__init__(interpreter(is_frozen), flash, tree, 1)
        self.memory = memory
        self.is_frozen = is_frozen

    def start(self, cause: int = POWER_ON, before_boot: str = "", before_main: str = "", boot=None) -> Chip:
        """Power on. `before_boot`, `before_main`: code to run there; `boot`: what becomes of the text of boot.py."""
        (self.flash / "reset_cause").write_text(str(cause))
        text = (self.tree / "boot.py").read_text().replace("/.limpet/", f"{self.flash}/.limpet/")
        text = text.replace("_WINDOW_MS = 1000", "_WINDOW_MS = 20")
        (self.flash / "boot.py").write_text(boot(text) if boot else text)
        self.port = free_port()
        large, small = self.memory
        program = _PROGRAM.format(
            fakes=ROOT / "host_tests" / "fakes",
            tree=self.tree,
            flash=self.flash,
            host=HOST,
            port=self.port,
            first=AREA_BYTES - PROMPT_BYTES,
            prompt=PROMPT_BYTES,
            overhead=FAKES_BYTES,
            large=large,
            small=small,
            before_boot=before_boot,
            before_main=before_main,
        )
        fakes = ROOT / "host_tests" / "fakes"
        path = f".frozen:{fakes}" if self.is_frozen else f"{fakes}:{self.tree}:.frozen"
        self.process = subprocess.Popen(
            self.interpreter.argv("-c", program, heapsize=str(AREA_BYTES + FAKES_BYTES)),
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

    def heaps(self) -> dict:
        """Return {"python": what Python has, "used" of that, and of the system's heap "free", "largest", "lowest"}."""
        return dict(zip(("python", "used", "free", "largest", "lowest"), self.tell("heaps()")))

    def network(self, ssid: str = "Home", password: str = "password1", **settings) -> None:
        """Put a network in range that it knows."""
        self.air((ssid, password))
        (self.flash / "data" / "config.json").write_text(
            json.dumps({"networks": [{"ssid": ssid, "password": password}], **settings})
        )
