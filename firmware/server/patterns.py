"""Paths with parameters in them, as `router` has them; loaded by the first that is added."""

from firmware.http.native import const
from firmware.server.router import Streaming

# Digits in an <int:name>: as many as stay a small integer on a 32-bit board.
_MAX_DIGITS = const(9)


class Pattern:
    """A path's parts, each (kind, name), or ("", text), and its route."""

    def __init__(self, parts):
        self.parts = parts
        self.route = {}

    def take(self, segments):
        """Return the parameters that a path's segments give as a dict, or None where they do not fit."""
        parts = self.parts
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


def add(patterns, path, handler):
    """Return (route, handler) for a path, for parameters of the names of the pattern whose route it is.

    Raises ValueError for a pattern that is not one.
    """
    parts = _parts(path)
    for known in patterns:
        if _shape(known.parts) == _shape(parts):
            if known.parts != parts:
                handler = _renamed(handler, known.parts, parts)
            return known.route, handler
    known = Pattern(parts)
    patterns.append(known)
    return known.route, handler


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
