"""Puts MicroPython itself on a board over the air: `python3 -m tools update-firmware --host http://NAME.local`.

The board needs two slots for it (`tools flash --layout ota`). The application of an image goes to the slot that does
not run, is verified there, and started; one that does not come up is taken back by the board's boot loader
(firmware/board/image.py). Files and settings stay. Who we are: see tools/update.py.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from tools import console, images, update
from tools.console import Failure

PATH = "/api/update/image"


def update_firmware(address: str, file: str | None = None) -> dict:
    """Bring the image in `file`, else ours or MicroPython's own, to the board; return what was done. Raises Failure."""
    # It needs esptool, which other updates over the air do not.
    from tools import chip as chips

    with contextlib.closing(update.Client(address)) as client:
        info = client.info()
        slots = client.json("GET", PATH)
        name = chips.chip_named(slots["chip"])
        if not name:
            raise Failure(f"The chip of the board at {client.address} is not known here: {slots['chip']}.")
        client.close()  # a download takes longer than the board waits
        image = file or find(name, info)
        app, found = load(image)
        if found["chip"] != name:
            raise Failure(f"{image} is for the {found['chip']}, but this board has the {name}: nothing was sent.")
        if len(app) > slots["bytes"]:
            raise Failure(f"{image} does not fit: {len(app):,} bytes, and a slot has {slots['bytes']:,}.")
        digest = hashlib.sha256(app).hexdigest()
        signature = {}
        if info.get("signed"):
            signature = update.sign(client, digest)
        console.note(f"{client.address}: {name}, MicroPython {slots['version']} in {slots['slot']}")
        send(client, app, f"Writing MicroPython {found['version']} to {slots['other']}")
        start(client, {"image": digest, "bytes": len(app), **signature})
        console.note("Starting anew.")
        now = wait(client, info["run"], slots["other"])
        return {
            **{"host": client.address, "chip": name, "image": str(image), "sha256": digest},
            **{"sent_bytes": len(app), "slot": now["slot"], "old_version": slots["version"], "version": now["version"]},
        }


def find(chip: str, info: dict) -> Path:
    """Return the image that `tools flash` would write. Raises Failure where the board's would lose what it runs."""
    ours = images.ours(chip)
    if ours is None and info.get("frozen"):
        raise Failure(
            f"This board's image has Limpet in it, and no image of ours is here for the {chip}: build one"
            f" (`python3 -m tools image {chip}`), or give one with --image FILE."
        )
    return ours or images.get(chip)


def load(file: str | Path) -> tuple[bytes, dict]:
    """Return the application of an image, and what it is: {"chip", "version"}; MicroPython's .app-bin is one itself."""
    from tools import chip as chips

    try:
        with open(file, "rb") as opened:
            data = opened.read(images.LARGEST_BYTES + 1)
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.") from error
    try:
        return chips.read_app(data)
    except Failure as error:
        raise Failure(f"{file}: {error}") from error


def send(client: update.Client, app: bytes, label: str) -> None:
    """Write the application to the slot that does not run."""
    try:
        with console.progress(label, len(app)) as bar:
            client.put(PATH, app, bar.update)
    except Failure as error:
        raise Failure(f"{error} {update.NOTHING_CHANGED}") from error


def start(client: update.Client, wanted: dict) -> None:
    """Have the board verify what was written and start anew from there."""
    try:
        client.json("POST", PATH, wanted)
    except update.Refusal as error:
        raise Failure(f"{error} {update.NOTHING_CHANGED}") from error
    except Failure as error:
        raise Failure(f"{error} It starts the old MicroPython or the new one: try again to see which.") from error


def wait(client: update.Client, run: str, slot: str) -> dict:
    """Wait until the board has started anew, and return its slots. Raises Failure where the new one does not run."""
    update.come_back(client, run, "A MicroPython that nobody reaches is")
    now = client.json("GET", PATH)
    if now["slot"] == slot:
        return now
    raise Failure(
        f"The new MicroPython has not come up: the board has gone back to {now['version']}.{update.reason(client)}"
    )


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser(
        "update-firmware", "Put MicroPython itself on a board over the network. Its files and settings stay."
    )
    parser.add_argument("--host", metavar="ADDRESS", required=True, help="the board, as in http://limpet.local")
    parser.add_argument("--image", metavar="FILE", help="this one (.bin or .app-bin) instead of ours or the pinned one")
    console.add_json(parser)
    options = parser.parse_args(argv)
    done = update_firmware(options.host, options.image)
    if options.json:
        console.print_json(done)
    else:
        console.say(
            f"{done['host']} runs MicroPython {done['version']} (before: {done['old_version']}). It stays once it has"
            " run for a minute; if the board is started anew before, it goes back to the old one.",
            "green",
        )
    return 0
