"""What MicroPython's site offers: `python3 -m tools images` shows the table of images, `--update` makes it anew.

Each board's page lists its images; the one of the release that is pinned here counts. The site publishes no sums: each
image is fetched, over HTTPS, looked into (chip, version, its own sums), and its SHA-256 goes on record. From then on
nobody takes another for it, and an update that meets another under the same name fails.

    renew(opener) -> the table       hint(chip) -> where to look for an image that the table lacks
"""

from __future__ import annotations

import csv
import hashlib
import http.client
import importlib.util
import io
import json
import re
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from tools import console, images
from tools.console import Failure
from tools.image import MICROPYTHON

PAGES = "https://micropython.org/download/"
FOLDER = "https://micropython.org/resources/firmware/"
# A page has some 40 KB.
PAGE_BYTES = 1024 * 1024

# Those that Limpet is for and MicroPython has had an image for.
CHIPS = ("ESP32", "ESP32-S2", "ESP32-S3", "ESP32-C3", "ESP32-C6", "ESP32-C5", "ESP32-C2")

# A link to an image of a release, none of a preview or of a variant: <a href="/resources/firmware/BOARD-DATE-vN.bin">.
LINK = r'href="/resources/firmware/(%s-\d{8}-v(\d+\.\d+\.\d+)\.bin)"'

# Where `mpflash` has its list of all boards.
BOARDS = Path("db", "micropython_boards.zip")


def renew(opener: Callable = urllib.request.urlopen) -> dict:
    """Make images.json anew by MicroPython's pages and images, and return it. Raises Failure, and leaves it then."""
    old = {row["chip"]: row for row in images.table()["images"]}
    rows, newest = [], ()
    for chip in CHIPS:
        board = chip.replace("ESP32", "ESP32_GENERIC").replace("-", "_")
        page = fetch(f"{PAGES}{board}/", PAGE_BYTES, opener)
        if page is None and chip not in old:
            console.note(f"MicroPython has no page for the {chip}: it is left out.")
            continue
        found = {version: name for name, version in re.findall(LINK % board, (page or b"").decode("utf-8", "replace"))}
        newest = max([newest, *map(_numbers, found)])
        if MICROPYTHON not in found:
            raise Failure(f"{PAGES}{board}/ lists no image of {MICROPYTHON}: the table stays as it was.")
        rows.append(measure(chip, board, found[MICROPYTHON], old.get(chip), opener))
    if newest > _numbers(MICROPYTHON):
        newer = ".".join(map(str, newest))
        console.note(f"MicroPython {newer} is out; here all is made for {MICROPYTHON} (tools/image.py, requirements).")
    made = {"version": MICROPYTHON, "folder": FOLDER, "images": rows}
    part = images.TABLE.with_suffix(".part")
    part.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    part.replace(images.TABLE)
    return made


def measure(chip: str, board: str, name: str, old: dict | None, opener: Callable) -> dict:
    """Return the row of an image, which is fetched unless it is here already. Raises Failure for one that is not right.

    `old`: the chip's row so far. Where that is of the same file, its sum still counts.
    """
    known = old["sha256"] if old and old["file"] == name else None
    file = images.CACHE / name
    if known and file.exists() and images.sha256(file) == known:
        return old
    console.note(f"Fetching {name}")
    data = fetch(FOLDER + name, images.LARGEST_BYTES, opener)
    if data is None:
        raise Failure(f"{FOLDER}{name} is listed, but is not there: the table stays as it was.")
    if known not in (None, hashlib.sha256(data).hexdigest()):
        raise Failure(f"{FOLDER}{name} is not what is on record (its SHA-256 differs): the table stays as it was.")
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(data)
    try:
        _, found = images.load(part, chip)
        if found["version"] != MICROPYTHON:
            raise Failure(f"{FOLDER}{name} has MicroPython {found['version']} in it: the table stays as it was.")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return {"chip": chip, "board": board, "file": name, "bytes": len(data), "sha256": found["sha256"]}


def fetch(url: str, most: int, opener: Callable) -> bytes | None:
    """Return what is at an address, None where there is nothing (404). Raises Failure, and above `most` bytes."""
    try:
        with opener(url, timeout=images.TIMEOUT_S) as answer:
            data = answer.read(most + 1)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise Failure(f"{url} answers {error.code} {error.reason}: the table stays as it was.") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Failure(f"No look at {url} ({getattr(error, 'reason', error)}): the table stays as it was.") from error
    if len(data) > most:
        raise Failure(f"{url} sends more than {most:,} bytes: the table stays as it was.")
    return data


def hint(chip: str) -> str:
    """Return a sentence on where an image for a chip is, by the list of MicroPython's boards that `mpflash` brings."""
    package = importlib.util.find_spec("mpflash")
    if package is None:
        return "Once mpflash is installed (`pip install mpflash`), its list of boards says which there are."
    with zipfile.ZipFile(Path(package.submodule_search_locations[0]) / BOARDS) as packed:
        rows = csv.DictReader(io.StringIO(packed.read(packed.namelist()[0]).decode()))
        wanted = (f"v{MICROPYTHON}", chip.replace("-", "").lower(), "")
        names = [row["board_id"] for row in rows if (row["version"], row["mcu"], row["variant"]) == wanted]
    if not names:
        return f"MicroPython {MICROPYTHON} has no board with it."
    return f"MicroPython has it on these boards: {', '.join(sorted(names))} ({PAGES}BOARD/ has each one's .bin)."


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("images", "Show which image of MicroPython there is for each chip.")
    parser.add_argument(
        "--update", action="store_true", help="make the table anew by MicroPython's site, and fetch the images"
    )
    console.add_json(parser)
    options = parser.parse_args(argv)
    table = renew() if options.update else images.table()
    if options.json:
        console.print_json(table)
    else:
        names = ("chip", "file", "bytes", "sha256")
        rows = ([row[name] for name in names] for row in table["images"])
        console.table(("Chip", "Image", "Bytes", "SHA-256"), rows)
    return 0
