"""JSON texts (RFC 8259), strictly and the same under every interpreter.

`loads` is json.loads for what a client sent; `check` is the native pass before it, which decides. The parsers would not:
MicroPython's takes `{"a" 1}` and `[1,]` and makes strings that are no UTF-8, CPython's takes NaN, both take 1e999.

Of a name that stands twice in one object the last value counts, as in JavaScript.
"""

import json

from firmware.http.errors import HTTPError
from firmware.http.native import const, micropython, ptr8

# One bit each in a machine word. Nobody sends what is ten deep, and a handler that walks it has 16 KiB of stack.
MAX_DEPTH = const(32)
# A double needs no more than 25. Longer ones are integers, which take quadratic time to read.
_MAX_NUMBER_BYTES = const(300)
# A shorter number without exponent is finite in single precision, which a board has.
_SAFE_NUMBER_BYTES = const(38)

# What `check` found in a valid text.
_SURROGATES = const(1)  # escaped ones, which no parser treats as it should
_WIDE = const(2)  # numbers that may be greater than the greatest float
_FOUND = const(3)

# Why a text is not valid: the index in _REASONS.
_UNEXPECTED = const(0)
_STRING = const(1)
_ENCODING = const(2)
_NUMBER = const(3)
_DEPTH = const(4)

_REASONS = ("not expected", "not allowed in a string", "not UTF-8", "too long a number", "nested too deep")

# Kinds of bytes below 128, the columns of the next table; the others are of kind P.
_KINDS = (
    b"PPPPPPPPPAAPPAPP"
    b"PPPPPPPPPPPPPPPP"
    b"APBPPPPPPPPDICGP"
    b"EFFFFFFFFFJPPPPP"
    b"PPPPPHPPPPPPPPPP"
    b"PPPPPPPPPPPKPMPP"
    b"PPPPPHOPPPPPPPOP"
    b"PPPPOPPPPPPLPNPP"
)
_OTHER = const(0x50)

# What follows, a row for each state, a column for each kind of byte: another state, or one of the marks below.
#   space " - + 0 1 . e , : [ { ] } t other
_NEXT = (
    b'A"I.JK....[{..w.'  # A  value
    b'B"I.JK....[{].w.'  # B  first value, or the array's end
    b'C"...........}..'  # C  first name, or the object's end
    b'D"..............'  # D  name
    b'E........A......'  # E  colon
    b"F.......A...]..."  # F  behind a value in an array
    b"G.......D....}.."  # G  behind a value in an object
    b"H..............."  # H  behind the text's value
    b"....JK.........."  # I  behind a minus
    b"======LN========"  # J  behind a leading zero, which stands alone
    b"====KKLN========"  # K  integer
    b"....MM.........."  # L  behind a point
    b"====MM=N========"  # M  fraction
    b"..OOPP.........."  # N  behind an e
    b"....PP.........."  # O  behind an e's sign
    b"====PP=========="  # P  exponent
)
_VALUE = const(0x41)
_FIRST_VALUE = const(0x42)
_FIRST_NAME = const(0x43)
_NAME = const(0x44)
_COLON = const(0x45)
_IN_ARRAY = const(0x46)
_END = const(0x48)
_EXPONENT = const(0x50)
_BASE = const(0x41 * 17)

_WORDS = b"true\0false\0null\0"
_ESCAPES = b'"\\/bfnrt\0'


def loads(raw):
    """Return the value of the JSON text `raw` (bytes or bytearray).

    Raises 400, with reason and position, for what `check` refuses, for a lone surrogate and for a number too great for a float.
    """
    found = check(raw, len(raw))
    if found & _SURROGATES and found > 0:
        raw = _join_surrogates(raw)
    if found < 0:
        found = -1 - found
        at = found >> 3
        reason = _REASONS[found & 7] if at < len(raw) else "it ends too early"
        raise HTTPError(400, "The body is not JSON: %s at byte %d." % (reason, at))
    value = json.loads(raw)
    if found & _WIDE and not _is_finite(value):
        raise HTTPError(400, "The body's JSON has too great a number.")
    return value


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


@micropython.viper
def check(text, end: int) -> int:
    """Check that `text[:end]` is one JSON text in UTF-8, at most MAX_DEPTH deep, without lone surrogates.

    Allocates nothing. Returns what it found, 0 or more, or where and why it stopped: -1 - (8 * position + reason).
    """
    b = ptr8(text)
    i = 0
    state = _VALUE
    depth = 0
    objects = 0  # of the containers around, the innermost in the lowest bit: 1 is an object
    found = 0
    start = 0
    kinds = ptr8(_KINDS)
    following = ptr8(_NEXT)
    reason = _UNEXPECTED
    while i < end or state > _END:
        c = b[i] if i < end else 32
        new = following[state * 16 + (kinds[c] if c < 128 else _OTHER) - _BASE]
        if new >= 0x41 and new <= 0x50:
            if state <= _FIRST_VALUE:
                start = i
            state = new
            i += 1
            continue
        if new == 34:
            i = int(_string(text, i + 1, end))
            if i < 0:
                return i
            found |= i & 1
            i >>= 1
            if state >= _FIRST_NAME:
                state = _COLON
                continue
        elif new == 0x3D:
            if i - start > _SAFE_NUMBER_BYTES or state == _EXPONENT:
                found |= _WIDE
                if i - start > _MAX_NUMBER_BYTES:
                    return -1 - (start << 3 | _NUMBER)
        elif new == 0x2E:
            break
        elif new == 0x77:
            words = ptr8(_WORDS)
            k = 0 if c == 116 else 5 if c == 102 else 11
            while words[k] and i < end and b[i] == words[k]:
                i += 1
                k += 1
            if words[k]:
                break
        else:
            i += 1
            if c & 4:  # closing
                depth -= 1
                objects >>= 1
            else:
                if depth == MAX_DEPTH:
                    reason = _DEPTH
                    break
                depth += 1
                objects = objects << 1 | (c >> 5 & 1)
                state = _FIRST_NAME if c >> 5 & 1 else _FIRST_VALUE
                continue
        state = _END
        if depth:
            state = _IN_ARRAY + (objects & 1)
    if state == _END and i >= end:
        return found
    return -1 - (i << 3 | reason)


@micropython.viper
def _string(b: ptr8, i: int, end: int) -> int:
    """Read the string whose content begins at `i`. Returns 2 * its end + what was found, or an error as `check` does."""
    found = 0
    while True:
        c = b[i] if i < end else 0
        if c < 32:
            break
        i += 1
        if c == 34:
            return i << 1 | found
        if c == 92:
            c = b[i] if i < end else 0
            if c != 117:
                escapes = ptr8(_ESCAPES)
                k = 0
                while escapes[k] and escapes[k] != c:
                    k += 1
                if not escapes[k]:
                    break
                i += 1
                continue
            i += 1
            stop = i + 4
            code = 0
            while i < stop:
                c = (b[i] if i < end else 0) - 48
                if c > 9:
                    c = (c + 48 | 32) - 87
                    if c < 10:
                        break
                if c < 0 or c > 15:
                    break
                code = code << 4 | c
                i += 1
            if i < stop:
                break
            if code >> 11 == 27:
                found = _SURROGATES
        elif c >= 128:
            more = 1
            if c >= 0xE0:
                more = 2
            if c >= 0xF0:
                more = 3
            code = c & (63 >> more)
            stop = i + more if c >= 0xC2 and c <= 0xF4 else 0
            while i < stop and i < end and b[i] & 0xC0 == 0x80:
                code = code << 6 | (b[i] & 63)
                i += 1
            # RFC 3629 3: no bytes too many, no surrogates, nothing beyond the last plane.
            if i != stop or not code >> (5 * more + 1) or code >> 11 == 27 or code > 0x10FFFF:
                return -1 - (i << 3 | _ENCODING)
    return -1 - (i << 3 | _STRING)
