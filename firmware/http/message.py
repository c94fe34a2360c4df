"""Request and Response: what a handler is given and what it gives back.

A Request is a view of a head that stands in its connection's buffer: nothing is decoded before somebody asks. It is
valid until its response is sent. `frame` says how the body is framed and whether the connection may be kept
(RFC 9112 sections 3, 6 and 9). A Response turns into bytes with `head`.
"""

from firmware.http import parser
from firmware.http.errors import REASONS, HTTPError
from firmware.http.urls import decode_path, parse_query

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


def text(raw):
    """Return a field's bytes as text: UTF-8, else each byte as the character of its number (ISO 8859-1)."""
    try:
        return bytes(raw).decode()
    except UnicodeError:
        return "".join(chr(byte) for byte in raw)


class Headers:
    """The fields of one request, looked up by name in any case. Repeated ones are joined as RFC 9110 5.3 allows."""

    def __init__(self, view, marks):
        self._view = view
        self._marks = marks

    def raw(self, name):
        """Return the value of field `name` (lower-case bytes) as bytes, or None. Raises 400 for a repeated single field."""
        view = self._view
        marks = self._marks
        at = parser.find(view, marks, name, 0)
        if not at:
            return None
        value = bytes(view[marks[at + 2] : marks[at + 3]])
        while True:
            at = parser.find(view, marks, name, at)
            if not at:
                return value
            if name in _SINGLE:
                raise HTTPError(400, "The field %s is there twice." % name.decode())
            joint = b"; " if name == b"cookie" else b", "
            value = value + joint + bytes(view[marks[at + 2] : marks[at + 3]])

    def get(self, name, default=None):
        """Return the value of field `name` as text, or `default`."""
        value = self.raw(name.lower().encode())
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


class Request:
    """One request; its slot's next one may use the same object.

    `method` is text; `target` the raw path as bytes; `body` the body's bytes, where it was held; `params` what the
    route's pattern took from the path.
    """

    def __init__(self, view, marks, peer):
        self._view = view
        self._marks = marks
        self.clear(peer)

    def clear(self, peer):
        """Forget the last request; the slot sets `method` and `target` from the next one's head."""
        self.dirty = False
        self.peer = peer
        self.keep_alive = True
        self.body = b""
        self.length = 0  # of the body: bytes, or None where it is chunked
        self.expects = False  # whether the client waits for 100 Continue
        self.params = self._path = self._args = self._json = None

    def other_method(self):
        """Return the method's name where it is none of METHODS."""
        marks = self._marks
        return text(self._view[marks[parser.METHOD] : marks[parser.METHOD_END]])

    def expire(self):
        """Cut the view: the buffer behind it is about to hold something else."""
        self._view = self._marks = None

    @property
    def headers(self):
        """The request's fields."""
        return Headers(self._view, self._marks)

    @property
    def path(self):
        """The path as text, percent-decoded once. Raises 400 where that fails."""
        if self._path is None:
            self.dirty = True
            self._path = decode_path(self.target)
        return self._path

    @property
    def query(self):
        """The raw query as bytes, without its question mark."""
        return bytes(self._view[self._marks[parser.PATH_END] + 1 : self._marks[parser.TARGET_END]])

    @property
    def args(self):
        """The query's parameters (`urls.Args`). Raises 400 where they cannot be decoded."""
        if self._args is None:
            self.dirty = True
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
            self.dirty = True
            self._json = (jsontext.loads(self.body),)
        return self._json[0]

    def close(self):
        """Let the connection end with this request."""
        self.keep_alive = False
        self.dirty = True

    def is_conditional(self):
        """Tell whether there may be a field that depends on what the client has: If-... or Range."""
        return self._marks[parser.FLAGS] & parser.CONDITIONAL

    def frame(self, flags):
        """Settle what is not usual: the target's form, persistence, the body. Return the body's reader, or None.

        Raises 400, 413, 417 and 501 (Transfer-Encoding); none of them can be kept alive. RFC 9112 3.2, 6 and 9.3.
        """
        self.dirty = True
        if flags & parser.NOT_ORIGIN:
            self._resolve()
        modern = flags & parser.MINOR_1
        if flags & parser.CLOSE or not (modern or flags & parser.KEEP_ALIVE):
            self.keep_alive = False
        if not flags & (parser.CONTENT_LENGTH | parser.TRANSFER_ENCODING | parser.EXPECT):
            return None
        from firmware.http import body

        fields = self.headers
        reader = None
        if flags & parser.TRANSFER_ENCODING:
            # RFC 9112 6.1 and 6.3: both at once, or from an HTTP/1.0 client, smells of smuggling.
            if flags & parser.CONTENT_LENGTH:
                raise HTTPError(400, "Content-Length and Transfer-Encoding exclude each other.")
            if not modern:
                raise HTTPError(400, "HTTP/1.0 has no Transfer-Encoding.")
            if fields.raw(b"transfer-encoding").lower() != b"chunked":
                raise HTTPError(501, "The only transfer coding here is chunked.")
            reader = body.ChunkedBody()
            self.length = None
        elif flags & parser.CONTENT_LENGTH:
            self.length = body.content_length(fields.raw(b"content-length"))
            if self.length:
                reader = body.LengthBody(self.length)
        if flags & parser.EXPECT and modern:
            if fields.raw(b"expect").lower() != b"100-continue":
                raise HTTPError(417, "The only expectation here is 100-continue.")
            self.expects = reader is not None
        return reader

    def connection(self):
        """Return the Connection field line of the answer, empty where none is needed."""
        if not self.keep_alive:
            return b"Connection: close\r\n"
        return b"" if self._marks[parser.FLAGS] & parser.MINOR_1 else b"Connection: keep-alive\r\n"

    def _resolve(self):
        """Bring the absolute form (RFC 9112 3.2.2) to the origin form; let only OPTIONS have the asterisk form."""
        target = self.target
        if target == b"*" and self.method == "OPTIONS":
            return
        for scheme in (b"http://", b"https://"):
            if target[: len(scheme)].lower() == scheme:
                path_at = target.find(b"/", len(scheme))
                host_end = len(target) if path_at < 0 else path_at
                if host_end > len(scheme) and parser.all_of(target, len(scheme), host_end, parser.AUTHORITY):
                    self.target = target[host_end:] or (b"*" if self.method == "OPTIONS" else b"/")
                    return
        raise HTTPError(400, "The request target is neither a path nor a URL.")


class Response:
    """What a handler answers.

    `body` is bytes, text, a dict or list (sent as JSON), or an open file with `length` set to the bytes to send.
    `headers` is a dict of names to text values, or to lists of them for a repeated field.
    """

    length = None
    lines = b""  # further field lines, ready made

    def __init__(self, body=b"", status=200, headers=None, content_type=None):
        self.status = status
        self.headers = headers
        kind = type(body)
        if kind is dict or kind is list:
            import json

            body = json.dumps(body).encode()
            content_type = content_type or JSON
        elif kind is str:
            body = body.encode()
            content_type = content_type or HTML
        elif body is None:
            body = b""
            self.status = 204 if status == 200 else status
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
        """Return the head as bytes: status line, `common` (field lines as bytes), the response's own fields, `connection`.

        Raises ValueError for a field that would not stay one line, before anything is sent.
        """
        status = self.status
        lines = [_status_line(status), common]
        if status not in NO_BODY:
            length = len(self.body) if self.length is None else self.length
            if length:
                kind = self.content_type
                kind = kind if type(kind) is bytes else _checked(kind, parser.VALUE)
                lines.append(b"Content-Type: %s\r\nContent-Length: %d\r\n" % (kind, length))
            else:
                lines.append(b"Content-Length: 0\r\n")
        if self.headers:
            for name, values in self.headers.items():
                for value in values if type(values) is list else (values,):
                    lines.append(b"%s: %s\r\n" % (_checked(name, parser.TOKEN), _checked(str(value), parser.VALUE)))
        lines.append(self.lines)
        lines.append(connection)
        lines.append(b"\r\n")
        return b"".join(lines)


def to_response(result):
    """Return the Response for what a handler returned: a body, (body, status), (body, status, headers) or a Response."""
    if isinstance(result, Response):
        return result
    if type(result) is tuple:
        return Response(*result)
    return Response(result)


_status_lines = {}


def _status_line(status):
    line = _status_lines.get(status)
    if line is None:
        line = _status_lines[status] = b"HTTP/1.1 %d %s\r\n" % (status, REASONS.get(status, b"Unknown"))
    return line


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
