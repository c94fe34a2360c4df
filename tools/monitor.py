"""The board's console in this terminal: `python3 -m tools monitor`. It is mpremote's, and comes back with the board."""

from __future__ import annotations

import sys
import time

from tools import board as boards
from tools import console, ports
from tools.console import Failure

AWAY_S = 0.5


def follow(port: str) -> None:
    """Print what the board prints, until it goes away: for who has no terminal, as in a pipe. Raises Failure."""
    with ports.opened(port, timeout_s=AWAY_S) as line:
        try:
            while True:
                boards.print_output(line.read(max(1, line.in_waiting)))
        except OSError:
            return


def attach(port: str) -> bool:
    """Join the terminal and the board; return whether it was the board that went. Raises Failure."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        follow(port)
        return True
    return boards.console(port)


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("monitor", "Show the board's console. Ctrl-] ends it; Ctrl-C and Ctrl-D are the board's.")
    parser.add_argument("--port", default="auto", help="serial port, or socket://HOST:PORT (default: the only board)")
    options = parser.parse_args(argv)
    port = ports.choose(options.port)
    is_known = False
    while True:
        try:
            if not is_known:
                console.note(f"{port}: Ctrl-] ends this, Ctrl-C interrupts the board.")
            if not attach(port):
                return 0
            console.note(f"\r\n{port} is gone; waiting for it. Ctrl-C ends this.")
            is_known = True
        except Failure:
            # Wrong from the start is wrong; later it is a board that is not back yet.
            if not is_known:
                raise
        time.sleep(AWAY_S)
