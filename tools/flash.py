"""Puts MicroPython on a board, and Limpet with it: `python3 -m tools flash --wifi SSID`.

Finds the port and the chip, takes our image for it, with Limpet frozen in, else MicroPython's own of the pinned version
(or `--image FILE`), writes it where the chip boots from, verifies it, resets, and waits until the prompt says which
version runs. With `--wifi` a file system goes with it, made here: the compiled tree and the first settings; then it
waits for the address. What is in the board's file system stays, unless `--erase` is given.
"""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path
from typing import NamedTuple

from tools import ROOT, console, deploy, disk, images, memory, partitions, ports
from tools import board as boards
from tools import chip as chips
from tools import image as builder
from tools.console import Failure

# The first start of a new MicroPython makes its file system: some seconds on a large, slow flash.
BOOT_TIMEOUT_S = 15
BOOT_PAUSE_S = 0.2

# `--layout ota`.
OTA = "ota"

STOCK = (
    "No image of ours is here for the {chip}: this is MicroPython's own, where the site has room for one part after the"
    " other on a board without PSRAM, and all at once only with one of ours (`python3 -m tools image`, for {ours})."
)


class Site(NamedTuple):
    """What a new board gets beside MicroPython: the tree at `root`, and its first settings."""

    root: Path
    settings: bytes
    force: bool  # whatever it needs of memory


def flash(
    port: str, image: str | None = None, erase: bool = False, site: Site | None = None, layout: str | None = None
) -> dict:
    """Write MicroPython, and a file system with `site` in it; return what `--json` prints. Raises Failure.

    `layout`: OTA for two slots, None for that of the image, or two slots where the board has these.
    """
    if image:
        images.load(image)  # before anything is done to a board
    with chips.connect(port) as chip:
        console.note(f"{port}: {chip.name} {chip.revision}, {chip.mac}")
        file = image or images.ours(chip.name)
        if file is None:
            console.note(STOCK.format(chip=chip.name, ours=", ".join(builder.chips())))
            file = images.get(chip.name)
        data, found = images.load(file, chip.name)
        if has_slots(chip, layout, erase):
            data = partitions.with_two_slots(data, chip.offset, chip.flash_bytes, str(file))
        table = partitions.read(data, partitions.ADDRESS - chip.offset)
        ends = [chip.offset + len(data), *(part.end for part in table)]
        if chip.flash_bytes and max(ends) > chip.flash_bytes:
            raise Failure(f"{file} does not fit: this board's flash has {chip.flash_bytes:,} bytes.")
        parts = [(chip.offset, data)]
        if site:
            parts.append(file_system(chip, file, table, site, erase))
        write(chip, parts, f"{'Erasing, then writing' if erase else 'Writing'} {file}", erase)
    place = {"port": port, "chip": chip.name, "mac": chip.mac, "image": str(file), "sha256": found["sha256"]}
    if site:
        console.note("Written and verified; waiting for the server.")
        started = deploy.follow(boards.lines(port, deploy.START_TIMEOUT_S + deploy.JOIN_TIMEOUT_S), True)
        if started.failure:
            raise Failure(started.failure)
        return {**place, "version": found["version"], "address": started.address, "console": started.console}
    console.note("Written and verified; waiting for MicroPython.")
    port, running = wait_for_prompt(port)
    return {**place, "port": port, **running}


def has_slots(chip: chips.Chip, layout: str | None, erase: bool) -> bool:
    """Tell whether the board is to have two slots for MicroPython. Raises Failure where that would cost its files."""
    if erase or not chip.flash_bytes:
        return layout == OTA
    try:
        has_them = chip.has(partitions.ADDRESS, partitions.make(partitions.two_slots(chip.flash_bytes)))
    except Failure:  # too small a flash
        has_them = False
    if layout == OTA and not has_them and not chip.is_empty(partitions.ADDRESS, partitions.TABLE_BYTES):
        raise Failure(
            "This board's flash is divided otherwise, and its files would be lost; nothing was written."
            " `python3 -m tools pull` saves settings and data; --erase begins anew, without them."
        )
    if has_them and layout is None:
        console.note("This board has two slots for MicroPython: it keeps them.")
    return has_them or layout == OTA


def file_system(
    chip: chips.Chip, file: str | Path, table: list[partitions.Partition], site: Site, erase: bool
) -> tuple[int, bytes]:
    """Return where the board's files are in flash, and what is to be written there. Raises Failure."""
    place = partitions.files(table, chip.flash_bytes)
    if not erase and not chip.is_empty(place.at, disk.FIRST_BYTES):
        raise Failure(
            "There are files on this board already; nothing was written. `python3 -m tools deploy --wifi SSID` brings"
            " what is new and keeps the data; --erase begins anew, without them."
        )
    tree = images.frozen_tree(file)
    memory.weigh_new(site.root, chip.name, tree, site.force)
    wanted = disk.files(site.root, chip.name, tree, site.settings)
    return place.at, disk.make(wanted, place.bytes)


def write(chip: chips.Chip, parts: list[tuple[int, bytes]], label: str, erase: bool) -> None:
    """Write the parts to their places, with one bar for all."""
    done = 0
    # Compressed; how much that is shows with the first block.
    with console.progress(label, sum(len(part) for _, part in parts)) as bar:
        for at, part in parts:
            chip.write(at, part, erase and not done, functools.partial(_tell, bar, done, len(part)))
            done += len(part)


def _tell(bar, done: int, size: int, sent: int, total: int) -> None:
    bar.update(done + sent * size // total)


def wait_for_prompt(port: str) -> tuple[str, dict[str, str]]:
    """Return (port, what the board's prompt says of itself) as soon as it does. Raises Failure when it never does."""
    deadline = time.monotonic() + BOOT_TIMEOUT_S
    while time.monotonic() < deadline:
        time.sleep(BOOT_PAUSE_S)
        try:
            running = ports.banner(port, start_anew=True)  # what is on it may be serving already
        except Failure:
            # A chip with a USB side of its own comes back as a new device, maybe under another name.
            running, there = None, [found.name for found in ports.likely()]
            if len(there) == 1:
                port = there[0]
        if running:
            return port, running
    raise Failure(
        f"The image is written and verified, but no MicroPython answers on {port}: press RESET (or EN), then try"
        " `python3 -m tools devices`."
    )


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser("flash", "Put MicroPython on a board. Its files and settings stay, unless it is erased.")
    parser.add_argument("--port", default="auto", help="serial port, or socket://HOST:PORT (default: the only board)")
    parser.add_argument("--image", metavar="FILE", help="write this image instead of ours or the pinned MicroPython")
    parser.add_argument("--erase", action="store_true", help="erase the whole flash first: files, settings, everything")
    parser.add_argument(
        "--layout",
        choices=[OTA],
        help="ota: two slots for MicroPython, so that it can be updated over the network. On 4 MB that leaves 576 KB"
        " for files: take an image with Limpet in it (default: one slot, or what the board has)",
    )
    parser.add_argument(
        "--wifi",
        metavar="SSID",
        help="for a new board: write Limpet, too, with this network to join; asks for its password, or takes"
        " $LIMPET_WIFI_PASSWORD. The page's password is $LIMPET_PASSWORD, or a new one, which is printed",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="with --wifi: write it even if it needs more memory than there is",
    )
    parser.add_argument("--name", metavar="HOSTNAME", help="with --wifi: its name, for http://HOSTNAME.local/")
    console.add_json(parser)
    options = parser.parse_args(argv)
    if options.name and not options.wifi:
        parser.error("--name is a setting of a new board: give --wifi, too")
    port = ports.choose(options.port)
    if not options.wifi:
        done = flash(port, options.image, options.erase, layout=options.layout)
    else:
        given = os.environ.get("LIMPET_PASSWORD")
        password = given or disk.new_password()
        settings = disk.settings(deploy.ask_network(options.wifi), options.name, password)
        done = flash(port, options.image, options.erase, Site(ROOT, settings, options.force), options.layout)
        done["password"] = None if given else password
    if options.json:
        console.print_json(done)
    elif not options.wifi:
        console.say(f"{done['port']}: MicroPython {done['version']} runs on {done['machine']}.", "green")
    else:
        tell(done)
    return 0


def tell(done: dict) -> None:
    """Say where the page is, and how to log in."""
    if done["address"]:
        console.say(f"{done['port']}: Limpet serves: {done['address']}", "green")
    else:
        console.say(f"{done['port']}: Limpet runs, but has joined no network: `python3 -m tools monitor` shows why.")
    if done["password"]:
        console.say(f"The page's password, for the name admin: {done['password']} (only the board knows it now)")
