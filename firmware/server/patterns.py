"""Paths with parameters in them, as `router` has them; loaded by the first that is added."""

from firmware.http.native import const

# Digits in an <int:name>: as many as stay a small integer on a 32-bit board.
_MAX_DIGITS = const(9)

# A builtin's name is looked for in the module, then in a list of 99.
_len = len


class Pattern:
    """A path's parts, each (kind, name), or ("", text), and its route. `number`: how many were added before it."""

    def __init__(self, parts, number):
        self.parts = parts
        self.number = number
        self.route = {}

    def take(self, segments, at):
        """Return the parameters that a path's segments (bytes) give as a dict, or None where they do not fit.

        The segments before number `at` do.
        """
        parts = self.parts
        if len(segments) != len(parts) and not (parts[-1][0] == "path" and len(segments) > len(parts)):
            return None
        params = {}
        while at < len(parts):
            kind, name = parts[at]
            value = segments[at]
            if kind == "path":
                value = b"/".join(segments[at:])
            at += 1
            if not kind:
                if value != name.encode():
                    return None
                continue
            if kind == "int":
                value = int(value) if len(value) <= _MAX_DIGITS and value.isdigit() else None
            elif kind == "float":
                value = _number(value)
            else:
                value = value.decode() or None
            if value is None:
                return None
            params[name] = value
        return params


def _number(raw):
    """Return the number that bytes are, digits with a minus sign and a point at the most, or None."""
    digits = raw[1:] if raw[:1] == b"-" else raw
    whole, point, rest = digits.partition(b".")
    if _len(digits) > _MAX_DIGITS + 1 or not (whole + rest).isdigit() or not whole or point and not rest:
        return None
    return float(raw)


class Patterns:
    """Patterns by their beginnings: what a path has before the slash in front of its first parameter."""

    def __init__(self):
        self._starts = {}  # to lists of patterns
        self._depths = 0  # a bit for each number of segments that a beginning has
        self._count = 0

    def find(self, path):
        """Return (pattern, params) of the pattern that a path (bytes) fits and that was added first, or None."""
        segments = path[1:].split(b"/")
        at = _len(segments)
        end = _len(path)
        found = None
        while at:
            at -= 1
            end -= _len(segments[at]) + 1
            if self._depths >> at & 1:
                found = self._first(path[:end], segments, at, found)
        return found

    def _first(self, start, segments, at, found):
        """Return what fits of the patterns that begin so, with `at` segments, or `found` where that is older."""
        for pattern in self._starts.get(start, ()):
            if found is not None and found[0].number < pattern.number:
                break
            params = pattern.take(segments, at)
            if params is not None:
                return pattern, params
        return found

    def all(self):
        """Return all patterns."""
        return [pattern for same in self._starts.values() for pattern in same]

    def add(self, path, handler):
        """Return (route, handler) for a path, for parameters of the names of the pattern whose route it is.

        Raises ValueError for a pattern that is not one.
        """
        parts = _parts(path)
        start = path[: path.find("/<")].encode()
        same = self._starts.setdefault(start, [])
        for known in same:
            if _shape(known.parts) == _shape(parts):
                if known.parts != parts:
                    handler = _renamed(handler, known.parts, parts)
                return known.route, handler
        self._count += 1
        self._depths |= 1 << start.count(b"/")
        known = Pattern(parts, self._count)
        same.append(known)
        return known.route, handler


def _parts(path):
    parts = []
    for segment in path[1:].split("/"):
        kind = ""
        if segment.startswith("<") and segment.endswith(">"):
            kind, segment = "str", segment[1:-1]
            if ":" in segment:
                kind, segment = segment.split(":", 1)
            elif segment == "int":
                raise ValueError("no name, as in <int:id>: " + path)
            # A name has to be one for a handler's parameter, and to stand once.
            if kind not in ("str", "int", "float", "path") or not segment:
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
    # A `router.Streaming` stays one.
    return type(handler)(renamed) if hasattr(handler, "handler") else renamed
