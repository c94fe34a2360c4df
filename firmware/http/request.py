"""What a handler is given: a view of a head that stands in its connection's buffer.

Nothing is decoded before somebody asks; a field is looked for by its name's hash (RFC 9110 section 5). A Request is
valid until its response is sent. `frame` says how the body is framed and whether the connection may be kept
(RFC 9112 sections 3, 6 and 9).
"""

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.parser import METHODS, find
from firmware.http.urls import decode_path, decode_text

# `layout`'s places and bits, folded by the compiler only where they are written; a test compares.
_METHOD = const(2)
_METHOD_END = const(3)
_TARGET = const(4)
_PATH_END = const(5)
_TARGET_END = const(6)
_METHOD_CODE = const(7)
_FLAGS = const(8)
_COUNT = const(9)
_FIELDS = const(10)
_MINOR_1 = const(1)
_CLOSE = const(128)
_KEEP_ALIVE = const(256)
_CONDITIONAL = const(2048)
_UNUSUAL = const(116)  # NOT_ORIGIN, CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT


# Fields of which a second line cannot be joined to the first (RFC 9110 5.3): refused when asked for.
_SINGLE = (
    b" authorization content-encoding content-range content-type if-range origin range sec-websocket-key user-agent "
)


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
    at = find(view, marks, name, 0)
    if not at:
        return None
    if find(view, marks, name, at):
        return _join(view, marks, name, at)
    return bytes(view[marks[at + 2] : marks[at + 3]])


def _join(view, marks, name, at):
    value = bytes(view[marks[at + 2] : marks[at + 3]])
    at = find(view, marks, name, at)
    while at:
        if b" %s " % name in _SINGLE:
            raise HTTPError(400, "The field %s is there twice." % name.decode())
        value += (b"; " if name == b"cookie" else b", ") + bytes(view[marks[at + 2] : marks[at + 3]])
        at = find(view, marks, name, at)
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
        return find(self._view, self._marks, name.lower().encode(), 0) > 0

    def __getitem__(self, name):
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def items(self):
        """Yield (name in lower case, value) of every field line, in order."""
        view = self._view
        marks = self._marks
        for at in range(_FIELDS, _FIELDS + 4 * marks[_COUNT], 4):
            start = end = marks[at + 1]
            while view[end] != 58:
                end += 1
            yield text(view[start:end]).lower(), text(view[marks[at + 2] : marks[at + 3]])


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
    answer_lines = b""  # field lines of features, ready-made, for whatever is answered
    # What features leave here for each other: `requestid`, `log`.
    raw_id = began = None
    is_quiet = False

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
    def id(self):
        """The request's id as text, where `features.requestid` is attached, else None."""
        return self.raw_id and self.raw_id.decode()

    @property
    def client(self):
        """The client's address as text."""
        return self._source.client or self._source.address()

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

    def lines(self):
        """Return the answer's field lines that are due to the request: the features', Connection where it is needed."""
        if not self.keep_alive:
            return self.answer_lines + b"Connection: close\r\n"
        if self._source.marks[_FLAGS] & _MINOR_1:
            return self.answer_lines
        return self.answer_lines + b"Connection: keep-alive\r\n"
