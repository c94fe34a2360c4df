"""The guards of the shipped site: they decide which client may do what. Rarely used code is loaded on demand.

While there is no password, clients on the network may only read: changes are refused, and the log says why. On a laptop
its own browser may do everything. Once there is a password, a client without credentials may read the pages, and the
paths that the settings name as `public`.

A small board leaves out the guards in `extras`, unless its settings say otherwise (`guards`: true or false; null goes
by the board's size). `left_out` has their names. Such a board also loads the parts of the site one at a time.

`entrance` puts the guards before the site.
"""

import sys

import firmware.board as board
from firmware.board import memory, settings
from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.server import loader, tasks

# Paths that always need a log-in, even to be read; and paths that need one once there is a password, unless `public`.
_PRIVATE = (b"/api/log", b"/api/settings", b"/api/tokens", b"/api/update")
_DATA = (
    b"/api/events",
    b"/api/files",
    b"/api/led",
    b"/api/pins",
    b"/api/readings",
    b"/api/readings.csv",
    b"/api/status",
    b"/files",
    b"/metrics",
    b"/users",
)

# RFC 9110 9.2.1, without TRACE: methods that change nothing.
_SAFE = ("GET", "HEAD", "OPTIONS")

# The heap that the guard for passwords and sessions takes.
_ACCOUNT_BYTES = const(11264)
# Values of Host that were accepted: the board's name, its address.
_MAX_HOSTS = const(4)

root = None  # the guarded application
log = None  # a `features.log.Log`
left_out = ()
kept = {}  # state that outlasts parts that are forgotten

_account = None
_hosts = []
_private = ()  # the values for the settings `_seen`
_seen = None
_settings = None  # of which these hosts are


class Log:
    """A stand-in for the log until a line is written or read."""

    def __getattr__(self, name):
        global log
        from firmware.features.log import Log

        log = root.log = Log(board.uptime_s, 1024)
        log.info("left out on this board: " + ", ".join(left_out))
        return getattr(log, name)


def free_bytes():
    """Return how many bytes `loader` may count on."""
    return board.heap()["free"]


def auth():
    """Return the Auth. The first call loads it."""
    return _get_account().auth


def _get_account():
    global _account
    if _account is None:
        _account = loader.with_room(root, _ACCOUNT_BYTES, _load_account)
    return _account


def _load_account():
    return loader.borrow("firmware.site.account").Account(root, log, kept)


def forget():
    global _account
    # The log-in's endpoints still hold this one: do not make a second.
    if "firmware.site.login" not in sys.modules:
        _account = None
    loader.tidy()


def protect(request):
    """Check requests that write, open a WebSocket or read a private path. Only these load the guard."""
    if request.method in _SAFE and not _is_private(request):
        upgrade = request.field(b"upgrade")
        if upgrade is None or b"websocket" not in upgrade.lower():
            return _tell_session(request) if request.target == b"/api/session" else None
    request.origins = settings.current["origins"]
    if _has_guard(request.slot.app):
        return None
    if settings.current["admin"] and _has_nothing(request):
        loader.borrow("firmware.features.strangers").refuse(request, "/board")
    if loader.one_at_a_time:
        # Already loaded by earlier requests.
        loader.tidy()
    pending = _get_account().guard(request)
    # There is room while this is answered.
    if pending is None and loader.one_at_a_time:
        forget()
    return pending


def _tell_session(request):
    """Answer a client without credentials here: every page asks for this, and the log-in's modules are large."""
    if request.method != "GET" or request.slot.app is not root or not _has_nothing(request):
        return None
    return loader.borrow("firmware.features.strangers").tell(request, settings.current["admin"] is not None)


def _has_nothing(request):
    return request.field(b"cookie") is None and request.field(b"authorization") is None


def _has_guard(app):
    while app:
        if app.has_guard:
            return True
        app = app.parent
    return False


def _read_settings():
    global _private, _seen
    _seen = settings.current
    _private = _PRIVATE
    if _seen["admin"]:
        _private = [path for path in _DATA if path.decode() not in _seen["public"]] + list(_PRIVATE)


def _is_private(request):
    if settings.current is not _seen:
        _read_settings()
    path = request.target
    if b"%" in path:
        path = request.path.encode()
    if path.startswith(b"/board/"):  # the shipped site beside a project (see `project`)
        path = path[6:]
    for prefix in _private:
        if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/"):
            return True
    return False


def check_host(request):
    """Raise 421 for a host name that is not the board's (see `hosts.is_known`)."""
    global _settings
    host = request.field(b"host")
    if settings.current is not _settings:
        _settings = settings.current
        _hosts.clear()
    if host is None or host in _hosts:
        return
    hosts = loader.borrow("firmware.features.hosts")
    if not hosts.is_known(host, [_settings["hostname"].lower()] + hosts.names_of(_settings["origins"])):
        raise HTTPError(421, "This board does not go by that name.")
    if len(_hosts) >= _MAX_HOSTS:
        _hosts.pop(0)
    _hosts.append(host)


def health(request):
    """Return {"status": "ok"}, or 503 with the reasons. Every client may ask."""
    reasons = {}
    problem = memory.problem()
    if problem:
        reasons["memory"] = problem
    if not tasks.is_well():
        reasons["tasks"] = "a task waits to be started again"
    # An old answer is useless.
    fields = {"Cache-Control": "no-store"}
    if reasons:
        return {"status": "unavailable", "reasons": reasons}, 503, fields
    return {"status": "ok"}, 200, fields
