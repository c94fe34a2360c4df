"""tools/partitions.py: tables of a flash's partitions, byte by byte; and `flash --layout ota`."""

from __future__ import annotations

import hashlib
import struct
import sys

import pytest

if sys.version_info < (3, 10):
    pytest.skip("esptool 5, which flashes, needs Python 3.10", allow_module_level=True)

from host_tests.emulated_rom import FLASH_BYTES, Rom
from host_tests.esp_image import BOOTS_FROM, make_image
from host_tests.serial_lines import PtyLine
from tools import __main__, flash, partitions
from tools.console import Failure

MB = 1024 * 1024
# Two slots on 4 MB, as ESP-IDF reads them: type, subtype, place, size, name.
ENTRIES = [
    (1, 2, 0x9000, 0x4000, b"nvs"),
    (1, 0, 0xD000, 0x2000, b"otadata"),
    (1, 1, 0xF000, 0x1000, b"phy_init"),
    (0, 0x10, 0x10000, 0x1B0000, b"ota_0"),
    (0, 0x11, 0x1C0000, 0x1B0000, b"ota_1"),
    (1, 0x81, 0x370000, 0x90000, b"vfs"),
]


def table_of(entries):
    made = b"".join(struct.pack("<HBBII16sI", 0x50AA, *entry, 0) for entry in entries)
    made += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(made).digest()
    return made.ljust(0xC00, b"\xff")


# -- the table


def test_table_of_two_slots_is_that_of_esp_idf_byte_by_byte():
    assert partitions.make(partitions.two_slots(4 * MB)) == table_of(ENTRIES)


@pytest.mark.parametrize("size", [4 * MB, 8 * MB, 16 * MB])
def test_two_slots_fill_the_flash_and_do_not_overlap(size):
    table = partitions.two_slots(size)
    assert [part.at for part in table[1:]] == [part.end for part in table[:-1]]
    assert (table[0].at, table[-1].end) == (0x9000, size)
    slots = [part for part in table if part.type == partitions.APP]
    assert len({part.bytes for part in slots}) == 1
    assert all(part.at % 0x10000 == part.bytes % 0x10000 == 0 for part in slots)
    assert partitions.files(table, size).bytes >= 576 * 1024


def test_table_that_was_made_is_read_again():
    table = partitions.two_slots(4 * MB)
    assert partitions.read(b"before" + partitions.make(table), 6) == table
    damaged = bytearray(partitions.make(table))
    damaged[9] ^= 1
    with pytest.raises(Failure, match="MD5 of its partition table is wrong"):
        partitions.read(bytes(damaged), 0)


@pytest.mark.parametrize("size", [MB // 2, 2 * MB])
def test_small_flash_has_no_room_for_two_slots(size):
    with pytest.raises(Failure, match=f"need 4 MB of flash; this board has {size:,} bytes"):
        partitions.two_slots(size)


def test_app_is_the_factorys_else_the_first():
    table = partitions.two_slots(4 * MB)
    assert partitions.app(table).label == "ota_0"
    factory = partitions.Partition("factory", partitions.APP, partitions.FACTORY, 0x380000, 0x1000)
    assert partitions.app([*table, factory]) == factory


def test_files_are_in_vfs_else_in_what_is_left_of_the_flash():
    table = partitions.two_slots(4 * MB)
    assert partitions.files(table, 8 * MB) == table[-1]
    left = partitions.files(table[:-1], 8 * MB)
    assert (left.at, left.end) == (0x370000, 8 * MB)
    for size in (None, 0x370000):
        with pytest.raises(Failure, match="leaves no room for files"):
            partitions.files(table[:-1], size)


# -- on a board


@pytest.fixture
def image(tmp_path):
    """A function that writes an image for a chip, and returns its path and content."""

    def write(chip="ESP32", **options):
        path = tmp_path / f"{chip}.bin"
        path.write_bytes(make_image(chip, version="1.29.0", **options))
        return path, path.read_bytes()

    return write


def again(rom):
    """Return the same chip, in its bootloader."""
    there = Rom(rom.name)
    there.flash[:] = rom.flash
    return there


@pytest.mark.parametrize("chip", ["ESP32", "ESP32-S3", "ESP32-C5"])
def test_layout_is_written_with_the_image(image, chip):
    path, content = image(chip)
    with PtyLine(Rom(chip)) as line:
        status = __main__.main(["flash", "--port", line.name, "--image", str(path), "--layout", "ota"])
    assert status == 0
    at = BOOTS_FROM[chip]
    expected = bytearray(b"\xff" * FLASH_BYTES)
    expected[at : at + len(content)] = content
    expected[0x8000:0x8C00] = table_of(ENTRIES)
    assert line.rom.flash == expected


def test_image_that_is_larger_than_a_slot_is_refused(image):
    path, content = image(app_bytes=0x1B0000)
    assert len(content) < 0x1F0000
    rom = Rom("ESP32")
    with PtyLine(rom) as line, pytest.raises(Failure) as raised:
        flash.flash(line.name, str(path), layout=flash.OTA)
    size = len(content) - (0x10000 - 0x1000)
    assert str(raised.value).startswith(
        f"{path} does not fit into one of two slots: it has {size:,} bytes, and the slot 1,769,472. Nothing was"
        " written. "
    )
    assert rom.flash.count(0xFF) == FLASH_BYTES


def test_board_that_has_two_slots_keeps_them_and_begins_with_the_first(image, capsys):
    path, _ = image()
    rom = Rom("ESP32")
    with PtyLine(rom) as line:
        flash.flash(line.name, str(path), layout=flash.OTA)
    # An update over the network has chosen the second slot; the board's files are where they are.
    rom.flash[0xD000:0xD020] = b"\1" * 32
    rom.flash[0x370000:0x370004] = b"data"
    path, content = image(app_bytes=50_000)
    for layout in (None, flash.OTA):
        rom = again(rom)
        with PtyLine(rom) as line:
            flash.flash(line.name, str(path), layout=layout)
        assert rom.flash[0x8000:0x8C00] == table_of(ENTRIES)
        assert rom.flash[0xD000:0xF000] == b"\xff" * 0x2000
        assert rom.flash[0x10000 : 0x10000 + 50_000] == content[0xF000 : 0xF000 + 50_000]
        assert rom.flash[0x370000:0x370004] == b"data"
    assert "This board has two slots for MicroPython: it keeps them." in capsys.readouterr().err
    rom = again(rom)
    with PtyLine(rom) as line:
        flash.flash(line.name, str(path), erase=True)
    assert partitions.read(bytes(rom.flash), 0x8000)[-1].at == 0x200000


def test_board_with_files_elsewhere_is_not_divided_anew_unless_it_is_erased(image):
    path, content = image()
    rom = Rom("ESP32")
    rom.flash[0x1000 : 0x1000 + len(content)] = content
    before = bytes(rom.flash)
    with PtyLine(rom) as line, pytest.raises(Failure, match="divided otherwise, and its files would be lost; nothing"):
        flash.flash(line.name, str(path), layout=flash.OTA)
    assert rom.flash == before
    rom = again(rom)
    with PtyLine(rom) as line:
        flash.flash(line.name, str(path), erase=True, layout=flash.OTA)
    assert rom.flash[0x8000:0x8C00] == table_of(ENTRIES)


def test_image_for_a_larger_flash_is_refused(image):
    path, _ = image(files_bytes=0x600000)
    with PtyLine(Rom("ESP32")) as line, pytest.raises(Failure, match="this board's flash has 4,194,304 bytes"):
        flash.flash(line.name, str(path))
