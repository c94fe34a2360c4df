"""Guards in one line, `auth.protect` and `auth.token`: (name, function), asked without a socket."""

import os
from binascii import hexlify

from firmware import App
from firmware.features import auth, cors
from firmware.testing import BYTES, TestClient

SECRET = "a-secret-of-some-length"
UPGRADE = {"Upgrade": "websocket", "Connection": "upgrade", "Sec-WebSocket-Version": "13"}
ABROAD = "192.0.2.1"


def application(app=None):
    app = app or App()

    @app.get("/x")
    def x(request):
        return {"user": getattr(request, "user", None) and request.user.name}

    @app.get("/private/x")
    def private(request):
        return {}

    @app.put("/x")
    def put(request):
        return {}

    @app.websocket("/ws")
    async def talk(request, socket):
        pass

    return app


def bearer(secret):
    return {"Authorization": "Bearer " + secret}


def token_of_all():
    app = application()
    auth.token(app, SECRET)
    with TestClient(app) as client:
        for method in ("GET", "PUT", "HEAD"):
            answer = client.request(method, "/x")
            assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="Limpet"'), method
            assert client.request(method, "/x", bearer(SECRET)).status == 200
        for wrong in (SECRET[:-1], SECRET + "x", "", SECRET.upper()):
            answer = client.get("/x", headers=bearer(wrong))
            assert answer.status == 401 and "invalid_token" in answer.headers["www-authenticate"], wrong
        assert client.get("/x", headers={"Authorization": "bearer  " + SECRET}).status == 200
        assert client.get("/x", headers={"Authorization": "Basic " + SECRET}).status == 401
        assert client.get("/nothing").status == 401
        assert client.options("/x").status == 204


def token_to_write():
    app = application()
    auth.token(app, SECRET, reads=False)
    with TestClient(app, BYTES) as client:
        assert client.get("/x").status == 200
        assert client.put("/x").status == 401
        assert client.put("/x", headers=bearer(SECRET)).status == 200
        assert client.get("/ws", headers=UPGRADE).status == 401


def token_and_cors():
    app = application()
    auth.token(app, SECRET)
    cors.allow(app, ["https://a.example"])
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    with TestClient(app) as client:
        answer = client.options("/x", headers=asked)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, "https://a.example")
        assert client.get("/x", headers=asked).status == 401


def short_token():
    try:
        auth.token(App(), "short")
        raise AssertionError("it was taken")
    except ValueError:
        pass


def in_folder(check):
    """Call `check(folder, clients)`: `clients(folder, **options)` makes an application's client, as after a restart."""
    folder = "/tmp/limpet-" + hexlify(os.urandom(6)).decode()

    def client(address=ABROAD, **options):
        app = application()
        auth.protect(app, folder=folder, **options)
        return TestClient(app, address=address)

    try:
        check(client)
    finally:
        remove(folder)


def remove(folder):
    """Remove a folder with the files in it."""
    for name in os.listdir(folder):
        os.remove(folder + "/" + name)
    os.rmdir(folder)


def password_is_set_once():
    in_folder(_password_is_set_once)


def _password_is_set_once(client_of):
    with client_of() as client:
        assert client.get("/x").status == 200
        assert client.put("/x").status == 403
        assert client.get("/api/session").json == {"password_set": False, "user": None}
        assert client.put("/api/password", json={"new": "short"}).status == 422
        assert client.put("/api/password", json={"new": "long enough"}).status == 200
        assert client.put("/x").status == 200
        assert client.put("/x", headers={"Origin": "http://a.example"}).status == 403
        client.cookies.clear()
        assert client.put("/x").status == 401
        assert client.put("/api/password", json={"new": "another one"}).status in (401, 422)
        assert client.post("/api/login", json={"password": "long enough"}).status == 200
        answer = client.post("/api/tokens", json={"name": "script", "role": "write"})
        assert answer.status == 201
        cookies = dict(client.cookies)
    with client_of(also=("/private",)) as client:
        assert client.put("/x").status == 401
        assert client.get("/private/x").status == 401
        assert client.get("/ws", headers=UPGRADE).status == 401
        assert client.put("/x", headers=bearer(answer.json["token"])).status == 200
        abroad = {"Origin": "capacitor://localhost"}
        assert client.put("/x", headers=dict(abroad, **bearer(answer.json["token"]))).status == 200
        assert client.put("/x", headers=abroad).status == 403
        # A preflight brings nothing.
        asked = {"Origin": "http://a.example", "Access-Control-Request-Method": "GET"}
        assert client.options("/private/x", headers=asked).status == 204
        assert client.options("/private/x").status == 401
        # The key is kept, and so is the clock: a restart ends no session.
        client.cookies.update(cookies)
        assert client.put("/x").status == 200
        assert client.get("/private/x").status == 200
        assert client.post("/api/logout").status == 204
        assert client.put("/x").status == 401


def lost_password_is_set_by_nobody():
    for left in ("{", "", "{}", '{"record": null}'):
        folder = "/tmp/limpet-" + hexlify(os.urandom(6)).decode()
        os.mkdir(folder)
        with open(folder + "/password.json", "w") as file:
            file.write(left)
        app = application()
        auth.protect(app, folder=folder)
        with TestClient(app, address=ABROAD) as client:
            assert client.get("/api/session").json["password_set"] is True, left
            assert client.put("/api/password", json={"new": "long enough"}).status == 401
            assert client.post("/api/login", json={"password": "long enough"}).status == 403
        remove(folder)


def machine_itself():
    in_folder(_machine_itself)


def _machine_itself(client_of):
    with client_of("127.0.0.1") as client:
        assert client.put("/x").status == 200
        assert client.put("/api/password", json={"new": "long enough"}).status == 200


def below_another():
    """An application around it has an `auth` of its own: that one is asked, and its endpoints answer."""
    asked = []

    class Outer:
        def demand(self, request, role):
            asked.append((request.path, role))

    root = App()
    root.auth = Outer
    own = application()
    auth.protect(own, also=("/private",))
    root.mount("/", own)
    with TestClient(root, address=ABROAD) as client:
        assert client.get("/x").status == 200
        assert client.put("/x").status == 200
        assert client.get("/private/x").status == 200
        assert client.get("/api/session").status == 404
    assert asked == [("/private/x", "read")]


def below_a_prefix():
    """Its endpoints are below the prefix, too, and ask for themselves."""
    folder = "/tmp/limpet-" + hexlify(os.urandom(6)).decode()
    root = App()
    own = application()
    auth.protect(own, folder=folder)
    root.mount("/own", own)
    try:
        with TestClient(root, address=ABROAD) as client:
            assert client.put("/own/x").status in (401, 403)
            assert client.put("/own/api/password", json={"new": "long enough"}).status in (200, 204)
            client.cookies.clear()
            assert client.put("/own/x").status == 401
            assert client.post("/own/api/login", json={"password": "long enough"}).status in (200, 204)
            assert client.put("/own/x").status == 200
    finally:
        remove(folder)


CASES = [
    ("token for all", token_of_all),
    ("token to write", token_to_write),
    ("token and CORS", token_and_cors),
    ("short token", short_token),
    ("password is set once", password_is_set_once),
    ("a password that is lost", lost_password_is_set_by_nobody),
    ("the machine itself", machine_itself),
    ("below another application", below_another),
    ("below a prefix", below_a_prefix),
]


def check(case):
    case[1]()
