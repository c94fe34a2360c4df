"""Stretches passwords to store them, and verifies them. (`attempts` slows down guessing.)

The record is text: "pbkdf2-sha256$ITERATIONS$SALT$HASH", salt and hash in hexadecimal (RFC 8018 5.2).

How many iterations: MicroPython has no hmac and its sha256 no copy(), so each costs two whole hashes of two blocks. On
the unix port (1.25, amd64, counted by callgrind) an iteration is 24,600 instructions, some 12,000 of them not SHA's:
calls, two objects and their digests, their garbage, the copies. An ESP32 needs about twice as many cycles as that has
instructions, 0.1 ms at 240 MHz, while its hash unit does its part in a tenth of that: 5,000 take half a second. (At
160 MHz, or while something else has the unit, nearly twice as long.)

That is a hundredth of what servers use, so an attacker who has the file is slowed down less: a long password protects.
"""

import hashlib
import os
from binascii import hexlify, unhexlify

from firmware.features.signing import fold, is_equal, pads, put
from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.server import transport

ITERATIONS = 5000
# Ten seconds on a board: a record with more was not made for a board.
_MAX_ITERATIONS = const(100000)
# NIST SP 800-132 5.1: 128 bits.
_SALT_BYTES = const(16)
_HASH_BYTES = const(32)

# NIST SP 800-63B 5.1.1: at least 8 characters; at most more than any person types.
_MIN_CHARACTERS = const(8)
_MAX_BYTES = const(256)

# Iterations after which other tasks get a turn: 10 ms on a board.
_BURST = const(100)

# CPython's, in C.
_pbkdf2 = getattr(hashlib, "pbkdf2_hmac", None)


async def make(password, iterations=ITERATIONS):
    """Return the record of a password (text). Raises 422 if it is too short, too long or not text.

    Control characters are not allowed (RFC 7617 2: Basic has none), nor are blanks alone: nobody sees such a mistake.
    """
    if not password.strip() or any(letter < " " or "\x7f" <= letter <= "\x9f" for letter in password):
        raise HTTPError(422, "A password is printable text, and not blanks alone.")
    if len(password) < _MIN_CHARACTERS or len(password.encode()) > _MAX_BYTES:
        raise HTTPError(422, "A password has %d characters or more, up to %d bytes." % (_MIN_CHARACTERS, _MAX_BYTES))
    salt = os.urandom(_SALT_BYTES)
    digest = await stretch(password.encode(), salt, iterations)
    return "pbkdf2-sha256$%d$%s$%s" % (iterations, hexlify(salt).decode(), hexlify(digest).decode())


async def verify(password, record):
    """Return whether a password (text) matches a record. An invalid record matches none."""
    read = _read(record)
    if not read or len(password.encode()) > _MAX_BYTES:
        return False
    iterations, salt, digest = read
    return is_equal(await stretch(password.encode(), salt, iterations), digest)


def _read(record):
    """Return (iterations, salt, digest) of a record, or None for an invalid one."""
    words = record.split("$") if type(record) is str else ()
    if len(words) != 4 or words[0] != "pbkdf2-sha256" or len(words[1]) > 6 or not words[1].encode().isdigit():
        return None
    iterations = int(words[1])
    try:
        salt = unhexlify(words[2])
        digest = unhexlify(words[3])
    except ValueError:
        return None
    if not 0 < iterations <= _MAX_ITERATIONS or not salt or len(digest) != _HASH_BYTES:
        return None
    return iterations, salt, digest


async def stretch(password, salt, iterations):
    """Return 32 bytes of PBKDF2-HMAC-SHA256 (RFC 8018 5.2); other tasks get a turn in between."""
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
    fold(total, digest, inner)
    while iterations > 1:
        turns = min(iterations - 1, _BURST)
        for _ in range(turns):
            put(sha256(inner).digest(), outer)
            fold(total, sha256(outer).digest(), inner)
        iterations -= turns
        await transport.sleep_ms(0)
    return bytes(total)
