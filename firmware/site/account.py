"""Who may: the guard of what changes something, loaded by the first who wants to; its endpoints are in `login`."""

import firmware.board as board
from firmware.board import clock, recovery, settings, storage
from firmware.features import origins
from firmware.features.auth import Auth
from firmware.features.sessions import Sessions


class _Tokens:
    """Stands for the Tokens until somebody asks them something: most boards have none."""

    def __getattr__(self, name):
        from firmware.features.tokens import Tokens

        self.auth.tokens = Tokens(storage)
        return getattr(self.auth.tokens, name)


def _save_password(record):
    settings.note(admin=record)


class Account:
    """The `auth`, and the `guard` that refuses who may not.

    `root`: what is guarded; `log`: told why nothing may be changed; `kept`: a dict that outlasts this. It is asked for
    what takes a log-in, and for nothing else.
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
        # The first password may be set over the network; with it, that is over.
        self.auth.protect(self, ("",), ("/api/password",), "/board")

    def before(self, hook):
        """Take the hook that `protect` would hang before an application."""
        self._hook = hook

    def guard(self, request):
        """Raise what keeps a request out, or return None, or what has to be awaited for that."""
        origins.check_write(request)
        return self._hook(request)


def _uptime_s():
    return recovery.before_s + board.uptime_s()


def _password():
    return settings.current["admin"]
