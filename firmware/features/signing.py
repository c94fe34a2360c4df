"""For guards: HMAC-SHA256 (RFC 2104), comparison in constant time, random text.

MicroPython has neither hmac nor secrets. Always call `digest` of a sha256 object that was begun: on an ESP32 it keeps
the hash unit until then, and all others are computed in software.
"""

import os
from binascii import hexlify
from hashlib import sha256

from firmware.http.native import micropython, ptr8

BLOCK_BYTES = 64  # of SHA-256 (FIPS 180-4 1)


def pads(key):
    """Return the inner and the outer pad of HMAC for a key (bytes), each a bytearray of a block. RFC 2104 section 2."""
    if len(key) > BLOCK_BYTES:
        key = sha256(key).digest()
    inner = bytearray(b"\x36" * BLOCK_BYTES)
    outer = bytearray(b"\x5c" * BLOCK_BYTES)
    _mask(inner, key, len(key))
    _mask(outer, key, len(key))
    return inner, outer


@micropython.viper
def _mask(pad: ptr8, key: ptr8, size: int):
    for at in range(size):
        pad[at] ^= key[at]


def sign(key, data):
    """Return the HMAC-SHA256 of `data` (bytes) as 32 bytes."""
    inner, outer = pads(key)
    return sha256(outer + sha256(inner + data).digest()).digest()


def sign_hex(key, data):
    """Return the same as 64 hexadecimal digits, text."""
    return hexlify(sign(key, data)).decode()


def is_equal(one, other):
    """Return whether two bytes objects are equal. The time reveals only whether their lengths are."""
    return len(one) == len(other) and not _difference(one, other, len(one))


@micropython.viper
def _difference(a: ptr8, b: ptr8, size: int) -> int:
    found = 0
    for at in range(size):
        found |= a[at] ^ b[at]
    return found


def random_hex(size_bytes):
    """Return as many random bytes as hexadecimal digits.

    They come from the system; on an ESP32 from its noise source, which is truly random while Wi-Fi is on.
    """
    return hexlify(os.urandom(size_bytes)).decode()


# -- for `passwords`, which may be forgotten: native code stays


@micropython.viper
def put(digest: ptr8, pad: ptr8):
    """Write a hash behind a pad."""
    for at in range(32):
        pad[64 + at] = digest[at]


@micropython.viper
def fold(total: ptr8, digest: ptr8, pad: ptr8):
    """Do the same, and XOR it into a total: a step of PBKDF2 (RFC 8018 5.2)."""
    for at in range(32):
        byte = digest[at]
        total[at] ^= byte
        pad[64 + at] = byte
