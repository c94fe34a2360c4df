"""Reads bodies: what is held for `request.body`, what nobody wanted, and what still comes before a close.

Generators that a connection's script runs, on what its buffer holds behind a head; they yield what they wait for and
raise Lost where the client is gone.
"""

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.server import transport
from firmware.server.writer import PAUSE, push

READ = transport.READ

# Room behind the longest head for a body's framing to be read into while the head still stands.
SPARE = 128

# Who closed their side may only be done with sending: what is awaited has two seconds more to come.
GONE_SWEEPS = 4

# A body that trickles, never quite silent, may take this many silences in all: 8 KB in 30 s come over any link.
_SILENCES = const(3)

# A second: longer than a round trip, shorter than anybody needs to notice a close.
_LINGER_SWEEPS = const(2)


class Lost(Exception):
    """The client is gone; there is nobody to answer."""


def enlarge(slot, head_bytes, end):
    """See to it that a slot has a large buffer, with the `end` bytes it has read, until its client leaves.

    Returns whether it has.
    """
    if len(slot.buffer) >= head_bytes + SPARE:
        return True
    try:
        buffer = bytearray(head_bytes + SPARE)
        view = memoryview(buffer)
        view[:end] = slot.view[:end]
    except MemoryError:
        return False
    slot.buffer, slot.view = buffer, view
    return True


def hold(slot, request, body, at):
    """Read the whole body, which begins at `at`, into `request.body`. Raises 413, 400 and 408: no more keep-alive."""
    limit = slot.server.limits.body_bytes
    try:
        if request.length and request.length > limit:
            raise HTTPError(413, "The body may have %d bytes here." % limit)
        if request.expects and slot.end == at:
            # RFC 9110 10.1.1: only now is it sure that the body is wanted.
            yield from push(slot, b"HTTP/1.1 100 Continue\r\n\r\n")
        request.expects = False
        held = bytearray()
        until = _until(slot)
        while True:
            data_end, used = body.decode(slot.buffer, at, slot.end)
            if len(held) + data_end - at > limit:
                raise HTTPError(413, "The body may have %d bytes here." % limit)
            held.extend(slot.view[at:data_end])
            keep(slot, at, used)
            if body.done:
                break
            yield from _fill(slot, until)
        request.body = bytes(held)
    except HTTPError:
        request.keep_alive = False
        raise
    except OSError:
        raise Lost from None


def stream(slot, request, body, at):
    """Let the handler read the body, which begins at `at`, from `request.stream()`; return it as a body's reader."""
    from firmware.server.incoming import Incoming

    # What is read at once is what there is room for behind the head.
    if request.length is None or request.length > len(slot.buffer) - at:
        enlarge(slot, slot.server.limits.head_bytes, slot.end)
    request._stream = incoming = Incoming(slot, request, body, at)
    return incoming


def skip(slot, request, body, at):
    """Read away a body that nobody wanted: all of it to go on, or a second's worth before closing."""
    if not request.keep_alive:
        yield from linger(slot, True)
        return
    until = _until(slot)
    while not body.done:
        if slot.end == at:
            yield from _fill(slot, until)
        _, used = body.decode(slot.buffer, at, slot.end)
        keep(slot, at, used)


def keep(slot, at, used):
    """Move the bytes from `used` on down to `at`."""
    rest = slot.end - used
    if rest and used != at:
        slot.view[at : at + rest] = slot.view[used : slot.end]
    slot.end = at + rest


def _until(slot):
    """Return the sweep by which a body has to be here that is small enough to be held."""
    return slot.server.clock + _SILENCES * slot.server.limits.silence_sweeps


def _fill(slot, until):
    """Read at least one byte behind what the buffer holds."""
    while True:
        try:
            got = slot.sock.readinto(slot.view[slot.end :])
        except OSError:
            raise Lost from None
        if got:
            slot.end += got
            slot.deadline = 0
            return
        if got == 0:
            raise Lost
        slot.deadline = min(until, slot.server.clock + slot.server.limits.silence_sweeps)
        yield READ


def is_gone(slot):
    """Read what the client sent meanwhile, its next request, say; tell whether it has closed its side instead.

    Raises OSError where the connection is broken.
    """
    room = slot.view[slot.end :]
    got = slot.sock.readinto(room) if len(room) else None
    if got:
        slot.end += got
    return got == 0


def look_for(slot):
    """Find out whether the client of a handler that is awaited has gone: it gets a moment, then it is cancelled."""
    try:
        # For a task that never began a cause is its end.
        if slot.has_begun and not slot.deadline and is_gone(slot):
            slot.cause = Lost()
            slot.deadline = slot.server.clock + GONE_SWEEPS
    except OSError:
        slot.cancel(Lost())


def linger(slot, wait):
    """Take what a client still sends, so that closing does not reset the answer away.

    For a second at most, and not at all where nothing is there yet, unless `wait` says that something will be.
    """
    slot.deadline = slot.server.clock + _LINGER_SWEEPS
    while True:
        got = slot.sock.readinto(slot.buffer)
        if got == 0 or (got is None and not wait):
            return
        wait = True
        yield READ if got is None else PAUSE
