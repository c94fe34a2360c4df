"""Who may: the guard of what changes something, loaded by the first who wants to; its endpoints are in `login`."""

import firmware.board as board
from firmware.board import clock, settings, storage
from firmware.features.auth import Auth
from firmware.features.sessions import Sessions
from firmware.site import guards


class _Tokens:
    """Stands for the Tokens until somebody asks them something: most boards have none."""

    def __getattr__(self, name):
        from firmware.features.tokens import Tokens

        auth.tokens = Tokens(storage)
        return getattr(auth.tokens, name)


def _is_secure():
    server = guards.root and guards.root.server
    return server is not None and server.is_secure


def _save_password(record):
    settings.change(admin=record)


_sessions = Sessions(storage, clock.unix_time, board.uptime_s, secure=_is_secure())
auth = Auth(lambda: settings.current["admin"], _sessions, _Tokens(), _save_password)
auth.log = guards.log


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
