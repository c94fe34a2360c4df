"""Makes a project: `python3 -m tools new greenhouse` makes the folder greenhouse, wherever that is to be.

What it begins with is tools/template, or one of tools/examples with what the template has besides. Whatever is there
already is never written over.
"""

from __future__ import annotations

import html
import os
import shlex
from pathlib import Path

from tools import ROOT, console
from tools.console import Failure
from tools.project import APP, LIBRARY

TEMPLATE = ROOT / "tools" / "template"
EXAMPLES = ROOT / "tools" / "examples"
# What a file of the template says in place of these is this project's.
FILLED = (".md", ".html", ".py", ".js")
PAGES = ("index.html", "page.js")


def examples() -> list[str]:
    """Return the names of the examples."""
    return sorted(file.parent.name for file in EXAMPLES.glob(f"*/{APP}"))


def make(folder: Path, example: str | None = None) -> list[str]:
    """Make a project in a folder that is not there, or empty; return its files. Raises Failure."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Failure(f"{folder} is there already, and not empty: choose another name.")
    if example is not None and example not in examples():
        raise Failure(f"There is no example {example}: there are {', '.join(examples()) or 'none'}.")
    source = TEMPLATE if example is None else EXAMPLES / example
    wanted = {TEMPLATE / "README.md": "README.md", **_files(source)}
    words = {
        "name": folder.resolve().name,
        "folder": shlex.quote(os.path.relpath(folder, ROOT) if _is_near(folder) else str(folder.resolve())),
        "python": ".venv/bin/python" if (ROOT / ".venv" / "bin").is_dir() else "python3",
    }
    made = []
    for file, place in wanted.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        data = file.read_bytes()
        if file.is_relative_to(TEMPLATE) and file.suffix in FILLED:
            is_html = file.suffix == ".html"
            data = _filled(
                data.decode(), {name: html.escape(word) if is_html else word for name, word in words.items()}
            ).encode()
        target.write_bytes(data)
        made.append(place)
    (folder / LIBRARY).mkdir(exist_ok=True)
    return sorted(made)


def _files(source: Path) -> dict[Path, str]:
    files = [file for file in sorted(source.rglob("*")) if file.is_file() and "__pycache__" not in file.parts]
    return {file: file.relative_to(source).as_posix() for file in files}


def _is_near(folder: Path) -> bool:
    """Tell whether a folder is below Limpet's, or beside it: then its short name does."""
    return ROOT.parent in folder.resolve().parents


def _filled(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        text = text.replace("{{%s}}" % name, value)
    return text


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("new", "Make a project of your own: a folder with an application, its page, its drivers.")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where it is made, as greenhouse or ../greenhouse")
    parser.add_argument("--from", dest="example", metavar="EXAMPLE", help=f"begin with one of: {', '.join(examples())}")
    options = parser.parse_args(argv)
    for place in make(options.folder, options.example):
        console.say(f"{options.folder / place}")
    console.note(f"Try it: `python3 -m tools serve {shlex.quote(str(options.folder))}`")
    return 0
