"""A flash's partition table, as ESP-IDF has it: entries of 32 bytes, then one with the MD5 of those before it.

Others call these four:

    read(data, at) -> [Partition]       make(partitions) -> bytes       two_slots(flash_bytes) -> [Partition]
    with_two_slots(image, offset, flash_bytes, name) -> image
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

from tools.console import Failure

# Where it is in flash, and how much of that sector it may fill.
ADDRESS = 0x8000
TABLE_BYTES = 0xC00

_ENTRY = "<2sBBII16sI"
_ENTRY_BYTES = struct.calcsize(_ENTRY)
_MAGIC = b"\xaa\x50"
_MD5_HEAD = b"\xeb\xeb" + b"\xff" * 14

APP, DATA = 0, 1
# Subtypes: of apps, one that is alone, and the first of several that take turns; of data, those that ESP-IDF knows.
FACTORY, OTA_0 = 0x00, 0x10
OTA_DATA, PHY, NVS, FAT = 0x00, 0x01, 0x02, 0x81

# What MicroPython's flashbdev.py looks for.
FILES = "vfs"

SECTOR_BYTES = 0x1000
# An app is mapped into memory by pages of this size.
APP_ALIGNMENT = 0x10000

FIRST_SLOT = 0x10000
# What two slots leave for files: three times what Limpet's pages take, where it is frozen into the image (all of it as
# files takes 800 KB). On 4 MB each slot has 0x1B0000 then, of which MicroPython 1.29 for the ESP32 leaves 40 KB, and an
# image of one's own some 160.
FILES_BYTES = 0x90000
# With less there is no MicroPython for the ESP32 that fits twice.
LEAST_FLASH_BYTES = 0x400000
# No MicroPython is larger than this. What a larger flash has more is for files.
LARGEST_SLOT = 0x280000


class Partition(NamedTuple):
    """A piece of the flash, in bytes."""

    label: str
    type: int
    subtype: int
    at: int
    bytes: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.at + self.bytes


def read(data: bytes, at: int) -> list[Partition]:
    """Return the table at `at` of the data. Raises Failure where there is none, or its MD5 is wrong."""
    found, start = [], at
    while data[at : at + 2] == _MAGIC:
        _, kind, subtype, address, size, label, _ = struct.unpack_from(_ENTRY, data.ljust(at + _ENTRY_BYTES, b"\0"), at)
        found.append(Partition(label.rstrip(b"\0").decode("ascii", "replace"), kind, subtype, address, size))
        at += _ENTRY_BYTES
    if not any(part.type == APP for part in found):
        raise Failure("Not a whole image: it has no partition table (take the .bin, not the .app-bin or .uf2).")
    if data[at : at + _ENTRY_BYTES] != _MD5_HEAD + hashlib.md5(data[start:at]).digest():
        raise Failure("The image is damaged: the MD5 of its partition table is wrong.")
    return found


def make(partitions: list[Partition]) -> bytes:
    """Return the table, in the length that ESP-IDF's own tool makes."""
    table = b"".join(
        struct.pack(_ENTRY, _MAGIC, part.type, part.subtype, part.at, part.bytes, part.label.encode(), 0)
        for part in partitions
    )
    table += _MD5_HEAD + hashlib.md5(table).digest()
    return table.ljust(TABLE_BYTES, b"\xff")


def two_slots(flash_bytes: int) -> list[Partition]:
    """Return a table with two slots for MicroPython, so that it can be updated over the network; files get the rest.

    Raises Failure where the flash is too small for it.
    """
    if flash_bytes < LEAST_FLASH_BYTES:
        raise Failure(f"Two slots for MicroPython need 4 MB of flash; this board has {flash_bytes:,} bytes.")
    slot = min((flash_bytes - FIRST_SLOT - FILES_BYTES) // 2 // APP_ALIGNMENT * APP_ALIGNMENT, LARGEST_SLOT)
    first = Partition("ota_0", APP, OTA_0, FIRST_SLOT, slot)
    second = Partition("ota_1", APP, OTA_0 + 1, first.end, slot)
    return [
        # Where MicroPython's own tables for two slots have them.
        Partition("nvs", DATA, NVS, 0x9000, 0x4000),
        Partition("otadata", DATA, OTA_DATA, 0xD000, 0x2000),
        Partition("phy_init", DATA, PHY, 0xF000, 0x1000),
        first,
        second,
        Partition(FILES, DATA, FAT, second.end, flash_bytes - second.end),
    ]


def with_two_slots(image: bytes, offset: int, flash_bytes: int | None, name: str) -> bytes:
    """Return an image, which is written to `offset` of the flash, with a table of two slots. Raises Failure.

    What it has between table and app is unwritten flash; so nothing is chosen (`otadata`), and the first slot starts.
    """
    if not flash_bytes:
        raise Failure("This board does not tell how much flash it has: give no --layout.")
    at = ADDRESS - offset
    place, table = app(read(image, at)), two_slots(flash_bytes)
    slot, size = app(table), len(image) - (place.at - offset)
    if place.at != slot.at or size > slot.bytes:
        raise Failure(
            f"{name} does not fit into one of two slots: it has {size:,} bytes, and the slot {slot.bytes:,}. Nothing"
            " was written. An image of one's own is smaller (`python3 -m tools image`); --erase without --layout makes"
            " one slot."
        )
    unwritten = b"\xff" * (slot.at - ADDRESS - TABLE_BYTES)
    return image[:at] + make(table) + unwritten + image[slot.at - offset :]


def app(partitions: list[Partition]) -> Partition:
    """Return the partition of the app that the chip starts when nothing else is said."""
    apps = [part for part in partitions if part.type == APP]
    return next((part for part in apps if part.subtype == FACTORY), apps[0])


def files(partitions: list[Partition], flash_bytes: int | None) -> Partition:
    """Return where MicroPython has its files: in `vfs`, else in all that is left of the flash. Raises Failure."""
    found = next((part for part in partitions if part.label == FILES), None)
    if found:
        return found
    # As its main.c does (`boardctrl_startup`), from 1.26 on.
    end = max(part.end for part in partitions)
    if not flash_bytes or flash_bytes <= end:
        raise Failure("The image leaves no room for files: flash it without --wifi, then use `deploy`.")
    return Partition(FILES, DATA, FAT, end, flash_bytes - end)
