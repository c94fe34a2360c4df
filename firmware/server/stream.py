"""Responses of unknown length: what a generator yields, text or bytes, a chunk each (RFC 9112 section 7.1).

The generator, plain or asynchronous, is advanced when the client has taken what was there before; where the client goes
away, it is closed, wherever it is. An HTTP/1.0 client gets the bytes alone, and the connection's end for theirs.
"""

from firmware.http.errors import HTTPError
from firmware.http.response import HTML, field_lines
from firmware.server import live
from firmware.server.chunks import Chunks
from firmware.server.connection import HOLD
from firmware.server.reader import GONE_SWEEPS, Lost, is_gone

# Bytes around a chunk's data: six digits of hexadecimal and two line ends.
_FRAME_BYTES = 10


def chunk_into(view, at, data):
    """Write `data`, not empty, as one chunk to `view` from `at` on; return where it ends."""
    size = len(data)
    line = b"%x\r\n" % size
    start = at + len(line)
    view[at:start] = line
    at = start + size
    view[start:at] = data
    view[at : at + 2] = b"\r\n"
    return at + 2


class Stream(live.Session):
    """A generator as a live body."""

    _borrows = True

    def __init__(self, response, request):
        super().__init__(request)
        body = response.body
        self._response = response
        self._chunks = body if type(body) is Chunks else Chunks(body)
        self._is_chunked = request.is_http_1_1()
        # RFC 9110 6.5.1: trailers may be dropped on the way unless the client said that it wants them.
        self._wants_trailers = self._is_chunked and b"trailers" in (request.field(b"te") or b"").lower()
        self._first = None

    def lines(self):
        """Return the field lines that frame it."""
        trailers = self._response.trailers
        if trailers and self._wants_trailers:
            return b"Trailer: %s\r\n" % ", ".join(trailers).encode() + super().lines()
        return super().lines()

    async def prime(self):
        """Make the first chunk, before the head goes out: an error until then has a status of its own."""
        try:
            first = await self._chunks.next()
            self._first = _as_bytes(first)
        except BaseException:
            await self._chunks.end()
            raise
        if first is None and self._response.is_bare:
            self._response.status = 204
        if type(first) is str and self._response.content_type is None:
            self._response.content_type = HTML

    async def end(self):
        """Let the generator end unseen."""
        await self._chunks.end()

    def _converse(self, head):
        slot = self.slot
        server = slot.server
        gone = False
        self.start(self._pump(head))
        while True:
            yield from self.flush()
            if self.done:
                break
            # Only now the client may be seen to go: while it takes bytes, it is there.
            gone = gone or is_gone(slot)
            slot.deadline = server.clock + GONE_SWEEPS if gone else 0
            try:
                yield HOLD if gone else live.wish(slot)
            except HTTPError:
                if gone:
                    raise Lost
        if self.error:
            # The missing last chunk tells the client.
            if not isinstance(self.error, (OSError, Lost)):
                server.log_error("stream", self.error)
            raise Lost

    async def _pump(self, head):
        """Send the head and every chunk; run as the task."""
        data = self._first
        view = self.slot.server.out_view
        room = len(view) - _FRAME_BYTES
        used = 0
        try:
            if len(head) > room // 2:
                await self.write(head)
                head = b""
            while data is not None:
                size = len(data)
                at = 0
                while at < size:
                    if head:
                        used = len(head)
                        view[:used] = head
                        head = b""
                    take = min(size - at, room - used)
                    part = data if take == size else memoryview(data)[at : at + take]
                    if self._is_chunked:
                        used = chunk_into(view, used, part)
                    else:
                        view[used : used + take] = part
                        used += take
                    at += take
                    await self.write(view[:used])
                    used = 0
                    self.sent += take
                data = _as_bytes(await self._chunks.next())
        finally:
            await self._chunks.end()
        if self._is_chunked:
            trailers = _trailer_lines(self._response) if self._wants_trailers else b""
            await self.write(b"%s0\r\n%s\r\n" % (head, trailers))
        elif head:
            await self.write(head)


def _as_bytes(chunk):
    if type(chunk) is str:
        return chunk.encode()
    if chunk is None or type(chunk) in (bytes, bytearray, memoryview):
        return chunk
    raise TypeError("neither bytes nor text: %r" % (chunk,))


def _trailer_lines(response):
    """Return the trailers as bytes. Raises ValueError as a response's `head` does."""
    return b"".join([field_lines(name, values) for name, values in (response.trailers or {}).items()])
