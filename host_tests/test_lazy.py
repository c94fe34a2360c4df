"""Applications that are loaded when somebody asks for them, and forgotten while memory is short."""

import ast
import json
import re
import time

import pytest

from host_tests.servers import Server
from host_tests.test_connection import Client, ask, request
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


def test_part_is_loaded_by_the_first_request(server):
    assert told(server, "GET /parts") == {"loaded": [], "ticks": {}}
    assert ask(server, "GET /partial").status == ask(server, "GET /par").status == 404
    assert told(server, "GET /parts")["loaded"] == []
    answer = ask(server, "GET /part")
    assert (json.loads(answer.body), answer.header("x-part")) == ({"count": 1}, "1")
    assert told(server, "GET /other/x") == {"count": 1, "name": "x"}
    assert told(server, "GET /part") == {"count": 2}
    assert told(server, "GET /parts")["loaded"] == ["lazy_other", "lazy_part"]
    assert ask(server, "GET /part/nothing").status == 404
    assert ask(server, "DELETE /part").status == 405


def test_part_that_can_go_goes_and_comes_back_new(server):
    assert [told(server, f"GET {path}")["count"] for path in ("/part", "/part", "/other/x")] == [1, 2, 1]
    spare(server)
    parts = told(server, "GET /parts")
    assert parts["loaded"] == ["lazy_other"] and parts["ticks"]["part"] > 0
    # Its task has ended with it; that of the new one goes on.
    assert told(server, "GET /parts")["ticks"] == parts["ticks"]
    assert told(server, "GET /other/x")["count"] == 2
    answer = ask(server, "GET /part")
    assert (json.loads(answer.body), answer.header("x-part")) == ({"count": 1}, "1")
    time.sleep(0.3)
    assert told(server, "GET /parts")["ticks"]["part"] > parts["ticks"]["part"] + 1


def test_part_stays_as_long_as_it_says_so(server):
    told(server, "GET /part")
    assert ask(server, "PUT /stays", "Content-Type: application/json", body=b'["part"]').status == 204
    spare(server)
    assert told(server, "GET /part") == {"count": 2}
    assert ask(server, "PUT /stays", "Content-Type: application/json", body=b"[]").status == 204
    spare(server)
    assert told(server, "GET /part") == {"count": 1}


def test_request_under_way_is_answered_by_the_part_that_goes(server):
    told(server, "GET /part")
    with Client(server) as client:
        client.send(request("GET /part/slow"))
        time.sleep(0.3)
        spare(server)
        assert told(server, "GET /part") == {"count": 1}
        answer = client.read()
        assert (json.loads(answer.body), answer.header("x-part")) == ({"count": 1}, "1")


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


def test_coming_and_going_leaves_nothing_behind(server):
    def rounds(number):
        for _ in range(number):
            told(server, "GET /part")
            spare(server)
        return told(server, "GET /heap")["used"]

    rounds(5)
    before = rounds(5)
    # What a heap's layout makes of it differs by some blocks.
    assert rounds(50) - before < 1024


def spared():
    """Return the site's modules that can go."""
    return [file for file in sorted(SITE.glob("*.py")) if re.search(r"^def can_go", file.read_text(), re.MULTILINE)]


def test_what_can_go_holds_no_native_code():
    """It would stay: MicroPython on the ESP32 frees it with the next reset (ports/esp32/main.c)."""
    assert {file.stem for file in spared()} == {"files", "login", "pins", "readings", "system", "users"}
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
