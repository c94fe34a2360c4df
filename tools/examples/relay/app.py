"""A relay with a schedule: switched by hand, or by what the schedule says for this minute of the day (UTC)."""

import asyncio
import time

from firmware import App, Request
from firmware.board import storage
from firmware.http.validator import REQUIRED

PIN = 26
STEP = {"minute": (int, REQUIRED, 0, 24 * 60 - 1), "on": bool}

app = App()
schedule: "list[dict[str, int]]" = storage.load("schedule.json", [])
app.state.on = False
app.state.minute = -1


try:
    from machine import Pin

    relay = Pin(PIN, Pin.OUT, value=0)
except ImportError:
    relay = None  # a laptop


def switch(on: bool):
    app.state.on = on
    if relay:
        relay.value(on)


@app.background
async def follow():
    """Do what the schedule says for the minute that begins, once."""
    while True:
        minute = time.gmtime()[3] * 60 + time.gmtime()[4]
        for step in schedule if minute != app.state.minute else ():
            if step["minute"] == minute:
                switch(bool(step["on"]))
        app.state.minute = minute
        await asyncio.sleep(1)


@app.get("/api/relay")
def tell(request: Request):
    return {"on": app.state.on, "schedule": schedule}


@app.put("/api/relay", schema={"on": bool})
def set_relay(request: Request):
    switch(request.json["on"])


@app.put("/api/schedule", schema={"steps": [STEP]})
def set_schedule(request: Request):
    schedule[:] = request.json["steps"]
    storage.save("schedule.json", schedule)
