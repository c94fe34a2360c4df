"""Wrong passwords, counted by address: who has been wrong too often has to wait."""

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.server import transport

# So many wrong passwords in a row may come at once: fingers slip.
_FREE_ATTEMPTS = const(4)
# Then there is a wait, twice as long each time.
_FIRST_WAIT_MS = const(2000)
# Longer would lock out who owns the board for the sake of who guesses.
_MAX_WAIT_MS = const(300000)
# After this long without a wrong one an address begins anew.
_FORGET_MS = const(900000)
# Addresses that are told apart. All others together count as one more, so that who has many gains nothing by them.
_MAX_ADDRESSES = const(16)

_OTHERS = "others"


class Attempts:
    """Counts wrong passwords by address, in a table that does not grow.

    One attempt at a time has to be under way: `charge` before it, `clear` when it was right. `table`: who keeps it has
    the counts outlast this.
    """

    def __init__(self, clock_ms=transport.ticks_ms, table=None):
        self._clock_ms = clock_ms
        # Address to [how many, when the last one was, when the next one may be].
        self._table = {} if table is None else table

    def check(self, address):
        """Raise 429 with Retry-After while an address has to wait."""
        entry = self._table.get(self._key(address))
        if entry:
            wait_ms = entry[2] - self._clock_ms()
            # A clock that has wrapped, as a board's does in 12 days, must not keep anybody waiting as long.
            if 0 < wait_ms <= _MAX_WAIT_MS:
                wait_s = (wait_ms + 999) // 1000
                detail = "Too many wrong passwords: try again in %d s." % wait_s
                raise HTTPError(429, detail, {"Retry-After": str(wait_s)})

    def is_known(self, address):
        """Tell whether an address has wrong passwords of its own."""
        return address in self._table

    def charge(self, address):
        """Count an attempt of an address."""
        now = self._clock_ms()
        self._forget(now)
        entry = self._table.setdefault(self._key(address), [0, now, now])
        entry[0] += 1
        entry[1] = entry[2] = now
        if entry[0] >= _FREE_ATTEMPTS:
            entry[2] += min(_FIRST_WAIT_MS << min(entry[0] - _FREE_ATTEMPTS, 16), _MAX_WAIT_MS)

    def clear(self, address):
        """Forget what an address got wrong: it knows the password."""
        self._table.pop(self._key(address), None)

    def _key(self, address):
        if address in self._table or len(self._table) < _MAX_ADDRESSES:
            return address
        return _OTHERS

    def _forget(self, now):
        for address in list(self._table):
            if not 0 <= now - self._table[address][1] <= _FORGET_MS:
                del self._table[address]
