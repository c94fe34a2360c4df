"""Where a request goes and where it ends, when that is not plain: absolute targets, odd hosts, bodies, expectations.

Loaded by the first request that needs it.
"""

from firmware.http import body
from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.parser import METHODS, all_of, brackets, find, hash_name

# `parser`'s bits and kinds, folded by the compiler only where they are written; a test compares.
_MAX_FIELDS = const(1)
_TARGET = const(4)
_COUNT = const(9)
_FIELDS = const(10)
_MINOR_1 = const(1)
_NOT_ORIGIN = const(4)
_CONTENT_LENGTH = const(16)
_TRANSFER_ENCODING = const(32)
_EXPECT = const(64)
_AUTHORITY = const(8)

_HEX = b"0123456789abcdefABCDEF"


def frame(request, flags):
    """Do what `Request.frame` promises, but for persistence."""
    if brackets[0]:
        # RFC 9112 3.2: a Host that is none; perhaps it was another request's that has them.
        brackets[0] = 0
        host = request.field(b"host") or b""
        if host[:1] == b"[" and not _is_authority(host):
            raise HTTPError(400, "The Host is not valid.")
    if flags & _NOT_ORIGIN:
        _resolve(request)
    reader = None
    if flags & _TRANSFER_ENCODING:
        # RFC 9112 6.1 and 6.3: both at once, or from an HTTP/1.0 client, smells of smuggling.
        if flags & _CONTENT_LENGTH:
            raise HTTPError(400, "Content-Length and Transfer-Encoding exclude each other.")
        if not flags & _MINOR_1:
            raise HTTPError(400, "HTTP/1.0 has no Transfer-Encoding.")
        if request.field(b"transfer-encoding").lower() != b"chunked":
            raise HTTPError(501, "The only transfer coding here is chunked.")
        from firmware.http.chunked import ChunkedBody

        reader = ChunkedBody()
        request.length = None
    elif flags & _CONTENT_LENGTH:
        request.length = body.content_length(request.field(b"content-length"))
        if request.length:
            reader = body.LengthBody(request.length)
    if flags & _EXPECT and flags & _MINOR_1:
        if request.field(b"expect").lower() != b"100-continue":
            raise HTTPError(417, "The only expectation here is 100-continue.")
        request.expects = reader is not None
    return reader


def _resolve(request):
    """Bring the absolute form to the origin form; let only OPTIONS have the asterisk form.

    RFC 9112 3.2.2: the Host field is replaced by the target's authority, so that all who ask for it get that.
    """
    target = request.target
    # CONNECT has a form of its own; what is not known is refused as such.
    if target == b"*" and request.method == "OPTIONS" or request.method not in METHODS:
        return
    for scheme in (b"http://", b"https://"):
        if target[: len(scheme)].lower() == scheme:
            path_at = target.find(b"/", len(scheme))
            host_end = len(target) if path_at < 0 else path_at
            if _is_authority(target[len(scheme) : host_end]):
                _replace_host(request, len(scheme), host_end)
                request.target = target[host_end:] or (b"*" if request.method == "OPTIONS" else b"/")
                return
    raise HTTPError(400, "The request target is neither a path nor a URL.")


def _replace_host(request, first, end):
    """Have the field Host be what stands from `first` to `end` in the target. Raises 431 for one field too many."""
    view, marks = request.slot.view, request.slot.marks
    # What is known of this head holds no more.
    request.slot.again = None
    at = find(view, marks, b"host", 0)
    first += marks[_TARGET]
    if not at:
        # HTTP/1.0 has none: its name takes the place of the scheme.
        count = marks[_COUNT]
        if count >= marks[_MAX_FIELDS]:
            raise HTTPError(431)
        view[first - 7 : first] = b"host:  "
        at = _FIELDS + 4 * count
        marks[_COUNT] = count + 1
        marks[at] = hash_name(b"host")
        marks[at + 1] = first - 7
    marks[at + 2] = first
    marks[at + 3] = marks[_TARGET] + end


def _is_authority(raw):
    """Tell whether `raw` is a host that is not empty, with or without a port (RFC 9110 4.2.1)."""
    colon = raw.rfind(b":")
    host, port = raw, b""
    if colon >= 0 and not raw.endswith(b"]"):
        host, port = raw[:colon], raw[colon + 1 :]
    if port and not port.isdigit():
        return False
    if host[:1] == b"[":
        return host.endswith(b"]") and _is_ip_literal(host[1:-1])
    return len(host) > 0 and all_of(host, 0, len(host), _AUTHORITY) > 0


def _is_ip_literal(raw):
    """Tell whether `raw` is what stands in brackets: an IPv6 address, or one of the future (RFC 3986 3.2.2).

    A zone behind it is of the client's own machine, and none of our business (RFC 9844): old clients send it.
    """
    if raw[:1] in b"vV":
        dot = raw.find(b".")
        return dot > 1 and not raw[1:dot].strip(_HEX) and dot < len(raw) - 1
    zone = raw.find(b"%")
    halves = (raw[:zone] if zone > 0 else raw).split(b"::")
    left = 8
    for half in halves:
        groups = half.split(b":") if half else []
        left -= len(groups)
        if groups and half is halves[-1] and b"." in groups[-1]:
            left -= 1
            if not _is_ipv4(groups.pop()):
                return False
        for group in groups:
            if not 0 < len(group) < 5 or group.strip(_HEX):
                return False
    return left == 0 if len(halves) == 1 else len(halves) == 2 and left > 0


def _is_ipv4(raw):
    parts = raw.split(b".")
    for part in parts:
        if not 0 < len(part) < 4 or not part.isdigit() or int(part) > 255 or (part[0] == 48 and len(part) > 1):
            return False
    return len(parts) == 4
