"""MicroPython's prompts, as shared/runtime/pyexec.c has them: the friendly one, and the raw one with its pasting."""

from __future__ import annotations

import struct
from collections.abc import Callable

CTRL_A, CTRL_B, CTRL_C, CTRL_D, CTRL_E = b"\x01", b"\x02", b"\x03", b"\x04", b"\x05"

# Half of the ESP32's 256 bytes of input.
WINDOW = 128
RAW_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
PROMPT = b">>> "


class Prompt:
    """A prompt that is fed byte by byte. `raw`: which of the two it is.

    send(data); run(kind, code, then), which calls then(how it ended, its traceback); soft_reset().
    """

    def __init__(self, machine: str, send: Callable, run: Callable, soft_reset: Callable):
        self.raw = False
        self._machine = machine
        self._send = send
        self._run = run
        self._soft_reset = soft_reset
        self.clear()

    def clear(self) -> None:
        """Forget what was begun."""
        self._line = b""
        self._paste = None

    def greet(self) -> None:
        """Show the prompt."""
        self._line = b""
        if self.raw:
            self._send(RAW_PROMPT)
        else:
            banner = 'MicroPython v1.25.0 on 2025-04-15; %s\r\nType "help()" for more information.\r\n'
            self._send((banner % self._machine).encode() + PROMPT)

    def take(self, c: bytes) -> None:
        """Take one byte."""
        if self._paste is not None:
            self._take_pasted(c)
        elif self.raw:
            self._take_raw(c)
        else:
            self._take_friendly(c)

    def _take_friendly(self, c: bytes) -> None:
        if c == CTRL_A:
            self.raw = True
            self._send(b"\r\n")
            self.greet()
        elif c == CTRL_B:
            self._send(b"\r\n")
            self.greet()
        elif c == CTRL_C:
            self._line = b""
            self._send(b"\r\n" + PROMPT)
        elif c == CTRL_D and not self._line:
            self._send(b"\r\n")
            self._soft_reset()
        elif c == b"\r":
            line, self._line = self._line, b""
            self._send(b"\r\n")
            if line.strip():
                self._run("line", line, self._answered)
            else:
                self._send(PROMPT)
        elif c >= b" ":
            self._line += c
            self._send(c)

    def _answered(self, how: bytes, traceback: bytes) -> None:
        if how == b"exit":
            self._soft_reset()
        else:
            self._send(traceback + PROMPT)

    def _take_raw(self, c: bytes) -> None:
        if c == CTRL_A:
            if self._line == CTRL_E + b"A":
                self._line = b""
                self._paste = [b"", WINDOW]
                self._send(b"R\x01" + struct.pack("<H", WINDOW) + b"\x01")
            else:
                self.greet()
        elif c == CTRL_B:
            self.raw = False
            self._send(b"\r\n")
            self.greet()
        elif c == CTRL_C:
            self._line = b""
        elif c == CTRL_D:
            line, self._line = self._line, b""
            self._send(b"OK")
            if line:
                self._run("code", line, self._raw_answered)
            else:
                self._send(b"\r\n")
                self._soft_reset()
        else:
            self._line += c

    def _take_pasted(self, c: bytes) -> None:
        if c == CTRL_C:
            self._paste = None
            self._send(CTRL_D)
            self._raw_answered(b"done", b"KeyboardInterrupt: \r\n")
        elif c == CTRL_D:
            code, self._paste = self._paste[0], None
            self._send(CTRL_D)
            self._run("code", code, self._raw_answered)
        else:
            self._paste[0] += c
            self._paste[1] -= 1
            if not self._paste[1]:
                self._paste[1] = WINDOW
                self._send(b"\x01")

    def _raw_answered(self, how: bytes, traceback: bytes) -> None:
        self._send(CTRL_D + traceback + CTRL_D)
        if how == b"exit":
            self._soft_reset()
        else:
            self._send(b">")
