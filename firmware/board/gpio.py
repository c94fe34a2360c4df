"""A pin of an ESP32."""

import machine

from firmware.server import loader

# `duty_u16` of what is always on.
_FULL_DUTY = 65535
# Of an ESP32: behind it are inputs without any.
_LAST_WITH_PULL = 33


class Pin:
    """A pin in one of `schema.py`'s modes: `read()` and `write()` 0 or 1, or percent of "pwm". It begins off.

    Raises ValueError, RuntimeError or OSError for what the chip has not, or has no more of.
    """

    def __init__(self, number, mode, frequency_hz, inverted):
        chip = loader.borrow("firmware.board.chip")
        chip.refuse_flash(number)
        if mode == "input_pull_up" and chip.chip() == "ESP32" and number > _LAST_WITH_PULL:
            raise ValueError("the pin has no pull-up")
        self._number = number
        self._inverted = inverted
        self._pwm = None
        self._value = 0  # what it was set to; None for an input
        if mode == "pwm":
            self._pwm = _start_pwm(number, frequency_hz, _FULL_DUTY if inverted else 0)
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


def _start_pwm(number, frequency_hz, duty):
    try:
        return machine.PWM(machine.Pin(number), freq=frequency_hz, duty_u16=duty)
    except Exception:
        # It may have been given to the timer already, at half the duty.
        machine.Pin(number, machine.Pin.IN)
        raise
