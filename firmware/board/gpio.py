"""A pin of an ESP32."""

import machine

import firmware.board as board

# `duty_u16` of what is always on.
_FULL_DUTY = 65535

# The pins that the flash hangs on, by chip (data sheets, "Pin overview"): whoever drives one stops the board, and the
# driver lets some pass. The first name that fits counts; of the chips without a range nothing is known here.
_FLASH = (
    ("ESP32S2", 26, 32),
    ("ESP32S3", 26, 32),
    ("ESP32C3", 12, 17),
    ("ESP32C6", 24, 30),
    ("ESP32C", 1, 0),
    ("ESP32H", 1, 0),
    ("ESP32P4", 1, 0),
    ("ESP32", 6, 11),
)


class Pin:
    """A pin in one of `schema.py`'s modes: `read()` and `write()` 0 or 1, or percent of "pwm". It begins off.

    Raises ValueError, RuntimeError or OSError for what the chip has not, or has no more of.
    """

    def __init__(self, number, mode, frequency_hz, inverted):
        _refuse_flash(number)
        self._number = number
        self._inverted = inverted
        self._pwm = None
        self._value = 0  # what it was set to; None for an input
        if mode == "pwm":
            self._pwm = machine.PWM(machine.Pin(number), freq=frequency_hz, duty_u16=_FULL_DUTY if inverted else 0)
        elif mode == "output":
            self._pin = machine.Pin(number, machine.Pin.OUT, value=inverted)
        else:
            self._pin = machine.Pin(number, machine.Pin.IN, machine.Pin.PULL_UP if mode == "input_pull_up" else None)
            self._value = None

    def read(self):
        """Return what it was set to, whatever its load makes of that; or what is at an input."""
        return int(self._pin.value() != self._inverted) if self._value is None else self._value

    def write(self, value):
        """Set it; not for an input."""
        self._value = value
        if self._pwm:
            duty = int(value * _FULL_DUTY / 100 + 0.5)
            self._pwm.duty_u16(_FULL_DUTY - duty if self._inverted else duty)
        else:
            self._pin.value(value != self._inverted)

    def close(self):
        """Drive it no more."""
        if self._pwm:
            self._pwm.deinit()
        machine.Pin(self._number, machine.Pin.IN)


def _refuse_flash(number):
    # As in "Generic ESP32S3 module with ESP32S3" or "LOLIN_C3_MINI with ESP32-C3FH4".
    chip = board.NAME[board.NAME.rfind(" ") + 1 :].replace("-", "")
    for name, first, last in _FLASH:
        if chip.startswith(name):
            if first <= number <= last:
                raise ValueError("the flash is on it")
            return
