"""What goes on for long on a connection: streams, WebSockets, followers of a feed, long polls.

A `Response` whose body has `run` is live: once its head is made, `run(slot, head)`, a generator that the
connection's script runs, has the connection. It yields what it waits for, and raises OSError or Lost where the client
is gone. Only a part of the slots (`limits.long_lived`) may be live: `enter` and `leave` count them. Before comes
`prime()`, a coroutine, and `lines()`, the field lines that frame the body; in place of it, where there is any,
`end()`, a coroutine. `sent` counts the body's bytes.

A `Session` is a live body with a task beside the script. The task writes straight to the socket; what that does not
take at once is left to the script, which keeps the deadline. So nobody waits for a socket but the reactor.
"""

import asyncio

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.server import transport, writer
from firmware.server.connection import HOLD, WAIT
from firmware.server.reader import Lost
from firmware.server.signal import Signal
from firmware.server.writer import PAUSE

# Writes that need not wait, then the others have their turn.
_BURST = const(8)

# A stopped task may have something to await in its `finally`.
_STOP_SWEEPS = const(4)

_RETRY_AFTER = {"Retry-After": "5"}


def body_of(response, request):
    """Return the live body of a response, made of a generator where it is one."""
    if not hasattr(response.body, "run"):
        from firmware.server.stream import Stream

        response.body = Stream(response, request)
    return response.body


def enter(server):
    """Take one of the places for live connections. Raises 503 where none is left, even by ending a long poll."""
    if server.live >= server.limits.long_lived and not server.evict_poll():
        raise HTTPError(503, "Too many live connections.", _RETRY_AFTER)
    server.live += 1


def leave(server):
    """Give the place back."""
    server.live -= 1


def lines(request):
    """Return the field lines that frame a body of unknown length; with HTTP/1.0 the connection's end ends it."""
    if request.is_http_1_1():
        return b"Transfer-Encoding: chunked\r\n" + request.lines()
    request.end()
    return request.lines()


def wish(slot, want=WAIT):
    """Return what to wait for: `want`, which is also to read, or, where there is no room for it, only to be woken."""
    return want if slot.end < len(slot.buffer) else HOLD


class Session:
    """A live body with a task. What a subclass has is `_converse`, the script while the task goes on."""

    sent = 0  # bytes of the body
    _borrows = False  # whether what is written is somebody else's again at the first wait

    def __init__(self, request):
        self.slot = None
        self.request = request
        self.done = False  # whether the task has ended
        self.error = None  # by what
        self._rest = None  # what the socket did not take, a list
        self._drained = Signal()
        self._drained.set()
        self._task = None
        self._has_begun = False
        self._turns = 0

    async def prime(self):
        """Do what has to be done before the head: an error still has a status."""

    def lines(self):
        """Return the field lines that say how the body is framed."""
        return lines(self.request)

    def run(self, slot, head):
        """Have the connection until all is said."""
        self.slot = slot
        transport.no_delay(slot.sock)
        try:
            yield from self._converse(head)
        finally:
            yield from self._stop()
            self.slot = None

    def start(self, coroutine):
        """Begin the task."""
        self._task = asyncio.create_task(self._guard(coroutine))

    async def _guard(self, coroutine):
        self._has_begun = True
        try:
            await coroutine
        except asyncio.CancelledError:
            self.error = Lost()
        except Exception as error:
            self.error = error
        self.done = True
        self.wake()

    def wake(self):
        """Let the script look again."""
        if self.slot:
            self.slot.server.reactor.soon(self.slot)

    async def write(self, *parts):
        """Write `parts`, all of them behind what other tasks write; return once the socket has them.

        Raises OSError or Lost: the client is gone.
        """
        while self._rest:
            await self._drained.wait()
        if not self.slot or self.done:
            raise Lost
        rest = []
        for data in parts:
            if not rest:
                sent = self.slot.sock.write(data) or 0
                if sent == len(data):
                    continue
                data = memoryview(data)[sent:]
            rest.append(bytes(data) if self._borrows else data)
        if rest:
            self._leave(rest)
            self.wake()
            while self._rest is rest:
                await self._drained.wait()
        # Behind the writing: what was borrowed is still as it was only until the first wait.
        self._turns += 1
        if self._turns % _BURST == 0:
            await transport.sleep_ms(0)

    def _leave(self, rest):
        """Leave `rest`, a list, to the script."""
        self._rest = rest
        self._drained.clear()

    def flush(self):
        """Write what was left; run by the script."""
        rest = self._rest
        if rest:
            for data in rest:
                yield from writer.push(self.slot, data)
            self._rest = None
            self._drained.set()

    def _stop(self):
        """Cancel the task and wait for its end, so that its `finally` still has the slot's request."""
        slot = self.slot
        tries = 2
        slot.deadline = 0
        # One that never began has no `finally`: it would just be dropped.
        while self._task and not self._has_begun:
            yield PAUSE
        while self._task and not self.done and tries:
            self._task.cancel()
            slot.deadline = slot.server.clock + _STOP_SWEEPS
            try:
                while not self.done:
                    yield HOLD
            except HTTPError:
                tries -= 1
        slot.deadline = 0
        self._rest = None
        self._drained.set()
