"""The fields of a request, found in its buffer when somebody asks (RFC 9110 section 5)."""

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.parser import find
from firmware.http.urls import decode_text

# `layout`'s places, folded by the compiler only where they are written; a test compares.
_COUNT = const(9)
_FIELDS = const(10)

# Fields of which a second line cannot be joined to the first (RFC 9110 5.3): refused when asked for.
_SINGLE = (
    b" authorization content-encoding content-range content-type if-range origin range sec-websocket-key user-agent "
)


def text(raw):
    """Return a field's bytes as text: UTF-8, else each byte as the character of its number (ISO 8859-1)."""
    try:
        return decode_text(bytes(raw))
    except HTTPError:
        return "".join(chr(byte) for byte in raw)


def field(view, marks, name):
    """Return the value of the field `name` (lower-case bytes) as bytes, or None.

    Repeated lines are joined as RFC 9110 5.3 allows; 400 for a field of which there can be one only.
    """
    at = find(view, marks, name, 0)
    if not at:
        return None
    value = bytes(view[marks[at + 2] : marks[at + 3]])
    at = find(view, marks, name, at)
    while at:
        if b" %s " % name in _SINGLE:
            raise HTTPError(400, "The field %s is there twice." % name.decode())
        value += (b"; " if name == b"cookie" else b", ") + bytes(view[marks[at + 2] : marks[at + 3]])
        at = find(view, marks, name, at)
    return value


class Headers:
    """The fields of one request as text, looked up by name in any case (see `field`)."""

    def __init__(self, view, marks):
        self._view = view
        self._marks = marks

    def get(self, name, default=None):
        """Return the value of field `name`, or `default`."""
        value = field(self._view, self._marks, name.lower().encode())
        return default if value is None else text(value)

    def __contains__(self, name):
        return find(self._view, self._marks, name.lower().encode(), 0) > 0

    def __getitem__(self, name):
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def items(self):
        """Yield (name in lower case, value) of every field line, in order."""
        view = self._view
        marks = self._marks
        for at in range(_FIELDS, _FIELDS + 4 * marks[_COUNT], 4):
            start = end = marks[at + 1]
            while view[end] != 58:
                end += 1
            yield text(view[start:end]).lower(), text(view[marks[at + 2] : marks[at + 3]])
