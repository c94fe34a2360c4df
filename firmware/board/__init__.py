"""The board below: hardware where there is any, else simulated. This is the one place that chooses.

Both have NAME, `led.on`, `temperature_c()`, `uptime_s()`, `heap()`, `idf_heap()`, `options()` and
`run(coroutine, start)`, where `start` is the event loop's own run.
"""

import sys

try:
    import esp32  # noqa: F401
except ImportError:
    from firmware.board.sim import NAME, heap, idf_heap, led, options, run, temperature_c, uptime_s
else:
    from firmware.board.hardware import NAME, heap, idf_heap, led, options, run, temperature_c, uptime_s


def python():
    """Return which Python this is."""
    version = ".".join(str(part) for part in sys.implementation.version[:3])
    return {"implementation": sys.implementation.name, "version": version}


__all__ = ("NAME", "heap", "idf_heap", "led", "options", "python", "run", "temperature_c", "uptime_s")
