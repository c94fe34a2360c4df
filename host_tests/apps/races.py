"""An application for the tests of races: what happens in one turn of the event loop, and what ends late or fails."""

import asyncio

from firmware import App, Response
from firmware.features.feed import Feed
from firmware.server import connection, listener
from firmware.server.slot import FREE, LIVE, POLL
from host_tests.apps import start

app = App()
feed = Feed(8)
kept = []  # what a handler has left for a task of its own


@app.get("/json")
def json(request):
    return {"hello": "world"}


@app.get("/state")
def state(request):
    server = app.server
    return {
        "busy": len([slot for slot in server.slots if slot.sock]),
        "waiting": len([slot for slot in server.slots if slot.state in (LIVE, POLL)]),
        "live": server.live,
        "clock": server.clock,
        "watchers": len(feed._watchers),
        "counters": server.counters,
    }


# -- in one turn


@app.get("/race/<int:value>")
def race(request, value):
    """Publish a value, and in the same turn let the time of all that wait be over."""
    feed.publish(value)
    server = app.server
    for at, slot in enumerate(server.slots):
        if slot.state in (LIVE, POLL):
            server._expire(at, slot)
    return {}


@app.get("/poll")
def poll(request):
    return feed.poll(request)


@app.get("/events")
def events(request):
    return feed.events(request)


@app.websocket("/ws")
async def follow(request, socket):
    socket.follow(feed)
    async for message in socket:
        await socket.send(message)


@app.websocket("/ws/late")
async def follow_late(request, socket):
    await asyncio.sleep(0.3)
    socket.follow(feed)
    async for _ in socket:
        pass


@app.get("/bring-on")
async def bring_on(request):
    """Bring all free slots on, as whoever has a client for one does, and go on."""
    for slot in app.server.slots:
        if slot.state == FREE:
            slot.ready()
    await asyncio.sleep(0.01)
    return {}


# -- deadlines


@app.get("/publish/<int:size>/<int:times>")
def publish(request, size, times):
    """Publish one value of some size, then small ones, ten a second."""
    feed.publish(None)
    feed._json_of, feed._json = feed.last, b'"%s"' % (b"x" * size)  # it takes long to make
    asyncio.create_task(publish_on(times))
    return {}


async def publish_on(times):
    for at in range(times):
        await asyncio.sleep(0.1)
        feed.publish(at)


@app.get("/after/<int:ms>")
def plain(request, ms):
    return {}


@app.get("/end/stuck")
def stuck_end(request):
    return Stuck()


class Stuck:
    """What yields for ever, and does not end."""

    def __aiter__(self):
        return self

    async def __anext__(self):
        return b"x" * 10000

    async def aclose(self):
        await asyncio.sleep(1000)


@app.after
def later(request, response):
    path = request.path
    if path.startswith("/after/"):
        return asleep(int(path[7:]))


async def asleep(ms):
    await asyncio.sleep(ms / 1000)


# -- what fails


class Unclosable:
    """A file that cannot be closed."""

    def readinto(self, view):
        view[:] = b"x" * len(view)
        return len(view)

    def close(self):
        raise ValueError("not to be closed")


@app.get("/unclosable")
def unclosable(request):
    response = Response(Unclosable())
    response.length = 10
    return response


@app.get("/no-request")
def no_request(request):
    """Have no memory for the next request."""
    usual = connection.Request

    def fail(slot):
        connection.Request = usual
        raise MemoryError("none for a request")

    connection.Request = fail
    return {}


@app.get("/stubborn")
async def stubborn(request):
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            continue


@app.get("/no-slot/<int:times>")
def no_slot(request, times):
    """Have no memory for new slots, so many times."""
    usual = listener.Slot
    left = [times]

    def fail(server):
        left[0] -= 1
        if left[0] <= 0:
            listener.Slot = usual
        raise MemoryError("none for a slot")

    listener.Slot = fail
    return {}


@app.put("/keep", stream=True)
async def keep(request):
    """Leave the body to a task that reads it when the handler has answered long ago."""
    kept.clear()
    asyncio.create_task(read_late(request.stream()))
    return {}


async def read_late(stream):
    await asyncio.sleep(1)
    try:
        async for part in stream:
            kept.append(bytes(part).decode())
        kept.append("end")
    except Exception as error:
        kept.append(type(error).__name__)


@app.get("/kept")
def tell_kept(request):
    return kept


api = App()
api.json_errors = True


@api.get("/x")
def api_x(request):
    return {}


app.mount("/api", api)

start.run(app)
