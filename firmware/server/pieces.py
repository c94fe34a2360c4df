"""JSON in a heap in pieces: no answer may need more than a piece, neither as it is made nor as hooks see it."""

from io import IOBase
from json import dump

from firmware.http.native import const
from firmware.http.response import JSON, Response

# With the byte that MicroPython puts behind them: some such pieces find a place in a heap in pieces of 256 bytes.
_PIECE_BYTES = const(191)
# Where JSON begins that is made in the buffer for all that is sent: behind the longest head that `respond` puts there.
_FIRST = const(320)


class Pieces(Response):
    """A Response with JSON in pieces, read as a file is; a hook that asks for its `body` has it in one piece."""

    content_type = JSON
    _at = 0

    def __init__(self, view):
        self.pieces = [bytes(view[at : at + _PIECE_BYTES]) for at in range(0, len(view), _PIECE_BYTES)]
        self.length = len(view)

    @property
    def body(self):
        """The JSON (bytes), or what a hook has put in its place."""
        if self.pieces:
            self.body = b"".join(self.pieces)
        return self._body

    @body.setter
    def body(self, body):
        self._body = body
        self.pieces = self.length = None

    def close(self):
        """Close what a hook has put there."""
        if not self.pieces:
            Response.close(self)

    def readinto(self, view):
        """Fill the view, which asks for no more than there is; return its size."""
        done, size = 0, len(view)
        while done < size:
            piece = self.pieces[self._at // _PIECE_BYTES]
            first = self._at % _PIECE_BYTES
            take = min(len(piece) - first, size - done)
            view[done : done + take] = piece if take == len(piece) else memoryview(piece)[first : first + take]
            done += take
            self._at += take
        return size

    def seek(self, offset, whence):
        """Go back, from where it is, by `-offset` bytes."""
        self._at += offset


def dump_in_place(value, server):
    """Do as `transport.dump_json`, where the server's `text` has no room to grow."""
    try:
        text = InPlace(server)
        dump(value, text)
        if text.tell() <= len(server.out) - _FIRST:
            return text.tell()
    except MemoryError:
        pass
    server.make_room()
    text = server.text
    text.seek(0)
    dump(value, text)
    return text.tell()


class InPlace(IOBase):
    """What JSON is made in, once, where the server's `text` has no room to grow: the buffer for all that is sent.

    A call for each word makes it slow.
    """

    def __init__(self, server):
        self._server = server
        self._text = server.text
        self._at = _FIRST
        server.text = self

    def write(self, data):
        """Add bytes. What there is no room for is only counted."""
        first = self._at
        self._at = at = first + len(data)
        if at <= len(self._server.out):
            self._server.out_view[first:at] = data
        return len(data)

    def seek(self, _):
        """Begin anew."""
        self._at = _FIRST

    def tell(self):
        """Return how many bytes were written."""
        return self._at - _FIRST

    def readinto(self, view):
        """Fill a view of that size, which begins before it in the same buffer; the next JSON is made as ever."""
        view[:] = self._server.out_view[_FIRST : _FIRST + len(view)]
        self._server.text = self._text
