"""tools/monitor.py and tools/run.py: a real terminal (a pty) and an emulated board."""

import contextlib
import os
import pty
import select
import subprocess
import sys
import time

import pytest

from host_tests.conftest import interpreter_named
from host_tests.emulated.prompt import PROMPT
from host_tests.emulated_board import EmulatedBoard
from tools import ROOT, monitor, run
from tools.board import Board
from tools.console import Failure

WAIT_S = 15


@pytest.fixture
def chip():
    return interpreter_named("amd64")


class Terminal:
    """A terminal in which a command runs; `seen` is all that it has shown."""

    def __init__(self, module, *args):
        self.master, slave = pty.openpty()
        code = f"import sys; from tools import {module}; sys.exit({module}.main(sys.argv[1:]))"
        command = [sys.executable, "-c", code, *args]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.seen = b""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def attach(self):
        """Press Return until the board answers: at first the terminal is not its own yet."""
        self.seen = b""
        deadline = time.monotonic() + WAIT_S
        while PROMPT not in self.seen:
            assert time.monotonic() < deadline, f"no prompt in {self.seen!r}"
            self.type(b"\r")
            if select.select([self.master], [], [], 0.2)[0]:
                self.seen += os.read(self.master, 4096)

    def type(self, keys):
        os.write(self.master, keys)

    def wait_for(self, text, times=1):
        deadline = time.monotonic() + WAIT_S
        while self.seen.count(text) < times:
            assert time.monotonic() < deadline, f"no {text!r} in {self.seen!r}"
            if select.select([self.master], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    self.seen += os.read(self.master, 4096)

    def ends(self):
        deadline = time.monotonic() + WAIT_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it goes on: {self.seen!r}"
            self.wait_for(b"")
            time.sleep(0.02)
        return self.process.returncode


@pytest.mark.parametrize("tcp", [False, True], ids=["pty", "socket"])
def test_keys_reach_the_board_and_its_answers_the_terminal(chip, tmp_path, tcp):
    with (
        EmulatedBoard(tmp_path / "flash", chip, tcp=tcp) as board,
        Terminal("monitor", "--port", board.name) as terminal,
    ):
        terminal.wait_for(b"Ctrl-]")
        terminal.attach()
        terminal.type(b"6 * 7\r")
        terminal.wait_for(b"\r\n42\r\n>>> ")
        terminal.type(b"import time; time.sleep(99)\r")
        terminal.wait_for(b"sleep(99)\r\n")
        terminal.type(b"\x03")
        terminal.wait_for(b"KeyboardInterrupt")
        terminal.type(b"\x1d")
        assert terminal.ends() == 0


def test_board_that_goes_and_comes_back_is_shown_again(chip, tmp_path):
    # As udev has it: one name for a device that is another each time.
    name = tmp_path / "board"
    flash = tmp_path / "flash"
    with EmulatedBoard(flash, chip) as board:
        name.symlink_to(board.name)
        with Terminal("monitor", "--port", str(name)) as terminal:
            terminal.wait_for(b"Ctrl-]")
            terminal.attach()
            board.pull_the_cable()
            terminal.wait_for(b"is gone; waiting")
            name.unlink()
            with EmulatedBoard(flash, chip) as again:
                name.symlink_to(again.name)
                terminal.attach()
                terminal.type(b"6 * 7\r")
                terminal.wait_for(b"\r\n42\r\n>>> ")
                terminal.type(b"\x1d")
                assert terminal.ends() == 0


def test_pipe_gets_what_the_board_prints(chip, tmp_path):
    with EmulatedBoard(tmp_path / "flash", chip) as board:
        with Board(board.name) as there:
            there.write("/main.py", b"import time\nwhile True:\n print('tick')\n time.sleep_ms(20)\n")
        board.wait_for(b"tick")
        code = f"from tools import monitor; monitor.follow({board.name!r})"
        process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
        try:
            assert b"tick" in process.stdout.readline() + process.stdout.readline()
            board.pull_the_cable()
            assert process.wait(WAIT_S) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def test_missing_port_is_one_line(tmp_path):
    with pytest.raises(Failure, match="There is no"):
        monitor.main(["--port", str(tmp_path / "ttyUSB7")])


# -- run


@pytest.fixture
def serving(chip, tmp_path):
    """A board that prints that it serves."""
    with EmulatedBoard(tmp_path / "flash", chip) as board:
        with Board(board.name) as there:
            there.write("/main.py", b"print('serving')\nwhile True: pass\n")
        board.wait_for(b"serving")
        yield board


def test_run_shows_output_stores_nothing_and_lets_the_board_serve_again(serving, tmp_path, capfd):
    file = tmp_path / "hello.py"
    file.write_text("import os\nprint('Zo\u00eb', os.listdir())\n" + "# long\n" * 200, encoding="utf-8")
    serving.console = b""
    assert run.main([str(file), "--port", serving.name]) == 0
    assert capfd.readouterr().out.replace("\r", "") == "Zo\u00eb ['main.py']\n"
    serving.wait_for(b"serving")


def test_run_that_raises_shows_the_traceback_and_fails(serving, tmp_path, capfd):
    file = tmp_path / "wrong.py"
    file.write_text("print('first')\n1 / 0\n")
    assert run.main([str(file), "--port", serving.name]) == 1
    said = capfd.readouterr()
    assert said.out.replace("\r", "") == "first\n"
    assert said.err.endswith("ZeroDivisionError: divide by zero\n")


def test_run_of_what_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(Failure, match="cannot be read"):
        run.main([str(tmp_path / "missing.py"), "--port", "/dev/null"])


def test_interrupted_run_ends_on_the_board_too(serving, tmp_path):
    file = tmp_path / "endless.py"
    file.write_text("print('go')\nwhile True: pass\n")
    serving.console = b""
    with Terminal("run", str(file), "--port", serving.name) as terminal:
        terminal.wait_for(b"go\r")
        terminal.process.send_signal(2)
        assert terminal.ends() != 0
        serving.wait_for(b"serving")
