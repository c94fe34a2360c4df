"""An application and one mounted in it that have the same features, and hooks around them that set the same fields."""

import asyncio

from firmware import App, Response
from firmware.features import cors, ratelimit, requestid, security_headers
from host_tests.apps import start

SHARED = Response("pong")

app = App()
inner = App()
for part, policy in ((app, "default-src 'self'"), (inner, "default-src 'none'")):
    requestid.attach(part)
    security_headers.protect(part, policy)
    cors.allow(part, ["https://one.example", "https://two.example"])
ratelimit.limit(app, 60000, 5000)
ratelimit.limit(inner, 60000, 5000)
app.mount("/inner", inner)
gate = asyncio.Event()
waiting = []


@app.after
async def set_late(request, response):
    """Set fields that are there already; wait where the client says so."""
    if request.field(b"x-late"):
        for name in ("x-request-id", "X-Frame-Options", "RateLimit"):
            response.set_header(name, "late")
    if request.field(b"x-replace"):
        return Response("another", 203, {"X-FRAME-OPTIONS": "late"})
    if request.field(b"x-wait"):
        waiting.append(request.id)
        await gate.wait()


@app.get("/open")
def open_gate(request):
    gate.set()
    return SHARED


@app.get("/shared")
def shared(request):
    return SHARED


@app.get("/waiting")
def tell_waiting(request):
    return waiting


@inner.get("/page")
def page(request):
    return "<p>x"


@inner.get("/stream")
def stream(request):
    yield "<p>x"


@inner.websocket("/ws")
async def socket(request, socket):
    await socket.send("x")


@inner.get("/own")
def own(request):
    return {"x": 1}, 200, {"RateLimit": "own", "X-Content-Type-Options": "own"}


if __name__ == "__main__":
    start.run(app)
