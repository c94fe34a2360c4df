"""An ESP32 as `firmware.board` shows it."""

import asyncio
import gc
import select
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

# By Ctrl-T a laptop asks over the serial line (`console`); a prompt takes no notice of it.
_QUESTION = b"\x14"
# What is read at once of what somebody types.
_MAX_TYPED = 64

_keys = select.poll()
_keys.register(sys.stdin, select.POLLIN)

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
        from firmware.server import loader

        loader.borrow("firmware.board.chip").refuse_flash(number)
        self._pin = machine.Pin(number, machine.Pin.OUT, value=inverted)
        self._inverted = inverted

    def light(self, is_lit):
        """Light it or not; needs a pin."""
        self._pin.value(is_lit != self._inverted)


led = _LED()


def pin(number, mode, frequency_hz, inverted):
    """Return a `gpio.Pin`; who has none does not load it. Raises what that does."""
    from firmware.board.gpio import Pin

    return Pin(number, mode, frequency_hz, inverted)


def options():
    """Return where to serve, and where data and the project are: {"host", "port", "tls_port", "data", "project"}.

    None: as in the settings.
    """
    return {"host": "0.0.0.0", "port": None, "tls_port": None, "data": "/data", "project": "/project"}


def take_turn(python_bytes):
    """Do what has to be done now and then: count the time, and answer a laptop that asks over the serial line.

    `python_bytes`: for the answer, see `console`. What else is typed there goes.
    """
    uptime_s()
    is_asked = False
    for _ in range(_MAX_TYPED):
        if not _keys.poll(0):
            break
        is_asked = sys.stdin.buffer.read(1) == _QUESTION or is_asked
    if is_asked:
        try:
            from firmware.server import loader

            loader.borrow("firmware.board.console").begin(python_bytes)
        except MemoryError:
            pass  # who gets no answer interrupts


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
    """Return what Python has, in bytes: {"free", "used"}, garbage being used."""
    # `mem_free` counts the system's largest block, too: Python's heap could grow by it. Wi-Fi may take from that
    # between two looks.
    for _ in range(3):
        largest = idf_heap()["largest"]
        free = gc.mem_free()
        if largest == idf_heap()["largest"]:
            break
    return {"free": max(0, free - largest), "used": gc.mem_alloc()}


def idf_heap():
    """Return the heap that Wi-Fi and TCP live in, in bytes: {"free", "largest" block, "lowest" free ever}."""
    free = largest = lowest = 0
    for region in esp32.idf_heap_info(esp32.HEAP_DATA):
        free += region[1]
        largest = max(largest, region[2])
        lowest += region[3]
    return {"free": free, "largest": largest, "lowest": lowest}


def hold(size, before):
    """Take `size` bytes of the system's heap, `before` bytes into its largest block; `release()` of what is returned
    gives them back.

    They are the stack of a thread that waits for it. Raises OSError, MemoryError.
    """
    first = _park(before)
    try:
        return _park(size)
    finally:
        first.release()


def _park(size):
    import _thread

    lock = _thread.allocate_lock()
    lock.acquire()
    _thread.stack_size(size)
    try:
        _thread.start_new_thread(lock.acquire, ())
    finally:
        _thread.stack_size(0)
    return lock


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


def soft_reset():
    """Start Python anew; Wi-Fi stays as it is. Does not return."""
    machine.soft_reset()


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
