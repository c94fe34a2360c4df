"""Fetches packages of micropython-lib into a project's lib/, as MicroPython's own `mip` does on a board.

The index, $MIP_INDEX or the official one, has for each package a list of files by their hashes, and of other packages
that it needs. Its source is taken, which both interpreters run; `deploy` compiles it. All files or none are written.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath

from tools import console
from tools.console import Failure
from tools.manifest import sha256
from tools.project import LIBRARY

TIMEOUT_S = 20
# A package of micropython-lib has some kilobytes; beyond that somebody is mistaken.
MAX_FILE_BYTES = 1024 * 1024
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
# What is fetched is the source.
SOURCE = "py"


def index() -> str:
    """Return the address of the index, without a slash at its end."""
    from mpremote.mip import _PACKAGE_INDEX

    return (os.environ.get("MIP_INDEX") or _PACKAGE_INDEX).rstrip("/")


def fetch(package: str, folder: Path) -> list[str]:
    """Bring a package, NAME or NAME@VERSION, and all that it needs into lib/; return its files. Raises Failure."""
    name, _, version = package.partition("@")
    found: dict[str, bytes] = {}
    _collect(name, version or "latest", found, set())
    library = folder / LIBRARY
    for place in found:
        above = [folder for folder in (library / place).parents if folder not in library.parents]
        in_the_way = [*filter(Path.is_file, above), *filter(Path.is_dir, [library / place])]
        if in_the_way:
            raise Failure(f"{package} has a file {place}, and {in_the_way[0]} is in its way. Nothing has changed.")
    for place, data in found.items():
        file = library / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    console.note(f"{package}: {', '.join(sorted(found))} in {library}")
    return sorted(found)


def _collect(name: str, version: str, found: dict[str, bytes], seen: set[str]) -> None:
    """Add the files of a package, and of those that it needs, to `found`."""
    if name in seen:
        return
    seen.add(name)
    if not NAME.fullmatch(name) or not NAME.fullmatch(version):
        raise Failure(f"{name}@{version} is no package: micropython-lib names them as aioble or aioble@0.6.1.")
    told = _get(f"package/{SOURCE}/{name}/{version}.json", f"{name} is no package of micropython-lib")
    try:
        document = json.loads(told)
        files = [(str(place), str(digest)) for place, digest in document.get("hashes", ())]
        needed = [(str(other), str(which)) for other, which in document.get("deps", ())]
    except (ValueError, TypeError, AttributeError):
        raise Failure(f"{index()} tells of {name} what cannot be read: is it an index of packages?") from None
    for place, digest in files:
        parts = PurePosixPath(place).parts
        if not parts or place.startswith("/") or "\\" in place or any(part.startswith(".") for part in parts):
            raise Failure(f"{name} has a file {place}, which is not below lib/: it is refused.")
        if not re.fullmatch(r"[0-9a-f]{8,64}", digest):
            raise Failure(f"{index()} tells of {name} what cannot be read: is it an index of packages?")
        data = _get(f"file/{digest[:2]}/{digest}", f"{place} of {name} is not there")
        if not sha256(data).startswith(digest):
            raise Failure(f"{place} of {name} has arrived damaged. Nothing has changed: try again.")
        found[place] = data
    for other, which in needed:
        _collect(other, which, found, seen)


def _get(path: str, missing: str) -> bytes:
    """Return what the index has there. Raises Failure; `missing`: what it says of what is not there."""
    address = f"{index()}/{path}"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
            data = answer.read(MAX_FILE_BYTES + 1)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 404:
                raise Failure(f"{missing} ({address}).") from None
            raise Failure(f"{index()} answers {error.code} {error.reason}. Nothing has changed.") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise Failure(f"{index()} cannot be reached ({reason}). Nothing has changed.") from None
    if len(data) > MAX_FILE_BYTES:
        raise Failure(f"{address} is too large for a board.")
    return data
