"""An application for the tests of what is sent: heads of any length, bodies of all kinds, hooks and pages that fail.

Words: "hooked" has hooks that do as the request's X-After and X-Done say; `/notes` tells what was closed and called.
"""

import asyncio

from firmware import App, HTTPError, Response
from host_tests.apps import start
from host_tests.apps.kitchen import pattern

FILE = "host_tests/apps/live.py"

app = App()
notes = []


@app.get("/notes")
def tell(request):
    told = list(notes)
    notes.clear()
    return told


@app.get("/json")
def json(request):
    return {"hello": "world"}


@app.get("/size/<int:size>")
def sized(request, size):
    return pattern(size)


class Noted:
    """An open file that notes when it is closed."""

    def __init__(self, path):
        self._file = open(path, "rb")  # noqa: SIM115
        self.readinto = self._file.readinto
        self.seek = self._file.seek

    def close(self):
        self._file.close()
        notes.append("closed")


def file_of(length):
    response = Response(Noted(FILE))
    response.length = length
    return response


@app.get("/file/<int:length>")
def file(request, length):
    return file_of(length)


@app.get("/stream")
def stream(request):
    try:
        yield "one\n"
        yield "two\n"
    finally:
        notes.append("ended")


@app.get("/stream/failing")
def failing_stream(request):
    try:
        yield "one\n"
        raise ValueError("it went wrong")
    finally:
        notes.append("ended")


# -- long heads

BODIES = {
    "none": lambda: None,
    "bytes": lambda: b"hello",
    "json": lambda: {"hello": "world"},
    "long": lambda: pattern(6000),
    "file": lambda: Noted(FILE),
    "stream": lambda: (part for part in ("one\n", "two\n")),
}


@app.get("/head/<int:size>/<kind>")
def head(request, size, kind):
    """Answer with `size` bytes of field values."""
    fields = {"X-Field-%d" % at: "v" * min(500, size - at) for at in range(0, size, 500)}
    response = Response(BODIES[kind](), 200, fields)
    if kind == "file":
        response.length = 5000
    return response


# -- errors


@app.get("/raise")
def fail(request):
    raise ValueError("it went wrong")


@app.get("/error/<int:status>")
def error(request, status):
    raise HTTPError(status, "so it is")


@app.get("/bad-field/<kind>")
def bad_field(request, kind):
    """What cannot be sent is found out when the head is made."""
    response = Response(BODIES[kind](), 200, {"X-Bad": "a\r\nInjected: 1"})
    if kind == "file":
        response.length = 5000
    return response


@app.error(409)
def page_that_raises(request, error):
    raise ValueError("the page went wrong")


@app.error(410)
async def page_that_raises_later(request, error):
    await asyncio.sleep(0)
    raise HTTPError(418, "the page went wrong")


@app.error(411)
def page_that_streams(request, error):
    try:
        yield "page\n"
    finally:
        notes.append("page ended")


@app.error(412)
def page_of_a_file(request, error):
    return file_of(100)


@app.error(413)
def page_that_cannot_be_sent(request, error):
    return "x", 413, {"X-Bad": "a\r\nInjected: 1"}


# -- hooks

if "hooked" in start.words():

    @app.after
    def first(request, response):
        wish = request.headers.get("x-after")
        if wish:
            notes.append("first %d" % response.status)
        if wish == "replace":
            return "replaced", 203
        if wish == "same":
            response.status = 202
            return response
        if wish == "file":
            return file_of(50)
        if wish == "raise":
            raise ValueError("the hook went wrong")
        if wish == "starve":
            raise MemoryError
        if wish == "refuse":
            raise HTTPError(403, "the hook refuses")
        if wish == "bad":
            response.set_header("X-Bad", "a\r\nInjected: 1")

    @app.after
    async def second(request, response):
        await asyncio.sleep(0)
        wish = request.headers.get("x-after")
        if wish:
            notes.append("second %d" % response.status)
        if wish == "replace-later":
            return {"replaced": "later"}
        if wish == "raise-later":
            raise ValueError("the hook went wrong later")

    @app.after
    def third(request, response):
        if request.headers.get("x-after"):
            notes.append("third %d" % response.status)
            response.set_header("X-Third", "1")


for name in ("a", "b", "c") if "hooked" in start.words() else ():

    def done(request, response, name=name):
        if request and request.headers.get("x-done"):
            notes.append("%s %d %s" % (name, response.status, response.sent))
            if name in request.headers.get("x-done"):
                raise ValueError("the done hook went wrong")

    app.done(done)


start.run(app)
