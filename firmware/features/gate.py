"""The guards that `auth.protect` and `auth.token` hang before an application; what they need comes with who is asked.

Below an application that has an `auth` of its own, as the shipped site has, that one is asked: one password for all.
"""

from firmware.features.origins import SAFE, check_write
from firmware.features.signing import is_equal
from firmware.http.errors import HTTPError
from firmware.http.origin import is_preflight

# RFC 4648's alphabets take 22 characters for 128 bits; shorter than this is a word that somebody guesses.
_MIN_TOKEN = 16

_LOGIN = ("/api/login", "/api/logout", "/api/session", "/api/password", "/api/tokens")


def token(app, secret, reads=True):
    """See `auth.token`, which loads the guard of people, too: a small board imports this one."""
    if len(secret) < _MIN_TOKEN:
        raise ValueError("a token has %d characters or more" % _MIN_TOKEN)
    wanted = secret.encode()
    app.has_guard = True

    @app.before
    def guard(request):
        # A preflight (CORS) brings no token.
        if request.method == "OPTIONS" or not reads and _only_reads(request):
            return
        given = request.field(b"authorization") or b""
        if given[:7].lower() != b"bearer " or not is_equal(given[7:].strip(), wanted):
            challenge = 'Bearer realm="Limpet"' + (', error="invalid_token"' if given else "")
            raise HTTPError(401, "This takes a token: Authorization: Bearer ...", {"WWW-Authenticate": challenge})


def protect(app, also, folder, kind):
    """See `auth.protect`; `kind`: the class Auth, which cannot be imported from here."""
    gate = Gate(app, also, folder, kind)
    app.before(gate.guard)
    app.mount_router("/", gate)


class Gate:
    """What stands before an application, and the endpoints of the log-in as something to mount."""

    app = None  # these endpoints, once somebody asked for one

    def __init__(self, app, *args):
        self._owner = app
        self._also = args[0]
        self._args = args  # of the Account
        self._account = None

    def guard(self, request):
        """Raise what keeps a request out, or return None, or what has to be awaited for that."""
        is_read = _only_reads(request)
        if is_read and not (self._also and _is_below(request.path, self._also)) or is_preflight(request):
            return None
        outer = self._outer()
        if outer:
            # It has asked already who changes something.
            return outer().demand(request, "read") if is_read else None
        check_write(request)
        account = self._load()
        if self.app is not None and request.slot.app is self.app:
            # They ask for themselves, wherever the application is mounted.
            if request.path.endswith("/api/password"):
                account.auth._setup = (request.path,)
            return None
        return account.ask(request)

    def search(self, path):
        """Do as a router does, for the endpoints of the log-in."""
        if not _is_below(path, _LOGIN) or self._outer():
            return None
        if self.app is None:
            self.app = self._load().auth.app
            self.app.parent = self._owner
        return self.app.search(path)

    def _outer(self):
        root = self._owner.root()
        return None if root is self._owner else getattr(root, "auth", None)

    def _load(self):
        if self._account is None:
            from firmware.features.accounts import Account

            self._account = Account(self._owner, *self._args)
        return self._account


def _only_reads(request):
    # A WebSocket begins with GET, and then may say anything.
    return request.method in SAFE and request.field(b"upgrade") is None


def _is_below(path, prefixes):
    for prefix in prefixes:
        if path == prefix or path.startswith(prefix + "/"):
            return True
    return False
