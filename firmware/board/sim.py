"""The simulated board of a laptop, under CPython and under MicroPython's unix port.

An LED that nobody sees, a sensor that invents its readings, and a process to run in: options, signals.
"""

import asyncio
import gc
import math
import sys
import time

from firmware.board.simprocess import keep_private, restart, run  # noqa: F401 - two of them for `board`

NAME = "simulated"

USAGE = """usage: main.py [--host HOST] [--port PORT] [--tls-port PORT] [--data DIR] [--project DIR]

Serves Limpet's pages and endpoints from a simulated board.

  --host HOST       address or name to listen on; 0.0.0.0 lets others in (default: 127.0.0.1)
  --port PORT       TCP port, 1 to 65535 (default: 8080)
  --tls-port PORT   serve HTTPS there, with the certificate in DIR/tls; --port then sends everybody there
  --data DIR        folder where the board keeps its files (default: .board)
  --project DIR     folder of an application of your own, which is served before Limpet's pages
  --help            show this and end
"""

# EX_TEMPFAIL of sysexits.h.
_RESET_STATUS = 75

# The sensor: a room that is warmed and cools down again every so often, with a slight flutter.
_MEAN_C = 21.5
_SWING_C = 2.0
_PERIOD_S = 600
_FLUTTER_C = 0.2
_FLUTTER_PERIOD_S = 17

# An ESP32's last pin, and how long a door stays as it is.
_LAST_PIN = 39
_DOOR_S = 7

# A clock that nobody sets, where there is one.
_clock_s = getattr(time, "monotonic", time.time)
_start_s = _clock_s()


# The system keeps the clock.
network_time = None
set_clock = None


class _LED:
    on = False

    def attach(self, number, inverted):
        """Have it on any pin."""

    def light(self, is_lit):
        """Light it for nobody."""


led = _LED()


class _Pin:
    """A pin that leads nowhere; at an input is a door that opens and closes."""

    def __init__(self, number, mode):
        if number > _LAST_PIN:
            raise ValueError("invalid pin")
        self._is_input = mode[:5] == "input"
        self._value = 0

    def read(self):
        """Return what it was set to, or what is at an input."""
        return uptime_s() // _DOOR_S % 2 if self._is_input else self._value

    def write(self, value):
        """Set it; not for an input."""
        self._value = value

    def close(self):
        """Drive it no more."""


def pin(number, mode, frequency_hz, inverted):
    """Return what stands for a `gpio.Pin`. Raises ValueError for one that an ESP32 has not."""
    return _Pin(number, mode)


class _NVS:
    """What `esp32.NVS` is, for as long as the process runs: one that was killed is no boot that failed."""

    def __init__(self):
        self._values = {}

    def set_i32(self, key, value):
        self._values[key] = value

    set_blob = set_i32

    def get_i32(self, key):
        if key not in self._values:
            raise OSError(key)
        return self._values[key]

    def get_blob(self, key, buffer):
        value = self.get_i32(key)
        buffer[: len(value)] = value
        return len(value)

    def commit(self):
        pass


class _Watchdog:
    def feed(self):
        pass


def nvs():
    """Return a storage for numbers and bytes."""
    return _NVS()


def watchdog(timeout_ms):
    """Return a watchdog that sleeps."""
    return _Watchdog()


def reset_cause():
    """Return why the board started."""
    return "power on"


def leave(status):
    """End with an exit status."""
    sys.exit(status)


def reset():
    """End the process, for who watches it to start it anew."""
    sys.exit(_RESET_STATUS)


soft_reset = reset


def ticks_ms():
    """Return milliseconds of a clock that nobody sets and that wraps."""
    if hasattr(time, "ticks_ms"):
        return time.ticks_ms()
    return int(_clock_s() * 1000)


def sleep_ms(ms):
    """Await this for a pause."""
    if hasattr(asyncio, "sleep_ms"):
        return asyncio.sleep_ms(ms)
    return asyncio.sleep(ms / 1000)


def uptime_s():
    """Return whole seconds since the start."""
    return int(_clock_s() - _start_s)


def heap():
    """Return MicroPython's heap in bytes: {"free", "used"}; both None on CPython, which has no such heap."""
    if hasattr(gc, "mem_free"):
        return {"free": gc.mem_free(), "used": gc.mem_alloc()}
    return {"free": None, "used": None}


def idf_heap():
    """Return None: only an ESP32 has this heap."""
    return None


def hold(size, before):
    """Nothing to hold: only an ESP32 has this heap."""


def temperature_c():
    """Return an invented temperature in degrees Celsius, which depends on nothing but the time since the start."""
    turn = 2 * math.pi * (_clock_s() - _start_s)
    value = _MEAN_C + _SWING_C * math.sin(turn / _PERIOD_S) + _FLUTTER_C * math.sin(turn / _FLUTTER_PERIOD_S)
    return round(value, 1)


# -- options


def options():
    """Return what the command line asks for: {"host", "port", "tls_port", "data", "project"}.

    Ends the process for --help and wrong usage.
    """
    # A pipe's reader sees each line at once, as a terminal's does.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    try:
        found = parse_options(sys.argv[1:])
    except ValueError as error:
        print("limpet: %s (try --help)" % error, file=sys.stderr)
        sys.exit(2)
    keep_private(found["data"])
    return found


def parse_options(words):
    """Do the same for a list of words. Raises ValueError with one line for the user."""
    found = {"host": "127.0.0.1", "port": 8080, "tls_port": None, "data": ".board", "project": None}
    words = list(words)
    while words:
        word = words.pop(0)
        if word in ("-h", "--help"):
            print(USAGE, end="")
            sys.exit(0)
        at = word.find("=")
        name, value = (word, None) if at < 0 else (word[:at], word[at + 1 :])
        key = name[2:].replace("-", "_")
        if name[:2] != "--" or key not in found or "_" in name:
            raise ValueError("there is no %s" % word)
        if value is None and words:
            value = words.pop(0)
        if not value:
            raise ValueError("%s needs a value" % name)
        found[key] = _port(name, value) if key[-4:] == "port" else value
    return found


def _port(name, text):
    if len(text) > 5 or not text.encode().isdigit() or not 0 < int(text) < 65536:
        raise ValueError("%s is a number from 1 to 65535, not %s" % (name, text))
    return int(text)


# -- the process


def take_turn(python_bytes):
    """Do nothing: the system counts the time, and nobody asks a laptop over a serial line."""
