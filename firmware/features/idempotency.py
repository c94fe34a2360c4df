"""Idempotency-Key: a POST that is sent again, because its answer got lost, is done once.

    @app.post("/users")
    @idempotent
    def create(request): ...

What the handler answered first to a key is what every repetition gets (draft-ietf-httpapi-idempotency-key-header-07).
The key is a string as structured fields have it, `Idempotency-Key: "8e03978e-40d5"`; without one nothing changes. 400:
it is no such string. 422: it came with another request before. 409: that one is still running.

A key is its user's (`request.user`, so what sets it stands above), or else its address's. It is kept, in RAM, for
KEEP_S, unless so many others come that the oldest have to go. Not kept are errors of the server and what another try
may change: then the request runs again, as one does whose handler was cancelled because its client had gone. For
handlers that have `request.body`; a body that is read as a stream is not compared.
"""

from hashlib import sha256

from firmware.http.errors import HTTPError
from firmware.http.response import Response, to_response
from firmware.server import transport
from firmware.server.limits import SWEEP_MS

# Longer than anybody waits before the next try.
KEEP_S = 600
_KEEP_SWEEPS = KEEP_S * 1000 // SWEEP_MS

# A page's retries, several times over, and what their answers may take in all.
MAX_KEYS = 16
MAX_BYTES = 4096
# One answer: a record and its Location. A longer one is not kept; that its request was done is.
MAX_ANSWER_BYTES = 1024

# As much as a known service takes; most send a UUID of 36.
MAX_KEY_BYTES = 255

# What may be different next time although the request is the same: who asks, what else runs, how much is asked.
_PASSING = (401, 403, 408, 409, 425, 429)

_TOO_LONG = "This was done already. What was answered is too long to be kept."


def parse_key(raw):
    """Return the key in a field's value (bytes), a structured field's String (RFC 8941 3.3.3). Raises 400."""
    # A backslash stands only before itself or a quote.
    plain = raw[1:-1].replace(b"\\\\", b"").replace(b'\\"', b"")
    if not (
        2 < len(raw) <= MAX_KEY_BYTES + 2
        and raw[0] == raw[-1] == 34
        and b'"' not in plain
        and b"\\" not in plain
        and all(32 <= byte < 127 for byte in plain)
    ):
        raise HTTPError(
            400, 'Idempotency-Key is a string of 1 to %d printable characters in quotes, as "3f2a".' % MAX_KEY_BYTES
        )
    return raw[1:-1]


class _Entry:
    """A key that was used: `answer` is None while its request runs, False where it is too long to be kept."""

    answer = None
    size = 0

    def __init__(self, key, fingerprint, until, request):
        self.key = key
        self.fingerprint = fingerprint
        self.until = until  # a sweep
        self.request = request  # while it runs

    def is_over(self, clock):
        """Tell whether it is too old, or its request ended without a word: a task that never came to its first step."""
        if self.answer is None:
            return self.request.slot is None
        return self.until <= clock


class Store:
    """What was answered to which key, the oldest first."""

    def __init__(self):
        self._entries = []

    def begin(self, key, fingerprint, clock, request):
        """Return (entry, whether its request is to be run now). Raises 422 and 409."""
        self._entries = [entry for entry in self._entries if not entry.is_over(clock)]
        for entry in self._entries:
            if entry.key == key:
                if entry.fingerprint != fingerprint:
                    raise HTTPError(422, "This Idempotency-Key came with another request.")
                if entry.answer is None:
                    raise HTTPError(409, "The first request with this key is still running.", {"Retry-After": "1"})
                if entry.answer is False:
                    raise HTTPError(409, _TOO_LONG)
                return entry, False
        entry = _Entry(key, fingerprint, clock + _KEEP_SWEEPS, request)
        self._entries.append(entry)
        self._make_room()
        return entry, True

    def keep(self, entry, answer, size):
        """Keep an answer, anything, of so many bytes."""
        entry.request = None
        if size > MAX_ANSWER_BYTES:
            entry.answer = False
        else:
            entry.answer = answer
            entry.size = size
            self._make_room()

    def forget(self, entry):
        """The request came to nothing: its key may be used again."""
        if entry in self._entries:
            self._entries.remove(entry)

    def count(self):
        """Return how many keys are held, and the bytes of their answers."""
        return len(self._entries), sum(entry.size for entry in self._entries)

    def _make_room(self):
        """Drop the oldest, but for those that run: of these there are no more than connections."""
        entries = self._entries
        size = sum(entry.size for entry in entries)
        at = 0
        while at < len(entries) and (len(entries) > MAX_KEYS or size > MAX_BYTES):
            if entries[at].answer is None:
                at += 1
            else:
                size -= entries.pop(at).size


_store = Store()


def idempotent(handler):
    """Decorate a handler whose requests may carry an Idempotency-Key."""

    def once(request, **params):
        raw = request.field(b"idempotency-key")
        if raw is None:
            return handler(request, **params)
        key = _key(request, parse_key(raw))
        entry, is_new = _store.begin(key, _fingerprint(request), request.clock, request)
        if not is_new:
            return _replay(entry.answer)
        try:
            result = handler(request, **params)
            if transport.is_pending(result):
                return _await(entry, result)
            return _keep(entry, result)
        except BaseException as error:
            _keep_error(entry, error)
            raise

    return once


async def _await(entry, pending):
    try:
        return _keep(entry, await transport.settled(pending))
    except BaseException as error:
        # One that is cancelled, too: its client has gone.
        _keep_error(entry, error)
        raise


def _key(request, key):
    """Return what a key is known by: a hash of it and of whose it is."""
    user = getattr(request, "user", None)
    owner = "address " + request.client if user is None else "user %s" % (getattr(user, "name", user),)
    return sha256(b"%d %s %s" % (len(owner), owner.encode(), key)).digest()


def _fingerprint(request):
    """Return a hash of what has to be the same in a repetition."""
    kind = request.field(b"content-type") or b""
    digest = sha256(b"%s %s?%s\n%s\n" % (request.method.encode(), request.target, request.query, kind))
    digest.update(request.body)
    return digest.digest()


def _keep(entry, result):
    """Return the response that a handler's result is, once it is kept."""
    response = to_response(result)
    if response.status >= 500 or response.status in _PASSING:
        _store.forget(entry)
        return response
    body, headers = response.body, response.headers
    size = MAX_ANSWER_BYTES + 1 if response.length is not None or response.lines else len(body)
    _store.keep(entry, (Response, body, response.status, headers, response.content_type), size + _size(headers))
    return response


def _keep_error(entry, error):
    if isinstance(error, HTTPError) and error.status < 500 and error.status not in _PASSING:
        # Not the error itself: on CPython it holds its frames, and they the request.
        size = len(error.detail) + _size(error.headers) + _size(error.fields)
        _store.keep(entry, (HTTPError, error.status, error.detail, error.headers, error.fields), size)
    else:
        _store.forget(entry)


def _size(headers):
    return sum(len(name) + len(str(value)) for name, value in (headers or {}).items())


def _replay(answer):
    again = answer[0](*answer[1:])
    if answer[0] is HTTPError:
        raise again
    return again
