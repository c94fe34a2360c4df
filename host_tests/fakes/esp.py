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


def virtual(module):
    """Have `firmware.board`, or `transport`, wait on a virtual clock; return that."""
    clock = Clock()
    module.sleep_ms = clock.sleep_ms
    module.ticks_ms = clock.ticks_ms
    return clock


def run(case):
    """What a vector's `check` is: call the function of the case, (name, function), on a new board."""
    erase()
    case[1]()


class Threads:
    """MicroPython's `_thread` on an ESP32: `stacks` of those that wait for their lock, `most`: what the heap has."""

    def __init__(self):
        self.stacks = []
        self.most = 100000
        self.size = 0

    def allocate_lock(self):
        return Lock(self)

    def stack_size(self, size):
        self.size = size

    def start_new_thread(self, function, arguments):
        if sum(self.stacks) + self.size > self.most:
            raise OSError("can't create thread")
        self.stacks.append(self.size)
        function(*arguments)


class Lock:
    """A lock that does not block: whoever takes it twice is taken for a thread that waits."""

    def __init__(self, threads):
        self.threads = threads
        self.size = None

    def acquire(self):
        if self.threads.stacks and self.size is None and self.threads.size:
            self.size = self.threads.size

    def release(self):
        self.threads.stacks.remove(self.size)
