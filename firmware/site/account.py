"""Log-in, password and tokens: the guard of what changes something, loaded by the first who wants to."""

import firmware.board as board
from firmware.board import clock, settings, storage
from firmware.features.auth import Auth
from firmware.features.sessions import Sessions
from firmware.features.tokens import Tokens
from firmware.site import guards
from firmware.site.problems import explain


def _is_secure():
    server = guards.root and guards.root.server
    return server is not None and server.is_secure


def _save_password(record):
    settings.change(admin=record)


_sessions = Sessions(storage, clock.unix_time, board.uptime_s, secure=_is_secure())
auth = Auth(lambda: settings.current["admin"], _sessions, Tokens(storage), _save_password)
auth.log = guards.log

app = auth.app
explain(app)


class _Guarded:
    """Takes the hook that `protect` would hang before an application."""

    def before(self, hook):
        self.guard = hook


def make_guard(private):
    """Return the hook that refuses who may not; `private`: paths that take a log-in even to be read."""
    guarded = _Guarded()
    # The first password may be set over the network; with it, that is over.
    auth.protect(guarded, private, ("/api/password",))
    return guarded.guard
