"""Improv over serial: byte by byte, then with the SDK of the page that speaks it, to a board that boots."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tarfile

import pytest

from host_tests.conftest import CI
from host_tests.vectors import improv as vectors
from tools import ROOT, mpy

# A board from its boot.py to what stands for main.py, over the fakes of an ESP32; its data is in the folder {flash}.
BOARD = """
import sys
import network
import firmware.board as board
from firmware.board import improv

board.options = lambda: {{"data": "{flash}/data"}}
board.NAME = "Generic ESP32 module with ESP32"
del sys.modules["firmware.board.improv"]
del board.improv
{before}
names = {{"__name__": "__main__"}}
with open("{boot}") as file:
    text = file.read().replace('"/data/', '"{flash}/data/').replace("/.limpet/", "{flash}/.limpet/")
try:
    exec(compile(text, "boot.py", "exec"), names)
except KeyboardInterrupt:
    print("the prompt")
    sys.exit()
import gc
from firmware.board import settings, storage
storage.use("{flash}/data")
settings.load()
network.world.log.clear()
network.world.connects.clear()
gc.collect()
print("main", [name for name in sys.modules if name.startswith("firmware.")], gc.mem_alloc())
print("names", sorted(names))
"""

# Stands for the page: the SDK, with a port whose other end is a board's serial line. Prints what the SDK has found.
PAGE = """
import { spawn } from "node:child_process";
import { ImprovSerial } from "./serial.js";

const board = spawn(process.argv[2], process.argv.slice(3), { stdio: ["pipe", "pipe", "inherit"] });
const said = [], sent = [];
board.stdout.on("data", (data) => said.push(data));
const ended = new Promise((resolve) => board.stdout.on("end", resolve));
let fed;
const port = {
  readable: new ReadableStream({ start(to) { fed = to; } }),
  writable: new WritableStream({ write(data) { sent.push(...data); board.stdin.write(data); } }),
};
board.stdout.on("data", (data) => fed.enqueue(new Uint8Array(data)));
const quiet = { log() {}, debug() {}, error(...words) { found.errors.push(words.join(" ")); } };
const found = { errors: [], states: [] };
const page = new ImprovSerial(port, quiet);
page.addEventListener("state-changed", () => found.states.push(page.state));
// From when the board has power on: it is asked once a second until it answers.
found.info = await page.initialize(100000);
found.networks = await page.scan(100000);
found.refused = await page.provision("Home", "wrong password", 100000).then(() => null, (reason) => reason);
found.hostname = await page.getHostname(100000).then(() => null, (reason) => reason);
await page.provision("Home", "password1", 100000);
found.url = page.nextUrl;
await ended;
found.sent = sent;
found.console = Buffer.concat(said).toString("latin1");
console.log(JSON.stringify(found));
process.exit(0);
"""


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("improv")


# -- a board that boots


class Board:
    """A board that a browser has installed; its flash is a folder."""

    def __init__(self, interpreter, folder, tree=ROOT):
        self.interpreter, self.folder, self.tree = interpreter, folder, tree
        (folder / "data").mkdir()
        (folder / "data" / "improv").write_text("")
        (folder / "air").write_text(json.dumps([["Home", "password1"], ["B\u00fccher", None]]))
        (folder / "reset_cause").write_text("1")

    def program(self, before=""):
        return BOARD.format(flash=self.folder, boot=ROOT / "boot.py", before=before)

    @property
    def environment(self):
        path = f"{ROOT}/host_tests/fakes:{self.tree}:.frozen"
        return {**self.interpreter.environment(), "MICROPYPATH": path, "FAKE_BOARD": str(self.folder)}

    def run(self, typed=b"", before=""):
        """Let it boot, with this typed at once and the line closed then; return what it prints."""
        command = self.interpreter.argv("-c", self.program(before))
        done = subprocess.run(command, env=self.environment, input=typed, capture_output=True, timeout=300)
        assert not done.stderr, done.stderr.decode()
        return done.stdout.decode("utf-8", "replace")


@pytest.fixture
def board(micropython, tmp_path):
    return Board(micropython, tmp_path)


def main_of(console):
    """Return (modules, bytes) of what main.py found."""
    (line,) = [line for line in console.splitlines() if line.startswith("main ")]
    modules, n_bytes = line[5:].rsplit(" ", 1)
    return ast.literal_eval(modules), int(n_bytes)


LISTENS = "limpet: the page that has installed this board may tell it its network now"


def test_board_that_knows_a_network_does_not_listen(board):
    (board.folder / "data" / "config.json").write_text('{"networks": [{"ssid": "Home", "password": "password1"}]}')
    said = board.run(vectors.ASK_STATE)
    assert LISTENS not in said and "IMPROV" not in said and main_of(said)


def test_board_that_no_browser_has_installed_does_not_listen(board):
    (board.folder / "data" / "improv").unlink()
    said = board.run(vectors.ASK_STATE)
    assert LISTENS not in said and "IMPROV" not in said and main_of(said)


def test_board_that_starts_from_the_prompt_does_not_listen(board):
    (board.folder / "reset_cause").write_text("5")
    assert LISTENS not in board.run(vectors.ASK_STATE)


def test_packets_that_come_with_the_power_are_answered(board):
    """They have Ctrl-C's byte in them, and boot.py's first second is for Ctrl-C."""
    said = board.run(vectors.ASK_STATE * 3)
    assert LISTENS in said and said.count("IMPROV") == 3 and main_of(said)


def test_ctrl_c_gives_the_prompt(board):
    said = board.run(b"\x03" + vectors.ASK_STATE)
    assert said.endswith("limpet: the prompt, as asked for\nthe prompt\n") and "IMPROV" not in said


@pytest.mark.parametrize("fault", ["raise MemoryError", "raise SystemExit", "1 / 0"])
def test_failure_keeps_no_board_from_starting(board, fault):
    before = f"from firmware.board import improv\ndef fail():\n    {fault}\nimprov.listen = fail\n"
    said = board.run(vectors.ASK_STATE, before)
    assert "limpet: boot.py: " in said and main_of(said)


def test_radio_that_fails_is_told_and_the_board_starts(board):
    said = board.run(vectors.ASK_SCAN + vectors.HOME, "network.world.broken = ('scan', 'connect')\n")
    assert "limpet: no scan: " in said and "limpet: cannot join Home: " in said
    assert "IMPROV\x01\x02\x01\x03" in said and main_of(said)
    assert not (board.folder / "data" / "config.json").exists()


def test_settings_that_cannot_be_read_keep_no_board_from_starting(board):
    (board.folder / "data" / "config.json").write_text("networks")
    said = board.run(vectors.ASK_STATE)
    assert "limpet: boot.py: ValueError" in said and LISTENS not in said and main_of(said)


def test_nothing_of_it_is_left(board):
    """What main.py has is what it has on a board that has never listened, but for some names."""
    (board.folder / "air").write_text('[["Home", "password1"]]')
    listened = board.run(vectors.ASK_SCAN + vectors.ASK_ABOUT + vectors.HOME)
    assert "limpet: cannot join" not in listened
    never = board.run()
    assert "IMPROV\x01\x01\x01\x04" in listened and LISTENS not in never
    (modules, n_bytes), (usual, usual_bytes) = main_of(listened), main_of(never)
    assert sorted(modules) == sorted(usual)
    assert n_bytes - usual_bytes < 1024
    names = [line for line in (listened + never).splitlines() if line.startswith("names ")]
    assert names[0] == names[1] and "ask_cable" not in names[0]


@pytest.mark.parametrize("micropython", ["i386"], indirect=True)
def test_compiled_tree_answers_and_leaves_nothing(micropython, tmp_path):
    """As a board has it: what is always there is one module, and names are shorter."""
    board = Board(micropython, tmp_path, tmp_path / "tree")
    mpy.compile_tree(ROOT / "firmware", tmp_path / "tree" / "firmware", "x86", None, [BOARD], is_bundled=True)
    listened = board.run(vectors.ASK_SCAN + vectors.ASK_ABOUT + vectors.HOME)
    assert "IMPROV\x01\x01\x01\x04" in listened and '"Home"' in (board.folder / "data" / "config.json").read_text()
    (modules, n_bytes), (usual, usual_bytes) = main_of(listened), main_of(board.run())
    assert sorted(modules) == sorted(usual) and n_bytes - usual_bytes < 1024


# -- the page's own code


@pytest.fixture
def sdk(tmp_path):
    """The folder of the SDK, as Node.js takes it. Without a network the test is skipped; in CI it fails."""
    if sys.version_info < (3, 10):
        pytest.skip("esptool, which the installer knows images by, needs Python 3.10")
    from tools import installer
    from tools.console import Failure

    try:
        if not shutil.which("node"):
            raise Failure("There is no Node.js, which runs the SDK of the page: install it.")
        file = installer.package("improv-wifi-serial-sdk")
    except Failure as failure:
        (pytest.fail if CI else pytest.skip)(str(failure))
    with tarfile.open(file) as packed:
        for member in packed:
            if member.name.startswith("package/dist/") and member.name.endswith(".js") and "/web/" not in member.name:
                # A bundler finds a file without its ending; Node.js does not.
                text = re.sub(rb'(from "\.[^".]*)"', rb'\1.js"', packed.extractfile(member).read())
                place = tmp_path / "sdk" / member.name[len("package/dist/") :]
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(text)
    (tmp_path / "sdk" / "package.json").write_text('{"type": "module"}')
    (tmp_path / "sdk" / "page.js").write_text(PAGE)
    return tmp_path / "sdk"


@pytest.mark.parametrize("micropython", ["amd64"], indirect=True)
def test_sdk_of_the_page_sets_the_network(board, sdk):
    command = ["node", str(sdk / "page.js"), *map(str, board.interpreter.argv("-c", board.program()))]
    done = subprocess.run(command, env=board.environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    from firmware import NAME, VERSION

    assert found["info"]["firmware"] == NAME and found["info"]["version"] == VERSION
    assert found["info"]["chipFamily"] == "ESP32" and found["info"]["name"] == "limpet"
    assert found["networks"] == [
        {"name": "B\u00fccher", "rssi": -60, "secured": False},
        {"name": "Home", "rssi": -60, "secured": True},
    ]
    assert (found["refused"], found["hostname"]) == ("UNABLE_TO_CONNECT", "UNKNOWN_RPC_COMMAND")
    assert found["url"] == "http://192.168.1.101/" and not found["errors"]
    assert found["states"][-4:] == [3, 2, 3, 4]
    # Both sides' bytes, as the vectors have them: what is asked while the board starts, and once more each second.
    sent = bytes(found["sent"])
    wanted = [
        *(vectors.ASK_ABOUT, vectors.ASK_SCAN, vectors.join(b"\x04Home\x0ewrong password")),
        *(vectors.ASK_HOSTNAME, vectors.HOME),
    ]
    asked = sent[: sent.index(vectors.ASK_ABOUT)]
    assert asked == vectors.ASK_STATE * (len(asked) // len(vectors.ASK_STATE)) and asked
    assert sent[len(asked) :] == b"".join(wanted)
    said = found["console"].encode("latin1")
    address = b"http://192.168.1.101/"
    for packet in (
        *(vectors.STATE_READY, vectors.packet(4, b"\x04\x00"), vectors.UNKNOWN),
        vectors.NO_ERROR + vectors.STATE_JOINING + vectors.NOT_JOINED + vectors.STATE_READY,
        vectors.STATE_JOINED + vectors.packet(4, bytes((1, len(address) + 1, len(address))) + address),
    ):
        assert packet in said.replace(b"limpet: cannot join Home: wrong password\n", b""), (packet, said)
    saved = json.loads((board.folder / "data" / "config.json").read_text())
    assert saved["networks"] == [{"ssid": "Home", "password": "password1", "address": None}]
    assert main_of(found["console"])
