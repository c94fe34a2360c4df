"""The mask of a client's WebSocket frames (RFC 6455 5.3): native code, apart from what may be forgotten."""

from firmware.http.native import const, micropython, ptr8

# What `unmask` is told and keeps, in bytes: the key in [:4], which byte of it is next, the state of UTF-8.
NEXT = const(4)
STATE = const(5)
MASK_SIZE = const(6)

# States of UTF-8 (RFC 3629): 0 at the end of a character, BAD for ever behind a wrong byte, else a row in _UTF8 with
# the next state by the upper half of the next byte. Half a byte is enough: what keeps out overlong forms, surrogates
# and all beyond U+10FFFF are bounds of the second byte, and they are multiples of 16. From BAD on the table has the
# next state by the whole of a first byte; and because no character begins with 80 to 8F, the row of BAD leads to BAD.
BAD = const(0x80)
_BAD_12 = b"\x80" * 12
_UTF8 = _BAD_12.join(
    (
        _BAD_12,
        b"\0\0\0\0",  # 0x10: one byte more, any of 80-8F, 90-9F, A0-AF, B0-BF
        b"\x10\x10\x10\x10",  # 0x20: two
        b"\x20\x20\x20\x20",  # 0x30: three
        b"\x80\x80\x10\x10",  # 0x40: behind E0
        b"\x10\x10\x80\x80",  # 0x50: behind ED
        b"\x80\x20\x20\x20",  # 0x60: behind F0
        b"\x20\x80\x80\x80",  # 0x70: behind F4
        # 88 to C1, C2 to DF, E0 to EF, F0 to F4, F5 to FF
        b"\x80" * 58 + b"\x10" * 30 + b"\x40" + b"\x20" * 12 + b"\x50\x20\x20\x60\x30\x30\x30\x70" + b"\x80" * 11,
    )
)


@micropython.viper
def unmask(b: ptr8, i: int, end: int, mask: ptr8) -> int:
    """Unmask `b[i:end]` in place (RFC 6455 5.3) and follow it as UTF-8 from mask[STATE] on.

    Returns the state at the end: 0 between characters, BAD from the first byte on that no UTF-8 has there. Bytes that
    are not text begin with BAD. `mask` has MASK_SIZE bytes and keeps which byte of the key is next.
    """
    k = mask[NEXT]
    state = mask[STATE]
    table = ptr8(_UTF8)
    while i < end:
        c = b[i] ^ mask[k & 3]
        b[i] = c
        i += 1
        k += 1
        if state:
            state = table[state + (c >> 4)]
        elif c > 0x7F:
            state = table[c]
    mask[NEXT] = k & 3
    return state
