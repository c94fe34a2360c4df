"""Puts the guards before the site at startup. Forgotten afterwards."""

import sys

import firmware.board as board
from firmware.board import settings
from firmware.features import security_headers
from firmware.http.native import const
from firmware.server import loader
from firmware.site import guards

# The SHA-256 of the script in index.html that repeats requests a busy board has refused (CSP Level 3, 6.7.3.3).
_INLINE = "; script-src 'self' 'sha256-VCHnjIt+XqDRvkuJSXsv+IN84ZLioc30C5va5CQvK7w='"

# A smaller heap has no room for all guards, unless the code is in the image.
_SMALL_BYTES = const(204800)


def attach(app):
    """Put the guards before an application, in the order in which a request meets them."""
    guards.root = app
    app.auth = guards.auth  # for `features.gate`
    heap = board.heap()
    total = heap["free"] and heap["free"] + heap["used"]
    loader.is_frozen = sys.path[0] == ".frozen"
    is_small = total is not None and total < _SMALL_BYTES and not loader.is_frozen
    if total:
        loader.free_bytes = guards.free_bytes
    loader.one_at_a_time = is_small
    app.spared = (guards.forget,)
    wanted = settings.current["guards"]
    if wanted or wanted is None and not is_small:
        guards.log = loader.borrow("firmware.site.extras").attach(app)
    else:
        guards.left_out = ("rate limit", "request ids", "request log", "response counts", "old readings")
        guards.log = app.log = guards.Log()
    security_headers.protect(app, security_headers.POLICY + _INLINE)
    app.get("/healthz")(guards.health)
    app.check_host = guards.check_host  # for the plain port, which redirects all clients to TLS
    app.before(guards.check_host)
    app.before(guards.protect)
    app.lazy(("/api/login", "/api/logout", "/api/session", "/api/password", "/api/tokens"), "firmware.site.login", 5120)
