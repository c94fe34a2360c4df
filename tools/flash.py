"""Puts MicroPython on a board: `python3 -m tools flash`.

Finds the port and the chip, takes the pinned image for it (or `--image FILE`), writes it where the chip boots from,
verifies it, resets, and waits until the prompt says which version runs. What is in the board's file system stays,
unless `--erase` is given.
"""

from __future__ import annotations

import time

from tools import chip as chips
from tools import console, images, ports
from tools.console import Failure

# The first start of a new MicroPython makes its file system: some seconds on a large, slow flash.
BOOT_TIMEOUT_S = 15
BOOT_PAUSE_S = 0.2


def flash(port: str, image: str | None = None, erase: bool = False) -> dict:
    """Write MicroPython and return {"port", "chip", "mac", "image", "sha256", "version", "machine"}. Raises Failure."""
    if image:
        images.load(image)  # before anything is done to a board
    with chips.connect(port) as chip:
        console.note(f"{port}: {chip.name} {chip.revision}, {chip.mac}")
        file = image or images.get(chip.name)
        data, found = images.load(file, chip.name)
        if chip.flash_bytes and chip.offset + len(data) > chip.flash_bytes:
            raise Failure(f"{file} does not fit: {len(data):,} bytes, and this board's flash has {chip.flash_bytes:,}.")
        # Compressed; how much that is shows with the first block.
        with console.progress(f"{'Erasing, then writing' if erase else 'Writing'} {file}", len(data)) as bar:
            chip.write(data, erase, lambda sent, total: bar.update(sent * len(data) // total))
    console.note("Written and verified; waiting for MicroPython.")
    port, running = wait_for_prompt(port)
    place = {"port": port, "chip": chip.name, "mac": chip.mac, "image": str(file), "sha256": found["sha256"]}
    return {**place, **running}


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
    parser.add_argument("--image", metavar="FILE", help="write this image, not the pinned version from micropython.org")
    parser.add_argument("--erase", action="store_true", help="erase the whole flash first: files, settings, everything")
    console.add_json(parser)
    options = parser.parse_args(argv)
    done = flash(ports.choose(options.port), options.image, options.erase)
    if options.json:
        console.print_json(done)
    else:
        console.say(f"{done['port']}: MicroPython {done['version']} runs on {done['machine']}.", "green")
    return 0
