"""The board below: hardware where there is any, else simulated. This is the one place that chooses.

Both have NAME, `led`, `pin()`, `temperature_c()`, `uptime_s()`, `heap()`, `idf_heap()`, `options()` and
`run(coroutine, start)`, where `start` is the event loop's own run, and `leave(status)`. For the rest of this package
they also have `ticks_ms()`, `sleep_ms()`, `nvs()`, `reset()`, `reset_cause()`, `watchdog()`, and `network_time()` and
`set_clock()`, which are None where the system keeps the clock.
"""

import sys

try:
    import esp32  # noqa: F401
except ImportError:
    from firmware.board.sim import (
        NAME,
        heap,
        idf_heap,
        leave,
        led,
        network_time,
        nvs,
        options,
        pin,
        reset,
        reset_cause,
        run,
        set_clock,
        sleep_ms,
        temperature_c,
        ticks_ms,
        uptime_s,
        watchdog,
    )
else:
    from firmware.board.hardware import (
        NAME,
        heap,
        idf_heap,
        leave,
        led,
        network_time,
        nvs,
        options,
        pin,
        reset,
        reset_cause,
        run,
        set_clock,
        sleep_ms,
        temperature_c,
        ticks_ms,
        uptime_s,
        watchdog,
    )

# Who owns the radio (`wifi.Supervisor`), where there is one and it was started.
link = None

# MicroPython's ticks wrap at this or at a multiple of it.
_TICKS_MASK = (1 << 30) - 1


def elapsed_ms(since):
    """Return the milliseconds since a `ticks_ms()` at most 12 days ago."""
    return (ticks_ms() - since) & _TICKS_MASK


def borrow(name):
    """Import a module of ours that nobody keeps, and return it: its heap is free again with the last reference."""
    package, leaf = name[: name.rfind(".")], name[name.rfind(".") + 1 :]
    module = __import__(name, None, None, (leaf,))
    sys.modules.pop(name, None)
    if hasattr(sys.modules[package], leaf):
        delattr(sys.modules[package], leaf)
    return module


def python():
    """Return which Python this is."""
    version = ".".join(str(part) for part in sys.implementation.version[:3])
    return {"implementation": sys.implementation.name, "version": version}


def traceback(error):
    """Return the traceback of an exception as text."""
    import io

    text = io.StringIO()
    if hasattr(sys, "print_exception"):
        sys.print_exception(error, text)
    else:
        import traceback

        traceback.print_exception(type(error), error, error.__traceback__, file=text)
    return text.getvalue()


__all__ = (
    "NAME",
    "elapsed_ms",
    "heap",
    "idf_heap",
    "leave",
    "led",
    "link",
    "network_time",
    "nvs",
    "options",
    "pin",
    "python",
    "reset",
    "reset_cause",
    "run",
    "set_clock",
    "sleep_ms",
    "temperature_c",
    "ticks_ms",
    "traceback",
    "uptime_s",
    "watchdog",
)
