"""Boards that serve and start anew by themselves, to be updated over the air: a folder under CPython, and an
emulated one with a littlefs under MicroPython. Power cuts come after so many changes to the file system.

    with FolderBoard(folder) as board: board.url, board.lives      with ChipBoard(flash, micropython) as board: ...

Their trees are Limpet's own with a few lines more (`make_tree`): no second for a hand at the keyboard, a timer, and
the root told to the simulated board.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from host_tests.emulated_board import EmulatedBoard
from host_tests.servers import HOST, free_port
from tools import ROOT

# The small page stands for the site's own.
IGNORED = shutil.ignore_patterns("__pycache__", "www", "*.orig", "*.md", "*.pyi")

WAIT_S = 20
CUT_STATUS = 5

# What a chip has besides, for boot.py to find. It is the old tree's that sees to the new one: $TRIAL_MS is for both.
TIMER = """
import machine

class Timer:
    ONE_SHOT = 0
    def __init__(self, id):
        pass
    def init(self, mode, period, callback):
        import _thread
        import os
        import time
        def wait():
            time.sleep(int(os.getenv("TRIAL_MS") or period) / 1000)
            callback(self)
        _thread.start_new_thread(wait, ())

machine.Timer = Timer
"""

# The simulated board has a root after all: a folder's, or a chip's own; and a project's place there.
ROOTED = """
import os
import firmware.board as board
from firmware.board import recovery
recovery.root = os.getenv("LIMPET_ROOT") or ""
told = board.options

def options():
    found = told()
    if "project" in os.listdir(recovery.root + "/"):
        found["project"] = recovery.root + "/project"
    return found

board.options = options
"""

# A start under CPython: boot.py, main.py, or the prompt, which sleeps. Journals know absolute paths, and only littlefs
# removes a folder like a file.
START = """
import os, sys, time, types
root, cut_after = sys.argv[1], int(sys.argv[2])
sys.argv[:3] = ["main.py"]
sys.path[0] = root
machine = types.ModuleType("machine")
machine.SOFT_RESET = 5
machine.reset_cause = lambda: 5
machine.reset = lambda: os._exit(75)
sys.modules["machine"] = machine
micropython = types.ModuleType("micropython")
micropython.kbd_intr = lambda character: None
sys.modules["micropython"] = micropython

def counted(function):
    def wrapped(*args, **options):
        global cut_after
        if cut_after == 0:
            os._exit(%d)
        cut_after -= 1
        return function(*args, **options)
    return wrapped

remove = os.remove
os.remove = counted(lambda path: os.rmdir(path) if os.path.isdir(path) else remove(path))
os.rename = os.replace = counted(os.replace)
os.mkdir = counted(os.mkdir)

def run(name):
    text = open(root + name, encoding="utf-8").read().replace("/.limpet/", root + "/.limpet/", name == "/boot.py")
    exec(compile(text, name, "exec"), {"__name__": "__main__"})

try:
    run("/boot.py")
    # What comes now is a laptop's.
    del sys.modules["micropython"]
    run("/main.py")
except SystemExit as end:
    if end.code != 0:
        sys.stdout.flush()
        os._exit(75)
except BaseException as error:
    print("prompt", repr(error), flush=True)
while True:
    time.sleep(1)
""".replace("%d", str(CUT_STATUS))


def make_tree(folder: Path, finished_ms: int = 200) -> Path:
    """Copy the tree, to run on a board of this module."""
    shutil.copytree(ROOT / "firmware", folder / "firmware", ignore=IGNORED)
    page = folder / "firmware" / "site" / "www" / "index.html"
    page.parent.mkdir()
    page.write_text("<!doctype html><title>old</title>" + "<p>A page.</p>" * 100)
    boot = (ROOT / "boot.py").read_text()
    change(folder / "firmware" / "board" / "recovery.py", "FINISHED_MS = 60000", f"FINISHED_MS = {finished_ms}")
    change(folder / "firmware" / "site" / "update.py", "_RESTART_MS = 500", "_RESTART_MS = 100")
    boot = boot.replace("_WINDOW_MS = 1000", "_WINDOW_MS = 0").replace("import os\n", TIMER + "import os\n", 1)
    (folder / "boot.py").write_text(boot)
    (folder / "main.py").write_text(ROOTED + (ROOT / "main.py").read_text())
    return folder


def change(file: Path, old: str, new: str) -> None:
    """Replace a text that has to be in a file."""
    text = file.read_text()
    assert old in text, (file, old)
    file.write_text(text.replace(old, new, 1))


class _Serving:
    """What both have: `port`, `url`, `lives`, `output()`, `is_powered`."""

    @property
    def is_powered(self) -> bool:
        return self._thread.is_alive()

    def wait(self, path: str = "api/status") -> bytes:
        """Return the answer to a GET once there is one. AssertionError when that does not come."""
        deadline = time.monotonic() + WAIT_S
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while True:
            try:
                with opener.open(self.url + path, timeout=5) as answer:
                    return answer.read()
            except OSError:
                assert time.monotonic() < deadline, self.output()
                time.sleep(0.05)

    def wait_for_lives(self, lives: int) -> None:
        """Wait until so many lives have begun."""
        deadline = time.monotonic() + WAIT_S
        while self.lives < lives:
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.02)


class FolderBoard(_Serving):
    """A board whose flash is a folder; `cut_after` (LIFE, CHANGES): when the power goes."""

    def __init__(self, folder: Path, cut_after: tuple[int, int] | None = None):
        self.folder = folder
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/"
        self.lives = 0
        self._cut_after = cut_after or (-1, -1)
        self._process = None
        self._is_on = True
        self._lock = threading.Lock()
        self._console = folder.parent / f"{folder.name}.console"

    def __enter__(self) -> FolderBoard:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        with self._lock:
            self._is_on = False
            if self._process:
                self._process.kill()
        self._thread.join()

    def output(self) -> str:
        """Return what it has printed."""
        return self._console.read_text(errors="replace")

    def _run(self) -> None:
        environment = {**os.environ, "LIMPET_ROOT": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        environment["PYTHONPATH"] = ""
        with open(self._console, "ab") as console:
            while True:
                cut = self._cut_after[1] if self.lives == self._cut_after[0] else -1
                arguments = [self.folder, cut, "--port", self.port, "--data", self.folder / "data"]
                with self._lock:
                    if not self._is_on:
                        return
                    self._process = subprocess.Popen(
                        [sys.executable, "-c", START, *map(str, arguments)],
                        cwd=self.folder,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=console,
                        stderr=console,
                    )
                    self.lives += 1
                if self._process.wait() == CUT_STATUS:
                    return


class ChipBoard(_Serving, EmulatedBoard):
    """An emulated board that serves."""

    def __init__(self, flash: Path, interpreter, cut_after: tuple[int, int] | None = None):
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/"
        arguments = ["--port", str(self.port), "--data", "/data"]
        super().__init__(flash, interpreter, *arguments, blocks=BLOCKS, cut_after_writes=cut_after)

    @property
    def lives(self) -> int:
        return len(self.writes)

    def output(self) -> str:
        return self.console.decode("utf-8", "replace")


# Room for two trees and a half: what an ESP32 with 4 MB has.
BLOCKS = 512
