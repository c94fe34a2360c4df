"""Images for boards: ours, else MicroPython's own of the pinned version, and proof that what came is what was meant.

`images.json` is the table of MicroPython's: for each chip its board, the file's name, its size and its SHA-256. Its
site publishes no sums; those in the table are what several people who do not know each other have measured and
published of the same files, or what `tools images --update` has measured (tools/listing.py). A row without a sum is
never downloaded: the line that refuses says what to do instead.

Ours have the firmware frozen in. Each has a row of its own beside it, a file of JSON: {"chip", "board", "file",
"bytes", "sha256", "micropython", "limpet", "tree"}; `tools image` leaves both in OURS, and a release has both.

    ours(chip) -> path, or None                                load(path, chip) -> (bytes, {"chip", "version", ...})
    get(chip) -> MicroPython's own, downloaded if need be
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
OURS = CACHE / "ours"
RELEASED = CACHE / "released"

# Where the newest release has our images and their rows, an address that ends in a slash. There is none yet: what
# others might put at an address that is not the project's would be flashed.
RELEASE = ""
# A row has some 300.
ROW_BYTES = 4096

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
        from tools import listing

        raise Failure(f"No MicroPython image is known for the {chip}: give one with --image FILE. {listing.hint(chip)}")
    url, file = known["folder"] + row["file"], CACHE / row["file"]
    if row["sha256"] is None:
        raise Failure(
            f"No SHA-256 is on record for {row['file']}, so it is not downloaded unseen: fetch {url} yourself and give"
            " it with --image FILE, or have `python3 -m tools images --update` put what it gets on record."
        )
    if not file.exists():
        download(url, file, row)
    elif sha256(file) != row["sha256"]:
        raise Failure(f"{shown(file)} is not what is on record (its SHA-256 differs): delete it to fetch it anew.")
    return file


def ours(chip: str) -> Path | None:
    """Return our image for a chip: what was built here, else the newest release's; None where there is neither.

    Raises Failure for one that is not what its row says.
    """
    board = f"LIMPET_{chip.replace('-', '_')}"
    for folder in (OURS, RELEASED):
        if folder == RELEASED and RELEASE:
            _fetch_row(board)
        row = _row(folder / f"{board}.json", chip)
        if row is None:
            continue
        file = folder / f"{board}.bin"
        if folder == RELEASED and (not file.exists() or sha256(file) != row["sha256"]):
            download(RELEASE + file.name, file, row)
        if not file.exists() or sha256(file) != row["sha256"]:
            raise Failure(f"{shown(file)} is not what its row says: build it anew (`python3 -m tools image {chip}`).")
        return file
    return None


def frozen_tree(file: str | os.PathLike) -> str | None:
    """Return the hash of the tree that an image has frozen in it, by the row beside it; None for one without a row."""
    try:
        row = json.loads(Path(file).with_suffix(".json").read_bytes())
        return row["tree"] if row["sha256"] == sha256(Path(file)) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fetch_row(board: str) -> None:
    """Fetch the row of the newest release's image; where that cannot be, the one that is there already counts."""
    url = f"{RELEASE}{board}.json"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            text = answer.read(ROW_BYTES)
        RELEASED.mkdir(parents=True, exist_ok=True)
        (RELEASED / f"{board}.json").write_bytes(text)
    except (OSError, ValueError, http.client.HTTPException) as error:
        console.note(f"No look at {url} ({getattr(error, 'reason', error)}).")


def _row(file: Path, chip: str) -> dict | None:
    """Return the row in a file, None where there is none, or none for this chip."""
    try:
        row = json.loads(file.read_bytes())
        is_one = row["chip"] == chip and len(bytes.fromhex(row["sha256"])) == 32 and 0 < row["bytes"] <= LARGEST_BYTES
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return row if is_one else None


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
