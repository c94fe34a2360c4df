"""Server-Sent Events (WHATWG HTML, section 9.2): sends a feed's values as events to a browser's EventSource.

A browser that lost its connection comes back with `Last-Event-ID` and gets the values that the feed still keeps.
`?since=N` does the same for the first connection; without either, events begin with the next value. A comment is sent
as a sign of life. For your own generators, `encode` makes the bytes of an event.

If all places for live connections are taken, the answer is 503. A browser's EventSource gives up then (its readyState
is CLOSED, 2, when `onerror` is called): the page must make a new one, for example after `Retry-After`.
"""

from firmware.http.errors import HTTPError
from firmware.server.receive import is_gone
from firmware.server.slot import push_parts, wait_live
from firmware.server.stream import frame_lines

# Milliseconds until a browser comes back.
_RETRY_MS = 2000

# Sweeps between signs of life, 15 s: the standard advises this because proxies end silent connections.
_HEARTBEAT_SWEEPS = 30

# Events that are sent together after a pause or a reconnect: the part that the socket does not take needs memory.
_BATCH_BYTES = 256


def encode(data, event=None, id=None):
    """Return an event as bytes; `data` text or bytes of any lines, `event` text, `id` a number or text.

    Raises ValueError for an event or id with a line end, which would begin another field.
    """
    lines = b""
    for name, value in ((b"event", event), (b"id", id)):
        if value is not None:
            value = str(value).encode()
            if b"\n" in value or b"\r" in value or b"\0" in value:
                raise ValueError("not one line: %r" % value)
            lines += name + b": " + value + b"\n"
    if type(data) is str:
        data = data.encode()
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\n" in data:
        data = data.replace(b"\n", b"\ndata: ")
    return lines + b"data: " + data + b"\n\n"


class Events:
    """A feed as a live body."""

    sent = 0
    _follower = None
    _first = b"retry: %d\n\n" % _RETRY_MS

    def __init__(self, feed, request):
        self._feed = feed
        self._request = request
        since = (request.headers.get("last-event-id") or request.args.get("since") or "").encode()
        # An invalid number was never sent from here.
        self._since = int(since) if since.isdigit() and len(since) <= 9 else feed.last

    async def prime(self, slot):
        """Make the first events: an error until then still gets its own status."""
        self._follower = self._feed.follow(slot, self._since)
        self._first = self._collect([self._first])

    async def end(self):
        """Stop following."""
        if self._follower:
            self._follower.end()

    def lines(self):
        """Return the field lines that frame it."""
        return frame_lines(self._request)

    async def run(self, slot, head):
        """Send events until the client goes away, is too slow, or the server stops."""
        events, self._first = self._first, None
        try:
            # Both are made before: from here on, a lack of memory could not be reported.
            await push_parts(slot, head)
            await push_parts(slot, self._frame(events))
            while True:
                events = self._collect([])
                if not events:
                    if is_gone(slot):
                        return
                    slot.deadline = slot.server.clock + _HEARTBEAT_SWEEPS
                    try:
                        await wait_live(slot)
                        continue
                    except HTTPError:
                        if slot.server.draining:
                            break
                        events = [b":\n\n"]
                await push_parts(slot, self._frame(events))
            await push_parts(slot, self._frame([]))
        finally:
            self._follower.end()
            slot.deadline = 0

    def _collect(self, events):
        """Fill the list `events` with the next ones, and return it."""
        size = 0
        while size < _BATCH_BYTES:
            number = self._follower.take()
            if not number:
                break
            event = encode(self._feed.json(number), self._feed.event(number), number)
            size += len(event)
            events.append(event)
        return events

    def _frame(self, events):
        """Return the parts of a chunk with these events; without events, of the last chunk. HTTP/1.0 gets no chunks."""
        size = sum([len(event) for event in events])
        self.sent += size
        if self._request.is_http_1_1():
            events.insert(0, b"%x\r\n" % size)
            events.append(b"\r\n")
        return events
