"""Runs a file on the board without storing it there: `python3 -m tools run FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from tools import console, ports
from tools.board import Board, RemoteError, print_output
from tools.console import Failure


def run(port: str, code: bytes) -> int:
    """Run code after a soft reset, show what it prints, and return 1 where it raises. The board starts anew then."""
    with Board(port) as board:
        try:
            board.run(code, print_output)
        except RemoteError as error:
            sys.stderr.write(error.output.replace("\r\n", "\n"))
            return 1
        except KeyboardInterrupt:
            board.interrupt()
            raise
    return 0


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("run", "Run a file on the board once, without storing it; then the board starts anew.")
    parser.add_argument("file", type=Path, help="the Python file")
    parser.add_argument("--port", default="auto", help="serial port, or socket://HOST:PORT (default: the only board)")
    options = parser.parse_args(argv)
    try:
        code = options.file.read_bytes()
    except OSError as error:
        raise Failure(f"{options.file} cannot be read: {error.strerror}.") from error
    return run(ports.choose(options.port), code)
