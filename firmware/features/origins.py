"""Whose page asks, and for whom: writes from other sites, names that are not this board's.

    origins.protect(app)                                        # no page of another site changes anything
    origins.only_hosts(app, lambda: ["limpet.local", address])  # nobody comes under a foreign name

What is no browser sends neither Origin nor Sec-Fetch-Site, and is let through: it has no cookies of others to misuse.
"""

from firmware.http.errors import HTTPError
from firmware.http.request import text

# RFC 9110 9.2.1, but for TRACE: what changes nothing.
SAFE = ("GET", "HEAD", "OPTIONS")


def is_foreign(request, allowed=()):
    """Tell whether a page of another origin asks, other than those in `allowed` ("https://example.org").

    By Sec-Fetch-Site (W3C Fetch Metadata), which browsers send over TLS, else by Origin (RFC 6454 7). A page of another
    port or another host of the same domain is another's. Raises 400 where Origin is there twice.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin.lower() in allowed:
        return False
    site = request.field(b"sec-fetch-site")
    if site is not None:
        return site not in (b"same-origin", b"none")
    return origin is not None and not _is_at(origin.lower(), (request.headers.get("host") or "").lower())


def refuse_foreign(request, allowed=()):
    """Raise 403 where a page of another origin asks."""
    if is_foreign(request, allowed):
        raise HTTPError(403, "Pages of other sites may not do this.")


def protect(app, allowed=()):
    """Let no page of another origin, but for those in `allowed`, do anything but read: 403."""

    @app.before
    def guard(request):
        if request.method not in SAFE:
            refuse_foreign(request, allowed)


def _is_at(origin, host):
    """Tell whether an origin is http or https at the Host field's value; both in lower case."""
    for scheme, port in (("http://", ":80"), ("https://", ":443")):
        if origin.startswith(scheme):
            return _without(origin[len(scheme) :], port) == _without(host, port) != ""
    return False


def _without(authority, port):
    return authority[: -len(port)] if authority.endswith(port) else authority


# -- names


def only_hosts(app, known):
    """Answer 421 (RFC 9110 7.4) to who asks for another host: a name that was made to lead here (DNS rebinding).

    `known()` returns the board's names and addresses as text, in lower case, without ports; or None, for all names
    while a setup page answers to everything. Where there is no address among them any address will do: only a name can
    be made to lead elsewhere. The machine itself ("localhost") is always known. HTTP/1.0 need not say whom it asks.
    """

    app.before(_Hosts(known).guard)


class _Hosts:
    def __init__(self, known):
        self._known = known
        self._names = None
        self._host = None  # the last that went by one of these names: most requests' is the same

    def guard(self, request):
        host = request.field(b"host")
        names = self._known()
        if host is None or names is None or host == self._host and names == self._names:
            return
        if not _is_known(host_name(text(host)), names):
            raise HTTPError(421, "This board does not go by that name.")
        self._host = host
        # A list may be changed by whose it is.
        self._names = names if type(names) is tuple else list(names)


def host_name(host):
    """Return the name or address in a Host field's value (text): in lower case, without port and closing dot."""
    host = host.lower()
    colon = host.rfind(":")
    if colon > host.rfind("]"):
        host = host[:colon]
    if host.endswith("."):
        host = host[:-1]
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def is_address(name):
    """Tell whether a name is an IPv4 or IPv6 address."""
    if ":" in name:
        return True
    parts = name.split(".")
    for part in parts:
        if not 0 < len(part) < 4 or not part.encode().isdigit() or int(part) > 255:
            return False
    return len(parts) == 4


def _is_known(name, names):
    if name in names or name in ("localhost", "127.0.0.1", "::1"):
        return True
    if not is_address(name):
        return False
    for other in names:
        if is_address(other):
            return False
    return True
