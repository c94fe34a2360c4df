"""What an application is told of its own mistakes: loaded by the first, so that the words cost a board nothing.

    raise mistake("status", 700)

The caller raises what it gets, so that a traceback begins where the mistake was found.
"""

_STATUS = "a status is a number from 200 to 599"
_RESULT = "a handler returns a body, (body, status), (body, headers), (body, status, headers) or a Response"

_SAID = {
    "status": "not a status: %r; {}, and {}".format(_STATUS, _RESULT),
    "headers": "headers are a dict, not %r; {}".format(_RESULT),
    "own": "the server sets it: %s",
    "field": "not a header field: %r",
    "route": "a route starts with a slash: %s",
    "prefix": "a prefix starts with a slash: %s",
    "twice": "twice: %s",
    "folder": "no such folder: %s, in %s",
    "limit": "no such limit: %s",
    "value": "limit %s: %r",
    "high": "limit %s is too high: %d",
    "port": "limpet: %s:%d is in use: choose another port, or end what listens there",
    "stream": "limpet: stream=True on %s, which is not async: it cannot read the body",
}
# Of two parts, which come as a tuple.
_PAIRS = ("folder", "value", "high", "port")
_BODY = "not a body: %r; allowed are dict, list, str, bytes, None, generator, file; {}".format(_RESULT)


def mistake(kind, value):
    """Return the exception for a mistake of this kind, `value` being what is wrong; ("body", ...) is a TypeError."""
    if kind == "body":
        return TypeError(_BODY % (value,))
    return ValueError(_SAID[kind] % (value if type(value) is tuple and kind in _PAIRS else (value,)))
