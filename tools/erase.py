"""Erases a board's settings and data: `python3 -m tools erase-data`. Limpet itself stays."""

from __future__ import annotations

import sys

from tools import console, ports
from tools.backup import DATA
from tools.board import Board
from tools.console import Failure


def erase(port: str) -> list[str]:
    """Remove all settings and data from the board, and return their paths. Raises Failure."""
    with Board(port) as board:
        # What is in a folder goes before it.
        paths = sorted(board.walk(DATA), reverse=True)
        for path in paths:
            board.remove(path.rstrip("/"))
    return sorted(path for path in paths if not path.endswith("/"))


def confirm(port: str) -> None:
    """Ask. Raises Failure unless the answer is yes."""
    if not sys.stdin.isatty():
        raise Failure("There is nobody to ask: --yes erases without a question.")
    if input(f"Erase all settings, networks, users and other data on {port}? Type yes: ").strip().lower() != "yes":
        raise Failure("Nothing was erased.")


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("erase-data", "Erase the board's settings and data. Limpet stays, and starts anew.")
    parser.add_argument("--port", default="auto", help="serial port, or socket://HOST:PORT (default: the only board)")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    console.add_json(parser)
    options = parser.parse_args(argv)
    port = ports.choose(options.port)
    if not options.yes:
        confirm(port)
    done = erase(port)
    if options.json:
        console.print_json({"port": port, "erased": done})
    else:
        console.say(f"{port}: {len(done)} files erased.")
    return 0
