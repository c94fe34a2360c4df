"""CORS: what browsers are told about pages of other origins."""

import pytest

from firmware import App
from firmware.features import cors
from host_tests.features.test_auth import ADMIN, GUARDED, client, guarded, tokens  # noqa: F401 - fixtures

DASHBOARD = "https://dashboard.example"
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,content-type"}

OPEN = """
import asyncio, sys
sys.path.insert(0, ".")
from firmware import App
from firmware.features import cors
from host_tests.apps import start
app = App()
cors.allow(app, "*", headers="")
inner = App()
cors.allow(inner, ["https://inner.example"], credentials=True)
@app.get("/")
def index(request):
    return {"a": 1}
@inner.get("/")
def inner_index(request):
    return {"b": 1}, 200, {"Vary": ["Accept"]}
app.mount("/inner", inner)
start.run(app)
"""

ORDERED = """
import asyncio, sys
sys.path.insert(0, ".")
from firmware import App
from firmware.board import storage
from firmware.features import cors, passwords
from firmware.features.auth import Auth
from firmware.features.sessions import Sessions
from host_tests.apps import start

app = App()
inner = App()
settings = {}
auth = Auth(lambda: settings["admin"], Sessions(storage, lambda: None, lambda: 1))
allowed = ["https://dashboard.example"]
if "cors-first" in start.words():
    cors.allow(app, allowed)
auth.protect(app, also=("/private",))
if "auth-first" in start.words():
    cors.allow(app, allowed)
if "cors-inside" in start.words():
    cors.allow(inner, allowed)
inner.route("/private", ("GET", "PUT"))(lambda request: {"ok": True})
inner.route("/value", ("GET", "PUT"))(lambda request: {"ok": True})
app.mount("/", inner)

async def main():
    storage.use(start.option("data"))
    settings["admin"] = await passwords.make("correct horse", 100)
    await start.serve(app)

asyncio.run(main())
"""


def test_preflight_tells_what_may_be_sent(guarded):  # noqa: F811
    with client(guarded) as http:
        for path in ("/value", "/api/tokens", "/nowhere"):
            answer = http.options(path, headers={"Origin": DASHBOARD, **PREFLIGHT})
            assert answer.status_code == 204
            assert answer.headers["access-control-allow-origin"] == DASHBOARD
            assert "PUT" in answer.headers["access-control-allow-methods"].split(", ")
            assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type"
            assert answer.headers["access-control-max-age"] == "7200"
            assert answer.headers["vary"] == "Origin"
            assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://dashboard.example", DASHBOARD + ".evil", "*"]
)
def test_other_origins_are_told_nothing(guarded, origin):  # noqa: F811
    with client(guarded) as http:
        for answer in (
            http.options("/value", headers={"Origin": origin, **PREFLIGHT}),
            http.get("/value", headers={"Origin": origin}),
        ):
            assert answer.status_code in (200, 204)
            assert not [name for name in answer.headers if name.startswith("access-control-")]
            assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("order", ["auth-first", "cors-first", "cors-inside"])
def test_preflight_needs_no_log_in(start_server, tmp_path, order):
    """WHATWG Fetch 4.8: it has no credentials."""
    script = tmp_path / "ordered.py"
    script.write_text(ORDERED)
    server = start_server(order, script=script)
    with client(server, headers={"Origin": DASHBOARD}) as http:
        for path in ("/private", "/private/x", "/value"):
            answer = http.options(path, headers={**PREFLIGHT, "Access-Control-Request-Headers": "authorization"})
            if path != "/private/x" or order != "cors-inside":
                assert answer.status_code == 204, (path, answer.text)
                assert answer.headers["access-control-allow-origin"] == DASHBOARD
                assert "Authorization" in answer.headers["access-control-allow-headers"]
        # Whoever is not told anything by it gets no further than that.
        assert http.get("/private").status_code == http.put("/value").status_code == 401
        assert http.options("/private").status_code == 401


def test_plain_options_stays_what_it_is(guarded):  # noqa: F811
    with client(guarded) as http:
        answer = http.options("/value", headers={"Origin": DASHBOARD})
        assert answer.headers["allow"] == "GET, HEAD, PUT, OPTIONS"
        assert answer.headers["access-control-allow-origin"] == DASHBOARD


def test_every_answer_says_who_may_read_it(guarded, tokens):  # noqa: F811
    with client(guarded, headers={"Origin": DASHBOARD}) as http:
        for path, status in (("/value", 200), ("/nowhere", 404), ("/mine", 401), ("/static/style.css", 200)):
            answer = http.get(path)
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == DASHBOARD
            assert answer.headers["access-control-expose-headers"] == "X-Total"
            assert "Origin" in answer.headers["vary"]
        tag = http.get("/static/style.css").headers["etag"]
        assert http.get("/static/style.css", headers={"If-None-Match": tag}).status_code == 304
        # A page of another origin changes things with a token, never with what the browser sends by itself.
        assert http.put("/value", headers={"Authorization": "Bearer " + tokens["write"]}).status_code == 200
        assert http.put("/value", auth=ADMIN).status_code == 403


def test_answer_without_an_origin_depends_on_it_all_the_same(guarded):  # noqa: F811
    with client(guarded) as http:
        answer = http.get("/value")
        assert answer.headers["vary"] == "Origin" and "access-control-allow-origin" not in answer.headers
        assert http.get("/own-policy").headers.get_list("vary") == ["Accept", "Origin"]


def test_all_origins_and_origins_of_a_mount(start_server, tmp_path):
    script = tmp_path / "open.py"
    script.write_text(OPEN)
    server = start_server(script=script)
    with client(server) as http:
        answer = http.get("/", headers={"Origin": "https://any.example"})
        assert answer.headers["access-control-allow-origin"] == "*" and "vary" not in answer.headers
        answer = http.options("/", headers={"Origin": "null", **PREFLIGHT})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-headers" not in answer.headers
        answer = http.get("/inner/", headers={"Origin": "https://inner.example"})
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers.get_list("vary") == ["Accept", "Origin"]


@pytest.mark.parametrize(
    ("allowed", "credentials"),
    [("*", True), (["https://a.example/"], False), (["a.example"], False), (["https://A.example"], False)],
)
def test_what_no_browser_would_send_is_refused_at_the_start(allowed, credentials):
    with pytest.raises(ValueError):
        cors.allow(App(), allowed, credentials)
