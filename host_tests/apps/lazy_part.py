"""A part that counts, and has a hook, a background task, and requests that take their time."""

import asyncio

from firmware import App
from host_tests.apps.beside_lazy import failures, ticks

if failures[0]:
    failures[0] -= 1
    raise MemoryError("no room")

app = App()
app.can_go = True
count = 0


@app.background
async def tick():
    while True:
        ticks["part"] = ticks.get("part", 0) + 1
        await asyncio.sleep(0.05)


@app.after
def mark(request, response):
    response.set_header("X-Part", "1")


@app.get("/part")
def read(request):
    global count
    count += 1
    return {"count": count}


@app.get("/part/item/<name>")
def item(request, name):
    return read(request)


@app.put("/part")
def write(request):
    return read(request)


@app.put("/part/stream", stream=True)
async def upload(request):
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return {"size": size, "count": count}


@app.get("/part/slow")
async def slow(request):
    await asyncio.sleep(1)
    return {"count": count}


@app.get("/part/lines")
async def lines(request):
    for number in range(1000):
        yield "%d\n" % number
        await asyncio.sleep(0.1)


@app.websocket("/part/ws")
async def echo(request, socket):
    async for message in socket:
        await socket.send(message)
