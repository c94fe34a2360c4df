"""microdot's usual examples, rewritten, and its usual subset, by `firmware.microdot`: (name, request, answer)."""

import asyncio
import time

from firmware.microdot import HTTPException, Microdot, Request, Response, abort, redirect, send_file, with_sse
from firmware.testing import BEHIND, BYTES, WHOLE, TestClient

_FOLDER = "host_tests/vectors/files"

app = Microdot()
app.limits.connections = 8  # a client has as many slots
below = Microdot()
inside = []


@app.route("/")
async def index(request):
    return "Hello, world!"


@app.route("/page")
def page(request):
    return "<h1>Grüße", 200, {"Content-Type": "text/html"}


@app.route("/static/<path:path>")
def static(request, path):
    if ".." in path:
        return "Not found", 404
    return send_file(_FOLDER + "/" + path, max_age=86400)


@app.get("/events")
@with_sse
async def events(request, sse):
    inside.append(1)
    try:
        for number in range(3):
            await sse.send({"counter": number}, event_id=str(number))
            await asyncio.sleep(0.01)
        if request.args.get("forever"):
            await asyncio.sleep(60)
    finally:
        inside.remove(1)


@app.get("/inside")
def still(request):
    return {"inside": len(inside)}


@app.route("/both", methods=["GET", "POST"])
async def both(request):
    name = request.form.get("name") if request.method == "POST" else request.args.get("name", "nobody")
    return {"name": name, "all": request.args.getlist("name"), "number": request.args.get("n", 7, int)}


@app.post("/json")
def json(request):
    return {"json": request.json, "length": request.content_length, "type": request.content_type}


@app.get("/tell/<int:number>")
def tell(request, number):
    return {
        "url": request.url,
        "query": request.query_string,
        "args": request.url_args,
        "path": request.path,
        "method": request.method,
        "client": request.client_addr[0],
        "agent": request.headers.get("User-Agent"),
        "user": request.g.user,
        "app": request.app is app,
        "is": isinstance(request, Request),
    }


@app.get("/cookies")
def cookies(request):
    response = Response({"had": request.cookies.get("seen")})
    response.set_cookie("seen", "1", max_age=60, http_only=True)
    response.delete_cookie("old")
    return response


@app.get("/go")
def go(request):
    return redirect("/page")


@app.get("/stay")
def stay(request):
    return Response.redirect("/page", 307)


@app.get("/two")
async def two(request):
    return ["x"], {"X-A": "b"}


@app.get("/none")
def none(request):
    return None


@app.get("/stream")
def stream(request):
    def lines():
        yield "a\n"
        yield "b\n"

    return lines()


@app.get("/abort/<int:status>")
def stop(request, status):
    abort(status, "so it is")


@app.get("/divide/<int:by>")
def divide(request, by):
    return str(4 // by)


@app.before_request
async def who(request):
    request.g.user = "lina"
    if request.headers.get("X-Refuse"):
        return "not you", 403


@app.after_request
def mark(request, response):
    response.headers["X-After"] = request.g.user
    if request.args.get("status"):
        response.status_code = 202


@app.errorhandler(404)
async def not_found(request):
    return {"error": "not found"}, 404


@app.errorhandler(ZeroDivisionError)
def by_zero(request, exception):
    return "by zero: " + request.path, 400


@app.errorhandler(HTTPException)
def http_exception(request, exception):
    return "%d %s" % (exception.status_code, exception.reason), exception.status_code


@below.get("/x")
def x(request):
    return request.g.user


app.mount(below, url_prefix="/below")

_PLAIN = {"content-type": "text/plain; charset=UTF-8"}
_EVENTS = "".join(['id: %d\ndata: {"counter": %d}\n\n' % (number, number) for number in range(3)])

CASES = [
    ("hello", "GET /", {}, 200, {"content-type": "text/plain; charset=UTF-8", "x-after": "lina"}, "Hello, world!"),
    ("page", "GET /page", {}, 200, {"content-type": "text/html", "x-after": "lina"}, "<h1>Grüße"),
    ("static", "GET /static/a.txt", {}, 200, {"cache-control": "max-age=86400", "content-length": "4"}, "tide"),
    ("static, none", "GET /static/b.txt", {}, 404, {}, {"error": "not found"}),
    ("static, above", "GET /static/../x", {}, 404, _PLAIN, "Not found"),
    ("events", "GET /events", {}, 200, {"content-type": "text/event-stream", "cache-control": "no-store"}, _EVENTS),
    ("hang up", "GET /events?forever=1", {"until": b'"counter": 2'}, 200, {"transfer-encoding": "chunked"}, None),
    ("args", "GET /both?name=a&name=b&n=5", {}, 200, {}, {"name": "a", "all": ["a", "b"], "number": 5}),
    ("no args", "GET /both", {}, 200, {}, {"name": "nobody", "all": [], "number": 7}),
    ("form", "POST /both", {"form": {"name": "ü 1"}}, 200, {}, {"name": "ü 1", "all": [], "number": 7}),
    ("json", "POST /json", {"json": [1]}, 200, {}, {"json": [1], "length": 3, "type": "application/json"}),
    ("no json", "POST /json", {"body": "x"}, 200, {}, {"json": None, "length": 1, "type": None}),
    (
        "request",
        "GET /tell/5?a=b",
        {"headers": {"User-Agent": "me"}},
        200,
        {"content-type": "application/json"},
        {
            "url": "/tell/5?a=b",
            "query": "a=b",
            "args": {"number": 5},
            "path": "/tell/5",
            "method": "GET",
            "client": "127.0.0.1",
            "agent": "me",
            "user": "lina",
            "app": True,
            "is": True,
        },
    ),
    (
        "cookies",
        "GET /cookies",
        {"headers": {"Cookie": "seen=0"}},
        200,
        {"set-cookie": "seen=1; Path=/; Max-Age=60; HttpOnly; SameSite=Lax, old=; Path=/; Max-Age=0; SameSite=Lax"},
        {"had": "0"},
    ),
    ("redirect", "GET /go", {}, 302, {"location": "/page", "content-length": "0"}, ""),
    ("redirect of another status", "GET /stay", {}, 307, {"location": "/page"}, ""),
    ("list and headers", "GET /two", {}, 200, {"x-a": "b", "content-type": "application/json"}, ["x"]),
    ("none", "GET /none", {}, 204, {"x-after": "lina"}, ""),
    ("generator", "GET /stream", {}, 200, {"transfer-encoding": "chunked"}, "a\nb\n"),
    ("before answers", "GET /", {"headers": {"X-Refuse": "1"}}, 403, {"x-after": "lina"}, "not you"),
    ("after changes the status", "GET /?status=1", {}, 202, {}, "Hello, world!"),
    ("abort", "GET /abort/418", {}, 418, {}, "418 so it is"),
    ("abort with a page of its status", "GET /abort/404", {}, 404, {}, {"error": "not found"}),
    ("exception", "GET /divide/0", {}, 400, {}, "by zero: /divide/0"),
    ("no exception", "GET /divide/2", {}, 200, {}, "2"),
    ("mounted", "GET /below/x", {}, 200, {}, "lina"),
    ("method", "DELETE /go", {}, 405, {"allow": "GET, HEAD, OPTIONS"}, None),
]

_clients = {}


def check(case):
    """Ask in each way, and compare."""
    _, line, options, status, fields, wanted = case
    method, _, path = line.partition(" ")
    for feed in (WHOLE, BYTES, BEHIND):
        if feed not in _clients:
            _clients[feed] = TestClient(app, feed)
        client = _clients[feed]
        client.cookies.clear()
        answer = client.request(method, path, **options)
        assert answer.status == status, (feed, answer.status, answer.body)
        for name, value in fields.items():
            assert answer.headers.get(name) == value, (feed, name, answer.headers.get(name))
        if wanted is not None:
            found = answer.text if isinstance(wanted, str) else answer.json
            assert found == wanted, (feed, found)
    # Where a handler awaits something, a client that has gone is noticed by the sweep.
    for _ in range(400):
        if not inside:
            return
        for client in _clients.values():
            client.get("/inside")
        time.sleep(0.02)
    raise AssertionError("an event function goes on")
