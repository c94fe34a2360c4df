"""X-Request-ID: a name for each request, for a client, a proxy and the log to speak of the same one.

    requestid.attach(app)

`request.id` is what the client sent, where that is safe to be written anywhere, else one made here: random at each
start, then counted. It is echoed with every response. What is made is unique, not secret.
"""

import os
from binascii import hexlify

# A UUID has 36, a trace's name up to 55.
MAX_BYTES = 64

# What stands for itself in a log line, in HTML, in JSON and in a header field.
_SAFE = b"0123456789abcdefABCDEFghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ-._~+/=:@"

# A small integer on a 32-bit board; a hundred requests a second take four months.
_COUNTER_MASK = 0x3FFFFFFF

_FIELD = b"X-Request-ID: "

_id = hexlify(os.urandom(4)) + b"-%x"
_counter = 0


def attach(app):
    """Give every request of `app` an `id`, and every response to one the field X-Request-ID."""
    app.id_of = id_of
    app.before(_begin)


def id_of(request):
    """Return the request's id as bytes; one is made for a request that has none yet."""
    if request.raw_id is None:
        _begin(request)
    return request.raw_id


def is_valid(raw):
    """Tell whether bytes may be a request's id: 1 to MAX_BYTES letters, digits and `-._~+/=:@`."""
    # One native call for a loop.
    return 0 < len(raw) <= MAX_BYTES and not raw.strip(_SAFE)


def _begin(request):
    global _counter
    if request.raw_id is not None:
        return
    sent = request.field(b"x-request-id")
    if sent is None or not is_valid(sent):
        _counter = (_counter + 1) & _COUNTER_MASK
        sent = _id % _counter
    request.answer_lines += _FIELD + sent + b"\r\n"
    request.raw_id = sent
