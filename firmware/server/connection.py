"""A connection from top to bottom: read a head, frame, route, hooks, handler, respond, and again.

`run` is what a slot's task does. What a handler or a hook returns is awaited in that same task; one that awaits nothing
is done at its first step. An error anywhere becomes one response, in `respond`; the socket is closed in one `finally`.
"""

import asyncio

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.parser import brackets
from firmware.http.request import Request, loaded
from firmware.server.overload import seat_next
from firmware.server.receive import CLOSED, expect_again, find_head, keep, linger, read_head
from firmware.server.refusal import say_busy
from firmware.server.respond import TEXT_BYTES, respond
from firmware.server.router import choose, choose_unrouted
from firmware.server.slot import AWAITING, BUSY, IDLE, READ, Lost, explain, leave, shrink, take_cause, watched
from firmware.server.transport import PENDING, is_pending, new_text, park, settled, sleep_ms

# `parser`'s places and bits in marks, folded by the compiler only where they are written; a test compares.
_FLAGS = const(8)
_USUAL = const(1)
_USUAL_MASK = const(1141)
_CLOSE = const(128)

# A builtin's name is looked for in the module, then in a list of 99.
_len, _type = len, type

# What ends a handler or hook before its time.
_ENDS = (Exception, asyncio.CancelledError)

# Errors of heads that leave bytes on their way.
_MORE_TO_COME = (413, 414, 417, 431, 501)

# A kept connection has so long for one more request: a busy client's comes within.
_LAST_MS = const(100)

_INCOMING = "firmware.server.incoming"  # loaded by the first body

_errors_module = None


def _errors():
    """Return the module that answers with errors, loaded by the first, and kept: there may be no room another time."""
    global _errors_module
    if _errors_module is None:
        from firmware.server import errors

        _errors_module = errors
    return _errors_module


async def run(slot):
    """Serve one client after another, until the server closes the slot."""
    server = slot.server
    try:
        while not slot.is_closed:
            if slot.sock is None:
                if server.waiting:
                    seat_next(server, slot)
                else:
                    await park(slot)
                continue
            try:
                await (slot.protocol.converse(slot) if slot.protocol else converse(slot))
            except (OSError, Lost):
                server.counters["lost"] += 1
            except HTTPError:
                pass  # a deadline, where nobody waits for an answer
            except asyncio.CancelledError as error:
                explain(slot, error)  # the same, or the server ends
            except Exception as error:
                server.log_error("connection", error)
                if isinstance(error, MemoryError):
                    say_busy(slot)
            finally:
                leave(slot)
        # An end within `Slot.ready` would end the event loop's poll.
        await sleep_ms(0)
    finally:
        # A KeyboardInterrupt has come out of a handler, perhaps; who goes on all the same needs a new one.
        slot.task = None


async def converse(slot):
    """Serve one client: its requests, one after another, until either side ends the connection."""
    server = slot.server
    left = server.limits.requests
    idle_sweeps = server.limits.idle_sweeps
    head_end = read_head(slot)
    while True:
        while not head_end:
            await (park(slot) if slot.watching == READ else watched(slot, READ))
            head_end = read_head(slot)
            if slot.cause is not None:
                if not head_end and slot.state == IDLE:
                    # Its next request may be on its way, and closing would reset that.
                    await sleep_ms(_LAST_MS)
                    head_end = read_head(slot)
                if not head_end:
                    await give_up(slot)
                    return
                # What had arrived by then is answered, as the last.
                left, slot.cause = 1, None
        if head_end < 0:
            if head_end != CLOSED:
                slot.head_end = head_end  # for `say_busy`
                await refuse(slot, None, HTTPError(-head_end))
            return
        left -= 1
        slot.request = request = Request(slot)
        if head_end != slot.head_end:
            slot.head_end = head_end
        elif slot.again is None:
            expect_again(slot)
        try:
            frame(server, slot, request, left == 0)
        except HTTPError as error:
            await refuse(slot, request, error)
            return
        try:
            result = begin(slot, request, 0)
            if _type(result) is PENDING:
                # The client may go meanwhile: the sweep looks.
                slot.state = AWAITING
                slot.deadline = 0
                result = await settled(result)
                slot.state = BUSY
                slot.deadline = 0
                if slot.cause is not None:
                    # The handler answers in spite of its cancellation.
                    explain(slot, asyncio.CancelledError())
            rest = respond(slot, request, result)
            if rest is not None:
                await rest
        except _ENDS as error:
            slot.state = BUSY
            slot.deadline = 0
            error = explain(slot, error)
            if _type(error) is MemoryError:
                shrink_text(server)
            try:
                rest = _errors().fail(slot, request, error)
                if rest is not None:
                    await rest
            except _ENDS as second:
                second = explain(slot, second)
                if slot.begun is not request and isinstance(second, (MemoryError, HTTPError)):
                    # There was no room for the error's page: `run` has an answer that takes none.
                    raise MemoryError
                _errors().give_up(slot, second)
        if request.reader is not None and not request.reader.done:
            await loaded(_INCOMING).skip(slot, request)
        if not request.keep_alive:
            break
        request.slot = None
        if slot.end > head_end:
            # Pipelined: begin at once, but let the others have their turn.
            keep(slot, 0, head_end)
            slot.deadline = server.clock + server.limits.head_sweeps
            await sleep_ms(0)
            head_end = find_head(slot)
        else:
            slot.end = head_end = 0
            if server.spare_of is slot:
                shrink(slot)
            # A client that is idle keeps nobody's application from being forgotten.
            slot.app = result = rest = None
            slot.state = IDLE
            slot.deadline = server.clock + idle_sweeps
    if slot.end > head_end:
        await linger(slot, True)


def shrink_text(server):
    """Give back what JSON was made in: it may have grown to all the memory there was, and then to no more."""
    try:
        server.text = new_text(TEXT_BYTES)
    except MemoryError:
        pass  # the next time


async def give_up(slot):
    """A deadline has passed, or somebody else needs the place; whoever has said nothing yet waits for no answer."""
    cause = take_cause(slot)
    if slot.end:
        await refuse(slot, None, cause)


def frame(server, slot, request, is_last):
    """Find out where a request ends, and whether the connection does with it. Raises as `Request.frame`."""
    server.requests += 1
    flags = slot.marks[_FLAGS]
    if is_last or server.is_short:
        flags |= _CLOSE
    if flags & _USUAL_MASK != _USUAL or brackets[0]:
        request.reader = request.frame(flags)
    elif flags & _CLOSE:
        request.end()


def begin(slot, request, at):
    """Find out who answers, and ask: the hooks from number `at` on, then the handler. Return what they return."""
    found = slot.server.app.literals.get(request.target) or slot.server.app.match(request.target)
    slot.app = found[0] if found else slot.server.app
    if (slot.app.chain or slot.app.hooks())[0]:
        result = ask_hooks(slot, request, slot.app.chain[0], at)
        if result is not None:
            return result
    if found and found[2] is None and request.reader is None:
        # A literal path, as most are.
        result = found[1].get(request.method) or choose(found[1], request.method)
        return result(request)
    return begin_other(slot, request, found)


def begin_other(slot, request, found):
    """Ask a handler that takes parameters, or a body, or is in a part that is not loaded; or raise 404."""
    if found and type(found[2]) is str:
        # Only now is it sure that the client may have the part. Its own hooks come then.
        at = len(slot.app.hooks()[0])
        found[1].loaded(found[2])
        return begin(slot, request, at)
    handler = choose(found[1], request.method) if found else choose_unrouted(request)
    if request.reader is not None and not loaded(_INCOMING).take(slot, request, handler):
        return begin_with_body(slot, request, handler, found)
    return ask(request, handler, found)


def ask(request, handler, found):
    """Return what the handler of a route returns."""
    if found and found[2]:
        request.params = dict(found[2])
        return handler(request, **found[2])
    return handler(request)


def ask_hooks(slot, request, before, at):
    """Call the `before` hooks from number `at` on, up to one that returns something; return that."""
    while at < _len(before):
        result = before[at](request)
        at += 1
        if result is not None:
            id_of = slot.app.hooks()[4]
            if id_of is not None:
                # This hook may come before the one that gives the request its id.
                id_of(request)
            return begin_later(slot, request, at, result) if is_pending(result) else result
    return None


async def begin_later(slot, request, at, pending):
    """Await what a hook returned; go on where it has no answer."""
    result = await settled(pending)
    if result is None:
        result = begin(slot, request, at)
        if is_pending(result):
            result = await settled(result)
    return result


async def begin_with_body(slot, request, handler, found):
    """Read the body, or have the handler read it, and ask the handler."""
    await loaded(_INCOMING).receive(slot, request, handler)
    result = ask(request, handler, found)
    return await settled(result) if is_pending(result) else result


async def refuse(slot, request, error):
    """Answer what could not be framed: nobody knows where a next request would start."""
    if request is not None:
        request.end()
    await _errors().refuse(slot, request, error)
    await linger(slot, error.status in _MORE_TO_COME)
