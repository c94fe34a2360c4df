"""What a handler gives back: status, field lines and body, checked and turned into bytes.

`to_response` makes a Response of whatever a handler may return, `encode_json` bytes of a dict or list.
"""

from json import dumps

from firmware.http.errors import HTTPError, reason
from firmware.http.native import const, micropython, ptr8
from firmware.http.parser import all_of
from firmware.http.urls import decode_text

# `layout`'s kinds, folded by the compiler only where they are written; a test compares.
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
    `set_header`, and a Response that is returned again keeps what they have set. `trailers` is one, too, sent behind a
    generator's last chunk to who asked for trailers; the generator may still change its values.
    """

    # A value that is not set costs nothing: most responses have few.
    status = 200
    headers = content_type = None
    length = None
    lines = b""
    trailers = None
    # Whether a generator alone was returned: where one yields nothing, MicroPython cannot tell it from a function.
    is_bare = False
    is_brief = False  # whether a generator ends as soon as it is read, and so takes no long-lived connection's place
    sent = None  # bytes of the body, once they are with the client

    # Functions on a request's way have at most 11 names, stack slots and (three each) `try`. With more, their frame is
    # on the heap, and the allocator then searches all garbage again from there. A test counts.

    def __init__(self, body=b"", status=200, headers=None, content_type=None):
        """Raises TypeError and ValueError for what cannot be sent."""
        if status != 200:
            self.status = status
        if headers:
            self.headers = headers
        if content_type is not None:
            self.content_type = content_type
        if type(body) is bytes:
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
                raise TypeError("not a body: %r" % (body,))
        self.body = body

    def set_header(self, name, value):
        """Set a field, in place of one with this very name."""
        # The dict may be the application's own, for many responses.
        self.headers = dict(self.headers or {})
        self.headers[name] = value

    def close(self):
        """Close what the body reads from."""
        # A stream is ended by who has begun it.
        if self.length != STREAM and hasattr(self.body, "close"):
            self.body.close()

    def head(self, common, more=b""):
        """Return the head as bytes: status line, `common`, the response's own field lines and `more` (`Request.lines`).

        Of `more` is left out what `headers` has, too. Raises ValueError and TypeError, before anything is sent, for a
        field that would not stay one line or is the server's own, and for a status that is none.
        """
        if self.lines and not self.headers:
            return b"".join((_status_line(self.status), common, self.lines, more, b"\r\n"))
        return b"".join(self._parts(common, more))

    def _parts(self, common, more):
        status = self.status
        if type(status) is not int or (not 200 <= status <= 599 and status != 101):
            raise ValueError("not a status: %r" % (status,))
        lines = [_status_line(status), common, self.lines]
        kind = self.content_type or BINARY
        if self.headers:
            if more:
                more = _others(more, self.headers)
            for name, values in self.headers.items():
                lower = name.lower()
                if " %s " % lower in _OWN:
                    raise ValueError("the server sets it: " + name)
                if lower == "content-type":
                    kind = values
                    continue
                lines.append(field_lines(name, values))
        if not self.lines:
            length = len(self.body) if self.length is None else self.length
            if length and status != 101:
                lines.append(b"Content-Type: %s\r\n" % _checked(kind, _VALUE))
            if status not in NO_BODY and length != STREAM:
                lines.append(b"Content-Length: %d\r\n" % length)
        lines.append(more)
        lines.append(b"\r\n")
        return lines


def encode_json(value):
    """Return a value as JSON bytes. Raises TypeError or ValueError for what JSON has no form for."""
    content = dumps(value).encode()
    found = is_plain(content, 0, len(content))
    if not found or found == 2 and not _is_utf_8(content):
        raise ValueError("JSON has no form for this: %r" % content)
    return content


def _is_utf_8(raw):
    try:
        decode_text(raw)
        return True
    except HTTPError:
        return False


@micropython.viper
def is_plain(b: ptr8, i: int, end: int) -> int:
    """Tell whether `b[i:end]`, made by json.dumps, is free of what encoders write for NaN, objects and sets.

    Returns 0 where it is not, 2 where it has yet to be looked at for UTF-8, else 1.
    """
    found = 1
    while i < end:
        c = b[i]
        if c == 34:
            i += 1
            while i < end and b[i] != 34:
                if b[i] > 127:
                    found = 2
                elif b[i] == 92:
                    i += 1
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


def to_response(result):
    """Return the Response for a handler's body, (body, status), (body, status, headers) or Response."""
    if isinstance(result, Response):
        return result
    if type(result) is tuple:
        return Response(*result)
    response = Response(result)
    if response.length == STREAM:
        response.is_bare = True
    return response


def _status_line(status):
    if status == 200:
        return b"HTTP/1.1 200 OK\r\n"
    # What a browser gets for most files it has already.
    if status == 304:
        return b"HTTP/1.1 304 Not Modified\r\n"
    return b"HTTP/1.1 %d %s\r\n" % (status, reason(status))


def field_lines(name, values):
    """Return a field as bytes, a line for each value of a list. Raises ValueError for what would not stay one line."""
    lines = b""
    for value in values if type(values) is list else (values,):
        lines += b"%s: %s\r\n" % (_checked(name, _TOKEN), _checked(str(value), _VALUE))
    return lines


def _others(lines, headers):
    """Return the field lines that are in `headers` under no case of their name, and Vary, of which all lines count."""
    folded = lines.lower()
    for name in headers:
        if (name.lower() + ":").encode() in folded:
            names = [name.lower().encode() for name in headers if name.lower() != "vary"]
            return b"".join(
                [line + b"\r\n" for line in lines.split(b"\r\n")[:-1] if line[: line.find(b":")].lower() not in names]
            )
    return lines


def _checked(value, kind):
    raw = value if type(value) is bytes else value.encode()
    if not all_of(raw, 0, len(raw), kind) or (kind == _TOKEN and not raw):
        raise ValueError("not a header field: %r" % value)
    return raw
