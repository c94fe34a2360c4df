"""The shipped site: its status, its LED, its users, its pages."""

import firmware.board as board
from firmware import NAME, VERSION, App, HTTPError
from firmware.site import users

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
    wanted = request.json
    if type(wanted) is not dict or len(wanted) != 1 or type(wanted.get("on")) is not bool:
        raise HTTPError(422, 'Send {"on": true} or {"on": false}.')
    board.led.on = wanted["on"]
    return {"on": board.led.on}


app.mount("/", users.app)
app.static("/", __file__[: __file__.rfind("routes.")] + "www")
