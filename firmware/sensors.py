"""Sensors of a project: on the dashboard with a chart, in the events, the CSV, the metrics and openapi.json.

    from firmware import sensors

    sensors.add("soil_percent", "%", lambda: adc.read_u16() * 100 // 65535, every_s=10, title="Soil")

What reads a sensor returns a number, or None where there is no reading; it may be `async`. One that raises, or is not
done in three times `every_s` (10 s at least), has no reading, and the log says why. A sensor is read while somebody
looks at the readings: a page, a script, the metrics. There it is by its name: `/api/events` sends
{"temperature_c": 21.5, ..., "sensors": {"soil_percent": 42}}.
"""

import asyncio

import firmware.board as board
from firmware import settings
from firmware.server import transport

_MAX_TEXT = 32
# A reading that takes longer, or than so many times its seconds, is given up.
_LEAST_PATIENCE_S = 10
_PATIENCE = 3
# What the readings have themselves (site/readings.py), and their number.
_TAKEN = ("number", "uptime_s", "temperature_c", "heap_free", "idf_free", "rssi_dbm", "requests", "led")

_sensors = []


class _Sensor:
    value = None
    error = None
    _task = None  # that reads it
    _read_s = None  # when it was read last

    def __init__(self, name, unit, read, every_s, title):
        self.name = name
        self.unit = unit
        self.title = title
        self.every_s = every_s
        self._read = read

    def look(self, now_s):
        """Read it where that is due."""
        since_s = 0 if self._read_s is None else now_s - self._read_s
        if self._task is not None:
            patience_s = max(_LEAST_PATIENCE_S, _PATIENCE * self.every_s)
            if since_s >= patience_s:
                self._task.cancel()
                self._task = None
                self._fail(OSError("no reading within %d s" % patience_s))
            return
        if self._read_s is not None and since_s < self.every_s:
            return
        self._read_s = now_s
        try:
            value = self._read()
            if transport.is_pending(value):
                self._task = asyncio.create_task(self._wait(value))
            else:
                self._take(value)
        except Exception as error:
            self._fail(error)

    async def _wait(self, pending):
        try:
            value = await pending
            # One that was given up may come to its end all the same.
            if self._task is asyncio.current_task():
                self._take(value)
        except Exception as error:
            if self._task is asyncio.current_task():
                self._fail(error)
        if self._task is asyncio.current_task():
            self._task = None

    def _take(self, value):
        if type(value) is bool:
            value = int(value)
        # NaN and what is infinite JSON does not know.
        if value is not None and (type(value) not in (int, float) or value - value != 0):
            raise TypeError("it returns %r, which is no number" % (value,))
        self.value = value
        self.error = None

    def _fail(self, error):
        self.value = None
        said = "%s: %s" % (type(error).__name__, error)
        if said != self.error:
            from firmware.site import guards

            self.error = said
            guards.log.error("sensor %s: %s" % (self.name, said))
            print("limpet: sensor %s: %s" % (self.name, said))


def add(name, unit, read, every_s=1, title=None):
    """Add a sensor: `read()` returns its value, in `unit` ("" for none), and is called every `every_s` seconds.

    Raises ValueError for a name, a unit or a title that is none, or seconds that are no whole number from 1 on.
    """
    title = name if title is None else title
    if not settings.is_name(name) or name in _TAKEN or name in [sensor.name for sensor in _sensors]:
        raise ValueError("a sensor has a name of its own, of a-z, 0-9 and _: not %s" % name)
    for text in (unit, title):
        if type(text) is not str or len(text) > _MAX_TEXT or '"' in text or "\\" in text or "\n" in text:
            raise ValueError("%s: unit and title are short texts" % name)
    if type(every_s) is not int or every_s < 1:
        raise ValueError("%s: every_s is a whole number of seconds, from 1 on" % name)
    _sensors.append(_Sensor(name, unit, read, every_s, title))


def values():
    """Return {name: value, None where there is no reading}, having read what is due."""
    now_s = board.uptime_s()
    for sensor in _sensors:
        sensor.look(now_s)
    return {sensor.name: sensor.value for sensor in _sensors}


def names():
    """Return the sensors' names, in the order they were added."""
    return [sensor.name for sensor in _sensors]


def declared():
    """Return what was declared of each: {"name", "title", "unit", "every_s"}."""
    return [{"name": one.name, "title": one.title, "unit": one.unit, "every_s": one.every_s} for one in _sensors]


def readings():
    """Return (name, unit, value) of each that has a value, having read what is due."""
    values()
    return [(one.name, one.unit, one.value) for one in _sensors if one.value is not None]
