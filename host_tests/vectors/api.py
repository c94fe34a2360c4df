"""What handlers may use and answer, asked without a socket: (name, what is asked, what is answered).

What is asked is a method and a path, headers, and a body; what is answered a status, header fields, and a body: what
JSON says, or text. Each is asked whole, byte by byte, and with a request behind it.
"""

from firmware import App, HTTPError, Request, Response, escape, redirect, render, render_file, send_file
from firmware.testing import BEHIND, BYTES, WHOLE, TestClient

_HTML = {"Accept": "text/html,*/*;q=0.8"}
_FOLDER = "host_tests/vectors/files"

app = App()
app.state.count = 0
app.limits.connections = 8  # a client has as many slots
inner = App()
told = App()
told.json_errors = True


class Refused(ValueError):
    pass


@app.get("/json")
def json(request):
    return {"a": 1}, {"X-A": "b"}


@app.get("/text")
def text(request):
    return "<p>", {"Content-Type": "text/plain", "X-A": ["b", "c"]}


@app.get("/none")
def none(request):
    return None, {"X-A": "b"}


@app.get("/later")
async def later(request):
    return [1], {"X-A": "b"}


@app.get("/status")
def status(request):
    return {"a": 1}, 201


@app.get("/shouted/<int:size>")
def shouted(request, size):
    return {"a": "x" * size}


@app.after
def shout(request, response):
    if request.path[:9] == "/shouted/":
        response.body = b'{"b": 1}'


@app.get("/count")
def count(request):
    app.state.count += 1
    return {"counts": app.state.count > 0, "same": request.app is app, "is": isinstance(request, Request)}


@app.get("/cookies")
def cookies(request):
    return sorted(request.cookies.items())


@app.get("/set")
def set_cookies(request):
    response = Response("x")
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", max_age_s=60, http_only=False, same_site="Strict", path="/x")
    return response


@app.get("/forget")
def forget(request):
    response = Response(None)
    response.set_cookie("a", "", max_age_s=0)
    return response


@app.get("/redirect")
def redirected(request):
    return redirect(request.args["to"], request.args.get("status", 302, int))


@app.get("/file/<path:name>")
def file(request, name):
    return send_file(_FOLDER + "/" + name)


@app.get("/download")
def download(request):
    return send_file(_FOLDER + "/page.html", "text/plain", 60, "übung 1.txt")


@app.get("/render")
def rendered(request):
    return render("<p>{{ name }}, {{{html}}}{{none}}{{number}}", name="<&\"'>", html="<b>", none=None, number=1.5)


@app.get("/page")
def page(request):
    return render_file(_FOLDER + "/page.html", name="<x>", rows=escape("<r>") * 300)


@app.get("/lacks")
def lacks(request):
    return render("{{name}}")


@app.get("/number/<float:value>")
def number(request, value):
    return {"value": value, "is": isinstance(value, float)}


@app.get("/either/<int:value>")
def either_int(request, value):
    return "int"


@app.get("/either/<float:value>")
def either_float(request, value):
    return "float"


@app.get("/either/<value>")
def either_text(request, value):
    return "text"


@app.get("/raise/<name>")
def fail(request, name):
    raise {
        "value": ValueError("a"),
        "refused": Refused("b"),
        "key": KeyError("c"),
        "zero": ZeroDivisionError("d"),
        "os": OSError(5),
        "410": HTTPError(410),
        "411": HTTPError(411, "", {"X-Why": "so"}),
        "one": HTTPError(409, "One."),
        "two": HTTPError(409, "<Two>"),
    }[name]


inner.get("/raise/<name>")(fail)
told.get("/raise/<name>")(fail)
app.mount("/inner", inner)
app.mount("/told", told)


@app.error(ValueError)
def value_error(request, error):
    return {"value": str(error)}, 400


@app.error(Refused)
async def refused(request, error):
    return {"refused": str(error)}, {"X-A": "b"}


@app.error(LookupError)
def lookup_error(request, error):
    raise RuntimeError("the page fails, too")


@app.error(410)
def gone(request, error):
    return "gone for good"


@inner.error(ValueError)
def inner_value_error(request, error):
    return "inner", 418


@inner.error(HTTPError)
def inner_http_error(request, error):
    return "inner %d" % error.status


CONFLICT = (
    '<!doctype html>\n<html lang=en><meta name=viewport content="width=device-width">\n<title>409 Conflict</title>\n'
    "<h1>Conflict</h1>\n<p>%s\n<p><a href=/>Home</a>\n"
)

CASES = [
    ("dict, headers", "GET /json", None, None, 200, {"x-a": "b", "content-type": "application/json"}, {"a": 1}),
    ("text, headers", "GET /text", None, None, 200, {"x-a": "b, c", "content-type": "text/plain"}, "<p>"),
    ("nothing, headers", "GET /none", None, None, 204, {"x-a": "b", "content-length": None}, ""),
    ("async, headers", "GET /later", None, None, 200, {"x-a": "b"}, [1]),
    ("status", "GET /status", None, None, 201, {}, {"a": 1}),
    ("body of a hook, small", "GET /shouted/100", None, None, 200, {"content-length": "8"}, {"b": 1}),
    ("body of a hook, in pieces", "GET /shouted/900", None, None, 200, {"content-length": "8"}, {"b": 1}),
    ("body of a hook, long", "GET /shouted/9000", None, None, 200, {"content-length": "8"}, {"b": 1}),
    ("state", "GET /count", None, None, 200, {}, {"counts": True, "same": True, "is": True}),
    ("no cookies", "GET /cookies", None, None, 200, {}, []),
    ("cookies", "GET /cookies", {"Cookie": 'b=2; a="1"; b=3; x'}, None, 200, {}, [["a", "1"], ["b", "2"]]),
    (
        "set cookies",
        "GET /set",
        None,
        None,
        200,
        {
            "set-cookie": "a=1; Path=/; HttpOnly; SameSite=Lax, b=2; Path=/x; Max-Age=60; SameSite=Strict",
            "content-type": "text/html; charset=utf-8",
        },
        "x",
    ),
    ("forget", "GET /forget", None, None, 204, {"set-cookie": "a=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"}, ""),
    ("page of an error", "GET /raise/one", {"Accept": "text/html"}, None, 409, {}, CONFLICT % "One."),
    ("page of another one", "GET /raise/two", {"Accept": "text/html"}, None, 409, {}, CONFLICT % "&lt;Two&gt;"),
    ("page of the first again", "GET /raise/one", {"Accept": "text/html"}, None, 409, {}, CONFLICT % "One."),
    ("redirect", "GET /redirect?to=/x%3Fa=b%26c", None, None, 302, {"location": "/x?a=b&c", "content-length": "0"}, ""),
    ("redirect away", "GET /redirect?to=http://h:1/&status=308", None, None, 308, {"location": "http://h:1/"}, ""),
    ("redirect encodes", "GET /redirect?to=/%C3%BC%20%0D%0A", None, None, 302, {"location": "/%C3%BC%20%0D%0A"}, ""),
    ("no redirect", "GET /redirect?to=/&status=200", None, None, 400, {}, {"value": "not a redirect: 200"}),
    (
        "file",
        "GET /file/a.txt",
        None,
        None,
        200,
        {"content-type": "text/plain; charset=utf-8", "content-length": "4", "cache-control": "no-cache"},
        "tide",
    ),
    ("head of a file", "HEAD /file/a.txt", None, None, 200, {"content-length": "4"}, ""),
    ("no file", "GET /file/b.txt", None, None, 404, {}, None),
    ("folder", "GET /file/.", None, None, 404, {}, None),
    ("file above", "GET /file/../api.py", None, None, 404, {}, None),
    ("file above, backslash", "GET /file/..%5Capi.py", None, None, 404, {}, None),
    (
        "download",
        "GET /download",
        None,
        None,
        200,
        {
            "content-type": "text/plain",
            "cache-control": "max-age=60",
            "content-disposition": "attachment; filename*=UTF-8''%C3%BCbung%201.txt",
        },
        None,
    ),
    ("render", "GET /render", None, None, 200, {}, "<p>&lt;&amp;&quot;&#39;&gt;, <b>1.5"),
    (
        "render file",
        "GET /page",
        None,
        None,
        200,
        {"content-type": "text/html; charset=utf-8", "transfer-encoding": "chunked"},
        "<!doctype html>\n<p>Grüße, &lt;x&gt;</p>\n" + "&lt;r&gt;" * 300 + "\n",
    ),
    ("no value", "GET /lacks", None, None, 400, {}, {"value": "there is no value for {{name}}"}),
    ("float", "GET /number/21.5", None, None, 200, {}, {"value": 21.5, "is": True}),
    ("float whole", "GET /number/-4", None, None, 200, {}, {"value": -4, "is": True}),
    ("float zero", "GET /number/0.0", None, None, 200, {}, {"value": 0, "is": True}),
    ("float no digits", "GET /number/.5", None, None, 404, {}, None),
    ("float no fraction", "GET /number/5.", None, None, 404, {}, None),
    ("float two points", "GET /number/5.0.1", None, None, 404, {}, None),
    ("float exponent", "GET /number/1e3", None, None, 404, {}, None),
    ("float infinite", "GET /number/inf", None, None, 404, {}, None),
    ("float none", "GET /number/nan", None, None, 404, {}, None),
    ("float plus", "GET /number/+1.5", None, None, 404, {}, None),
    ("float two signs", "GET /number/--1", None, None, 404, {}, None),
    ("float underscore", "GET /number/1_0", None, None, 404, {}, None),
    ("float long", "GET /number/12345.67890", None, None, 404, {}, None),
    ("int first", "GET /either/5", None, None, 200, {}, "int"),
    ("then float", "GET /either/5.5", None, None, 200, {}, "float"),
    ("then text", "GET /either/5.5.5", None, None, 200, {}, "text"),
    ("class", "GET /raise/value", None, None, 400, {}, {"value": "a"}),
    ("nearest class", "GET /raise/refused", None, None, 500, {"x-a": "b"}, {"refused": "b"}),
    ("page of a class that fails", "GET /raise/key", None, None, 500, {}, None),
    ("class without a page", "GET /raise/zero", None, None, 500, {}, None),
    ("OSError", "GET /raise/os", None, None, 500, {}, None),
    ("status", "GET /raise/410", None, None, 410, {}, "gone for good"),
    ("inner class", "GET /inner/raise/refused", None, None, 418, {}, "inner"),
    ("HTTPError as a class", "GET /inner/raise/411", None, None, 411, {"x-why": "so"}, "inner 411"),
    ("inner before outer", "GET /inner/raise/410", None, None, 410, {}, "inner 410"),
    ("no outer page where errors are JSON", "GET /told/raise/value", _HTML, None, 500, {}, None),
    ("JSON for everybody", "GET /nothing", None, None, 404, {"content-type": "application/json"}, None),
    ("JSON for */*", "GET /nothing", {"Accept": "*/*"}, None, 404, {"content-type": "application/json"}, None),
    ("page for HTML", "GET /nothing", _HTML, None, 404, {"content-type": "text/html; charset=utf-8"}, None),
    ("JSON for an image", "GET /nothing", {"Accept": "image/*"}, None, 404, {"content-type": "application/json"}, None),
]
# A name stands for one case.
CASES = [("%s, %s" % (case[0], case[1]),) + case[1:] for case in CASES]


_clients = {}


def check(case):
    """Ask in each way, and compare."""
    _, line, headers, body, status, fields, wanted = case
    method, _, path = line.partition(" ")
    for feed in (WHOLE, BYTES, BEHIND):
        if feed not in _clients:
            _clients[feed] = TestClient(app, feed)
        client = _clients[feed]
        client.cookies.clear()
        answer = client.request(method, path, headers, body)
        assert answer.status == status, (feed, answer.status, answer.body)
        for name, value in fields.items():
            assert answer.headers.get(name) == value, (feed, name, answer.headers.get(name))
        if wanted is not None:
            found = answer.text if isinstance(wanted, str) else answer.json
            assert found == wanted, (feed, found)
