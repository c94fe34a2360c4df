"""One's own project: which files of its folder a board gets, and as what.

    app.py      `app = App()`         www/   its pages         lib/   drivers, as app.py imports them

All goes to /project on the board (firmware/site/project.py): Python is compiled, but for what is a page; a page that
gets smaller by it is compressed beside. What stays here is told: hidden files, notes, tests, and
config.json, whose settings are the board's own.

    check(folder)      files(folder) -> (sent, left)      build(folder, arch) -> {path there: content}
"""

from __future__ import annotations

import ast
import gzip
import keyword
import os
import re
import tempfile
from pathlib import Path

from tools import console, mpy
from tools.console import Failure

APP, PAGES, LIBRARY = "app.py", "www", "lib"

# Where it is on a board: firmware/board/hardware.py, `options`.
HOME = "/project/"

# For who reads, writes or tests the code; and what the board keeps elsewhere.
NOTES = (".md", ".pyi")
TEST = "test_"
SETTINGS = "config.json"

# What finds something by a text.
BY_TEXT = ("getattr", "setattr", "hasattr", "delattr", "__import__", "globals", "eval", "exec", "vars", "dir")

# A manifest's line has 320 bytes at most (firmware/board/update.py), 67 of them for others.
MAX_PATH_BYTES = 250

# A compressed copy takes blocks of its own on the board: it has to save some of what goes over the air.
GZIP_AT_MOST = 0.9
# Below, head and packets outweigh what is saved.
GZIP_AT_LEAST_BYTES = 512


def check(folder: Path) -> Path:
    """Return the folder where it has a project. Raises Failure."""
    if not (folder / APP).is_file():
        raise Failure(f"There is no {APP} in {folder}: `python3 -m tools new NAME` makes a project to begin with.")
    return folder


def files(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the files that are sent, as paths below the folder, and what is not: names of files and FOLDERS/."""
    sent, left = [], []
    for where, folders, names in os.walk(folder):
        here = Path(where).relative_to(folder)
        hidden = [name for name in folders if name.startswith(".") or name == "__pycache__"]
        # A link to a folder is not followed: it may lead to one above.
        hidden += [name for name in folders if Path(where, name).is_symlink() and name not in hidden]
        left += [f"{(here / name).as_posix()}/" for name in hidden]
        folders[:] = [name for name in folders if name not in hidden]
        for name in names:
            if _is_sent(folder, here / name):
                sent.append(here / name)
            else:
                left.append((here / name).as_posix())
    return sorted(sent), sorted(left)


def _is_sent(folder: Path, place: Path) -> bool:
    is_page = place.parts[0] == PAGES
    is_note = place.suffix in NOTES or place.suffix == ".py" and place.name.startswith(TEST)
    is_note = is_note and not is_page or place.as_posix() == SETTINGS
    return not place.name.startswith(".") and not is_note and (folder / place).is_file()


def tell_left(folder: Path | None) -> None:
    """Say which files of a project are not sent."""
    left = files(folder)[1] if folder else []
    if left:
        console.note(f"Not sent: {', '.join(left)}")


def refuse_loss(removed: list[str], folder: Path | None, is_alone: bool) -> None:
    """Raise Failure where a board would lose its project unasked. `removed`: paths there; `folder`: the new project."""
    if folder is None and not is_alone and any(path.startswith(HOME) for path in removed):
        raise Failure(
            "The board has a project: name its folder (`deploy FOLDER`), or remove it from there (--no-project)."
            " Nothing has changed."
        )


def sources(folder: Path) -> list[Path]:
    """Return those of the files that are sent that are modules."""
    return [place for place in files(folder)[0] if place.suffix == ".py" and place.parts[0] != PAGES]


def texts(folder: Path) -> list[str]:
    """Return what each module may mean of Limpet's, as a text: that has to keep its name (`tools/names.py`)."""
    return [named(_read(folder / place).decode("utf-8", "replace")) for place in sources(folder)]


def named(text: str) -> str:
    """Return a module's text without the names that can only be its own: variables, functions, words in texts.

    So Limpet's files are the same with a project and without it, unless it uses what is not told to applications.
    What is left are imports, attributes, keywords, what classes override, and texts where they may be names.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return text  # MicroPython's compiler says what is wrong with it
    imports, attributes, keywords, words = [], set(), set(), set()
    may_be_names = False
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if any(alias.name == "*" for alias in node.names):
                return text
            imports.append(ast.unparse(node))
        elif isinstance(node, ast.Attribute):
            attributes.add(node.attr)
        elif isinstance(node, ast.ClassDef) and node.bases:
            attributes |= _made_by(node)
        elif isinstance(node, ast.keyword):
            keywords.add(node.arg)
            may_be_names |= node.arg is None
        elif isinstance(node, ast.Name) and node.id in BY_TEXT:
            may_be_names = True
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.update(re.findall(r"[A-Za-z_]\w*", node.value))
    if may_be_names:
        attributes |= words - set(keyword.kwlist)
    lines = [f"x.{name}" for name in sorted(attributes)]
    return "\n".join([*imports, *lines, f"x({', '.join(f'{name}=x' for name in sorted(keywords - {None}))})"])


def _made_by(node: ast.ClassDef) -> set[str]:
    made = {inner.name for inner in node.body if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef))}
    return made | {inner.id for part in node.body for inner in ast.walk(part) if isinstance(inner, ast.Name)}


def build(folder: Path, arch: str | None) -> dict[str, bytes]:
    """Return what a board gets of the project, {absolute path there: content}.

    `arch`: what its modules are compiled for; None: they are sent as they are. Raises Failure.
    """
    wanted = {}
    sent, modules = files(folder)[0], set(sources(check(folder)))
    for place in sent:
        path = HOME + place.as_posix()
        if place in modules and place.with_suffix(".mpy") in sent:
            raise Failure(f"{folder / place} is there as .mpy, too: remove one of them.")
        if len(path.encode()) > MAX_PATH_BYTES or any(ord(letter) < 32 or letter in "\\:\x7f" for letter in path):
            raise Failure(f"{folder / place} has a name that a board does not take.")
        if place in modules and arch:
            wanted[path[:-3] + ".mpy"] = _compiled(folder, place, arch)
            continue
        wanted[path] = data = _read(folder / place)
        if place.parts[0] == PAGES and place.suffix != ".gz":
            pack(wanted, path, data)
    return wanted


def pack(wanted: dict[str, bytes], path: str, data: bytes) -> None:
    """Add the compressed copy of a file where it is worth it, and there is none of its maker's."""
    packed = gzip.compress(data, 9, mtime=0)
    if len(data) >= GZIP_AT_LEAST_BYTES and len(packed) <= GZIP_AT_MOST * len(data):
        wanted.setdefault(f"{path}.gz", packed)


def _compiled(folder: Path, place: Path, arch: str) -> bytes:
    with tempfile.TemporaryDirectory() as made:
        # Tracebacks on the board name it so: firmware/site/project.py looks for that.
        name = HOME + place.as_posix()
        try:
            return mpy.compile_file(folder / place, Path(made, "module.mpy"), arch, name).read_bytes()
        except mpy.CompileError as error:
            raise Failure(str(error)) from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.") from error
