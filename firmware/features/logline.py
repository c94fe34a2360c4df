"""What a line of the log is made of: text that stays one line, and a request without its secrets.

Fields are never written, so neither are Authorization and cookies; of a query, no value whose name looks like a
secret's.
"""

from firmware.http.errors import HTTPError
from firmware.http.native import micropython, ptr8
from firmware.http.urls import decode_path
from firmware.server import transport

# A request's line with a long path, an address and an id. A longer line is cut.
MAX_LINE_BYTES = 288
_MAX_TARGET = 120
_MAX_METHOD = 16

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
    method = request.method
    if len(method) > _MAX_METHOD:
        method = method[:_MAX_METHOD]
    # Bytes, and not text: MicroPython looks each new text up among all names that there are.
    what = b"%s %s %d %s" % (method.encode(), _target(request), response.status, _sent(response))
    return b"%s %s %s %s" % (what, _took(request), request.client.encode(), request.raw_id or b"-")


def _sent(response):
    return b"lost" if response.sent is None else b"%d B" % response.sent


def _took(request):
    if request.began is None:
        return b"-"
    return b"%d ms" % ((transport.ticks_ms() - request.began) & _TICKS_MASK)


def _target(request):
    """Return the path, and the query without its secrets, cut to what a line has room for."""
    target = request.target
    query = request.query
    if query:
        target += b"?" + hide_secrets(query)
    if not is_plain(target, len(target)):
        target = escape(target)
    return target if len(target) <= _MAX_TARGET else _cut(target, _MAX_TARGET - 3) + b"..."


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
def store(ring: ptr8, size: int, at: int, line: ptr8, length: int):
    """Write a length in two bytes, and the line, into a ring of `size` bytes, `at` counted on beyond its end."""
    i = 0 - 2
    while i < length:
        if at >= size:
            at -= size
        if i == -2:
            ring[at] = length >> 8
        elif i == -1:
            ring[at] = length & 255
        else:
            ring[at] = line[i]
        at += 1
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
