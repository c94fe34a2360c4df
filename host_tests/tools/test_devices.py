"""`python3 -m tools devices`: boards told from other serial ports, asked at their prompt or in their bootloader."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from host_tests.conftest import interpreter_named
from host_tests.emulated_board import EmulatedBoard
from host_tests.emulated_rom import Rom
from host_tests.esp_image import make_image
from host_tests.serial_lines import PtyLine
from tools import ROOT, devices, ports
from tools.console import Failure

needs_esptool = pytest.mark.skipif(sys.version_info < (3, 10), reason="esptool 5 needs Python 3.10")


class Found:
    """What pyserial tells of a port."""

    def __init__(self, device, vid, serial_number=None):
        self.device, self.vid, self.serial_number = device, vid, serial_number


@pytest.fixture
def plugged_in(monkeypatch):
    """A function that says what pyserial finds."""
    return lambda *found: monkeypatch.setattr(ports.list_ports, "comports", lambda: list(found))


def run(*args):
    """Run the command as a shell would; return a CompletedProcess."""
    command = [sys.executable, "-m", "tools", "devices", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


# -- which ports


def test_ports_of_other_makers_are_no_boards(plugged_in):
    plugged_in(
        Found("/dev/ttyS0", None), Found("/dev/ttyACM1", 0x2E8A), Found("/dev/ttyUSB1", 0x10C4, "0001"),
        Found("/dev/ttyACM0", 0x303A),
    )  # fmt: skip
    assert ports.likely() == [
        ports.Port("/dev/ttyACM0", "Espressif", None),
        ports.Port("/dev/ttyUSB1", "Silicon Labs CP210x", "0001"),
    ]


def test_the_only_board_is_chosen(plugged_in):
    plugged_in(Found("/dev/ttyS0", None), Found("/dev/ttyUSB1", 0x1A86))
    assert ports.choose("auto") == "/dev/ttyUSB1"
    assert ports.choose("COM7") == "COM7"


def test_no_board_and_several_boards_say_what_to_do(plugged_in):
    plugged_in()
    with pytest.raises(Failure, match="^No board found: .*a cable that carries data"):
        ports.choose()
    plugged_in(Found("/dev/ttyUSB1", 0x1A86), Found("/dev/ttyUSB0", 0x10C4))
    with pytest.raises(Failure, match="^Several boards: /dev/ttyUSB0, /dev/ttyUSB1. Choose one: --port DEVICE.$"):
        ports.choose()


def test_no_board_fails_and_tells_so_as_json(plugged_in, capsys):
    plugged_in()
    with pytest.raises(Failure, match="No board found"):
        devices.main(["--json"])
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("machine", "chip"),
    [
        ("Generic ESP32 module with ESP32", "ESP32"),
        ("Generic ESP32S3 module with ESP32S3", "ESP32-S3"),
        ("LOLIN_C3_MINI with ESP32-C3FH4", None),
        ("ESP32C6 module with ESP32C6", "ESP32-C6"),
        ("Raspberry Pi Pico with RP2040", None),
    ],
)
def test_chip_is_told_from_the_boards_own_words(machine, chip):
    assert devices.chip_of(machine) == chip


# -- what is behind them


def test_running_board_says_its_version_and_goes_on(tmp_path):
    with EmulatedBoard(tmp_path / "flash", interpreter_named("amd64")) as board:
        board.wait_for(b">>> ")
        done = run("--port", board.name)
        board.wait_for(b"soft reboot")
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr, len(lines)) == (0, "", 2)
    assert lines[0].split() == ["port", "made", "by", "chip", "micropython", "board"]
    assert " ".join(lines[1].split()) == f"{board.name} - ESP32 1.25.0 Generic ESP32 module with ESP32"


def test_program_that_runs_is_interrupted_and_started_anew(tmp_path):
    with EmulatedBoard(tmp_path / "flash", interpreter_named("amd64")) as board:
        board.wait_for(b">>> ")
        port = ports.opened(board.name)
        port.write(b"f = open('main.py', 'w')\rf.write('import time; print(7 * 6); time.sleep(60)')\rf.close()\r\x04")
        port.close()
        board.wait_for(b"42\r\n")
        board.console = b""
        found = devices.look(board.name)
        assert (found["version"], found["problem"]) == ("1.25.0", None)
        assert b"KeyboardInterrupt" in board.wait_for(b"soft reboot\r\n42\r\n")


@needs_esptool
def test_board_without_micropython_is_asked_in_its_bootloader():
    with PtyLine(Rom("ESP32-C3")) as line:
        done = run("--port", line.name, "--json")
        line.wait_for_start()
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [
        {
            "port": line.name,
            "maker": None,
            "chip": "ESP32-C3",
            "mac": "24:a1:60:57:ab:1c",
            "version": None,
            "machine": None,
            "problem": None,
        }
    ]


def test_every_board_is_looked_at_though_one_cannot_be(plugged_in, capsys, tmp_path):
    rom = Rom("ESP32-S3")
    image = make_image("ESP32-S3", version="1.28.0")
    rom.flash[: len(image)] = image
    rom.reset(boot_held=False)
    with PtyLine(rom) as line:
        plugged_in(Found("/dev/ttyUSB99", 0x10C4), Found(line.name, 0x303A))
        with pytest.raises(Failure, match="^There is no /dev/ttyUSB99"):
            devices.main([])
    rows = [row.split()[:6] for row in capsys.readouterr().out.splitlines()]
    assert [line.name, "Espressif", "ESP32-S3", "1.28.0", "Generic", "ESP32S3"] in rows
    assert ["/dev/ttyUSB99", "Silicon", "Labs", "CP210x", "-", "-"] in rows


def test_wrong_usage_exits_2():
    assert run("--nonsense").returncode == 2
