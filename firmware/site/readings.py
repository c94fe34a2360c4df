"""The LED, and the readings: the board takes one each second, sends it to live clients, and keeps it for a minute.

A reading is {"uptime_s", "temperature_c", "heap_free", "idf_free", "rssi_dbm", "requests", "led"}: free bytes of both
heaps, requests since startup. It also has {"pins": {"4": value}, "pins_version"} if the settings name pins (see
`board/pins.py`), and {"sensors": {name: value}} if the project has sensors. Setting the LED or a pin makes a reading at
once.
"""

import sys

import firmware.board as board
from firmware import App, HTTPError
from firmware.board import settings
from firmware.features.feed import Feed
from firmware.http.jsontext import loads
from firmware.server import transport
from firmware.site import guards

app = App()
app.can_go = True  # after that the kept minute begins anew, and the numbers continue
app.json_errors = True

_COLUMNS = ("uptime_s", "temperature_c", "heap_free", "idf_free", "rssi_dbm", "requests", "led")
# Members that a reading has only if there are any.
_MORE = ("pins", "pins_version", "sensors")


class _Readings(Feed):
    """Keeps readings without the names of their members, which would take as much memory again."""

    def keep(self, value):
        """Return the form in which a reading is kept."""
        return tuple([value.get(name) for name in _COLUMNS + _MORE])

    def value(self, number):
        """Return the kept reading with a number."""
        reading = {}
        for name, value in zip(_COLUMNS + _MORE, super().value(number)):
            if value is not None or name in _COLUMNS:
                reading[name] = value
        return reading


# One minute, at some 120 bytes each; a shorter time while a pin changes often, and on a small board.
feed = _Readings(20 if guards.left_out else 60, guards.kept.get("last_reading", 0))

_LED = {"on": bool}
# Schema of one pin; the valid values depend on its mode.
_COMMAND = {"led": (_LED, None), "pin": ({"number": int, "value": None}, None)}

_shown = None  # the pins' values in the newest reading
# The project's sensors, if it has any.
sensors = sys.modules.get("firmware.sensors")

_INTERVAL_MS = 1000
# A changed pin makes a reading half a second after the last one: at most two readings a second.
_PAUSE_MS = 500
# From then on pins are checked as often: a viewer sees the change at once. A shorter pulse may be missed.
_LOOK_MS = 100


@app.background
async def sample():
    """Take a reading each second, and when a pin has changed."""
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
    if sensors:
        reading["sensors"] = sensors.values()
    guards.kept["last_reading"] = feed.publish(reading)


def _pins():
    """Return the pins' values, None if the settings name no pins."""
    if not settings.current["pins"]["gpio"]:
        return None
    from firmware.board import pins

    return pins.values()


def _switch_led(wanted):
    board.led.on = wanted["on"]
    publish()
    return {"on": board.led.on}


@app.get("/api/led")
def led(request):
    """Return whether the LED is on."""
    return {"on": board.led.on}


@app.put("/api/led", schema=_LED)
def set_led(request):
    """Switch the LED. Raises 422 for anything but {"on": true} or {"on": false}."""
    return _switch_led(request.json)


@app.get("/api/events")
def events(request):
    """Send every reading as a Server-Sent Event."""
    return feed.events(request)


@app.get("/api/readings")
def readings(request):
    """Return the readings newer than `?since=N`, after at most `?wait=S` seconds; 204 if there is none."""
    return feed.poll(request)


@app.get("/api/readings.csv")
def table(request):
    """Return the kept readings as CSV; with `?rows=N` the newest N of them. Raises 400."""
    rows = request.args.get("rows", None, int)
    if rows is not None and rows < 1:
        raise HTTPError(400, "rows must be a number from 1 on.")
    return _rows(feed.last - rows if rows else 0, feed.last), 200, {"Content-Type": "text/csv; charset=utf-8"}


def _rows(number, last):
    """Yield the readings after `number`, up to `last`, if they are still kept when their turn comes."""
    own = sensors.names() if sensors else []
    yield "number,%s\r\n" % ",".join(list(_COLUMNS) + own)
    while True:
        number = max(number + 1, feed.first)
        if number > last:
            return
        reading = feed.value(number)
        cells = [_cell(reading[name]) for name in _COLUMNS] + [_cell(reading["sensors"][name]) for name in own]
        yield "%d,%s\r\n" % (number, ",".join(cells))


def _cell(value):
    if value is None:
        return ""
    return str(int(value) if type(value) is bool else value)


@app.websocket("/ws")
async def live(request, socket):
    """Send every reading as JSON; take commands, and answer each with its change or an error.

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


def set_pin(number, value):
    """Set a pin, and return it. Raises 404, 409, 422."""
    from firmware.board import pins

    pin = pins.find(number)
    pin.set(value)
    publish()
    return pin.report()


def _obey(message):
    from firmware.http.validator import check

    command = check(_COMMAND, loads(message.encode()))
    led, pin = command["led"], command["pin"]
    if (led is None) == (pin is None):
        raise HTTPError(422, 'Send {"led": {"on": true}} or {"pin": {"number": 4, "value": 1}}.')
    return {"led": _switch_led(led)} if led else {"pin": set_pin(pin["number"], pin["value"])}
