"""What commands say and how they end: text, tables, progress, JSON, and the one line of a failure.

A command is a module with `main(argv) -> exit status`: 0 done, 1 failed (raise Failure), 2 wrong usage (argparse's).
Results go to stdout, everything else to stderr, so that a pipe gets results alone. Colours and progress bars are for
terminals only (rich decides, and heeds $NO_COLOR); nothing is imported for them until there is something to colour.

    parser(command, description) -> ArgumentParser      say(text, style) note(text) table(columns, rows)
    add_json(parser), print_json(value)                 with progress(label, total) as bar: bar.advance(n_bytes)
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterable, Iterator

# Columns of a table that no terminal shows: a script reads whole lines.
UNLIMITED_COLUMNS = 1000


class Failure(Exception):
    """Ends a command with exit status 1: the message is one line that says what is wrong and what to do."""

    def __str__(self) -> str:
        return " ".join(super().__str__().split())


def parser(command: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
    """Return an argument parser for `python3 -m tools COMMAND`; it exits 2 on wrong usage, 0 for --help."""
    return argparse.ArgumentParser(prog=f"python3 -m tools {command}", description=description, epilog=epilog)


def add_json(arguments: argparse.ArgumentParser) -> None:
    """Add the option --json, for scripts."""
    arguments.add_argument("--json", action="store_true", help="print the result as JSON, for scripts")


def print_json(value) -> None:
    """Print a result for scripts to stdout: one JSON document, in ASCII, so that no console's encoding hurts it."""
    print(json.dumps(value, indent=2), flush=True)


def _console(stream):
    from rich.console import Console

    # A file or a pipe has no width: what is cut off there is lost. rich asks a terminal for its own.
    width = None if stream.isatty() else UNLIMITED_COLUMNS
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _print(stream, text: str, style: str | None) -> None:
    if style and stream.isatty():
        _console(stream).print(text, style=style)
    else:
        print(text, file=stream, flush=True)


def say(text: str, style: str | None = None) -> None:
    """Print a result to stdout; `style` is rich's ("bold", "green"), for terminals."""
    _print(sys.stdout, text, style)


def note(text: str) -> None:
    """Tell on stderr what is going on."""
    _print(sys.stderr, text, "dim")


def complain(text: str) -> None:
    """Print the one line of a failure to stderr."""
    _print(sys.stderr, text, "red")


def table(columns: Iterable[str], rows: Iterable[Iterable]) -> None:
    """Print rows below their column names to stdout; numbers stand to the right, None is a dash."""
    from rich.table import Table

    columns, rows = list(columns), [list(row) for row in rows]
    made = Table(box=None, pad_edge=False, header_style="bold")
    for at, name in enumerate(columns):
        values = [row[at] for row in rows if row[at] is not None]
        numeric = bool(values) and all(isinstance(value, (int, float)) for value in values)
        made.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for row in rows:
        made.add_row(*map(_cell, row))
    with _console(sys.stdout) as console:
        console.print(made, soft_wrap=False)


def _cell(value) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


class Bar:
    """The progress of one thing; `done` counts what `progress` was told the total of."""

    def __init__(self, show=None):
        self.done = 0
        self._show = show

    def advance(self, more: int) -> None:
        """Count `more` as done."""
        self.update(self.done + more)

    def update(self, done: int) -> None:
        """Set what is done."""
        self.done = done
        if self._show:
            self._show(done)


@contextlib.contextmanager
def progress(label: str, total: int, unit: str = "bytes") -> Iterator[Bar]:
    """Show a progress bar on stderr while the block runs; where that is no terminal, only the label, once.

    It counts bytes, or steps of another `unit`; a mark that turns, and the time, move even where one takes long.
    """
    if not sys.stderr.isatty():
        note(label)
        yield Bar()
        return
    from rich import progress as rich

    columns = [rich.SpinnerColumn(), rich.TextColumn("{task.description}"), rich.BarColumn()]
    if unit == "bytes":
        columns += [rich.DownloadColumn(), rich.TransferSpeedColumn()]
    else:
        columns.append(rich.MofNCompleteColumn())
    with rich.Progress(*columns, rich.TimeElapsedColumn(), console=_console(sys.stderr)) as shown:
        # Text of others is no markup.
        task = shown.add_task(label.replace("[", r"\["), total=total)
        yield Bar(lambda done: shown.update(task, completed=done))
