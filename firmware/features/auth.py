"""Authentication and rights: Basic (RFC 7617), Bearer (RFC 6750), sessions. Every change needs a log-in.

    auth.protect(app)                        # a password, sessions and tokens, kept in the folder "data"
    auth.token(app, "a-long-secret")         # one secret for all scripts

Or from your own parts:

    sessions = Sessions(storage, clock.unix_time, board.uptime_s)
    auth = Auth(lambda: settings.current["admin"], sessions, Tokens(storage), save_password)
    auth.protect(app)                        # requests that change something, and WebSockets, need a log-in
    app.mount("/", auth.app)                 # log-in, log-out, password, tokens: see `login`

    @app.get("/api/log")
    @auth.required("admin")
    def log(request):
        return {"for": request.user.name}

Behind a guard `request.user` is a User; elsewhere call `auth.identify(request)`. There is one password, the
administrator's; scripts have tokens, each with a role of ROLES. A browser sends the session's cookie and Basic
credentials by itself; if a page of another site makes it send them, nothing is changed.

While there is no password, clients on the network may only read; the machine itself (a laptop's own browser) may do
everything. `protect` checks WebSockets, too: after the handshake a handler can no longer refuse a client.
"""

import os

from firmware.features import ROLES
from firmware.features.origins import SAFE, refuse_foreign
from firmware.features.strangers import BEARER, LOOPBACK, OPEN, challenge
from firmware.http.errors import HTTPError
from firmware.http.origin import is_preflight
from firmware.server import transport

ADMIN = "admin"

_UNSET = "Until a password is set, on the board's page or with PUT /api/password, this is closed to the network."


class User:
    """A known client: `name`, `role` (of ROLES), `by` ("session", "password", "token" or "loopback"), `session`.

    The class has no functions: a request that refers to them would keep this module from being forgotten.
    """


def _user(name, role, by, session=None):
    user = User()
    user.name = name
    user.role = role
    user.by = by
    user.session = session
    return user


class Auth:
    """The guard. `password()` returns the record of the password (see `passwords`) or None; `save_password(record)`
    stores a new one. `sessions` is a Sessions, `tokens` a Tokens or None. `kept`: a dict that outlasts this object if
    it is forgotten and made again: the wrong attempts, the verified passwords.
    """

    def __init__(self, password, sessions, tokens=None, save_password=None, attempts=None, kept=None):
        self.password = password
        self.sessions = sessions
        self.tokens = tokens
        self.save_password = save_password
        self._setup = ()
        self._prefix = ""
        self._attempts = attempts
        self._kept = {} if kept is None else kept
        if "verified" not in self._kept:
            self._kept.update({"key": os.urandom(32), "verified": [], "attempts": {}, "queue": []})
        self.log = None  # a `log.Log`, told why nothing may be changed

    @property
    def app(self):
        """A new App with the endpoints of `login`, to be mounted at "/"."""
        from firmware.features.login import make_app

        return make_app(self, ADMIN, BEARER)

    # -- guards

    def protect(self, app, also=(), setup=(), prefix=""):
        """Require a user with the right to write for WebSockets and all requests that change something.

        `also`: paths that need a log-in to be read, each with all paths below it; `setup`: paths that are open while
        there is no password; `prefix`: all these paths, and those of `login`, exist a second time below it.
        """
        self._setup = setup
        self._prefix = prefix

        @app.before
        def guard(request):
            is_safe = _is_safe(request)
            path = self._path(request)
            if is_safe and not (also and _is_below(path, also)) or path in OPEN:
                return None
            if is_preflight(request):
                return None
            if self.is_setup(request):
                return refuse_foreign(request)
            return self.demand(request, "read" if is_safe else "write")

    def is_setup(self, request):
        """Return whether a path is open because there is no password yet."""
        return self.password() is None and _is_below(self._path(request), self._setup)

    def _path(self, request):
        """Return a request's path without the prefix."""
        path = request.path
        return path[len(self._prefix) :] if path.startswith(self._prefix + "/") else path

    def required(self, role="read"):
        """Decorate a handler, below its route, that needs a user: `@auth.required` or `@auth.required("admin")`."""
        if not isinstance(role, str):
            return self.required()(role)
        if role not in ROLES:
            raise ValueError("not a role: " + role)

        def decorate(handler):
            def wrapped(request, **params):
                pending = self.demand(request, role)
                return handler(request, **params) if pending is None else _later(pending, handler, request, params)

            return wrapped

        return decorate

    def demand(self, request, role="read"):
        """Set `request.user` to a User with `role`. Return None, or something to await for that.

        Raises the errors of `identify`; 401 without credentials; 403 for a user without the role, for a change by a
        page of another site, and for all clients on the network while there is no password.
        """
        user = getattr(request, "user", None) or self.identify(request)
        if transport.is_pending(user):
            return self._demand_later(user, request, role)
        self._admit(user, request, role)

    async def _demand_later(self, pending, request, role):
        self._admit(await pending, request, role)

    def _admit(self, user, request, role):
        if user is None:
            if self.password() is None:
                self._tell()
                raise HTTPError(403, _UNSET)
            raise HTTPError(401, "Log in first.", challenge(request))
        if user.by != "token" and not _is_safe(request):
            refuse_foreign(request)
        if ROLES.index(user.role) < ROLES.index(role):
            headers = {"WWW-Authenticate": BEARER + ', error="insufficient_scope"'} if user.by == "token" else None
            raise HTTPError(403, "%s may not do this." % user.name, headers)
        request.user = user

    def _tell(self):
        if "is_told" not in self._kept:
            self._kept["is_told"] = True
            reason = "nothing can be changed over the network: no password is set"
            print("limpet:", reason)
            if self.log:
                self.log.warning(reason)

    # -- identity

    def identify(self, request):
        """Return the request's User, None without credentials, or something to await (verifying a password is slow).

        Raises 400 for malformed credentials, 401 for wrong ones, 429 after too many attempts. An Authorization field
        has priority over a cookie.
        """
        if self.password() is None:
            return _user(ADMIN, "admin", "loopback") if request.client in LOOPBACK else None
        raw = request.field(b"authorization")
        if raw is None:
            session = self.sessions.read(request.field(b"cookie"), self.bound_to(request))
            return _user(session.user, session.role, "session", session) if session else None
        space = raw.find(b" ")
        scheme, rest = (raw[:space].lower(), raw[space:].strip()) if space > 0 else (raw.lower(), b"")
        if scheme == b"bearer":
            return self._credentials().by_token(rest)
        if scheme == b"basic":
            return self._credentials().by_password(request, rest)
        return None

    def bound_to(self, request):
        """Return the bytes to which a session is bound: the client's address and the present password's record."""
        return ("%s\n%s" % (request.client, self.password())).encode()

    async def check_password(self, request, name, password):
        """Check the administrator's name and password. Raises 401 for wrong ones, 429 after too many attempts.

        Raises 403 while there is no password. One password is verified at a time: other requests wait for their turn.
        """
        await self._credentials().check_password(request, name, password)

    def _credentials(self):
        """Return the Credentials, loaded on demand: few requests have credentials other than a session's cookie."""
        from firmware.features.credentials import Credentials

        return Credentials(self, _user, self._attempts, self._kept, challenge)


async def _later(pending, handler, request, params):
    await pending
    result = handler(request, **params)
    return await transport.settled(result) if transport.is_pending(result) else result


def _is_safe(request):
    """Return whether a request only reads. A WebSocket begins with GET, but may change something later."""
    return request.method in SAFE and b"websocket" not in (request.field(b"upgrade") or b"").lower()


def _is_below(path, prefixes):
    for prefix in prefixes:
        if path == prefix or path.startswith(prefix + "/"):
            return True
    return False


# -- one-line forms, loaded by their first use


def protect(app, also=(), folder="data"):
    """Require a log-in for WebSockets and all requests that change something; mount the endpoints of `login`.

    There is one password, the administrator's. The first client sets it, by `PUT /api/password` with {"new": ...};
    scripts use tokens. `also`: paths that need a log-in to be read, each with all paths below it; `folder`: where
    password, tokens and the sessions' key are kept. Below the shipped site the board's password is used.
    """
    from firmware.features import gate

    gate.protect(app, also, folder, Auth)


def token(app, secret, reads=True):
    """Require `Authorization: Bearer SECRET` (RFC 6750) of each request; without it the answer is 401.

    `secret`: text of 16 characters or more; `reads`: whether requests that only read need it, too. Preflights (CORS)
    need none. Raises ValueError for a secret that is too short. On a small board `gate.token` does the same, and loads
    nothing else.
    """
    from firmware.features import gate

    gate.token(app, secret, reads)
