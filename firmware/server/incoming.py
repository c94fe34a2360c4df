"""Bodies: held for `request.body`, read by a handler piece by piece, or skipped. Loaded by the first request with one.

What the handler has not asked for is not read: the client waits, which is all there is to back-pressure.
"""

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.server import transport
from firmware.server.receive import enlarge, keep, linger
from firmware.server.router import Streaming
from firmware.server.slot import READ, SLOW, Lost, push, wait

# A body that trickles, never quite silent, may take this many silences in all: 8 KB in 30 s come over any link.
_SILENCES = const(3)

# Parts that come without a wait, then the others have their turn.
_BURST = const(8)


def take(slot, request, handler):
    """Have `request.body` be what has come with the head, where that is all of it; tell whether it is."""
    at = slot.head_end
    size = request.length or 0
    has_come = 0 < size <= min(slot.end - at, slot.server.limits.body_bytes)
    if has_come and not request.expects and type(handler) is not Streaming:
        request.body = bytes(slot.view[at : at + size])
        keep(slot, at, at + size)
        request.reader.done = True
    return request.reader.done


async def receive(slot, request, handler):
    """Read the body into `request.body`, or leave that to a handler that streams it.

    Raises 413, 400 and 408, which end the connection, and Lost.
    """
    if type(handler) is Streaming:
        request.incoming = request.reader = Incoming(slot, request, request.reader)
        return
    try:
        await hold(slot, request)
    except HTTPError:
        request.end()
        raise
    except OSError:
        raise Lost


async def hold(slot, request):
    """Read the whole body, which begins behind the head, into `request.body`."""
    limit = slot.server.limits.body_bytes
    at = slot.head_end
    reader = request.reader
    if request.length and request.length > limit:
        raise HTTPError(413, "The body may have %d bytes here." % limit)
    if request.expects and slot.end == at:
        # RFC 9110 10.1.1: only now is it sure that the body is wanted.
        await push(slot, b"HTTP/1.1 100 Continue\r\n\r\n")
    request.expects = False
    until = _until(slot)
    if request.length:
        # Of a known length: straight into its place.
        try:
            held = bytearray(request.length)
        except MemoryError:
            slot.server.make_room()
            held = bytearray(request.length)
        await _read_into(slot, memoryview(held), at, until)
        reader.done = True
    else:
        held = bytearray()
        while True:
            data_end, used = reader.decode(slot.buffer, at, slot.end)
            if len(held) + data_end - at > limit:
                raise HTTPError(413, "The body may have %d bytes here." % limit)
            held.extend(slot.view[at:data_end])
            keep(slot, at, used)
            if reader.done:
                break
            await fill(slot, until)
    request.body = bytes(held)


async def _read_into(slot, held, at, until):
    """Fill `held` with what the slot has from `at` on, and with what comes."""
    got = min(len(held), slot.end - at)
    held[:got] = slot.view[at : at + got]
    keep(slot, at, at + got)
    while got < len(held):
        more = slot.read(held[got:])
        if more:
            got += more
            slot.moved += more
        elif more == 0:
            raise Lost
        else:
            slot.deadline = min(until, slot.server.clock + slot.server.limits.silence_sweeps)
            await wait(slot, READ, SLOW)
    slot.deadline = 0


async def skip(slot, request):
    """Read away a body that nobody wanted: all of it to go on, or a second's worth before closing."""
    if not request.keep_alive:
        # What was too slow is not waited for any more.
        await linger(slot, not slot.slow)
        return
    at = slot.head_end
    until = _until(slot)
    while not request.reader.done:
        if slot.end == at:
            await fill(slot, until)
        _, used = request.reader.decode(slot.buffer, at, slot.end)
        keep(slot, at, used)


def _until(slot):
    """Return the sweep by which a body has to be here that is small enough to be held."""
    return slot.server.clock + _SILENCES * slot.server.limits.silence_sweeps


async def fill(slot, until):
    """Read at least one byte behind what the buffer holds, before the sweep `until`. Raises Lost and 408."""
    while True:
        try:
            got = slot.read(slot.view[slot.end :])
        except OSError:
            raise Lost
        if got:
            slot.end += got
            slot.moved += got
            slot.deadline = 0
            return
        if got == 0:
            raise Lost
        slot.deadline = min(until, slot.server.clock + slot.server.limits.silence_sweeps)
        await wait(slot, READ, SLOW)


class Incoming:
    """A body as its handler reads it: an asynchronous iterator of memoryviews, for one task.

    It is the body's reader, too, for whoever skips what is left.
    """

    def __init__(self, slot, request, body):
        self._slot = slot
        self._request = request
        self._body = body
        self._used = 0  # where what the handler holds was read from ends
        self._turns = 0
        self.done = False
        # What is read at once is what there is room for behind the head.
        if request.length is None or request.length > len(slot.buffer) - slot.head_end:
            enlarge(slot)

    def __aiter__(self):
        return self

    async def __anext__(self):
        """Return the next part, valid until the next call.

        Raises 400 and 413 for wrong chunks, 408 where the client stays silent, Lost where it is gone.
        """
        slot = self._slot
        if self._request.slot is None:
            # The answer is sent: the slot reads the next request now, perhaps of another client.
            raise Lost
        if self._used:
            self._consume(self._used)
        while not self.done:
            at = slot.head_end
            if slot.end > at:
                try:
                    data_end, used = self._body.decode(slot.buffer, at, slot.end)
                except HTTPError:
                    self._request.end()
                    raise
                if data_end > at:
                    self._used = used
                    return slot.view[at:data_end]
                self._consume(used)
            else:
                await self._fill(slot)
        raise StopAsyncIteration

    def _consume(self, used):
        slot = self._slot
        keep(slot, slot.head_end, used)
        self._used = 0
        self.done = self._body.done

    def decode(self, buffer, start, end):
        """Return (data_end, consumed) as a body's reader does, first of what the handler held."""
        data_end, used = (start, self._used) if self._used else self._body.decode(buffer, start, end)
        self._used = 0
        self.done = self._body.done
        return data_end, used

    async def _fill(self, slot):
        """Read at least one byte."""
        self._turns += 1
        if self._turns % _BURST == 0:
            await transport.sleep_ms(0)
            if slot.end > slot.head_end:
                # Somebody looked whether the client is still there, and found more of the body.
                return
        request = self._request
        try:
            if request.expects:
                # RFC 9110 10.1.1: only now is it sure that the body is wanted.
                request.expects = False
                await push(slot, b"HTTP/1.1 100 Continue\r\n\r\n")
            await fill(slot, slot.server.clock + slot.server.limits.silence_sweeps)
        except HTTPError:
            request.end()
            raise
        except OSError:
            raise Lost
