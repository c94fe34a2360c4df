"""What a line of the log is made of: text that stays one line, and a request without its secrets.

Fields are never written, so neither are Authorization and cookies; of a query, no value whose name looks like a
secret's.
"""

from firmware.http.errors import HTTPError
from firmware.http.native import const, micropython, ptr8, ptr32
from firmware.http.urls import decode_path
from firmware.server import transport

# A request's line with a long path, an address and an id. A longer line is cut.
MAX_LINE_BYTES = 288
_MAX_PATH = 120
_MAX_METHOD = 16

# `layout`'s places, folded by the compiler only where they are written; a test compares.
_METHOD = const(2)
_TARGET = const(4)
_PATH_END = const(5)
_TARGET_END = const(6)
_METHOD_CODE = const(7)

# What is no control but hides other text, or turns it round.
_HIDING = ((0x80, 0x9F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xD800, 0xDFFF), (0xFEFF, 0xFEFF))

# A parameter with one of these in its name has its value left out.
_SECRETS = ("pass", "pwd", "psk", "pin", "secret", "token", "key", "auth", "sess", "cred", "sig", "code", "jwt", "csrf")

# MicroPython's ticks wrap at this or at a multiple of it.
_TICKS_MASK = 0x3FFFFFFF


def describe(request, response):
    """Return a request's line, as `escape` would; "-" stands for what is not known.

    It is: method, path, status, bytes ("lost" where the client has gone), milliseconds, address, id.
    """
    if request is None:
        return b"- - %d %s - - -" % (response.status, _sent(response))
    if response.sent is None or request.began is None:
        return _describe_rest(request, response)
    # At every request: one format, since each costs as much as all of this.
    return b"%s %d %d B %d ms %s %s" % (
        _what(request),
        response.status,
        response.sent,
        _took_ms(request),
        request.client.encode(),
        request.raw_id or b"-",
    )


def _describe_rest(request, response):
    took = b"-" if request.began is None else b"%d ms" % _took_ms(request)
    what = _what(request), response.status, _sent(response), took
    return b"%s %d %s %s" % what + b" %s %s" % (request.client.encode(), request.raw_id or b"-")


def _what(request):
    """Return method and path: as they stand in the head, where nothing is to be cut, hidden or escaped."""
    marks = request._source.marks
    start, end = marks[_METHOD], marks[_PATH_END]
    if end == marks[_TARGET_END] and end - start <= _MAX_PATH and marks[_METHOD_CODE]:
        line = bytes(request._source.view[start:end])
        if line[marks[_TARGET] - start] == 47 and is_plain(line, end - start):
            return line
    # Bytes, and not text: MicroPython looks each new text up among all names that there are.
    return b"%s %s" % (request.method[:_MAX_METHOD].encode(), _target(request))


def _sent(response):
    return b"lost" if response.sent is None else b"%d B" % response.sent


def _took_ms(request):
    return (transport.ticks_ms() - request.began) & _TICKS_MASK


def _target(request):
    """Return the path, and the query without its secrets, cut to what a line has room for."""
    target = request.target
    query = request.query
    if query:
        target += b"?" + hide_secrets(query)
    if not is_plain(target, len(target)):
        target = escape(target)
    return target if len(target) <= _MAX_PATH else _cut(target, _MAX_PATH - 3) + b"..."


def hide_secrets(query):
    """Return a raw query (bytes) with `*` for each value whose name, as it is decoded, looks like a secret's."""
    parts = query.replace(b";", b"&").split(b"&")
    for at in range(len(parts)):
        name, equals, value = parts[at].partition(b"=")
        if value and _is_secret(name):
            parts[at] = name + equals + b"*"
    return b"&".join(parts)


def _is_secret(name):
    try:
        name = decode_path(name).lower()
    except HTTPError:
        return True  # nobody knows
    for word in _SECRETS:
        if word in name:
            return True
    return False


def escape(text):
    """Return text or bytes as one line of UTF-8 of at most MAX_LINE_BYTES: controls and the like as `\\xNN`."""
    raw = text if type(text) is bytes else _encode(text)
    if not is_plain(raw, len(raw)):
        raw = _escape(raw)
    return raw if len(raw) <= MAX_LINE_BYTES else _cut(raw, MAX_LINE_BYTES - 3) + b"..."


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


def _cut(raw, size):
    """Return the first whole characters of UTF-8, `size` bytes at most; of other bytes, nearly as many."""
    if len(raw) > size:
        # A character has three such bytes at most.
        for _ in range(3):
            if raw[size] >> 6 == 2:
                size -= 1
    return raw[:size]


def _escape(raw):
    raw = _cut(raw, 2 * MAX_LINE_BYTES)
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
