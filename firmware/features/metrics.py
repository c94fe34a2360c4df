"""GET /metrics: the server's state in the OpenMetrics 1.0 text format, for Prometheus.

    metrics.attach(app, heap=board.heap, idf_heap=board.idf_heap, uptime_s=board.uptime_s, rssi_dbm=wifi.rssi_dbm)

The board's values come from functions; if one returns None or raises, its value is left out. The text is made while it
is sent, one part at a time. `app` is the served application.
"""

import asyncio

from firmware.http.response import Response
from firmware.server import transport

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

# Statuses that are counted separately; all others are counted together.
MAX_STATUSES = 24
_OTHER = 0

# Milliseconds between measurements of the loop's lag: short enough to see each noticeable wait.
_LAG_MS = 500
# The greatest lag of one to two minutes is told, so that no scrape misses it.
_WINDOW = 120

# Bytes that are sent as one chunk: small, for a fragmented heap.
_CHUNK_BYTES = 128

# The server's own counters.
_COUNTERS = (
    ("accepted", "Connections that were accepted."),
    ("refused", "Connections that got 503 because no slot was free."),
    ("evicted", "Connections that made room for new ones."),
    ("timeouts", "Connections that ran into a deadline before they were idle."),
    ("lost", "Connections whose client went away."),
    ("errors", "Errors with a traceback on the console."),
)


def attach(app, path="/metrics", **sources):
    """Count the responses of `app`, and add the route; return the Metrics. `sources`: see `tell`."""
    metrics = tell(app, **sources)
    metrics.is_counting = True
    app.before(metrics.begin)
    app.done(metrics.count)
    app.get(path)(metrics.answer)
    return metrics


def tell(app, heap=None, idf_heap=None, uptime_s=None, rssi_dbm=None, temperature_c=None, sensors=None):
    """Return Metrics of the values that are known anyway, without responses and the loop's lag.

    `heap` and `idf_heap` return {"free", "used" or "largest": bytes or None}, `sensors` a list of (name, unit,
    value), the others a number; each may be None.
    """
    metrics = Metrics(app)
    metrics.is_counting = False
    metrics.sensors = sensors
    metrics.gauges = (
        ("uptime_seconds", "Time since the board started.", uptime_s),
        ("rssi_dbm", "Strength of the Wi-Fi's signal.", rssi_dbm),
        ("temperature_celsius", "Temperature of the chip.", temperature_c),
    )
    metrics.heaps = (("heap", "MicroPython's heap", heap), ("idf_heap", "The heap of Wi-Fi and TCP", idf_heap))
    return metrics


class Metrics:
    """The counts that the server does not keep itself."""

    gauges = heaps = ()
    sensors = None
    is_counting = True  # responses, and the loop's lag

    def __init__(self, app):
        self._app = app
        self._statuses = {}  # status to count
        self._bytes = 0
        self._lag = Lag()

    def begin(self, request):
        """Measure the loop's lag from the first request on."""
        self._lag.start(self._app.root().server)

    def count(self, request, response):
        """Count a response."""
        statuses = self._statuses
        status = response.status
        if status not in statuses and len(statuses) >= MAX_STATUSES:
            status = _OTHER
        statuses[status] = statuses.get(status, 0) + 1
        self._bytes += response.sent or 0

    def answer(self, request):
        """Return the handler's result, which is sent one part at a time."""
        return Response(self._chunks(), 200, {"Cache-Control": "no-store"}, CONTENT_TYPE)

    def _chunks(self):
        chunk = ""
        for family in self._families():
            chunk += family
            if len(chunk) >= _CHUNK_BYTES:
                yield chunk
                chunk = ""
        yield chunk + "# EOF\n"

    def _families(self):
        """Yield the text of each family of metrics."""
        server = self._app.root().server
        yield _counter("requests", "Requests whose head could be read.", server.requests)
        if self.is_counting:
            yield from self._counted()
        for name, text in _COUNTERS:
            yield _counter(name, text, server.counters[name])
        yield _gauge("connections", "Connections that are open.", sum(1 for slot in server.slots if slot.sock))
        yield _gauge("connections_limit", "Connections that there is room for.", len(server.slots))
        yield _gauge("live", "Streams, WebSockets and long polls under way.", server.live)
        for name, text, function in self.heaps:
            sizes = _told(function) or {}
            for key in sorted(sizes):
                yield _gauge("%s_%s_bytes" % (name, key), "%s: %s." % (text, key), sizes[key])
        for name, text, function in self.gauges:
            yield _gauge(name, text, _told(function))
        known = _told(self.sensors)
        if known:
            yield _head("sensor", "gauge", "What a sensor of the project has measured.")
            for sensor in known:
                yield 'limpet_sensor{name="%s",unit="%s"} %s\n' % sensor

    def _counted(self):
        yield _head("responses", "counter", "Responses by status.")
        for status in sorted(self._statuses):
            yield 'limpet_responses_total{status="%s"} %d\n' % (status or "other", self._statuses[status])
        yield _counter("response_bytes", "Bytes of response bodies.", self._bytes)
        lag = self._lag
        yield _head("loop_lag_seconds", "summary", "By how much the event loop woke a sleeping task too late.")
        yield "limpet_loop_lag_seconds_count %d\n" % lag.count
        yield "limpet_loop_lag_seconds_sum %s\n" % _seconds(lag.sum_ms)
        yield _gauge("loop_lag_max_seconds", "The greatest lag of the last minutes.", _seconds(lag.greatest_ms()))


class Lag:
    """Measures how late the loop is: a task sleeps, and looks at the clock when it wakes."""

    def __init__(self):
        self.count = 0
        self.sum_ms = 0
        self._max_ms = 0  # in this window
        self._last_max_ms = 0  # in the window before
        self._server = None

    def start(self, server):
        """Measure until `server` is closed."""
        if self._server is not server:
            asyncio.create_task(self._watch(server))
            self._server = server

    def greatest_ms(self):
        """Return the greatest lag of this window and the one before."""
        return max(self._max_ms, self._last_max_ms)

    async def _watch(self, server):
        # A closed server has no slots.
        while server.slots:
            before = transport.ticks_ms()
            await transport.sleep_ms(_LAG_MS)
            self.note(transport.elapsed_ms(before) - _LAG_MS)
        self._server = None

    def note(self, late_ms):
        """Count a lag; a negative one is the clock's rounding."""
        late_ms = max(0, late_ms)
        self.count += 1
        self.sum_ms += late_ms
        self._max_ms = max(self._max_ms, late_ms)
        if self.count % _WINDOW == 0:
            self._last_max_ms = self._max_ms
            self._max_ms = 0


def _told(function):
    try:
        return function() if function else None
    except Exception:
        return None  # the other values can still be told


def _seconds(duration_ms):
    # Without floating point: a board's floats have seven digits.
    return "%d.%03d" % (duration_ms // 1000, duration_ms % 1000)


def _head(name, kind, text):
    return "# TYPE limpet_%s %s\n# HELP limpet_%s %s\n" % (name, kind, name, text)


def _counter(name, text, value):
    return "%slimpet_%s_total %d\n" % (_head(name, "counter", text), name, value)


def _gauge(name, text, value):
    """Return the text of a gauge, or "" if there is no value or it is not a number."""
    if value is None or value != value:
        return ""
    return "%slimpet_%s %s\n" % (_head(name, "gauge", text), name, value)
