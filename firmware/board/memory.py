"""Housekeeping: garbage is collected when nobody asks for anything; a heap that runs out is noticed before it kills.

A board has two heaps, MicroPython's and the one that Wi-Fi and TCP live in: without the second, TCP stalls while the
first looks fine. MicroPython's must not grow any more while the board serves (boot.py's `divide`): a request for memory
that it cannot meet takes the largest block of the second, whole, and for good. Three things are in the way of that:

- The `Keeper` looks once a second at what Python really has and really uses. While either heap is low it takes a step a
  look: idle clients are sent away, and what can be loaded anew is forgotten; with half as much left new ones get 503;
  and where that does not help the board resets. It takes the same steps while requests fail for want of memory.
- The budget (`budget.py`) bounds what the server hands to TCP, and whom it takes, by what the second heap has left.
- A reserve lies in the middle of the largest block: a heap that grows all the same cannot take the whole of it, and the
  reserve is given back then. So Wi-Fi and TCP live on, at least until the keeper resets the board in good order.

The watchdog, where the settings ask for one, is fed from here, so it bites when the event loop hangs.
"""

import gc

import firmware.board as board
from firmware.board import budget, recovery, settings
from firmware.http.native import const
from firmware.server import loader

_TURN_MS = const(1000)
# To count what is free takes 3 ms a turn in a heap of 100 KB: a larger one is looked at more rarely.
_LOOK_BYTES = const(262144)

# A handler may hold a body of 8 KiB and what it makes of that; a small heap is used up to its last part.
_LOW_BYTES = const(12288)
_LOW_SHARE = const(8)
# A connection's send buffer is 5.7 KB and a Wi-Fi frame 1.6 KB: with less than this TCP stalls.
_LOW_IDF_BYTES = const(12288)
_LOW_IDF_BLOCK_BYTES = const(4096)
# In one piece: what any answer takes, twice. What a part of the application takes, `loader` knows.
_ANSWER_BYTES = const(512)

# Garbage is collected at a quiet moment once this share of the heap was allocated, and at any moment after the second.
_QUIET_SHARE = const(16)
_BUSY_SHARE = const(4)

# A heap whose size seems to change by less has not grown: an area has 2 KB at least (py/gc.c).
_GROWTH_BYTES = const(2048)

# Clients that are there give their memory back within 10 s of silence: so many looks at which new ones get 503, without
# peace between them, are the end, in a minute at most. It is, too, where half of all requests have failed for so long.
_RESET_LOOKS = const(25)
# A request that failed for want of memory is a fault of the board for as long.
_FAULT_LOOKS = const(15)

# Without a client for so many looks, a board whose heap is in pieces may start anew; but not more often than this.
_QUIET_LOOKS = const(30)
_MEND_S = const(600)

WELL = 0
SHEDDING = 1
REFUSING = 2
_WORDS = ("enough again", "low, idle clients go", "very low, 503 for new clients")

keeper = None


class Keeper:
    """Keeps house for one server, with its `requests`, `starved`, `shed()`, `refusing` and `budget`.

    `step`: WELL, SHEDDING or REFUSING; `lowest`: free behind a collection; `total`: what Python has, free or used, or
    None where there is no such heap.
    """

    def __init__(self, server):
        self.step = WELL
        self.lowest = None
        self._best = _free_at_start()  # or later, where that was more
        self._server = server
        self._requests = server.requests
        self._is_quiet = True
        self._starved = server.starved
        self._fault = 0  # looks for which a request that failed is still a fault
        self._faults = None  # requests and failed ones before the first of a row, and looks since
        self._looks = 0  # at which new clients got 503, since there was peace
        self._quiet = 0  # looks without a client
        self._was_system_low = False
        self.total = budget.total_bytes()
        self._used = board.heap()["used"]  # behind the last collection
        self.turns = 1  # from one look to the next
        if self.total:
            self.turns += self.total // _LOOK_BYTES
            gc.threshold(self.total // _BUSY_SHARE)

    async def run(self):
        """Keep house until cancelled."""
        global keeper
        keeper = self
        self._server.budget = budget.current
        if budget.current:
            budget.current.settle(self.total)
        seconds = settings.current["watchdog_s"]
        watchdog = board.watchdog(seconds * 1000) if seconds else None
        turn = 0
        try:
            while True:
                if watchdog:
                    watchdog.feed()
                if turn % self.turns == 0:
                    self._try_look()
                board.take_turn(self.total)
                turn += 1
                await board.sleep_ms(_TURN_MS)
        finally:
            # Whoever works at the prompt has all there is.
            if budget.current:
                budget.current.give_back()

    def _try_look(self):
        try:
            self.look()
        except MemoryError:
            # Not even for that: nobody else has any, either.
            self._server.refusing = True
            self._fault = _FAULT_LOOKS
            self._looks += 1
            gc.collect()
            if self._looks > _RESET_LOOKS:
                self._reset()

    def look(self):
        """Collect garbage where the moment is quiet, and take the step that the heaps ask for."""
        failed = self._count_failed()
        requests = self._server.requests
        self._is_quiet = requests == self._requests
        self._requests = requests
        asked = self._asked(failed)
        step = min(asked, self.step + 1)
        if step != self.step:
            print("limpet: memory is", _WORDS[step])
            self.step = step
        if asked == REFUSING:
            self._looks += 1
            self._fault = _FAULT_LOOKS
        elif not self._fault:
            self._looks = 0
        elif asked == WELL and self._looks:
            # A heap that goes to and fro between two steps never heals. One that is well in between does.
            self._looks -= 1
        if self._looks > _RESET_LOOKS or failed and self._is_failing():
            self._reset()
        self._server.refusing = step == REFUSING
        if step:
            self._server.shed()
        self._quiet = self._quiet + 1 if self._is_quiet and not self._has_clients() else 0
        if self._quiet and self._quiet % _QUIET_LOOKS == 0 and loader.refused_bytes:
            self._mend()

    def _has_clients(self):
        for slot in self._server.slots:
            if slot.sock is not None:
                return True
        return False

    def _mend(self):
        """Make room for what was refused; where that has to be there, and is not, have the board start anew."""
        self._server.shed()
        gc.collect()
        wanted = loader.refused_bytes
        if loader.has_room(wanted) and not loader.is_in_pieces:
            loader.refused_bytes = 0
        elif self._best >= wanted and board.uptime_s() >= _MEND_S:
            recovery.renew("its memory is in pieces, and nobody is there")

    def problem(self):
        """Return what is wrong in a word or two, or None."""
        if self.step == REFUSING:
            return "low"
        return "requests fail" if self._fault or self._server.starved != self._starved else None

    def _count_failed(self):
        """Return how many requests have failed for want of memory since the last look."""
        starved = self._server.starved
        failed = starved - self._starved
        if failed:
            self._fault = _FAULT_LOOKS
            if not self._faults:
                self._faults = [self._requests, self._starved, 0]
        elif self._fault:
            self._fault -= 1
        else:
            self._faults = None
        self._starved = starved
        if self._faults:
            self._faults[2] += 1
        return failed

    def _is_failing(self):
        """Tell whether half of all requests have failed for long."""
        requests, starved, looks = self._faults
        return looks > _RESET_LOOKS and 2 * (self._starved - starved) >= self._server.requests - requests

    def _asked(self, failed):
        if not self.total:
            return SHEDDING if failed else WELL
        # Of what is there at the best: a start anew makes no more of it.
        low = min(_LOW_BYTES, self.total // _LOW_SHARE, self._best // 2)
        free = self._look_at_heap(low, failed)
        idf = board.idf_heap()
        if idf:
            if self._is_system_low(idf):
                return REFUSING
            free += min(idf["largest"], budget.more(self.total))
        is_low = self._is_below(free, low, SHEDDING)
        if self._is_below(free, low // 2, REFUSING):
            return REFUSING
        # The sum may be there, in pieces. Where a request has failed, Python's heap could not even grow for it: only
        # then does a larger try no harm.
        if failed and not _is_there(loader.piece_bytes()) or is_low and not _is_there(_ANSWER_BYTES):
            return REFUSING
        return SHEDDING if is_low or failed else WELL

    def _is_system_low(self, idf):
        """Tell whether Wi-Fi and TCP have too little: without them nothing works, whatever Python has."""
        current = budget.current
        free = idf["free"]
        if current:
            current.look(free, not self.step, self.total)
            free += current.held
        share = 3 if self._was_system_low else 2
        low = 2 * free < share * _LOW_IDF_BYTES or 2 * idf["largest"] < share * _LOW_IDF_BLOCK_BYTES
        self._was_system_low = low
        return low

    def _is_below(self, value, least, step):
        # To leave a step takes half as much more than not to come to it, or it would go to and fro.
        return 2 * value < (3 if self.step >= step else 2) * least

    def _look_at_heap(self, low, failed):
        """Return what is free, behind a collection where it is little or nobody asks for anything."""
        heap = board.heap()
        # What is not free may be garbage.
        garbage = heap["used"] - self._used
        is_dirty = self._is_quiet and garbage > self.total // _QUIET_SHARE
        if failed or is_dirty or self._is_below(heap["free"], low, SHEDDING):
            gc.collect()
            heap = board.heap()
            self._used = heap["used"]
            self.lowest = heap["free"] if self.lowest is None else min(self.lowest, heap["free"])
            self._best = max(self._best, heap["free"])
        self._compare(heap["free"] + heap["used"])
        return heap["free"]

    def _compare(self, total):
        """See whether Python's heap has another size: it grew, or gave back what it had grown by."""
        if abs(total - self.total) < _GROWTH_BYTES:
            return
        print("limpet: Python has %d KB of memory, it had %d" % (total // 1024, self.total // 1024))
        self.total = total
        gc.threshold(total // _BUSY_SHARE)
        if budget.current:
            # What it took it keeps: the reserve lies in the middle of what is left.
            budget.current.give_back()
            budget.current.settle(total)

    def _reset(self):
        # Nobody is served any more: there is room to say and keep why.
        try:
            self._server.close()
            gc.collect()
            # A boot that has answered has come to something: strangers must not bring a board to safe mode.
            has_answered = self._server.requests > self._server.starved
            recovery.reset("out of memory: %s, %s" % (board.heap(), board.idf_heap()), has_answered)
        except MemoryError:
            board.reset()


def _free_at_start():
    free = board.heap()["free"]
    if free is not None and free < 2 * _LOW_BYTES:
        gc.collect()
        free = board.heap()["free"]
    return free or 0


def _is_there(size):
    """Tell whether so many bytes can be had in one piece."""
    try:
        bytearray(size)
    except MemoryError:
        return False
    return True


def problem():
    """Return why pages may fail, in a word or two, or None."""
    return keeper.problem() if keeper else None


def report():
    """Return what the status page tells: {"step", "lowest" bytes free behind a collection}."""
    return {"step": keeper.step, "lowest": keeper.lowest} if keeper else None
