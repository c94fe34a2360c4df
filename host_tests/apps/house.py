"""An application of several: hooks, error pages, mounts, patterns; what happened is told by GET /log."""

import asyncio

from firmware import App, HTTPError, Response
from host_tests.apps import start

app = App()
log = []
SHARED = {"X-Shared": "yes"}


@app.get("/log")
def tell(request):
    lines = list(log)
    log.clear()
    return lines


# -- hooks


@app.before
def first(request):
    if request.path != "/log":
        log.append("before 1 " + request.method + " " + request.path)
    if request.headers.get("authorization") == "Bearer right":
        request.user = "somebody"
    if request.path.startswith("/locked") and not hasattr(request, "user"):
        raise HTTPError(401, "Who are you?", {"WWW-Authenticate": "Bearer"})


@app.before
async def second(request):
    await asyncio.sleep(0)
    if request.path != "/log":
        log.append("before 2")
    answer = request.headers.get("x-answer")
    if answer == "dict":
        return {"from": "hook"}
    if answer == "tuple":
        return "hook", 202, {"X-From": "hook"}
    if answer == "empty":
        return ""
    if answer == "raise":
        raise ValueError("the hook went wrong")
    if answer == "refuse":
        raise HTTPError(403)


@app.after
def third(request, response):
    if request.path != "/log":
        log.append("after 1 %d" % response.status)
    response.set_header("X-After", "1")


@app.after
async def fourth(request, response):
    await asyncio.sleep(0)
    wish = request.headers.get("x-after")
    if wish == "replace":
        return "replaced", 203
    if wish == "raise":
        raise ValueError("the after hook went wrong")
    if wish == "junk":
        return 5
    if wish == "bad":
        response.set_header("X-Bad", "a\r\nInjected: 1")


@app.get("/user")
def user(request):
    return {"user": getattr(request, "user", None)}


@app.get("/locked/room")
def room(request):
    return {"user": request.user}


@app.get("/shared")
def shared(request):
    return "x", 200, SHARED


@app.get("/shared/keys")
def shared_keys(request):
    return sorted(SHARED)


@app.route("/body", ("POST",))
def body(request):
    return {"length": len(request.body)}


# -- error pages


@app.error(404)
def not_found(request, error):
    return {"page": "mine", "path": request.path, "detail": error.detail}


@app.error(405)
async def not_allowed(request, error):
    await asyncio.sleep(0)
    return "not so"


@app.error(409)
def conflict(request, error):
    return Response("elsewhere", 418, {"X-Page": "409"})


@app.error(410)
def broken_page(request, error):
    raise ValueError("the page went wrong")


@app.error(411)
def junk_page(request, error):
    return {"x": Response}


@app.error(412)
def bad_page(request, error):
    return "x", 412, {"A": "b\r\nInjected: 1"}


@app.error(500)
def server_error(request, error):
    return "sorry"


@app.get("/error/<int:status>")
def error(request, status):
    raise HTTPError(status, "so it is", {"X-Why": "because"})


@app.get("/raise")
def fail(request):
    raise ValueError("it went wrong")


# -- routes


@app.get("/a/literal")
def literal(request):
    return "literal"


@app.get("/a/<int:number>")
def number(request, number):
    return {"int": number}


@app.get("/a/<name>")
def name(request, name):
    return {"name": name}


@app.get("/a/<name>/<int:number>/c")
def several(request, name, number):
    return {"name": name, "int": number}


@app.get("/files/<path:rest>")
def rest(request, rest):
    return {"rest": rest}


@app.get("/grüß/<name>")
def greet(request, name):
    return {"greet": name}


@app.get("/grüß")
def greet_all(request):
    return {"greet": "all"}


@app.route("/methods", ("GET", "PURGE"))
def methods(request):
    return {"method": request.method}


@app.delete("/methods")
async def remove(request):
    return None


@app.route("/options", ("GET", "OPTIONS", "HEAD"))
def options(request):
    return "x", 200, {"X-Method": request.method}


# -- what is mounted

inner = App()


@inner.before
def inner_before(request):
    log.append("inner before")


@inner.after
def inner_after(request, response):
    log.append("inner after")
    response.set_header("X-Inner", "1")


@inner.get("/")
def inner_index(request):
    return "inner index"


@inner.get("/page")
def inner_page(request):
    return {"path": request.path}


@inner.get("/<int:id>")
def inner_id(request, id):
    return {"id": id}


@inner.error(409)
def inner_conflict(request, error):
    return "inner page"


@inner.get("/error/<int:status>")
def inner_error(request, status):
    raise HTTPError(status)


deep = App()


@deep.post("/deep")
def deep_page(request):
    return "deep"


inner.mount("/more", deep)


@app.post("/checked/<name>", schema={"count": (int, 1, 0, 9), "tags": ([str], [])})
def checked(request, name):
    return {"name": name, "got": request.json}


@app.put("/checked/<name>", schema=[{"on": bool}])
async def checked_later(request, name):
    await asyncio.sleep(0)
    return {"name": name, "got": request.json}


told = App()
told.json_errors = True


@told.get("/error/<int:status>")
def told_error(request, status):
    raise HTTPError(status, "so it is", {"X-Why": "because"}, {"name": "This is required."})


@told.get("/raise")
def told_raise(request):
    raise ValueError("not for clients")


@told.error(410)
def told_gone(request, error):
    return "its own page"


below = App()


@below.get("/error/<int:status>")
def below_error(request, status):
    raise HTTPError(status, "below")


told.mount("/below", below)
app.mount("/told", told)
app.mount("/inner", inner)
app.mount("/slash/", deep)

root = App()


@root.get("/from-root")
def from_root(request):
    return "root"


@root.get("/a/literal")
def never(request):
    return "never"


app.mount("/", root)

if __name__ == "__main__":
    start.run(app)
