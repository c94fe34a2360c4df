"""An application for the tests of overload: a board's backlog and send buffer; with "tls" it is behind TLS, too."""

import asyncio

from firmware import App, Response
from firmware.server import transport
from host_tests.apps import start

LARGE = 6_000_000  # more than both sides of a connection buffer
_SOL_SOCKET, _SO_SNDBUF = 1, 7

app = App()
doors = {}
notes = []


@app.get("/state")
def state(request):
    server = app.server
    return {
        "busy": len([slot for slot in server.slots if slot.sock]),
        "clock": server.clock,
        "counters": server.counters,
        "notes": notes,
    }


@app.post("/login")
def log_in(request):
    return {"size": len(request.body)}


class Zeros:
    """A file of zeros."""

    def readinto(self, view):
        return len(view)

    def seek(self, offset, whence):
        pass

    def close(self):
        pass


@app.get("/large")
def large(request):
    response = Response(Zeros())
    response.length = LARGE
    return response


@app.get("/wait/<name>")
async def wait(request, name):
    doors[name] = door = asyncio.Event()
    try:
        await door.wait()
    except asyncio.CancelledError:
        notes.append(name)
        raise
    return {"name": name}


@app.get("/open/<name>")
def open_door(request, name):
    doors[name].set()
    return {}


@app.get("/stop/<int:delay_ms>")
async def stop(request, delay_ms):
    await asyncio.sleep(delay_ms / 1000)
    app.task.cancel()
    await asyncio.sleep(60)


class Full:
    """A budget of a system that has no room to write."""

    def may_accept(self):
        return True

    def write_bytes(self):
        return 0


@app.get("/full")
def fill(request):
    """Have no room for whoever comes from now on."""
    app.server.budget = Full()
    return {}


_listen = transport.listen


def listen(host, port):
    listener = _listen(host, port)
    # Who is accepted has it, too: lwIP's.
    listener.setsockopt(_SOL_SOCKET, _SO_SNDBUF, 5744)
    return listener


transport.BACKLOG = 8
transport.listen = listen


async def serve_tls():
    from firmware.features import tls

    start.set_limits(app)
    tls.MAX_HANDSHAKES = 1  # as on a board
    context = tls.Context(start.option("data"))
    await app.serve(start.option("host"), int(start.option("port")), None, context, start.number("redirect"))


if "tls" in start.words():
    asyncio.run(serve_tls())
else:
    start.run(app)
