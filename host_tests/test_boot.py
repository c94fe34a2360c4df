"""boot.py as a board runs it: processes of MicroPython over the fakes of an ESP32, killed as when the power goes."""

import json
import signal
import subprocess
import sys
import time

import pytest

from tools import ROOT

# Each start takes its second, whatever the word size.
pytestmark = pytest.mark.parametrize("micropython", ["amd64"], indirect=True)

# What MicroPython does on an ESP32 (ports/esp32/main.c): main.py runs unless an exception leaves boot.py.
BOARD = """
import sys
{before}
names = {{"__name__": "__main__", "sys": sys}}
try:
    text = open("{boot}").read().replace("/.limpet/", "{home}/").replace("/firmware/", "{flash}/firmware/")
    # What is made to be cut down at once.
    assert "    del _area[100:]\\n" in text
    text = text.replace("    del _area[100:]\\n", "    print('area', len(_area) * 4)\\n    del _area[100:]\\n")
    exec(compile(text, "boot.py", "exec"), names)
except SystemExit:
    print("starts anew")
    sys.exit()
except BaseException as error:
    print("prompt", repr(error))
    sys.exit()
exec({main!r}, names)
"""
# What stands for main.py: one that lives until the power goes, and one that has run for a minute.
COUNT = "from firmware.board import recovery\nprint('main', recovery.begin(), recovery.boots())\n"
SERVE = COUNT + "import time\nwhile True: time.sleep(1)"
CONFIRM = COUNT + "recovery.confirm()"


class Board:
    """A board whose flash is a folder."""

    def __init__(self, interpreter, flash):
        self.interpreter = interpreter
        self.flash = flash
        self.path = [ROOT / "host_tests" / "fakes", ROOT]
        self.process = None

    def start(self, main=SERVE, cause=1, before=""):
        (self.flash / "reset_cause").write_text(str(cause))
        places = {"boot": ROOT / "boot.py", "home": self.flash / ".limpet", "flash": self.flash}
        code = BOARD.format(**places, main=main, before=before)
        path = [*map(str, self.path), ".frozen"]
        self.process = subprocess.Popen(
            self.interpreter.argv("-c", code),
            cwd=self.flash,
            env={**self.interpreter.environment(), "MICROPYPATH": ":".join(path), "FAKE_BOARD": str(self.flash)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def until(self, start):
        """Return the first line that begins so; AssertionError with all that came where none does."""
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith(start):
                return line.strip()
        raise AssertionError("".join(lines))

    def cut(self):
        """Cut the power."""
        self.process.kill()
        self.process.communicate(timeout=120)

    def end(self):
        """Return all that it still prints until its end."""
        return self.process.communicate(timeout=120)[0].strip()


@pytest.fixture
def board(micropython, tmp_path):
    board = Board(micropython, tmp_path)
    yield board
    if board.process and board.process.poll() is None:
        board.cut()


def test_main_runs_behind_the_window(board):
    started = time.monotonic()
    board.start()
    board.until("limpet: Ctrl-C or BOOT")
    assert board.until("main") == "main False 1"
    assert time.monotonic() - started > 0.9
    assert json.loads((board.flash / "nvs.json").read_text()) == {"limpet": {"unfinished": 1, "boots": 1}}


def test_brown_out_loop_ends_in_safe_mode(board):
    for boot in (1, 2, 3):
        assert board.start().until("main") == f"main False {boot}"
        board.cut()
    assert board.start(CONFIRM).until("main") == "main True 4"
    board.end()
    assert board.start().until("main") == "main False 5"


def test_power_that_goes_within_the_window_is_no_boot(board):
    for _ in range(4):
        board.start().until("limpet: Ctrl-C or BOOT")
        board.cut()
    assert board.start().until("main") == "main False 1"


def test_ctrl_c_in_the_window_gives_the_prompt(board):
    board.start().until("limpet: Ctrl-C or BOOT")
    board.process.send_signal(signal.SIGINT)
    assert "prompt KeyboardInterrupt" in board.end()
    assert not (board.flash / "nvs.json").exists()


def test_button_in_the_window_gives_the_prompt(board):
    board.start().until("limpet: Ctrl-C or BOOT")
    (board.flash / "button").touch()
    assert "prompt KeyboardInterrupt('BOOT'" in board.end()
    assert not (board.flash / "nvs.json").exists()


@pytest.mark.parametrize(
    "name, pin",
    [
        ("Generic ESP32 module with ESP32", 0),
        ("M5Stack Atom with ESP32-PICO-D4", 0),
        ("Generic ESP32S3 module with ESP32S3", 0),
        ("LOLIN_S2_MINI with ESP32-S2FN4R2", 0),
        ("ESP32C3 module with ESP32C3", 9),
        ("LOLIN_C3_MINI with ESP32-C3FH4", 9),
        ("ESP32C5 module with ESP32C5", 28),
        ("ESP32C6 module with ESP32C6", 9),
        ("something else", 0),
    ],
)
def test_button_is_that_of_the_chip(micropython, tmp_path, name, pin):
    """Under CPython, whose `os.uname` can be replaced."""
    code = f"""
import os, esp32, machine
machine._PINS += (28,)  # a C5 has it
os.uname = lambda: ("esp32", "esp32", "1.25.0", "", {name!r})
try:
    exec(open({str(ROOT / "boot.py")!r}).read())
except KeyboardInterrupt:
    print(list(machine.pins))
"""
    (tmp_path / "button").touch()
    environment = {"PYTHONPATH": str(ROOT / "host_tests" / "fakes"), "FAKE_BOARD": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1:] == [f"[{pin}]"], done.stdout + done.stderr


def test_soft_reset_has_no_window_and_does_not_count(board):
    (board.flash / "button").touch()
    assert board.start(CONFIRM, cause=5).end() == "main False 0"


BROKEN = {
    "firmware is gone": None,
    "syntax": "def",
    "raises": "raise ValueError('broken')",
    "no memory": "raise MemoryError",
    "ends": "raise SystemExit",
    "no exception": "class Odd(BaseException): pass\nraise Odd",
    "too deep": "def f(): f()\nf()",
    "no begin": "",
    "wrong begin": "begin = 1",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_firmware_does_not_keep_main_from_running(board, broken, tmp_path):
    code = BROKEN[broken]
    if code is not None:
        (tmp_path / "firmware" / "board").mkdir(parents=True)
        (tmp_path / "firmware" / "board" / "recovery.py").write_text(code)
    board.path = [ROOT / "host_tests" / "fakes", tmp_path]
    output = board.start("print('main')", cause=5).end()
    assert output.startswith("limpet: boot.py: ")
    assert output.endswith("\nmain")


@pytest.mark.parametrize("broken", ["import os\nraise ImportError", "SOFT_RESET = 5\ndef reset_cause(): raise OSError"])
def test_broken_hardware_does_not_keep_main_from_running(board, broken, tmp_path):
    (tmp_path / "machine.py").write_text(broken)
    board.path = [tmp_path, ROOT / "host_tests" / "fakes", ROOT]
    output = board.start("print('main')").end()
    assert "limpet: boot.py: " in output
    assert output.endswith("\nmain")


# -- deployments: tools/manifest.py tells what a journal is


def deploy(flash, journal="switch"):
    """Leave a staged deployment, as it is when the power goes; return the contents that are to be there behind it."""
    home = flash / ".limpet"
    home.mkdir()
    (flash / "old.txt").write_text("old")
    (flash / "gone.txt").write_text("gone")
    (home / "aaaa").write_text("new")
    (home / "bbbb").write_text("page")
    steps = ["- /gone.txt", "+ /www", "aaaa /old.txt", "bbbb /www/a page.txt"]
    (home / journal).write_text("".join(step.replace(" /", f" {flash}/", 1) + "\n" for step in steps))
    return {"old.txt": "new", "www/a page.txt": "page"}


def deployed(flash):
    assert list((flash / ".limpet").iterdir()) == []
    files = list(flash.rglob("*.txt"))
    return {path.relative_to(flash).as_posix(): path.read_text() for path in files}


@pytest.mark.parametrize("journal", ["switch", "trial"])
def test_deployment_is_put_in_place(board, journal):
    wanted = deploy(board.flash, journal)
    said = board.start("print('main')", cause=5).end().splitlines()
    steps = [f"limpet: changing over, {step} of 4" for step in (1, 2, 3, 4)]
    assert said == [*steps, "limpet: changed over", "main"]
    assert deployed(board.flash) == wanted
    assert board.start("print('main')", cause=5).end() == "main"
    assert deployed(board.flash) == wanted


@pytest.mark.parametrize("done", range(5))
def test_deployment_that_was_cut_off_is_completed(board, done):
    wanted = deploy(board.flash)
    home = board.flash / ".limpet"
    steps = [
        lambda: (board.flash / "gone.txt").unlink(),
        lambda: (board.flash / "www").mkdir(),
        lambda: (home / "aaaa").rename(board.flash / "old.txt"),
        lambda: (home / "bbbb").rename(board.flash / "www" / "a page.txt"),
    ]
    for step in steps[:done]:
        step()
    assert board.start("print('main')", cause=5).end().endswith("\nmain")
    assert deployed(board.flash) == wanted


def test_journal_that_cannot_be_followed_stays_and_main_runs(board):
    deploy(board.flash)
    (board.flash / ".limpet" / "switch").write_text("nonsense\n")
    output = board.start("print('main')", cause=5).end()
    assert "\nlimpet: boot.py: ValueError" in output and output.endswith("\nmain")
    assert "changed over" not in output
    assert (board.flash / ".limpet" / "switch").exists()


def test_storage_that_is_broken_does_not_keep_main_from_running(board):
    (board.flash / "nvs.json").write_text("?")
    assert board.start().until("main") == "main False 0"


KEYBOARD = """
import micropython
class Keyboard:
    def kbd_intr(self, character):
        print("keyboard", character)
    def __getattr__(self, name):
        return getattr(micropython, name)
sys.modules["micropython"] = Keyboard()
"""


@pytest.mark.parametrize("fails", [False, True])
def test_ctrl_c_is_no_interrupt_while_a_deployment_is_put_in_place(board, fails):
    deploy(board.flash)
    if fails:
        (board.flash / ".limpet" / "switch").write_text("nonsense\n")
    said = board.start("print('main')", cause=5, before=KEYBOARD).end().splitlines()
    told = [line for line in said if line[:8] == "keyboard"]
    assert told == ["keyboard -1", "keyboard 3"]
    steps = [at for at, line in enumerate(said) if "changing over" in line]
    assert said.index("keyboard -1") < steps[0] <= steps[-1] < said.index("keyboard 3")


# -- where the firmware is


@pytest.mark.parametrize("here", [None, "__init__.mpy", "__init__.py"])
def test_firmware_of_the_image_is_taken_where_there_is_none_here(board, here):
    if here:
        (board.flash / "firmware").mkdir()
        (board.flash / "firmware" / here).touch()
    told = board.start(main="print('path', sys.path[0])").until("path")
    assert (told == "path .frozen") is (here is None)


# -- memory for the radio


RADIO = """
import network
class WLAN:
    def __init__(self, interface):
        {error}
    def active(self, on):
        print("radio on", on, [name for name in sys.modules if name.startswith("firmware")])
network.WLAN = WLAN
"""


def test_radio_is_switched_on_before_anything_is_imported(board):
    board.start("print('main')", before=RADIO.format(error="pass"))
    assert board.until("radio") == "radio on True []"
    assert board.until("main") == "main"


@pytest.mark.parametrize(
    "error", ["RuntimeError('Wifi Unknown Error 0x0101')", "MemoryError('memory allocation failed')", "OSError(12)"]
)
def test_radio_without_memory_is_said_and_starts_the_board_anew(board, error):
    board.start("print('main')", before=RADIO.format(error=f"raise {error}"))
    words = board.end()
    assert "limpet: there is not enough memory for the radio: the board starts anew\n" in words
    assert words.endswith("starts anew") and "main" not in words


def test_radio_that_fails_otherwise_is_left_to_main(board):
    board.start("print('main')", before=RADIO.format(error="raise OSError('Wifi Internal Error')"))
    assert "Wifi Internal Error" in board.until("limpet: boot.py:")
    assert board.until("main") == "main"


def test_chip_without_wifi_boots(board):
    board.start("print('main')", before="sys.modules['network'] = None")
    assert board.until("main") == "main"


def test_names_of_boot_are_gone_in_main(board):
    board.start("print('main', sorted(name for name in globals() if type(globals()[name]) is type(lambda: 0)))")
    assert board.until("main") == "main []"


# A stock image and one of one's own: what is free of the system's heap, its largest block, and the list for which
# Python's second area is made. A board that comes from the prompt has its radio on.
@pytest.mark.parametrize(
    "cause, free, largest, area",
    [
        (1, 142628, 110592, 0),
        (1, 197760, 110592, 97988),
        (5, 151384, 110592, 99700),
        (5, 96392, 94208, 0),
        (1, 4000000, 3900000, 0),
    ],
)
def test_second_area_is_made_where_there_is_room_for_it(board, cause, free, largest, area):
    before = f"""
import esp32, gc
esp32.regions[:] = [({free}, {free}, {largest}, {free})]
class Gc:
    mem_alloc = staticmethod(lambda: 2464)
    mem_free = staticmethod(lambda: 57344 - 2464 + {largest})
    threshold = staticmethod(lambda amount: None)
sys.modules["gc"] = Gc
"""
    board.start("print('main', len(_area) if '_area' in globals() else None)", cause, before)
    lines = board.end().splitlines()
    if area:
        assert f"area {area}" in lines and lines[-1] == "main 84"
    else:
        assert lines[-1] == "main None"
