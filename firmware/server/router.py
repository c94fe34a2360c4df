"""Method and path to handler: one dict lookup for literal paths, a short walk for patterns.

A pattern has `<name>` (one segment), `<int:name>` (digits) or, last, `<path:name>` (the rest, slashes and all). Literal
paths win over patterns, patterns in the order they were added; then come mounted routers and static folders, in order.
"""

from firmware.http.errors import HTTPError
from firmware.http.parser import METHODS
from firmware.http.urls import decode_path

_METHODS = METHODS[1:]

# Paths whose search is remembered: about as many as one page loads.
_MAX_RECENT = 12
_MAX_RECENT_BYTES = 64

# Digits in an <int:name>: as many as stay a small integer on a 32-bit board.
_MAX_DIGITS = 9


class Streaming:
    """A handler that reads the request's body itself."""

    def __init__(self, handler):
        self.handler = handler

    def __call__(self, request, **params):
        if request._stream is None:
            from firmware.server.incoming import Incoming

            # No body came.
            request._stream = Incoming()
        return self.handler(request, **params)


class Router:
    """Routes, each a dict of method to handler."""

    def __init__(self):
        self.literals = {}
        self._patterns = []
        self._mounts = []
        self._recent = {}  # raw path to what `search` found

    def add(self, path, methods, handler):
        """Let `handler` answer `methods` (names) on `path`. Raises ValueError for a pattern that is not one."""
        self._recent.clear()
        if not path.startswith("/"):
            raise ValueError("a route starts with a slash: " + path)
        if "<" in path:
            parts = _parts(path)
            for known, route in self._patterns:  # noqa: B007 - used behind the loop
                if _shape(known) == _shape(parts):
                    if known != parts:
                        handler = _renamed(handler, known, parts)
                    break
            else:
                route = {}
                self._patterns.append((parts, route))
        else:
            # Found by the raw path, and returned as it is.
            route = self.literals.setdefault(path.encode(), (self, {}, None))[1]
        for method in methods:
            route[method] = handler

    def mount(self, prefix, child):
        """Let `child` (anything with `search`) answer what is below `prefix` and has no route here."""
        self._recent.clear()
        self._mounts.append((prefix.rstrip("/"), child))

    def match(self, target):
        """Return (router, route, params) for a raw path (bytes), or None; `route` maps methods to handlers."""
        found = self._recent.get(target)
        if found is None and (self._patterns or self._mounts or b"%" in target):
            try:
                found = self.search(decode_path(target))
            except HTTPError:
                return None
            if found and found[2] and len(target) <= _MAX_RECENT_BYTES:
                if len(self._recent) >= _MAX_RECENT:
                    self._recent.clear()
                self._recent[target] = found
        return found

    def search(self, path):
        """Do the same for a decoded path (text)."""
        found = self.literals.get(path.encode())
        if found:
            return found
        if self._patterns:
            segments = path[1:].split("/")
            for parts, route in self._patterns:
                params = _take(parts, segments)
                if params is not None:
                    return self, route, params
        for prefix, child in self._mounts:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("/", ""):
                found = child.search(path[len(prefix) :] or "/")
                if found:
                    return found
        return None


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


def _parts(path):
    parts = []
    for segment in path[1:].split("/"):
        kind = ""
        if segment.startswith("<") and segment.endswith(">"):
            kind, segment = "str", segment[1:-1]
            if ":" in segment:
                kind, segment = segment.split(":", 1)
            # A name has to be one for a handler's parameter, and to stand once.
            if kind not in ("str", "int", "path") or not segment:
                raise ValueError("not a pattern: " + path)
            if segment in [name for other, name in parts if other]:
                raise ValueError("twice the same name: " + path)
        if "<" in segment or ">" in segment or (parts and parts[-1][0] == "path"):
            raise ValueError("not a pattern: " + path)
        parts.append((kind, segment))
    return parts


def _shape(parts):
    return [kind or "/" + name for kind, name in parts]


def _renamed(handler, known, parts):
    """Return `handler` for parameters that have the names of another pattern of the same shape."""
    names = [(theirs[1], ours[1]) for theirs, ours in zip(known, parts) if ours[0]]
    renamed = lambda request, **params: handler(request, **{ours: params[theirs] for theirs, ours in names})  # noqa: E731
    return Streaming(renamed) if type(handler) is Streaming else renamed


def _take(parts, segments):
    """Return the parameters that `segments` give to `parts` as a dict, or None where they do not fit."""
    if len(segments) != len(parts) and not (parts[-1][0] == "path" and len(segments) > len(parts)):
        return None
    params = {}
    for at, (kind, name) in enumerate(parts):
        value = segments[at]
        if kind == "path":
            value = "/".join(segments[at:])
        elif kind == "int":
            if len(value) > _MAX_DIGITS or not value.encode().isdigit():
                return None
            value = int(value)
        elif not kind:
            if value != name:
                return None
            continue
        if value == "":
            return None
        params[name] = value
    return params
