"""What each file of the firmware costs on a board: bytes of flash as .mpy, bytes of heap once imported.

Flash is that of an ESP32 (Xtensa), native code included. Heap is measured on the i386 MicroPython, whose words and
heap blocks are as long as the ESP32's: the file's own, after all it imports; native code is not in it, the new names
that it brings are, each with its share of their table. What needs a board's modules has no figure, nor have boot.py and
main.py.

`size_budget.json` says how much each folder may cost; more is a failure, so that nothing grows unnoticed.

    measure() -> [File]      budgets() -> {folder: {"flash", "heap"}}      excesses(files, budgets) -> [line]
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tools import ROOT, console, interpreters, mpy
from tools.console import Failure

BUDGET = ROOT / "tools" / "size_budget.json"
BOARD_ARCH = "xtensawin"
LOOKS = 2
HEAP_ARCH = "x86"
HEAP = "1m"
# What a name takes in MicroPython's table of names, on a 32-bit board (py/qstr.c).
NAME_BYTES = 7

# Run by MicroPython, on a thread with a large stack: each import inside an import takes 4 KB on a PC, whose paths may
# be long, and the 40 KB of the main thread are soon gone.
ON_A_THREAD = """
import _thread, gc, sys
def work():
    try:
        {work}
    finally:
        done.release()
done = _thread.allocate_lock()
done.acquire()
_thread.stack_size(1 << 20)
_thread.start_new_thread(work, ())
done.acquire()
"""
# What else comes with a module.
LIST = ON_A_THREAD.format(work="__import__({name!r}); print(*(name for name in sys.modules if name != {name!r}))")
# What it alone adds to that: bytes, and how many names there were before and after. The table of names doubles whenever
# it is full, which would be somebody's at random: here a large one has just begun.
WEIGH = ON_A_THREAD.format(
    work="""import micropython
        for name in {before!r}:
            __import__(name)
        number = 0
        before = after = gc.mem_alloc()
        while after < before + 4000:
            before = after
            hasattr(sys, "name" + str(number))
            after = gc.mem_alloc()
            number += 1
        gc.collect()
        before = gc.mem_alloc()
        micropython.qstr_info()
        __import__({name!r})
        micropython.qstr_info()
        gc.collect()
        print(gc.mem_alloc() - before)"""
)


class File(NamedTuple):
    """A file below the project's folder, its bytes of flash, and of heap (None where it cannot be imported here)."""

    path: str
    flash: int
    heap: int | None

    @property
    def folder(self) -> str:
        """The folder that its budget is kept by."""
        return self.path.rpartition("/")[0] or "."


def measure() -> list[File]:
    """Compile and import every file of the firmware. Raises Failure, and SystemExit where a program is missing."""
    interpreter = interpreters.require("i386")
    with tempfile.TemporaryDirectory() as folder:
        board, here = Path(folder, "board"), Path(folder, "here")
        try:
            for arch, tree in ((BOARD_ARCH, board), (HEAP_ARCH, here)):
                mpy.compile_tree(ROOT / "firmware", tree / "firmware", arch)
                for name in ("main", "boot"):
                    if (ROOT / f"{name}.py").exists():
                        mpy.compile_file(ROOT / f"{name}.py", tree / f"{name}.mpy", arch)
        except mpy.CompileError as error:
            raise Failure(str(error)) from error
        compiled = sorted(file.relative_to(board) for file in board.rglob("*.mpy"))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            names = [_module(file) for file in compiled]
            comes_with = dict(zip(names, pool.map(lambda name: _comes_with(interpreter, here, name), names)))
            heaps = pool.map(lambda name: _heap(interpreter, here, name, comes_with), names)
            return [
                File(file.with_suffix(".py").as_posix(), (board / file).stat().st_size, heap)
                for file, heap in zip(compiled, heaps)
            ]


def _module(file: Path) -> str | None:
    """Return what a file is imported as; None for boot.py and main.py, which are not."""
    parts = file.with_suffix("").parts
    return None if len(parts) == 1 else ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _comes_with(interpreter: list[str], tree: Path, name: str | None) -> list[str] | None:
    """Return what else is loaded when a module is imported; None when it cannot be."""
    listed = name and _run(interpreter, tree, LIST.format(name=name))
    return listed.split() if listed else None


def _heap(interpreter: list[str], tree: Path, name: str | None, comes_with: dict) -> int | None:
    """Return the bytes of heap that a module takes beside those it imports."""
    if name is None or comes_with[name] is None:
        return None
    # A package that imports it is no help: together with it, it would come for nothing.
    before = [
        other for other in comes_with[name] if not (name.startswith(f"{other}.") and name in comes_with.get(other, ()))
    ]
    # What the collector takes for an address keeps a block now and then: the least is the module's own.
    weighed = [_run(interpreter, tree, WEIGH.format(name=name, before=before)) for _ in range(LOOKS)]
    return min(map(_weight, weighed)) if all(weighed) else None


def _weight(told: str) -> int:
    names_before, names_after = map(int, re.findall(r"n_qstr=(\d+)", told))
    return int(told.split()[-1]) + NAME_BYTES * (names_after - names_before)


def _run(interpreter: list[str], tree: Path, code: str) -> str:
    """Run the code and return what it prints, nothing where it fails."""
    done = subprocess.run(
        [*interpreter, "-X", f"heapsize={HEAP}", "-c", code],
        cwd=tree,
        env={**os.environ, "MICROPYPATH": f"{tree}:.frozen"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return done.stdout


def budgets() -> dict[str, dict[str, int]]:
    """Return {folder: {"flash": bytes, "heap": bytes}}, as it is in size_budget.json."""
    return json.loads(BUDGET.read_text(encoding="utf-8"))


def totals(files: list[File]) -> dict[str, dict[str, int]]:
    """Return the sums of each folder, {folder: {"flash", "heap"}}."""
    sums: dict[str, dict[str, int]] = {}
    for file in files:
        found = sums.setdefault(file.folder, {"flash": 0, "heap": 0})
        found["flash"] += file.flash
        found["heap"] += file.heap or 0
    return sums


def excesses(files: list[File], allowed: dict[str, dict[str, int]]) -> list[str]:
    """Return one line for each folder that costs more than it may, or has no budget."""
    lines = []
    for folder, found in sorted(totals(files).items()):
        if folder not in allowed:
            lines.append(f"{folder} has no budget")
            continue
        for what, value in found.items():
            if value > allowed[folder][what]:
                lines.append(f"{folder} takes {value:,} bytes of {what}, {value - allowed[folder][what]:,} too many")
    return lines


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("size", "Show what each file costs on a board: flash as .mpy, and heap once imported.")
    console.add_json(parser)
    options = parser.parse_args(argv)
    files, allowed = measure(), budgets()
    if options.json:
        console.print_json({"files": [file._asdict() for file in files], "totals": totals(files), "budgets": allowed})
    else:
        console.table(("file", "flash", "heap"), files)
        console.say("")
        rows = []
        for folder, found in sorted(totals(files).items()):
            may = allowed.get(folder, {})
            rows.append((folder, found["flash"], may.get("flash"), found["heap"], may.get("heap")))
        sums = [sum(row[at] or 0 for row in rows) for at in range(1, 5)]
        console.table(("folder", "flash", "budget", "heap", "budget"), [*rows, ("all", *sums)])
    over = excesses(files, allowed)
    if over:
        raise Failure(f"{'; '.join(over)}. Make it smaller, or raise the budget in {BUDGET.relative_to(ROOT)}.")
    return 0
