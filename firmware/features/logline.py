"""Makes the line of a request in the log, without the request's secrets.

Header fields are never written, so Authorization and cookies are not. In a query, the value of each parameter whose
name looks like a secret's is left out.
"""

from firmware.features.log import ERROR, INFO, cut, escape, is_plain
from firmware.http.errors import HTTPError
from firmware.http.native import const, micropython, ptr8, ptr16
from firmware.http.urls import decode_path
from firmware.server import transport

_MAX_PATH = const(120)
_MAX_METHOD = const(16)

# `parser`'s places in marks, folded by the compiler only where they are written; a test compares.
_METHOD = const(2)
_TARGET = const(4)
_PATH_END = const(5)
_TARGET_END = const(6)
_METHOD_CODE = const(7)

# A parameter with one of these in its name has its value left out.
_SECRETS = ("pass", "pw", "psk", "otp", "pin", "secret", "token", "key", "auth", "sess", "cred", "sig", "code", "jwt")

# A builtin's name is looked for in the module, then in a list of 99.
_len = len


def attach(log, app):
    """Write a line to a log for every request of `app`.

    The line has method, path, status, bytes ("lost" if the client has gone), milliseconds, address, id; "-" stands for
    an unknown one.
    """

    def note(request, response):
        level = ERROR if response.status >= 500 else INFO
        # Else a client that follows the log would see its own requests.
        if level >= log.level and (response.status >= 400 or request is None or not request.is_quiet):
            _write(log, level, request, response)

    app.before(_begin)
    app.done(note)


def _begin(request):
    request.began = transport.ticks_ms()


def _write(log, level, request, response):
    size = 0
    if request is not None and response.sent is not None and request.began is not None:
        size = compose(request, response)
    if size:
        log.keep(level, request.slot.server.out, size)
    else:
        # Another name would put this frame on the heap (see `response.Response`).
        size = describe(request, response)
        log.keep(level, size, _len(size))


@micropython.viper
def compose(request, response) -> int:
    """Put the line of a usual request into the server's buffer, which is free again; return its end.

    Return 0 if the path is long or has a query, the method is unknown, or the target does not begin with a slash. The
    bytes of all other requests were checked by the scan: nothing must be escaped.
    """
    slot = request.slot
    out = ptr8(slot.server.out)
    head = ptr8(slot.buffer)
    m = ptr16(slot.marks)
    i = int(m[_METHOD])
    end = int(m[_PATH_END])
    if end != m[_TARGET_END] or end - i > _MAX_PATH or not m[_METHOD_CODE] or head[m[_TARGET]] != 47:
        return 0
    at = 0
    while i < end:
        out[at] = head[i]
        at += 1
        i += 1
    k = 0
    while k < 5:
        out[at] = 32
        at += 1
        if k < 3:
            number = int(response.sent) if k else int(response.status)
            if k == 2:
                number = int(transport.elapsed_ms(request.began))
            text = b"" if k == 0 else b" B" if k == 1 else b" ms"
            place = 1
            while place <= number // 10:
                place *= 10
            while place:
                out[at] = 48 + number // place % 10
                at += 1
                place //= 10
        else:
            text = slot.address() if k == 3 else request.raw_id or b"-"
        source = ptr8(text)
        size = int(_len(text))
        i = 0
        while i < size:
            out[at] = source[i]
            at += 1
            i += 1
        k += 1
    return at


def describe(request, response):
    """Return the line of any request, as `escape` would."""
    if request is None:
        return b"- - %d %s - - -" % (response.status, _sent(response))
    took = b"-" if request.began is None else b"%d ms" % transport.elapsed_ms(request.began)
    # Bytes, and not text: MicroPython looks each new text up among all names that there are.
    what = request.method[:_MAX_METHOD].encode(), _target(request), response.status, _sent(response), took
    return b"%s %s %d %s %s" % what + b" %s %s" % (request.client.encode(), request.raw_id or b"-")


def _sent(response):
    return b"lost" if response.sent is None else b"%d B" % response.sent


def _target(request):
    """Return the path, and the query without its secrets, cut to what a line has room for."""
    target = request.target
    query = request.query
    if query:
        target += b"?" + hide_secrets(query)
    if not is_plain(target, len(target)):
        target = escape(target)
    return target if len(target) <= _MAX_PATH else cut(target, _MAX_PATH - 3) + b"..."


def hide_secrets(query):
    """Return a raw query (bytes) with `*` for each value whose name, as it is decoded, looks like a secret's."""
    parts = query.replace(b";", b"&").split(b"&")
    for at in range(len(parts)):
        name, equals, value = parts[at].partition(b"=")
        if value and _is_secret(name):
            parts[at] = name + equals + b"*"
    return b"&".join(parts)


def _is_secret(name):
    try:
        name = decode_path(name).lower()
    except HTTPError:
        return True  # nobody knows
    for word in _SECRETS:
        if word in name:
            return True
    return "csrf" in name
