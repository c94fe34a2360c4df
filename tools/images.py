"""MicroPython's images: the pinned version, where each chip's is, and proof that what came is what was meant.

`images.json` is the table: for each chip MicroPython's board, the file's name, its size and its SHA-256. MicroPython's
site publishes no sums; those in the table are what several people who do not know each other have measured and
published of the same files. A row without a sum is never downloaded: the line that refuses says what to do instead.

    get(chip) -> path in the cache, downloaded if need be      load(path, chip) -> (bytes, {"chip", "version", ...})
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tools import ROOT, console
from tools.console import Failure

TABLE = ROOT / "tools" / "images.json"
CACHE = ROOT / ".cache" / "images"

# Nothing that is an image is larger than the flash that it has to fit into; 8 MB is what larger boards have.
LARGEST_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
TIMEOUT_S = 20


def table() -> dict:
    """Return the table as it is in images.json: {"version", "folder", "images": [row]}."""
    return json.loads(TABLE.read_text(encoding="utf-8"))


def get(chip: str) -> Path:
    """Return the image for a chip ("ESP32-S3"): from the cache, else downloaded into it. Raises Failure."""
    known = table()
    row = next((row for row in known["images"] if row["chip"] == chip), None)
    if row is None:
        raise Failure(f"No MicroPython image is known for the {chip}: choose one with --image FILE.")
    url, file = known["folder"] + row["file"], CACHE / row["file"]
    if row["sha256"] is None:
        raise Failure(
            f"No SHA-256 is on record for {row['file']}, so it is not downloaded unseen: fetch {url} yourself and give"
            " it with --image FILE."
        )
    if not file.exists():
        download(url, file, row)
    elif sha256(file) != row["sha256"]:
        raise Failure(f"{shown(file)} is not what is on record (its SHA-256 differs): delete it to fetch it anew.")
    return file


def download(url: str, file: Path, row: dict) -> None:
    """Download to `file`, which appears only once it is whole and has the size and sum of `row`. Raises Failure."""
    digest = hashlib.sha256()
    received = 0
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = tempfile.NamedTemporaryFile(dir=file.parent, prefix=file.name, delete=False)  # noqa: SIM115 - closed below
    except OSError as error:
        raise Failure(f"Cannot keep images in {shown(file.parent)}: {error.strerror}.") from error
    try:
        with part, console.progress(f"Downloading {file.name}", row["bytes"]) as bar:
            for chunk in _chunks(url, file):
                received += len(chunk)
                if received > row["bytes"]:
                    break
                digest.update(chunk)
                part.write(chunk)
                bar.update(received)
        if received != row["bytes"] or digest.hexdigest() != row["sha256"]:
            raise Failure(
                f"{url} sent something else than what is on record ({row['bytes']:,} bytes, SHA-256"
                f" {row['sha256'][:16]}...): nothing was kept. Try again from another network."
            )
        os.replace(part.name, file)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part.name)


def _chunks(url: str, file: Path) -> Iterator[bytes]:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            yield from iter(lambda: answer.read(CHUNK_BYTES), b"")
    except urllib.error.HTTPError as error:
        raise Failure(f"{url} answers {error.code} {error.reason}: give an image with --image FILE.") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        detail = getattr(error, "reason", error)
        raise Failure(
            f"No download ({detail}): fetch {url} with a machine that is online, and put it at {shown(file)}."
        ) from error


def load(path: str | os.PathLike, chip: str | None = None) -> tuple[bytes, dict]:
    """Return an image's bytes and what it is: {"chip", "version", "project", "sha256"}.

    Raises Failure unless the file can be read, is whole by the sums that it carries, and is for `chip` (where given).
    """
    from tools.chip import read_image

    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.") from error
    try:
        found = read_image(data)
    except Failure as error:
        raise Failure(f"{path}: {error}") from error
    if chip not in (None, found["chip"]):
        raise Failure(f"{path} is for the {found['chip']}, but this board has the {chip}: nothing was written.")
    return data, {**found, "sha256": hashlib.sha256(data).hexdigest()}


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def shown(path: Path) -> str:
    """Return a path as one would type it here."""
    with contextlib.suppress(ValueError):
        return path.relative_to(Path.cwd()).as_posix()
    return str(path)
