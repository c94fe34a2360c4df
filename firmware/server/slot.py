"""One client's socket, and the task that serves it: come and go, wait, wake, expire, write.

A slot is made once, with its buffer and its task, and serves one client after another; its task runs `connection.run`.
Whoever waits in it, waits by `wait`: for the socket, to be woken, or for both. What ends a wait before its time is
a cause, an exception that is raised where it was waited: a deadline (408), a client that is gone (Lost), a place that
somebody else needs. A handler that awaits something of its own is cancelled, with the same cause.

Deadlines are counted in sweeps of the server's clock.
"""

import asyncio

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.parser import new_marks
from firmware.http.response import put_parts
from firmware.server import transport

READ = transport.READ
WRITE = transport.WRITE

# What a slot is doing.
FREE = 0  # nothing: it has no client
NEW = 1  # it waits for a request's head, or the rest of one; may be evicted once the client had the time to ask
IDLE = 2  # it waits for a next request; may be evicted
BUSY = 3  # it reads, answers or writes
AWAITING = 4  # a handler awaits something
LIVE = 5  # a stream, or a WebSocket, waits
POLL = 6  # a long poll waits; may be evicted
SLOW = 7  # a body, or an answer, waits for its client; may be evicted where that is below the least rate

# A slot's own buffer is for a browser's 400 to 900 bytes, cookie and all. A longer head borrows the server's spare one.
_USUAL_HEAD_BYTES = const(896)

# Room behind the longest head for a body's framing to be read into while the head still stands.
SPARE = const(128)

# A builtin's name is looked for in the module, then in a list of 99.
_len = len

# Between two looks whether the system has room again for what is to be sent.
_SHORT_MS = const(20)

# What is cancelled has so long to end in order.
_STOP_SWEEPS = const(4)


class Lost(Exception):
    """The client is gone; there is nobody to answer."""


class Slot:
    """A place for one client at a time."""

    # What few clients change is here, and costs a slot nothing.
    is_live = False  # whether it has one of the places for long-lived connections
    is_closed = False  # for good: the server ends
    is_short = False  # whether the system had no room for what was to be written (see `Server.budget`)
    slow = 0  # sweeps in a row below the least rate
    moved = 0  # bytes since the last sweep, of what waits in between
    told = 0  # how many hooks know that the response was sent
    task = None  # see `transport.begin`

    def __init__(self, server):
        limits = server.limits
        self.server = server
        # On MicroPython all that a slot ever has are 29 names: with one more their table would be made anew, larger
        # than what a heap in pieces has room for.
        self.buffer = bytearray(min(limits.head_bytes, _USUAL_HEAD_BYTES) + SPARE)
        self.view = memoryview(self.buffer)
        self._own = self.buffer, self.view
        self.marks = new_marks(limits.target_bytes, limits.fields)
        self.state = FREE
        self.sock = None
        self.peer = None  # the client's address, as the system has it, or as text
        self.deadline = 0  # in sweeps; 0 is none
        self.cause = None  # why a wait ended before its time
        self.protocol = None  # what converses with the client in place of `connection`, if any (see `features.tls`)
        self.parked = None  # the task that waits
        self.watching = 0  # what the reactor looks for
        self.end = 0  # bytes in the buffer
        self.head_end = 0  # of them, the request's head
        self.again = None  # the head that may come again (see `receive.expect_again`)
        self.request = self.app = None  # what is being answered, and whose route it is
        self.response = None  # what is being sent
        self.begun = None  # the request whose answer is on its way
        self.room = _len(self.buffer) - SPARE  # for a head

    def address(self):
        """Return the client's address as text."""
        if type(self.peer) is not str:
            self.peer = transport.address_of(self.peer)
        return self.peer

    # The reactor calls it; where a handler waits for something else, what the client sends would call again and again.
    ready = transport.ready
    wake = transport.wake

    def unwatch(self):
        """Have the reactor forget the socket."""
        if self.watching:
            self.watching = 0
            self.server.reactor.watch(self.sock, self, 0)

    def write_bounded(self, data, size=None):
        """Write as a socket does, no more than the system has room for."""
        size = len(data) if size is None else size
        most = self.server.budget.write_bytes()
        self.is_short = not most
        return self.sock.write(data, size if size < most else most) if most else None

    def remove(self, task):
        """A wait was cancelled; asyncio calls this."""
        if self.parked is task:
            self.parked = None


def shrink(slot):
    """Have a slot read into its own buffer again; the spare one is free for others."""
    slot.buffer, slot.view = slot._own
    slot.room = _len(slot.buffer) - SPARE
    slot.again = None
    if slot.server.spare_of is slot:
        slot.server.spare_of = None


# -- a client comes and goes


def seat(slot, client, protocol=None):
    """Serve `client`, a (socket, peer), as far as that goes without waiting; or have `protocol` do it."""
    # What may lack memory is first: a slot has a client, or has none.
    slot.read = client[0].readinto
    slot.write = client[0].write if slot.server.budget is None else slot.write_bounded
    if protocol is not slot.protocol:
        slot.protocol = protocol
    slot.sock, slot.peer = client
    slot.state = NEW
    slot.deadline = slot.server.clock + slot.server.limits.head_sweeps
    slot.ready()


def finish(slot, sent):
    """The response is with the client, `sent` bytes of its body, or the client is lost (None): tell the hooks.

    An error goes through, and `finish_lost` goes on.
    """
    response = slot.response
    response.sent = sent
    # A truth test of an application would look for two methods that it has not.
    app = slot.server.app if slot.app is None else slot.app
    hooks = (app.chain or app.hooks())[2]
    if hooks:
        at = slot.told
        while at < _len(hooks):
            slot.told = at = at + 1
            hooks[at - 1](slot.request, response)
        slot.told = 0
    slot.response = None
    if response.length is not None:
        response.close()


def finish_lost(slot):
    """Tell the hooks that are not told yet, whatever they raise; the client was lost, perhaps."""
    while slot.response is not None:
        told = slot.told
        try:
            finish(slot, slot.response.sent)
        except Exception as error:
            if slot.told == told:
                # No hook failed: the same error would come again.
                slot.told = 0
                slot.response = None
            slot.server.log_error("done hook", error)


def leave(slot):
    """Close the client's socket."""
    if slot.response is not None:
        finish_lost(slot)
    if slot.request is not None:
        slot.request.slot = None
        slot.request = slot.app = None
    slot.begun = None
    slot.unwatch()
    if slot.sock is not None:
        slot.sock.close()
        slot.sock = None
    slot.state = FREE
    slot.deadline = slot.end = slot.head_end = slot.slow = 0
    slot.again = None
    if slot.buffer is not slot._own[0]:
        shrink(slot)
    if slot.cause is not None:
        slot.cause = None


def detach(slot):
    """Drop the client at once; what its handler still awaits goes on, and the task ends with it."""
    slot.is_closed = True
    if slot.sock is not None:
        slot.unwatch()
        slot.sock.close()
        slot.sock = None
        # The system gives a closed socket's number to the next client: nobody may use it any more.
        slot.read = slot.write = _lost
    if slot.is_live:
        slot.is_live = False
        slot.server.live -= 1


def _lost(*args):
    raise Lost


def close(slot):
    """Drop the client at once, and end the task."""
    detach(slot)
    try:
        slot.task.cancel()
    except (AttributeError, RuntimeError):
        pass  # there is none; or it is the one that calls: MicroPython does not let it


# -- waiting


def watched(slot, mode):
    """Return what to await until the socket is ready as `mode` says (0: never), or somebody wakes this.

    For `wait`, and for whoever looks at `cause` behind it. Raises MemoryError where there is no room to wait.
    """
    if mode != slot.watching:
        slot.server.reactor.watch(slot.sock, slot, mode)
        slot.watching = mode
    return transport.park(slot)


async def wait(slot, mode, state=BUSY):
    """Wait until the socket is ready as `mode` says (0: never), or somebody wakes this. Raises the cause.

    `state`: what the slot is doing meanwhile.
    """
    before = slot.state
    slot.state = state
    try:
        await watched(slot, mode)
    except asyncio.CancelledError:
        # By `asyncio.wait_for`, say: nobody waits here any more, and no deadline is kept.
        slot.deadline = 0
        if slot.cause is None or slot.is_closed or asyncio.current_task() is not slot.task:
            raise
        # The slot was woken in the same turn, before its wait was ended.
        transport.forgive(slot.task)
    finally:
        slot.state = before
    if slot.cause is not None:
        raise take_cause(slot)


async def wait_live(slot, state=LIVE):
    """Wait to be woken, or for the client to say something, as far as there is room for it. Raises the cause."""
    await wait(slot, READ if slot.end < len(slot.buffer) else 0, state)


def expire(slot, cause):
    """End what is waited for: `cause` is raised there."""
    slot.cause = cause
    slot.deadline = 0
    if transport.is_parked(slot):
        slot.wake()
    elif slot.task is not None and slot.state in (BUSY, AWAITING):
        # In any other state it has been woken, and finds the cause. This may have something to await in its `finally`.
        slot.deadline = slot.server.clock + _STOP_SWEEPS
        slot.task.cancel()


def take_cause(slot):
    """Return the cause, which is dealt with then."""
    cause, slot.cause = slot.cause, None
    return cause


def explain(slot, error):
    """Return what an error that ended a wait means: the cause of a cancellation, or the error itself.

    Raises CancelledError where the server ends.
    """
    if not isinstance(error, asyncio.CancelledError):
        return error
    if slot.is_closed:
        raise error
    transport.forgive(slot.task)
    return take_cause(slot) or RuntimeError("the handler was cancelled")


# -- writing


async def push(slot, data):
    """Write all of `data`, which nobody may change meanwhile. Raises Lost, or 408 for who takes nothing."""
    slot.deadline = 0
    while True:
        try:
            sent = slot.write(data)
        except OSError:
            raise Lost
        if sent == len(data):
            slot.deadline = 0
            return
        if sent:
            slot.deadline = 0
            slot.moved += sent
            data = memoryview(data)[sent:]
        await writable(slot)


async def push_parts(slot, parts):
    """Write these bytes one behind the other, by way of the buffer where it has room for all. Raises as `push`."""
    slot.deadline = 0
    stop = put_parts(slot.server.out, parts)
    if not stop:
        for part in parts:
            await push(slot, part)
        return
    try:
        sent = slot.write(slot.server.out, stop) or 0
    except OSError:
        raise Lost
    if sent < stop:
        await push(slot, bytes(slot.server.out_view[sent:stop]))


async def writable(slot):
    """Wait until the client takes more, or this is woken. Raises the cause: 408 for one that takes nothing for long.

    A deadline that is there goes on: what wakes this, a feed's next value, say, must not put it off. It holds where the
    system has no room, too: what this one has not taken may be what fills that.
    """
    server = slot.server
    if not slot.deadline:
        slot.deadline = server.clock + server.limits.silence_sweeps
    if slot.is_short:
        # The socket could take more, and would be ready at once.
        slot.is_short = False
        await transport.sleep_ms(_SHORT_MS)
    else:
        await wait(slot, WRITE, SLOW)


def timeout():
    """Return the cause of a deadline that has passed."""
    return HTTPError(408, "The request took too long.")
