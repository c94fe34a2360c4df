"""The same-origin rule: whether a page of another origin asks. For writes, and for the handshake of a WebSocket."""


def is_foreign(request, allowed=()):
    """Tell whether a page of another origin asks, other than those in `allowed` ("https://example.org").

    `request.origins` has more of these: by what names a proxy is asked for this server, whatever Host it then sends.

    By Sec-Fetch-Site (W3C Fetch Metadata), which browsers send over TLS, else by Origin (RFC 6454 7, RFC 6455 10.2). A
    page of another port or another host of the same domain is another's. What is no browser sends neither field, and
    is not foreign: it has no cookies of others to misuse. Raises 400 where Origin is there twice.
    """
    origin = request.headers.get("origin")
    if origin is not None:
        origin = origin.lower()
        if origin in allowed or origin in request.origins:
            return False
    site = request.field(b"sec-fetch-site")
    if site is not None:
        return site not in (b"same-origin", b"none")
    return origin is not None and not _is_at(origin, (request.headers.get("host") or "").lower())


def has_token(request):
    """Tell whether a request has a Bearer token (RFC 6750).

    No browser sends that by itself (RFC 6454 8.3), nor any page to another origin without a preflight: with it, the
    same-origin rule has nobody to protect.
    """
    return (request.field(b"authorization") or b"")[:7].lower() == b"bearer "


def is_preflight(request):
    """Tell whether a browser asks if it may send a request (WHATWG Fetch 4.8): without credentials, and for nobody."""
    return request.method == "OPTIONS" and request.field(b"access-control-request-method") is not None


def _is_at(origin, host):
    """Tell whether an origin is http or https at the Host field's value; both in lower case.

    RFC 6454 4: an origin with the scheme's own port is the one without, and Host may have that port too.
    """
    for scheme, port in (("http://", ":80"), ("https://", ":443")):
        if origin.startswith(scheme):
            return _without(origin[len(scheme) :], port) == _without(host, port) != ""
    return False


def _without(authority, port):
    return authority[: -len(port)] if authority.endswith(port) else authority
