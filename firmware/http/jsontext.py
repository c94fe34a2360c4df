"""JSON texts (RFC 8259), strictly and the same under every interpreter.

`loads` is json.loads for what a client sent; `check` is the native pass before it, which decides. The parsers would
not: MicroPython's takes `{"a" 1}` and `[1,]` and makes strings that are no UTF-8, CPython's takes NaN, both take 1e999.

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
_SURROGATES = const(1)  # perhaps: escapes from \ud000 on
_WIDE = const(2)  # numbers that may be greater than the greatest float

# Why a text is not valid: the index in _REASONS.
_UNEXPECTED = const(0)
_DEEP = const(1)
_LONG = const(2)
_REASONS = ("unexpected", "nested too deep", "too long a number")

# What a byte means: four tables in one object, since native code loads one faster.
_TABLE = (
    # Kinds of bytes below 128: which column of the next table.
    b"XXXXXXXXXAAXXAXX"
    b"XXXXXXXXXXXXXXXX"
    b"BWCWWWWWWWWGRFHE"
    b"IJJJJJJJJJSWWWWW"
    b"WMMMLKMWWWWWWWWW"
    b"WWWWWWWWWWWTDUWW"
    b"WMNMLKOWWWWWWWPW"
    b"WWEWPQWWWWWTWVWW"
    # What follows, a row for each state. A capital is a state, a small letter something to do: (s)tring, (q)uote at its
    # end, (u)nicode surrogate, (n)umber, (e)nd of it, (w)ord, (o)pen or (c)lose a container; _ is an error.
    # ~ "\/-+.01edabfnu,:[]}x~  with ~ for control characters, those that are white space first
    b"AAs__n__nn____ww___o____"  # A  value
    b"BBs__n__nn____ww___oc___"  # B  first value, or the array's end
    b"CCs__________________c__"  # C  first name, or the object's end
    b"DDs_____________________"  # D  name
    b"EE________________A_____"  # E  colon
    b"FF_______________A__c___"  # F  behind a value in an array
    b"GG_______________D___c__"  # G  behind a value in an object
    b"HH______________________"  # H  behind the text's value
    b"_IqJIIIIIIIIIIIIIIIIIII_"  # I  string
    b"__III________IIIK_______"  # J  behind a backslash
    b"________LLLuLLL_________"  # K  four hex digits
    b"________MMMMMMM_________"  # L
    b"________NNNNNNN_________"  # M
    b"________IIIIIII_________"  # N
    b"_____P__QR______________"  # O  number
    b"________QR______________"  # P  behind a minus
    b"eeeeeeeSeeUeeeeeeeeeeeee"  # Q  behind a leading zero, which stands alone
    b"eeeeeeeSRRUeeeeeeeeeeeee"  # R  integer
    b"________TT______________"  # S  behind a point
    b"eeeeeeeeTTUeeeeeeeeeeeee"  # T  fraction
    b"_____VV_WW______________"  # U  behind an e
    b"________WW______________"  # V  behind an e's sign
    b"eeeeeeeeWWeeeeeeeeeeeeee"  # W  exponent
    # What follows in a character of several bytes (RFC 3629). Columns for 80-8F, 90-9F, A0-AF, B0-BF; rows 1 to 3 with
    # so many bytes to come, 4 to 7 behind E0, ED, F0, F4. Then where C0 to FF lead. 0 is its end, 8 an error.
    b"\0\0\0\0\1\1\1\1\2\2\2\2\x08\x08\1\1\1\1\x08\x08\x08\2\2\2\2\x08\x08\x08"
    b"\x08\x08\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
    b"\4\2\2\2\2\2\2\2\2\2\2\2\2\5\2\2\6\3\3\3\7\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08"
    b"true\0false\0null\0"
)
_COLUMNS = const(24)
_NEXT = const(-1497)  # where each table begins, less what its first index is
_UTF8 = const(676)
_LEADS = const(516)
_WORDS = const(772)

# States that the code knows.
_VALUE = const(0x41)
_FIRST_VALUE = const(0x42)
_FIRST_NAME = const(0x43)
_COLON = const(0x45)
_IN_ARRAY = const(0x46)
_END = const(0x48)
_STRING = const(0x49)
_HEX = const(0x4C)  # with one digit read
_NUMBER = const(0x4F)  # the first state of numbers
_EXPONENT = const(0x57)  # the last state of all


def made(request, name):
    """Return the body of a request as a JSON value. Raises 415 where it is of another type, 400 as `loads` does."""
    # What browsers and scripts send: nothing has to be loaded to look at it.
    if request.field(b"content-type") != b"application/json":
        from firmware.http.accept import media_type

        kind = media_type(request.headers.get("content-type")) or ""
        if kind != "application/json" and not kind.endswith("+json"):
            raise HTTPError(415, "The body has to be JSON, with Content-Type: application/json.")
    return loads(request.body)


def loads(raw):
    """Return the value of the JSON text `raw` (bytes or bytearray).

    Raises 400 for what `check` refuses, for a lone surrogate, which nobody could send again, and for a number greater
    than the greatest float.
    """
    found = check(raw, 0, len(raw))
    if found < 0:
        found = -1 - found
        at = found >> 2
        raise _error("it ends too early" if at == len(raw) else _REASONS[found & 3], at)
    if found:
        from firmware.http import jsonrare

        return jsonrare.loads(raw, found & _SURROGATES, found & _WIDE)
    return json.loads(raw)


def _error(reason, at):
    return HTTPError(400, "The body is not JSON: %s at byte %d." % (reason, at))


@micropython.viper
def check(b: ptr8, i: int, end: int) -> int:
    """Check that `b[i:end]` is one JSON text in UTF-8, at most MAX_DEPTH deep. Allocates nothing.

    Returns what it found, 0 or more, or where and why it stopped: -1 - (4 * position + reason).
    """
    table = ptr8(_TABLE)
    state = _VALUE
    before = 0  # the state before a string
    depth = 0
    objects = 0  # of the containers around, the innermost in the lowest bit: 1 is an object
    found = 0
    start = 0
    reason = _UNEXPECTED
    while True:
        if i < end:
            c = b[i]
        else:
            if state == _END:
                return found
            if state < _NUMBER:
                break
            c = 32  # a number does not know its end before something follows
        if c >= 128:
            row = 8
            if state == _STRING and c >= 192:
                row = table[c + _LEADS]
            while row & 7:
                i += 1
                c = b[i] if i < end else 0
                row = table[row * 4 + (c >> 4 & 3) + _UTF8] if c >> 6 == 2 else 8
            if row:
                break
            i += 1
            continue
        new = table[state * _COLUMNS + table[c] + _NEXT]
        if new <= _EXPONENT:
            state = new
            i += 1
            continue
        if new == 0x6E:  # n
            start = i
            state = _NUMBER
            continue
        if new == 0x65:  # e
            if i - start > _SAFE_NUMBER_BYTES or state == _EXPONENT:
                found |= _WIDE
                if i - start > _MAX_NUMBER_BYTES:
                    i = start
                    reason = _LONG
                    break
        elif new == 0x77:  # w
            k = _WORDS
            while table[k] != c:
                k += 1
            while table[k] and i < end and b[i] == table[k]:
                i += 1
                k += 1
            if table[k]:
                break
        elif new == 0x5F:
            break
        else:
            i += 1
            if new == 0x73:  # s
                before = state
                state = _STRING
                continue
            if new == 0x75:  # u
                found |= _SURROGATES
                state = _HEX
                continue
            if new == 0x6F:  # o
                if depth == MAX_DEPTH:
                    i -= 1
                    reason = _DEEP
                    break
                depth += 1
                objects = objects << 1 | (c >> 5 & 1)
                state = _FIRST_VALUE + (objects & 1)
                continue
            if new == 0x71:  # q
                if before >= _FIRST_NAME:
                    state = _COLON
                    continue
            else:  # c
                depth -= 1
                objects >>= 1
        state = _IN_ARRAY + (objects & 1) if depth else _END
    return -1 - (i << 2 | reason)
