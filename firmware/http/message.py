"""Request and Response: what a handler is given and what it gives back.

A Request is a view of a head that stands in its connection's buffer: nothing is decoded before somebody asks. It is
valid until its response is sent. `frame` says how the body is framed and whether the connection may be kept
(RFC 9112 sections 3, 6 and 9). A Response turns into bytes with `head`.
"""

from json import dumps

from firmware.http import parser
from firmware.http.errors import HTTPError, reason
from firmware.http.native import micropython, ptr8
from firmware.http.urls import decode_path, decode_text, parse_query

# Fields of which a second line cannot be joined to the first (RFC 9110 5.3): refused when asked for.
_SINGLE = (
    b"authorization",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"if-range",
    b"origin",
    b"range",
    b"sec-websocket-key",
    b"user-agent",
)

JSON = b"application/json"
HTML = b"text/html; charset=utf-8"
BINARY = b"application/octet-stream"

NO_BODY = (100, 101, 204, 304)

# Fields that only the server can get right.
_OWN = ("connection", "content-length", "date", "server", "transfer-encoding")


def text(raw):
    """Return a field's bytes as text: UTF-8, else each byte as the character of its number (ISO 8859-1)."""
    try:
        return decode_text(bytes(raw))
    except HTTPError:
        return "".join(chr(byte) for byte in raw)


def field(view, marks, name):
    """Return the value of the field `name` (lower-case bytes) as bytes, or None.

    Repeated lines are joined as RFC 9110 5.3 allows; 400 for a field of which there can be one only.
    """
    at = parser.find(view, marks, name, 0)
    if not at:
        return None
    value = bytes(view[marks[at + 2] : marks[at + 3]])
    at = parser.find(view, marks, name, at)
    while at:
        if name in _SINGLE:
            raise HTTPError(400, "The field %s is there twice." % name.decode())
        value += (b"; " if name == b"cookie" else b", ") + bytes(view[marks[at + 2] : marks[at + 3]])
        at = parser.find(view, marks, name, at)
    return value


class Headers:
    """The fields of one request as text, looked up by name in any case (see `field`)."""

    def __init__(self, view, marks):
        self._view = view
        self._marks = marks

    def get(self, name, default=None):
        """Return the value of field `name`, or `default`."""
        value = field(self._view, self._marks, name.lower().encode())
        return default if value is None else text(value)

    def __contains__(self, name):
        return parser.find(self._view, self._marks, name.lower().encode(), 0) > 0

    def __getitem__(self, name):
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def items(self):
        """Yield (name in lower case, value) of every field line, in order."""
        view = self._view
        marks = self._marks
        for at in range(parser.FIELDS, parser.FIELDS + 4 * marks[parser.COUNT], 4):
            start = end = marks[at + 1]
            while view[end] != 58:
                end += 1
            yield text(view[start:end]).lower(), text(view[marks[at + 2] : marks[at + 3]])


def _is_authority(raw):
    """Tell whether `raw` is a host that is not empty, with or without a port (RFC 9110 4.2.1)."""
    colon = raw.rfind(b":")
    host, port = raw, b""
    if colon >= 0 and not raw.endswith(b"]"):
        host, port = raw[:colon], raw[colon + 1 :]
    if port and not port.isdigit():
        return False
    if host.startswith(b"[") and host.endswith(b"]"):
        host = host[1:-1].replace(b":", b"")
    return len(host) > 0 and parser.all_of(host, 0, len(host), parser.AUTHORITY) > 0


class Request:
    """One request, a view of `source`: the connection's `view` (memoryview), `marks` and `peer`.

    `body` is the body's bytes, where it was held; `params` what the route's pattern took from the path.
    """

    body = b""
    length = 0  # of the body: bytes, or None where it is chunked
    expects = False  # whether the client waits for 100 Continue
    keep_alive = True
    params = None
    _target = _path = _args = _json = None

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
        code = marks[parser.METHOD_CODE]
        if code:
            return parser.METHODS[code]
        return text(source.view[marks[parser.METHOD] : marks[parser.METHOD_END]])

    @property
    def target(self):
        """The raw path as bytes."""
        if self._target is None:
            source = self._source
            marks = source.marks
            self._target = bytes(source.view[marks[parser.TARGET] : marks[parser.PATH_END]])
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
        return bytes(self._source.view[marks[parser.PATH_END] + 1 : marks[parser.TARGET_END]])

    @property
    def args(self):
        """The query's parameters (`urls.Args`). Raises 400 where they cannot be decoded."""
        if self._args is None:
            self._args = parse_query(self.query)
        return self._args

    @property
    def json(self):
        """The body as a JSON value. Raises 415 where its type is not JSON, 400 where it is not valid."""
        if self._json is None:
            from firmware.http import jsontext, negotiate

            kind = negotiate.media_type(self.headers.get("content-type")) or ""
            if kind != "application/json" and not kind.endswith("+json"):
                raise HTTPError(415, "The body has to be JSON, with Content-Type: application/json.")
            self._json = (jsontext.loads(self.body),)
        return self._json[0]

    def end(self):
        """Let the connection end with this request (for the server; a handler is too late)."""
        self.keep_alive = False

    def field(self, name):
        """Return a field's value as bytes, or None; `name` is lower-case bytes."""
        return field(self._source.view, self._source.marks, name)

    def is_conditional(self):
        """Tell whether there may be a field that depends on what the client has: If-... or Range."""
        return self._source.marks[parser.FLAGS] & parser.CONDITIONAL

    def frame(self, flags):
        """Settle what is not usual: the target's form, persistence, the body. Return the body's reader, or None.

        Raises 400, 413, 417 and 501 (Transfer-Encoding); none of them can be kept alive. RFC 9112 3.2, 6 and 9.3.
        """
        if flags & parser.NOT_ORIGIN:
            self._resolve()
        modern = flags & parser.MINOR_1
        if flags & parser.CLOSE or not (modern or flags & parser.KEEP_ALIVE):
            self.keep_alive = False
        if not flags & (parser.CONTENT_LENGTH | parser.TRANSFER_ENCODING | parser.EXPECT):
            return None
        from firmware.http import body

        reader = None
        if flags & parser.TRANSFER_ENCODING:
            # RFC 9112 6.1 and 6.3: both at once, or from an HTTP/1.0 client, smells of smuggling.
            if flags & parser.CONTENT_LENGTH:
                raise HTTPError(400, "Content-Length and Transfer-Encoding exclude each other.")
            if not modern:
                raise HTTPError(400, "HTTP/1.0 has no Transfer-Encoding.")
            if self.field(b"transfer-encoding").lower() != b"chunked":
                raise HTTPError(501, "The only transfer coding here is chunked.")
            reader = body.ChunkedBody()
            self.length = None
        elif flags & parser.CONTENT_LENGTH:
            self.length = body.content_length(self.field(b"content-length"))
            if self.length:
                reader = body.LengthBody(self.length)
        if flags & parser.EXPECT and modern:
            if self.field(b"expect").lower() != b"100-continue":
                raise HTTPError(417, "The only expectation here is 100-continue.")
            self.expects = reader is not None
        return reader

    def connection(self):
        """Return the Connection field line of the answer, empty where none is needed."""
        if not self.keep_alive:
            return b"Connection: close\r\n"
        return b"" if self._source.marks[parser.FLAGS] & parser.MINOR_1 else b"Connection: keep-alive\r\n"

    def _resolve(self):
        """Bring the absolute form (RFC 9112 3.2.2) to the origin form; let only OPTIONS have the asterisk form."""
        target = self.target
        # CONNECT has a form of its own; what is not known is refused as such.
        if target == b"*" and self.method == "OPTIONS" or self.method not in parser.METHODS:
            return
        for scheme in (b"http://", b"https://"):
            if target[: len(scheme)].lower() == scheme:
                path_at = target.find(b"/", len(scheme))
                host_end = len(target) if path_at < 0 else path_at
                if _is_authority(target[len(scheme) : host_end]):
                    self._target = target[host_end:] or (b"*" if self.method == "OPTIONS" else b"/")
                    return
        raise HTTPError(400, "The request target is neither a path nor a URL.")


class Response:
    """What a handler answers.

    `body` is bytes, text, a dict or list (sent as JSON), or an open file with `length` set to the bytes to send and
    `lines` to ready-made field lines (bytes), Content-Type and Content-Length among them.
    `headers` is a dict of names to text values, or to lists of them for a repeated field.
    """

    length = None
    lines = b""

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
            raise TypeError("not a body: %r" % (body,))
        self.body = body
        self.content_type = content_type or BINARY

    def set_header(self, name, value):
        """Set a field, in place of one with this very name."""
        if self.headers is None:
            self.headers = {}
        self.headers[name] = value

    def close(self):
        """Close what the body reads from."""
        if hasattr(self.body, "close"):
            self.body.close()

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
        kind = self.content_type
        if self.headers:
            for name, values in self.headers.items():
                lower = name.lower()
                if lower in _OWN:
                    raise ValueError("the server sets it: " + name)
                if lower == "content-type":
                    kind = values
                    continue
                for value in values if type(values) is list else (values,):
                    lines.append(b"%s: %s\r\n" % (_checked(name, parser.TOKEN), _checked(str(value), parser.VALUE)))
        if not self.lines:
            length = len(self.body) if self.length is None else self.length
            if length:
                lines.append(b"Content-Type: %s\r\n" % _checked(kind, parser.VALUE))
            if status not in NO_BODY:
                lines.append(b"Content-Length: %d\r\n" % length)
        lines.append(b"\r\n")
        return b"".join(lines)


def encode_json(value):
    """Return a value as JSON bytes. Raises TypeError or ValueError for what JSON has no form for."""
    content = dumps(value).encode()
    if not is_plain(content, 0, len(content)):
        raise ValueError("JSON has no form for this: " + content.decode())
    return content


@micropython.viper
def is_plain(b: ptr8, i: int, end: int) -> int:
    """Tell whether `b[i:end]`, made by json.dumps, holds no Python names: encoders write them for NaN, inf and objects."""
    while i < end:
        c = b[i]
        if c == 34:
            i += 1
            while i < end and b[i] != 34:
                if b[i] == 92:
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
    return 1


def to_response(result):
    """Return the Response for what a handler returned: a body, (body, status), (body, status, headers) or a Response."""
    if isinstance(result, Response):
        return result
    if type(result) is tuple:
        return Response(*result)
    return Response(result)


def _status_line(status):
    return b"HTTP/1.1 200 OK\r\n" if status == 200 else b"HTTP/1.1 %d %s\r\n" % (status, reason(status))


def _checked(value, kind):
    raw = value if type(value) is bytes else value.encode()
    if not parser.all_of(raw, 0, len(raw), kind) or (kind == parser.TOKEN and not raw):
        raise ValueError("not a header field: %r" % value)
    return raw


def format_date(moment):
    """Return an IMF-fixdate (RFC 9110 5.6.7) as bytes for a `time.gmtime()` tuple."""
    year, month, day, hour, minute, second, weekday = moment[:7]
    names = "MonTueWedThuFriSatSun"
    months = "JanFebMarAprMayJunJulAugSepOctNovDec"
    return b"%s, %02d %s %d %02d:%02d:%02d GMT" % (
        names[3 * weekday : 3 * weekday + 3].encode(),
        day,
        months[3 * month - 3 : 3 * month].encode(),
        year,
        hour,
        minute,
        second,
    )
