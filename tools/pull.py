"""Keeps a copy of a board's settings and data: `python3 -m tools pull PLACE`."""

from __future__ import annotations

from pathlib import Path

from tools import backup, console, ports
from tools.backup import DATA
from tools.board import Board
from tools.console import Failure


def pull(port: str, target: Path) -> dict[str, int]:
    """Copy all of the board's data to a new folder or tar file; return {path: bytes}. Raises Failure."""
    if target.exists():
        raise Failure(f"{target} is there already: name one that is not.")
    with Board(port) as board:
        found = {path: size for path, size in board.walk(DATA).items() if not path.endswith("/")}
        if not found:
            raise Failure(f"The board has no settings or data: there is nothing in {DATA}.")
        files = {}
        with console.progress(f"Reading {len(found)} files", sum(found.values())) as bar:
            for path in sorted(found):
                files[backup.relative(path[len(DATA) + 1 :])] = board.read(path)
                bar.advance(found[path])
    backup.write(target, files)
    return {path: len(data) for path, data in files.items()}


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("pull", "Keep a copy of the board's settings and data. It has passwords in it.")
    parser.add_argument("place", type=Path, help="a new folder, or a file that ends in .tar or .tar.gz")
    parser.add_argument("--port", default="auto", help="serial port, or socket://HOST:PORT (default: the only board)")
    console.add_json(parser)
    options = parser.parse_args(argv)
    port = ports.choose(options.port)
    done = pull(port, options.place)
    if options.json:
        console.print_json({"port": port, "place": str(options.place), "files": done})
    else:
        console.say(f"{port}: {len(done)} files, {sum(done.values()):,} bytes, are in {options.place}.")
    return 0
