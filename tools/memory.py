"""What Python has on a board, and what the shipped site needs of it: `deploy` compares the two before it sends a thing.

`memory.json` has what was measured, in KB, for each form: the firmware as files, or frozen into the image; behind the
start ("idle"), and with every part loaded ("full"). host_tests/board/test_memory.py and test_frozen_board.py hold
it true.

    needed(root, form) -> bytes or None        python_bytes(board.memory()) -> bytes
    weigh(root, form, image, python_bytes, force)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from tools import ROOT, console, manifest
from tools.console import Failure

FIGURES = ROOT / "tools" / "memory.json"
FILES, FROZEN = "files", "frozen"

# Where less is free the board sends clients away and refuses new ones (firmware/board/memory.py, `_LOW_BYTES`).
SPARE_BYTES = 12 * 1024

# As boot.py has them: what the radio takes of the system's heap once it is on, and what the system keeps.
RADIO_BYTES = 47 * 1024
SYSTEM_BYTES = 48 * 1024
# A chip with PSRAM has more in one piece than any other has in all.
PSRAM_BYTES = 1024 * 1024

# What Python has on MicroPython's own image without PSRAM, by measurement: two areas of 56 KB.
PYTHON_BYTES = {"ESP32": 112 * 1024}


class Heaps(NamedTuple):
    """A board's heaps in bytes: Python's, then the system's, None where the board does not tell.

    `free` counts `largest`, the largest free block of the system, which Python could still get.
    """

    used: int
    free: int
    system_free: int | None = None
    largest: int | None = None
    is_radio_on: bool = False


def figures() -> dict[str, dict[str, int]]:
    """Return what was measured, {form: {"idle_kb", "full_kb"}}."""
    return json.loads(FIGURES.read_text(encoding="utf-8"))


def needed(root: Path, form: str) -> int | None:
    """Return how many bytes of Python's heap the tree at `root` needs to serve, in a form of `manifest.build`.

    None for a tree without the shipped site: nobody has measured that.
    """
    if not (root / manifest.PACKAGE / "site" / "routes.py").is_file():
        return None
    return figures()[FROZEN if form == manifest.FROZEN else FILES]["idle_kb"] * 1024 + SPARE_BYTES


def python_bytes(heaps: Heaps) -> int:
    """Return how many bytes Python has in the end without taking what Wi-Fi and TCP need.

    Its heap doubles when it is full, as long as the system has so much in one piece; where the system has more than it
    needs boot.py's `divide` makes a larger second area.
    """
    if heaps.system_free is None or heaps.largest is None or heaps.largest > PSRAM_BYTES:
        return heaps.used + heaps.free
    area = heaps.used + heaps.free - heaps.largest
    radio = 0 if heaps.is_radio_on else RADIO_BYTES
    second = min(heaps.system_free - radio - SYSTEM_BYTES, heaps.largest)
    if second <= area:
        second = area if area <= heaps.largest else 0
    return area + second


def weigh(root: Path, form: str, image: dict | None, python_bytes: int | None, force: bool) -> None:
    """Say what a tree needs of memory and what the board has. Raises Failure for too little, unless to `force` it.

    `image`: what is frozen into that, {"version", "tree"}; `python_bytes`: None where the board does not tell.
    """
    needs, frozen = (_kb(needed(root, one)) for one in (form, manifest.FROZEN))
    if image and form == manifest.FROZEN:
        console.note(f"The image has this tree frozen in it (Limpet {image['version']}): its modules are not sent.")
    elif image:
        version = f"Limpet {image['version']}" if image["version"] else "a Limpet"
        costs = f", and takes {needs} KB of memory in place of {frozen}" if needs else ""
        console.note(f"The image has {version} frozen in it, this tree is another: it is sent whole{costs}.")
    if python_bytes is None:
        return
    has = _kb(python_bytes)
    console.note(f"{has} KB for Python" + (f", this tree needs {needs}." if needs else "."))
    if needs and needs > has and not force:
        better = f" Frozen into the image it needs {frozen} (see tools/README.md)." if form != manifest.FROZEN else ""
        too_few = f"{has} KB for Python are too few: this tree needs {needs}. Nothing has changed."
        raise Failure(f"{too_few}{better} --force sends it all the same.")


def weigh_new(root: Path, chip: str, tree: str | None, force: bool) -> None:
    """Raise Failure for a tree that a board of this chip without PSRAM has no room for, unless to `force` it.

    `tree`: the hash of the one that the image has frozen in it, if any.
    """
    form = manifest.choose(root, manifest.COMPILED, tree)
    needs = needed(root, form)
    if chip in PYTHON_BYTES and form != manifest.FROZEN and needs and needs > PYTHON_BYTES[chip] and not force:
        raise Failure(
            f"As files this tree needs {_kb(needs)} KB for Python; a {chip} without PSRAM has"
            f" {_kb(PYTHON_BYTES[chip])}. Nothing was written. Put it into the image (`python3 -m tools image {chip}`),"
            " or --force it where there is PSRAM."
        )


def _kb(n_bytes: int | None) -> int | None:
    return None if n_bytes is None else -(-n_bytes // 1024)
