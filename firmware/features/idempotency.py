"""Idempotency-Key: a POST that is sent again, because its response was lost, is executed once.

    @app.post("/users")
    @idempotent
    def create(request): ...

Each repetition of a key gets the first response to it (draft-ietf-httpapi-idempotency-key-header-07). The key is a
string of structured fields, `Idempotency-Key: "8e03978e-40d5"`; requests without one are unchanged. 400: the key is not
such a string. 422: it was used for another request. 409: that request is still running.

A key belongs to its user (`request.user`, so the guard that sets it must come first), else to its address. It is kept
in RAM for KEEP_S, unless newer keys need its room. Server errors and results that another try may change are not kept:
the request then runs again. So does one whose handler was cancelled because its client had gone. For handlers that use
`request.body`; a body that is read as a stream is not compared.
"""

from hashlib import sha256

from firmware.http.errors import HTTPError
from firmware.http.response import Response, to_response
from firmware.server import transport
from firmware.server.limits import SWEEP_MS

# Longer than any client waits before the next try.
KEEP_S = 600
_KEEP_SWEEPS = KEEP_S * 1000 // SWEEP_MS

# Keys: several times the retries of a page. And the bytes that their responses may take in all.
MAX_KEYS = 16
MAX_BYTES = 4096
# Bytes of one response: a record and its Location. A longer one is not kept, only that the request was executed.
MAX_ANSWER_BYTES = 1024

# The limit of a known service; most clients send a UUID of 36 characters.
MAX_KEY_BYTES = 255

# Statuses that may differ next time for the same request: credentials, other requests, rate limits.
_PASSING = (401, 403, 408, 409, 425, 429)

_TOO_LONG = "This was done already. What was answered is too long to be kept."


def parse_key(raw):
    """Return the key in a field's value (bytes), a structured field's String (RFC 8941 3.3.3). Raises 400."""
    # A backslash is only allowed before itself or a quote.
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
    """A used key: `answer` is None while its request runs, False if it is too long to be kept."""

    answer = None
    size = 0

    def __init__(self, key, fingerprint, until, request):
        self.key = key
        self.fingerprint = fingerprint
        self.until = until  # a sweep
        self.request = request  # while it runs

    def is_over(self, clock):
        """Return whether it is too old, or its request ended silently: its task never reached its first step."""
        if self.answer is None:
            return self.request.slot is None
        return self.until <= clock


class Store:
    """The kept responses by key, the oldest first."""

    def __init__(self):
        self._entries = []

    def begin(self, key, fingerprint, clock, request):
        """Return (entry, whether to run its request now). Raises 422 and 409."""
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
        """Keep a response of so many bytes."""
        entry.request = None
        if size > MAX_ANSWER_BYTES:
            entry.answer = False
        else:
            entry.answer = answer
            entry.size = size
            self._make_room()

    def forget(self, entry):
        """Drop an entry whose request failed: its key may be used again."""
        if entry in self._entries:
            self._entries.remove(entry)

    def count(self):
        """Return the number of kept keys, and the bytes of their responses."""
        return len(self._entries), sum(entry.size for entry in self._entries)

    def _make_room(self):
        """Drop the oldest, except running ones: there are never more of these than connections."""
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
        # Also for a cancelled request: its client has gone.
        _keep_error(entry, error)
        raise


def _key(request, key):
    """Return the identity of a key: a hash of it and of its owner."""
    user = getattr(request, "user", None)
    owner = "address " + request.client if user is None else "user %s" % (getattr(user, "name", user),)
    return sha256(b"%d %s %s" % (len(owner), owner.encode(), key)).digest()


def _fingerprint(request):
    """Return a hash of everything that must be the same in a repetition."""
    kind = request.field(b"content-type") or b""
    digest = sha256(b"%s %s?%s\n%s\n" % (request.method.encode(), request.target, request.query, kind))
    digest.update(request.body)
    return digest.digest()


def _keep(entry, result):
    """Keep the Response of a handler's result, and return it."""
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
        # Not the error itself: on CPython it refers to its frames, and these to the request.
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
