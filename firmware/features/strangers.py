"""Who brings no credentials is refused without what knows credentials: on a board that takes heap others need."""

from firmware.features.origins import check_write
from firmware.http.errors import HTTPError
from firmware.http.origin import is_preflight

# These refuse for themselves: who is to log in is not logged in yet.
OPEN = ("/api/login", "/api/logout")

# The machine's own addresses: its browser may do everything while there is no password.
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")

BASIC = 'Basic realm="Limpet", charset="UTF-8"'
BEARER = 'Bearer realm="Limpet"'


def refuse(request, prefix=""):
    """Raise 401, or 403 for a page of another site; but let through what refuses for itself, and preflights.

    For a request that takes a log-in, where there is a password. Below `prefix` there are all paths once more.
    """
    path = request.path
    if path in OPEN or path.startswith(prefix) and path[len(prefix) :] in OPEN or is_preflight(request):
        return
    check_write(request)
    raise HTTPError(401, "Log in first.", challenge(request))


def tell(request, has_password):
    """Return the answer of /api/session to a client without credentials; None where `auth` has to look."""
    if not has_password and request.client in LOOPBACK:
        return None
    return {"password_set": has_password, "user": None}, 200, {"Cache-Control": "no-store"}


def challenge(request):
    """Return the fields of a 401: how to log in. For JSON and events without Basic: browsers would open a window."""
    accept = (request.field(b"accept") or b"").lower()
    is_script = b"event-stream" in accept
    # Browsers name neither.
    if b"json" in accept or b"application/*" in accept:
        from firmware.http.accept import prefers_json

        is_script = prefers_json(request.headers.get("accept"))
    return {"WWW-Authenticate": BEARER if is_script else [BASIC, BEARER]}
