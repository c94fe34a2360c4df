"""An application that is limited, logged, measured and named, for the tests of these guards.

Words: `per_minute=N` and `burst=N` limit each address; `ring=N` is the log's size.
"""

import asyncio
import gc

from firmware import App, HTTPError, Response
from firmware.features import health, idempotency, metrics, ratelimit, requestid
from firmware.features.idempotency import idempotent
from firmware.features.log import DEBUG, RING_BYTES, Log
from firmware.server import transport
from host_tests.apps import start

app = App()
began_ms = transport.ticks_ms()


def uptime_s():
    return (transport.ticks_ms() - began_ms) // 1000


log = Log(uptime_s, start.number("ring") or RING_BYTES, level=DEBUG, mirror=True)
requestid.attach(app)
log.attach(app)
limit = None
if start.number("per_minute"):
    limit = ratelimit.limit(app, start.number("per_minute"), start.number("burst"))


@app.before
def pretend(request):
    """Let tests say who asks: users and addresses there are not."""
    user = request.field(b"x-user")
    if user:
        request.user = user.decode()
    if request.field(b"x-stop"):
        raise HTTPError(403, "No further.")


PONG = Response("pong")


@app.get("/pong")
def pong(request):
    return PONG


@app.get("/json")
def json(request):
    return {"id": request.id}


@app.get("/text")
def text(request):
    return "hello"


@app.get("/cached")
def cached(request):
    return None, 304


@app.get("/raise")
def fail(request):
    raise ValueError("it went wrong")


@app.get("/long/<int:size>")
def long(request, size):
    return b"x" * size


@app.get("/status/<int:status>")
def answer_status(request, status):
    return b"", status


@app.get("/stream")
def stream(request):
    yield "one"
    yield "two"


@app.get("/block/<int:duration_ms>")
def block(request, duration_ms):
    """Keep the loop from doing anything else."""
    end = transport.ticks_ms() + duration_ms
    while transport.ticks_ms() < end:
        pass
    return {}


# -- idempotency

made = {}
doors = {}
times = 0


@app.get("/made")
def tell_made(request):
    return made


def make(kind):
    made[kind] = made.get(kind, 0) + 1
    return made[kind]


@app.post("/things")
@idempotent
def create(request):
    number = make("things")
    return {"number": number}, 201, {"Location": "/things/%d" % number}


@app.post("/things/<kind>")
@idempotent
def create_kind(request, kind):
    number = make(kind)
    if kind == "error":
        raise ValueError("it went wrong")
    if kind == "busy":
        raise HTTPError(503)
    if kind == "wrong":
        raise HTTPError(400, "wrong %d" % number, {"X-Number": str(number)})
    if kind == "full":
        raise HTTPError(409, "full %d" % number)
    if kind == "long":
        return b"x" * 5000
    if kind == "stream":
        return (b"%d" % part for part in (1, 2, number))
    if kind == "none":
        return None
    if kind == "junk":
        return 5
    if kind == "answer-503":
        return "later", 503
    return {"kind": kind, "number": number, "body": len(request.body)}


@app.post("/slow/<name>")
@idempotent
async def create_slowly(request, name):
    """Make a thing once somebody opens the door of this name."""
    number = make(name)
    doors[name] = door = asyncio.Event()
    await door.wait()
    return {"number": number}, 201


@app.get("/open/<name>")
def open_door(request, name):
    if name not in doors:
        return {"opened": False}
    doors.pop(name).set()
    return {"opened": True}


@app.get("/store")
def tell_store(request):
    count, size = idempotency._store.count()
    return {"count": count, "bytes": size}


# -- what is told


@app.get("/api/log")
def lines(request):
    return log.poll(request)


@app.get("/api/log/events")
def events(request):
    return log.events(request)


@app.post("/api/log/<level>")
def write(request, level):
    getattr(log, level)(request.body)


well = [None]


@app.put("/health")
def set_health(request):
    well[0] = request.json


def check():
    if well[0] == "raise":
        raise ValueError("it went wrong")
    return well[0]


def heap():
    gc.collect()
    free = gc.mem_free() if hasattr(gc, "mem_free") else None
    return {"free": free, "used": gc.mem_alloc() if free else None}


def no_heap():
    raise OSError("there is none")


health.attach(app, {"thing": check, "other": lambda: None})
metrics.attach(app, heap=heap, idf_heap=no_heap, uptime_s=uptime_s, rssi_dbm=lambda: -61, temperature_c=lambda: 41.5)

if limit:

    @app.get("/tight")
    @limit.route("tight", per_minute=60, burst=2)
    def tight(request):
        return "tight"

    @app.get("/tight/later")
    @limit.route("later", per_minute=60, burst=1)
    async def tight_later(request):
        await asyncio.sleep(0)
        return "tight"


@app.get("/stop")
def stop(request):
    app.task.cancel()
    return {}


@app.get("/heap")
def tell_heap(request):
    return heap()


if __name__ == "__main__":
    start.run(app)
