"""What a handler is given: a view of a head that stands in its connection's buffer.

Nothing is decoded before somebody asks; a field is looked for by its name's hash (RFC 9110 section 5). A Request is
valid until its response is sent. `frame` says how the body is framed and whether the connection may be kept
(RFC 9112 sections 3, 6 and 9).
"""

import sys

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.parser import METHODS, brackets, find
from firmware.http.urls import decode_path, text

# `parser`'s places and bits, folded by the compiler only where they are written; a test compares.
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


# A builtin's name is looked for in the module, then in a list of 99.
_bytes = bytes

_modules = sys.modules
# What of a module is wanted: without it `__import__` would return the package.
_ANY_NAME = ("made",)


def loaded(name):
    """Return the module of this name, imported where it is not there. An `import` of one that is costs ten times this.

    Nothing is kept: what has been forgotten since (see `server/loader`) is loaded anew.
    """
    return _modules.get(name) or __import__(name, None, None, _ANY_NAME)


# Fields of which a second line cannot be joined to the first (RFC 9110 5.3): refused when asked for.
_SINGLE = (
    b" authorization content-encoding content-range content-type if-range origin range sec-websocket-key user-agent "
)


def field(view, marks, name):
    """Return the value of the field `name` (lower-case bytes) as bytes, or None.

    Repeated lines are joined as RFC 9110 5.3 allows; 400 for a field of which there can be one only.
    """
    at = find(view, marks, name, 0)
    if at and find(view, marks, name, at):
        return _join(view, marks, name, at)
    return _bytes(view[marks[at + 2] : marks[at + 3]]) if at else None


def _join(view, marks, name, at):
    value = _bytes(view[marks[at + 2] : marks[at + 3]])
    at = find(view, marks, name, at)
    while at:
        if b" %s " % name in _SINGLE:
            raise HTTPError(400, "The field %s is there twice." % name.decode())
        value += (b"; " if name == b"cookie" else b", ") + _bytes(view[marks[at + 2] : marks[at + 3]])
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


class NoBody:
    """What a handler reads where there is no body: an asynchronous iterator of nothing."""

    def __aiter__(self):
        return self

    async def __anext__(self):
        raise StopAsyncIteration


class Request:
    """One request, a view of the head in `slot`: its `view` (memoryview), `marks`, `again`, `address()` and `server`.

    `method` is text, `target` the raw path as bytes; `body` is the body's bytes, where it was held; `params` what the
    route's pattern took from the path.
    """

    method = METHODS[1]
    body = b""
    length = 0  # of the body: bytes, or None where it is chunked
    reader = None  # of the body, where there is one: it knows where that ends
    incoming = None  # of the body: an iterator, where the route says that its handler takes one
    expects = False  # whether the client waits for 100 Continue
    keep_alive = True
    has_failed = False  # whether an error page was asked
    looks = 0  # how often the server could not see whether the client is still there
    params = None
    answer_lines = b""  # field lines of features, ready-made, for whatever is answered
    connection_line = b""  # the field line Connection of the answer, where one is due
    # What features leave here for each other: `requestid`, `log`.
    raw_id = began = None
    is_quiet = False
    origins = ()  # of pages that count as this server's own (see `http/origin.py`)

    def __init__(self, slot):
        self.slot = slot
        marks = slot.marks
        code = marks[_METHOD_CODE]
        # Most have the first of all, GET: the fewer there are, the smaller is the dict.
        if code != 1:
            self.method = METHODS[code] if code else text(slot.view[marks[_METHOD] : marks[_METHOD_END]])
        if slot.again is None:
            self.target = _bytes(slot.view[marks[_TARGET] : marks[_PATH_END]])
        else:
            self.target = slot.again[4]

    def __getattr__(self, name):
        """Make what is asked for, the first time: `headers`, `path`, `args`, `cookies`, `json` and so on (below).

        Properties would say it more directly; but a class that has one looks two names up at each store to its objects.
        """
        make = _MADE.get(name)
        if make is None:
            raise AttributeError(name)
        if type(make) is str:
            value = loaded(make).made(self, name)
        else:
            value = make(self)
        # These depend on more than the head.
        if name != "headers" and name != "id" and name != "clock":
            setattr(self, name, value)
        return value

    def stream(self):
        """Return the body as an asynchronous iterator of memoryviews, each valid until the next one is asked for.

        For the handlers of routes with `stream=True`. Raises (from the iterator) 400 and 413 for wrong framing.
        """
        return self.incoming or NoBody()

    def is_http_1_1(self):
        """Tell whether the client knows HTTP/1.1."""
        return self.slot.marks[_FLAGS] & _MINOR_1 > 0

    def end(self):
        """Let the connection end with this request (for the server; a handler is too late)."""
        self.keep_alive = False
        self.connection_line = b"Connection: close\r\n"

    def field(self, name):
        """Return a field's value as bytes, or None; `name` is lower-case bytes."""
        slot = self.slot
        if slot.again is None:
            return field(slot.view, slot.marks, name)
        # The head has come before (see `receive.expect_again`).
        known = slot.again[5]
        if name not in known:
            known[name] = field(slot.view, slot.marks, name)
        return known[name]

    def is_conditional(self):
        """Tell whether there may be a field that depends on what the client has: If-... or Range."""
        return self.slot.marks[_FLAGS] & _CONDITIONAL

    def frame(self, flags):
        """Settle what is not usual: the target's form, persistence, the body. Return the body's reader, or None.

        Raises 400, 413, 417 and 501 (Transfer-Encoding); none of them can be kept alive. RFC 9112 3.2, 6 and 9.3.
        """
        if not flags & _MINOR_1 and not flags & _KEEP_ALIVE or flags & _CLOSE:
            self.end()
        elif not flags & _MINOR_1:
            self.connection_line = b"Connection: keep-alive\r\n"
        if flags & _UNUSUAL or brackets[0]:
            return loaded("firmware.http.framing").frame(self, flags)
        return None

    def lines(self):
        """Return the answer's field lines that are due to the request: the features', Connection where it is needed."""
        return self.answer_lines + self.connection_line


def _path(request):
    """The path as text, percent-decoded once. Raises 400 where that fails."""
    return decode_path(request.target)


def _query(request):
    """The raw query as bytes, without its question mark."""
    marks = request.slot.marks
    return _bytes(request.slot.view[marks[_PATH_END] + 1 : marks[_TARGET_END]])


_MADE = {
    "headers": lambda request: Headers(request.slot.view, request.slot.marks),
    "path": _path,
    "query": _query,
    # By `made` of a module, loaded by the first request that needs it.
    "args": "firmware.http.query",
    "cookies": "firmware.http.cookies",
    "form": "firmware.http.query",
    "json": "firmware.http.jsontext",
    "id": lambda request: request.raw_id and request.raw_id.decode(),  # text, where `features.requestid` is attached
    "client": lambda request: request.slot.address(),  # text
    "app": lambda request: request.slot.app,  # whose route it is
    "clock": lambda request: request.slot.server.clock,  # in sweeps of `limits.SWEEP_MS`
}
