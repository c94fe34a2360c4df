"""Memory on a board: firmware/board/memory.py looks after it, and the shipped site's use of it has bounds.

Those are measured as a board runs it: .mpy, 32-bit words, six slots, behind boot.py and over the fakes of the chip's
modules. Native code is not in them, nor are the tables of names, which grow by doubling: 4 KB, then 9 KB.
"""

import shutil

import pytest

from host_tests.board_life import Board
from host_tests.conftest import interpreter_named
from tools import ROOT, manifest

# Behind the start, before anybody came. Lower it as it gets less, so that it does not grow again unnoticed. Between two
# runs there is up to a kilobyte: the paths of the test's own folder are in it.
IDLE_KB = 108.5
# With every part loaded, and with what stays of them once memory was short.
FULL_KB = 186
SPARED_KB = 173

# So many names that ours fit the table which is there for the last of them.
FILL = "[hasattr(sys, 'name%d' % number) for number in range(740)]"

PARTS = (
    *(
        "/",
        "/app.js",
        "/api/status",
        "/api/readings",
        "/api/led",
        "/users",
        "/api/files",
        "/api/session",
        "/api/settings",
    ),
    *("/api/pins", "/api/log", "/api/tokens", "/api/update", "/metrics", "/openapi.json", "/nothing"),
)


def test_vectors_hold(interpreter):
    interpreter.run_vectors("memory")


@pytest.fixture
def board(tmp_path):
    tree = tmp_path / "tree"
    for path, data in manifest.build(ROOT, "x86").items():
        file = tree / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    for name in manifest.ROOT_FILES:
        shutil.copy(ROOT / name, tree / name)
    board = Board(interpreter_named("i386"), tmp_path / "flash", tree)
    board.air(("Home", "password1"))
    board.settings(networks=[{"ssid": "Home", "password": "password1"}], limits={"connections": 6})
    board.start(before_main=f"{FILL}\nbefore = used()")
    board.until("joined")
    yield board
    board.cut()
    print(board.console)


def kilobytes(board):
    return board.tell("used() - before") / 1024


def kilobytes_spared(board):
    """Return what is in use once memory was short: a part in use, or one that a word on the stack looks like, stays."""
    board.tell("__import__('firmware.site.routes', None, None, ('app',)).app.spare()")
    return kilobytes(board)


def test_site_of_a_board_fits_its_memory(board):
    idle = kilobytes(board)
    with board.client() as client:
        for path in PARTS:
            assert client.get(path).status_code in (200, 204, 404), path
        full = kilobytes(board)
        spared = min(kilobytes_spared(board) for _ in range(5))
        assert client.get("/users").status_code == 200
    print(f"{idle:.1f} KB, all parts {full:.1f} KB, spared {spared:.1f} KB")
    assert idle <= IDLE_KB and full <= FULL_KB and spared <= SPARED_KB
