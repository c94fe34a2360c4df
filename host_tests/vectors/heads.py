"""Requests without a connection, for vectors of what looks at them."""

from firmware.http.parser import new_marks, scan
from firmware.http.request import Request


class _Source:
    """What a Request is a view of: a head, and a client's address."""

    again = None

    def __init__(self, raw, client):
        self.view = memoryview(raw)
        self.marks = new_marks(1024, 32)
        end = scan(raw, 0, len(raw), self.marks)
        assert end == len(raw), "not a head: %r (%d)" % (raw, end)
        self.client = client

    def address(self):
        """Return the client's address as text."""
        return self.client


def request(*fields, line="GET / HTTP/1.1", host="limpet.local", client="192.168.4.2"):
    """Return the Request of a head; `fields` are its lines as text, one for `host` (None: without) before them."""
    lines = [line] + ([] if host is None else ["Host: " + host]) + list(fields)
    return Request(_Source(bytearray("\r\n".join(lines + ["", ""]).encode()), client))
