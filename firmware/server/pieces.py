"""JSON that hooks see before it is sent, in pieces: no answer may need more than a piece of heap."""

from firmware.http.native import const
from firmware.http.response import JSON, Response

# With the byte that MicroPython puts behind them: some such pieces find a place in a heap in pieces of 256 bytes.
_PIECE_BYTES = const(191)


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
