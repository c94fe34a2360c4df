"""The log: a ring of lines in RAM, of a few KB, with a line for every request, followed over HTTP.

    log = Log(board.uptime_s)
    log.attach(app)
    log.warning("the sensor does not answer")

    @app.get("/api/log")
    def lines(request):
        return log.poll(request)

`poll` answers `?since=N&wait=S` with the lines after number N as JSON, one a line; `events` sends each new line at
once. The oldest lines are dropped when there is no room; a client that comes too late is told how many were lost. A
line is one line, whatever text it contains, and a request's line has no secrets. This file writes; `logfeed` reads, and
`logline` describes requests: both are loaded on demand.
"""

from array import array

from firmware.http.native import const, micropython, ptr8, ptr32

# Bytes: some 40 requests, to see what happened before a fault. At most 65535.
RING_BYTES = const(2560)
# Of these, before each line: its length in two bytes, its level in one, its seconds in four.
HEAD_BYTES = const(7)
# Enough for a request with a long path, an address and an id. A longer line is cut.
MAX_LINE_BYTES = const(288)

LEVELS = ("debug", "info", "warning", "error")
DEBUG, INFO, WARNING, ERROR = range(4)

# Characters that hide other text or reverse it, although they are not control characters.
_HIDING = ((0x80, 0x9F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xD800, 0xDFFF), (0xFEFF, 0xFEFF))


class Log:
    """A ring of `size` bytes. Each line has the time `uptime_s()`, a whole number. Lines below `level` are dropped.

    `mirror`: print every line, too. `last`: the number of the newest line. `ring` and `state`: see `put`.
    """

    def __init__(self, uptime_s, size=RING_BYTES, level=INFO, mirror=False):
        self.last = 0
        self.level = level
        self.watchers = []  # the connections that a new line wakes
        self.ring = bytearray(size)
        # Start of the oldest line, bytes in use, bytes in all, number of the oldest line.
        self.state = array("I", (0, 0, size, 1))
        self._uptime_s = uptime_s
        self._mirror = mirror

    def debug(self, text):
        """Write a line that helps to find a mistake."""
        self.write(DEBUG, text)

    def info(self, text):
        """Write a line about normal operation."""
        self.write(INFO, text)

    def warning(self, text):
        """Write a line about something to look at."""
        self.write(WARNING, text)

    def error(self, text):
        """Write a line about a fault."""
        self.write(ERROR, text)

    def write(self, level, text):
        """Write a line, text or bytes, with a level."""
        if level >= self.level:
            line = escape(text)
            self.keep(level, line, len(line))

    def keep(self, level, line, size):
        """Write the first `size` bytes of `line`, which must not need escaping."""
        if self._mirror:
            _print(level, bytes(line[:size]))
        if size + HEAD_BYTES <= self.state[2]:
            put(self.ring, self.state, level, self._uptime_s(), line, size)
            self.last += 1
        if self.watchers:
            self._wake()

    def _wake(self):
        for watcher in self.watchers:
            watcher.wake()

    def attach(self, app):
        """Write a line for every request of `app`: method, path, status, bytes, milliseconds, address, id.

        Also write a line for each error that the server prints on the console.
        """
        from firmware.features.logline import attach

        app.log = self
        attach(self, app)

    def poll(self, request, answer=None):
        """Return a handler's result: the lines after `?since=N`, once there are any (see `Feed.poll`).

        A line {"lost": count} comes first, or in between, if that many lines are not kept any more.
        """
        from firmware.features.logfeed import Lines

        return Lines(self).poll(request, answer)

    def events(self, request):
        """Return the Response that sends every line as a Server-Sent Event (see `sse`)."""
        from firmware.features.logfeed import Lines

        return Lines(self).events(request)


def escape(text):
    """Return text or bytes as one line of UTF-8 of at most MAX_LINE_BYTES, with control characters as `\\xNN`."""
    raw = text if type(text) is bytes else _encode(text)
    if not is_plain(raw, len(raw)):
        raw = _escape(raw)
    return raw if len(raw) <= MAX_LINE_BYTES else cut(raw, MAX_LINE_BYTES - 3) + b"..."


@micropython.viper
def is_plain(b: ptr8, end: int) -> int:
    """Return whether the first `end` bytes are printable ASCII, as in most lines."""
    i = 0
    while i < end:
        c = b[i]
        if c < 32 or c > 126:
            return 0
        i += 1
    return 1


@micropython.viper
def put(ring: ptr8, state: ptr32, level: int, second: int, line: ptr8, length: int):
    """Append a line to a ring, and drop the oldest ones to make room; it must fit into the ring.

    `state`: start of the oldest line, bytes in use, bytes in all, number of the oldest line. Each line has a head: its
    length in two bytes, its level in one, its seconds in four.
    """
    at = state[0]
    used = state[1]
    size = state[2]
    while used + length + 7 > size:
        i = at + 1
        if i == size:
            i = 0
        step = (ring[at] << 8 | ring[i]) + 7
        at += step
        if at >= size:
            at -= size
        used -= step
        state[3] += 1
    state[0] = at
    state[1] = used + length + 7
    at += used
    if at >= size:
        at -= size
    i = 0 - 7
    while i < length:
        if i >= 0:
            ring[at] = line[i]
        elif i == -7:
            ring[at] = length >> 8
        elif i == -6:
            ring[at] = length & 255
        elif i == -5:
            ring[at] = level
        else:
            ring[at] = second >> (0 - 8 * (i + 1)) & 255
        at += 1
        if at == size:
            at = 0
        i += 1


def _encode(text):
    # Only as much as is needed to see that it is too long.
    text = str(text)[: 2 * MAX_LINE_BYTES]
    try:
        return text.encode()
    except UnicodeError:
        return repr(text).encode()


def cut(raw, size):
    """Return the first whole characters of UTF-8, `size` bytes at most; of other bytes, nearly as many."""
    if len(raw) > size:
        # A character has at most three continuation bytes.
        for _ in range(3):
            if raw[size] >> 6 == 2:
                size -= 1
    return raw[:size]


def _escape(raw):
    raw = cut(raw, 2 * MAX_LINE_BYTES)
    try:
        text = raw.decode()
    except UnicodeError:
        text = "".join(chr(byte) for byte in raw)
    out = []
    for letter in text:
        code = ord(letter)
        if code < 0x20 or code == 0x7F or any(low <= code <= high for low, high in _HIDING):
            letter = "\\x%02x" % code if code < 256 else "\\u%04x" % code
        out.append(letter)
    return "".join(out).encode()


def _print(level, line):
    try:
        print("limpet: %s: %s" % (LEVELS[level], line.decode()))
    except Exception:
        pass  # the console cannot write these characters
