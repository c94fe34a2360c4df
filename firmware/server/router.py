"""Method and path to handler: one dict lookup for literal paths, a short walk for patterns (see `patterns`).

A pattern has `<name>` (one segment), `<int:name>` (digits) or, last, `<path:name>` (the rest, slashes and all). Literal
paths win over patterns, patterns in the order they were added; then come mounted routers and static folders, in order.
"""

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.urls import decode_path

# Paths whose search is remembered: about as many as one page loads.
_MAX_RECENT = const(12)
_MAX_RECENT_BYTES = const(64)


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
            from firmware.server import patterns

            route, handler = patterns.add(self._patterns, path, handler)
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
        return self._recent.get(target) or self._look_for(target)

    def _look_for(self, target):
        found = None
        if self._patterns or self._mounts or b"%" in target:
            try:
                found = self.search(decode_path(target))
            except HTTPError:
                return None
            # () is with what may be another the next time: an application that could not be loaded, say.
            if found and found[2] != () and len(target) <= _MAX_RECENT_BYTES:
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
            for pattern in self._patterns:
                params = pattern.take(segments)
                if params is not None:
                    return self, pattern.route, params
        for prefix, child in self._mounts:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("/", ""):
                found = child.search(path[len(prefix) :] or "/")
                if found:
                    return found
        return None


def choose(route, request):
    """Return the handler of a request that its `route` has none for, or that has no route (None); see `methods`."""
    from firmware.server import methods

    return methods.choose(route, request.method) if route else methods.choose_unrouted(request)
