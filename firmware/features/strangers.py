"""Refuses requests without credentials, without loading `credentials`: that would take heap which others need."""

from firmware.features.origins import check_write
from firmware.http.errors import HTTPError
from firmware.http.origin import is_preflight

# These endpoints check by themselves: a client that logs in has no session yet.
OPEN = ("/api/login", "/api/logout")

# The machine's own addresses: its own browser may do everything while there is no password.
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")

BASIC = 'Basic realm="Limpet", charset="UTF-8"'
BEARER = 'Bearer realm="Limpet"'


def refuse(request, prefix=""):
    """Raise 401, or 403 for a page of another site; let through preflights, and endpoints that check by themselves.

    For a request that needs a log-in, if there is a password. All paths exist a second time below `prefix`.
    """
    path = request.path
    if path in OPEN or path.startswith(prefix) and path[len(prefix) :] in OPEN or is_preflight(request):
        return
    check_write(request)
    raise HTTPError(401, "Log in first.", challenge(request))


def tell(request, has_password):
    """Return the response of /api/session to a client without credentials; None if `auth` must decide."""
    if not has_password and request.client in LOOPBACK:
        return None
    return {"password_set": has_password, "user": None}, 200, {"Cache-Control": "no-store"}


def challenge(request):
    """Return the fields of a 401, which offer ways to log in. JSON and events get no Basic: it opens a window."""
    accept = (request.field(b"accept") or b"").lower()
    is_script = b"event-stream" in accept
    # Browsers send neither type.
    if b"json" in accept or b"application/*" in accept:
        from firmware.http.accept import prefers_json

        is_script = prefers_json(request.headers.get("accept"))
    return {"WWW-Authenticate": BEARER if is_script else [BASIC, BEARER]}
