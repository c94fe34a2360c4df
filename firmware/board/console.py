"""What a board that serves tells a laptop over the serial line: `tools deploy` need not stop it to find no change.

Who asks sends a Ctrl-T (`board.take_turn`). The answer is lines among all others that are printed:

    limpet: asked {"version", "machine", "mpy", "image", "python_bytes", "networks", "address"}    JSON
    SHA256 PATH, or "/ FOLDER"                                                                      what is there
    limpet: answered, or "limpet: asked in vain: " and why
"""

import asyncio
import json

import firmware.board as board
from firmware.board import recovery, settings, update


def begin(python_bytes):
    """Begin to tell, beside all that is served; a laptop's own server tells nothing."""
    if recovery.root is not None:
        asyncio.create_task(_begin(python_bytes))


async def _begin(python_bytes):
    try:
        await _tell(python_bytes)
    except Exception as error:
        print("limpet: asked in vain:", repr(error))


async def _tell(python_bytes):
    about = {
        "version": board.python()["version"],
        "machine": board.NAME,
        "mpy": update.mpy_format(),
        "image": update.frozen(),
        "python_bytes": python_bytes,
        "networks": len(settings.current["networks"]),
        "address": _address(),
    }
    print("limpet: asked", json.dumps(about))
    for path, is_folder in update.walk():
        print(await update.describe(path, is_folder), end="")
    print("limpet: answered")


def _address():
    """Return where the site is, None while it is in no network."""
    # No import of `wifi`: a laptop has none.
    if not board.link or board.link.state != "connected":
        return None
    port = settings.current["ports"]["http"]
    return "http://%s%s/" % (board.link.address, "" if port == 80 else ":%d" % port)
