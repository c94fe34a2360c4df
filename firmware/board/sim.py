"""The simulated board of a laptop, under CPython and under MicroPython's unix port.

An LED that nobody sees, a sensor that invents its readings, and a process to run in: options, signals.
"""

import asyncio
import gc
import math
import sys
import time

NAME = "simulated"

USAGE = """usage: main.py [--host HOST] [--port PORT] [--tls-port PORT] [--data DIR]

Serves Limpet's pages and endpoints from a simulated board.

  --host HOST       address or name to listen on; 0.0.0.0 lets others in (default: 127.0.0.1)
  --port PORT       TCP port, 1 to 65535 (default: 8080)
  --tls-port PORT   serve HTTPS there, with the certificate in DIR/tls; --port then sends everybody there
  --data DIR        folder where the board keeps its files (default: .board)
  --help            show this and end
"""

# Linux's numbers and sizes.
_SIGINT = 2
_SIGTERM = 15
_SIG_BLOCK = 0
_SIG_UNBLOCK = 1
_SIGSET_BYTES = 128
_SIGNAL_INFO_BYTES = 128

# EX_TEMPFAIL of sysexits.h.
_RESET_STATUS = 75

# Longer than a server takes that gives its requests their moment.
_STOP_S = 3

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


def temperature_c():
    """Return an invented temperature in degrees Celsius, which depends on nothing but the time since the start."""
    turn = 2 * math.pi * (_clock_s() - _start_s)
    value = _MEAN_C + _SWING_C * math.sin(turn / _PERIOD_S) + _FLUTTER_C * math.sin(turn / _FLUTTER_PERIOD_S)
    return round(value, 1)


# -- options


def options():
    """Return what the command line asks for: {"host", "port", "tls_port", "data"}.

    Ends the process for --help and wrong usage.
    """
    # A pipe's reader sees each line at once, as a terminal's does.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    try:
        return parse_options(sys.argv[1:])
    except ValueError as error:
        print("limpet: %s (try --help)" % error, file=sys.stderr)
        sys.exit(2)


def parse_options(words):
    """Do the same for a list of words. Raises ValueError with one line for the user."""
    found = {"host": "127.0.0.1", "port": 8080, "tls_port": None, "data": ".board"}
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


def run(coroutine, start):
    """Run `coroutine` with `start` until it ends, or SIGTERM or Ctrl-C cancels it.

    A second Ctrl-C does not wait for its end.
    """
    tasks = []

    async def supervise():
        task = asyncio.create_task(coroutine)
        tasks.append(task)
        _on_signals(task)
        await task

    async def cancel():
        tasks[0].cancel()
        await asyncio.wait_for(tasks[0], _STOP_S)

    try:
        start(supervise())
    except asyncio.CancelledError:
        pass
    except KeyboardInterrupt:
        # CPython's run has cancelled its tasks on the way out, MicroPython's leaves them as they are.
        try:
            if tasks and not tasks[0].done():
                start(cancel())
        except (KeyboardInterrupt, asyncio.CancelledError, Exception):
            pass  # what was interrupted halfway may well be broken


def _on_signals(task):
    """Let SIGTERM cancel `task` where the system has a way; and SIGINT, where else it would interrupt anything."""
    loop = asyncio.get_event_loop()
    if hasattr(loop, "call_soon_threadsafe"):
        import signal

        def stop(number, frame):
            # Unlike the loop's own handlers, one that bears a second signal while the interpreter ends.
            signal.signal(number, signal.SIG_IGN)
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)

        signal.signal(signal.SIGTERM, stop)
        return
    try:
        import ffi

        libc = ffi.open(None)
        signalfd = libc.func("i", "signalfd", "ipi")
        mask = libc.func("i", "sigprocmask", "ipp")
        both, interrupt = _signals(libc, (_SIGINT, _SIGTERM)), _signals(libc, (_SIGINT,))
        fd = signalfd(-1, both, 0)
        if fd < 0 or mask(_SIG_BLOCK, both, None):
            return
    except (ImportError, OSError):
        return  # not Linux
    stream = asyncio.StreamReader(open(fd, "rb"))

    async def wait():
        await stream.read(_SIGNAL_INFO_BYTES)
        mask(_SIG_UNBLOCK, interrupt, None)
        task.cancel()

    asyncio.create_task(wait())


def _signals(libc, numbers):
    """Return a sigset_t."""
    signals = bytearray(_SIGSET_BYTES)
    libc.func("i", "sigemptyset", "p")(signals)
    add = libc.func("i", "sigaddset", "pi")
    for number in numbers:
        add(signals, number)
    return signals
