"""The guard of all requests that change something. The first such request loads it; `login` has its endpoints."""

import firmware.board as board
from firmware.board import clock, recovery, settings, storage
from firmware.features import origins
from firmware.features.auth import Auth
from firmware.features.sessions import Sessions


class _Tokens:
    """A stand-in for the Tokens until one is needed: most boards have none."""

    def __getattr__(self, name):
        from firmware.features.tokens import Tokens

        self.auth.tokens = Tokens(storage)
        return getattr(self.auth.tokens, name)


def _save_password(record):
    settings.note(admin=record)


class Account:
    """The `auth`, and the `guard` that refuses clients without the right to do something.

    `root`: the guarded application; `log`: is told why nothing may be changed; `kept`: a dict that outlasts this
    object. Only requests that need a log-in are passed to the guard.
    """

    def __init__(self, root, log, kept):
        server = root and root.server
        is_secure = server is not None and server.is_secure
        if recovery.life:
            kept["boot"] = recovery.life
        sessions = Sessions(storage, clock.unix_time, _uptime_s, is_secure, kept=kept, own_name=True)
        recovery.life = kept["boot"]
        tokens = _Tokens()
        self.auth = tokens.auth = Auth(_password, sessions, tokens, _save_password, kept=kept)
        self.auth.log = log
        # While there is no password, the first one may be set over the network.
        self.auth.protect(self, ("",), ("/api/password",), "/board")

    def before(self, hook):
        """Keep the hook that `protect` would add to an application."""
        self._hook = hook

    def guard(self, request):
        """Return None for an allowed request, or something to await for the answer. Raises 401, 403, 429 or 503."""
        origins.check_write(request)
        return self._hook(request)


def _uptime_s():
    return recovery.before_s + board.uptime_s()


def _password():
    return settings.current["admin"]
