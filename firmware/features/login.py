"""The endpoints of `auth`: log-in, log-out, the password, tokens. Requests, responses and errors are JSON.

    POST   /api/login          {"password"}; begins a session
    POST   /api/logout         ends it
    GET    /api/session        the logged-in user, and whether there is a password
    PUT    /api/password       {"old", "new"}; {"new"} if there is none; ends all other sessions, tokens stay
    GET    /api/tokens         names and roles
    POST   /api/tokens         {"name", "role"}; shows the token, once
    DELETE /api/tokens/<name>

All but the first three are for administrators.
"""

from firmware import App
from firmware.features import origins
from firmware.http.errors import HTTPError
from firmware.http.validator import check
from firmware.server import transport
from firmware.server.errors import as_http
from firmware.server.slot import Lost, expire

# The response is about this client: no cache may keep it.
_PRIVATE = {"Cache-Control": "no-store"}


def make_app(auth, admin, bearer):
    """Return the App of an Auth; `admin`: the administrator's name, `bearer`: a challenge that opens no window."""
    app = App()
    app.json_errors = True

    def logged_in(request):
        """Return the response to a log-in as the administrator: a new session, whatever cookie was sent."""
        cookie = auth.sessions.begin(admin, "admin", auth.bound_to(request))
        return {"user": admin, "role": "admin"}, 200, {"Set-Cookie": cookie, "Cache-Control": "no-store"}

    @app.post("/api/login")
    async def log_in(request):
        origins.refuse_foreign(request)
        fields = check({"password": str}, request.json)
        try:
            await auth.check_password(request, admin, fields["password"])
        except HTTPError as error:
            if error.status == 401:
                # The page itself asks for the password: the browser must not open its own window.
                error = HTTPError(401, "The password is wrong.", {"WWW-Authenticate": bearer})
            raise error
        return logged_in(request)

    @app.post("/api/logout")
    def log_out(request):
        origins.refuse_foreign(request)
        session = auth.sessions.read(request.field(b"cookie"), auth.bound_to(request))
        headers = {"Set-Cookie": auth.sessions.clear(), "Cache-Control": "no-store"}
        if session:
            failure = None
            are_all = False
            try:
                are_all = auth.sessions.end(session)
            except OSError as error:
                # The session is over until the board restarts, and the browser forgets the cookie in any case.
                failure = as_http(request.slot.server, error)
            end_live(request, lambda user: user.session and (are_all or user.session.id == session.id))
            if failure:
                failure.headers = headers
                raise failure
        return None, 204, headers

    @app.get("/api/session")
    async def session(request):
        user = auth.identify(request)
        if transport.is_pending(user):
            user = await user
        told = {"password_set": auth.password() is not None, "user": None}
        if user:
            told.update({"user": user.name, "role": user.role, "by": user.by})
        if user and user.session:
            told["expires_s"] = user.session.expires_s
        return told, 200, _PRIVATE

    @app.put("/api/password")
    async def set_password(request):
        is_setup = auth.is_setup(request)
        if is_setup:
            origins.refuse_foreign(request)
        else:
            await _demand(auth, request)
        if not auth.save_password:
            raise HTTPError(404, "The password is set elsewhere.")
        record = auth.password()
        if record is None:
            fields = check({"new": str}, request.json)
        else:
            fields = check({"old": str, "new": str}, request.json)
            # A person at a logged-in browser may not know the password.
            await auth.check_password(request, admin, fields["old"])
        from firmware.features import passwords

        new = await passwords.make(fields["new"])
        if auth.password() != record:
            raise HTTPError(409, "Somebody else has just set a password.")
        auth.save_password(new)
        end_live(request, lambda user: user.by != "token")
        return logged_in(request)

    if auth.tokens:

        @app.get("/api/tokens")
        @auth.required("admin")
        def tokens(request):
            return {"tokens": auth.tokens.list()}, 200, _PRIVATE

        @app.post("/api/tokens")
        @auth.required("admin")
        def make_token(request):
            fields = check({"name": str, "role": str}, request.json)
            token = auth.tokens.make(fields["name"], fields["role"])
            headers = {"Location": "/api/tokens/" + fields["name"], "Cache-Control": "no-store"}
            return {"name": fields["name"], "role": fields["role"], "token": token}, 201, headers

        @app.delete("/api/tokens/<name>")
        @auth.required("admin")
        def revoke(request, name):
            auth.tokens.revoke(name)
            end_live(request, lambda user: user.by == "token" and user.name == name)

    return app


def end_live(request, is_out):
    """End the streams, long polls and WebSockets of each User for which `is_out(user)` is true."""
    for slot in request.slot.server.slots:
        user = getattr(slot.request, "user", None)
        if slot.is_live and hasattr(user, "session") and is_out(user):
            expire(slot, Lost())


async def _demand(auth, request):
    pending = auth.demand(request, "admin")
    if pending is not None:
        await pending
