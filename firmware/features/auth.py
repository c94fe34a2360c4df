"""Who asks, and may they: Basic (RFC 7617), Bearer (RFC 6750), sessions; nothing is written without a log-in.

    sessions = Sessions(storage, clock.unix_time, board.uptime_s)
    auth = Auth(lambda: settings.current["admin"], sessions, Tokens(storage), save_password)
    auth.protect(app)                        # whatever changes something, and WebSockets, take a log-in
    app.mount("/", auth.app)                 # log-in, log-out, password, tokens: see `login`

    @app.get("/api/log")
    @auth.required("admin")
    def log(request):
        return {"for": request.user.name}

Behind a guard `request.user` is a User; elsewhere `auth.identify(request)` tells. There is one password, the
administrator's; scripts have tokens, each with a role of ROLES. What a browser sends by itself, the session's cookie
and Basic, changes nothing when a page of another site has it sent.

While there is no password, the network may only read; the machine itself (a laptop's own browser) may do everything.
WebSockets are the business of `protect`: behind its handshake a handler can refuse nobody.
"""

import os
from binascii import a2b_base64, b2a_base64

from firmware.features.origins import SAFE, refuse_foreign
from firmware.features.signing import is_equal, sign
from firmware.http.errors import HTTPError
from firmware.http.urls import decode_text
from firmware.server import transport

ADMIN = "admin"

# What a token, or a user, may: read, change things, change who may. Each may what those before it may.
ROLES = ("read", "write", "admin")

# These refuse for themselves: who is to log in is not logged in yet.
_OPEN = ("/api/login", "/api/logout")

_LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")

BASIC = 'Basic realm="Limpet", charset="UTF-8"'
BEARER = 'Bearer realm="Limpet"'

_UNSET = "Until a password is set, on the board's page or with PUT /api/password, this is closed to the network."

# Who sends Basic sends the password with every request: the last clients whose password was verified need not wait for
# it again. It is kept as an HMAC by a key that never leaves the RAM.
_MAX_VERIFIED = 4
# Between two looks whether it is one's turn to be verified.
_TURN_MS = 20


class User:
    """Who asks: `name`, `role` (of ROLES), `by` ("session", "password", "token" or "loopback"), `session`."""

    def __init__(self, name, role, by, session=None):
        self.name = name
        self.role = role
        self.by = by
        self.session = session


class Auth:
    """The guard. `password()` returns the record of the password (see `passwords`) or None; `save_password(record)`
    stores a new one. `sessions` is a Sessions, `tokens` a Tokens or None.
    """

    def __init__(self, password, sessions, tokens=None, save_password=None, attempts=None):
        self.password = password
        self.sessions = sessions
        self.tokens = tokens
        self.save_password = save_password
        self._setup = ()
        self._attempts = attempts  # made when there is a password to be verified
        self._key = os.urandom(32)
        self._verified = []
        self._is_busy = False
        self._is_told = False
        self.log = None  # a `log.Log`, told why nothing may be written

    @property
    def app(self):
        """A new App with the endpoints of `login`, to be mounted at "/"."""
        from firmware.features.login import make_app

        return make_app(self)

    # -- guards

    def protect(self, app, also=(), setup=()):
        """Have everything that changes something, and WebSockets, take a user who may write.

        `also`: paths that take a log-in to be read, each with all below it; `setup`: those that are open while there is
        no password.
        """
        self._setup = setup

        @app.before
        def guard(request):
            is_safe = _is_safe(request)
            if is_safe and not (also and _is_below(request.path, also)) or request.path in _OPEN:
                return None
            if self.is_setup(request):
                return refuse_foreign(request)
            return self.demand(request, "read" if is_safe else "write")

    def is_setup(self, request):
        """Tell whether a path is open because there is no password yet."""
        return self.password() is None and _is_below(request.path, self._setup)

    def required(self, role="read"):
        """Decorate a handler, below its route, that takes a user: `@auth.required` or `@auth.required("admin")`."""
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
        """See to it that `request.user` is a User who has `role`. Returns None, or what has to be awaited for that.

        Raises what `identify` does; 401 for nobody, 403 for who may not, for a page of another site that has a browser
        change something, and for anybody from the network while there is no password.
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
        if not self._is_told:
            self._is_told = True
            reason = "nothing can be changed over the network: no password is set"
            print("limpet:", reason)
            if self.log:
                self.log.warning(reason)

    # -- who is it

    def identify(self, request):
        """Return the User who asks, None for nobody, or what has to be awaited for that (a password takes its time).

        Raises 400 for credentials that are malformed, 401 for wrong ones, 429 for who has been wrong too often. An
        Authorization field counts more than a cookie.
        """
        if self.password() is None:
            return User(ADMIN, "admin", "loopback") if request.client in _LOOPBACK else None
        raw = request.field(b"authorization")
        if raw is None:
            session = self.sessions.read(request.field(b"cookie"), self.bound_to(request))
            return User(session.user, session.role, "session", session) if session else None
        space = raw.find(b" ")
        scheme, rest = (raw[:space].lower(), raw[space:].strip()) if space > 0 else (raw.lower(), b"")
        if scheme == b"bearer":
            return self._by_token(rest)
        if scheme == b"basic":
            return self._by_password(request, rest)
        return None

    def bound_to(self, request):
        """Return what a session is bound to (bytes): the client's address, and the password as it is now."""
        return ("%s\n%s" % (request.client, self.password())).encode()

    def _by_token(self, token):
        if not token:
            raise HTTPError(400, "There is no token.", {"WWW-Authenticate": BEARER + ', error="invalid_request"'})
        found = self.tokens and self.tokens.find(token)
        if not found:
            raise HTTPError(401, "The token is not valid.", {"WWW-Authenticate": BEARER + ', error="invalid_token"'})
        return User(found["name"], found["role"], "token")

    def _by_password(self, request, rest):
        name, password = _credentials(rest)
        address = request.client
        self._guesses().check(address)
        if self._is_verified(self._proof(address, name, password)):
            return User(name, "admin", "password")
        return self._by_verified(request, name, password)

    async def _by_verified(self, request, name, password):
        await self.check_password(request, name, password)
        return User(name, "admin", "password")

    def _guesses(self):
        if self._attempts is None:
            from firmware.features.passwords import Attempts

            self._attempts = Attempts()
        return self._attempts

    async def check_password(self, request, name, password):
        """Raise 401 unless these are the administrator's name and password, 429 for who has been wrong too often.

        403 while there is no password. One is verified at a time: the others wait for their turn.
        """
        from firmware.features.passwords import verify

        attempts = self._guesses()
        address = request.client
        proof = self._proof(address, name, password)
        while self._is_busy:
            await transport.sleep_ms(_TURN_MS)
        self._is_busy = True
        try:
            record = self.password()
            if record is None:
                raise HTTPError(403, "No password is set.")
            attempts.check(address)
            if self._is_verified(proof):
                return
            # Counted before it is known: who hangs up in the middle has tried.
            attempts.charge(address)
            is_right = await verify(password, record)
            if not is_right or not is_equal(name.encode(), ADMIN.encode()):
                raise HTTPError(401, "The name or the password is wrong.", challenge(request))
            attempts.clear(address)
            self._verified = self._verified[1 - _MAX_VERIFIED :] + [proof]
        finally:
            self._is_busy = False

    def _proof(self, address, name, password):
        # Lengths first: no text in one of them passes for another.
        texts = (address, str(self.password()), name, password)
        return sign(self._key, b"".join([b"%d:%s" % (len(text.encode()), text.encode()) for text in texts]))

    def _is_verified(self, proof):
        found = False
        for known in self._verified:
            found = is_equal(known, proof) or found
        return found


def challenge(request):
    """Return the fields of a 401: how to log in. Without Basic for a script's JSON: browsers would open a window."""
    from firmware.http.accept import prefers_json

    return {"WWW-Authenticate": BEARER if prefers_json(request.headers.get("accept")) else [BASIC, BEARER]}


async def _later(pending, handler, request, params):
    await pending
    result = handler(request, **params)
    return await transport.settled(result) if transport.is_pending(result) else result


def _is_safe(request):
    """Tell whether a request only reads. A WebSocket begins with GET, and then may say anything."""
    return request.method in SAFE and b"websocket" not in (request.field(b"upgrade") or b"").lower()


def _is_below(path, prefixes):
    for prefix in prefixes:
        if path == prefix or path.startswith(prefix + "/"):
            return True
    return False


def _credentials(rest):
    """Return (name, password) of Basic's credentials (bytes). RFC 7617 section 2. Raises 400."""
    raw = b""
    try:
        raw = a2b_base64(rest)
    except ValueError:
        pass
    colon = raw.find(b":")
    # Decoding passes over what is not of the alphabet, differently here and there: what it was made of has to be it.
    if colon >= 0 and b2a_base64(raw)[:-1] == rest and not _has_control(raw):
        return decode_text(raw[:colon]), decode_text(raw[colon + 1 :])
    raise HTTPError(400, "These are no credentials of Basic.")


def _has_control(raw):
    for byte in raw:
        if byte < 32 or byte == 127:
            return True
    return False
