"""Puts settings and data that were pulled back on a board: `python3 -m tools push PLACE`."""

from __future__ import annotations

from pathlib import Path

from tools import backup, console, ports
from tools.backup import DATA
from tools.board import Board
from tools.console import Failure


def push(port: str, source: Path) -> dict[str, int]:
    """Copy a backup to the board, over what is there, and return {path: bytes}. Raises Failure.

    Each file is the old one or the new one, wherever it is cut off. Files that the backup does not have stay.
    """
    files = backup.read(source)
    with Board(port) as board:
        there = board.hashes([f"{DATA}/{path}" for path in files])
        for path, value in there.items():
            if value == "/":
                raise Failure(f"On the board, {path} is a folder.")
        with console.progress(f"Sending {len(files)} files", sum(map(len, files.values()))) as bar:
            for path, data in sorted(files.items()):
                board.replace(f"{DATA}/{path}", data, bar.advance)
    return {path: len(data) for path, data in files.items()}


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("push", "Put settings and data that were pulled back on a board; then it starts anew.")
    parser.add_argument("place", type=Path, help="what `pull` has made: a folder, or a tar file")
    parser.add_argument("--port", default="auto", help="serial port, or socket://HOST:PORT (default: the only board)")
    console.add_json(parser)
    options = parser.parse_args(argv)
    port = ports.choose(options.port)
    done = push(port, options.place)
    if options.json:
        console.print_json({"port": port, "place": str(options.place), "files": done})
    else:
        console.say(f"{port}: {len(done)} files, {sum(done.values()):,} bytes, are back on the board.")
    return 0
