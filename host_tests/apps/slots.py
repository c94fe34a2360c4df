"""An application for the tests of slots: handlers that wait in all ways, and a budget of what the system has room for.

Words: "budget" has one, which the tests set; "goes-on" serves on behind a KeyboardInterrupt.
"""

import asyncio
import time

from firmware import App, HTTPError, Response
from firmware.server.slot import Lost
from host_tests.apps import start
from host_tests.apps.kitchen import pattern

app = App()
notes = {}
doors = {}


def note(name, what):
    notes.setdefault(name, []).append(what)


def door(name):
    if name not in doors:
        doors[name] = asyncio.Event()
    return doors[name]


def named(error):
    return "408" if isinstance(error, HTTPError) else type(error).__name__


@app.get("/notes/<name>")
def tell_notes(request, name):
    return notes.get(name, [])


@app.get("/open/<name>")
def open_door(request, name):
    door(name).set()
    return {}


@app.get("/state")
def state(request):
    server = app.server
    return {
        "busy": len([slot for slot in server.slots if slot.sock]),
        "slots": len(server.slots),
        "live": server.live,
        "tasks": len([slot for slot in server.slots if slot.task]),
        "counters": server.counters,
        "clock": server.clock,
    }


@app.get("/json")
def json(request):
    return {"hello": "world"}


# -- waits


@app.get("/await/<name>")
async def wait(request, name):
    """Note by what the wait for something of its own was ended."""
    note(name, "begun")
    try:
        await door(name).wait()
        door(name).clear()
        return {"name": name}
    except asyncio.CancelledError:
        note(name, "cancelled")
        raise
    finally:
        await asyncio.sleep(0)
        note(name, "ended")


@app.get("/stream/waiting/<name>")
async def wait_in_stream(request, name):
    yield "first\n"
    await door(name).wait()
    door(name).clear()


@app.get("/stubborn/<name>")
async def ignore(request, name):
    """Ignore every cancellation until the door is open."""
    note(name, "begun")
    while not door(name).is_set():
        try:
            await door(name).wait()
        except asyncio.CancelledError:
            note(name, "cancelled")
    note(name, "ended")
    return {"name": name}


@app.get("/stubborn/stream/<name>")
async def ignore_in_stream(request, name):
    yield "first\n"
    while not door(name).is_set():
        try:
            await door(name).wait()
        except asyncio.CancelledError:
            note(name, "cancelled")
    note(name, "ended")


@app.put("/read/<name>", stream=True)
async def read(request, name):
    """Note by what a wait for the body was ended."""
    note(name, "begun")
    try:
        size = 0
        async for part in request.stream():
            size += len(part)
        return {"size": size}
    except (HTTPError, Lost, asyncio.CancelledError) as error:
        note(name, named(error))
        raise


async def size_of(request):
    size = 0
    async for part in request.stream():
        size += len(part)
    return size


@app.put("/within/<int:limit_ms>/<int:after_ms>/<name>", stream=True)
async def read_within(request, limit_ms, after_ms, name):
    """Read the body in a task that `wait_for` may make; go on for a while where that takes too long."""
    note(name, "begun")
    try:
        return {"size": await asyncio.wait_for(size_of(request), limit_ms / 1000)}
    except asyncio.TimeoutError:
        await asyncio.sleep(after_ms / 1000)
        return {"size": None}
    except (HTTPError, Lost) as error:
        note(name, named(error))
        raise
    finally:
        note(name, "ended")


@app.put("/in-task/<name>", stream=True)
async def read_in_task(request, name):
    """Read the body in a task of its own making."""
    return {"size": await asyncio.create_task(size_of(request))}


@app.get("/block/<int:duration_ms>")
def block(request, duration_ms):
    """Keep the loop from doing anything else."""
    time.sleep(duration_ms / 1000)
    return {}


# -- interrupts


@app.get("/interrupt")
def interrupt(request):
    raise KeyboardInterrupt


@app.get("/interrupt/async")
async def interrupt_later(request):
    await asyncio.sleep(0)
    raise KeyboardInterrupt


# -- what the system has room for


class Budget:
    """What a board's memory keeper tells the server (firmware/board/memory.py)."""

    accepts = True
    bytes = 1 << 20
    asked = 0

    def may_accept(self):
        self.asked += 1
        return self.accepts

    def write_bytes(self):
        return self.bytes


budget = Budget()


async def later(delay_ms, accepts, size):
    if delay_ms:
        await asyncio.sleep(delay_ms / 1000)
    budget.accepts, budget.bytes = accepts, size


@app.get("/budget/<int:accepts>/<int:size>/<int:back_ms>")
def set_budget(request, accepts, size, back_ms):
    """Accept or not, and have room for `size` bytes a write from the next turn on; all is well after `back_ms`."""
    budget.accepts = accepts > 0
    asyncio.create_task(later(0, accepts > 0, size))
    if back_ms:
        asyncio.create_task(later(back_ms, True, 1 << 20))
    return {}


@app.get("/budget")
def tell_budget(request):
    return {"asked": budget.asked}


@app.get("/size/<int:size>")
def sized(request, size):
    return pattern(size)


@app.get("/jsonsize/<int:size>")
def json_size(request, size):
    return {"x": "y" * size}


@app.get("/stream/<int:n>")
def stream(request, n):
    for at in range(n):
        yield pattern(1000 + at)


@app.get("/file/<int:length>")
def file(request, length):
    response = Response(open("host_tests/apps/live.py", "rb"))  # noqa: SIM115
    response.length = length
    return response


@app.post("/echo")
def echo(request):
    return request.body


@app.websocket("/ws")
async def ws(request, socket):
    async for message in socket:
        await socket.send(message)


@app.get("/stop")
def stop(request):
    app.task.cancel()
    return {}


@app.get("/close")
def close(request):
    """End the server from within one of its own slots."""
    app.server.close()
    return {}


@app.get("/close/async")
async def close_later(request):
    await asyncio.sleep(0)
    app.server.close()
    return {}


def serve_on():
    """Serve in one event loop whatever interrupts that."""
    loop = asyncio.get_event_loop() if hasattr(asyncio, "core") else asyncio.new_event_loop()
    serving = loop.create_task(start.serve(app))
    while True:
        try:
            loop.run_until_complete(serving)
            return
        except KeyboardInterrupt:
            print("interrupted")


if "budget" in start.words():

    async def main():
        serving = asyncio.create_task(start.serve(app))
        while not app.server:
            await asyncio.sleep(0)
        app.server.budget = budget
        await serving

    asyncio.run(main())
elif "goes-on" in start.words():
    serve_on()
else:
    start.run(app)
