"""Images as MicroPython's are, made for the tests: bootloader, partition table and app with all their sums.

Two functions are for others:

    make_image("ESP32-S3", version) -> bytes      app_version(flash, boots_from) -> the version the chip would start
"""

from __future__ import annotations

import hashlib
import random
import struct

# The chip's number in an image's header, and where in flash its ROM looks for the first image.
IMAGE_ID = {
    **{"ESP32": 0, "ESP32-S2": 2, "ESP32-S3": 9},
    **{"ESP32-C2": 12, "ESP32-C3": 5, "ESP32-C5": 23, "ESP32-C6": 13},
}
BOOTS_FROM = {
    **{"ESP32": 0x1000, "ESP32-S2": 0x1000, "ESP32-S3": 0x0},
    **{"ESP32-C2": 0x0, "ESP32-C3": 0x0, "ESP32-C5": 0x2000, "ESP32-C6": 0x0},
}
# Where the chip sees an app's constants, which begin with its description.
CONSTANTS_AT = {
    **{"ESP32": 0x3F400020, "ESP32-S2": 0x3F000020, "ESP32-S3": 0x3C000020},
    **{"ESP32-C2": 0x3C000020, "ESP32-C3": 0x3C000020, "ESP32-C5": 0x42000020, "ESP32-C6": 0x42000020},
}


def checksum(data: bytes) -> int:
    """Return the one-byte sum of Espressif's images and commands."""
    result = 0xEF
    for byte in data:
        result ^= byte
    return result


def make_image(name: str, version: str = "1.29.0", app_bytes: int = 100_000, ids=None, files_bytes=0x200000) -> bytes:
    """Return an image as MicroPython's are: bootloader, partition table, app, from where the chip boots on.

    `ids` are the chip's numbers in the headers of bootloader and app, where they are to be wrong; `files_bytes` what
    the partition for files has, 0 for none.
    """
    boots_from = BOOTS_FROM[name]
    boot_id, app_id = ids or (IMAGE_ID[name], IMAGE_ID[name])
    # Compresses to about half, as code does.
    app = struct.pack("<I12x32s32s176x", 0xABCD5432, f"v{version}".encode(), b"micropython")
    app += random.Random(name).randbytes(app_bytes // 2) + b"code" * (app_bytes // 8)
    table = struct.pack("<HBBII16sI", 0x50AA, 1, 2, 0x9000, 0x6000, b"nvs", 0)
    table += struct.pack("<HBBII16sI", 0x50AA, 0, 0, 0x10000, 0x1F0000, b"factory", 0)
    table += struct.pack("<HBBII16sI", 0x50AA, 1, 129, 0x200000, files_bytes, b"vfs", 0) if files_bytes else b""
    table += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(table).digest()
    image = _part(boot_id, 0x3FFF0030, b"bootloader" * 100).ljust(0x8000 - boots_from, b"\xff") + table
    return image.ljust(0x10000 - boots_from, b"\xff") + _part(app_id, CONSTANTS_AT[name], app)


def _part(image_id: int, address: int, data: bytes) -> bytes:
    """Return a bootloader or an app of one segment: head, segment, checksum, SHA-256."""
    data += b"\0" * (-len(data) % 4)
    head = struct.pack("<BBBBI", 0xE9, 1, 2, 0x20, 0x40080000)
    head += struct.pack("<BBBBHBHHBBBBB", 0xEE, 0, 0, 0, image_id, 0, 0, 0xFFFF, 0, 0, 0, 0, 1)
    part = head + struct.pack("<II", address, len(data)) + data
    part += b"\0" * (15 - len(part) % 16) + bytes([checksum(data)])
    return part + hashlib.sha256(part).digest()


def app_version(flash: bytes, boots_from: int) -> str | None:
    """Return the version of the app that the chip would start, None when there is none."""
    if flash[boots_from] != 0xE9 or flash[0x10000] != 0xE9:
        return None
    (magic, version) = struct.unpack_from("<I12x32s", flash, 0x10000 + 32)
    return version.rstrip(b"\0").decode().lstrip("v") if magic == 0xABCD5432 else None
