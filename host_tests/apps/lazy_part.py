"""A part that counts, and has a hook and a background task."""

import asyncio

from firmware import App
from host_tests.apps.beside_lazy import failures, stays, ticks

if failures[0]:
    failures[0] -= 1
    raise MemoryError("no room")

app = App()
count = 0


def can_go():
    return "part" not in stays


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


@app.get("/part/slow")
async def slow(request):
    await asyncio.sleep(1)
    return {"count": count}
