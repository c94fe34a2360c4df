"""Which ESP32 this is, and the pins that its flash hangs on."""

import sys

# As in "LOLIN_C3_MINI with ESP32-C3FH4".
_board = sys.implementation._machine

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


def chip():
    """Return which chip this is, of those whose flash pins are known: "ESP32C3", say."""
    name = _board[_board.rfind(" ") + 1 :].replace("-", "")
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
