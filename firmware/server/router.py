"""Method and path to handler: one dict lookup for literal paths, a short walk for patterns (see `patterns`).

A pattern has `<name>` (one segment), `<int:name>` (digits), `<float:name>` (-4, 21.5) or, last, `<path:name>` (the
rest, slashes and all). Literal paths win over patterns, patterns in the order they were added; then come mounted
routers and static folders, in order.
"""

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.parser import METHODS
from firmware.http.response import mistake
from firmware.http.urls import decode_path

# Paths whose search is remembered: about as many as one page loads.
_MAX_RECENT = const(12)
_MAX_RECENT_BYTES = const(64)


class Streaming:
    """A handler that reads the request's body itself. Raises TypeError for one that cannot wait for it."""

    def __init__(self, handler):
        if type(handler) is type(choose):
            # On MicroPython `async` functions and closures, such as a decorator's, are of other types.
            code = getattr(handler, "__code__", None)
            # CPython's have a flag: for coroutines, or for asynchronous generators.
            if not (getattr(code, "co_flags", 0) & 0x280 or getattr(code, "co_freevars", 0)):
                # It may refuse at once; it cannot wait for the body.
                print(mistake("stream", handler.__name__))
        self.handler = handler

    def __call__(self, request, **params):
        return self.handler(request, **params)


class Router:
    """Routes, each a dict of method to handler."""

    # Most have none of these, and make them with the first. What is shared stays empty.
    _patterns = None
    _mounts = ()
    _recent = {}  # raw path to what `search` found

    def __init__(self):
        self.literals = {}

    def add(self, path, methods, handler):
        """Let `handler` answer `methods`, names or one, on `path`. Raises ValueError for no path, and for one twice."""
        self._recent.clear()
        if not path.startswith("/"):
            raise mistake("route", path)
        if "<" in path:
            if self._patterns is None:
                from firmware.server.patterns import Patterns

                self._patterns = Patterns()
            route, handler = self._patterns.add(path, handler)
        else:
            # Found by the raw path, and returned as it is.
            route = self.literals.setdefault(path.encode(), (self, {}, None))[1]
        for method in (methods,) if type(methods) is str else methods:
            if method in route:
                raise mistake("twice", method + " " + path)
            route[method] = handler

    def mount(self, prefix, child):
        """Let `child` (anything with `search`) answer what is below `prefix` and has no route here.

        Raises ValueError for a prefix without a slash.
        """
        if prefix and prefix[0] != "/":
            raise mistake("prefix", prefix)
        self._recent.clear()
        if not self._mounts:
            self._mounts = []
        self._mounts.append((prefix.rstrip("/"), child))

    def match(self, target):
        """Return (router, route, params) for a raw path (bytes), or None; `route` maps methods to handlers.

        Or (router, part, path) in a `loader.Part` that is not loaded: its `loaded(path)` goes on from there.
        """
        return self.literals.get(target) or self._recent.get(target) or self._look_for(target)

    def _look_for(self, target):
        found = None
        if self._patterns is not None or self._mounts or b"%" in target:
            try:
                found = self.search(decode_path(target))
            except HTTPError:
                return None
            # A path is with a part that is not loaded (see `loader`).
            if found and type(found[2]) is not str and len(target) <= _MAX_RECENT_BYTES:
                if not self._recent or len(self._recent) >= _MAX_RECENT:
                    self._recent = {}
                self._recent[target] = found
        return found

    def search(self, path):
        """Do the same for a decoded path (text)."""
        raw = path.encode()
        found = self.literals.get(raw)
        if found:
            return found
        if self._patterns is not None:
            found = self._patterns.find(raw)
            if found:
                return self, found[0].route, found[1]
        for prefix, child in self._mounts:
            if not prefix:
                found = child.search(path)
            elif path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("/", ""):
                found = child.search(path[len(prefix) :] or "/")
            if found:
                return found
        return None


def choose(route, method):
    """Return the handler of a matched route. Raises 405 with Allow, and 501 for a method that nobody knows."""
    if method in route:
        return route[method]
    if method == "HEAD" and "GET" in route:
        return route["GET"]
    if method == "OPTIONS":
        return _tell(allow(route))
    if method not in METHODS:
        raise _unknown(method)
    raise HTTPError(405, "Not with %s." % method, {"Allow": allow(route)})


def choose_unrouted(request):
    """Return the handler of a request that no route matches: only `OPTIONS *` has one. Raises 400, 404 and 501."""
    if request.method not in METHODS:
        raise _unknown(request.method)
    # Raises 400 for a path that cannot be decoded.
    if request.target == b"*" or b"%" in request.target and not request.path:
        return _tell(", ".join(METHODS[1:]))
    raise HTTPError(404, "There is nothing at this address.")


def _tell(allowed):
    return lambda request, **params: (None, 204, {"Allow": allowed})


def _unknown(method):
    return HTTPError(501, "This server does not know the method %s." % method[:32])


def allow(route):
    """Return the value of Allow for a route (RFC 9110 10.2.1)."""
    return ", ".join(
        [name for name in METHODS[1:] if name in route or name == "OPTIONS" or (name == "HEAD" and "GET" in route)]
        + sorted(name for name in route if name not in METHODS)
    )
