"""Puts an emulated chip behind a port, on a thread of its own.

    with PtyLine(Rom("ESP32-S3")) as line: line.name, line.rom.flash        a pty, as a USB bridge without reset lines
    with TcpLine(Rom("ESP32-C3"), rfc2217=True) as line: ...                with reset lines: DTR is BOOT, RTS is RESET

A pty tells no reset line, and neither does `socket://`: there the chip starts in its bootloader, as with BOOT held, and
is reset when its user hangs up, as by a finger on RESET.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import socket
import termios
import threading
import time
import tty

from serial.rfc2217 import PortManager

from host_tests.emulated_rom import ROM_BAUD, Rom

START_TIMEOUT_S = 60


class _Line:
    """Runs a Rom on a thread; a context manager. `name` is the port as esptool takes it."""

    def __init__(self, rom: Rom):
        self.rom = rom
        self._unused = len(rom.log)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._stopping.set()
        self._thread.join(5)
        self.close()

    def wait_for_start(self) -> None:
        """Return once the chip has started what is in its flash; AssertionError when it stays in its bootloader."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.rom.bootloader:
            assert time.monotonic() < deadline, "the chip is still in its bootloader"
            time.sleep(0.01)

    def _hung_up(self):
        """Press RESET where the bootloader has been used."""
        if self.rom.bootloader and len(self.rom.log) > self._unused:
            self.rom.reset(boot_held=False)


class PtyLine(_Line):
    """The Rom behind a pty."""

    def __init__(self, rom: Rom):
        super().__init__(rom)
        self._end, other = pty.openpty()
        tty.setraw(other)
        self.name = os.ttyname(other)
        os.close(other)

    def _run(self):
        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        while not self._stopping.is_set():
            events = dict(poll.poll(20)).get(self._end, 0)
            if events & select.POLLIN:
                data = os.read(self._end, 65536)
                if self._rate() == self.rom.baud:
                    self.rom.send = self._write
                    self.rom.receive(data)
            elif events & select.POLLHUP:
                self.rom.send = lambda answer: None
                self._hung_up()
                self._stopping.wait(0.01)
            elif self._rate() == self.rom.baud:
                self.rom.send = self._write  # somebody has it open, and only listens

    def _write(self, answer: bytes) -> None:
        os.write(self._end, answer)

    def _rate(self) -> int:
        speed = termios.tcgetattr(self._end)[5]
        return {termios.B115200: 115200, termios.B460800: 460800}.get(speed, 0)

    def close(self):
        os.close(self._end)


class TcpLine(_Line):
    """The Rom behind a TCP port: as it is (`socket://`), or with a serial port's lines and rate (`rfc2217://`)."""

    def __init__(self, rom: Rom, rfc2217: bool = False):
        super().__init__(rom)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self._rfc2217 = rfc2217
        self.name = f"{'rfc2217' if rfc2217 else 'socket'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def _run(self):
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except socket.timeout:  # noqa: UP041 - another class before Python 3.10
                continue
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.settimeout(0.1)
                with contextlib.suppress(OSError):
                    self._serve(client)
            self.rom.send = lambda answer: None
            if not self._rfc2217:
                self._hung_up()

    def _serve(self, client):
        lines = _Lines(self.rom)
        manager = PortManager(lines, _Writer(client)) if self._rfc2217 else None
        self.rom.send = lambda answer: client.sendall(b"".join(manager.escape(answer)) if manager else answer)
        while not self._stopping.is_set():
            try:
                data = client.recv(65536)
            except socket.timeout:  # noqa: UP041
                continue
            if not data:
                return
            if manager:
                data = b"".join(manager.filter(data))
            if data and (not manager or lines.baudrate == self.rom.baud):
                self.rom.receive(data)

    def close(self):
        self._listener.close()


class _Writer:
    def __init__(self, client):
        self.write = client.sendall


class _Lines:
    """What a serial port is to pyserial's RFC 2217 server. RTS alone holds the chip in reset, DTR alone holds BOOT.

    Both together do neither: two transistors on the board see to that, so that opening a port resets nothing. A
    capacitor keeps the chip in reset a moment longer, until BOOT is held in turn.
    """

    baudrate, bytesize, parity, stopbits = ROM_BAUD, 8, "N", 1
    xonxoff = rtscts = dsrdtr = break_condition = False
    cts = dsr = ri = cd = False

    def __init__(self, rom: Rom):
        self._rom = rom
        self._dtr = self._rts = self._held = False

    def _set(self, dtr: bool, rts: bool) -> None:
        self._dtr, self._rts = dtr, rts
        if rts and not dtr:
            self._held = True
        elif self._held and not rts:
            self._held = False
            self._rom.reset(boot_held=dtr)

    dtr = property(lambda self: self._dtr, lambda self, on: self._set(on, self._rts))
    rts = property(lambda self: self._rts, lambda self, on: self._set(self._dtr, on))

    def reset_input_buffer(self):
        pass

    reset_output_buffer = reset_input_buffer
