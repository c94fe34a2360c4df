"""An ESP32 on a serial line: real MicroPython on a littlefs file system, which the real mpremote drives.

    with EmulatedBoard(flash, micropython) as board: board.name          a pty; `tcp=True`: socket://HOST:PORT

Here are the line, Ctrl-C, and what each reset starts, as MicroPython's ports/esp32/main.c has them; the prompts are in
emulated/prompt.py. What is run, runs in emulated/chip.py, a process for each life between two resets; a power cut kills
it. The flash, a file, outlives all.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import socket
import subprocess
import threading
import time
import tty
from pathlib import Path

from host_tests.emulated.prompt import CTRL_C, Prompt
from host_tests.servers import HOST, Interpreter
from tools import ROOT

CHIP = ROOT / "host_tests" / "emulated" / "chip.py"

# The chip's ends of a life (host_tests/emulated/chip.py).
RESET, SOFT_RESET, POWER_CUT = 3, 4, 5
# machine.reset_cause()
CAUSES = {"power": 1, "reset": 2, "soft": 5}

# A second signal before the first was seen ends MicroPython's unix port.
SIGNAL_EVERY_S = 0.1
WAIT_S = 10


class Clock:
    """The module `time` of who waits for a slow board: no time passes by itself."""

    def __init__(self):
        self._now_s = 0.0

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self._now_s += seconds

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """Give others their turn."""
        time.sleep(min(seconds, 0.001))


class EmulatedBoard:
    """A board, powered from `with` on until the cable is pulled. `name` is its port, `console` all that it has sent.

    `mpy`: what it says its .mpy format is (None: the interpreter's own); `cut_after_bytes`: the cable is pulled once so
    many bytes have come to it; `cut_after_writes` (LIFE, WRITES): the same for writes to the flash in one of its lives
    between two resets, from 0 on; the next one is done by half. `writes`: those of each life. `args` are main.py's.
    `slow_ms`: what the first write of each command takes, and each rename; by the `clock`, where there is one.
    `unheard`: how many Ctrl-C have come while it was deaf to them.
    """

    def __init__(
        self,
        flash: Path,
        interpreter: Interpreter,
        *args: str,
        blocks: int = 256,
        mpy: int | None = None,
        cut_after_bytes: int | None = None,
        cut_after_writes: tuple[int, int] | None = None,
        read_only: bool = False,
        tcp: bool = False,
        machine: str = "Generic ESP32 module with ESP32",
        slow_ms: tuple[int, int] = (0, 0),
        clock: Clock | None = None,
    ):
        self.flash = Path(flash)
        self.interpreter = interpreter
        self.args = args
        self.blocks = blocks
        self.mpy = mpy
        self.read_only = read_only
        self.machine = machine
        self.console = b""
        self.received_bytes = 0
        self._cut_after_bytes = cut_after_bytes
        self._cut_after_writes = cut_after_writes
        self.writes = []
        self.unheard = 0
        self._clock = clock
        self._slow = "%s%d:%d" % ("~" if clock else "", *slow_ms)
        self._prompt = Prompt(machine, self._send, self._command, self._soft_reset)
        self._input = b""
        self._output = b""
        self._busy = None
        self._is_interrupted = self._has_begun = self._is_deaf = False
        self._signalled = 0.0
        self._listener = self._connection = None
        self._chip = None
        self._wake_read, self._wake = os.pipe()
        if not self.flash.exists():
            with open(self.flash, "wb") as file:
                file.truncate(blocks * 4096)
        if tcp:
            self._listener = socket.create_server((HOST, 0))
            self.name = "socket://%s:%d" % self._listener.getsockname()
        else:
            # Our own end of the slave keeps the line up while nobody else has it open.
            master, self._slave = pty.openpty()
            tty.setraw(self._slave)
            self.name = os.ttyname(self._slave)
            self._connection = os.fdopen(master, "r+b", buffering=0)
            os.set_blocking(master, False)

    def __enter__(self) -> EmulatedBoard:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self.pull_the_cable()
        os.close(self._wake_read)
        os.close(self._wake)

    def pull_the_cable(self) -> None:
        """Cut line and power."""
        if self._thread.is_alive():
            os.write(self._wake, b"x")
            self._thread.join()

    def join(self, timeout_s: float = WAIT_S) -> None:
        """Wait until its power has gone. AssertionError when it stays."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), f"there is still power: {self.console[-3000:]!r}"

    def wait_for(self, text: bytes, timeout_s: float = WAIT_S) -> bytes:
        """Return the output once `text` is in it. AssertionError when that does not come."""
        deadline = time.monotonic() + timeout_s
        while text not in self.console:
            assert time.monotonic() < deadline and self._thread.is_alive(), f"no {text!r} in {self.console[-3000:]!r}"
            time.sleep(0.005)
        return self.console

    # -- the line

    def _run(self) -> None:
        try:
            self._start("power")
            while self._turn():
                pass
        finally:
            self._kill()
            for end in (self._connection, self._listener):
                if end:
                    end.close()
            if not self._listener:
                os.close(self._slave)

    def _turn(self) -> bool:
        """Wait for something and handle it; return whether there is still power."""
        readers = [self._wake_read, self._stdout, self._reports, *filter(None, [self._connection or self._listener])]
        writers = [self._connection] if self._output and self._connection else []
        ready, writable, _ = select.select(readers, writers, [], 1)
        if self._wake_read in ready:
            return False
        if writable:
            self._flush()
        if self._listener and self._listener in ready:
            self._connection = self._listener.accept()[0].detach()
            os.set_blocking(self._connection, False)
            self._connection = os.fdopen(self._connection, "r+b", buffering=0)
        elif self._connection and self._connection in ready:
            self._receive()
            if self._cut_after_bytes is not None and self.received_bytes >= self._cut_after_bytes:
                return False
        if self._stdout in ready:
            self._forward()
        if self._reports in ready:
            return self._report()
        return True

    def _receive(self) -> None:
        try:
            data = self._connection.read(4096)
        except OSError:
            data = b""
        if not data:
            if self._listener:
                self._connection.close()
                self._connection = None
            return
        if self._cut_after_bytes is not None:
            data = data[: self._cut_after_bytes - self.received_bytes]
        self.received_bytes += len(data)
        self._input += data
        self._take()

    def _send(self, data: bytes) -> None:
        self.console += data
        self._output += data
        self._flush()

    def _flush(self) -> None:
        if not self._connection:
            self._output = b""  # nobody listens
            return
        try:
            while self._output:
                sent = self._connection.write(self._output)
                if not sent:
                    return
                self._output = self._output[sent:]
        except OSError:
            self._output = b""

    # -- the chip

    def _start(self, cause: str) -> None:
        """Begin a life: boot.py, then main.py unless the raw prompt has asked for it."""
        self._kill()
        cut_life, cut_writes = self._cut_after_writes or (None, -1)
        writes = cut_writes if len(self.writes) == cut_life else -1
        self.writes.append(0)
        commands, self._commands = os.pipe()
        self._reports, reports = os.pipe()
        arguments = [
            *(self.flash, self.blocks, commands, reports, "esp32", self.machine, self.mpy or 0, CAUSES[cause], writes),
            *(self._slow, "ro" if self.read_only else "rw", *self.args),
        ]
        # Its input stays readable here: what a program leaves of it is the prompt's.
        self._stdin_read, self._stdin = os.pipe()
        self._stdout, stdout = os.pipe()
        self._chip = subprocess.Popen(
            self.interpreter.argv(CHIP, *arguments),
            env={**os.environ, "MICROPYPATH": ".frozen"},
            stdin=self._stdin_read,
            stdout=stdout,
            stderr=stdout,
            pass_fds=(commands, reports),
        )
        for end in (commands, reports, stdout):
            os.close(end)
        for end in (self._stdin_read, self._stdin, self._stdout):
            os.set_blocking(end, False)
        self._prompt.clear()
        # What comes before it is ready waits.
        self._busy, self._ready = self._boot, False

    def _kill(self) -> None:
        if self._chip:
            self._chip.kill()
            self._chip.wait()
            for end in (self._commands, self._reports, self._stdin_read, self._stdin, self._stdout):
                os.close(end)
            self._chip = None

    def _command(self, kind: str, data: bytes, then) -> None:
        self._busy = then
        self._is_interrupted = self._has_begun = self._is_deaf = False
        self._signalled = 0.0
        # A chip that has just died is noticed by its reports.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._commands, b"%s %d\n" % (kind.encode(), len(data)))
            while data:
                data = data[os.write(self._commands, data) :]

    def _boot(self, how: bytes, traceback: bytes) -> None:
        self._ready = True
        self._command("file", b"boot.py", self._booted)

    def _booted(self, how: bytes, traceback: bytes) -> None:
        self._send(traceback)
        if how == b"exit":
            self._soft_reset()
        elif self._prompt.raw or traceback:
            self._prompt.greet()
        else:
            self._command("file", b"main.py", self._ended)

    def _ended(self, how: bytes, traceback: bytes) -> None:
        self._send(traceback)
        if how == b"exit":
            self._soft_reset()
        else:
            self._prompt.greet()

    def _soft_reset(self) -> None:
        self._send(b"MPY: soft reboot\r\n")
        self._start("soft")

    def _forward(self) -> None:
        """Pass on what was printed, with the line ends of a terminal."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data = os.read(self._stdout, 65536)
                if not data:
                    return
                self._send(data.replace(b"\n", b"\r\n"))

    def _report(self) -> bool:
        """Handle what the chip reports, or its end; return whether there is still power."""
        head = self._read_report(lambda data: data.endswith(b"\n"))
        self._forward()
        if not head:
            status = self._chip.wait()
            if status == POWER_CUT:
                return False
            self._prompt.raw = self._prompt.raw and status == SOFT_RESET
            self._busy = None
            if status == SOFT_RESET:
                self._soft_reset()
            else:
                self._start("reset")
            return True
        how, size, writes = head.split()
        if how == b"slow":
            self._clock.advance(int(size) / 1000)
            return True
        if how in (b"begun", b"deaf"):
            self._is_deaf = how == b"deaf"
            self._has_begun = not self._is_deaf
            self._interrupt()
            return True
        self.writes[-1] = int(writes)
        traceback = self._read_report(lambda data: len(data) == int(size)).replace(b"\n", b"\r\n")
        then, self._busy = self._busy, None
        with contextlib.suppress(BlockingIOError):
            self._input = os.read(self._stdin_read, 65536) + self._input
        then(how, traceback)
        self._take()
        return True

    def _read_report(self, is_whole) -> bytes:
        data = b""
        while not is_whole(data):
            piece = os.read(self._reports, 1)
            if not piece:
                return b""
            data += piece
        return data

    # -- input

    def _take(self) -> None:
        """Handle the input, as far as it goes."""
        while self._input and self._ready:
            if self._busy:
                self._pass_on()
                return
            c, self._input = self._input[:1], self._input[1:]
            self._prompt.take(c)

    def _pass_on(self) -> None:
        """Give the input to what runs; a Ctrl-C interrupts it."""
        data, self._input = self._input, b""
        if CTRL_C in data:
            self.unheard += data.count(CTRL_C) * self._is_deaf
            data = data.replace(CTRL_C, b"")
            self._is_interrupted = not self._is_deaf
            self._interrupt()
        if data:
            with contextlib.suppress(BlockingIOError):
                os.write(self._stdin, data)

    def _interrupt(self) -> None:
        """Interrupt what runs, where that is wanted and it has begun."""
        if self._is_interrupted and self._has_begun and time.monotonic() - self._signalled > SIGNAL_EVERY_S:
            self._is_interrupted = False
            self._signalled = time.monotonic()
            self._chip.send_signal(signal.SIGINT)
