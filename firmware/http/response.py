"""What a handler gives back: status, field lines and body, checked and turned into bytes.

`to_response` makes a Response of whatever a handler may return, `encode_json` bytes of a dict or list.
"""

from json import dumps

from firmware.http.errors import HTTPError, reason
from firmware.http.native import const, micropython, ptr8
from firmware.http.parser import all_of
from firmware.http.urls import decode_text

# `parser`'s kinds, folded by the compiler only where they are written; a test compares.
_TOKEN = const(1)
_VALUE = const(4)

JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
BINARY = b"application/octet-stream"

NO_BODY = (100, 101, 204, 304)

# The length of a body that ends when it ends.
STREAM = -1
# What tells a body that is sent piece by piece: it runs a connection, or is a generator or iterator of either kind.
_STREAMS = ("run", "send", "next", "__next__", "__anext__")

# Fields that only the server can get right.
_OWN = " connection content-length date server transfer-encoding "


class Response:
    """What a handler answers.

    `body` is bytes, text, a dict or list (sent as JSON), a generator of bytes or text, or an open file, `length` set
    to the bytes to send and `lines` to ready-made field lines (bytes), Content-Type and Content-Length among them.
    `headers` is a dict of names to text values, or to lists of them for a repeated field, or None; hooks change it by
    `set_header`, and a Response that is returned again keeps what they have set.
    """

    # A value that is not set costs nothing: most responses have few.
    status = 200
    headers = content_type = None
    length = None
    lines = b""
    framing = b""  # field lines of a live body
    # Whether a generator alone was returned: where one yields nothing, MicroPython cannot tell it from a function.
    is_bare = False
    is_brief = False  # whether a generator ends as soon as it is read, and so takes no long-lived connection's place
    sent = None  # bytes of the body, once they are with the client

    # Functions on a request's way have at most 11 names, stack slots and (three each) `try`. With more, their frame is
    # on the heap, and the allocator then searches all garbage again from there. A test counts.

    def __init__(self, body=b"", status=200, headers=None, content_type=None):
        """Raises TypeError and ValueError for what cannot be sent."""
        if status != 200:
            self.status = checked_status(status)
        if headers:
            if not isinstance(headers, dict):
                raise mistake("headers", headers)
            self.headers = headers
        if content_type is not None:
            self.content_type = content_type
        if _type(body) is bytes:
            self.body = body
        else:
            self._take(body)

    def _take(self, body):
        kind = type(body)
        if kind is dict or kind is list:
            body = encode_json(body)
            if self.content_type is None:
                self.content_type = JSON
        elif kind is str:
            body = body.encode()
            if self.content_type is None:
                self.content_type = HTML
        elif body is None:
            body = b""
            if self.status == 200:
                self.status = 204
        elif kind is not bytearray and not hasattr(body, "readinto"):
            for name in _STREAMS:
                if hasattr(body, name):
                    self.length = STREAM
                    break
            else:
                raise mistake("body", body)
        self.body = body

    def set_header(self, name, value):
        """Set a field, in place of one with this very name."""
        # The dict may be the application's own, for many responses.
        self.headers = dict(self.headers or {})
        self.headers[name] = value

    def set_cookie(self, name, value, **options):
        """Set one more cookie; `options` are those of `http/cookies.build`, which raises ValueError. RFC 6265 4.1.

        `max_age_s` (seconds; 0 has the browser forget it), `path`, `domain`, `secure`, `http_only`, `same_site`.
        """
        from firmware.http import cookies

        cookies.add(self, cookies.build(name, value, **options))

    def close(self):
        """Close what the body reads from."""
        # A stream is ended by who has begun it.
        if self.length != STREAM and hasattr(self.body, "close"):
            self.body.close()

    def size(self):
        """Return how many bytes of body go with the head."""
        if self.status in NO_BODY:
            return 0
        return len(self.body) if self.length is None else self.length

    def head(self, common, more=b""):
        """Return the head as bytes (see `parts`)."""
        return b"".join(self.parts(common, more))

    def parts(self, common, more=b"", fixed=b""):
        """Return the head in parts: status line, `common`, the response's own lines, `more` (`Request.lines`), `fixed`.

        Fields that are in `headers`, too, are left out of the last two and of `framing`. Raises ValueError and
        TypeError, before anything is sent, for a field that would not stay one line or is the server's own, and for an
        invalid status.
        """
        if self.headers:
            return self._long_parts(common, (more, self.framing, fixed))
        lines = self.lines or self._body_lines(self.content_type)
        if self.framing:
            lines += self.framing
        return status_line(self.status), common, lines, more, fixed, b"\r\n"

    def _body_lines(self, kind):
        """Return Content-Type, where it is `kind`, and Content-Length, as far as they are due."""
        length = len(self.body) if self.length is None else self.length
        if length and self.status != 101:
            if kind is not JSON and kind is not HTML:
                kind = _checked(kind or BINARY, _VALUE)
            if length != STREAM and self.status not in NO_BODY:
                return b"Content-Type: %s\r\nContent-Length: %d\r\n" % (kind, length)
            return b"Content-Type: %s\r\n" % kind
        return b"" if length or self.status in NO_BODY else b"Content-Length: 0\r\n"

    def _long_parts(self, common, others):
        kind = self.content_type
        lines = [status_line(self.status), common, self.lines]
        for name, values in self.headers.items():
            lower = name.lower()
            if " %s " % lower in _OWN:
                raise mistake("own", name)
            if lower == "content-type":
                kind = values
            else:
                lines.append(field_lines(name, values))
        if not self.lines:
            lines.append(self._body_lines(kind))
        if self.status == 426:
            # RFC 9110 7.8: what is about one connection is named there.
            lines.append(b"Connection: upgrade\r\n")
        for other in others:
            _add_others(lines, other, self.headers)
        lines.append(b"\r\n")
        return lines


def encode_json(value):
    """Return a value as JSON bytes. Raises TypeError or ValueError for what JSON has no form for.

    All JSON that leaves, to clients or files, is made here, or in place and looked at by `is_plain`.
    """
    content = dumps(value).encode()
    found = is_plain(content, 0, len(content))
    if not found or found == 2 and not _is_text(content):
        raise ValueError("JSON has no form for this: %r" % content)
    return content


def _is_text(raw):
    """Tell whether JSON is UTF-8, without lone surrogates: a reader would not take them."""
    try:
        decode_text(raw)
        if b"\\ud" in raw:
            from firmware.http.jsonrare import join_surrogates

            join_surrogates(raw)
        return True
    except HTTPError:
        return False


def fixed_lines(fixed, response):
    """Return the lines among an application's `fixed` ones that are due with a response."""
    # 101 is no answer yet; with 304 the fields hold that came with what the client has (RFC 9111 4.3.4).
    if fixed is None or response.status == 101 or response.status == 304:
        return b""
    kind = response.content_type
    return fixed[0 if kind is JSON or kind == (JSON if type(kind) is bytes else "application/json") else 1]


@micropython.viper
def is_plain(b: ptr8, i: int, end: int) -> int:
    """Tell whether `b[i:end]`, made by json.dumps, is free of what encoders write for NaN, objects and sets.

    Returns 0 where it is not, 2 where it has yet to be looked at for UTF-8 or surrogates, else 1.
    """
    found = 1
    while i < end:
        c = b[i]
        if c == 34:
            i += 1
            while i < end:
                c = b[i]
                if c == 34:
                    break
                if c > 127:
                    found = 2
                elif c == 92:
                    i += 1
                    if i + 1 < end and b[i] == 117 and b[i + 1] == 100:
                        found = 2
                i += 1
        elif c > 57:
            # Only true, false, null and exponents have letters, and only these begin so.
            if c == 123 and i + 1 < end and b[i + 1] != 34 and b[i + 1] != 125:
                return 0
            if c == 60 or c == 73 or c == 78 or c == 105:
                return 0
            if c == 110 and i + 1 < end and b[i + 1] == 97:
                return 0
        elif c == 40:
            return 0
        i += 1
    return found


# A builtin's name is looked for in the module, then in a list of 99.
_len, _type, _int = len, type, int


@micropython.viper
def put_parts(out, parts) -> int:
    """Put a sequence of bytes into a buffer, one behind the other; return their end, 0 where they are longer."""
    target = ptr8(out)
    room = int(_len(out))
    count = int(_len(parts))
    at = 0
    k = 0
    while k < count:
        part = parts[k]
        source = ptr8(part)
        size = int(_len(part))
        if at + size > room:
            return 0
        i = 0
        while i < size:
            target[at] = source[i]
            at += 1
            i += 1
        k += 1
    return at


@micropython.viper
def put_length(out: ptr8, at: int, size: int) -> int:
    """Put the field Content-Length and the empty line that ends a head, for which there is room; return their end."""
    source = ptr8(b"Content-Length: \r\n\r\n")
    i = 0
    while i < 16:
        out[at] = source[i]
        at += 1
        i += 1
    place = 1
    while place * 10 <= size:
        place *= 10
    while place:
        out[at] = 48 + size // place % 10
        at += 1
        place //= 10
    while i < 20:
        out[at] = source[i]
        at += 1
        i += 1
    return at


def to_response(result):
    """Return the Response for a body, (body, status), (body, headers), (body, status, headers) or a Response."""
    if isinstance(result, Response):
        return result
    if type(result) is tuple:
        if len(result) == 2 and type(result[1]) is dict:
            return Response(result[0], 200, result[1])
        return Response(*result)
    response = Response(result)
    if response.length == STREAM:
        response.is_bare = True
    return response


def status_line(status):
    if status == 200:
        return b"HTTP/1.1 200 OK\r\n"
    # What a browser gets for most files it has already.
    if status == 304:
        return b"HTTP/1.1 304 Not Modified\r\n"
    return b"HTTP/1.1 %d %s\r\n" % (checked_status(status), reason(status))


def checked_status(status):
    """Return a status that an answer may have. Raises ValueError for another one."""
    if _type(status) is not _int or (not 200 <= status <= 599 and status != 101):
        raise mistake("status", status)
    return status


def mistake(kind, value):
    """Return the exception for a mistake of an application (see `mistakes`)."""
    from firmware.http import mistakes

    return mistakes.mistake(kind, value)


def field_lines(name, values):
    """Return a field as bytes, a line for each value of a list. Raises ValueError for what would not stay one line."""
    lines = b""
    for value in values if type(values) is list else (values,):
        lines += b"%s: %s\r\n" % (_checked(name, _TOKEN), _checked(str(value), _VALUE))
    return lines


def _add_others(parts, lines, headers):
    """Add the field lines that are in `headers` under no case of their name, and Vary, of which all lines count."""
    names = [name.lower().encode() for name in headers]
    start = at = 0
    while at < len(lines):
        name = lines[at : lines.find(b":", at)].lower()
        end = lines.find(b"\n", at) + 1
        if name in names and name != b"vary":
            parts.append(lines[start:at])
            start = end
        at = end
    parts.append(lines[start:] if start else lines)


def _checked(value, kind):
    raw = value if type(value) is bytes else value.encode()
    if not all_of(raw, 0, len(raw), kind) or (kind == _TOKEN and not raw):
        raise mistake("field", value)
    return raw
