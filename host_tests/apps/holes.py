"""An application whose heap can be brought into pieces: GET /holes leaves none that is larger than 256 bytes."""

import gc

from firmware import App, HTTPError, Response
from firmware.features import auth, security_headers
from firmware.features.feed import Feed
from host_tests.apps import start

# A tuple of so many is one block of 224 bytes, and `(one,)` before it and before the next takes 16 each.
ITEMS = 54

VALUES = {"values": ["x" * 20] * 60}

app = App()
auth.token(app, "a token of length 22..", reads=False)
security_headers.protect(app)
app.static("/www", "host_tests/vectors/files")
feed = Feed(8)
for _ in range(8):
    feed.publish({"text": "x" * 100})

walls = None


@app.get("/json")
def answer(request):
    return {"value": 1, "text": "a word or two"}


@app.get("/fields")
def answer_with_fields(request):
    return VALUES, 200, {"Cache-Control": "no-store"}


@app.get("/stream")
def stream(request):
    for _ in range(20):
        yield "x" * 100


@app.get("/events")
def events(request):
    return feed.events(request)


@app.websocket("/ws")
async def talk(request, socket):
    async for message in socket:
        await socket.send(message)


@app.get("/text")
def text(request):
    return "x" * 100


@app.get("/moved")
def moved(request):
    return Response(b"", 302, {"Location": "/json"})


@app.get("/busy")
def busy(request):
    raise HTTPError(503, "Come again.", {"Retry-After": "1"})


@app.post("/json")
def take(request):
    return request.json


@app.get("/holes")
def make_holes(request):
    """Fill the heap with blocks; every other one is left free again."""
    global walls
    gc.collect()
    holes = None
    try:
        while True:
            holes = (holes,) * ITEMS
            walls = (walls,) * ITEMS
    except MemoryError:
        pass
    holes = None
    gc.collect()
    for size in range(1024, 256, -16):
        try:
            while True:
                walls = (walls,) * (size // 4 - 2)
        except MemoryError:
            pass
    return {"largest": largest()}


@app.get("/largest")
def tell(request):
    gc.collect()
    return {"largest": largest()}


def largest():
    """Return how many bytes can be had in one piece, up to 4,096."""
    for size in range(16, 4097, 16):
        try:
            bytearray(size)
        except MemoryError:
            return size - 16
    return 4096


if __name__ == "__main__":
    start.set_limits(app)
    app.run(start.option("host"), int(start.option("port")))
