"""Memory on a board: firmware/board/memory.py looks after it, and the shipped site's use of it has bounds.

Those are measured as a board runs it: .mpy, 32-bit words, four slots, over the fakes of the chip's modules. Everything
is counted from before boot.py's first import on, asyncio and the tables of names too; but not native code, which the
chip has elsewhere.
"""

import time

import pytest

from host_tests.site.test_visit import small_board
from tools import memory

# Behind the start, before anybody came: in tools/memory.json, for `deploy` to tell. Lower it as it gets less, so that
# it does not grow again unnoticed. Between two runs there is up to a kilobyte: the paths of the test's own folder are
# in it.
IDLE_KB = memory.figures()["files"]["idle_kb"]
# A figure that is so much too high makes `deploy` refuse what would run.
STALE_KB = 10
# With what stays of all parts once they were asked for.
SPARED_KB = 137
# A heap in which none of them is refused, and that counts as a small one.
HEAP_KB = 198

PARTS = (
    *("/", "/app.js", "/api/status", "/api/readings", "/api/led", "/users", "/api/files", "/api/session"),
    *("/api/settings", "/api/pins", "/api/log", "/api/tokens", "/api/update", "/metrics", "/openapi.json", "/nothing"),
)


def test_vectors_hold(interpreter):
    interpreter.run_vectors("memory")


@pytest.fixture
def board(tmp_path):
    board = small_board(tmp_path, HEAP_KB)
    yield board
    board.cut()
    print(board.console)


def kilobytes(board):
    return board.tell("used()") / 1024


def kilobytes_idle(board):
    """Return what is in use once the board has settled: what it takes to join a network goes when that is done."""
    looks = []
    for _ in range(10):
        looks.append(kilobytes(board))
        time.sleep(0.3)
    return min(looks)


def kilobytes_spared(board):
    """Return what is in use once memory was short: a part in use, or one that a word on the stack looks like, stays."""
    board.tell("__import__('firmware.site.routes', None, None, ('app',)).app.spare()")
    return kilobytes(board)


def test_site_of_a_board_fits_its_memory(board):
    idle = kilobytes_idle(board)
    with board.client() as client:
        for path in PARTS:
            assert client.get(path).status_code in (200, 204, 404), path
    spared = min(kilobytes_spared(board) for _ in range(5))
    with board.client() as client:
        assert client.get("/users").status_code == 200
    print(f"{idle:.1f} KB, with what stays of all parts {spared:.1f} KB")
    assert IDLE_KB - STALE_KB <= idle <= IDLE_KB and spared <= SPARED_KB
