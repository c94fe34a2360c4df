"""What the server may take of the heap that Wi-Fi and TCP live in; and a reserve in it. See `memory`.

begin()                    # before the application is loaded; then `current` is the `Budget`, or None on a laptop
"""

import firmware.board as board
from firmware.http.native import const
from firmware.server import loader

# What the second heap keeps: more where there is more, so that bursts of Wi-Fi itself find room, too.
_FLOOR_BYTES = const(8192)
_FLOOR_MOST_BYTES = const(24576)
# What is enough for four clients above it.
_CLIENTS_BYTES = const(26624)
# What a client takes with a short request and its answer: control block, buffers, and the answer once more in Wi-Fi's.
_CLIENT_BYTES = const(6144)
# lwIP's send buffer, and the least that is worth a segment.
_MOST_BYTES = const(5744)
_LEAST_BYTES = const(512)
# How long a count of the second heap is good. MicroPython's ticks wrap at the second or at a multiple of it.
_COUNT_MS = const(20)
_TICKS_MASK = const((1 << 30) - 1)

# With so many clients a plain ESP32 serves well; each more wants so much. Python's heap is no larger at the start.
_FEW = const(4)
_SHARE_BYTES = const(9216)
_FIRST_BYTES = const(65536)

# A heap in which there is one part of the application at a time.
_SMALL_BYTES = const(131072)

# The reserve, and what Wi-Fi and TCP need if Python's heap grows. Looks before it is taken again.
_RESERVE_BYTES = const(12288)
_SURVIVAL_BYTES = const(16384)
_AGAIN_LOOKS = const(60)
# A thread's least.
_STACK_BYTES = const(4096)

current = None


class Budget:
    """What the server may take of the system's heap: `server.budget`, None where there is no such heap (a laptop).

    The listener asks `may_accept()` before it accepts. False: the client stays in the backlog until the next sweep, and
    idle clients go meanwhile (`Server.shed`). Whoever sends asks `write_bytes()` before each write, and hands over so
    many bytes at most. 0: nothing at present; ask again in 20 ms, as if the socket had taken nothing.
    """

    def __init__(self, total):
        self.held = 0  # bytes of the reserve
        self._reserve = None
        self._again = 0  # looks until the reserve is taken again
        self.settle(total)

    def settle(self, total):
        """Take the reserve where it is of use, with `total` bytes for Python; and set the floor by what is left."""
        free, largest, before = _left(total)
        if not self._reserve:
            size = min(_RESERVE_BYTES, largest // 3, free - _SURVIVAL_BYTES)
            # A heap that grows takes the largest block.
            if free - largest < _SURVIVAL_BYTES and size >= _STACK_BYTES:
                try:
                    self._reserve = board.hold(size, before + (largest - size) // 2)
                    self.held = size
                    free -= size
                except (OSError, MemoryError, RuntimeError):
                    pass  # there is none then
        self._floor = min(_FLOOR_MOST_BYTES, max(_FLOOR_BYTES, free - _CLIENTS_BYTES))
        self.count()

    def may_accept(self):
        """Tell whether one more client can be served without the system's heap falling below its floor."""
        return self.count() >= _CLIENT_BYTES

    def write_bytes(self):
        """Return how many bytes TCP may be handed at once."""
        age_ms = (board.ticks_ms() - self._counted) & _TICKS_MASK
        if self._left < _CLIENT_BYTES + _MOST_BYTES or age_ms > _COUNT_MS:
            self.count()
        # TCP keeps a copy until it is acknowledged, and Wi-Fi another until it is sent.
        share = (self._left - _CLIENT_BYTES) // 2
        if share < _LEAST_BYTES:
            return 0
        share = min(share, _MOST_BYTES)
        self._left -= 2 * share
        return share

    def count(self):
        """Count what may be taken now, and return it."""
        return self._set(board.idf_heap()["free"])

    def _set(self, free):
        self._left = free - self._floor
        self._counted = board.ticks_ms()
        if self._left < 0:
            self.give_back()
        return self._left

    def look(self, free, is_well, total):
        """Take note of what is free; have the reserve again once all has been well for a while."""
        self._set(free)
        if self._again:
            self._again = self._again - 1 if is_well else _AGAIN_LOOKS
            if not self._again:
                self.settle(total)

    def give_back(self):
        """Give the reserve back, for a while."""
        self._again = _AGAIN_LOOKS
        self.held = 0
        reserve, self._reserve = self._reserve, None
        if reserve:
            reserve.release()


def more(total):
    """Return how much Python's heap, `total` bytes, will grow by before it must not any more: it doubles once."""
    return total if total <= _FIRST_BYTES else 0


def _left(total):
    """Return what the system's heap has behind that: (free, largest, where that is in the largest block of today)."""
    idf = board.idf_heap()
    growth = more(total)
    return idf["free"] - growth, max(0, min(idf["largest"] - growth, total + growth)), growth


def _free():
    """Return what Python may still take, in bytes."""
    heap = board.heap()
    return heap["free"] + min(board.idf_heap()["largest"], more(heap["free"] + heap["used"]))


def total_bytes():
    """Return what Python has, free or used, or None where there is no such heap."""
    heap = board.heap()
    return None if heap["free"] is None else heap["free"] + heap["used"]


def begin():
    """Make the budget, with its reserve, where there is a heap of the system's: before the application is loaded."""
    global current
    current = None
    if board.idf_heap():
        total = total_bytes()
        current = Budget(total)
        loader.free_bytes = _free
        loader.one_at_a_time = total + more(total) < _SMALL_BYTES


def connections(most):
    """Return how many clients the system's heap has room for: `most` of the server's own accord, or 4."""
    if current and _left(total_bytes())[0] < _FLOOR_BYTES + most * _SHARE_BYTES:
        return min(_FEW, most)
    return most
