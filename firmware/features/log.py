"""The log: a ring of lines in RAM, of a few KB, with a line for every request, followed over HTTP.

    log = Log(board.uptime_s)
    log.attach(app)
    log.warning("the sensor does not answer")

    @app.get("/api/log")
    def lines(request):
        return log.poll(request)

`poll` answers `?since=N&wait=S` with the lines behind number N, as JSON, one a line; `events` sends each as it comes.
The oldest lines go when there is no room, and who asks too late is told how many were lost. A line is one line,
whatever is put in it, and a request's has no secrets. This file writes; `logfeed` reads, and `logline` describes
requests: both are loaded by who needs them.
"""

from array import array

from firmware.http.native import const, micropython, ptr8, ptr32

# Some 40 requests: what happened before something went wrong. There may be 65535.
RING_BYTES = const(2560)
# Of those, what each line has before it: its length in two, its level, and its seconds in four.
HEAD_BYTES = const(7)
# A request's line with a long path, an address and an id. A longer line is cut.
MAX_LINE_BYTES = const(288)

LEVELS = ("debug", "info", "warning", "error")
DEBUG, INFO, WARNING, ERROR = range(4)

# What is no control but hides other text, or turns it round.
_HIDING = ((0x80, 0x9F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xD800, 0xDFFF), (0xFEFF, 0xFEFF))


class Log:
    """A ring of `size` bytes; its lines are told with `uptime_s()`, a whole number. What is below `level` is not kept.

    `mirror`: print every line, too. `last`: the number of the newest line. `ring` and `state`: see `put`.
    """

    def __init__(self, uptime_s, size=RING_BYTES, level=INFO, mirror=False):
        self.last = 0
        self.level = level
        self.watchers = []  # connections that each line wakes
        self.ring = bytearray(size)
        # Where the oldest line begins, bytes in use, bytes in all, and the oldest line's number.
        self.state = array("I", (0, 0, size, 1))
        self._uptime_s = uptime_s
        self._mirror = mirror

    def debug(self, text):
        """Write a line for who looks for a mistake."""
        self.write(DEBUG, text)

    def info(self, text):
        """Write a line about what is as it should be."""
        self.write(INFO, text)

    def warning(self, text):
        """Write a line about what somebody should look at."""
        self.write(WARNING, text)

    def error(self, text):
        """Write a line about what went wrong."""
        self.write(ERROR, text)

    def write(self, level, text):
        """Write a line, text or bytes, of a level."""
        if level >= self.level:
            line = escape(text)
            self.keep(level, line, len(line))

    def keep(self, level, line, size):
        """Write a line, the first `size` bytes of `line`, that is one as it is."""
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

        And for every error that the server tells on the console.
        """
        from firmware.features.logline import attach

        app.log = self
        attach(self, app)

    def poll(self, request, answer=None):
        """Return what a handler answers with: the lines behind `?since=N`, once there are any (see `Feed.poll`).

        A line {"lost": count} comes first, or in between, where that many are not held any more.
        """
        from firmware.features.logfeed import Lines

        return Lines(self).poll(request, answer)

    def events(self, request):
        """Return the Response that sends every line as a Server-Sent Event (see `sse`)."""
        from firmware.features.logfeed import Lines

        return Lines(self).events(request)


def escape(text):
    """Return text or bytes as one line of UTF-8 of at most MAX_LINE_BYTES: controls and the like as `\\xNN`."""
    raw = text if type(text) is bytes else _encode(text)
    if not is_plain(raw, len(raw)):
        raw = _escape(raw)
    return raw if len(raw) <= MAX_LINE_BYTES else cut(raw, MAX_LINE_BYTES - 3) + b"..."


@micropython.viper
def is_plain(b: ptr8, end: int) -> int:
    """Tell whether the first `end` bytes are printable ASCII, which most lines are."""
    i = 0
    while i < end:
        c = b[i]
        if c < 32 or c > 126:
            return 0
        i += 1
    return 1


@micropython.viper
def put(ring: ptr8, state: ptr32, level: int, second: int, line: ptr8, length: int):
    """Write a line into a ring, behind the others, in place of the oldest; there has to be room for one.

    `state`: where the oldest begins, bytes in use, bytes in all, and the oldest's number. Before a line stand its
    length in two bytes, its level, and four of seconds.
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
    # No more of it than a cut will show to be too long.
    text = str(text)[: 2 * MAX_LINE_BYTES]
    try:
        return text.encode()
    except UnicodeError:
        return repr(text).encode()


def cut(raw, size):
    """Return the first whole characters of UTF-8, `size` bytes at most; of other bytes, nearly as many."""
    if len(raw) > size:
        # A character has three such bytes at most.
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
        pass  # a console that cannot write it
