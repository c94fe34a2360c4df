"""Counts wrong passwords by address: after too many, an address must wait."""

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.server import transport

# This many wrong passwords in a row are allowed without a wait: people mistype.
_FREE_ATTEMPTS = const(4)
# Then each wait is twice as long as the one before.
_FIRST_WAIT_MS = const(2000)
# A longer wait would lock out the owner because of an attacker.
_MAX_WAIT_MS = const(300000)
# After this time without a wrong password an address starts at zero again.
_FORGET_MS = const(900000)
# Addresses that are counted separately. All others count as one, so that many addresses are no advantage.
_MAX_ADDRESSES = const(16)

_OTHERS = "others"


class Attempts:
    """Counts wrong passwords by address, in a table that does not grow.

    Only one attempt may be in progress: call `charge` before it, `clear` if the password was right. `table`: the caller
    may keep it, so that the counts outlast this object.
    """

    def __init__(self, clock_ms=transport.ticks_ms, table=None):
        self._clock_ms = clock_ms
        # Address to [count, time of the last attempt, time of the next allowed one].
        self._table = {} if table is None else table

    def check(self, address):
        """Raise 429 with Retry-After while an address must wait."""
        entry = self._table.get(self._key(address))
        if entry:
            wait_ms = entry[2] - self._clock_ms()
            # A board's clock wraps after 12 days: an address must not wait that long because of it.
            if 0 < wait_ms <= _MAX_WAIT_MS:
                wait_s = (wait_ms + 999) // 1000
                detail = "Too many wrong passwords: try again in %d s." % wait_s
                raise HTTPError(429, detail, {"Retry-After": str(wait_s)})

    def is_known(self, address):
        """Return whether an address has a count of its own."""
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
        """Forget the attempts of an address: its password was right."""
        self._table.pop(self._key(address), None)

    def _key(self, address):
        if address in self._table or len(self._table) < _MAX_ADDRESSES:
            return address
        return _OTHERS

    def _forget(self, now):
        for address in list(self._table):
            if not 0 <= now - self._table[address][1] <= _FORGET_MS:
                del self._table[address]
