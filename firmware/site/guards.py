"""The guards of the shipped site: who may do what, and what was done. Each is a feature of its own.

Without a password the network may only read: what changes something is refused, and the log says why. On a laptop its
own browser may do everything. What few requests need is loaded by the first that does.
"""

import firmware.board as board
from firmware.board import memory, settings, storage, tasks
from firmware.features import headers, health, origins, ratelimit, requestid
from firmware.features.log import Log
from firmware.server import transport

# Paths that take a log-in even to be read, once there is a password.
PRIVATE = (b"/api/log", b"/api/settings", b"/api/tokens")

# A page with its parts and a burst of clicks; ten a second for who goes on.
PER_MINUTE = 600
BURST = 120

# The script in index.html that asks again for what a busy board refused, by its SHA-256 (CSP Level 3, 6.7.3.3).
_INLINE = "; script-src 'self' 'sha256-VCHnjIt+XqDRvkuJSXsv+IN84ZLioc30C5va5CQvK7w='"

log = Log(board.uptime_s, store=storage)

root = None  # what is guarded

_guard = None
_hostname = _known = None


def attach(app):
    """Put the guards before an application, in the order a request meets them."""
    global root
    root = app
    requestid.attach(app)
    log.attach(app)
    health.attach(app, {"memory": _memory, "tasks": _tasks})
    headers.protect(app, headers.POLICY + _INLINE)
    if board.network_time:
        # A laptop answers whom it likes as often as it can.
        ratelimit.limit(app, PER_MINUTE, BURST)
    origins.only_hosts(app, _names)
    app.before(_protect)
    app.lazy(("/api/login", "/api/logout", "/api/session", "/api/password", "/api/tokens"), "firmware.site.login")


def _protect(request):
    """Let nobody write, open a WebSocket or read what is private who may not: loads the guard for those alone."""
    global _guard
    is_safe = request.method in origins.SAFE
    if is_safe and request.field(b"upgrade") is None and not _is_private(request):
        return None
    if _guard is None:
        _guard = transport.load("firmware.site.account").make_guard([path.decode() for path in PRIVATE])
    if not is_safe:
        origins.refuse_foreign(request)
    return _guard(request)


def _is_private(request):
    path = request.target
    if b"%" in path:
        path = request.path.encode()
    if path.startswith(b"/api/"):
        for prefix in PRIVATE:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/"):
                return True
    return False


def _names():
    global _hostname, _known
    if settings.current["hostname"] is not _hostname:
        _hostname = settings.current["hostname"]
        _known = (_hostname.lower(), _hostname.lower() + ".local")
    return _known


def _memory():
    return "low" if memory.keeper and memory.keeper.step else None


def _tasks():
    return None if tasks.is_well() else "a task waits to be started again"
