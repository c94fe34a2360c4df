"""The board below: hardware where there is any, else simulated. This is the one place that chooses.

Both have NAME, `led.on`, `temperature_c()`, `uptime_s()`, `heap()`, `idf_heap()`, `options()` and `run(coroutine)`.
"""

try:
    import esp32  # noqa: F401
except ImportError:
    from firmware.board.sim import NAME, heap, idf_heap, led, options, run, temperature_c, uptime_s
else:
    from firmware.board.hardware import NAME, heap, idf_heap, led, options, run, temperature_c, uptime_s

__all__ = ("NAME", "heap", "idf_heap", "led", "options", "run", "temperature_c", "uptime_s")
