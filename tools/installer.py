"""A folder with a page that installs Limpet from a browser: `python3 -m tools install-page FOLDER`.

The page (ESP Web Tools) writes MicroPython, a partition table and a file system with the compiled tree to any chip that
there is an image for here, ours or MicroPython's own, then asks for the Wi-Fi over the cable (Improv, which
firmware/board/improv.py answers) and leads to the board. All of it is in the folder: nothing comes from elsewhere.

    make(folder) -> [chip]       package(name) -> the file of an npm package of the pinned version, fetched if need be
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import NamedTuple

from tools import ROOT, console, disk, images, memory, partitions
from tools import chip as chips
from tools.console import Failure

# {npm's name: (version, the sum of its file)}. The first has the second's protocol in it; the second's own button sets
# the Wi-Fi of a board that is installed already.
PACKAGES = {
    "esp-web-tools": (
        "10.4.0",
        "sha512-3pwkeFFm5Fj7UQo8SJNYK5RXrtNCpq6X9QoI6bMT4GBZWgrJqjn0YvM9ihG74BtMoSFYXfmDtkehuxe50PTMPQ==",
    ),
    "improv-wifi-serial-sdk": (
        "2.8.0",
        "sha512-3MCm9NAD6c4OXyXl+jPqu0kNasIZi80JVeDkPaOQEI4JpItCaOAyQGdL/yg5mOqlKJ0nn2K/xb8H7enbNPc/5g==",
    ),
}
CACHE = ROOT / ".cache" / "npm"
FETCH_TIMEOUT_S = 120

PAGE = ROOT / "tools" / "installer_page"

# The least that a board for Limpet has. What a larger flash has more stays unused: the page cannot know.
FLASH_BYTES = 4 * 1024 * 1024

# What boot.py looks for.
MARK = "/data/improv"
MARK_TEXT = b"A browser has installed this board: it listens for its network over the cable while it knows none.\n"

# How long the page waits for the board's first start.
START_S = 30


class Part(NamedTuple):
    """A piece of the flash: `name` is its file's, behind the chip's."""

    name: str
    at: int
    data: bytes


def make(folder: Path, force: bool = False) -> list[str]:
    """Make the folder, and return the chips that the page installs. Raises Failure for none, or a folder with files."""
    if folder.exists() and any(folder.iterdir()):
        raise Failure(f"{folder} has something in it: name a folder that is empty, or none yet.")
    builds = {}
    for row in images.table()["images"]:
        try:
            builds[row["chip"]] = parts(row["chip"], force)
        except Failure as failure:
            console.note(f"{row['chip']} is left out: {failure}")
    if not builds:
        raise Failure("There is no image for any chip: nothing was made.")
    files = {name: package(name) for name in PACKAGES}
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        unpack(file, folder / name)
    for file in PAGE.iterdir():
        shutil.copyfile(file, folder / file.name)
    for chip, made in builds.items():
        for part in made:
            (folder / f"{chip}-{part.name}.bin").write_bytes(part.data)
    (folder / "manifest.json").write_text(json.dumps(manifest(builds), indent=2) + "\n", encoding="utf-8")
    return list(builds)


def parts(chip: str, force: bool) -> list[Part]:
    """Return what a chip's flash gets. Raises Failure where there is no image, or no memory for the tree beside it."""
    file = images.ours(chip) or images.get(chip)
    image, _ = images.load(file, chip)
    tree = images.frozen_tree(file)
    memory.weigh_new(ROOT, chip, tree, force)
    offset = chips.boots_from(chip)
    table = partitions.read(image, partitions.ADDRESS - offset)
    place = partitions.files(table, FLASH_BYTES)
    if place.end > FLASH_BYTES:
        raise Failure(f"{file} is for a flash of more than 4 MB.")
    if place not in table:
        # Said, where MicroPython would take what the board has: this is of a size that is known here.
        table.append(place)
    app = partitions.app(table)
    wanted = disk.files(ROOT, chip, tree, None)
    return [
        Part("bootloader", offset, image[: partitions.ADDRESS - offset].rstrip(b"\xff")),
        Part("partitions", partitions.ADDRESS, partitions.make(table)),
        Part("micropython", app.at, image[app.at - offset :]),
        Part("files", place.at, disk.make({**wanted, MARK: MARK_TEXT}, place.bytes)),
    ]


def manifest(builds: dict[str, list[Part]]) -> dict:
    """Return what ESP Web Tools reads: which files go where on which chip."""
    from firmware import NAME, VERSION

    return {
        "name": NAME,
        "version": VERSION,
        "new_install_improv_wait_time": START_S,
        "builds": [
            {
                "chipFamily": chip,
                "parts": [{"path": f"{chip}-{part.name}.bin", "offset": part.at} for part in made],
            }
            for chip, made in builds.items()
        ],
    }


def package(name: str) -> Path:
    """Return the file of an npm package of the pinned version. Raises Failure where it cannot be had or is another."""
    version, integrity = PACKAGES[name]
    file = CACHE / f"{name}-{version}.tgz"
    if not file.exists():
        npm = shutil.which("npm")  # on Windows npm.cmd, which is found by its whole path alone
        if not npm:
            raise Failure(f"{name} is fetched with npm, which is not here: install Node.js.")
        CACHE.mkdir(parents=True, exist_ok=True)
        console.note(f"Fetching {name} {version}")
        command = [npm, "pack", "--loglevel", "error", "--pack-destination", str(CACHE), f"{name}@{version}"]
        try:
            done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"npm has not brought {name} in {FETCH_TIMEOUT_S} s.") from error
        if done.returncode or not file.exists():
            reason = (done.stderr.strip().splitlines() or ["it does not say why"])[0]
            raise Failure(f"npm cannot bring {name}@{version}: {reason}")
    found = "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    if found != integrity:
        raise Failure(
            f"{images.shown(file)} is not what is on record (its SHA-512 differs): delete it to fetch it anew."
        )
    return file


def unpack(file: Path, folder: Path) -> None:
    """Put what browsers load of an npm package, and its license, into a folder."""
    folder.mkdir()
    with tarfile.open(file) as packed:
        for member in packed:
            name = Path(member.name)
            if member.isfile() and (str(name.parent) == "package/dist/web" or name.name == "LICENSE"):
                (folder / name.name).write_bytes(packed.extractfile(member).read())


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("install-page", "Make a folder with a page that installs Limpet from a browser.")
    parser.add_argument("folder", type=Path, help="where to make it: one that is empty, or not there")
    parser.add_argument("--force", action="store_true", help="chips, too, whose memory is too small for all as files")
    console.add_json(parser)
    options = parser.parse_args(argv)
    made = make(options.folder, options.force)
    if options.json:
        console.print_json({"folder": str(options.folder), "chips": made})
        return 0
    console.say(f"{options.folder} installs Limpet on {', '.join(made)}.", "green")
    console.say("Browsers let a page use a cable over HTTPS, or from this machine:")
    console.say(f"python3 -m http.server --bind 127.0.0.1 --directory {options.folder}")
    return 0
