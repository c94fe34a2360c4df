"""A plain ESP32's two heaps: Python's grows into the one that Wi-Fi and TCP live in, and is kept from it.

MicroPython itself, built with the heaps of the chip (host_tests/heaps), runs boot.py, main.py and the real server. What
Wi-Fi, clients and threads take of the system's heap is taken there as measured on the chip; it joins, is visited, and
the system's heap never falls below what TCP needs.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time

import pytest

from host_tests.heaps.chip import AREA_BYTES, OWN, STOCK, Chip
from host_tests.servers import HOST, SOCKET_TIMEOUT_S, read_response
from tools import ROOT, manifest

# Half a minute each to build MicroPython, once.

# What the system's heap keeps: TCP stalls with less.
FLOOR_BYTES = 8192
# Where Python's heap is of a fixed size.
OWN_FLOOR_BYTES = 24576

PARTS = (
    *("/", "/app.js", "/api/status", "/api/readings", "/api/led", "/users", "/api/files", "/api/session"),
    *("/api/settings", "/api/pins", "/api/log", "/api/tokens", "/api/update", "/metrics", "/nothing"),
)


def build(source, tree):
    """Lay the compiled tree of `source` at `tree`."""
    for path, data in manifest.build(source, "x86").items():
        file = tree / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


@pytest.fixture
def site_tree(tmp_path):
    """The tree of the shipped site."""
    build(ROOT, tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture
def started(tmp_path):
    """Start a chip that knows the network in range."""
    chips = []

    def start(tree, memory=STOCK, is_frozen=False, **options):
        chip = Chip(tmp_path / "flash", tree, memory, is_frozen)
        chips.append(chip)
        chip.network()
        return chip.start(**options)

    yield start
    for chip in chips:
        print(chip.console)
        if chip.process.poll() is None:
            chip.cut()


def visit(chip, paths, most_failed=0):
    """Ask for all of them; what is short of memory is asked for again, so often in all."""
    failed = 0
    with chip.client() as client:
        for path in paths:
            while client.get(path).status_code not in (200, 204, 404):
                failed += 1
                assert failed <= most_failed, (path, chip.heaps())
                time.sleep(1)  # Retry-After


def four_clients(chip, path):
    """Ask for `path` from four clients who read slowly; return their answers' statuses."""
    statuses = []

    def ask():
        with socket.socket() as client:
            client.settimeout(SOCKET_TIMEOUT_S)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect((HOST, chip.port))
            client.sendall(b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" % path.encode())
            time.sleep(1)
            try:
                statuses.append(read_response(client).status)
            except (OSError, AssertionError) as error:
                statuses.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def test_site_that_is_imported_before_the_radio_never_joins(started, site_tree):
    """As it was: the model knows why."""
    chip = started(site_tree, boot=lambda text: text.replace("divide, power_radio, ", ""))
    chip.until("not enough memory for the radio (RuntimeError('Wifi Unknown Error 0x0101'")


@pytest.fixture
def fitting(started, site_tree, tmp_path):
    """A chip with the memory of a stock image, and an application that fits 112 KB: the site, frozen."""
    shutil.copytree(ROOT / "firmware" / "site" / "www", tmp_path / "flash" / "firmware" / "site" / "www")
    chip = started(site_tree, STOCK, is_frozen=True)
    chip.until("joined")
    return chip


def test_application_that_fits_leaves_the_system_its_share(fitting):
    for _ in range(3):
        visit(fitting, PARTS)
    # Python's heap has grown once, to 112 KB; what is left is in pieces, so that it could not take it whole.
    heaps = fitting.heaps()
    assert heaps["python"] <= 2 * AREA_BYTES and heaps["largest"] <= 16384 <= heaps["free"], heaps
    for path in ("/api/status", "/app.js"):
        assert four_clients(fitting, path) == [200] * 4
    assert fitting.heaps()["lowest"] >= FLOOR_BYTES, fitting.heaps()


def test_whole_site_on_an_image_of_ones_own_stays_in_a_heap_of_fixed_size(started, site_tree, tmp_path):
    shutil.copytree(ROOT / "firmware" / "site" / "www", tmp_path / "flash" / "firmware" / "site" / "www")
    chip = started(site_tree, OWN, is_frozen=True)
    chip.until("joined")
    first = chip.heaps()
    assert first["python"] >= 150 * 1024, first
    for _ in range(3):
        visit(chip, PARTS)
    assert four_clients(chip, "/api/status") == [200] * 4
    heaps = chip.heaps()
    assert heaps["python"] == first["python"], heaps
    assert heaps["lowest"] >= OWN_FLOOR_BYTES, heaps


def test_growth_leaves_wifi_and_tcp_alive_and_is_told(fitting):
    chip = fitting
    before = chip.heaps()
    chip.tell(f"greed = [bytearray(1000) for _ in range({(before['python'] - before['used']) // 1024 + 4})]")
    chip.until("limpet: Python has")
    heaps = chip.heaps()
    assert heaps["python"] > before["python"] and heaps["free"] >= FLOOR_BYTES, heaps
    chip.tell("greed = None")
    visit(chip, ("/", "/api/status"), most_failed=10)
    assert chip.heaps()["lowest"] >= FLOOR_BYTES


# It takes what the board sheds, too: else that may live on with what is left.
GREED = """
import asyncio

greed = []

async def eat():
    while True:
        try:
            greed.append(bytearray(400))
        except MemoryError:
            await asyncio.sleep_ms(50)

asyncio.create_task(eat())
"""


def test_heap_that_takes_all_ends_in_an_orderly_reset(fitting):
    chip = fitting
    chip.type(f"exec({GREED!r})")
    chip.until("limpet: reset: out of memory")
    chip.until("starts anew")
