"""A board at its prompt: the one module that knows mpremote's own Python interfaces (its version is pinned).

    with Board(port) as board:          what runs there is interrupted, and starts anew at the end
        board.version, board.machine, board.mpy      board.run(code, consume)      board.hashes(paths), walk(folder)
        board.image(), board.memory()
        board.read(path), write(path, data), replace(path, data), remove(path), rename(old, new), free_bytes()
        for line in board.restart(timeout_s): ...     what it prints after a reset

    ask_serving(port)                   what it has, from one that serves and goes on with it

Paths are absolute. Whatever goes wrong between here and there is a Failure, with one line.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import re
import select
import struct
import sys
import time
import types
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from mpremote import repl, transport, transport_serial
from mpremote.console import Console

from tools import ROOT, ports
from tools.console import Failure
from tools.memory import Heaps

# Beyond any pause of a board that is well and works: a write to a flash that is nearly full takes seconds.
SILENCE_S = 60
# A look at the line while it is not known who is there.
LINE_S = 2
# For the prompt. A board that is just starting hears nothing at first: ask again.
PROMPT_TIMEOUTS_S = (3, 5, 10)
# A boot.py that takes longer is taken for one that goes on for ever, and interrupted.
BOOT_S = 10
PROMPT, RAW_PROMPT = b">>> ", b"raw REPL; CTRL-B to exit\r\n"
# What boot.py says of a change: while it goes on, and when it has ended, well or not.
CHANGING = b"limpet: changing over"
CHANGED = (b"limpet: changed over", b"limpet: boot.py:")
# A board whose USB is its own comes back as a new device.
REOPEN_EVERY_S = 0.2
# Between two looks at a port that nothing tells us of: no hand notices it.
POLL_S = 0.01
# Until a reset has begun: what is sent sooner is lost with the old life.
RESET_S = 0.05
# Who else looks at a port that has just appeared, as Linux's ModemManager does, is done with it soon.
TAKEN_S = 2

# What a write carries, before packing: with its text and the result it has to fit a small heap in pieces.
CHUNK_BYTES = 4096
# The window that unpacking needs on the board: 1 KB.
WINDOW_BITS = 10
# Paths asked for at once: the question's text has to fit a small heap too.
PATHS_AT_ONCE = 40

# What the board runs for us: its functions, `_hash` and others, are defined anew after each soft reset.
HELPERS = ROOT / "tools" / "onboard.py"

# The folder that stands for what is frozen into an image.
FROZEN_PATH = ".frozen"
# What is frozen into the image, whatever firmware boot.py has found: (version, hash), which an older one does not tell.
LOOK_AT_IMAGE = """
import sys
sys.modules.pop("firmware", None)
_path, _found = sys.path[:], None
sys.path[:] = [%r]
try:
    import firmware
    _found = (None, None)
    from firmware_build import TREE, VERSION
    _found = (VERSION, TREE)
except ImportError:
    pass
sys.modules.pop("firmware", None)
sys.path[:] = _path
print(repr(_found))
"""

# A Ctrl-T, which a board that serves answers within a turn of its housekeeping; a line's end, which a prompt answers.
QUESTION = b"\r\x14"
ASK_S = 3
ASKED, ANSWERED, IN_VAIN = "limpet: asked {", "limpet: answered", "limpet: asked in vain"
LISTED = re.compile(r"[0-9a-f]{64} /")

# Errors of a board's file system, by the numbers of littlefs.
ERRORS = {
    2: "there is no such file",
    20: "a part of its path is a file",
    21: "it is a folder",
    28: "the board's file system is full: remove something",
    30: "the board's file system is read-only",
}


class RemoteError(Failure):
    """The board ran something that raised. `output`: the traceback; `errno`: an OSError's number, else None."""

    def __init__(self, output: str, doing: str = "The board"):
        self.output = output
        lines = output.strip().splitlines()
        last = lines[-1].strip() if lines else "it ended"
        found = re.match(r"OSError: (?:\[Errno )?(\d+)", last)
        self.errno = int(found.group(1)) if found else None
        super().__init__(f"{doing}: {ERRORS.get(self.errno, last)}.")


def lines(name: str, timeout_s: float, port=None) -> Iterator[str]:
    """Yield each line that comes from the port `name`, and an empty one now and then while it is silent.

    `port` is the same where it is open already; it is closed in the end. Ends when `timeout_s` is over.
    """
    deadline = time.monotonic() + timeout_s
    text = b""
    try:
        while time.monotonic() < deadline:
            if port is None:
                time.sleep(REOPEN_EVERY_S)
                with contextlib.suppress(Failure):
                    port = ports.opened(name, timeout_s=REOPEN_EVERY_S)
                continue
            try:
                port.timeout = REOPEN_EVERY_S
                text += port.read(max(1, port.in_waiting))
            except OSError:
                with contextlib.suppress(OSError):
                    port.close()
                port = None
            *lines, text = text.split(b"\n")
            for line in lines or [b""]:
                yield line.decode("utf-8", "replace").strip()
    finally:
        if port:
            with contextlib.suppress(OSError):
                port.close()


class Board:
    """A board on a port, at its raw prompt after a soft reset. Raises Failure where there is none."""

    def __init__(self, port: str):
        self.port = port
        self._transport = connect(port)

    def __enter__(self) -> Board:
        try:
            self._enter()
            self.run(HELPERS.read_bytes())
            # ("1.25.0", "Generic ESP32 module with ESP32", 11014)
            self.version, self.machine, self.mpy = self.ask("_about()")
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind, error, traceback) -> None:
        if self._transport:
            # It serves again, whatever has gone wrong here.
            with contextlib.suppress(Failure):
                if error is not None:
                    self._enter(soft_reset=False, tries=1)
                self._begin_reset()
                time.sleep(RESET_S)
        self._close()

    def _enter(self, soft_reset: bool = True, tries: int | None = None, told: Callable = lambda line: None) -> None:
        """Come to the raw prompt, of a new life with a `soft_reset`; `told` gets the lines that boot.py prints."""
        with self._line_errors():
            self._transport.serial.timeout = LINE_S
        self._interrupt(tries)
        with self._line_errors():
            if soft_reset:
                self._start_anew(told)
            self._transport.serial.timeout = SILENCE_S

    def _interrupt(self, tries: int | None) -> None:
        """Come to the raw prompt of whatever runs; a change that boot.py is busy with is waited for."""
        left, changing_at = list(PROMPT_TIMEOUTS_S[:tries]), None
        while left:
            heard = io.StringIO()
            try:
                # mpremote prints what it got instead of a prompt.
                with self._line_errors(), contextlib.redirect_stdout(heard):
                    self._transport.enter_raw_repl(False, timeout_overall=left[0])
                return
            except NoPrompt:
                pass
            if CHANGING.decode() in heard.getvalue():
                changing_at = time.monotonic()
            if changing_at is None or time.monotonic() - changing_at > SILENCE_S:
                left.pop(0)
        raise self._no_prompt()

    def _start_anew(self, told: Callable[[str], None]) -> None:
        """Do a soft reset at the raw prompt and wait for the next one, behind boot.py.

        A boot.py that takes too long is interrupted, but never while it changes from one tree to another.
        """
        self._transport.read_until(1, b">")
        self._transport.serial.write(b"\x04")
        self._transport.read_until(1, b"soft reboot\r\n")
        line, is_changing, since, interrupts = b"", False, time.monotonic(), 0
        while True:
            line += self._transport.read_until(1, b"\n", timeout_overall=BOOT_S)
            if line.endswith(RAW_PROMPT):
                return
            if CHANGING in line:
                is_changing, since = True, time.monotonic()
            is_changing = is_changing and not line.startswith(CHANGED)
            silent_s = time.monotonic() - since
            if silent_s > SILENCE_S:
                raise self._no_prompt()
            if not is_changing and silent_s > BOOT_S * (interrupts + 1):
                # One that was reset meanwhile comes to its friendly prompt: Ctrl-A turns that into the raw one.
                self._transport.serial.write(b"\x01" if line.endswith(PROMPT) else b"\x03")
                interrupts += 1
            if line.endswith(b"\n"):
                told(line.decode("utf-8", "replace").strip())
                line = b""

    def _no_prompt(self) -> Failure:
        todo = "press RESET; or put it there: `python3 -m tools flash`"
        return Failure(f"No MicroPython answers on {self.port}: {todo}.")

    def soft_reset(self, told: Callable[[str], None] = lambda line: None) -> None:
        """Start the interpreter anew: boot.py runs, main.py does not. `told` gets each line that boot.py prints."""
        self._enter(told=told)
        self.run(HELPERS.read_bytes())

    # -- code

    def run(self, code: str | bytes, consume: Callable | None = None, doing: str = "The board") -> bytes:
        """Run code there and return what it prints; `consume` gets it as it comes instead. Raises RemoteError."""
        with self._line_errors():
            output, error = self._transport.exec_raw(code, None if consume else SILENCE_S, consume)
        if error:
            raise RemoteError(error.decode("utf-8", "replace"), doing)
        return output

    def ask(self, expression: str, doing: str = "The board"):
        """Return the value of an expression there, which has to be a literal."""
        return ast.literal_eval(self.run(f"print(repr({expression}))", doing=doing).decode().strip())

    def image(self) -> dict | None:
        """Return what its image has frozen in it, {"version", "tree"}, None for one that does not tell; or None."""
        found = ast.literal_eval(self.run(LOOK_AT_IMAGE % FROZEN_PATH).decode().strip())
        return dict(zip(("version", "tree"), found)) if found else None

    def memory(self) -> Heaps:
        """Return how large its heaps are."""
        return Heaps(*self.ask("_memory()"))

    def interrupt(self) -> None:
        """End what runs there."""
        with self._line_errors():
            self._transport.serial.write(b"\x03")

    # -- files

    def hashes(self, paths: Iterable[str]) -> dict[str, str | None]:
        """Return {path: SHA-256 in hex, "/" for a folder, None where there is nothing}."""
        paths = list(paths)
        found = []
        for at in range(0, len(paths), PATHS_AT_ONCE):
            some = ", ".join(map(ascii, paths[at : at + PATHS_AT_ONCE]))
            found += self.run(f"_hash({some})").decode().split()
        return {path: None if value == "-" else value for path, value in zip(paths, found)}

    def walk(self, folder: str) -> dict[str, int]:
        """Return {path: size} of all files and folders (ending in a slash) below a folder; {} where there is none."""
        folder = folder.rstrip("/")
        if not self.ask(f"_kind({ascii(folder or '/')})"):
            return {}
        lines = self.run(f"_walk({ascii(folder)})").decode().splitlines()
        return {ast.literal_eval(path): int(size) for size, path in (line.split(" ", 1) for line in lines)}

    def read(self, path: str) -> bytes:
        """Return a file's content. Raises RemoteError."""
        doing = f"Cannot read {path}"
        self.run(f"_file = open({ascii(path)}, 'rb')", doing=doing)
        pieces = []
        while not pieces or pieces[-1]:
            pieces.append(base64.b64decode(self.ask(f"binascii.b2a_base64(_file.read({CHUNK_BYTES}))", doing=doing)))
        self.run("_file.close()")
        return b"".join(pieces)

    def write(self, path: str, data: bytes, advance: Callable[[int], None] = lambda n_bytes: None) -> None:
        """Write a file in place; `advance` is told of every piece. Raises RemoteError."""
        # Each exchange takes a while: a small file is one.
        for at in range(0, len(data) or 1, CHUNK_BYTES):
            chunk = data[at : at + CHUNK_BYTES]
            compressor = zlib.compressobj(9, wbits=WINDOW_BITS)
            packed = compressor.compress(chunk) + compressor.flush()
            is_packed = len(packed) < len(chunk)
            text = base64.b64encode(packed if is_packed else chunk)
            opened, is_last = None if at else path, at + CHUNK_BYTES >= len(data)
            try:
                self.run(f"_put({text!r}, {is_packed}, {opened!a}, {is_last})", doing=f"Cannot write {path}")
            except RemoteError:
                with contextlib.suppress(RemoteError):
                    self.run("_file.close()")
                raise
            advance(len(chunk))

    def replace(self, path: str, data: bytes, advance: Callable[[int], None] = lambda n_bytes: None) -> None:
        """Write a file beside, then rename it over the old one: a cut leaves the one or the other."""
        folder = path.rpartition("/")[0]
        if folder:
            self.make_folder(folder)
        self.write(path + ".new", data, advance)
        self.rename(path + ".new", path)

    def make_folder(self, path: str) -> None:
        """Make a folder and those above it, where they are missing."""
        for end in [at for at, c in enumerate(path) if c == "/" and at] + [len(path)]:
            self.run(f"_kind({ascii(path[:end])}) or os.mkdir({ascii(path[:end])})", doing=f"Cannot make {path}")

    def rename(self, old: str, new: str) -> None:
        """Rename a file, over the one that is there."""
        self.run(f"os.rename({ascii(old)}, {ascii(new)})", doing=f"Cannot rename {old}")

    def remove(self, path: str) -> None:
        """Remove a file or an empty folder."""
        self.run(f"os.remove({ascii(path)})", doing=f"Cannot remove {path}")

    def free_bytes(self) -> int:
        """Return what is free in the file system."""
        _, block_bytes, blocks, free = self.ask("os.statvfs('/')[:4]")
        # littlefs may count a block twice, and so more than there are: fewer than none free.
        return block_bytes * free if 0 <= free <= blocks else 0

    # -- ends

    def restart(self, timeout_s: float) -> Iterator[str]:
        """Reset the board, then yield each line that it prints, and an empty one now and then while it is silent.

        Ends when `timeout_s` is over. Raises Failure.
        """
        self._begin_reset()
        port, self._transport = self._transport.serial, None
        yield from lines(self.port, timeout_s, port)

    def _begin_reset(self) -> None:
        with self._line_errors():
            self._transport.exec_raw_no_follow("import machine\nmachine.reset()")

    def _close(self) -> None:
        if self._transport:
            close(self._transport)
            self._transport = None

    @contextlib.contextmanager
    def _line_errors(self):
        """Say what is wrong with the line in one line."""
        try:
            yield
        except transport.TransportError as error:
            if "could not enter raw repl" in str(error):
                raise NoPrompt(str(error)) from error
            raise Failure(f"{self.port}: the board has stopped answering ({error}).") from error
        except (OSError, struct.error) as error:
            raise Failure(f"The connection to {self.port} is gone: is the cable plugged in?") from error


class Serving(NamedTuple):
    """What a board tells while it serves (firmware/board/console.py).

    `about`: {"version", "machine", "mpy", "image", "python_bytes", "networks", "address"}; `there`: {path: hash}, "/"
    for a folder.
    """

    about: dict
    there: dict[str, str]


def ask_serving(name: str) -> Serving | None:
    """Ask the board on a port without interrupting it; None where none answers."""
    # What is wrong with the port is for who needs it to say.
    with contextlib.suppress(Failure, OSError), ports.opened(name, timeout_s=POLL_S) as port:
        port.write(QUESTION)
        return _answer(port)
    return None


def _answer(port) -> Serving | None:
    about, there, text = None, {}, b""
    deadline = time.monotonic() + ASK_S
    while time.monotonic() < deadline:
        got = port.read(max(1, port.in_waiting))
        if got and about:
            deadline = time.monotonic() + SILENCE_S
        *lines, text = (text + got).split(b"\n")
        for line in lines:
            line = line.decode("utf-8", "replace").rstrip("\r")
            if about is None and line.startswith(ASKED):
                with contextlib.suppress(ValueError):
                    about = json.loads(line[len(ASKED) - 1 :])
            elif line == ANSWERED and about:
                return Serving(about, there)
            elif line.startswith(IN_VAIN):
                return None
            elif about and (line.startswith("/ /") or LISTED.match(line)):
                digest, _, path = line.partition(" ")
                there[path] = digest
        if text.endswith(PROMPT):
            return None  # nothing runs
    return None


class NoPrompt(Failure):
    """What is there is not MicroPython, or does not let itself be interrupted."""


class Line(transport_serial.SerialTransport):
    """mpremote's own connection with our patience: it waits 10 s for many an answer."""

    def read_until(self, min_num_bytes, ending, timeout=SILENCE_S, data_consumer=None, timeout_overall=None):
        """Return what comes up to `ending`, or until there is silence."""
        return super().read_until(min_num_bytes, ending, timeout, data_consumer, timeout_overall)


def connect(port: str) -> transport_serial.SerialTransport:
    """Return mpremote's own connection to a port. Raises Failure."""
    deadline = time.monotonic() + TAKEN_S
    while True:
        try:
            return Line(port, baudrate=ports.BAUD, timeout=LINE_S)
        except (transport.TransportError, OSError, ValueError):
            # mpremote keeps to itself why.
            try:
                ports.opened(port).close()
            except Failure as failure:
                if "is in use" not in str(failure) or time.monotonic() > deadline:
                    raise
        time.sleep(REOPEN_EVERY_S)


def close(line: transport_serial.SerialTransport) -> None:
    """Close a connection, whatever state it is in."""
    try:
        # It first lets go of the reset lines, which a pty does not have, nor a device that has gone.
        with contextlib.suppress(OSError):
            line.close()
    finally:
        line.serial.close()


def console(port: str) -> bool:
    """Join this terminal and the board until Ctrl-] (or Ctrl-X); return whether it was the board that went."""
    line = connect(port)
    terminal = Console()
    if not hasattr(line.serial, "fd") and hasattr(terminal, "infd"):
        # mpremote waits for both at once, which takes a descriptor: socket:// and rfc2217:// have none to wait for.
        terminal.waitchar = lambda port: wait_for_either(terminal.infd, port)
    terminal.enter()
    try:
        return repl.do_repl_main_loop(
            types.SimpleNamespace(transport=line),
            terminal,
            terminal.write,
            escape_non_printable=False,
            code_to_inject=None,
            file_to_inject=None,
        )
    except OSError:
        return True
    finally:
        terminal.exit()
        close(line)


def wait_for_either(fd: int, port) -> None:
    """Return once there is something to read from a descriptor or a port."""
    while not (port.in_waiting or select.select([fd], [], [], POLL_S)[0]):
        pass


def print_output(data: bytes) -> None:
    """Print what comes from a board, whole characters at a time."""
    transport.stdout_write_bytes(data)
    sys.stdout.flush()
