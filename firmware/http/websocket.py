"""WebSocket, the server's side: handshake, frames in, frame heads out (RFC 6455).

`Reader.feed` reads on in the caller's buffer, in place, and stops behind each event; a frame need not fit the buffer.
Only a message in parts is copied, into one bytearray that grows as bytes come, never on a client's word, up to a limit.
No extension is negotiated, so every reserved bit is an error. Wrong frames raise `WebSocketError`, which knows the code
to close with; a wrong handshake raises `HTTPError`.
"""

import binascii
import hashlib

from firmware.http.errors import HTTPError
from firmware.http.masking import BAD, MASK_SIZE, NEXT, STATE, unmask
from firmware.http.native import const

# Opcodes (RFC 6455 section 11.8), which are the kinds of events too.
OP_CONTINUATION = const(0)
OP_TEXT = const(1)
OP_BINARY = const(2)
OP_CLOSE = const(8)
OP_PING = const(9)
OP_PONG = const(10)

# Close codes (RFC 6455 section 7.4.1).
CLOSE_NORMAL = const(1000)
CLOSE_GOING_AWAY = const(1001)
CLOSE_PROTOCOL_ERROR = const(1002)
CLOSE_UNSUPPORTED = const(1003)
CLOSE_NO_STATUS = const(1005)  # never sent: what an empty close frame is read as
CLOSE_BAD_DATA = const(1007)
CLOSE_TOO_BIG = const(1009)
CLOSE_INTERNAL_ERROR = const(1011)

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
_MAX_REASON = const(123)  # RFC 6455 5.5: 125 bytes in a control frame, less the code


def ends_with_close(view):
    """Tell whether the bytes end with a client's close frame: enough to know that it agrees, where framing was lost."""
    for size in range(126):
        at = len(view) - size - 6
        if at < 0:
            break
        if view[at] == 0x88 and view[at + 1] == 0x80 | size:
            return True
    return False


class WebSocketError(Exception):
    """A connection that has to be closed: `code` to close with, `reason` a few words for the peer."""

    def __init__(self, code, reason):
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def accept_key(key):
    """Return the value of Sec-WebSocket-Accept (str) for a Sec-WebSocket-Key (str or bytes). RFC 6455 4.2.2."""
    if isinstance(key, str):
        key = key.encode()
    return binascii.b2a_base64(hashlib.sha1(key + _GUID).digest()).decode().strip()


def check_handshake(get):
    """Check the fields of a client's handshake and return its Sec-WebSocket-Key (str). RFC 6455 4.2.1.

    `get(name)` returns a field's value (str) or None. Method and HTTP version are the caller's to check.
    Raises HTTPError: 426 no upgrade to websocket or another version of it, 400 not a proper handshake.
    """
    if "websocket" not in _tokens(get("Upgrade")) or get("Sec-WebSocket-Version") != "13":
        # RFC 9110 15.5.22: a 426 names the protocol; RFC 6455 4.4: and the version.
        fields = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        raise HTTPError(426, "WebSocket version 13 only.", fields)
    if "upgrade" not in _tokens(get("Connection")):
        raise HTTPError(400, "Connection lacks upgrade.")
    key = get("Sec-WebSocket-Key") or ""
    try:
        # Decoders skip what is not base64: of 24 characters only 22 and two pads make 16 bytes.
        good = len(key) == 24 and len(binascii.a2b_base64(key)) == 16
    except ValueError:
        good = False
    if not good:
        raise HTTPError(400, "Bad Sec-WebSocket-Key.")
    return key


def _tokens(value):
    return [token.strip() for token in (value or "").lower().split(",")]


def choose_protocol(offered, supported):
    """Return the first subprotocol of Sec-WebSocket-Protocol (str or None) that is in `supported`, or None.

    The client lists them in order of preference (RFC 6455 1.9), names are case-sensitive.
    """
    for name in (offered or "").split(","):
        name = name.strip()
        if name in supported:
            return name
    return None


def frame_head(opcode, length, fin=True):
    """Return the head (bytes) of a frame with `length` bytes of payload to send behind it. RFC 6455 5.2."""
    first = opcode | 0x80 if fin else opcode
    if length < 126:
        return bytes((first, length))
    if length < 65536:
        return bytes((first, 126)) + length.to_bytes(2, "big")
    return bytes((first, 127)) + length.to_bytes(8, "big")


def close_payload(code, reason=""):
    """Return the payload (bytes) of a close frame; `reason` (str) is cut to what fits. RFC 6455 5.5.1.

    CLOSE_NO_STATUS gives an empty one, so that the code of a close event can be sent back as it is.
    """
    if code == CLOSE_NO_STATUS:
        return b""
    text = reason.encode()
    cut = _MAX_REASON
    while cut < len(text) and text[cut] & 0xC0 == 0x80:
        cut -= 1
    return code.to_bytes(2, "big") + text[:cut]


def _violation(first, length, message):
    """Tell what is wrong with a head, or None, from its first byte, its length and the opcode of an open message."""
    opcode = first & 15
    # RFC 6455 5.2
    if first & 0x70:
        return "reserved bit"
    if length < 0:
        return "not masked"
    if opcode & 7 > 2:
        return "opcode"
    # RFC 6455 5.5
    if opcode & 8:
        return "control frame" if first < 128 or length > 125 else None
    # RFC 6455 5.4: a message goes on in continuations, and nothing else does.
    return "fragments" if bool(opcode) is bool(message) else None


class Reader:
    """Reads a client's frames, wherever they are cut, into events.

    An event is `kind` (an opcode, 0 for none) with `data`: str for OP_TEXT, bytes for OP_BINARY, OP_PING and OP_PONG;
    for OP_CLOSE `code` is the client's (CLOSE_NO_STATUS without one) and `data` its reason (str).
    Once `closed` (a close frame came, or an error was raised) it skips whatever comes.
    """

    def __init__(self, max_message_bytes):
        self.max_message_bytes = max_message_bytes
        self.kind = self.code = 0
        self.data = None
        self.closed = False
        self._head = bytearray()  # of a head in parts: what came so far
        self._first = 0  # its first byte: FIN and opcode
        self._mask = bytearray(MASK_SIZE)
        self._left = -1  # bytes of payload to come, negative in a head
        self._control = bytearray()
        self._message = bytearray()
        self._opcode = 0  # of the message, 0 between messages
        self._utf8 = 0  # the state the message has come to

    def feed(self, buffer, i, end):
        """Read `buffer[i:end]` up to the next event, return the position behind what was read.

        `buffer` is a memoryview of a bytearray, or a bytearray, at the cost of a copy; payload is unmasked in place.
        An event may stand in `kind` even where all was read: look at it each time, call again while there is more.
        Raises WebSocketError: 1002 not the protocol, 1007 not UTF-8 (at its first wrong byte), 1009 message too long.
        """
        self.kind = 0
        self.data = None
        if self.closed:
            return end
        while i < end and not self.kind:
            if self._left < 0:
                i = self._read_head(buffer, i, end)
            if self._left >= 0:
                i = self._read_payload(buffer, i, end)
        return i

    def _read_head(self, buffer, i, end):
        if not self._head:
            at = self._begin(buffer, i, end)
            if at:
                return at
        while i < end:
            self._head.append(buffer[i])
            i += 1
            if self._begin(self._head, 0, len(self._head)):
                self._head = bytearray()
                break
        return i

    def _begin(self, b, i, end):
        """Check a head, return where it ends and the payload begins, or 0 if `b[i:end]` does not have all of it."""
        if end - i < 2:
            return 0
        first = b[i]
        opcode = first & 15
        length = b[i + 1] - 128
        wrong = _violation(first, length, self._opcode)
        i += 2
        if length > 125 and not wrong:
            size = 2 if length == 126 else 8
            if end - i < size:
                return 0
            length = int.from_bytes(b[i : i + size], "big")
            i += size
            if length < (126 if size == 2 else 65536) or length >> 63:
                wrong = "length"
        if wrong:
            self._fail(CLOSE_PROTOCOL_ERROR, wrong)
        if end - i < 4:
            return 0
        if not opcode & 8:
            if length + len(self._message) > self.max_message_bytes:
                self._fail(CLOSE_TOO_BIG, "too long")
            self._opcode = opcode or self._opcode
        self._first = first
        self._left = length
        self._mask[:4] = b[i : i + 4]
        self._mask[NEXT] = 0
        return i + 4

    def _fail(self, code, reason):
        self.closed = True
        self._message = None
        raise WebSocketError(code, reason)

    def _read_payload(self, buffer, i, end):
        """Take what there is of a payload; make the event where it is complete."""
        mask = self._mask
        control = self._first & 8
        stop = min(end, i + self._left)
        self._left -= stop - i
        last = not self._left and self._first > 127
        text = self._opcode == OP_TEXT and not control
        mask[STATE] = self._utf8 if text else BAD
        state = unmask(buffer, i, stop, mask)
        if text:
            self._utf8 = state
            if state == BAD or last and state:
                self._fail(CLOSE_BAD_DATA, "not UTF-8")
        data = buffer[i:stop]
        parts = self._control if control else self._message
        if parts or not last:
            parts.extend(data)
            data = parts
        if not self._left:
            self._left = -1
        if last:
            self._end(data)
        return stop

    def _end(self, data):
        """Make the event of a complete payload."""
        kind = self._first & 15
        if kind & 8:
            self._control = bytearray()
        else:
            kind = self._opcode
            self._opcode = 0
            self._message = bytearray()
        if kind == OP_CLOSE:
            self._close(data)
        elif kind == OP_TEXT:
            self.data = str(data, "utf-8")
        else:
            self.data = bytes(data)
        self.kind = kind

    def _close(self, data):
        """Check what a close frame holds (RFC 6455 5.5.1, 7.4)."""
        size = len(data)
        code = int.from_bytes(data[:2], "big") if size else CLOSE_NO_STATUS
        # The codes registered for use on the wire, and those for libraries and applications; a lone byte is none.
        if size and not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
            self._fail(CLOSE_PROTOCOL_ERROR, "close code")
        # A mask of zeros changes nothing and begins with a character.
        if unmask(data, 2, size, bytearray(MASK_SIZE)):
            self._fail(CLOSE_BAD_DATA, "not UTF-8")
        self.code = code
        self.data = str(data[2:], "utf-8")
        self.closed = True
