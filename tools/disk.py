"""A board's file system, made on the laptop: littlefs, in the partition where MicroPython looks for it.

Others call these three:

    settings(wifi, hostname, password) -> bytes     files(root, chip, tree, settings) -> {path: content}
    make(files, bytes) -> littlefs, up to its last used block
"""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path

from tools import manifest
from tools.backup import DATA
from tools.console import Failure
from tools.manifest import BLOCK_BYTES

# As MicroPython's `VfsLfs2.mkfs` makes it. The older version of the format is the one that every release mounts.
READ_BYTES = PROG_BYTES = LOOKAHEAD_BYTES = 32
CACHE_BYTES = 128
FORMAT = 0x00020000

# littlefs keeps its first block twice, in these.
FIRST_BYTES = 2 * BLOCK_BYTES

XTENSA = ("ESP32", "ESP32-S2", "ESP32-S3")

# Letters and digits that nobody takes for others, 60 bits of them.
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS, GROUP = 3, 4


def new_password() -> str:
    """Return a password that can be typed from a label."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))


def settings(wifi: dict, hostname: str | None, password: str) -> bytes:
    """Return the first settings: a network {"ssid", "password"}, a name, the page's password. Raises Failure."""
    from firmware.board import schema
    from firmware.features import passwords
    from firmware.http.errors import HTTPError

    try:
        document = {"networks": [wifi], "admin": asyncio.run(passwords.make(password))}
    except HTTPError as error:
        raise Failure(f"The password for the page: {error.detail}") from error
    if hostname:
        document["hostname"] = hostname
    wrong = {}
    schema.read(document, {}, wrong)
    if wrong:
        path = min(wrong)
        raise Failure(f"{wrong[path]} ({path})")
    return json.dumps(document).encode()


def architecture(chip: str) -> str:
    """Return which native code a chip runs (see `mpy`)."""
    return "xtensawin" if chip in XTENSA else "rv32imc"


def files(root: Path, chip: str, tree: str | None, settings: bytes | None) -> dict[str, bytes]:
    """Return what a new board has, {path: content}: the tree at `root` as `deploy` leaves it, and any first settings.

    `tree`: the hash of the one that the image has frozen in it, if any.
    """
    form = manifest.choose(root, manifest.COMPILED, tree)
    wanted = manifest.build(root, architecture(chip), form)
    lines = (f"{manifest.sha256(data)} {path}\n" for path, data in sorted(wanted.items()))
    first = {f"{DATA}/config.json": settings} if settings else {}
    return {**wanted, manifest.MANIFEST: "".join(lines).encode(), **first}


def make(files: dict[str, bytes], size: int) -> bytes:
    """Return a file system of `size` bytes with `files` in it, up to its last used block. Raises Failure."""
    try:
        from littlefs import LittleFS, LittleFSError
    except ImportError:
        raise Failure("littlefs-python is not there: `pip install -r tools/requirements.txt` brings it.") from None
    made = LittleFS(
        **{"block_size": BLOCK_BYTES, "block_count": size // BLOCK_BYTES, "disk_version": FORMAT},
        **{"read_size": READ_BYTES, "prog_size": PROG_BYTES, "lookahead_size": LOOKAHEAD_BYTES},
        cache_size=CACHE_BYTES,
    )
    try:
        for path, data in sorted(files.items()):
            made.makedirs(path.rpartition("/")[0] or "/", exist_ok=True)
            with made.open(path, "wb") as file:
                file.write(data)
    except LittleFSError as error:
        raise Failure(
            f"The files do not fit into the {size // 1024:,} KB that the image has for them. With Limpet in the image"
            " (`python3 -m tools image`) only pages and settings are files."
        ) from error
    data = bytes(made.context.buffer)
    unused = b"\xff" * BLOCK_BYTES
    end = size
    while end > FIRST_BYTES and data[end - BLOCK_BYTES : end] == unused:
        end -= BLOCK_BYTES
    return data[:end]
