"""WebSockets (RFC 6455): what a handler has, over `http.websocket`'s frames.

    @app.websocket("/ws")
    async def chat(request, socket):
        async for message in socket:            # text or bytes
            await socket.send(message)

The connection's script reads frames, answers pings and closes; it reads the next message when the handler has taken the
one before, so a handler's pace is the client's. The handler is a task. Where it returns, the connection is closed with
1000, where it fails with 1011; where the client closes or is lost, the iteration ends and `socket.code` says how.
"""

from firmware.http import websocket
from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.response import Response, encode_json
from firmware.server import live, writer
from firmware.server.connection import HOLD, WAIT
from firmware.server.reader import Lost, is_gone
from firmware.server.writer import PAUSE

# A close frame has a second to be answered (RFC 6455 7.1.1 lets us not wait for ever).
_CLOSE_SWEEPS = const(2)

# Payload bytes that are copied behind a frame's head for one write. Beyond it copying costs more.
_COPY = const(1024)

# Reads without a wait, then the others have their turn.
_BURST = const(8)

_ABNORMAL = const(1006)
_INTERNAL_ERROR = websocket.CLOSE_INTERNAL_ERROR


def upgrade(request, handler, protocols, origins, params):
    """Open a WebSocket for `handler`: return the response.

    Raises 426 or 400 for what is no handshake, 403 for a page of somebody else's, 405 for HEAD.
    """
    if request.method != "GET":
        raise HTTPError(405, "A WebSocket begins with GET.", {"Allow": "GET, OPTIONS"})
    get = request.headers.get
    # RFC 9110 7.8: an upgrade that HTTP/1.0 asks for is not there.
    key = websocket.check_handshake(get if request.is_http_1_1() else _no_field)
    if not websocket.origin_allowed(get("origin"), get("host"), origins):
        raise HTTPError(403, "Pages from there may not connect.")
    headers = {"Upgrade": "websocket", "Sec-WebSocket-Accept": websocket.accept_key(key)}
    protocol = websocket.choose_protocol(get("sec-websocket-protocol"), protocols)
    if protocol:
        headers["Sec-WebSocket-Protocol"] = protocol
    socket = WebSocket(request, protocol)
    socket._handler = lambda: handler(request, socket, **params)
    return Response(socket, 101, headers)


def _no_field(name):
    return None


class WebSocket(live.Session):
    """A connection as its handler has it: an asynchronous iterator of messages (str or bytes).

    `protocol` is the subprotocol (text or None). `code` is None while it is open, then the code it was closed with:
    the client's, ours, or 1006 where the client was lost.
    """

    def __init__(self, request, protocol):
        super().__init__(request)
        self.protocol = protocol
        self.code = None
        self._message = None  # for the handler to take
        self._arrived = live.Signal()
        self._is_closing = False  # whether a close frame went out
        self._is_logged = False
        self._follower = None
        self._handler = None

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
        """Do as a session does; who finds the client gone is told so by `code`."""
        try:
            await super().write(*parts)
        except OSError:
            if self.code is None:
                self.code = _ABNORMAL
            raise

    def follow(self, feed):
        """Send what is published on `feed`, a `features.feed.Feed`, from now on: as JSON, between the handler's own."""
        self._follower = feed.follow(self.slot, feed.last)

    # -- the script

    def lines(self):
        """Return the features' field lines, and the one that says what becomes of the connection."""
        return self.request.answer_lines + b"Connection: Upgrade\r\n"

    def _converse(self, head):
        slot = self.slot
        self.request.end()
        lost = None
        yield from writer.push(slot, head)
        self.start(self._handler())
        frames = websocket.Reader(slot.server.limits.message_bytes)
        try:
            yield from self._serve(slot, frames)
        except websocket.WebSocketError as error:
            yield from self._say_goodbye(error.code, error.reason)
            yield from self._await_close(slot, frames)
        except (HTTPError, OSError, Lost) as error:
            lost = error
        self._release()
        slot.end = slot.at
        yield from self._await_handler(slot)
        if lost:
            raise lost

    def _serve(self, slot, frames):
        """Move frames until both sides have said goodbye. Raises what `feed` does, and what tells that it is lost."""
        ping_sweeps = slot.server.limits.ping_sweeps
        at = slot.at
        is_asked = False
        turns = 0
        due = slot.server.clock + ping_sweeps  # by when the client has to be heard of
        while True:
            yield from self.flush()
            if self._follower:
                yield from self._forward()
            if self.done:
                yield from self._say_goodbye(_INTERNAL_ERROR if self._has_failed() else websocket.CLOSE_NORMAL)
            if self._is_closing:
                break
            if self._message is None:
                if at == slot.end:
                    at = slot.end = slot.at
                    if is_gone(slot):
                        raise Lost
                    turns += 1
                if at < slot.end:
                    is_asked = False
                    due = slot.server.clock + ping_sweeps
                    at = frames.feed(slot.view, at, slot.end)
                    if frames.kind == websocket.OP_CLOSE:
                        self.code = frames.code
                        yield from self._say_goodbye(frames.code)
                        return
                    yield from self._take(frames.kind, frames.data)
                    if turns % _BURST == 0:
                        slot.deadline = 0
                        yield PAUSE
                    continue
            # What comes before the handler has taken the last message stays in the buffer, as far as there is room.
            elif is_gone(slot):
                raise Lost
            # What is sent meanwhile tells nothing of the client, and must not put it off.
            slot.deadline = max(due, slot.server.clock + 1)
            try:
                yield live.wish(slot)
            except HTTPError:
                if slot.server.draining:
                    yield from self._say_goodbye(websocket.CLOSE_GOING_AWAY)
                elif is_asked:
                    raise Lost
                else:
                    is_asked = self._message is None
                    due = slot.server.clock + ping_sweeps
                    yield from self._post(websocket.OP_PING, b"")
        yield from self._await_close(slot, frames, at)

    def _take(self, kind, data):
        """Hand a message to the handler; answer a ping."""
        if kind == websocket.OP_PING:
            yield from self._post(websocket.OP_PONG, data)
        elif kind == websocket.OP_TEXT or kind == websocket.OP_BINARY:
            self._message = data
            self._arrived.set()

    def _post(self, kind, data):
        """Send a frame from the script, behind what the handler is sending."""
        yield from self.flush()
        self._leave([websocket.frame_head(kind, len(data)) + data])
        yield from self.flush()

    def _forward(self):
        """Send what the feed has that is new."""
        while not self._is_closing:
            number = self._follower.take()
            if not number:
                return
            data = self._follower.feed.json(number)
            self.sent += len(data)
            yield from self._post(websocket.OP_TEXT, data)

    def _say_goodbye(self, code, reason=""):
        """Send a close frame, once."""
        if not self._is_closing:
            self._is_closing = True
            yield from self._post(websocket.OP_CLOSE, websocket.close_payload(code, reason))
        if self.code is None:
            self.code = code

    def _has_failed(self):
        error = self.error
        if error is None or isinstance(error, (OSError, Lost)):
            return False
        self._is_logged = True
        self.slot.server.log_error("websocket", error)
        return True

    def _await_close(self, slot, frames, at=None):
        """Wait a moment for the client's close frame, or its end."""
        at = at or slot.end
        slot.deadline = slot.server.clock + _CLOSE_SWEEPS
        try:
            while True:
                if frames.closed and websocket.ends_with_close(slot.view[slot.at : slot.end]):
                    return
                while at < slot.end:
                    at = frames.feed(slot.view, at, slot.end)
                    if frames.kind == websocket.OP_CLOSE:
                        return
                at = slot.end = slot.at
                if is_gone(slot):
                    return
                yield PAUSE if at < slot.end else WAIT
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

    def _await_handler(self, slot):
        """Give the handler a moment to end by itself."""
        slot.deadline = slot.server.clock + _CLOSE_SWEEPS
        try:
            while not self.done:
                yield HOLD
            if not self._is_logged:
                self._has_failed()
        except HTTPError:
            pass
