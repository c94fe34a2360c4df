"""Serial ports: which of them look like an ESP32, which one is meant, and why one cannot be used.

A port is named as pyserial names it: a device (`/dev/ttyUSB0`, `COM3`) or an address (`socket://HOST:PORT`,
`rfc2217://HOST:PORT`, as for a board on another machine or on the Windows below WSL2).

    likely() -> [Port]      choose("auto" or a name) -> name      opened(name) -> an open pyserial port
    reason(error, name) -> one line      banner(name, timeout_s) -> {"version", "machine"} or None
"""

from __future__ import annotations

import errno
import re
import sys
import time
from typing import NamedTuple

import serial
from serial.tools import list_ports

from tools.console import Failure

# The makers of USB bridges on ESP32 boards, and of chips and boards that are USB devices themselves.
MAKERS = {
    0x303A: "Espressif",
    0x10C4: "Silicon Labs CP210x",
    0x1A86: "WCH CH34x",
    0x0403: "FTDI",
    0x2341: "Arduino",
    0x239A: "Adafruit",
}

# What the ROM, its boot messages and MicroPython's prompt are set to.
BAUD = 115200

# A prompt answers within milliseconds; a board that has just been reset, or is by opening its port, boots first.
ASK_TIMEOUT_S = 3

# Ends what runs (Ctrl-C, twice: once may be caught), leaves a raw prompt (Ctrl-B), which prints the banner.
WAKE = b"\r\x03\x03\r\x02"
WAKE_EVERY_S = 0.5
# On an empty line, Ctrl-D starts MicroPython anew: boot.py, main.py.
START_ANEW = b"\x04"
BANNER = re.compile(rb"MicroPython v?(\S+) on [^;\r\n]*; ([^\r\n]+)\r\n")


class Port(NamedTuple):
    """A serial port of this machine: its name, who made what is behind it, and that one's serial number."""

    name: str
    maker: str
    serial_number: str | None


def likely() -> list[Port]:
    """Return the ports that look like an ESP32, by the maker of their USB side."""
    found = sorted(list_ports.comports(), key=lambda port: port.device)
    return [Port(port.device, MAKERS[port.vid], port.serial_number) for port in found if port.vid in MAKERS]


def choose(wanted: str = "auto") -> str:
    """Return the port that is meant: `wanted`, or for "auto" the only likely one. Raises Failure."""
    if wanted != "auto":
        return wanted
    found = likely()
    if not found:
        raise Failure(
            "No board found: no serial port looks like an ESP32. Plug it in with a cable that carries data (many only"
            " charge), or name the port: --port DEVICE."
        )
    if len(found) > 1:
        raise Failure(f"Several boards: {', '.join(port.name for port in found)}. Choose one: --port DEVICE.")
    return found[0].name


def opened(name: str, timeout_s: float = ASK_TIMEOUT_S) -> serial.SerialBase:
    """Open a port for nobody else; a read waits for `timeout_s`. Raises Failure with the reason."""
    try:
        return serial.serial_for_url(name, BAUD, timeout=timeout_s, exclusive=True)
    except (OSError, ValueError) as error:
        raise Failure(reason(error, name)) from error


def reason(error: Exception, name: str) -> str:
    """Return the one line that says why a port cannot be opened, and what to do."""
    # pyserial and esptool wrap the system's error in text, each in its own way.
    text = f"{error} {error.__context__ or ''}"
    number = getattr(error, "errno", None)
    if number is None:
        found = re.search(r"\[Errno (\d+)\]|(?:Permission|FileNotFound|ConnectionRefused)Error\((\d+)", text)
        number = int(found.group(1) or found.group(2)) if found else None
    windows = sys.platform == "win32"
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text or (windows and number == errno.EACCES):
        return f"{name} is in use: end what has it open (a serial monitor, an editor, another command)."
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"No permission for {name}: add yourself to the group that owns it (Debian, Ubuntu:"
            " `sudo usermod -a -G dialout $USER`; Arch: uucp), then log out and in again."
        )
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return f"There is no {name}: is the board plugged in? `python3 -m tools devices` lists the ports."
    if number == errno.ECONNREFUSED or "refused" in text:
        return f"Nobody listens at {name}: start the serial server there."
    if isinstance(error, ValueError):
        return f"{name} is no port's name: use a device or socket://HOST:PORT."
    return f"{name} cannot be used: {error}"


def banner(name: str, timeout_s: float = ASK_TIMEOUT_S, start_anew: bool = False) -> dict[str, str] | None:
    """Return what MicroPython says of itself on its prompt, {"version", "machine"}; None when none answers in time.

    What runs on the board is interrupted, and stays so unless it is to `start_anew`. Raises Failure where the port
    cannot be opened.
    """
    deadline = time.monotonic() + timeout_s
    with opened(name, timeout_s=0.1) as port:
        heard, woken = b"", 0.0
        while time.monotonic() < deadline:
            try:
                if time.monotonic() - woken > WAKE_EVERY_S:
                    woken = time.monotonic()
                    port.write(WAKE)
                heard += port.read(max(1, port.in_waiting))
            except OSError:
                return None  # it went away: a board with a USB side of its own does so when it is reset
            found = BANNER.findall(heard)
            if found:
                if start_anew:
                    port.write(START_ANEW)
                version, machine = found[-1]
                return {"version": version.decode(), "machine": machine.decode("utf-8", "replace").strip()}
    return None
