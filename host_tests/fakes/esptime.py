"""MicroPython's `time` on an ESP32: it counts from 2000, and begins there until somebody sets it.

`install()` puts one in place of the interpreter's before what uses it is imported.
"""

import sys
import time as _real

_EPOCH_S = 946684800


class Time:
    """`now_s`: seconds since 2000."""

    def __init__(self):
        self.now_s = 20

    def __getattr__(self, name):
        return getattr(_real, name)

    def time(self):
        return self.now_s

    def gmtime(self, seconds=None):
        return _real.gmtime((self.now_s if seconds is None else seconds) + _EPOCH_S)[:8]

    def set_by(self, moment):
        """The clock was set to (year, month, day, weekday, hours, minutes, seconds, subseconds)."""
        year, month, day, weekday, hour, minute, second, _ = moment
        days = 365 * (year - 2000) + (year - 2000 + 3) // 4
        days += sum((31, 29 if year % 4 == 0 else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[: month - 1]) + day - 1
        assert weekday == (days + 5) % 7, "the weekday is wrong"
        self.now_s = ((days * 24 + hour) * 60 + minute) * 60 + second


def install():
    """Return the one that `import time` gives from now on."""
    board = Time()
    sys.modules["time"] = board
    return board
