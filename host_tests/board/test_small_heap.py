"""A board cannot be wedged: whatever its heap, and whoever comes, its page is back within a minute.

For heaps from the smallest in which the page comes at all: after the ordinary work of one user and of four, and after
random requests of a stranger. Each request gets a status line (503 counts), /healthz agrees with the page, a reset says
why, and what was acknowledged is in the flash.

A handful of sizes; $HEAPS=all takes each 5 KB up to 300 KB (half an hour), $HEAPS=150,155 those. $SEED: the stranger's.
"""

import os
import threading

import pytest

from host_tests.board_life import Board
from host_tests.conftest import interpreter_named
from host_tests.small_heap import SLOTS, Forge, Life, Person, Stranger
from tools import memory

# The smallest in which the site starts, with its page: what it idles with, two more slots than that counts, what the
# start takes besides until it is over, and what a request takes.
LEAST_KB = memory.figures()["files"]["idle_kb"] + 22
MOST_KB = 300
STEP_KB = 5

# The record of a password.
ADMIN = "pbkdf2-sha256$1$00$" + 32 * "00"

SEED = int(os.environ.get("SEED", 1))
HEAPS = os.environ.get("HEAPS", f"{LEAST_KB},165,200")
if HEAPS == "all":
    SIZES = list(range(LEAST_KB, MOST_KB + 1, STEP_KB))
else:
    SIZES = [int(size) for size in HEAPS.split(",")]


@pytest.fixture(scope="module")
def forge(tmp_path_factory):
    return Forge(tmp_path_factory.mktemp("forge"))


def together(people):
    """Have all of them work at the same time; raise what the first of them raises."""
    errors = []

    def work(person):
        try:
            person.work()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("heap_kb", SIZES)
@pytest.mark.parametrize("names", ["Ann", "Ann Ben Cid Dee"])
def test_page_is_back_after_ordinary_work(forge, heap_kb, names):
    with Life(forge, heap_kb) as life:
        life.watch_page(1)
        people = [Person(life, name) for name in names.split()]
        together(people)
        life.watch_page()
        for person in people:
            person.check()
        print(life.answers, life.resets)


@pytest.mark.parametrize("heap_kb", SIZES)
def test_page_is_back_after_a_stranger(forge, heap_kb):
    print("seed", SEED, heap_kb)
    with Life(forge, heap_kb) as life:
        owner = Person(life, "Ann")
        owner.log_in()
        Stranger(life, f"{SEED} {heap_kb}").work(200)
        life.watch_page()
        print(life.answers, life.resets)


def test_safe_mode_comes_where_the_site_does(forge, tmp_path):
    """Its board has no more room for it than for the site, whatever came to nothing."""
    board = Board(interpreter_named("i386"), tmp_path, forge.tree, heapsize=f"{LEAST_KB + forge.harness_kb}k")
    board.air(("Home", "password1"))
    board.settings(networks=[{"ssid": "Home", "password": "password1"}], limits={"connections": SLOTS})
    (tmp_path / "nvs.json").write_text('{"limpet": {"unfinished": 3}}')
    board.start().until("safe mode, after 3 boots")
    board.until("joined")
    with board.client() as client:
        assert "Safe mode" in client.get("/").text
        assert client.get("/api/status").json()["boot"]["safe_mode"] is True
    board.cut()


def test_who_brings_no_credentials_has_nothing_loaded_that_knows_any(forge):
    """In a heap that is not a small one what was loaded once stays."""
    account = "'verified' not in __import__('firmware.site.guards', None, None, ('x',)).kept"
    with Life(forge, 250, admin=ADMIN) as life:
        for method, path, body in (
            *(("GET", path, b"") for path in ("/api/settings", "/api/log", "/users", "/files/x")),
            *(("PUT", path, b"{}") for path in ("/api/led", "/api/settings", "/api/password")),
            ("PUT", "/files/big.bin", bytes(20000)),
            ("DELETE", "/users/1", b""),
        ):
            assert life.ask(method, path, body=body).status == 401, path
        assert life.board.tell(account) is True
        assert life.ask("GET", "/api/settings", "Cookie: limpet=x").status == 401
        assert life.board.tell(account) is False
