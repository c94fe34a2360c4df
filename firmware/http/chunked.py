"""Where a request's body ends whose length nobody knows before: RFC 9112 section 7.1, as `body` has it.

Native code, which stays once it is loaded: few clients send such bodies.
"""

from array import array

from firmware.http.errors import HTTPError
from firmware.http.native import const, micropython, ptr8, ptr32

# Chunk sizes, extensions and trailers are bytes that no limit on the payload counts. A signature or a digest in them
# takes some hundred; every byte of payload allows what a chunk of one byte needs, which is five, and somewhat more.
_MAX_OVERHEAD = const(1024)
_OVERHEAD_PER_BYTE = const(8)
# Zero-padded 32-bit numbers are sent in earnest; longer ones are made to overflow something.
_MAX_SIZE_DIGITS = const(8)
# A size below this takes one more digit and stays within 31 bits.
_MAX_SIZE_BEFORE = const(0x8000000)

# Slots of the state that outlasts a call.
_STATE = const(0)
_LEFT = const(1)  # bytes of the chunk still to come; while its size is being read, what there is of that
_DIGITS = const(2)

# States are letters, but for the three that end a pass over framing. The code needs to know these.
_ERROR = const(0x2E)  # .
_DONE = const(0x24)  # $
_DATA = const(0x40)  # @
_BEGIN = const(0x41)  # A
_SIZE = const(0x42)  # B
_CHUNK_END = const(0x47)  # G
_TRAILERS = const(0x49)  # I

# Kinds of bytes below 128, the columns of the next table; the others are of kind 7. A test compares with the parser's.
_KINDS = (
    b"8888888882188088"
    b"8888888888888888"
    b"2676666677667667"
    b"5555555555437777"
    b"7555555666666666"
    b"6666666666677766"
    b"6555555666666666"
    b"6666666666676768"
)
# RFC 9112 7.1: the state that follows, a row for each state, a column for each kind of byte. Neither a bare CR nor a
# bare LF ends anything (2.2), no space stands before a size's line end or a colon (5.1), no line is folded (5.2).
#   CR LF space ; : hex token value control
_NEXT = (
    b".....B..."  # A  chunk size
    b"F.CD.B..."  # B  more of it
    b"..CD....."  # C  space before an extension
    b"..D..EE.."  # D  extension's name
    b"F.EEEEEE."  # E  rest of the extensions
    b".@......."  # F  LF: chunk data, or after a size of zero trailers
    b"H........"  # G  CR after chunk data
    b".A......."  # H  LF after chunk data
    b"M....JJ.."  # I  trailer or last line
    b"....KJJ.."  # J  trailer's name
    b"L.KKKKKK."  # K  trailer's value
    b".I......."  # L  LF after a trailer
    b".$......."  # M  LF that ends all
)


class ChunkedBody:
    """A body in chunks. Extensions are ignored, trailers are checked and dropped."""

    length = None
    done = False

    def __init__(self):
        self._state = array("i", (_BEGIN, 0, 0))
        self._allowance = _MAX_OVERHEAD

    def decode(self, buffer, start, end):
        """Return (data_end, consumed), see above.

        Raises 400 for bad syntax or more framing than the payload justifies, 413 for a chunk of 2 GiB or more.
        """
        state = self._state
        data_end = at = start
        view = memoryview(buffer)
        while at < end and not self.done:
            if state[_STATE] == _DATA:
                take = min(state[_LEFT], end - at)
                if at != data_end:
                    # They may overlap; both interpreters then move as if through a copy.
                    view[data_end : data_end + take] = view[at : at + take]
                data_end += take
                at += take
                self._allowance += _OVERHEAD_PER_BYTE * take
                state[_LEFT] -= take
                if not state[_LEFT]:
                    state[_STATE] = _CHUNK_END
                    state[_DIGITS] = 0
            else:
                stop = _skip(buffer, at, end, state)
                self._allowance -= stop - at
                if stop < 0 or self._allowance < 0:
                    raise HTTPError(413 if stop == -413 else 400, "The body's chunks are not valid.")
                at = stop
                self.done = state[_STATE] == _DONE
        return data_end, at


@micropython.viper
def _skip(b: ptr8, i: int, end: int, s: ptr32) -> int:
    """Read framing in `b[i:end]` up to chunk data or the body's end; return where that is, or a negative status."""
    kinds = ptr8(_KINDS)
    following = ptr8(_NEXT)
    state = s[_STATE]
    while i < end:
        c = b[i]
        i += 1
        state = (state - _BEGIN) * 9
        state = following[state + (kinds[c] - 48 if c < 128 else 7)]
        if state == _SIZE:
            if s[_DIGITS] == _MAX_SIZE_DIGITS or s[_LEFT] >= _MAX_SIZE_BEFORE:
                return -413
            s[_DIGITS] += 1
            s[_LEFT] = (s[_LEFT] << 4) + (c & 15) + (c >> 6) * 9
        elif state < _BEGIN:
            if state == _ERROR:
                return -400
            if state == _DONE or s[_LEFT]:
                break
            state = _TRAILERS
    s[_STATE] = state
    return i
