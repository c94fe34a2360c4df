"""The shipped site: its status, its LED, its readings, its users, its files, its pages."""

import firmware.board as board
from firmware import NAME, VERSION, App
from firmware.board import clock, memory, recovery, tasks
from firmware.site import files, readings, users

app = App()


@app.get("/api/status")
def status(request):
    """Return how the board and the server are doing."""
    return {
        "firmware": {"name": NAME, "version": VERSION},
        "python": board.python(),
        "board": board.NAME,
        "uptime_s": board.uptime_s(),
        "heap": board.heap(),
        "idf_heap": board.idf_heap(),
        "temperature_c": board.temperature_c(),
        "led": {"on": board.led.on},
        "boot": recovery.report(),
        "tasks": tasks.report(),
        "memory": memory.report(),
        "clock": clock.report(),
        "wifi": board.radio.status() if board.radio else None,
        "connections": _connections(app.server),
    }


def _connections(server):
    counts = {"requests": server.requests, "limit": len(server.slots)}
    counts["open"] = sum(1 for slot in server.slots if slot.sock)
    counts.update(server.counters)
    return counts


@app.get("/api/led")
def led(request):
    """Return whether the LED is on."""
    return {"on": board.led.on}


@app.put("/api/led")
def set_led(request):
    """Switch the LED. Raises 422 for anything but {"on": true} or {"on": false}."""
    return readings.switch_led(request.json)


for _part in (users, readings, files):
    app.mount("/", _part.app)
app.static("/", __file__[: __file__.rfind("routes.")] + "www")
