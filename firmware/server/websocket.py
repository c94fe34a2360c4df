"""WebSockets (RFC 6455): what a handler has, over `http.websocket`'s frames.

    @app.websocket("/ws")
    async def chat(request, socket):
        async for message in socket:            # text or bytes
            await socket.send(message)

The slot's own task reads frames, answers pings and closes; it reads the next message when the handler has taken the one
before, so a handler's pace is the client's. The handler is a task of its own, the only second one that a connection
has. It writes straight to the socket; what that does not take at once is left to the slot's task, which keeps the
deadline. Where the handler returns, the connection is closed with 1000, where it fails with 1011; where the client
closes or is lost, the iteration ends and `socket.code` says how.
"""

import asyncio

from firmware.http import websocket
from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.response import encode_json
from firmware.server import transport
from firmware.server.receive import is_gone
from firmware.server.slot import LIVE, Lost, push, push_parts, wait, wait_live

# A close frame has a second to be answered (RFC 6455 7.1.1 lets us not wait for ever).
_CLOSE_SWEEPS = const(2)

# A handler whose client has gone has so long to end.
_STOP_SWEEPS = const(2)

# Payload bytes that are copied behind a frame's head for one write. Beyond it copying costs more.
_COPY = const(1024)

# Reads without a wait, then the others have their turn.
_BURST = const(8)

_ABNORMAL = const(1006)
_INTERNAL_ERROR = websocket.CLOSE_INTERNAL_ERROR


class WebSocket:
    """A connection as its handler has it: an asynchronous iterator of messages (str or bytes).

    `protocol` is the subprotocol (text or None). `code` is None while it is open, then the code it was closed with:
    the client's, ours, or 1006 where the client was lost.
    """

    def __init__(self, request, protocol):
        self.protocol = protocol
        self.handler = None  # a function without parameters that makes the handler's coroutine
        self.code = None
        self.sent = 0  # bytes of messages
        self._request = request
        self._slot = None
        self._task = None
        self._is_done = False  # whether the handler has ended
        self._error = None  # by what
        self._message = None  # for the handler to take
        self._arrived = asyncio.Event()
        self._rest = None  # what the socket did not take, a list
        self._drained = asyncio.Event()
        self._drained.set()
        self._is_closing = False  # whether a close frame went out
        self._is_logged = False
        self._follower = None
        self._turns = 0

    # -- for the handler

    def __aiter__(self):
        return self

    async def __anext__(self):
        """Return the next message; the iteration ends where the connection is closed."""
        message = await self.receive()
        if message is None:
            raise StopAsyncIteration
        return message

    async def receive(self):
        """Return the next message (str or bytes), or None once the connection is closed."""
        while self._message is None and self.code is None:
            self._arrived.clear()
            await self._arrived.wait()
        message, self._message = self._message, None
        self.wake()
        return message

    async def send(self, message):
        """Send text or bytes as one message. Raises Lost where the connection is closed, OSError where it breaks."""
        if self._is_closing or self.code is not None:
            raise Lost
        kind = websocket.OP_BINARY
        if type(message) is str:
            kind = websocket.OP_TEXT
            message = message.encode()
        self.sent += len(message)
        head = websocket.frame_head(kind, len(message))
        if len(message) <= _COPY:
            await self.write(head + message)
        else:
            await self.write(head, message)

    async def send_json(self, value):
        """Send a value as JSON text. Raises as `send` does, TypeError and ValueError for what JSON has no form for."""
        await self.send(encode_json(value).decode())

    async def close(self, code=websocket.CLOSE_NORMAL, reason=""):
        """Close with `code` and a few words; the iteration ends then."""
        if not self._is_closing:
            self._is_closing = True
            data = websocket.close_payload(code, reason)
            await self.write(websocket.frame_head(websocket.OP_CLOSE, len(data)) + data)
            self.code = code
            self._arrived.set()
            self.wake()

    async def write(self, *parts):
        """Write frames, all of them behind what other tasks write; return once the socket has them.

        Raises OSError or Lost: the client is gone.
        """
        while self._rest:
            await self._drained.wait()
        if self._slot is None or self._is_done:
            raise Lost
        rest = []
        for data in parts:
            if not rest:
                sent = self._write(data)
                if sent == len(data):
                    continue
                data = memoryview(data)[sent:]
            rest.append(data)
        if rest:
            self._leave(rest)
            self.wake()
            while self._rest is rest:
                await self._drained.wait()
        self._turns += 1
        if self._turns % _BURST == 0:
            await transport.sleep_ms(0)

    def _write(self, data):
        """Write what the socket takes; who finds the client gone is told so by `code`."""
        try:
            return self._slot.write(data) or 0
        except OSError:
            if self.code is None:
                self.code = _ABNORMAL
            raise

    def _leave(self, rest):
        """Leave `rest`, a list, to the slot's task."""
        self._rest = rest
        self._drained.clear()

    def wake(self):
        """Let the slot's task look again."""
        if self._slot is not None:
            self._slot.wake()

    def follow(self, feed):
        """Send the values that a `features.feed.Feed` publishes from now on. Raises Lost where it is closed."""
        if self.code is not None or self._slot is None:
            raise Lost
        self._follower = feed.follow(self._slot, feed.last)

    # -- the slot's task

    def lines(self):
        """Return the field line that says what becomes of the connection."""
        return b"Connection: Upgrade\r\n"

    async def prime(self, slot):
        """There is nothing to do before the head."""

    async def end(self):
        """Nor is there where nobody wants it."""

    async def run(self, slot, head):
        """Have the connection until both sides have said goodbye. Raises OSError or Lost where the client is gone."""
        self._slot = slot
        self._request.end()
        transport.no_delay(slot.sock)
        lost = None
        try:
            await push_parts(slot, head)
            self._task = asyncio.create_task(self._guard(self.handler()))
            frames = websocket.Reader(slot.server.limits.message_bytes)
            try:
                await self._serve(slot, frames)
            except websocket.WebSocketError as error:
                await self._say_goodbye(error.code, error.reason)
                await self._await_close(slot, frames)
        except (HTTPError, OSError, Lost) as error:
            lost = error
        finally:
            self._release()
            slot.end = slot.head_end
            if slot.is_closed and self._task:
                self._task.cancel()
            else:
                await self._stop(slot)
            self._slot = None
        if lost:
            raise lost

    async def _guard(self, coroutine):
        try:
            await coroutine
        except asyncio.CancelledError:
            self._error = Lost()
        except Exception as error:
            self._error = error
        self._is_done = True
        self.wake()

    async def flush(self):
        """Write what was left."""
        rest = self._rest
        if rest:
            for data in rest:
                await push(self._slot, data)
            self._rest = None
            self._drained.set()

    async def _serve(self, slot, frames):
        """Move frames until both sides have said goodbye. Raises what `feed` does, and what tells that it is lost."""
        ping_sweeps = slot.server.limits.ping_sweeps
        at = slot.head_end
        is_asked = False
        turns = 0
        due = slot.server.clock + ping_sweeps  # by when the client has to be heard of
        while True:
            await self.flush()
            if self._follower:
                await self._forward()
            if self._is_done:
                await self._say_goodbye(_INTERNAL_ERROR if self._has_failed() else websocket.CLOSE_NORMAL)
            if self._is_closing:
                break
            if self._message is None:
                if at == slot.end:
                    at = slot.end = slot.head_end
                    if is_gone(slot):
                        raise Lost
                    turns += 1
                if at < slot.end:
                    is_asked = False
                    due = slot.server.clock + ping_sweeps
                    at = frames.feed(slot.view, at, slot.end)
                    if frames.kind == websocket.OP_CLOSE:
                        self.code = frames.code
                        await self._say_goodbye(frames.code)
                        return
                    await self._take(frames.kind, frames.data)
                    if turns % _BURST == 0:
                        slot.deadline = 0
                        await transport.sleep_ms(0)
                    continue
            # What comes before the handler has taken the last message stays in the buffer, as far as there is room.
            elif is_gone(slot):
                raise Lost
            # What is sent meanwhile tells nothing of the client, and must not put it off.
            slot.deadline = max(due, slot.server.clock + 1)
            try:
                await wait_live(slot)
            except HTTPError:
                if slot.server.draining:
                    await self._say_goodbye(websocket.CLOSE_GOING_AWAY)
                elif is_asked:
                    raise Lost
                else:
                    is_asked = self._message is None
                    due = slot.server.clock + ping_sweeps
                    await self._post(websocket.OP_PING, b"")
        await self._await_close(slot, frames, at)

    async def _take(self, kind, data):
        """Hand a message to the handler; answer a ping."""
        if kind == websocket.OP_PING:
            await self._post(websocket.OP_PONG, data)
        elif kind == websocket.OP_TEXT or kind == websocket.OP_BINARY:
            self._message = data
            self._arrived.set()

    async def _post(self, kind, data):
        """Send a frame from the script, behind what the handler is sending."""
        await self.flush()
        self._leave([websocket.frame_head(kind, len(data)) + data])
        await self.flush()

    async def _forward(self):
        """Send what the feed has that is new."""
        while not self._is_closing:
            number = self._follower.take()
            if not number:
                return
            data = self._follower.feed.json(number)
            self.sent += len(data)
            await self._post(websocket.OP_TEXT, data)

    async def _say_goodbye(self, code, reason=""):
        """Send a close frame, once."""
        if not self._is_closing:
            self._is_closing = True
            await self._post(websocket.OP_CLOSE, websocket.close_payload(code, reason))
        if self.code is None:
            self.code = code

    def _has_failed(self):
        error = self._error
        if error is None or isinstance(error, (OSError, Lost)):
            return False
        self._is_logged = True
        self._slot.server.log_error("websocket", error)
        return True

    async def _await_close(self, slot, frames, at=None):
        """Wait a moment for the client's close frame, or its end."""
        at = at or slot.end
        slot.deadline = slot.server.clock + _CLOSE_SWEEPS
        try:
            while True:
                if frames.closed and websocket.ends_with_close(slot.view[slot.head_end : slot.end]):
                    return
                while at < slot.end:
                    at = frames.feed(slot.view, at, slot.end)
                    if frames.kind == websocket.OP_CLOSE:
                        return
                at = slot.end = slot.head_end
                if is_gone(slot):
                    return
                await (transport.sleep_ms(0) if at < slot.end else wait_live(slot))
        except (HTTPError, websocket.WebSocketError):
            pass

    def _release(self):
        """Tell the handler that it is over."""
        if self._follower:
            self._follower.end()
        # RFC 6455 7.1.5: without a close frame it was closed abnormally.
        if self.code is None:
            self.code = _ABNORMAL
        self._rest = None
        self._drained.set()
        self._arrived.set()

    async def _stop(self, slot):
        """Give the handler a moment to end by itself, then cancel it, and again; at last it goes on alone."""
        for is_last in (False, True, True):
            if self._task is None or self._is_done:
                break
            if is_last:
                self._task.cancel()
            slot.deadline = slot.server.clock + _STOP_SWEEPS
            try:
                while not self._is_done:
                    await wait(slot, 0, LIVE)
            except HTTPError:
                pass
            except asyncio.CancelledError:
                # The server ends, and keeps no deadline any more.
                self._task.cancel()
                raise
        slot.deadline = 0
        if not self._is_logged:
            self._has_failed()
