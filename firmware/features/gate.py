"""The guards that `auth.protect` and `auth.token` add to an application. They load the rest when it is needed.

Below an application with an `auth` of its own, like the shipped site, that one decides: there is one password for all.
"""

from firmware.features.origins import SAFE, check_write
from firmware.features.signing import is_equal
from firmware.http.errors import HTTPError
from firmware.http.origin import is_preflight

# RFC 4648's alphabets need 22 characters for 128 bits; a shorter secret than this can be guessed.
_MIN_TOKEN = 16

_LOGIN = ("/api/login", "/api/logout", "/api/session", "/api/password", "/api/tokens")


def token(app, secret, reads=True):
    """See `auth.token`. That one also loads the guard for people: a small board imports this one."""
    if len(secret) < _MIN_TOKEN:
        raise ValueError("a token has %d characters or more" % _MIN_TOKEN)
    wanted = secret.encode()
    app.has_guard = True

    @app.before
    def guard(request):
        # A preflight (CORS) has no token.
        if request.method == "OPTIONS" or not reads and _only_reads(request):
            return
        given = request.field(b"authorization") or b""
        if given[:7].lower() != b"bearer " or not is_equal(given[7:].strip(), wanted):
            challenge = 'Bearer realm="Limpet"' + (', error="invalid_token"' if given else "")
            raise HTTPError(401, "This takes a token: Authorization: Bearer ...", {"WWW-Authenticate": challenge})


def protect(app, also, folder, kind):
    """See `auth.protect`; `kind`: the class Auth, which this module cannot import."""
    gate = Gate(app, also, folder, kind)
    app.before(gate.guard)
    app.mount_router("/", gate)


class Gate:
    """The guard before an application, and the endpoints of the log-in as something to mount."""

    app = None  # these endpoints, after the first request for one

    def __init__(self, app, *args):
        self._owner = app
        self._also = args[0]
        self._args = args  # of the Account
        self._account = None

    def guard(self, request):
        """Return None for an allowed request, or something to await for the answer. Raises 401, 403, 429."""
        is_read = _only_reads(request)
        if is_read and not (self._also and _is_below(request.path, self._also)) or is_preflight(request):
            return None
        outer = self._outer()
        if outer:
            # That application has already checked requests that change something.
            return outer().demand(request, "read") if is_read else None
        check_write(request)
        account = self._load()
        if self.app is not None and request.slot.app is self.app:
            # These endpoints check by themselves, wherever the application is mounted.
            if request.path.endswith("/api/password"):
                account.auth._setup = (request.path,)
            return None
        return account.ask(request)

    def search(self, path):
        """Search as a router does, for the endpoints of the log-in."""
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
    # A WebSocket begins with GET, but may change something later.
    return request.method in SAFE and request.field(b"upgrade") is None


def _is_below(path, prefixes):
    for prefix in prefixes:
        if path == prefix or path.startswith(prefix + "/"):
            return True
    return False
