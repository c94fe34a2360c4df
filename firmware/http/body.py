"""Where a request's body of a known length ends (RFC 9112 section 6); `chunked` has those whose length nobody knows.

`content_length` reads the field; a `LengthBody` or a `chunked.ChunkedBody` takes the bytes behind a head as they come.

    decode(buffer, start, end) -> (data_end, consumed)

looks at `buffer[start:end]` (a bytearray) and leaves what is payload at `buffer[start:data_end]`. It consumes every
byte until `done`; then `buffer[consumed:end]` is the next request's. Nothing is held back, so any split of the bytes
gives the same payload. After an error decode no more: what follows cannot be framed, answer and close.
"""

from firmware.http.errors import HTTPError
from firmware.http.native import const

# A petabyte: no more is meant in earnest.
_MAX_LENGTH_DIGITS = const(15)


def content_length(raw):
    """Return the value of Content-Length, whose lines are joined with commas in the bytes `raw` (RFC 9112 6.3).

    One number may be repeated. Raises 400 for anything but digits and for two values, 413 for more than 15 digits.
    """
    if not raw.isdigit():
        values = [value.strip(b" \t") for value in raw.split(b",")]
        raw = values[0]
        if not raw.isdigit() or values != [raw] * len(values):
            raise HTTPError(400, "Content-Length is not valid.")
    if len(raw) > _MAX_LENGTH_DIGITS:
        raise HTTPError(413)
    return int(raw)


class LengthBody:
    """A body of `length` bytes."""

    def __init__(self, length):
        self.length = self._left = length
        self.done = not length

    def decode(self, buffer, start, end):
        """Return (data_end, consumed), see above: here they are the same."""
        take = min(self._left, end - start)
        self._left -= take
        self.done = not self._left
        return start + take, start + take
