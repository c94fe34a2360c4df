"""Passwords: stretched to be stored, verified, and guessed slowly.

What is stored is text: "pbkdf2-sha256$ITERATIONS$SALT$HASH", salt and hash in hexadecimal (RFC 8018 5.2).

How many iterations: MicroPython has no hmac and its sha256 no copy(), so each costs two whole hashes of two blocks. On
the unix port (1.25, amd64, counted by callgrind) an iteration is 24,600 instructions, some 12,000 of them not SHA's:
calls, two objects and their digests, their garbage, the copies. An ESP32 needs about twice as many cycles as that has
instructions, 0.1 ms at 240 MHz, while its hash unit does its part in a tenth of that: 5,000 take half a second. (At
160 MHz, or while something else has the unit, nearly twice as long.)

It is a hundredth of what servers do, so it slows down who has the file no more than that: length is what protects.
"""

import hashlib
import os
from binascii import hexlify, unhexlify

from firmware.features.signing import is_equal, pads
from firmware.http.errors import HTTPError
from firmware.http.native import micropython, ptr8
from firmware.server import transport

ITERATIONS = 5000
# Ten seconds on a board: a record with more was not meant for it.
MAX_ITERATIONS = 100000
# NIST SP 800-132 5.1: 128 bits.
_SALT_BYTES = 16
_HASH_BYTES = 32

# NIST SP 800-63B 5.1.1: 8 characters at least; at most what no person types.
MIN_CHARACTERS = 8
MAX_BYTES = 256

# Iterations between two turns of the others: 10 ms on a board.
_BURST = 100

# CPython's, in C.
_pbkdf2 = getattr(hashlib, "pbkdf2_hmac", None)


async def make(password, iterations=ITERATIONS):
    """Return the record to store for a password (text). Raises 422 for one that is too short or too long."""
    if len(password) < MIN_CHARACTERS or len(password.encode()) > MAX_BYTES:
        raise HTTPError(422, "A password has %d characters or more, up to %d bytes." % (MIN_CHARACTERS, MAX_BYTES))
    salt = os.urandom(_SALT_BYTES)
    digest = await stretch(password.encode(), salt, iterations)
    return "pbkdf2-sha256$%d$%s$%s" % (iterations, hexlify(salt).decode(), hexlify(digest).decode())


async def verify(password, record):
    """Tell whether a password (text) is that of a record. A record that is none is nobody's."""
    read = _read(record)
    if not read or len(password.encode()) > MAX_BYTES:
        return False
    iterations, salt, digest = read
    return is_equal(await stretch(password.encode(), salt, iterations), digest)


def _read(record):
    """Return (iterations, salt, digest) of a record, or None."""
    words = record.split("$") if type(record) is str else ()
    if len(words) != 4 or words[0] != "pbkdf2-sha256" or len(words[1]) > 6 or not words[1].encode().isdigit():
        return None
    iterations = int(words[1])
    try:
        salt = unhexlify(words[2])
        digest = unhexlify(words[3])
    except ValueError:
        return None
    if not 0 < iterations <= MAX_ITERATIONS or not salt or len(digest) != _HASH_BYTES:
        return None
    return iterations, salt, digest


async def stretch(password, salt, iterations):
    """Return 32 bytes of PBKDF2-HMAC-SHA256 (RFC 8018 5.2); others have their turn in between."""
    if _pbkdf2:
        return _pbkdf2("sha256", password, salt, iterations)
    return await _stretch(password, salt, iterations)


async def _stretch(password, salt, iterations):
    sha256 = hashlib.sha256
    inner, outer = pads(password)
    digest = sha256(outer + sha256(inner + salt + b"\0\0\0\1").digest()).digest()
    total = bytearray(_HASH_BYTES)
    # A pad and room for a hash behind it: one object to hash, made once.
    inner = inner + total
    outer = outer + total
    _fold(total, digest, inner)
    while iterations > 1:
        turns = min(iterations - 1, _BURST)
        for _ in range(turns):
            _put(sha256(inner).digest(), outer)
            _fold(total, sha256(outer).digest(), inner)
        iterations -= turns
        await transport.sleep_ms(0)
    return bytes(total)


@micropython.viper
def _put(digest: ptr8, pad: ptr8):
    for at in range(32):
        pad[64 + at] = digest[at]


@micropython.viper
def _fold(total: ptr8, digest: ptr8, pad: ptr8):
    for at in range(32):
        byte = digest[at]
        total[at] ^= byte
        pad[64 + at] = byte


# -- guessing

# So many wrong passwords in a row may come at once: fingers slip.
FREE_ATTEMPTS = 4
# Then there is a wait, twice as long each time.
FIRST_WAIT_MS = 2000
# Longer would lock out who owns the board for the sake of who guesses.
MAX_WAIT_MS = 300000
# After this long without a wrong one an address begins anew.
FORGET_MS = 900000
# Addresses that are told apart. All others together count as one more, so that who has many gains nothing by them.
MAX_ADDRESSES = 16

_OTHERS = "others"


class Attempts:
    """Counts wrong passwords by address, in a table that does not grow.

    One attempt at a time has to be under way: `charge` before it, `clear` when it was right.
    """

    def __init__(self, clock_ms=transport.ticks_ms):
        self._clock_ms = clock_ms
        self._table = {}  # address to [how many, when the last one was, when the next one may be]

    def check(self, address):
        """Raise 429 with Retry-After while an address has to wait."""
        entry = self._table.get(self._key(address))
        if entry:
            wait_ms = entry[2] - self._clock_ms()
            # A clock that has wrapped, as a board's does in 12 days, must not keep anybody waiting as long.
            if 0 < wait_ms <= MAX_WAIT_MS:
                wait_s = (wait_ms + 999) // 1000
                detail = "Too many wrong passwords: try again in %d s." % wait_s
                raise HTTPError(429, detail, {"Retry-After": str(wait_s)})

    def charge(self, address):
        """Count an attempt of an address."""
        now = self._clock_ms()
        self._forget(now)
        entry = self._table.setdefault(self._key(address), [0, now, now])
        entry[0] += 1
        entry[1] = entry[2] = now
        if entry[0] >= FREE_ATTEMPTS:
            entry[2] += min(FIRST_WAIT_MS << min(entry[0] - FREE_ATTEMPTS, 16), MAX_WAIT_MS)

    def clear(self, address):
        """Forget what an address got wrong: it knows the password."""
        self._table.pop(self._key(address), None)

    def _key(self, address):
        if address in self._table or len(self._table) < MAX_ADDRESSES:
            return address
        return _OTHERS

    def _forget(self, now):
        for address in list(self._table):
            if not 0 <= now - self._table[address][1] <= FORGET_MS:
                del self._table[address]
