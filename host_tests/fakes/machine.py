"""MicroPython's `machine` as far as the firmware uses it, for CPython and MicroPython's unix port.

Follows ports/esp32 of MicroPython 1.25. Where `$FAKE_BOARD` names a folder, `reset_cause` in it is the number to tell,
and the BOOT button is pressed while there is a `button`. A reset ends the process, as nothing returns from one.
"""

import os

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

_FOLDER = os.getenv("FAKE_BOARD")

# The pins of an ESP32, those of its flash among them.
_PINS = tuple(range(24)) + (25, 26, 27, 32, 33, 34, 35, 36, 39)
_INPUT_ONLY = 34

cause = PWRON_RESET
pins = {}  # those that were made, by number
watchdog = None
rtc = None  # what the clock was set to


def reset_cause():
    if _FOLDER:
        try:
            with open(_FOLDER + "/reset_cause") as file:
                return int(file.read())
        except OSError:
            pass
    return cause


def reset():
    raise SystemExit("reset")


def soft_reset():
    raise SystemExit("soft reset")


def unique_id():
    return b"\x24\x6f\x28\x00\xab\x1c"


class Pin:
    IN = 1
    OUT = 3
    PULL_UP = 2

    def __init__(self, number, mode=None, pull=None, value=None):
        if number not in _PINS:
            raise ValueError("invalid pin")
        if mode == Pin.OUT and number >= _INPUT_ONLY:
            raise ValueError("pin can only be input")
        self.number = number
        self.mode = mode
        self.level = 1 if pull == Pin.PULL_UP else 0
        if value is not None:
            self.level = int(bool(value))
        pins[number] = self

    def value(self, level=None):
        if level is None:
            return 0 if self.mode == Pin.IN and _is_pressed() else self.level
        self.level = int(bool(level))


class PWM:
    """A duty cycle on a pin, in 65535ths. There are `channels` of them."""

    channels = 16
    open = {}  # by the pin's number

    def __init__(self, pin, freq, duty_u16):
        if not 1 <= freq <= 40000000:
            raise ValueError("frequency must be from 1Hz to 40MHz")
        self.number = pin.number
        if pin.number >= _INPUT_ONLY:
            raise OSError(-258, "ESP_ERR_INVALID_ARG")
        if pin.number not in PWM.open and len(PWM.open) >= PWM.channels:
            raise RuntimeError("out of PWM channels:%d" % PWM.channels)
        self.freq = freq
        self.duty = duty_u16
        PWM.open[pin.number] = self

    def duty_u16(self, duty):
        if type(duty) is not int or not 0 <= duty <= 65535:
            raise ValueError("duty_u16 must be from 0 to 65535")
        self.duty = duty

    def deinit(self):
        PWM.open.pop(self.number, None)


class WDT:
    """Cannot be stopped. `fed`: how often."""

    def __init__(self, id=0, timeout=5000):
        global watchdog
        if id != 0:
            raise ValueError
        if timeout < 1000:
            raise ValueError("WDT timeout too short")
        self.timeout = timeout
        self.fed = 0
        watchdog = self

    def feed(self):
        self.fed += 1


class RTC:
    def datetime(self, moment=None):
        """`moment`: (year, month, day, weekday, hours, minutes, seconds, subseconds)."""
        global rtc
        if moment is None:
            return rtc or (2000, 1, 1, 5, 0, 0, 0, 0)
        if len(moment) != 8:
            raise ValueError("requested length 8 but object has length %d" % len(moment))
        rtc = tuple(moment)
        import time  # as it is by now

        if hasattr(time, "set_by"):
            time.set_by(rtc)


def _is_pressed():
    try:
        return bool(_FOLDER and os.stat(_FOLDER + "/button"))
    except OSError:
        return False
