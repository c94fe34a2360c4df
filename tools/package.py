"""Keeps `package.json`, by which `mpremote mip install` takes the server as a library: `python3 -m tools package`.

The library is the protocol, the server and its features, as Python: no board, no site, no pages. Addresses are relative
to the package's own, so that any copy of the repository is one to install from.
"""

from __future__ import annotations

import json

from tools import ROOT, console

PACKAGE = ROOT / "package.json"
FOLDERS = ("http", "server", "features")


def package() -> dict:
    """Return what package.json has to say, from the files that are there."""
    from firmware import VERSION

    files = [ROOT / "firmware" / name for name in ("__init__.py", "microdot.py")]
    for folder in FOLDERS:
        files += sorted((ROOT / "firmware" / folder).glob("*.py"))
    names = [file.relative_to(ROOT).as_posix() for file in files]
    return {"version": VERSION, "deps": [], "urls": [[name, name] for name in names]}


def text() -> str:
    """Return package.json's text: one file a line."""
    made = package()
    urls = ",\n".join(f"    {json.dumps(pair)}" for pair in made["urls"])
    return f'{{\n  "version": {json.dumps(made["version"])},\n  "deps": [],\n  "urls": [\n{urls}\n  ]\n}}\n'


def main(argv: list[str]) -> int:
    """Run the command."""
    console.parser(
        "package", "Write package.json anew, by which `mpremote mip install` takes the server as a library."
    ).parse_args(argv)
    PACKAGE.write_bytes(text().encode())
    console.say(f"{PACKAGE.name}: {len(package()['urls'])} files.")
    return 0
