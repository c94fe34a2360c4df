"""JSON texts that few send: see `jsontext`, which loads this for them."""

import json

from firmware.http.errors import HTTPError


def loads(raw, has_surrogates, is_wide):
    """Return the value of a valid text that may have escaped surrogates, and numbers that are too great.

    Raises 400 for a lone surrogate, and for a number greater than the greatest float.
    """
    value = json.loads(join_surrogates(raw) if has_surrogates else raw)
    if is_wide and not _is_finite(value):
        raise HTTPError(400, "The body's JSON has too great a number.")
    return value


def join_surrogates(raw):
    """Return the valid JSON text `raw` with each escaped pair of surrogates replaced by its character.

    MicroPython's parser would make two characters of it that are no UTF-8. Raises 400 for a lone one.
    """
    joined = bytearray()
    copied = at = 0
    while True:
        at = raw.find(b"\\", at)
        if at < 0:
            joined.extend(raw[copied:])
            return joined
        escape = bytes(raw[at : at + 12])
        high = int(escape[2:6], 16) if escape[1] == 117 else 0
        if high >> 11 == 27:
            low = int(escape[8:], 16) if escape[6:8] == b"\\u" else 0
            if high >= 0xDC00 or low >> 10 != 55:
                raise HTTPError(400, "The body is not JSON: a lone surrogate at byte %d." % at)
            joined.extend(raw[copied:at])
            joined.extend(chr(0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF)).encode())
            copied = at = at + 12
        else:
            at += 2


def _is_finite(value):
    """Tell whether there is no infinity in what json.loads returned."""
    left = [value]
    while left:
        value = left.pop()
        kind = type(value)
        if kind is list:
            left.extend(value)
        elif kind is dict:
            left.extend(value.values())
        elif kind is float and value - value != 0:
            return False
    return True
