"""The LED, and the readings: what the board measures once a second, live for who listens, held for a minute.

A reading is {"uptime_s", "temperature_c", "heap_free", "idf_free", "rssi_dbm", "requests", "led"}: bytes free in both
heaps, requests since the start; and {"pins": {"4": value}, "pins_version"} where the settings have any (see
`board/pins.py`). Whatever sets the LED or a pin makes one at once.
"""

import firmware.board as board
from firmware import App, HTTPError
from firmware.board import settings
from firmware.features.feed import Feed
from firmware.http.jsontext import loads
from firmware.server import transport
from firmware.site import guards
from firmware.site.problems import explain

app = App()
app.can_go = True  # who comes back finds a minute that begins anew
explain(app)

# A minute, at some 100 bytes each; less while a pin changes often.
feed = Feed(60)

_shown = None  # the pins' values in the newest

_INTERVAL_MS = 1000
# Half a second after a reading a pin that changes makes another: so there are two a second at the most.
_PAUSE_MS = 500
# It is looked for as often from then on: that is at once for who looks on. A shorter pulse may be missed.
_LOOK_MS = 100
_COLUMNS = ("uptime_s", "temperature_c", "heap_free", "idf_free", "rssi_dbm", "requests", "led")

# More than a year's: a number that somebody mistyped.
_MAX_ROWS = 40000000


@app.background
async def sample():
    """Take a reading every second, and when a pin has changed."""
    while True:
        publish()
        await transport.sleep_ms(_PAUSE_MS)
        left_ms = _INTERVAL_MS - _PAUSE_MS
        while left_ms > 0 and not (_shown and _shown != _pins()):
            pause_ms = _LOOK_MS if _shown else left_ms
            await transport.sleep_ms(pause_ms)
            left_ms -= pause_ms


def publish():
    """Take a reading now."""
    global _shown
    idf = board.idf_heap()
    reading = {
        "uptime_s": board.uptime_s(),
        "temperature_c": board.temperature_c(),
        "heap_free": board.heap()["free"],
        "idf_free": idf and idf["free"],
        "rssi_dbm": board.link.rssi() if board.link else None,
        "requests": guards.root.server.requests,
        "led": board.led.on,
    }
    _shown = _pins()
    if _shown:
        from firmware.board import pins

        reading["pins"] = _shown
        reading["pins_version"] = pins.version
    feed.publish(reading)


def _pins():
    """Return the pins' values, None where the settings have no pins."""
    if not settings.current["pins"]["gpio"]:
        return None
    from firmware.board import pins

    return pins.values()


def switch_led(wanted):
    """Switch the LED as {"on": true} or {"on": false} says; return what it is. Raises 422 for anything else."""
    if type(wanted) is not dict or len(wanted) != 1 or type(wanted.get("on")) is not bool:
        raise HTTPError(422, 'Send {"on": true} or {"on": false}.')
    board.led.on = wanted["on"]
    publish()
    return {"on": board.led.on}


@app.get("/api/led")
def led(request):
    """Return whether the LED is on."""
    return {"on": board.led.on}


@app.put("/api/led")
def set_led(request):
    """Switch the LED. Raises 422 for anything but {"on": true} or {"on": false}."""
    return switch_led(request.json)


@app.get("/api/events")
def events(request):
    """Send every reading as a Server-Sent Event."""
    return feed.events(request)


@app.get("/api/readings")
def readings(request):
    """Return the readings newer than `?since=N`, after at most `?wait=S` seconds; 204 where there is none."""
    return feed.poll(request)


@app.get("/api/readings.csv")
def table(request):
    """Return what is held as CSV; with `?rows=N` that many, the newest held ones and then each as it is taken."""
    rows = request.args.get("rows", None, int)
    if rows is not None and not 0 < rows <= _MAX_ROWS:
        raise HTTPError(400, "rows is a number from 1 on.")
    return _rows(rows), 200, {"Content-Type": "text/csv; charset=utf-8"}


async def _rows(rows):
    yield "number,%s\r\n" % ",".join(_COLUMNS)
    number = max(feed.first - 1, feed.last - rows) if rows else feed.first - 1
    left = rows or feed.last - number
    while left > 0:
        newer = await feed.wait(number, 2 * _INTERVAL_MS)
        lines = ""
        for number, reading in newer[:left]:
            lines += "%d,%s\r\n" % (number, ",".join([_cell(reading[name]) for name in _COLUMNS]))
        left -= len(newer)
        yield lines


def _cell(value):
    if value is None:
        return ""
    return str(int(value) if type(value) is bool else value)


@app.websocket("/ws")
async def live(request, socket):
    """Send every reading as JSON; take commands, each answered with what it has changed or an error.

    {"led": {"on": true}} switches the LED, {"pin": {"number": 4, "value": 1}} sets a pin.
    """
    socket.follow(feed)
    async for message in socket:
        if type(message) is not str:
            from firmware.http.websocket import CLOSE_UNSUPPORTED

            await socket.close(CLOSE_UNSUPPORTED, "JSON is text.")
            break
        try:
            await socket.send_json(_obey(message))
        except HTTPError as error:
            await socket.send_json({"error": {"status": error.status, "detail": error.detail}})


def _obey(message):
    command = loads(message.encode())
    if type(command) is dict and len(command) == 1:
        if "led" in command:
            return {"led": switch_led(command["led"])}
        if "pin" in command:
            from firmware.site.pins import obey

            return {"pin": obey(command["pin"])}
    raise HTTPError(422, 'Send {"led": {"on": true}} or {"pin": {"number": 4, "value": 1}}.')


@app.websocket("/ws/echo")
async def echo(request, socket):
    """Send every message back."""
    async for message in socket:
        await socket.send(message)
