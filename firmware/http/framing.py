"""Where a request goes and where it ends, when that is not plain: absolute targets, bodies, expectations.

Loaded by the first request that needs it.
"""

from firmware.http import body
from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.parser import METHODS, all_of

# `layout`'s bits and kinds, folded by the compiler only where they are written; a test compares.
_MINOR_1 = const(1)
_NOT_ORIGIN = const(4)
_CONTENT_LENGTH = const(16)
_TRANSFER_ENCODING = const(32)
_EXPECT = const(64)
_AUTHORITY = const(8)


def frame(request, flags):
    """Do what `Request.frame` promises, but for persistence."""
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
        reader = body.ChunkedBody()
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
    """Bring the absolute form (RFC 9112 3.2.2) to the origin form; let only OPTIONS have the asterisk form."""
    target = request.target
    # CONNECT has a form of its own; what is not known is refused as such.
    if target == b"*" and request.method == "OPTIONS" or request.method not in METHODS:
        return
    for scheme in (b"http://", b"https://"):
        if target[: len(scheme)].lower() == scheme:
            path_at = target.find(b"/", len(scheme))
            host_end = len(target) if path_at < 0 else path_at
            if _is_authority(target[len(scheme) : host_end]):
                request._target = target[host_end:] or (b"*" if request.method == "OPTIONS" else b"/")
                return
    raise HTTPError(400, "The request target is neither a path nor a URL.")


def _is_authority(raw):
    """Tell whether `raw` is a host that is not empty, with or without a port (RFC 9110 4.2.1)."""
    colon = raw.rfind(b":")
    host, port = raw, b""
    if colon >= 0 and not raw.endswith(b"]"):
        host, port = raw[:colon], raw[colon + 1 :]
    if port and not port.isdigit():
        return False
    if host.startswith(b"[") and host.endswith(b"]"):
        host = host[1:-1].replace(b":", b"")
    return len(host) > 0 and all_of(host, 0, len(host), _AUTHORITY) > 0
