"""A board of this machine's own: `main.py` on MicroPython's 32-bit unix port, in a heap of a board's size.

    with SimulatedBoard("frozen", folder) as board:      # or "files": the tree as `deploy` compiles it
        board.address, board.resets, board.least_block_bytes, board.descriptors()

It starts anew after each reset, as a board does. Once a second, behind a collection, it tells how much of its heap is
free, and how large the largest free block is; what the looks themselves take of the heap is given back to it.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

from tools import ROOT, frozen, interpreters, memory, mpy
from tools.console import Failure

HOST = "127.0.0.1"
# The smallest in which all parts of the site have room: a plain ESP32's, whose image has the firmware in it; as files,
# what all of them take, and what the keeper of the memory wants to be free.
HEAPS_KB = {
    memory.FROZEN: memory.PYTHON_BYTES["ESP32"] // 1024,
    memory.FILES: memory.figures()[memory.FILES]["full_kb"] + memory.SPARE_BYTES // 1024,
}
# What the looks take.
LOOKS_KB = 2
CONNECTIONS = 4
PINS = [{"number": 4, "name": "Pump", "mode": "output"}, {"number": 5, "name": "Float", "mode": "input_pull_up"}]

START_TIMEOUT_S = 60
LOOK_EVERY_S = 0.05
KEPT_LINES = 200
# What a reset takes at least.
RESET_S = 0.5

# What a board's image does not have: it takes so much of the heap, where it is in none.
SIMULATION = ("simprocess", "sim")
SIMULATION_KB = 9
LEND = """
import sim
sys.modules["firmware.board.sim"] = sim
"""

# The keeper of the memory (firmware/board/memory.py) takes a turn each second.
PROGRAM = """
import gc
import sys
import micropython
sys.path[:] = {path}
sys.argv[:] = ["main.py"] + {arguments}
{lend}
import firmware.board as board

def look(python_bytes):
    gc.collect()
    micropython.mem_info()

board.take_turn = look
import main
board.leave(main.main())
"""
# What `mem_info` prints; blocks of a 32-bit MicroPython have 16 bytes.
FREE = re.compile(r"GC: total: \d+, used: \d+, free: (\d+)")
LARGEST = re.compile(r" No\. of 1-blocks: .* max free sz: (\d+)")
BLOCK_BYTES = 16
CAUSE = re.compile(r"limpet: (?:reset|starts anew): (.*)")


class SimulatedBoard:
    """Raises Failure where it does not come to listen, and SystemExit where there is no such MicroPython.

    `address`: its URL; `resets`: why it started anew; `least_free_bytes`, `least_block_bytes`: the lowest that any look
    has found, None before the first; `lines`: the last that it has printed.
    """

    def __init__(self, form: str, folder: Path):
        self.heap_kb = HEAPS_KB[form]
        self._more_kb = LOOKS_KB + (SIMULATION_KB if form == memory.FROZEN else 0)
        self.resets = []
        self.least_free_bytes = self.least_block_bytes = None
        self.lines = []
        self._tree, self._data = folder / "tree", folder / "data"
        self._command, path = self._make(form)
        self._data.mkdir()
        settings = {"limits": {"connections": CONNECTIONS}, "pins": {"gpio": PINS}}
        (self._data / "config.json").write_text(json.dumps(settings), encoding="utf-8")
        with socket.create_server((HOST, 0)) as listener:
            self._port = listener.getsockname()[1]
        self.address = f"http://{HOST}:{self._port}/"
        arguments = ["--host", HOST, "--port", str(self._port), "--data", str(self._data)]
        self._program = PROGRAM.format(path=path, lend=LEND if form == memory.FROZEN else "", arguments=arguments)
        self._process = None
        self._is_over = False
        self._thread = threading.Thread(target=self._live, daemon=True)

    def _make(self, form) -> tuple[list[str], list[str]]:
        """Lay out the tree; return (argv of its MicroPython, where that looks for modules)."""
        self._tree.mkdir()
        shutil.copy(ROOT / "main.py", self._tree)
        pages = "firmware/site/www"
        shutil.copytree(ROOT / pages, self._tree / pages)
        if form == memory.FROZEN:
            # What simulates a board is in no image, and a frozen package has no other place: it is lent to it.
            for name in SIMULATION:
                source = ROOT / "firmware" / "board" / f"{name}.py"
                text = source.read_text(encoding="utf-8").replace("firmware.board.sim", "sim")
                mpy.compile_file(source, self._tree / f"{name}.mpy", "x86", text=text)
            return frozen.require(), [".frozen", str(self._tree)]
        mpy.compile_tree(ROOT / "firmware", self._tree / "firmware", "x86", is_bundled=True)
        return interpreters.require("i386"), [str(self._tree), ".frozen"]

    def __enter__(self) -> SimulatedBoard:
        self._thread.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        # One that starts anew at once will not come up.
        while not self.resets and time.monotonic() < deadline:
            try:
                socket.create_connection((HOST, self._port), 1).close()
                return self
            except OSError:
                time.sleep(LOOK_EVERY_S)
        self.__exit__()
        raise Failure(f"The site does not start in {self.heap_kb} KB: {(self.resets or ['it is silent'])[0]}")

    def __exit__(self, *exception) -> None:
        self._is_over = True
        # Again and again: it may be about to start anew.
        while self._thread.is_alive():
            if self._process:
                self._process.kill()
            self._thread.join(LOOK_EVERY_S)

    def descriptors(self) -> int | None:
        """Return how many files and sockets it has open; None where this system does not tell."""
        folder = Path(f"/proc/{self._process.pid}/fd")
        return len(list(folder.iterdir())) if folder.exists() else None

    def _live(self) -> None:
        while not self._is_over:
            self._process = subprocess.Popen(
                [*self._command, "-X", f"heapsize={self.heap_kb + self._more_kb}k", "-c", self._program],
                cwd=self._tree,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            cause = None
            for line in self._process.stdout:
                cause = self._hear(line.rstrip()) or cause
            status = self._process.wait()
            self._process.stdout.close()
            if not self._is_over:
                self.resets.append(cause or f"exit status {status}: {' / '.join(self.lines[-3:])}")
                time.sleep(RESET_S)

    def _hear(self, line: str) -> str | None:
        """Take a line that it prints; return the cause of a reset, where the line is about one."""
        free, largest = FREE.match(line), LARGEST.match(line)
        if free:
            self.least_free_bytes = _least(self.least_free_bytes, int(free.group(1)))
        elif largest:
            self.least_block_bytes = _least(self.least_block_bytes, int(largest.group(1)) * BLOCK_BYTES)
        elif not line.startswith(("mem: ", "stack: ")):
            self.lines = [*self.lines[1 - KEPT_LINES :], line]
        cause = CAUSE.match(line)
        return cause.group(1) if cause else None


def _least(old: int | None, new: int) -> int:
    return new if old is None else min(old, new)
