"""The endpoints of `auth`: log-in, log-out, the password, tokens. JSON in, JSON out, errors too.

    POST   /api/login          {"password"}; begins a session
    POST   /api/logout         ends it
    GET    /api/session        who is logged in, and whether there is a password at all
    PUT    /api/password       {"old", "new"}; {"new"} where there is none; ends all other sessions, tokens stay
    GET    /api/tokens         names and roles
    POST   /api/tokens         {"name", "role"}; shows the token, once
    DELETE /api/tokens/<name>

All but the first three are for administrators.
"""

from firmware import App
from firmware.features import origins
from firmware.features.auth import ADMIN, BEARER
from firmware.http.errors import HTTPError, reason
from firmware.server import transport

# What is about who asks is nobody else's to keep.
_PRIVATE = {"Cache-Control": "no-store"}


def make_app(auth):
    """Return the App of an Auth."""
    app = App()
    for status in (400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503):
        app.error(status)(_explain)

    def logged_in(request):
        """Return the answer to a log-in as the administrator: a new session, whatever cookie came."""
        cookie = auth.sessions.begin(ADMIN, "admin", auth.bound_to(request))
        return {"user": ADMIN, "role": "admin"}, 200, {"Set-Cookie": cookie, "Cache-Control": "no-store"}

    @app.post("/api/login")
    async def log_in(request):
        origins.refuse_foreign(request)
        fields = _members(request, ("password",))
        try:
            await auth.check_password(request, ADMIN, fields["password"])
        except HTTPError as error:
            if error.status == 401:
                # A page asked for the password itself: the browser's own window is not wanted.
                error = HTTPError(401, "The password is wrong.", {"WWW-Authenticate": BEARER})
            raise error
        return logged_in(request)

    @app.post("/api/logout")
    def log_out(request):
        origins.refuse_foreign(request)
        session = auth.sessions.read(request.field(b"cookie"), auth.bound_to(request))
        if session:
            auth.sessions.end(session)
        return None, 204, {"Set-Cookie": auth.sessions.clear(), "Cache-Control": "no-store"}

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
            fields = _members(request, ("new",))
        else:
            fields = _members(request, ("old", "new"))
            # Who finds a browser logged in does not know it.
            await auth.check_password(request, ADMIN, fields["old"])
        from firmware.features import passwords

        new = await passwords.make(fields["new"])
        if auth.password() != record:
            raise HTTPError(409, "Somebody else has just set a password.")
        auth.save_password(new)
        return logged_in(request)

    if auth.tokens:

        @app.get("/api/tokens")
        @auth.required("admin")
        def tokens(request):
            return {"tokens": auth.tokens.list()}, 200, _PRIVATE

        @app.post("/api/tokens")
        @auth.required("admin")
        def make_token(request):
            fields = _members(request, ("name", "role"))
            token = auth.tokens.make(fields["name"], fields["role"])
            headers = {"Location": "/api/tokens/" + fields["name"], "Cache-Control": "no-store"}
            return {"name": fields["name"], "role": fields["role"], "token": token}, 201, headers

        @app.delete("/api/tokens/<name>")
        @auth.required("admin")
        def revoke(request, name):
            auth.tokens.revoke(name)

    return app


async def _demand(auth, request):
    pending = auth.demand(request, "admin")
    if pending is not None:
        await pending


def _members(request, names):
    """Return the JSON object in a body, which has members of these names, all text. Raises 422, and as `json` does."""
    fields = request.json
    if type(fields) is not dict or len(fields) != len(names):
        raise HTTPError(422, "Send a JSON object of: %s." % ", ".join(names))
    for name in names:
        if type(fields.get(name)) is not str:
            raise HTTPError(422, "%s is text, and required." % name)
    return fields


def _explain(request, error):
    return {"error": {"status": error.status, "reason": reason(error.status).decode(), "detail": error.detail}}
