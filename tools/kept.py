"""Keeps texts that take long to make, in `.cache/texts/`: they are made anew where what they are made of has changed.

kept(what they are made of, make) -> {name: text}, as `make()` returns it
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from tools import ROOT

CACHE = ROOT / ".cache" / "texts"
# A file has 700 KB; who works on a tree comes back to none that was not asked for since so many others.
_MOST_FILES = 12


def kept(inputs: list[str], make: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Return what `make()` returned for the same `inputs`, or returns now."""
    digest = hashlib.sha256(json.dumps([*inputs, _makers()]).encode()).hexdigest()
    file = CACHE / f"{digest}.json"
    with contextlib.suppress(OSError, ValueError):
        made = json.loads(file.read_bytes())
        os.utime(file)
        return made
    made = make()
    # Whoever cannot write here makes it every time.
    with contextlib.suppress(OSError):
        _write(file, json.dumps(made).encode())
    return made


def _makers() -> list[str]:
    """Return the texts of the tools: who changes one gets no result of the old one."""
    folder = Path(__file__).parent
    return [file.read_text(encoding="utf-8") for pattern in ("*.py", "*.txt") for file in sorted(folder.glob(pattern))]


def _write(file: Path, data: bytes) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=CACHE)
    with open(number, "wb") as stream:
        stream.write(data)
    os.replace(name, file)
    for old in sorted(CACHE.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-_MOST_FILES]:
        old.unlink(missing_ok=True)
