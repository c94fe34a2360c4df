"""host_tests/emulated_board.py, against the real mpremote: what it says is what a board would say."""

import subprocess
import sys
import time

import pytest

from host_tests.conftest import interpreter_named
from host_tests.emulated.prompt import PROMPT
from host_tests.emulated_board import EmulatedBoard
from tools import ports


@pytest.fixture(scope="module")
def chip():
    return interpreter_named("amd64")


@pytest.fixture
def board(chip, tmp_path):
    with EmulatedBoard(tmp_path / "flash", chip) as running:
        running.wait_for(PROMPT)
        yield running


def mpremote(board, *args):
    """Run the real mpremote; return its exit status and what it prints."""
    command = [sys.executable, "-m", "mpremote", "connect", board.name, *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def test_mpremote_executes_and_tells_errors(board):
    code = "import sys, machine; print(sys.platform, sys.implementation._machine, machine.reset_cause())"
    assert mpremote(board, "exec", code) == (0, "esp32 Generic ESP32 module with ESP32 5\n")
    status, output = mpremote(board, "exec", "1 / 0")
    assert (status, output.split()[-3:]) == (1, ["divide", "by", "zero"])
    assert "host_tests" not in output
    # Longer than the window of what the board takes at once.
    assert mpremote(board, "exec", f"print(len({'x' * 3000!r}))") == (0, "3000\n")


def test_files_outlast_the_power(board, chip, tmp_path):
    file = tmp_path / "x.bin"
    file.write_bytes(bytes(range(256)) * 40)
    assert mpremote(board, "mkdir", ":d", "+", "cp", str(file), ":d/x.bin")[0] == 0
    board.pull_the_cable()
    with EmulatedBoard(board.flash, chip) as again:
        copy = tmp_path / "copy.bin"
        assert mpremote(again, "cp", ":d/x.bin", str(copy))[0] == 0
    assert copy.read_bytes() == file.read_bytes()


def test_boot_then_main_run_unless_raw_or_boot_fails(board, tmp_path):
    (tmp_path / "boot.py").write_text("print('boot')\n")
    (tmp_path / "main.py").write_text("print('ma' + 'in')\n")
    mpremote(board, "cp", str(tmp_path / "boot.py"), str(tmp_path / "main.py"), ":")
    board.console = b""
    assert mpremote(board, "exec", "print('here')") == (0, "here\n")
    assert b"boot\r\n" in board.console and b"main" not in board.console
    with ports.opened(board.name) as line:
        line.write(b"\x04")
        board.wait_for(b"soft reboot\r\nboot\r\nmain\r\nMicroPython v1.25.0")
    board.console = b""
    mpremote(board, "exec", "with open('boot.py', 'a') as file: file.write('raise ValueError(7)')", "+", "reset")
    assert b"main" not in board.wait_for(b"ValueError: 7\r\nMicroPython")


def test_control_c_interrupts_and_the_prompt_answers(board, tmp_path):
    (tmp_path / "main.py").write_text("import time\nprint('go')\nwhile True: time.sleep_ms(10)\n")
    mpremote(board, "cp", str(tmp_path / "main.py"), ":", "+", "reset")
    board.wait_for(b"go\r\n")
    with ports.opened(board.name) as line:
        line.write(b"\x03")
        board.wait_for(b"KeyboardInterrupt: \r\nMicroPython")
        line.write(b"6 * 7\r")
        board.wait_for(b">>> 6 * 7\r\n42\r\n>>> ")
    assert ports.banner(board.name) == {"version": "1.25.0", "machine": board.machine}


def test_socket_is_a_line_too(chip, tmp_path):
    with EmulatedBoard(tmp_path / "flash", chip, tcp=True) as board:
        assert mpremote(board, "exec", "print('over TCP')") == (0, "over TCP\n")
        assert mpremote(board, "exec", "print('again')") == (0, "again\n")


def test_cable_is_pulled_after_so_many_bytes(chip, tmp_path):
    with EmulatedBoard(tmp_path / "flash", chip, cut_after_bytes=100) as board:
        started = time.monotonic()
        status, _ = mpremote(board, "exec", "print('x' * 1000)\n" + "#" * 500)
        assert status != 0 and board.received_bytes == 100
        assert time.monotonic() - started < 20


def test_write_is_done_by_half_when_the_power_goes(chip, tmp_path):
    code = "f = open('x', 'wb')\nfor n in range(100): f.write(bytes([n]) * 1000)\nf.close()"
    with EmulatedBoard(tmp_path / "flash", chip, cut_after_writes=(1, 30)) as board:
        assert mpremote(board, "exec", code)[0] != 0
    with EmulatedBoard(tmp_path / "flash", chip) as again:
        # littlefs writes a file's content beside it until it is closed.
        assert mpremote(again, "exec", "import os; print(os.stat('x')[6])") == (0, "0\n")
