"""The handlers of requests that no route has one for: HEAD, OPTIONS, errors. Loaded by the first such request."""

from firmware.http.errors import HTTPError
from firmware.http.parser import METHODS

_METHODS = METHODS[1:]


def choose(route, method):
    """Return the handler of a matched route, or raise 501 (no such method) or 405 (with Allow)."""
    handler = route.get(method)
    if handler is None:
        if method == "HEAD":
            handler = route.get("GET")
        elif method == "OPTIONS":
            allowed = allow(route)
            return lambda request, **params: (None, 204, {"Allow": allowed})
        if handler is None:
            if method not in METHODS:
                raise HTTPError(501, "This server does not know the method %s." % method[:32])
            raise HTTPError(405, "Not with %s." % method, {"Allow": allow(route)})
    return handler


def choose_unrouted(request):
    """Return the handler of a request that no route matches: only `OPTIONS *` has one. Raises 400, 404 and 501."""
    if request.method not in METHODS:
        raise HTTPError(501, "This server does not know the method %s." % request.method[:32])
    if request.path == "*":
        return lambda request: (None, 204, {"Allow": ", ".join(_METHODS)})
    raise HTTPError(404, "There is nothing at this address.")


def allow(route):
    """Return the value of Allow for a route (RFC 9110 10.2.1)."""
    return ", ".join(
        [name for name in _METHODS if name in route or name == "OPTIONS" or (name == "HEAD" and "GET" in route)]
        + sorted(name for name in route if name not in METHODS)
    )
