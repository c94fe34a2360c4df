"""MicroPython itself over the air: an image goes to the application slot that does not run, and is started from there.

`write` puts it there while the board serves. `prepare` reads it back, and `commit` has the boot loader start it next.
From then on it is on trial, by the rule of a tree. A journal without steps stands for the way back: boot.py follows it,
and `boots` ends it. The mark says that the trial is an image's. `boots` has the boot loader keep an image that has
passed its trial; any other start makes the boot loader return to the old one.

MicroPython's own images have the boot loader's roll-back (CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE in its
sdkconfig.base). With a boot loader that has none, an image that does not come up stays.

An image's head is ESP-IDF's (esp_image_header_t): a magic byte, the chip's number at 12; at 32 an application's
description begins, with a magic word of its own.
"""

import os
from binascii import hexlify
from hashlib import sha256

import firmware.board as board
from firmware.board import boots, update
from firmware.http.errors import HTTPError
from firmware.http.native import const

try:
    from esp32 import Partition
except ImportError:
    Partition = None  # a laptop

_HEAD_BYTES = const(36)
_CHIP = const(12)
_APP = const(32)
_MAGIC = const(0xE9)
_APP_MAGIC = b"\x32\x54\xcd\xab"

# What the flash erases at once: some 40 ms, in which nobody else is served. 6: MP_BLOCKDEV_IOCTL_BLOCK_ERASE.
_BLOCK_BYTES = const(4096)
_ERASE = const(6)

_PIECE_BYTES = const(1024)


def report():
    """Return {"slot" that runs, "other", "bytes" that one has, "chip": its number in images, "version"}. Raises 409."""
    running, other = _slots()
    chip = _head(running)[_CHIP : _CHIP + 2]
    return {
        "slot": running.info()[4],
        "other": other.info()[4],
        "bytes": other.info()[3],
        "chip": chip[0] | chip[1] << 8,
        "version": board.python()["version"],
    }


def _slots():
    """Return (the slot that runs, the other). Raises 409 where there is one alone."""
    if Partition:
        running = Partition(Partition.RUNNING)
        try:
            other = running.get_next_update()
            if other.info()[2] != running.info()[2]:
                return running, other
        except OSError:
            pass  # it says that there is none
    raise HTTPError(409, "This board has one slot for MicroPython: `python3 -m tools flash --layout ota` makes two.")


async def write(source, size):
    """Write what `source`, an asynchronous iterator, yields; `size` bytes, None where that is not known.

    Raises 409 where there is one slot, 413 for what is larger, 422 for what is no image for this chip.
    """
    running, other = _slots()
    most = other.info()[3]
    at = 0
    _check_size(size or 0, most)
    async for data in source:
        _check_size(at + len(data), most)
        while data:
            block, offset = at // _BLOCK_BYTES, at % _BLOCK_BYTES
            if not offset:
                other.ioctl(_ERASE, block)
                await board.sleep_ms(0)
            piece = data[: _BLOCK_BYTES - offset]
            other.writeblocks(block, piece, offset)
            was, at = at, at + len(piece)
            if was < _HEAD_BYTES <= at:
                _check_head(running, other)
            data = data[len(piece) :]


async def prepare(wanted, size):
    """Read the image of `size` bytes back. Raises 409 unless its SHA-256 is `wanted`, 413 and 422 as `write`."""
    running, other = _slots()
    _check_size(size, other.info()[3])
    view = memoryview(bytearray(_PIECE_BYTES))
    found = sha256()
    for at in range(0, size, _PIECE_BYTES):
        piece = view[: min(size - at, _PIECE_BYTES)]
        other.readblocks(at // _BLOCK_BYTES, piece, at % _BLOCK_BYTES)
        found.update(piece)
        if not at % _BLOCK_BYTES:
            await board.sleep_ms(0)
    if hexlify(found.digest()).decode() != wanted:
        raise HTTPError(409, "The image is not there.")
    _check_head(running, other)


def commit():
    """Begin the trial: the next start is the image's. Raises 422 where the boot loader would not start it."""
    home = update.home()
    try:
        os.mkdir(home[:-1])
    except OSError:
        pass  # it is there
    # The journal first: an image that nothing here knows of would never be kept.
    for name, text in ((boots.IMAGE_MARK, ""), ("~back", ""), ("~there", "~back %strial\n" % home)):
        with open(home + name, "w") as file:
            file.write(text)
    update.commit()
    try:
        _slots()[1].set_boot()
    except OSError as error:
        os.remove(home + "switch")
        update.remove_kept()
        raise HTTPError(422, "The boot loader does not take this image: %s" % error)


def _check_size(size, most):
    if size > most:
        raise HTTPError(413, "An image may have %d bytes here." % most)


def _check_head(running, other):
    head = _head(other)
    if head[0] != _MAGIC or head[_APP:] != _APP_MAGIC:
        raise HTTPError(422, "This is no image of MicroPython alone: take the .app-bin.")
    if head[_CHIP : _CHIP + 2] != _head(running)[_CHIP : _CHIP + 2]:
        raise HTTPError(422, "The image is for another chip.")


def _head(slot):
    head = bytearray(_HEAD_BYTES)
    slot.readblocks(0, head, 0)
    return head
