"""An ESP32 as `firmware.board` shows it."""

import asyncio
import gc
import sys
import time

import esp32

NAME = sys.implementation._machine

_last_ms = time.ticks_ms()
_uptime_ms = 0


class _LED:
    on = False


led = _LED()


def options():
    """Return where to serve and where data are kept: {"host", "port", "data"}."""
    return {"host": "0.0.0.0", "port": 80, "data": "/data"}


def run(coroutine, start):
    """Run `coroutine` until it ends or Ctrl-C comes over the serial line."""
    try:
        start(coroutine)
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass


def uptime_s():
    """Return whole seconds since the start. Has to be called once in six days: ticks wrap, and the clock may be set."""
    global _last_ms, _uptime_ms
    now = time.ticks_ms()
    _uptime_ms += time.ticks_diff(now, _last_ms)
    _last_ms = now
    return _uptime_ms // 1000


def heap():
    """Return MicroPython's heap in bytes: {"free", "used"}."""
    return {"free": gc.mem_free(), "used": gc.mem_alloc()}


def idf_heap():
    """Return the heap that Wi-Fi and TCP live in, in bytes: {"free", "largest" block, "lowest" free ever}."""
    regions = esp32.idf_heap_info(esp32.HEAP_DATA)
    return {
        "free": sum(region[1] for region in regions),
        "largest": max(region[2] for region in regions),
        "lowest": sum(region[3] for region in regions),
    }


def temperature_c():
    """Return the chip's temperature in degrees Celsius, or None where the chip cannot tell."""
    if hasattr(esp32, "mcu_temperature"):
        return esp32.mcu_temperature()
    if hasattr(esp32, "raw_temperature"):
        return round((esp32.raw_temperature() - 32) / 1.8, 1)
    return None
