"""The pins that the settings let others read and set: `settings.current["pins"]["gpio"]`.

They are opened when somebody first asks, and when the settings have changed; one that is as before stays as it is.
"""

from binascii import crc32

import firmware.board as board
from firmware.board import settings
from firmware.http.errors import HTTPError

_FULL_PERCENT = 100

is_kept = True  # the pins are opened once (server/loader.py)

version = 0  # of what the settings say: another one, where names or modes may be others, also after a restart

_rows = []  # of the settings, as they were opened
_opened = []
_values = {}


class Pin:
    """A pin; `row` is what the settings say of it, `error` why the chip does not do that, or None."""

    def __init__(self, row):
        self.row = row
        self.key = str(row["number"])
        self.error = self._driver = None
        try:
            self._driver = board.pin(row["number"], row["mode"], row["frequency_hz"], row["inverted"])
        except MemoryError:
            raise  # for now; it is tried again
        except Exception as error:
            self.error = "The chip does not do this: %s." % error
            print("limpet: pin %d: %s" % (row["number"], error))

    def take_over(self, rows):
        """Have the row of this pin in `rows`, where it asks for nothing else but another name; tell whether it does."""
        for row in rows:
            if _wiring(row) == _wiring(self.row):
                self.row = row
                return True
        return False

    def value(self):
        """Return 0 or 1, of "pwm" percent; None where there is an error."""
        return self._driver and self._driver.read()

    def report(self):
        """Return {"number", "name", "mode", "value", "error"}."""
        row = self.row
        return {
            "number": row["number"],
            "name": row["name"],
            "mode": row["mode"],
            "value": self.value(),
            "error": self.error,
        }

    def set(self, value):
        """Set it to 0 or 1, "pwm" to percent. Raises 409 for an input and where there is an error, 422."""
        if self.error:
            raise HTTPError(409, self.error)
        mode = self.row["mode"]
        if mode == "output":
            if type(value) is not int or not 0 <= value <= 1:
                raise HTTPError(422, "The value of an output is 0 or 1.")
        elif mode == "pwm":
            if type(value) not in (int, float) or not 0 <= value <= _FULL_PERCENT:
                raise HTTPError(422, "The value is a number from 0 to %d, percent." % _FULL_PERCENT)
        else:
            raise HTTPError(409, "This pin is an input.")
        self._driver.write(value)

    def close(self):
        """Drive it no more."""
        if self._driver:
            self._driver.close()


def _wiring(row):
    mode = row["mode"]
    return row["number"], mode, row["inverted"], row["frequency_hz"] if mode == "pwm" else None


def opened():
    """Return the list of Pins, as the settings have them by now."""
    global _rows, _opened, version
    rows = settings.current["pins"]["gpio"]
    if rows is not _rows:
        # What could not be opened may have found its channel free by now.
        kept = [pin for pin in _opened if not pin.error and pin.take_over(rows)]
        # First what is no more: its PWM channel may be the one that is needed.
        for pin in _opened:
            if pin not in kept:
                pin.close()
        _opened = kept
        found = {pin.row["number"]: pin for pin in kept}
        _opened = [found.get(row["number"]) or Pin(row) for row in rows]
        _rows = rows
        said = repr([sorted(row.items()) for row in rows])
        version = crc32(said.encode()) & 0x3FFFFFFF  # a small integer on a board
    return _opened


def find(number):
    """Return the Pin of a number. Raises 404."""
    for pin in opened():
        if pin.row["number"] == number:
            return pin
    raise HTTPError(404, "The settings have no pin %d." % number)


def values():
    """Return {"4": value} of all pins; as long as nothing changes, one and the same dict."""
    global _values
    pins = opened()
    if len(pins) != len(_values) or _have_changed(pins):
        _values = {pin.key: pin.value() for pin in pins}
    return _values


def _have_changed(pins):
    for pin in pins:
        if pin.key not in _values or _values[pin.key] != pin.value():
            return True
    return False
