"""JSON without a large block of heap: made in the buffer from which it is sent, if `server.text` cannot grow."""

from io import IOBase
from json import dump

from firmware.http.native import const

# Where the JSON begins in that buffer: after the longest head that `respond` puts there.
_FIRST = const(320)


def dump_in_place(value, server):
    """Do as `transport.dump_json` if the server's `text` cannot grow."""
    try:
        dump(value, InPlace(server))
        if server.text.tell() > len(server.out) - _FIRST:
            # The caller makes it in one piece.
            server.make_room()
    except MemoryError:
        server.make_room()
        server.text.seek(0)
        dump(value, server.text)
    return server.text.tell()


class InPlace(IOBase):
    """A stream into the server's out buffer, which replaces the server's `text` for one JSON.

    It is slow: `dump` calls `write` for each word.
    """

    def __init__(self, server):
        self._server = server
        self._text = server.text
        self._at = _FIRST
        server.text = self

    def write(self, data):
        """Add bytes. Bytes that do not fit are only counted."""
        first = self._at
        self._at = at = first + len(data)
        if at <= len(self._server.out):
            self._server.out_view[first:at] = data
        return len(data)

    def seek(self, _):
        """Start again."""
        self._at = _FIRST

    def tell(self):
        """Return how many bytes were written."""
        return self._at - _FIRST

    def readinto(self, view):
        """Move the JSON into `view`, which begins earlier in the same buffer; the next JSON is made as usual."""
        view[:] = self._server.out_view[_FIRST : _FIRST + len(view)]
        self._server.text = self._text
