"""A pin of an ESP32."""

import machine

# `duty_u16` of what is always on.
_FULL_DUTY = 65535


class Pin:
    """A pin in one of `schema.py`'s modes: `read()` and `write()` 0 or 1, or percent of "pwm". It begins off.

    Raises ValueError, RuntimeError or OSError for what the chip has not, or has no more of.
    """

    def __init__(self, number, mode, frequency_hz, inverted):
        self._inverted = inverted
        self._pwm = None
        self._percent = 0
        self._number = number
        if mode == "pwm":
            self._pwm = machine.PWM(machine.Pin(number), freq=frequency_hz, duty_u16=_FULL_DUTY if inverted else 0)
        elif mode == "output":
            self._pin = machine.Pin(number, machine.Pin.OUT, value=inverted)
        else:
            self._pin = machine.Pin(number, machine.Pin.IN, machine.Pin.PULL_UP if mode == "input_pull_up" else None)

    def read(self):
        """Return what it was set to, or what is at an input."""
        return self._percent if self._pwm else int(self._pin.value() != self._inverted)

    def write(self, value):
        """Set it; not for an input."""
        if self._pwm:
            self._percent = value
            duty = int(value * _FULL_DUTY / 100 + 0.5)
            self._pwm.duty_u16(_FULL_DUTY - duty if self._inverted else duty)
        else:
            self._pin.value(value != self._inverted)

    def close(self):
        """Drive it no more."""
        if self._pwm:
            self._pwm.deinit()
        machine.Pin(self._number, machine.Pin.IN)
