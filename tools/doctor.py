"""Finds out why a board does not do what it should: `python3 -m tools doctor`.

One line for each thing: how it is and, where it is wrong, what to do (tools/findings.py). Each is looked at only where
those before it allow: without a port there is no chip to ask. Over the cable the board starts anew at the end; at
`--host ADDRESS` it goes on serving, and says what it can.
"""

from __future__ import annotations

import ast
import contextlib
import time
from collections.abc import Iterator

from tools import console, findings, health, manifest, memory, ports, update
from tools.console import Failure
from tools.findings import Finding

# A start, and two rounds of joining a network (tools/deploy.py).
SERVER_TIMEOUT_S = 120

# As a status has it, where it does not run on a laptop's Python.
MICROPYTHON = "micropython"

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
def port():
 import json
 return json.load(open('/data/config.json'))['ports']['http']
def layout():
 from esp32 import Partition as P
 places = [p.info() for kind in (P.TYPE_APP, P.TYPE_DATA) for p in P.find(kind)]
 return [(p[4], p[0], p[3]) for p in sorted(places, key=lambda p: p[2])]
def stored(get):
 import esp32
 return get(esp32.NVS('limpet'))
def crash(nvs):
 raw = bytearray(400)
 return bytes(raw[:nvs.get_blob('crash', raw)]).decode()
put('free', lambda: os.statvfs('/')[1] * os.statvfs('/')[3])
put('all', lambda: os.statvfs('/')[1] * os.statvfs('/')[2])
put('limpet', lambda: bool(os.stat('/firmware')))
put('link', link)
put('port', port)
put('clock', lambda: tuple(time.gmtime()[:6]))
put('layout', layout)
put('crash', lambda: stored(crash))
put('unfinished', lambda: stored(lambda nvs: nvs.get_i32('unfinished')))
print(repr(found))
"""
# Boots in a row that came to nothing, up to safe mode (firmware/board/boots.py).
MAX_UNFINISHED = 3


def examine(port: str) -> Iterator[Finding]:
    """Yield a Finding for each thing, as far as it goes. `port` is a name or "auto"."""
    yield findings.programs()
    try:
        name = ports.choose(port)
        yield Finding("cable", True, name)
        ports.opened(name).close()
    except Failure as failure:
        rights = "No permission" in str(failure) or "in use" in str(failure)
        yield Finding("rights" if rights else "cable", False, *findings.split(failure))
        return
    yield Finding("rights", True, f"{name} can be opened")
    running = ports.banner(name)
    if running is None:
        yield from bootloader(name)
        return
    yield Finding("chip", True, running["machine"])
    yield findings.firmware(running["version"])
    try:
        found = ask(name)
    except Failure as failure:
        yield Finding("prompt", False, *findings.split(failure))
        return
    yield findings.image(found)
    yield findings.layout(found)
    yield from findings.judged(found)
    if found["link"] and found["limpet"]:
        port = found["port"] or 80
        address = f"http://{found['link'][0]}{f':{port}' if port != 80 else ''}/"
        yield findings.server(address, health.ask(address, SERVER_TIMEOUT_S))
        yield findings.serving({**found, **status_of(address)})


def bootloader(port: str) -> Iterator[Finding]:
    """Ask a board whose prompt is silent in its bootloader."""
    try:
        from tools import chip as chips

        with chips.connect(port) as chip:
            yield Finding("chip", True, f"{chip.name} {chip.revision}, {chip.mac}")
        yield Finding("firmware", False, "no MicroPython answers", f"`python3 -m tools flash --port {port}`")
    except Failure as failure:
        yield Finding("chip", False, *findings.split(failure))


def ask(port: str) -> dict:
    """Return what the board says of itself, None for what it cannot tell.

    {"free", "all", "limpet", "link", "port", "clock", "layout", "crash"} as in ASK; {"image", "python_bytes", "mpy",
    "asked_s", "is_safe"}, and {"tree": (its hash or None, {path: hash})}.
    """
    from tools.board import Board

    with Board(port) as board:
        found = {**ast.literal_eval(board.run(ASK).decode()), "asked_s": time.time(), "mpy": board.mpy}
        # The count of a boot that is under way is in it, and this one will not come to an end.
        found["is_safe"] = (found["unfinished"] or 0) > MAX_UNFINISHED
        text = board.read(manifest.MANIFEST) if board.hashes([manifest.MANIFEST])[manifest.MANIFEST] else None
        found["tree"] = (None, {}) if text is None else (manifest.sha256(text), manifest.parse(text))
        return {**found, "image": board.image(), "python_bytes": memory.python_bytes(board.memory())}


def examine_host(address: str) -> Iterator[Finding]:
    """Yield a Finding for each thing that a board tells over the network, while it serves. Raises Failure."""
    client = update.Client(address)
    address = client.address
    yield findings.programs()
    told = health.ask(address, 0)
    yield findings.server(address, told)
    if not told.reachable:
        return
    found = ask_host(client)
    status = found["status"]
    if status:
        yield Finding("chip", True, status["board"])
        kind, version = status["python"].get("implementation", MICROPYTHON), status["python"]["version"]
        is_board = kind == MICROPYTHON
        yield findings.firmware(version) if is_board else Finding("firmware", None, f"no MicroPython: {kind} {version}")
    if found["update"]:
        yield findings.image(found)
    elif found["is_private"]:
        yield Finding("image", None, "the board tells administrators alone", "put the password into $LIMPET_PASSWORD")
    yield from findings.judged(found)
    yield findings.serving(found)


def ask_host(client: update.Client) -> dict:
    """Return what a board says of itself over the network, as `ask`; and its {"status"} and {"update"}, or None."""
    found = {**status_of(client.address), "asked_s": time.time(), "update": None, "layout": None, "limpet": True}
    status = found["status"] or {}
    with contextlib.closing(client), contextlib.suppress(Failure):
        told = found["update"] = client.json("GET", "/api/update")
        listing = client.request("GET", "/api/update/manifest") if told["tree"] else b""
        found["tree"] = told["tree"], manifest.parse(listing)
    told = found["update"] or {}
    wifi, boot, clock = (status.get(name) or {} for name in ("wifi", "boot", "clock"))
    return {
        **{"tree": None, **found, "image": told.get("frozen"), "mpy": told.get("mpy")},
        **{"free": told.get("free_bytes"), "all": None, "python_bytes": told.get("python_bytes")},
        **{"link": (wifi.get("address"), wifi.get("rssi")) if wifi else None},
        **{"clock": time.gmtime(clock["unix_s"])[:6] if clock.get("unix_s") else None},
        **{"crash": boot.get("last_crash"), "is_safe": boot.get("safe_mode", False)},
    }


def status_of(address: str) -> dict:
    """Return {"status": what /api/status says, or None, "is_private": whether it wants a password}."""
    try:
        with contextlib.closing(update.Client(address)) as client:
            return {"status": client.json("GET", "/api/status"), "is_private": False}
    except update.Refusal as refusal:
        return {"status": None, "is_private": refusal.status == 401}
    except Failure:
        return {"status": None, "is_private": False}


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser(
        "doctor",
        "Say how a board is: chip, image, memory, tree, space, link, clock, last crash, server; and what to do.",
        "Over the cable the board starts anew. --host takes $LIMPET_PASSWORD or $LIMPET_TOKEN, and tells less without.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--port", default="auto", help="serial port, or socket://HOST:PORT (default: the only board)")
    where.add_argument("--host", metavar="ADDRESS", help="over the network, without a stop: http://limpet.local")
    console.add_json(parser)
    options = parser.parse_args(argv)
    found = []
    for finding in examine_host(options.host) if options.host else examine(options.port):
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
