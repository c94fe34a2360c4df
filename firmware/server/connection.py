"""One client: read, parse, dispatch, write, keep alive.

A Connection is a slot: its buffer and marks are made once and serve one client after another. What it does is
a generator that never ends and never blocks: it yields what it waits for (a constant below, or something to await) and
is sent the result; DONE asks for the next client as (socket, peer). The reactor resumes it straight from poll, so that
a plain handler's request costs no task; only what has to be awaited gets one.

Deadlines are counted in sweeps of the server's clock, which throws an HTTPError(408) in here when one has passed. An
error anywhere becomes one response in `answer`; the socket is closed in one `finally`.
"""

import asyncio
import gc

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.parser import METHODS, new_marks, scan
from firmware.http.request import Request
from firmware.http.response import JSON, Response, encode_json, to_response
from firmware.server import answer, reader, transport, writer
from firmware.server.reader import Lost
from firmware.server.router import Streaming, choose

DONE = 0
READ = transport.READ
WRITE = transport.WRITE
PAUSE = writer.PAUSE
IDLE = 4  # to read a next request; may be evicted
NEW = 5  # to read the first request; may be evicted once it had the time to ask
WAIT = 6  # to be woken, or to read
POLL = 7  # like WAIT; may be evicted
HOLD = 8  # to be woken

# `parser`'s places in marks, folded by the compiler only where they are written; a test compares.
_TARGET = const(4)
_PATH_END = const(5)
_METHOD_CODE = const(7)
_FLAGS = const(8)
_USUAL = const(1)
_USUAL_MASK = const(1141)
_CLOSE = const(128)

# JSON bodies up to this many bytes are sent from everybody's buffer: there is room for them behind the head.
_MAX_JSON = const(2560)

# An endpoint's answers have few different lengths: their heads' last lines are kept.
_MAX_LENGTHS = const(16)
# What follows `Content-Length: ` in their heads.
_LENGTH = b"%d\r\n\r\n"
_LAST = b"%d\r\nConnection: close\r\n\r\n"

# A slot's own buffer is for a browser's 400 to 650 bytes. A head that is longer gets a larger one (`reader.enlarge`).
_USUAL_HEAD_BYTES = const(704)

# What the script uses at every request, for it to take at once.
_TOOLS = (scan, bytes, type, len, dict, Request, encode_json, METHODS, IDLE)


class Connection:
    """A slot for one client at a time."""

    def __init__(self, server):
        limits = server.limits
        self.server = server
        self._room = min(limits.head_bytes, _USUAL_HEAD_BYTES)
        self.buffer = bytearray(self._room + reader.SPARE)
        self.view = memoryview(self.buffer)
        self.marks = new_marks(limits.target_bytes, limits.fields)
        self.sock = None
        self.at = self.end = 0  # where the head ends; bytes in the buffer
        self.deadline = 0  # in sweeps; 0 is none
        self.want = DONE
        self.task = None  # awaits what a handler gave
        self.has_begun = self._waits = False  # the task; whether `ready` may go on
        self.cause = self.router = None  # why the task was cancelled; whose the request is
        self.hooks = self.client = self._redirect = None  # `hooks` are the request's, where there are any
        self._watched = 0
        self._script = self._run()
        next(self._script)

    # -- called by the server and the reactor

    def start(self, client, redirect=None):
        """Serve `client`, a (socket, peer), as far as that goes without waiting; or let `redirect` do."""
        self._redirect = redirect
        if self.want is not DONE:
            # A KeyboardInterrupt in the middle ended the script, and somebody went on all the same.
            self._script = self._run()
            next(self._script)
        self._follow(self._script.send(client))

    def ready(self):
        """Go on: the socket is ready, or the others had their turn."""
        if self._waits:
            want = self._script.send(None)
            if want is not self.want:
                self._follow(want)

    def interrupt(self):
        """Throw a timeout at whatever is waited for."""
        error = HTTPError(408, "The request took too long.")
        if self.task:
            self.cancel(self.cause or error)
        else:
            self._follow(self._script.throw(error))

    def cancel(self, cause):
        """End what a handler awaits, because of `cause`."""
        self.cause = cause
        self.request.end()
        # A task that never began would be dropped, and nobody bring the script on: it ends itself at its first step.
        if self.has_begun:
            self.task.cancel()

    def address(self):
        """Return the client's address as text."""
        if self.client is None:
            self.client = transport.address_of(self.peer)
        return self.client

    def abort(self):
        """Drop the client, whatever it waits for."""
        if self._watched:
            self.server.reactor.watch(self.sock, self, 0)
            self._watched = 0
        if self.sock:
            self.sock.close()
        if self.task and not self.has_begun:
            self.cause = self.cause or Lost()
        elif self.task:
            try:
                self.task.cancel()
            except RuntimeError:
                pass  # it is the one that called: MicroPython does not let it
        elif self._waits:
            self._follow(self._script.throw(Lost()))

    def _follow(self, want):
        """See to it that what the script waits for brings it on."""
        try:
            self._arrange(want)
        except MemoryError as error:
            # Then it cannot wait: it answers, or ends.
            gc.collect()
            self._follow(self._script.throw(error))

    def _arrange(self, want):
        self.want = want
        self._waits = True
        mode = 0
        if want is IDLE or want is NEW or want is READ or want is WAIT or want is POLL:
            mode = READ
        elif want is WRITE:
            mode = WRITE
        if mode != self._watched and self.sock:
            self.server.reactor.watch(self.sock, self, mode)
            self._watched = mode
        if want is PAUSE:
            self.want = None  # so that a second pause in a row is followed too
            self.server.reactor.soon(self)
        elif want is DONE:
            self._waits = False
        elif mode == 0 and want is not HOLD:
            self._waits = False
            self.cause = None
            self.has_begun = False
            self.task = asyncio.create_task(self._wait_for(want))

    async def _wait_for(self, pending):
        self.has_begun = True
        try:
            if self.cause:
                raise asyncio.CancelledError
            value = await transport.settled(pending)
        except asyncio.CancelledError:
            self.task = None
            # Who else cancels a handler is a server that stops.
            self._follow(self._script.throw(self.cause or RuntimeError("the handler was cancelled")))
        except Exception as error:
            self.task = None
            self._follow(self._script.throw(error))
        else:
            self.task = None
            self._follow(self._script.send(value))

    # -- the script

    def _run(self):
        buffer, view = self.buffer, self.view
        while True:
            sock, self.peer = yield DONE
            self.client = None
            self.sock = sock
            self.request = None
            try:
                if self._redirect:
                    yield from self._redirect.converse(self)
                else:
                    yield from self._converse(sock)
            except HTTPError:
                pass  # a deadline, where nobody waits for an answer
            except (OSError, Lost):
                self.server.counters["lost"] += 1
                transport.close_lost(self.peer)
            except (Exception, asyncio.CancelledError) as error:
                self.server.log_error("connection", error)
            finally:
                if self.request is not None:
                    self.request.expire()
                self.deadline = 0
                if self._watched:
                    self.server.reactor.watch(sock, self, 0)
                    self._watched = 0
                self.sock = self.router = self.hooks = None
                self.buffer, self.view = buffer, view
                sock.close()

    def _converse(self, sock):
        # At every request, a local costs a tenth of a global, a builtin or an attribute.
        server = self.server
        limits = server.limits
        head_bytes, room = limits.head_bytes, self._room
        idle_sweeps = limits.idle_sweeps
        literals = server.app.literals
        buffer, view = self.buffer, self.view
        marks = self.marks
        json_view = server.json_view
        lengths = server.json_lengths
        readinto = sock.readinto
        write = sock.write
        look, raw, kind_of, size_of, json_kind, new_request, to_json, methods, idle = _TOOLS
        want = NEW
        end, left = 0, limits.requests
        self.deadline = server.clock + limits.head_sweeps
        while True:
            head_end = look(buffer, 0, end, marks) if end else 0
            while not 0 < head_end <= room:
                if room < head_bytes and (head_end or end) > room:
                    if not reader.enlarge(self, head_bytes, end):
                        yield from answer.refuse(self, HTTPError(503, "Out of memory.", {"Retry-After": "1"}))
                        return
                    buffer, view, room = self.buffer, self.view, head_bytes
                    continue
                if head_end or end >= head_bytes:
                    yield from answer.refuse(self, HTTPError(-head_end if head_end < 0 else 431))
                    return
                got = readinto(view[end:] if end else buffer)
                if got:
                    end += got
                    head_end = look(buffer, 0, end, marks)
                    if head_end == 0 and end == got and want is IDLE:
                        # A first request has from accept on, a further one from its first byte.
                        self.deadline = server.clock + limits.head_sweeps
                elif got == 0:
                    return
                elif end == 0:
                    yield want
                else:
                    try:
                        yield READ
                    except HTTPError as error:
                        yield from answer.refuse(self, error)
                        return
            server.requests += 1
            left -= 1
            self.request = request = new_request(self)
            flags = marks[_FLAGS]
            method = marks[_METHOD_CODE]
            method = methods[method] if method else request.method
            target = raw(view[marks[_TARGET] : marks[_PATH_END]])
            body = content = result = None
            if left == 0 or server.draining:
                flags |= _CLOSE
            usual = flags & _USUAL_MASK == _USUAL
            self.end = end
            if not usual:
                try:
                    body = request.frame(flags)
                except HTTPError as error:
                    yield from answer.refuse(self, error, request)
                    return
                target = request.target
            elif flags & _CLOSE:
                request.end()
            found = literals[target] if target in literals else server.app.match(target)
            self.router = found and found[0]
            try:
                if server.hooked:
                    usual = False
                    self.hooks = None  # where there is no memory for them
                    self.hooks = (found[0] if found else server.app).hooks()
                    for hook in self.hooks[0]:
                        result = hook(request)
                        if result is not None:
                            result = yield from answer.settle(self, result)
                            if result is not None:
                                break
                if result is None:
                    if found:
                        route = found[1]
                        handler = route[method] if method in route else choose(route, request)
                        params = found[2]
                    else:
                        handler = choose(None, request)
                        params = None
                    if body is not None:
                        if kind_of(handler) is Streaming:
                            body = reader.stream(self, request, body, head_end)
                        else:
                            yield from reader.hold(self, request, body, head_end)
                    if params:
                        request.params = dict(params)
                        result = handler(request, **params)
                    else:
                        result = handler(request)
                self.at = head_end
                if kind_of(result) is json_kind:
                    content = to_json(result)
                    if not usual or size_of(content) > _MAX_JSON:
                        result = Response(content, content_type=JSON)
                elif kind_of(result) is not Response:
                    result = to_response((yield from answer.settle(self, result)))
            except Lost:
                raise
            except (Exception, asyncio.CancelledError) as error:
                result = yield from answer.failure(self, found, request, error)
            size = size_of(content) if content else 0
            if usual and 0 < size <= _MAX_JSON:
                # The rule, JSON and nothing special, is put together in one place, without garbage of its size.
                if flags & _CLOSE:
                    data = _LAST % size
                elif size in lengths:
                    data = lengths[size]
                else:
                    data = _LENGTH % size
                    if size_of(lengths) < _MAX_LENGTHS:
                        lengths[size] = data
                at = server.json_at
                stop = at + size_of(data)
                json_view[at:stop] = data
                at = stop + size
                json_view[stop:at] = content
                data = json_view[:at]
                sent = write(data)
                if sent != at:
                    yield from writer.push(self, raw(data[sent or 0 :]))
                if flags & _CLOSE:
                    break
            else:
                yield from answer.send(self, found, request, result, body)
                if body is not None and not body.done:
                    yield from reader.skip(self, request, body, head_end)
                buffer, view, end = self.buffer, self.view, self.end
                if not request.keep_alive:
                    break
            request.expire()
            if end == head_end:
                end = 0
                self.deadline = server.clock + idle_sweeps
                yield idle
            else:
                # Pipelined: begin at once, but let the others have their turn.
                reader.keep(self, 0, head_end)
                end = self.end
                self.deadline = server.clock + limits.head_sweeps
                yield PAUSE
            want = IDLE
        if end > head_end:
            yield from reader.linger(self, True)
