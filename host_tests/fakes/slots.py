"""MicroPython's `esp32.Partition` and the chip's boot loader, for CPython and MicroPython's unix port.

Follows ports/esp32/esp32_partition.c of MicroPython 1.25; components/app_update/esp_ota_ops.c and bootloader_utility.c
of ESP-IDF 5 with CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE. The flash is in the folder `$FAKE_BOARD`: `ota_0` and `ota_1`,
as large as the slots; `otadata`, two sectors; and `running`, which slot the boot loader has started. Without these the
flash has one slot.

What an image has in it matters to nobody here but for its head, and its end, the SHA-256 of all before (`make`).
"""

import hashlib
import os
import struct
from binascii import crc32

BLOCK = 4096
BLOCKS = 4
LABELS = ("ota_0", "ota_1")

# esp_ota_img_states_t
NEW, PENDING, VALID, INVALID, ABORTED = range(5)

_FLASH = os.getenv("FAKE_BOARD") or "."
_BLANK = b"\xff" * BLOCK

# Not one that somebody has put in its place: what is done here is the flash's.
_open = open

# Called before each write to the flash.
cut = None


def make(words, blocks=2, chip=0):
    """Return an image of nearly so many blocks."""
    head = bytearray(32)
    head[0] = 0xE9
    head[12] = chip
    data = bytes(head) + struct.pack("<I", 0xABCD5432) + words.encode()
    data += b"\x01\x23" * ((blocks * BLOCK - len(data)) // 2 - 50)
    return data + hashlib.sha256(data).digest()


def is_whole(data):
    """Tell whether a slot begins with an image that the boot loader starts."""
    at = len(data.rstrip(b"\xff"))
    # The last bytes of a sum may look like nothing.
    sums = ((data[: end - 32], data[end - 32 : end]) for end in range(at, min(at + 32, len(data)) + 1))
    return data[:1] == b"\xe9" and any(hashlib.sha256(before).digest() == found for before, found in sums)


def divide(folder, image):
    """Make a flash of two slots in the folder, the first with an image in it."""
    for name, data in (("ota_0", image), ("ota_1", b""), ("otadata", b"")):
        size = (2 if name == "otadata" else BLOCKS) * BLOCK
        with _open("%s/%s" % (folder, name), "wb") as file:
            file.write(data + b"\xff" * (size - len(data)))


def boot():
    """Do what the boot loader does: choose a slot; return its label."""
    records = _records()
    for index in (0, 1):
        if records[index] and records[index][1] == PENDING:
            _write_record(index, records[index][0], ABORTED)
    active = _active()
    if active is None:
        chosen = 0
        if not any(_records()):
            _write_record(0, 1, VALID)
    else:
        sequence, state = _records()[active]
        chosen = (sequence - 1) % 2
        if state == NEW:
            _write_record(active, sequence, PENDING)
    if not is_whole(_read(LABELS[chosen])):
        chosen = 1 - chosen
        assert is_whole(_read(LABELS[chosen])), "the board is dead"
    with _open(_FLASH + "/running", "w") as file:
        file.write(LABELS[chosen])
    return LABELS[chosen]


def state():
    """Return {label: state} of the slots that the boot loader knows of."""
    return {LABELS[(record[0] - 1) % 2]: record[1] for record in _records() if record}


class Partition:
    BOOT = 0
    RUNNING = 1
    TYPE_APP = 0
    TYPE_DATA = 1

    def __init__(self, which):
        if which == Partition.RUNNING:
            which = _running()
        elif which == Partition.BOOT:
            active = _active()
            which = LABELS[(_records()[active][0] - 1) % 2] if active is not None else _running() and "ota_0"
        self._label = which

    def info(self):
        if self._label == "factory":
            return 0, 0, 0x10000, 0x1F0000, "factory", False
        at = LABELS.index(self._label)
        return 0, 16 + at, 0x10000 + at * BLOCKS * BLOCK, BLOCKS * BLOCK, self._label, False

    def get_next_update(self):
        if self._label == "factory":
            raise OSError(2)
        return Partition(LABELS[1 - LABELS.index(self._label)])

    def readblocks(self, block, buffer, offset=0):
        at = block * BLOCK + offset
        self._check(at, len(buffer))
        buffer[:] = _read(self._label)[at : at + len(buffer)]

    def writeblocks(self, block, data, offset=None):
        if offset is None:
            for number in range(len(data) // BLOCK):
                self.ioctl(6, block + number)
        at = block * BLOCK + (offset or 0)
        self._check(at, len(data))
        # Flash that is written can lose bits, and gets none.
        there = _read(self._label)[at : at + len(data)]
        _write(self._label, at, bytes(old & new for old, new in zip(there, data)))

    def ioctl(self, command, argument):
        if command == 4:
            return BLOCKS
        if command == 5:
            return BLOCK
        if command == 6:
            self._check(argument * BLOCK, BLOCK)
            _write(self._label, argument * BLOCK, _BLANK)
            return 0

    def set_boot(self):
        if not is_whole(_read(self._label)):
            raise OSError(-0x1503, "ESP_ERR_OTA_VALIDATE_FAILED")
        index = LABELS.index(self._label)
        active = _active()
        sequence = _records()[active][0] if active is not None else 0
        sequence += 1
        while (sequence - 1) % 2 != index:
            sequence += 1
        # The record of the one that runs stays.
        _write_record(1 - active if active is not None else 0, sequence, NEW)

    @staticmethod
    def mark_app_valid_cancel_rollback():
        active = _active()
        if active is None:
            raise OSError(-1, "ESP_FAIL")
        sequence, state = _records()[active]
        if state != VALID:
            _write_record(active, sequence, VALID)

    def _check(self, at, size):
        if at + size > BLOCKS * BLOCK:
            raise OSError(-0x104, "ESP_ERR_INVALID_SIZE")
        assert self._label != "factory"


def _running():
    try:
        with _open(_FLASH + "/running") as file:
            return file.read()
    except OSError:
        return "factory"


def _records():
    """Return (sequence, state) of both records of the boot loader's data, None for one that is none."""
    found = []
    for index in (0, 1):
        raw = _read("otadata")[index * BLOCK : index * BLOCK + 32]
        sequence, state, check = struct.unpack("<I", raw[:4])[0], raw[24], struct.unpack("<I", raw[28:])[0]
        is_one = sequence != 0xFFFFFFFF and check == _check_of(sequence)
        found.append((sequence, state) if is_one else None)
    return found


def _active():
    """Return the number of the record that counts, None where there is none."""
    found = [
        (record[0], index) for index, record in enumerate(_records()) if record and record[1] not in (INVALID, ABORTED)
    ]
    return max(found)[1] if found else None


def _write_record(index, sequence, state):
    raw = struct.pack("<I", sequence) + b"\xff" * 20 + struct.pack("<II", state, _check_of(sequence))
    _write("otadata", index * BLOCK, _BLANK)
    _write("otadata", index * BLOCK, raw)


def _check_of(sequence):
    return crc32(struct.pack("<I", sequence), 0xFFFFFFFF) & 0xFFFFFFFF


def _read(name):
    with _open("%s/%s" % (_FLASH, name), "rb") as file:
        return file.read()


def _write(name, at, data):
    if cut:
        # The power may go in its middle.
        _write_now(name, at, data[: len(data) // 2])
        cut()
    _write_now(name, at, data)


def _write_now(name, at, data):
    with _open("%s/%s" % (_FLASH, name), "r+b") as file:
        file.seek(at)
        file.write(data)
