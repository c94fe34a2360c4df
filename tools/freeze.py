"""Lays out what an image of ours has frozen in it: the modules that a board would get, for MicroPython's build.

    stage(root, folder)      below `folder`: firmware/..., firmware_build.py, and boards/, a copy of tools/boards

What the laptop alone loads is left out, private names are shortened, and what is always there together is one module
(tools/mpy.py). Frozen code keeps names in flash: shorter ones save flash there, and memory in a project beside it. But
each module takes memory for itself and for each name that it imports.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from tools import ROOT, manifest, mpy

BOARDS = ROOT / "tools" / "boards"
PACKAGE = manifest.PACKAGE


def stage(root: Path, folder: Path) -> str:
    """Lay the tree at `root` out below `folder`, which is made anew, and return a hash of all that is there.

    Raises Failure for a tree that is no tree.
    """
    files = {f"boards/{file.relative_to(BOARDS).as_posix()}": file.read_bytes() for file in _boards()}
    files.update(modules(root))
    if folder.exists():
        shutil.rmtree(folder)
    digest = hashlib.sha256()
    for place, data in sorted(files.items()):
        digest.update(f"{place}\0{len(data)}\0".encode() + data)
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(data)
    return digest.hexdigest()


def modules(root: Path) -> dict[str, bytes]:
    """Return {path: text} of the modules to freeze: those of the tree at `root`, and the one that tells which it is."""
    package = root / PACKAGE
    texts = {file.relative_to(package): file.read_text(encoding="utf-8") for file in manifest.modules(package)}
    beside = [file.read_text(encoding="utf-8") for file in sorted(root.glob("*.py"))]
    short = mpy.frozen(texts, package, beside)
    made = {f"{PACKAGE}/{place.as_posix()}": text.encode() for place, text in short.items()}
    made[f"{manifest.FROZEN_MODULE}.py"] = manifest.frozen_module(root).encode()
    return made


def _boards() -> list[Path]:
    return [file for file in sorted(BOARDS.rglob("*")) if file.is_file() and "__pycache__" not in file.parts]
