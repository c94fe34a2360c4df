"""A request's body as its handler reads it, piece by piece, straight from the connection's buffer.

What the handler has not asked for is not read: the client waits, which is all there is to back-pressure.
"""

from firmware.http.errors import HTTPError
from firmware.server import transport
from firmware.server.reader import Lost, keep
from firmware.server.signal import Signal

# Parts that come without a wait, then the others have their turn.
_BURST = 8


class Incoming:
    """An asynchronous iterator of memoryviews, for one task; a body's reader, too, for who skips what is left.

    `slot` is None where there is no body.
    """

    def __init__(self, slot=None, request=None, body=None, at=0):
        self._slot = slot
        self._request = request
        self._body = body
        self._at = at  # where the body begins in the buffer
        self._used = 0  # where what the handler holds was read from ends
        self._turns = 0
        self.done = slot is None

    def __aiter__(self):
        return self

    async def __anext__(self):
        """Return the next part, valid until the next call.

        Raises 400 and 413 for wrong chunks, Lost where the client is gone. Where it stays silent the task is cancelled.
        """
        slot = self._slot
        at = self._at
        if self._used:
            self._consume(self._used)
        while not self.done:
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
        keep(self._slot, self._at, used)
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
            if slot.end > self._at:
                # Somebody looked whether the client is still there, and found more of the body.
                return
        try:
            if self._request.expects:
                # RFC 9110 10.1.1: only now is it sure that the body is wanted.
                self._request.expects = False
                slot.sock.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            while True:
                got = slot.sock.readinto(slot.view[slot.end :])
                if got:
                    slot.end += got
                    slot.deadline = 0
                    return
                if got == 0:
                    raise Lost
                slot.deadline = slot.server.clock + slot.server.limits.silence_sweeps
                await self._readable(slot)
        except OSError:
            raise Lost from None

    async def _readable(self, slot):
        signal = Signal()
        watch = slot.server.reactor.watch
        watch(slot.sock, signal, transport.READ)
        try:
            await signal.wait()
        finally:
            watch(slot.sock, signal, 0)
