"""Housekeeping: garbage is collected when nobody asks for anything; a heap that runs out is noticed before it kills.

A board has two heaps, MicroPython's and the one that Wi-Fi and TCP live in: without the second, TCP stalls while the
first looks fine. What is done while either is low, a step a look: idle clients are sent away, and what can be loaded
anew is forgotten; with half as much left new ones get 503; and where that does not help the board resets. The watchdog,
where the settings ask for one, is fed from here, so it bites when the event loop hangs.
"""

import gc

import firmware.board as board
from firmware.board import recovery, settings
from firmware.http.native import const

_TURN_MS = const(1000)
# To count what is free takes 3 ms a turn in a heap of 100 KB: a larger one is looked at more rarely.
_LOOK_BYTES = const(262144)

# A handler may hold a body of 8 KiB; and a small heap is used up to its last part. Most requests do with half of it.
_LOW_BYTES = const(8192)
_LOW_SHARE = const(16)
# A connection's send buffer is 5.7 KB and a Wi-Fi frame 1.6 KB: with less than this TCP stalls.
_LOW_IDF_BYTES = const(12288)
_LOW_IDF_BLOCK_BYTES = const(4096)

# Garbage is collected at a quiet moment once this share of the heap was allocated, and at any moment after the second.
_QUIET_SHARE = const(16)
_BUSY_SHARE = const(4)

# Clients that are there give their memory back within 10 s of silence: three times that in vain is the end.
_RESET_LOOKS = const(30)

WELL = 0
SHEDDING = 1
REFUSING = 2
_WORDS = ("enough again", "low, idle clients go", "very low, 503 for new clients")

keeper = None


class Keeper:
    """Watches over one server by `look()`. `step`: WELL, SHEDDING or REFUSING; `lowest`: free behind a collection."""

    def __init__(self, server):
        self.step = WELL
        self.lowest = None
        self._server = server
        self._requests = server.requests
        self._looks = 0  # while it is low
        heap = board.heap()
        self._used = heap["used"]  # behind the last collection
        # CPython has no such heap.
        self._total = None if heap["free"] is None else heap["free"] + heap["used"]
        self.turns = 1  # from one look to the next
        if self._total:
            self.turns += self._total // _LOOK_BYTES
            gc.threshold(self._total // _BUSY_SHARE)

    def look(self):
        """Collect garbage where the moment is quiet, and take the step that the heaps ask for."""
        asked = self._asked()
        step = min(asked, self.step + 1)
        if step != self.step:
            print("limpet: memory is", _WORDS[step])
            self.step = step
        self._looks = self._looks + 1 if asked == REFUSING else 0
        if self._looks > _RESET_LOOKS:
            self._reset()
        self._server.refusing = step == REFUSING
        if step:
            self._server.shed()

    def _asked(self):
        idf = board.idf_heap()
        # Without it nothing works, whatever the other one has.
        if idf and (
            self._is_below(idf["free"], _LOW_IDF_BYTES, SHEDDING)
            or self._is_below(idf["largest"], _LOW_IDF_BLOCK_BYTES, SHEDDING)
        ):
            return REFUSING
        if not self._total:
            return WELL
        low = min(_LOW_BYTES, self._total // _LOW_SHARE)
        free = self._look_at_heap(low)
        if self._is_below(free, low // 2, REFUSING):
            return REFUSING
        return SHEDDING if self._is_below(free, low, SHEDDING) else WELL

    def _is_below(self, value, least, step):
        # To leave a step takes half as much more than not to come to it, or it would go to and fro.
        return 2 * value < (3 if self.step >= step else 2) * least

    def _look_at_heap(self, low):
        """Return what is free, behind a collection where it is little or nobody asks for anything."""
        heap = board.heap()
        requests = self._server.requests
        is_quiet = requests == self._requests
        self._requests = requests
        # What is not free may be garbage.
        garbage = heap["used"] - self._used
        if self._is_below(heap["free"], low, SHEDDING) or is_quiet and garbage > self._total // _QUIET_SHARE:
            gc.collect()
            heap = board.heap()
            self._used = heap["used"]
            self.lowest = heap["free"] if self.lowest is None else min(self.lowest, heap["free"])
        return heap["free"]

    def _reset(self):
        try:
            recovery.reset("out of memory: %s, %s" % (board.heap(), board.idf_heap()))
        except MemoryError:
            board.reset()


async def watch(server):
    """Keep house for `server` for ever, with its `requests`, `shed()` and `refusing`."""
    global keeper
    keeper = Keeper(server)
    seconds = settings.current["watchdog_s"]
    watchdog = board.watchdog(seconds * 1000) if seconds else None
    turn = 0
    while True:
        if watchdog:
            watchdog.feed()
        if turn % keeper.turns == 0:
            keeper.look()
            board.uptime_s()  # which has to be called now and then
        turn += 1
        await board.sleep_ms(_TURN_MS)


def report():
    """Return what the status page tells: {"step", "lowest" bytes free behind a collection}."""
    return {"step": keeper.step, "lowest": keeper.lowest} if keeper else None
