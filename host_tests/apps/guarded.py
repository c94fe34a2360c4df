"""An application with all the guards. Words: "open" (no password yet), "secure" (as if over TLS), "bare" (only `auth`),
and whom it is known as: "hosts" (names and an address), "names", "any-host" (asked for, but for anything).

Paths below /test/ are for the tests, and below no guard: GET /test/clock?unix=N&uptime=N&ms=N sets the clocks.
"""

import asyncio
import gc

from firmware import App
from firmware.board import storage
from firmware.features import cors, hosts, origins, passwords, security_headers
from firmware.features.attempts import Attempts
from firmware.features.auth import Auth
from firmware.features.sessions import Sessions
from firmware.features.tokens import Tokens
from host_tests.apps import start

PASSWORD = "correct horse"
DASHBOARD = "https://dashboard.example"

app = App()
clock = {"unix": 1800000000, "uptime": 100, "ms": 0}
settings = {"admin": None}


def save_password(record):
    settings["admin"] = record


sessions = Sessions(storage, lambda: clock["unix"], lambda: clock["uptime"], secure="secure" in start.words())
attempts = Attempts(lambda: clock["ms"])
auth = Auth(lambda: settings["admin"], sessions, Tokens(storage), save_password, attempts)

if "hosts" in start.words():
    known = ["limpet.local", "192.168.4.1"]
    hosts.only_hosts(app, lambda: known)
elif "names" in start.words():
    hosts.only_hosts(app, lambda: ("limpet.local",))
elif "any-host" in start.words():
    hosts.only_hosts(app, lambda: None)
if "bare" not in start.words():
    cors.allow(app, [DASHBOARD], expose="X-Total")
    origins.protect(app, (DASHBOARD,))
    security_headers.protect(app)
auth.protect(app, also=("/private",), setup=("/setup", "/api/password"))
app.mount("/", auth.app)


@app.get("/")
def index(request):
    return "<p>hello"


@app.get("/value")
def value(request):
    return {"value": 1}


@app.put("/value")
def set_value(request):
    return {"by": request.user.name, "role": request.user.role, "how": request.user.by}


@app.get("/private/log")
async def private(request):
    return {"for": request.user.name}


@app.get("/private/stream")
async def private_stream(request):
    while True:
        yield request.user.name + "\n"
        await asyncio.sleep(0.1)


@app.get("/mine")
@auth.required
def mine(request):
    return {"user": request.user.name, "role": request.user.role, "how": request.user.by}


@app.get("/stream/<int:count>")
@auth.required("write")
def stream(request, count):
    for number in range(count):
        yield b"%d," % number


@app.route("/admin/<name>", ("GET", "DELETE"))
@auth.required("admin")
async def administer(request, name):
    await asyncio.sleep(0)
    return {"name": name, "by": request.user.name}


@app.post("/setup/wifi")
def set_up(request):
    return {"done": True}


@app.get("/own-policy")
def own_policy(request):
    return "<p>x", 200, {"content-security-policy": "default-src 'none'", "vary": "Accept"}


@app.post("/form")
def take_form(request):
    return {"took": request.form["name"]}


@app.websocket("/ws")
async def echo(request, socket):
    async for message in socket:
        await socket.send(request.user.name + ": " + message)


@app.get("/test/clock")
def set_clock(request):
    for name in clock:
        text = request.args.get(name)
        if text is not None:
            clock[name] = int(text) if text else None
    return clock


@app.get("/test/heap")
def heap(request):
    gc.collect()
    return {"used": gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0}


app.static("/static", "firmware/site/www")


async def main():
    storage.use(start.option("data"))
    if "open" not in start.words():
        settings["admin"] = await passwords.make(PASSWORD, 100)
    await start.serve(app)


if __name__ == "__main__":
    asyncio.run(main())
