"""Request and Response: what a handler is given and what it gives back.

A Request is a view of a head that stands in its connection's buffer: nothing is decoded before somebody asks. It is
valid until its response is sent. `frame` says how the body is framed and whether the connection may be kept
(RFC 9112 sections 3, 6 and 9). A Response turns into bytes with `head`.
"""

from json import dumps

from firmware.http.errors import HTTPError, reason
from firmware.http.headers import Headers, field, text
from firmware.http.native import const, micropython, ptr8
from firmware.http.parser import METHODS, all_of
from firmware.http.urls import decode_path, decode_text

# `layout`'s places, bits and kinds, folded by the compiler only where they are written; a test compares.
_METHOD = const(2)
_METHOD_END = const(3)
_TARGET = const(4)
_PATH_END = const(5)
_TARGET_END = const(6)
_METHOD_CODE = const(7)
_FLAGS = const(8)
_MINOR_1 = const(1)
_CLOSE = const(128)
_KEEP_ALIVE = const(256)
_CONDITIONAL = const(2048)
_TOKEN = const(1)
_VALUE = const(4)
_UNUSUAL = const(116)  # NOT_ORIGIN, CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT

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


class Request:
    """One request, a view of `source`: the connection's `view` (memoryview), `marks` and `peer`.

    `body` is the body's bytes, where it was held; `params` what the route's pattern took from the path.
    """

    body = b""
    length = 0  # of the body: bytes, or None where it is chunked
    expects = False  # whether the client waits for 100 Continue
    keep_alive = True
    params = None
    _stream = None  # of the body: an iterator, where the route says that its handler takes one
    _target = _path = _args = _json = _form = None

    def __init__(self, source):
        self._source = source

    def expire(self):
        """Cut the view: the buffer behind it is about to hold something else, perhaps of somebody else."""
        self._source = None

    @property
    def method(self):
        """The method as text."""
        source = self._source
        marks = source.marks
        code = marks[_METHOD_CODE]
        if code:
            return METHODS[code]
        return text(source.view[marks[_METHOD] : marks[_METHOD_END]])

    @property
    def target(self):
        """The raw path as bytes."""
        if self._target is None:
            source = self._source
            marks = source.marks
            self._target = bytes(source.view[marks[_TARGET] : marks[_PATH_END]])
        return self._target

    @property
    def headers(self):
        """The request's fields."""
        return Headers(self._source.view, self._source.marks)

    @property
    def path(self):
        """The path as text, percent-decoded once. Raises 400 where that fails."""
        if self._path is None:
            self._path = decode_path(self.target)
        return self._path

    @property
    def query(self):
        """The raw query as bytes, without its question mark."""
        marks = self._source.marks
        return bytes(self._source.view[marks[_PATH_END] + 1 : marks[_TARGET_END]])

    @property
    def args(self):
        """The query's parameters (`query.Args`). Raises 400 where they cannot be decoded."""
        if self._args is None:
            from firmware.http.query import parse_query

            self._args = parse_query(self.query)
        return self._args

    @property
    def json(self):
        """The body as a JSON value. Raises 415 where its type is not JSON, 400 where it is not valid."""
        if self._json is None:
            from firmware.http.jsontext import parse_body

            self._json = (parse_body(self.headers.get("content-type"), self.body),)
        return self._json[0]

    @property
    def form(self):
        """The fields of the form that is the body (`query.Args`). Raises 415 where it is none, 400 for a bad one.

        Files and long forms are for `features.uploads`.
        """
        if self._form is None:
            from firmware.http.query import parse_form

            self._form = parse_form(self.headers.get("content-type"), self.body)
        return self._form

    @property
    def client(self):
        """The client's address as text."""
        return self._source.address()

    def stream(self):
        """Return the body as an asynchronous iterator of memoryviews, each valid until the next one is asked for.

        For the handlers of routes with `stream=True`. Raises (from the iterator) 400 and 413 for wrong framing.
        """
        return self._stream

    def is_http_1_1(self):
        """Tell whether the client knows HTTP/1.1."""
        return self._source.marks[_FLAGS] & _MINOR_1 > 0

    def end(self):
        """Let the connection end with this request (for the server; a handler is too late)."""
        self.keep_alive = False

    def field(self, name):
        """Return a field's value as bytes, or None; `name` is lower-case bytes."""
        return field(self._source.view, self._source.marks, name)

    def is_conditional(self):
        """Tell whether there may be a field that depends on what the client has: If-... or Range."""
        return self._source.marks[_FLAGS] & _CONDITIONAL

    def frame(self, flags):
        """Settle what is not usual: the target's form, persistence, the body. Return the body's reader, or None.

        Raises 400, 413, 417 and 501 (Transfer-Encoding); none of them can be kept alive. RFC 9112 3.2, 6 and 9.3.
        """
        if not flags & _MINOR_1 and not flags & _KEEP_ALIVE or flags & _CLOSE:
            self.keep_alive = False
        if flags & _UNUSUAL:
            from firmware.http.framing import frame

            return frame(self, flags)
        return None

    def connection(self, option=b""):
        """Return the Connection field line of the answer, empty where none is needed."""
        if option:
            return b"Connection: %s%s\r\n" % (option, b"" if self.keep_alive else b", close")
        if not self.keep_alive:
            return b"Connection: close\r\n"
        return b"" if self._source.marks[_FLAGS] & _MINOR_1 else b"Connection: keep-alive\r\n"


class Response:
    """What a handler answers.

    `body` is bytes, text, a dict or list (sent as JSON), a generator of bytes or text, or an open file, `length` set
    to the bytes to send and `lines` to ready-made field lines (bytes), Content-Type and Content-Length among them.
    `headers` is a dict of names to text values, or to lists of them for a repeated field. `trailers` is one, too, sent
    behind a generator's last chunk to who asked for trailers; the generator may still change its values.
    """

    length = None
    lines = b""
    trailers = None
    # Whether a generator alone was returned: where one yields nothing, MicroPython cannot tell it from a function.
    is_bare = False
    sent = None  # bytes of the body, once they are with the client

    def __init__(self, body=b"", status=200, headers=None, content_type=None):
        """Raises TypeError and ValueError for what cannot be sent."""
        self.status = status
        self.headers = headers
        kind = type(body)
        if kind is bytes or kind is bytearray:
            pass
        elif kind is dict or kind is list:
            body = encode_json(body)
            content_type = content_type or JSON
        elif kind is str:
            body = body.encode()
            content_type = content_type or HTML
        elif body is None:
            body = b""
            self.status = 204 if status == 200 else status
        elif not hasattr(body, "readinto"):
            for name in _STREAMS:
                if hasattr(body, name):
                    self.length = STREAM
                    break
            else:
                raise TypeError("not a body: %r" % (body,))
        self.body = body
        self.content_type = content_type

    def set_header(self, name, value):
        """Set a field, in place of one with this very name."""
        # The dict may be the application's own, for many responses.
        self.headers = dict(self.headers or {})
        self.headers[name] = value

    def trailer_lines(self):
        """Return the trailers as bytes. Raises ValueError as `head` does."""
        return b"".join([_field_lines(name, values) for name, values in (self.trailers or {}).items()])

    def close(self):
        """Close what the body reads from."""
        # A stream is ended by who has begun it.
        if self.length != STREAM and hasattr(self.body, "close"):
            self.body.close()

    def head_into(self, view, common, connection):
        """Write the head of a response with `lines` and no other fields to the start of `view`; return its length."""
        stop = 0
        for part in (_status_line(self.status), common, self.lines, connection, b"\r\n"):
            start = stop
            stop += len(part)
            view[start:stop] = part
        return stop

    def head(self, common, connection=b""):
        """Return the head as bytes: status line, `common` and the response's own field lines, `connection`.

        Raises ValueError and TypeError, before anything is sent, for a field that would not stay one line or is the
        server's own, and for a status that is none.
        """
        status = self.status
        if self.lines and not self.headers:
            return b"".join((_status_line(status), common, self.lines, connection, b"\r\n"))
        if type(status) is not int or (not 200 <= status <= 599 and status != 101):
            raise ValueError("not a status: %r" % (status,))
        lines = [_status_line(status), common, self.lines, connection]
        kind = self.content_type or BINARY
        if self.headers:
            for name, values in self.headers.items():
                lower = name.lower()
                if " %s " % lower in _OWN:
                    raise ValueError("the server sets it: " + name)
                if lower == "content-type":
                    kind = values
                    continue
                lines.append(_field_lines(name, values))
        if not self.lines:
            length = len(self.body) if self.length is None else self.length
            if length and status != 101:
                lines.append(b"Content-Type: %s\r\n" % _checked(kind, _VALUE))
            if status not in NO_BODY and length != STREAM:
                lines.append(b"Content-Length: %d\r\n" % length)
        lines.append(b"\r\n")
        return b"".join(lines)


def encode_json(value):
    """Return a value as JSON bytes. Raises TypeError or ValueError for what JSON has no form for."""
    content = dumps(value).encode()
    found = is_plain(content, 0, len(content))
    if found == 2:
        try:
            decode_text(content)
        except HTTPError:
            found = 0
    if not found:
        raise ValueError("JSON has no form for this: %r" % content)
    return content


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


def _field_lines(name, values):
    lines = b""
    for value in values if type(values) is list else (values,):
        lines += b"%s: %s\r\n" % (_checked(name, _TOKEN), _checked(str(value), _VALUE))
    return lines


def _checked(value, kind):
    raw = value if type(value) is bytes else value.encode()
    if not all_of(raw, 0, len(raw), kind) or (kind == _TOKEN and not raw):
        raise ValueError("not a header field: %r" % value)
    return raw
