"""Lists the boards that are plugged in: port, chip, MicroPython: `python3 -m tools devices`.

A board's prompt is asked first; where none answers, the chip's bootloader is, by esptool. Either way the board starts
anew afterwards: what ran on it was interrupted.
"""

from __future__ import annotations

import re

from tools import console, ports
from tools.console import Failure

# The end of what a prompt says of itself: "Generic ESP32S3 module with ESP32S3".
CHIP = re.compile(r"ESP32-?([A-Z]\d+)?$")

COLUMNS = ("port", "made by", "chip", "micropython", "board")


def look(name: str, maker: str | None = None) -> dict:
    """Return what is behind a port: {"port", "maker", "chip", "mac", "version", "machine", "problem"}."""
    found = dict.fromkeys(("port", "maker", "chip", "mac", "version", "machine", "problem"))
    found.update(port=name, maker=maker)
    try:
        running = ports.banner(name, start_anew=True)
        if running:
            found.update(running, chip=chip_of(running["machine"]))
        else:
            from tools import chip as chips

            with chips.connect(name) as chip:
                found.update(chip=chip.name, mac=chip.mac)
    except Failure as failure:
        found["problem"] = str(failure)
    return found


def chip_of(machine: str) -> str | None:
    """Return the chip that a board's description ends in, as esptool writes it: "ESP32-S3"."""
    found = CHIP.search(machine)
    return found and "-".join(filter(None, ("ESP32", found.group(1))))


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser(
        "devices", "List the boards that are plugged in: port, chip, MicroPython. What runs on them starts anew."
    )
    parser.add_argument("--port", default="auto", help="look at this port only, whatever it looks like")
    console.add_json(parser)
    options = parser.parse_args(argv)
    if options.port == "auto":
        found = [look(port.name, port.maker) for port in ports.likely()]
    else:
        found = [look(options.port)]
    if options.json:
        console.print_json(found)
    elif found:
        rows = [[board["port"], board["maker"], board["chip"], board["version"], board["machine"]] for board in found]
        console.table(COLUMNS, rows)
    if not found:
        ports.choose()  # raises, with what to do
    problems = [board["problem"] for board in found if board["problem"]]
    if problems:
        raise Failure(" ".join(problems))
    return 0
