"""The board below: hardware where there is any, else simulated. This is the one place that chooses.

Both have NAME, `led`, `pin()`, `temperature_c()`, `uptime_s()`, `heap()`, `idf_heap()`, `options()` and
`run(coroutine, start)`, where `start` is the event loop's own run, and `leave(status)`. For the rest of this package
they also have `ticks_ms()`, `sleep_ms()`, `hold()`, `nvs()`, `reset()`, `reset_cause()`, `watchdog()`, `take_turn()`,
and `network_time()` and `set_clock()`, which are None where the system keeps the clock.
"""

import sys

try:
    import esp32  # noqa: F401
except ImportError:
    from firmware.board.sim import *  # noqa: F403
else:
    from firmware.board.hardware import *  # noqa: F403

# Who owns the radio (`wifi.Supervisor`), where there is one and it was started.
link = None


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
