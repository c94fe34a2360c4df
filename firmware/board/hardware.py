"""An ESP32 as `firmware.board` shows it."""

import asyncio
import gc
import sys
import time

import esp32
import machine

NAME = sys.implementation._machine

sleep_ms = asyncio.sleep_ms
ticks_ms = time.ticks_ms

# `machine.reset_cause()`: what ESP-IDF knows of a brown-out and of a crash in C is lost on the way.
_CAUSES = {
    machine.PWRON_RESET: "power on or brown-out",
    machine.HARD_RESET: "reset or crash",
    machine.WDT_RESET: "watchdog",
    machine.DEEPSLEEP_RESET: "deep sleep",
    machine.SOFT_RESET: "soft reset",
}

# How long a time server may keep everybody waiting. One that is near answers in 50 ms.
_TIME_SERVER_S = 1

# While everything is loaded, which begins here: what that leaves lies between what stays, and has to go at once, or it
# leaves holes too small for most. The memory's keeper has a threshold of its own.
gc.threshold(2048)

# What the watchdog, which goes on, leaves to who has stopped the server to work at the prompt, or to deploy.
_PROMPT_MS = 3600000

# The pins of the flash, by chip (data sheets, "Pin overview"); the driver lets some pass. Of the chips without a range
# nothing is known here.
_FLASH = (
    ("ESP32S2", 26, 32),
    ("ESP32S3", 26, 32),
    ("ESP32C3", 12, 17),
    ("ESP32C6", 24, 30),
    ("ESP32C", 1, 0),
    ("ESP32H", 1, 0),
    ("ESP32P4", 1, 0),
    ("ESP32PICOD4", 6, 11),
    ("ESP32PICOD4", 16, 17),
    ("ESP32", 6, 11),
)

_is_watched = False
_last_ms = time.ticks_ms()
_uptime_ms = 0


class _LED:
    """`on`: whether it was switched on, pin or no pin. What it shows is the indicator's business."""

    on = False
    _pin = None
    _inverted = False

    def attach(self, number, inverted):
        """Have it on a pin; `inverted`: where a low level lights it. Raises ValueError for a pin the chip has not."""
        refuse_flash(number)
        self._pin = machine.Pin(number, machine.Pin.OUT, value=inverted)
        self._inverted = inverted

    def light(self, is_lit):
        """Light it or not; needs a pin."""
        self._pin.value(is_lit != self._inverted)


led = _LED()


def chip():
    """Return which chip this is, of those whose flash pins are known: as in "LOLIN_C3_MINI with ESP32-C3FH4"."""
    name = NAME[NAME.rfind(" ") + 1 :].replace("-", "")
    for known, _, _ in _FLASH:
        if name.startswith(known):
            return known
    return name


def refuse_flash(number):
    """Raise ValueError for a pin that the flash hangs on: whoever drives it stops the board, at each start."""
    this = chip()
    for name, first, last in _FLASH:
        if name == this and first <= number <= last:
            raise ValueError("the flash is on it")


def pin(number, mode, frequency_hz, inverted):
    """Return a `gpio.Pin`; who has none does not load it. Raises what that does."""
    from firmware.board.gpio import Pin

    return Pin(number, mode, frequency_hz, inverted)


def options():
    """Return where to serve and where data are kept: {"host", "port", "tls_port", "data"}; None: as in the settings."""
    return {"host": "0.0.0.0", "port": None, "tls_port": None, "data": "/data"}


def run(coroutine, start):
    """Run `coroutine` until it ends or Ctrl-C comes over the serial line."""
    try:
        start(coroutine)
    except (KeyboardInterrupt, asyncio.CancelledError):
        if _is_watched:
            machine.WDT(timeout=_PROMPT_MS)


def leave(status):
    """End with an exit status: a board has nobody to tell it to, and starts anew."""
    if status:
        machine.reset()


def uptime_s():
    """Return whole seconds since the start. Has to be called once in six days: ticks wrap, and the clock may be set."""
    global _last_ms, _uptime_ms
    now = time.ticks_ms()
    _uptime_ms += time.ticks_diff(now, _last_ms)
    _last_ms = now
    return _uptime_ms // 1000


def heap():
    """Return MicroPython's heap in bytes: {"free", "used"}; free counts what it can still get from the other one."""
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


def nvs():
    """Return our part of the non-volatile storage. Raises OSError."""
    return esp32.NVS("limpet")


def reset():
    """Start the board anew; does not return."""
    machine.reset()


def reset_cause():
    """Return why the board started."""
    return _CAUSES.get(machine.reset_cause(), "unknown")


def watchdog(timeout_ms):
    """Start the watchdog, which nothing stops: it resets the board unless `feed()` of what is returned is called."""
    global _is_watched
    _is_watched = True
    return machine.WDT(timeout=timeout_ms)


def network_time(server):
    """Ask a time server; return seconds in this port's epoch. Blocks: see `clock`. Raises OSError, ValueError."""
    import ntptime

    ntptime.host = server
    ntptime.timeout = _TIME_SERVER_S
    return ntptime.time()


def set_clock(seconds):
    """Set the clock to seconds in this port's epoch."""
    year, month, day, hour, minute, second, weekday = time.gmtime(seconds)[:7]
    machine.RTC().datetime((year, month, day, weekday, hour, minute, second, 0))
