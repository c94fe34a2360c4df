"""What comes from a client: heads, what follows them, and what is still to come before a close.

A slot's buffer holds it: a request's head from the start, up to `head_end`, and behind that what else has come.
"""

from firmware.http.native import const
from firmware.http.parser import scan
from firmware.server import transport
from firmware.server.slot import BUSY, IDLE, NEW, READ, SPARE, Lost, expire, wait

# What `read_head` returns where the client has closed its side.
CLOSED = -1

# A client that has closed its side may only be done with sending: what is awaited has two seconds more to come.
GONE_SWEEPS = const(4)

# A second of silence: longer than a round trip, shorter than anybody needs to notice a close.
_LINGER_SWEEPS = const(2)
# A photograph, over Wi-Fi: whoever sends it hears only then that it is not wanted.
_LINGER_MOST_SWEEPS = const(20)
_LINGER_BYTES = const(4194304)


def read_head(slot):
    """Read what is there of a head; return where it ends.

    Or 0: more has to come. CLOSED: the client has closed its side. Another negative number is an error's status.
    """
    end = slot.end
    if slot.again is not None:
        got = read_again(slot)
        if got is None or slot.again is not None:
            return got or 0
    else:
        got = slot.read(slot.view[end:] if end else slot.buffer)
    if got:
        slot.end = end = end + got
        found = scan(slot.buffer, 0, end, slot.marks)
        if not 0 < found <= slot.room:
            if slot.state == IDLE:
                # A first request has from accept on, a further one from its first byte.
                slot.deadline = slot.server.clock + slot.server.limits.head_sweeps
            found = found if found < 0 else measure(slot, found)
            if not found:
                slot.state = NEW
                return 0
        slot.state = BUSY
        return found
    return CLOSED if got == 0 else 0


def expect_again(slot):
    """Have the head that is answered stand, for the client's next one may be the same: it has sent two of one length.

    A page that asks again and again sends the same head each time, which need not be scanned then, nor its fields be
    looked for (see `Request.field`).
    """
    size = slot.head_end
    if 2 * size <= len(slot.buffer):
        view = slot.view
        slot.again = size, view[:size], view[size : 2 * size], view[size:], slot.request.target, {}


def read_again(slot):
    """Read behind the head that stands. Return where it ends if the same has come, None if nothing has.

    Else `again` is None, and what has come is in its place; return how much that is.
    """
    again = slot.again
    size = again[0]
    got = slot.read(again[3])
    if got and got >= size and again[1] == again[2]:
        if got > size:
            slot.view[size:got] = again[3][size:got]
        slot.end = got
        slot.state = BUSY
        return size
    if got is not None:
        slot.again = None
        if got:
            slot.view[:got] = again[3][:got]
    return got


def find_head(slot):
    """Look for a head in what the buffer holds; return as `read_head` does."""
    found = scan(slot.buffer, 0, slot.end, slot.marks)
    found = found if found < 0 else measure(slot, found)
    if not found:
        slot.state = NEW
    return found


def measure(slot, found):
    """Return where a head ends, 0 if it does not yet, an error's status, if it is too long: 431, or 503 without memory.

    A head that leaves less than the spare room in a slot's own buffer gets a larger one.
    """
    limit = slot.server.limits.head_bytes
    if slot.room < limit and (found or slot.end) > slot.room:
        if not borrow(slot) and not enlarge(slot):
            slot.server.starved += 1
            return -503
        slot.room = limit
    if found > limit or not found and slot.end >= limit:
        return -431
    return found


def borrow(slot):
    """Take the server's spare buffer, until this is answered; tell whether nobody else had it. Needs no memory."""
    server = slot.server
    buffer = server.spare
    if server.spare_of is not None or len(slot.buffer) >= len(buffer):
        return False
    for at in range(slot.end):
        buffer[at] = slot.buffer[at]
    server.spare_of = slot
    slot.again = None
    slot.buffer, slot.view = buffer, server.spare_view
    return True


def enlarge(slot):
    """Take a large buffer, until the client leaves; tell whether there was memory for it."""
    size = slot.server.limits.head_bytes + SPARE
    if len(slot.buffer) < size:
        try:
            buffer = bytearray(size)
            view = memoryview(buffer)
            view[: slot.end] = slot.view[: slot.end]
        except MemoryError:
            return False
        slot.buffer, slot.view = buffer, view
        slot.again = None
    return True


def keep(slot, at, used):
    """Move the bytes from `used` on down to `at`."""
    rest = slot.end - used
    if rest and used != at:
        if not at:
            slot.again = None
        slot.view[at : at + rest] = slot.view[used : slot.end]
    slot.end = at + rest


def is_gone(slot):
    """Read what the client sent meanwhile, its next request, say; tell whether it has closed its side instead.

    Raises OSError where the connection is broken.
    """
    room = slot.view[slot.end :]
    if len(room):
        got = slot.read(room)
        slot.end += got or 0
        return got == 0
    # Behind what fills the buffer nobody sees an end. What a client sent ahead is kept for as long as it may be silent;
    # then it asks again.
    slot.request.looks += 1
    if slot.request.looks < slot.server.limits.silence_sweeps:
        return False
    slot.request.end()
    return slot.read(slot.server.out_view) == 0


def look_for(slot):
    """Find out whether the client of a handler that awaits something has gone: it gets a moment, then that ends."""
    try:
        if not slot.deadline and is_gone(slot):
            slot.deadline = slot.server.clock + GONE_SWEEPS
    except OSError:
        expire(slot, Lost())


async def linger(slot, is_coming):
    """Take what a client still sends, so that closing does not reset the answer away (RFC 9112 9.6).

    Until it is silent for a second, for ten seconds and 4 MB at most; not at all where nothing is there yet, unless
    something `is_coming`. Where somebody else needs the place it ends at once: raises 408.
    """
    until = slot.server.clock + _LINGER_MOST_SWEEPS
    left = _LINGER_BYTES
    while left > 0 and slot.server.clock < until:
        slot.deadline = min(until, slot.server.clock + _LINGER_SWEEPS)
        # Nothing is in it over a wait, and nobody looks at what comes.
        got = slot.read(slot.server.out)
        if got == 0 or (got is None and not is_coming):
            return
        is_coming = True
        if got is None:
            await wait(slot, READ, IDLE)
        else:
            left -= got
            await transport.sleep_ms(0)
