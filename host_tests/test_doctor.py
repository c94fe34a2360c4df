"""`python3 -m tools doctor`: what is wrong with a board, and what to do, one line each."""

from __future__ import annotations

import calendar
import json
import subprocess
import sys
import time

import pytest

from host_tests.conftest import interpreter_named
from host_tests.emulated_board import EmulatedBoard
from host_tests.emulated_rom import Rom
from host_tests.serial_lines import PtyLine
from tools import ROOT, doctor, ports
from tools.board import Board

needs_esptool = pytest.mark.skipif(sys.version_info < (3, 10), reason="esptool 5 needs Python 3.10")
NAMES = ["tools", "cable", "rights", "chip", "firmware", "space", "link", "clock"]

# What `import network` finds on a board that has joined a network.
JOINED = b"""
STA_IF = 0
class WLAN:
    def __init__(self, which): pass
    def active(self): return True
    def isconnected(self): return True
    def status(self, what): return -52
    def ifconfig(self): return ("192.168.1.23", "255.255.255.0", "192.168.1.1", "192.168.1.1")
"""


def run(*args):
    """Run the command as a shell would; return a CompletedProcess."""
    command = [sys.executable, "-m", "tools", "doctor", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def examined(port):
    """Return {name: Finding}."""
    return {finding.name: finding for finding in doctor.examine(port)}


@pytest.fixture
def start_board(tmp_path):
    """A function that starts a board with these files on it; `blocks` of flash."""
    boards = []

    def start(files=(), **options):
        board = EmulatedBoard(tmp_path / "flash", interpreter_named("amd64"), **options).__enter__()
        boards.append(board)
        board.wait_for(b">>> ")
        if files:
            with Board(board.name) as there:
                for path, content in dict(files).items():
                    there.replace(path, content)
                board.console = b""
            board.wait_for(b">>> ")  # it has started anew
        return board

    yield start
    for board in boards:
        board.__exit__()


@needs_esptool
def test_board_that_is_well(start_board):
    board = start_board({"/firmware/__init__.py": b"", "/network.py": JOINED})
    done = run("--port", board.name)
    assert (done.returncode, done.stderr) == (0, ""), done
    lines = [line.split(None, 2) for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines] == [["ok", name] for name in NAMES]
    said = dict(line[1:] for line in lines)
    assert said["chip"] == "Generic ESP32 module with ESP32"
    assert said["firmware"].startswith("MicroPython 1.25.0")
    assert said["link"] == "192.168.1.23, -52 dBm"
    assert said["clock"].endswith(" UTC")


@needs_esptool
def test_board_goes_on_afterwards(start_board):
    board = start_board({"/main.py": b"print('serving')\n"})
    board.console = b""
    examined(board.name)
    board.wait_for(b"serving")


def test_what_is_wrong_says_what_to_do_and_fails(start_board):
    board = start_board()
    done = run("--port", board.name)
    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if line.split()[1] == "space")
    assert line.startswith("wrong ") and line.endswith("no Limpet there. Do: `python3 -m tools deploy`.")
    assert done.stderr.startswith("doctor: Not well: ") and "space" in done.stderr and done.stderr.count("\n") == 1
    assert "Traceback" not in done.stdout


@needs_esptool
def test_json_has_a_finding_for_each(start_board):
    board = start_board({"/firmware/__init__.py": b""})
    done = run("--port", board.name, "--json")
    found = json.loads(done.stdout)
    assert [finding["name"] for finding in found] == NAMES
    assert {finding["name"]: finding["well"] for finding in found}["link"] is None
    assert (done.returncode, done.stderr) == (0, "")


def test_little_space_is_told(start_board):
    board = start_board({"/firmware/__init__.py": b""}, blocks=20)
    finding = examined(board.name)["space"]
    assert (finding.well, finding.todo) == (False, "remove what is not needed: `mpremote rm :FILE`")


@needs_esptool
def test_chip_without_micropython_is_told_to_be_flashed():
    with PtyLine(Rom("ESP32-S3")) as line:
        found = examined(line.name)
    assert found["chip"].line == "ESP32-S3 v0.0, 24:a1:60:57:ab:1c"
    assert found["firmware"].todo == f"`python3 -m tools flash --port {line.name}`"
    assert "space" not in found


def test_port_that_cannot_be_used_ends_the_examination(monkeypatch):
    found = examined("/dev/ttyUSB88")
    assert list(found) == ["tools", "cable"]
    assert (found["cable"].well, found["cable"].line) == (False, "There is no /dev/ttyUSB88")
    monkeypatch.setattr(ports.list_ports, "comports", lambda: [])
    found = examined("auto")
    assert not found["cable"].well and list(found) == ["tools", "cable"]


def test_port_in_use_is_a_matter_of_rights():
    with PtyLine(Rom("ESP32")) as line:
        with ports.opened(line.name):
            found = examined(line.name)
        assert (found["rights"].well, found["rights"].line) == (False, f"{line.name} is in use")
        assert found["rights"].todo.startswith("end what has it open")


def test_missing_program_is_told(monkeypatch):
    monkeypatch.setattr(doctor, "OLDEST_FLASHING_PYTHON", (3, 9))
    monkeypatch.setitem(sys.modules, "mpremote", None)
    finding = doctor.programs()
    assert not finding.well and "missing:" in finding.line and "mpremote (for deploy)" in finding.line
    assert "./tools/test" in finding.todo


@pytest.mark.parametrize(("version", "well"), [("1.24.1", False), ("1.25.0", True), ("1.31.0-preview.5.g1", True)])
def test_firmware_older_than_limpet_needs_is_told(version, well):
    assert doctor.firmware(version).well is well


@pytest.mark.parametrize(
    ("link", "well"), [(None, None), ((), False), (("10.0.0.2", -60), True), (("10.0.0.2", -90), False)]
)
def test_link_is_told(link, well):
    assert doctor.link({"link": link}).well is well


def test_clock_that_was_never_set_is_told():
    now = time.time()
    assert not doctor.clock({"clock": (2000, 1, 1, 0, 0, 12), "asked_s": now}).well
    assert doctor.clock({"clock": time.gmtime(now - 30)[:6], "asked_s": now}).well
    moment = calendar.timegm((2026, 11, 21, 8, 0, 0))
    assert doctor.clock({"clock": (2026, 11, 21, 8, 0, 5), "asked_s": moment}).line == "2026-11-21 08:00:05 UTC"
