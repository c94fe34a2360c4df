"""tools/boards: the board definitions by which MicroPython's build makes images of ours, without that build."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from host_tests.conftest import CI
from tools import freeze, image, images
from tools.devices import chip_of

BOARDS = freeze.BOARDS
CHIPS = sorted(image.chips())

# ESP-IDF: an app begins at a multiple of 64 KB, anything else at one of 4 KB; the partition table itself is at 0x8000.
APP_ALIGNMENT, ALIGNMENT = 0x10000, 0x1000
FIRST_PARTITION = 0x9000
# Where the file system begins on a board that has one of MicroPython's own images.
FILES_AT = 0x200000
FLASH_BYTES = 4 * 1024 * 1024

# Written by the heap's macro, run on this machine: how many bytes a heap gets of what the system has free.
HEAP = """
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mpconfigboard.h"
static uint32_t esp_get_free_heap_size(void) { return FREE; }
_Static_assert(MICROPY_PY_BLUETOOTH == 0 && MICROPY_VFS_ROM == 1 && MICROPY_HW_ENABLE_UART_REPL == 1, "shared");
int main(void) {
    void *area = MP_PLAT_ALLOC_HEAP(AREA);
    printf("%d %d " MICROPY_HW_BOARD_NAME " with " MICROPY_HW_MCU_NAME, area != NULL, MICROPY_GC_INITIAL_HEAP_SIZE);
    return 0;
}
"""


def folder(chip):
    return BOARDS / f"LIMPET_{chip.replace('-', '_')}"


def settings(file):
    """Return [(name, value, the comment above)] of an sdkconfig file; AssertionError for a line that is none."""
    found, comment = [], ""
    for line in file.read_text().splitlines():
        if not line:
            comment = ""
        elif line.startswith("#"):
            comment += line[1:]
        else:
            match = re.fullmatch(r"CONFIG_([A-Z][A-Z0-9_]*)=(y|n|\d+|0x[0-9A-Fa-f]+|\"[^\"]*\")", line)
            assert match, line
            found.append((*match.groups(), comment))
    return found


def partitions():
    """Return [(name, type, offset, size)] of the partition table."""
    lines = [line for line in (BOARDS / "partitions.csv").read_text().splitlines() if not line.startswith("#")]
    rows = [[field.strip() for field in line.split(",")] for line in lines]
    return [(name, kind, int(offset, 16), int(size, 16)) for name, kind, _, offset, size, _ in rows]


def test_every_chip_has_a_board_and_every_board_a_chip():
    assert sorted(path.name for path in BOARDS.glob("LIMPET_*")) == [folder(chip).name for chip in CHIPS]
    for chip in CHIPS:
        assert {path.name for path in folder(chip).iterdir()} == {"mpconfigboard.cmake", "mpconfigboard.h"}


@pytest.mark.parametrize("chip", CHIPS)
def test_board_builds_on_what_micropython_has_for_the_chip(chip):
    lines = (folder(chip) / "mpconfigboard.cmake").read_text().splitlines()
    assert lines[0] == f"include(boards/mpconfigboard_{chip.replace('-', '').lower()}_common.cmake)"
    # Ours comes last: of two settings the later counts.
    assert lines[-1] == "include(${MICROPY_BOARD_DIR}/../limpet.cmake)"


def test_shared_files_are_there():
    text = (BOARDS / "limpet.cmake").read_text()
    named = set(re.findall(r"\$\{LIMPET_DIR\}/([a-z0-9.]+)", text))
    assert named == {"esp32.py", "sdkconfig.limpet", "partitions.csv"}
    assert all((BOARDS / name).is_file() for name in named)
    assert "set(MICROPY_FROZEN_MANIFEST ${LIMPET_DIR}/esp32.py)" in text
    for name in ("esp32.py", "unix.py"):
        assert (BOARDS / name).read_text().splitlines()[-1] == 'include("manifest.py")'


def test_settings_of_esp_idf_are_well_formed_and_have_reasons():
    found = settings(BOARDS / "sdkconfig.limpet")
    names = [name for name, _, _ in found]
    assert len(set(names)) == len(names)
    assert all(len(comment) > 40 for _, _, comment in found)
    values = {name: value for name, value, _ in found}
    assert values["BT_ENABLED"] == "n"
    # lwIP's documentation: a send buffer and a window hold two segments of 1,440 bytes at least.
    assert min(int(values[f"LWIP_TCP_{name}_DEFAULT"]) for name in ("SND_BUF", "WND")) >= 2 * 1440
    # ESP-IDF: buffers of the driver are no fewer than the packets of a block (6 by default).
    assert int(values["ESP_WIFI_DYNAMIC_RX_BUFFER_NUM"]) > int(values["ESP_WIFI_STATIC_RX_BUFFER_NUM"]) > 6


def test_partitions_do_not_overlap_and_leave_the_file_system_where_it_is():
    end = FIRST_PARTITION
    for name, kind, offset, size in partitions():
        assert offset >= end and size > 0, name
        assert offset % (APP_ALIGNMENT if kind == "app" else ALIGNMENT) == 0 and size % ALIGNMENT == 0, name
        end = offset + size
    assert end == FILES_AT <= FLASH_BYTES
    assert [name for name, kind, *_ in partitions() if kind == "app"] == ["factory"]
    # The driver that limpet.h switches on looks for this name (ports/esp32/esp32_partition.c).
    assert [name for name, kind, *_ in partitions() if kind == "data"] == ["nvs", "phy_init", "romfs"]


def test_image_like_those_that_were_built_fits_its_partition():
    """1,666,880 bytes: an ESP32's with all of ours frozen; those for RISC-V are as large as MicroPython's own."""
    (size,) = [size for name, _, _, size in partitions() if name == "factory"]
    largest = max(row["bytes"] or 0 for row in images.table()["images"])
    assert size > 1_666_880 + 200_000 and size > largest


@pytest.mark.parametrize("chip", CHIPS)
def test_heap_grows_only_while_the_system_keeps_its_share(chip, tmp_path):
    if not shutil.which("gcc"):
        assert not CI
        pytest.skip("no gcc, which reads the boards' headers: install it")

    def heap(free, area):
        (tmp_path / "heap.c").write_text(HEAP)
        options = [f"-DFREE={free}", f"-DAREA={area}", f"-I{folder(chip)}", "-Wall", "-Wextra", "-Werror"]
        subprocess.run(["gcc", *options, "heap.c", "-o", "heap"], cwd=tmp_path, check=True)
        done, first, name = subprocess.run([tmp_path / "heap"], capture_output=True, text=True).stdout.split(" ", 2)
        assert chip_of(name.strip()) == chip and name.startswith("Limpet with ")
        return done == "1", int(first)

    is_given, first = heap(197_760 + 56 * 1024, 64 * 1024)
    assert is_given
    # With Wi-Fi on: a second area as large as the first, and none that takes what is left in one piece.
    joined = 151_384 + 56 * 1024 - first
    assert heap(joined, first)[0]
    assert not heap(joined - first, joined - first - 20 * 1024)[0]
    # With megabytes there is always more.
    assert heap(4 * 1024 * 1024, 2 * 1024 * 1024)[0]
