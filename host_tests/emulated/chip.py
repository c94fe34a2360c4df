"""The chip of an emulated board: runs under MicroPython's unix port; host_tests/emulated_board.py has the serial line.

Its flash is a file, its file system littlefs as on the ESP32, mounted at the root. It does what it is told through the
descriptor COMMANDS, one thing at a time, and reports through REPORTS. W: the writes to its flash so far.

    it is told                                          it reports
    code N, then N bytes to run; line N, to be shown    ready 0 0, at first
    file N, then the name of a file to run, if any      begun 0 0, when Ctrl-C (SIGINT) begins to be for what is run
                                                        deaf 0 0, when it is not, by `micropython.kbd_intr(-1)`
                                                        slow S 0: it takes as long as S ms, and does not
                                                        done N W or (SystemExit) exit N W, then a traceback of N bytes

Arguments: flash file, blocks, COMMANDS, REPORTS, platform, machine, _mpy (0: this interpreter's own), why it starts,
writes until the power goes (-1: never), what the first write of each command and each rename take in ms ("W:R"; with
"~W:R" that is reported alone), "ro" for a file system that cannot be written, and main.py's arguments.
"""

import io
import os
import sys
import time
from collections import namedtuple

import ffi
import micropython
import vfs

BLOCK = 4096
# ESP-IDF's ends of a process there is none of on a chip: what the parent does about them is its emulation.
RESET, SOFT_RESET, POWER_CUT = 3, 4, 5

libc = ffi.open(None)
end = libc.func("v", "_exit", "i")
SIGINT, SIG_IGN = 2, 1
set_signal = libc.func("p", "signal", "ip")
# Set aside, and from now on without restarting what it interrupts, as MicroPython sets it itself.
libc.func("i", "siginterrupt", "ii")(SIGINT, 1)
interrupt = set_signal(SIGINT, SIG_IGN)
SystemInfo = namedtuple("implementation", ("name", "version", "_machine", "_mpy", "_build"))


class Flash:
    """A NOR flash in a file, as a block device. The power may go in the middle of a write."""

    def __init__(self, path, blocks, writes_left, slow):
        self.slow = slow
        self.file = open(path, "r+b")  # noqa: SIM115
        self.blocks = blocks
        self.writes_left = writes_left
        self.writes = 0

    def readblocks(self, block, buffer, offset=0):
        self.file.seek(block * BLOCK + offset)
        self.file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=0):
        self.slow.write()
        self.file.seek(block * BLOCK + offset)
        if self.writes_left == 0:
            self.file.write(memoryview(buffer)[: len(buffer) // 2])
            end(POWER_CUT)
        self.writes_left -= 1
        self.writes += 1
        self.file.write(buffer)

    def ioctl(self, request, value):
        if request == 4:
            return self.blocks
        if request == 5:
            return BLOCK
        return 0


class Slow:
    """How slow the flash is."""

    def __init__(self, told, reports):
        self._is_told = told.startswith("~")
        self._write_ms, self._rename_ms = (int(ms) for ms in told.lstrip("~").split(":"))
        self._reports = reports
        self.is_first = False

    def write(self):
        if self.is_first:
            self.is_first = False
            self._take(self._write_ms)

    def rename(self):
        self._take(self._rename_ms)

    def _take(self, ms):
        if ms and self._is_told:
            self._reports.write(b"slow %d 0\n" % ms)
        else:
            time.sleep_ms(ms)


class Files:
    """The module `os`, whose renames may take a while."""

    def __init__(self, slow):
        self._slow = slow

    def rename(self, old, new):
        self._slow.rename()
        os.rename(old, new)

    def __getattr__(self, name):
        return getattr(os, name)


class Keyboard:
    """The module `micropython`, whose Ctrl-C is that of a serial line."""

    def __init__(self, reports):
        self._reports = reports

    def kbd_intr(self, character):
        is_deaf = character < 0
        if is_deaf:
            self._reports.write(b"deaf 0 0\n")
        set_signal(SIGINT, SIG_IGN if is_deaf else interrupt)
        if not is_deaf:
            self._reports.write(b"begun 0 0\n")

    def __getattr__(self, name):
        return getattr(micropython, name)


class Pin:
    """A pin that nothing is connected to: the BOOT button is not pressed."""

    IN, OUT, PULL_UP = 1, 3, 2

    def __init__(self, *args):
        pass

    def value(self, *args):
        return 1


class Machine:
    """The module `machine`, as far as boot.py and tools use it."""

    PWRON_RESET, HARD_RESET, SOFT_RESET = 1, 2, 5

    Pin = Pin

    def __init__(self, cause):
        self._cause = cause

    def reset_cause(self):
        return self._cause

    def reset(self):
        end(RESET)

    def soft_reset(self):
        end(SOFT_RESET)


class System:
    """The module `sys` of another chip."""

    def __init__(self, platform, machine, mpy):
        real = sys.implementation
        self._real = sys
        self.platform = platform
        self.implementation = SystemInfo(real[0], real[1], machine, mpy or real._mpy, "ESP32_GENERIC")

    def __getattr__(self, name):
        return getattr(self._real, name)


def start(reports, path, blocks, platform, machine, mpy, cause, writes_left, slow, mode, *args):
    """Mount the flash, made anew where it is blank, and be that chip from now on."""
    slow = Slow(slow, reports)
    flash = Flash(path, int(blocks), int(writes_left), slow)
    sizes = {"readsize": 32, "progsize": 32, "lookahead": 32}
    try:
        disk = vfs.VfsLfs2(flash, **sizes)
    except OSError:
        vfs.VfsLfs2.mkfs(flash, **sizes)
        disk = vfs.VfsLfs2(flash, **sizes)
    vfs.umount("/")
    vfs.mount(disk, "/", readonly=mode == "ro")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/lib"]
    sys.argv[:] = ["main.py"] + list(args)
    sys.modules["machine"] = Machine(int(cause))
    sys.modules["micropython"] = Keyboard(reports)
    sys.modules["os"] = Files(slow)
    sys.modules["sys"] = System(platform, machine, int(mpy))
    return flash


def run(kind, data, names, reports):
    """Do one thing; return how it ended, and the traceback. Raises KeyboardInterrupt for one that came late."""
    try:
        set_signal(SIGINT, interrupt)
        reports.write(b"begun 0 0\n")
        if kind == "line":
            exec(compile(data, "<stdin>", "single"), names)
        elif kind == "code":
            exec(compile(data, "<stdin>", "exec"), names)
        else:
            name = str(data, "utf-8")
            try:
                with open(name) as file:
                    data = file.read()
            except OSError:
                return b"done", b""
            exec(compile(data, name, "exec"), names)
    except SystemExit as error:
        # A chip starts anew. Limpet takes this one for a laptop and exits with 0 when it is stopped, where it gives a
        # chip's prompt.
        return b"done" if error.args == (0,) else b"exit", b""
    except BaseException as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        lines = text.getvalue().split("\n")
        # A chip has no caller around what it runs.
        return b"done", "\n".join(line for line in lines if __file__ not in line).encode()
    finally:
        set_signal(SIGINT, SIG_IGN)
    return b"done", b""


def serve(flash, commands, reports):
    """Do as told until the end of the line."""
    names = {"__name__": "__main__"}
    reports.write(b"ready 0 0\n")
    while True:
        words = commands.readline().split()
        if not words:
            return
        data = commands.read(int(words[1]))
        flash.slow.is_first = True
        try:
            how, traceback = run(str(words[0], "utf-8"), data, names, reports)
            for _ in range(2):
                pass  # where MicroPython looks for an interrupt
        except KeyboardInterrupt:
            how, traceback = b"done", b"KeyboardInterrupt: \n"
        reports.write(b"%s %d %d\n" % (how, len(traceback), flash.writes) + traceback)


# Before the file system that these descriptors come from is gone.
_commands = open(int(sys.argv[3]), "rb")  # noqa: SIM115
_reports = open(int(sys.argv[4]), "wb")  # noqa: SIM115
_flash = start(_reports, *sys.argv[1:3], *sys.argv[5:])
serve(_flash, _commands, _reports)
