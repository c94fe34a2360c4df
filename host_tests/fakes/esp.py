"""A board made of fakes, for vectors: importing this puts them on the path, so that `firmware.board` finds an ESP32."""

import sys

sys.path.insert(0, "host_tests/fakes")

import esp32  # noqa: E402
import machine  # noqa: E402

from host_tests.fakes.clock import Clock  # noqa: E402


def modules(*names):
    """Import modules that need the fakes: behind this one, where a sorted import would come before it."""
    return [__import__(name, None, None, ("it",)) for name in names]


def fresh(name):
    """Return a module as it is after a start of the board: imported anew."""
    sys.modules.pop(name, None)
    return __import__(name, None, None, ("it",))


def boot(name, cause=machine.PWRON_RESET):
    """Return the module after a reset of this cause."""
    machine.cause = cause
    return fresh(name)


def erase():
    """Have a new board, and the default settings."""
    esp32.erase()
    machine.cause = machine.PWRON_RESET
    machine.watchdog = machine.rtc = None
    machine.pins.clear()
    machine.PWM.open.clear()


def virtual(board):
    """Have `firmware.board` wait on a virtual clock; return that."""
    clock = Clock()
    board.sleep_ms = clock.sleep_ms
    board.ticks_ms = clock.ticks_ms
    return clock


def run(case):
    """What a vector's `check` is: call the function of the case, (name, function), on a new board."""
    erase()
    case[1]()
