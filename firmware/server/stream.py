"""What goes on for long on a connection: generators as chunked responses (RFC 9112 section 7.1), and what runs itself.

A `Response` of unknown length has a live body: `prime(slot)`, awaited before its head is made, so that an error until
then has a status of its own; `lines()`, the field lines that frame it; `run(slot, head)`, awaited to send all of it,
behind the parts of the head, which raises OSError or Lost where the client is gone; `end()`, awaited in place of `run`
where nobody wants it; and `sent`, the body's bytes so far. A generator becomes one here; feeds and WebSockets bring
their own.

A generator, plain or asynchronous, is advanced when the client has taken what was there before; where the client goes
away, it is closed, wherever it is. An HTTP/1.0 client gets the bytes alone, and the connection's end for theirs.

Only a part of the slots (`limits.long_lived`) may have a live body: `enter` and `leave` count them.
"""

import asyncio

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.response import HTML, NO_BODY, fixed_lines, put_parts
from firmware.server import transport
from firmware.server.chunks import Chunks
from firmware.server.limits import OUT_BYTES
from firmware.server.slot import AWAITING, BUSY, Lost, explain, finish, push, push_parts

# Bytes around a chunk's data: six digits of hexadecimal and two line ends.
_FRAME_BYTES = const(10)

# Writes that need not wait, then the others have their turn.
_BURST = const(8)

_RETRY_AFTER = {"Retry-After": "5"}


def enter(slot):
    """Take one of the places for live connections. Raises 503 where none is left, even by ending a long poll."""
    server = slot.server
    if server.live >= server.limits.long_lived and not server.evict_poll():
        raise HTTPError(503, "Too many live connections.", _RETRY_AFTER)
    slot.is_live = True
    server.live += 1


def leave(slot):
    """Give the place back."""
    if slot.is_live:
        slot.is_live = False
        slot.server.live -= 1


def frame_lines(request):
    """Return the field lines that frame a body of unknown length; with HTTP/1.0 the connection's end ends it."""
    # A proxy (nginx) would hold back what comes until it is some KB.
    if request.is_http_1_1():
        return b"X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n"
    request.end()
    return b"X-Accel-Buffering: no\r\n"


async def send_live(slot, request, response):
    """Send a response that has a live body, or a generator to make one of."""
    if not hasattr(response.body, "run"):
        response.body = Stream(response, request)
    body = response.body
    is_wanted = response.status == 101 or request.method != "HEAD" and response.status not in NO_BODY
    try:
        head = await _begin(slot, request, response, is_wanted)
        if is_wanted and response.status != 204:
            slot.begun = request
            await body.run(slot, head)
            if slot.server.draining:
                request.end()
        else:
            await body.end()
            slot.begun = request
            await push_parts(slot, head)
    finally:
        leave(slot)
        slot.deadline = 0
    finish(slot, body.sent)


async def _begin(slot, request, response, is_wanted):
    """Take a place, make the first part of the body, and return the head in parts."""
    body = response.body
    if is_wanted:
        if not response.is_brief:
            enter(slot)
        slot.deadline = 0
        await body.prime(slot)
    if response.status == 101:
        response.framing = body.lines()
        return response.parts(slot.server.common, request.answer_lines)
    # It may end the connection.
    response.framing = b"" if response.status in NO_BODY else body.lines()
    return response.parts(slot.server.common, request.lines(), fixed_lines(slot.app.hooks()[3], response))


class Stream:
    """A generator as a live body."""

    def __init__(self, response, request):
        body = response.body
        self.sent = 0
        self._response = response
        self._request = request
        self._chunks = body if type(body) is Chunks else Chunks(body)
        self._is_chunked = request.is_http_1_1()
        self._first = None

    def lines(self):
        """Return the field lines that frame it."""
        return frame_lines(self._request)

    async def prime(self, slot):
        """Make the first chunk."""
        try:
            self._first = first = await self._next(slot)
        except BaseException:
            await self._chunks.end()
            raise
        response = self._response
        if first is None and response.is_bare:
            response.status = 204
        if response.content_type is None and self._is_text:
            response.content_type = HTML

    async def end(self):
        """Let the generator end unseen."""
        await self._chunks.end()

    async def _next(self, slot):
        """Return the next chunk as bytes, None behind the last one. The client may go meanwhile: the sweep looks."""
        slot.state = AWAITING
        try:
            chunk = await self._chunks.next()
        finally:
            slot.state = BUSY
            slot.deadline = 0
        self._is_text = type(chunk) is str
        if self._is_text:
            return chunk.encode()
        if chunk is None or type(chunk) in (bytes, bytearray, memoryview):
            return chunk
        raise TypeError("neither bytes nor text: %r" % (chunk,))

    async def run(self, slot, head):
        """Send the head and every chunk."""
        transport.no_delay(slot.sock)
        try:
            if not 0 < put_parts(slot.server.out, head) <= OUT_BYTES // 2:
                await push_parts(slot, head)
                head = ()
            turns = 0
            while self._first is not None:
                head = await self._send(slot, head, self._first)
                turns += 1
                if turns % _BURST == 0:
                    await transport.sleep_ms(0)
                self._first = await self._after(slot)
        finally:
            slot.state = AWAITING
            try:
                await self._chunks.end()
            finally:
                slot.state = BUSY
                slot.deadline = 0
        if self._is_chunked:
            head += (b"0\r\n\r\n",)
        if head:
            await push_parts(slot, head)

    async def _send(self, slot, head, data):
        """Send a chunk, in as many as the buffer makes of it, the first behind `head`; return the next one's."""
        server = slot.server
        view = server.out_view
        at = 0
        while at < len(data):
            used = put_parts(server.out, head)
            head = ()
            take = min(len(data) - at, OUT_BYTES - _FRAME_BYTES - used)
            part = data if take == len(data) else memoryview(data)[at : at + take]
            if self._is_chunked:
                used = chunk_into(view, used, part)
            else:
                view[used : used + take] = part
                used += take
            at += take
            sent = slot.write(server.out, used)
            if sent != used:
                await push(slot, bytes(view[sent or 0 : used]))
            self.sent += take
        return head

    async def _after(self, slot):
        """Return the next chunk. Raises Lost where an error ends them: the missing last chunk tells the client."""
        try:
            return await self._next(slot)
        except (Exception, asyncio.CancelledError) as error:
            error = explain(slot, error)
            if not isinstance(error, (OSError, Lost)):
                slot.server.log_error("stream", error)
            raise Lost


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
