"""Applications that are loaded when somebody asks for them, and forgotten while memory is short."""

import ast
import json
import re
import time

import pytest

from firmware import App
from firmware.server import loader, tasks
from host_tests.board_life import wait_until
from host_tests.server.test_connection import Client, ask, request
from host_tests.server.test_websocket import HANDSHAKE
from host_tests.servers import Server
from tools import ROOT

SITE = ROOT / "firmware" / "site"


@pytest.fixture
def server(server_interpreter):
    with Server(server_interpreter, script="host_tests/apps/lazy_app.py") as running:
        yield running


def told(server, line):
    answer = ask(server, line)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def spare(server):
    assert ask(server, "POST /spare", body=b"").status == 204


def test_stranger_has_nothing_loaded(server):
    assert ask(server, "GET /part", "X-Stranger: 1").status == 403
    assert loaded(server) == []
    assert ask(server, "GET /part").status == 200
    assert ask(server, "GET /part", "X-Stranger: 1").status == 403


def test_failed_import_leaves_nothing_behind(server):
    for _ in range(2):
        assert ask(server, "GET /broken").status == 500
        parts = told(server, "GET /parts")
        assert (parts["loaded"], parts["left"]) == ([], [])
        assert not [name for name in parts["modules"] if "broken" in name]


def loaded(server):
    return told(server, "GET /parts")["loaded"]


def test_part_is_loaded_by_the_first_request(server):
    parts = told(server, "GET /parts")
    assert (parts["loaded"], parts["left"], parts["ticks"]) == ([], [], {})
    assert ask(server, "GET /partial").status == ask(server, "GET /par").status == 404
    assert loaded(server) == []
    answer = ask(server, "GET /part")
    assert (json.loads(answer.body), answer.header("x-part")) == ({"count": 1}, "1")
    assert told(server, "GET /other/x") == {"count": 1, "name": "x"}
    assert told(server, "GET /part") == {"count": 2}
    assert loaded(server) == ["lazy_other", "lazy_part"]
    assert ask(server, "GET /part/nothing").status == 404
    assert ask(server, "DELETE /part").status == 405


def test_part_that_can_go_goes_and_comes_back_new(server):
    paths = ("/part", "/part/item/x", "/part/item/x", "/other/x")
    assert [told(server, f"GET {path}")["count"] for path in paths] == [1, 2, 3, 1]
    spare(server)
    parts = told(server, "GET /parts")
    assert (parts["loaded"], parts["left"]) == (["lazy_other"], []) and parts["ticks"]["part"] > 0
    # Its task has ended with it; that of the new one goes on.
    time.sleep(0.3)
    assert told(server, "GET /parts")["ticks"] == parts["ticks"]
    assert told(server, "GET /other/x")["count"] == 2
    assert told(server, "GET /part/item/x")["count"] == 1
    answer = ask(server, "GET /part")
    assert (json.loads(answer.body), answer.header("x-part")) == ({"count": 2}, "1")
    time.sleep(0.3)
    assert told(server, "GET /parts")["ticks"]["part"] > parts["ticks"]["part"] + 1


def test_part_of_no_package_goes_too(server):
    assert told(server, "GET /top") == told(server, "GET /top") == {"top": True}
    spare(server)
    assert told(server, "GET /top") == {"top": True}
    assert ask(server, "GET /exhaust").status == 503


@pytest.mark.parametrize(
    "raw",
    [
        request("GET /part/slow"),
        request("GET /part/lines"),
        request("PUT /part", body=b"x" * 100)[:-1],
        request("PUT /part/stream", body=b"x" * 5000)[:-1],
        request("GET /part/ws", *HANDSHAKE),
    ],
    ids=["waits", "streams", "holds", "uploads", "websocket"],
)
def test_part_that_is_in_use_stays(server, raw):
    assert told(server, "GET /part") == {"count": 1}
    with Client(server) as client:
        client.send(raw)
        time.sleep(0.3)
        spare(server)
        assert told(server, "GET /part") == {"count": 2}
    # The client is gone, which the server finds out.
    deadline = time.monotonic() + 20
    while "lazy_part" in loaded(server):
        assert time.monotonic() < deadline
        time.sleep(0.1)
        spare(server)


def test_load_that_finds_no_memory_has_others_go_and_is_tried_again(server):
    ask(server, "POST /fail?times=1", body=b"")
    assert told(server, "GET /part") == {"count": 1}
    spare(server)
    # In vain twice: later, please.
    ask(server, "POST /fail?times=2", body=b"")
    answer = ask(server, "GET /part")
    assert (answer.status, answer.header("retry-after")) == (503, "5")
    assert told(server, "GET /part") == {"count": 1}


def test_request_that_finds_no_memory_has_parts_go(server):
    assert told(server, "GET /part") == {"count": 1}
    answer = ask(server, "GET /exhaust")
    assert (answer.status, answer.header("retry-after")) == (503, "1")
    assert told(server, "GET /parts")["loaded"] == []


def used(server):
    """Return the bytes of heap in use: the least of some looks, since a word on the stack may look like an address."""
    return min(told(server, "GET /heap")["used"] for _ in range(5))


def test_coming_and_going_leaves_nothing_behind(server):
    def used_behind(rounds):
        for _ in range(rounds):
            told(server, "GET /part")
            spare(server)
        return used(server)

    used_behind(10)
    before = max(used_behind(10) for _ in range(5))
    # A part takes 3 KB, and one may be held by a word that looks like its address, before or behind.
    assert min(used_behind(10) for _ in range(5)) - before < 3000


def test_slots_that_are_free_hold_nothing(server):
    def used_behind():
        for number in (4, 3, 2, 1):
            clients = [Client(server) for _ in range(number)]
            for client in clients:
                assert client.ask("GET /part").status == 200
            for client in clients:
                client.socket.close()
            # A part that is in use stays, until the server has seen that nobody is there.
            wait_until(lambda: spare(server) or not loaded(server), "the clients' end")
        return used(server)

    told(server, "GET /part")
    spare(server)
    before = used(server)
    # A part each would be more; one may be held by a word that looks like its address.
    assert min(used_behind() for _ in range(5)) - before < 8000


def test_memory_that_ends_in_the_middle_orphans_nobody(monkeypatch):
    """Either a part has gone with its tasks, or it is there with them."""
    app, inner = App(), App()
    inner.can_go = True
    part = loader.Part(app, ("/part",), "no_module_of_ours")
    part.app = inner
    app._mounts = [("", part)]
    monkeypatch.setattr(loader, "_loaded", [part])
    cancelled = []

    class Task:
        def cancel(self):
            cancelled.append(self)

    supervised = tasks.Supervised(None)
    supervised.task = Task()
    monkeypatch.setattr(tasks, "_tasks", {"part": supervised})
    inner._tasks = ["part"]

    class Full:
        def clear(self):
            raise MemoryError

    recent, app._recent = app._recent, Full()
    app.spare()
    assert inner in app.apps() and not cancelled
    app._recent = recent
    app.spare()
    assert inner not in app.apps() and len(cancelled) == 1


def spared():
    """Return the site's modules that can go."""
    return [file for file in sorted(SITE.glob("*.py")) if "app.can_go = True" in file.read_text()]


def test_what_can_go_holds_no_native_code():
    """It would stay: MicroPython on the ESP32 frees it with the next reset (ports/esp32/main.c)."""
    names = {"files", "login", "own", "pins", "readings", "status", "system", "update", "users"}
    assert {file.stem for file in spared()} == names
    for file in [*spared(), SITE / "setup.py", ROOT / "firmware" / "board" / "schema.py"]:
        assert not re.search(r"@micropython\.(native|viper|asm)", file.read_text()), file


def test_what_can_go_is_in_nobody_else_s_hands():
    """Who has imported it would go on with the old one. What can go, too, goes at the same time."""
    names = {file.stem for file in spared()}
    for file in sorted((ROOT / "firmware").rglob("*.py")):
        # In safe mode the files are mounted as they are.
        for node in ast.parse(file.read_text()).body if file.stem != "safe" else ():
            if isinstance(node, ast.ImportFrom):
                module = node.module or ""
                taken = {module[14:]} | ({alias.name for alias in node.names} if module == "firmware.site" else set())
                if taken & names and module.startswith("firmware.site"):
                    assert file.parent == SITE and file.stem in names, (file, taken & names)
