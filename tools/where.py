"""Says where in the sources a board's traceback was: `python3 -m tools where < text`.

A board has the modules that are always loaded together in one file, a bundle (`mpy`, BUNDLES), without line numbers and
with short names: an entry of a traceback tells the bundle and the short name alone. Which function has that name is
found by compiling the tree here once more. So this tree has to be the one that was deployed, with the same project.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tools import ROOT, console, manifest, mpy
from tools import project as projects

# As MicroPython writes it.
_ENTRY = re.compile(r'File "(\w+)/(\w+)\.mpy", line \d+, in (\w+)')


def translate(text: str, root: Path = ROOT, project: Path | None = None) -> str:
    """Return a text in which each entry of a bundle names file, line and function of the sources."""
    known = {}

    def told(entry):
        if entry[1] != manifest.PACKAGE or entry[2] not in mpy.BUNDLES:
            return entry[0]
        if not known:
            known.update(_places(root, project))
        places = known.get((entry[2], entry[3]))
        return " or ".join(f'File "{path}", line {line}, in {name}' for path, line, name in places or ()) or entry[0]

    return _ENTRY.sub(told, text)


def _places(root: Path, project: Path | None) -> dict:
    """Return {(bundle, short name): [(path, line, name) of each function that has it]}."""
    package = root / manifest.PACKAGE
    texts = {file.relative_to(package): file.read_text(encoding="utf-8") for file in manifest.modules(package)}
    beside = [file.read_text(encoding="utf-8") for file in sorted(root.glob("*.py"))]
    beside += projects.texts(project) if project else []
    found = {}
    made, short = mpy.bundled(texts, package, beside)
    for one in made:
        for name, path, line in one.functions(short[one.path]):
            source = texts[path].splitlines()[line - 1]
            was = re.search(r"(?:def|class) (\w+)", source)
            place = f"{manifest.PACKAGE}/{path.as_posix()}", line, was[1] if was else name
            found.setdefault((one.path.stem, name), []).append(place)
    return found


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("where", "Read text with a board's traceback, and print it with the places in the sources.")
    parser.add_argument("folder", nargs="?", type=Path, help="the project that was deployed, too")
    options = parser.parse_args(argv)
    sys.stdout.write(translate(sys.stdin.read(), project=options.folder))
    return 0
