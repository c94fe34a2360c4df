"""A live chart by Server-Sent Events: free memory, four times a second."""

import asyncio
import gc

from firmware import App, Request
from firmware.features.feed import Feed

EVERY_S = 0.25

app = App()
samples = Feed(60)


def free_kb():
    """Return the KB of free heap; CPython has none to tell of, and invents some."""
    free = getattr(gc, "mem_free", None)
    return free() // 1024 if free else 64 + samples.last % 16


@app.background
async def sample():
    while True:
        samples.publish({"free_kb": free_kb()})
        await asyncio.sleep(EVERY_S)


@app.get("/api/samples")
def newer(request: Request):
    """Return what is newer than `?since=N`, waiting for it up to `?wait=S` seconds."""
    return samples.poll(request)


@app.get("/api/samples/events")
def events(request: Request):
    """Send every sample; `?since=0` begins with what is held."""
    return samples.events(request)
