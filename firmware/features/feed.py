"""One publisher, many followers: a ring of the newest values, for Server-Sent Events, WebSockets and long polls.

    readings = Feed(64)
    readings.publish({"temperature_c": 21.5})

    @app.get("/events")
    def events(request):
        return readings.events(request)

    @app.get("/readings")
    def newer(request):
        return readings.poll(request)

Values are numbered from 1 on. Nothing is kept for a follower but the number it has got to: a slow one is dropped once
the ring has gone round under it, and may come back for what the ring still holds. Waiting costs no task.
"""

import asyncio
from json import dumps

from firmware.http.errors import HTTPError
from firmware.http.response import Response
from firmware.server import live, transport
from firmware.server.connection import POLL
from firmware.server.limits import SWEEP_MS
from firmware.server.reader import Lost, is_gone

# Longer than most people look at a page, shorter than a proxy's patience, and bounded: a poll holds a connection.
MAX_WAIT_S = 60


class Feed:
    """A ring of `size` values that JSON can hold. `last` is the number of the newest, 0 before there is one."""

    def __init__(self, size=32):
        self.last = 0
        self._ring = [None] * size
        self._watchers = []  # what is woken by each value: connections, signals
        self._signals = []  # those of tasks
        self._ticker = None  # the task that looks at their time
        self._ticks = 0
        self._json = b""  # the newest value's, once somebody asked
        self._json_of = 0

    def publish(self, value, event=None):
        """Add a value, `event` its name for Server-Sent Events; return its number."""
        self.last += 1
        self._ring[self.last % len(self._ring)] = (value, event)
        if self._watchers:
            reactor = transport.reactor()
            for watcher in self._watchers:
                reactor.soon(watcher)
        return self.last

    @property
    def first(self):
        """The number of the oldest value that is held."""
        return max(1, self.last - len(self._ring) + 1)

    def value(self, number):
        """Return the value of a number that is held."""
        return self._ring[number % len(self._ring)][0]

    def event(self, number):
        """Return its event's name, or None."""
        return self._ring[number % len(self._ring)][1]

    def json(self, number):
        """Return the value as JSON bytes; made once for all followers that keep up."""
        if number != self._json_of:
            self._json = dumps(self.value(number)).encode()
            self._json_of = number
        return self._json

    def newer(self, since):
        """Return a list of (number, value) of what is held and newer than the number `since`."""
        # A number that is not reached yet is one from before a restart.
        start = self.first if since > self.last else max(since + 1, self.first)
        return [(number, self.value(number)) for number in range(start, self.last + 1)]

    def follow(self, slot, since):
        """Return the Follower of a connection, from `since` on."""
        return Follower(self, slot, since)

    def events(self, request):
        """Return the Response that sends every value as a Server-Sent Event (see `sse`)."""
        from firmware.features.sse import Events

        return Response(Events(self, request), 200, {"Cache-Control": "no-store"}, "text/event-stream")

    def poll(self, request, answer=None):
        """Return what a handler answers a long poll with: `?since=N` newer than which number, `?wait=S` for how long.

        `answer(newer)` makes the body of a list of (number, value); without it, it is
        {"last": number, "values": [value, ...]}. With nothing newer in time the client gets 204. Raises 400.
        """
        since = request.args.get("since", 0, int)
        wait_s = request.args.get("wait", 0, int)
        if since < 0 or not 0 <= wait_s <= MAX_WAIT_S:
            raise HTTPError(400, "since is a number from 0 on, wait one of seconds up to %d." % MAX_WAIT_S)
        return Poll(self, since, wait_s * 1000 // SWEEP_MS, answer or self._answer)

    def _answer(self, newer):
        return {"last": newer[-1][0], "values": [value for _, value in newer]}

    async def wait(self, since, wait_ms):
        """Await `newer(since)`; it is empty where `wait_ms` have passed without anything."""
        last_tick = self._ticks + wait_ms // SWEEP_MS + 1
        signal = live.Signal()
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.create_task(self._tick())
        self._signals.append(signal)
        self._watchers.append(signal)
        try:
            while not self.newer(since) and self._ticks < last_tick:
                signal.clear()
                await signal.wait()
        finally:
            self._signals.remove(signal)
            self._watchers.remove(signal)
        return self.newer(since)

    async def _tick(self):
        """Wake the tasks that wait, to look at their deadlines: one task for all of them."""
        while self._signals:
            await transport.sleep_ms(SWEEP_MS)
            self._ticks += 1
            for signal in self._signals:
                signal.set()

    def add(self, watcher):
        """Wake `watcher.ready()` with every value."""
        self._watchers.append(watcher)

    def remove(self, watcher):
        """Wake it no more."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)


class Follower:
    """How far a connection has got with a feed."""

    def __init__(self, feed, slot, since):
        self.feed = feed
        self.number = 0 if since > feed.last else max(since, feed.first - 1)
        self._slot = slot
        feed.add(slot)
        transport.reactor().soon(slot)

    def take(self):
        """Return the number of the next value, or 0. Raises Lost where it is not held any more: too slow."""
        if self.number == self.feed.last:
            return 0
        self.number += 1
        if self.number < self.feed.first:
            raise Lost
        return self.number

    def end(self):
        """Follow no more."""
        self.feed.remove(self._slot)


class Poll:
    """What a handler returns to have its client wait without a task."""

    def __init__(self, feed, since, wait_sweeps, answer):
        self._feed = feed
        self._since = since
        self._wait_sweeps = wait_sweeps
        self._answer = answer

    def poll(self, slot):
        """Wait; return the handler's result. Raises 503 where no more may wait; run by the connection's script."""
        if self._wait_sweeps and not self._feed.newer(self._since):
            live.enter(slot.server)
            self._feed.add(slot)
            try:
                yield from self._wait(slot)
            finally:
                self._feed.remove(slot)
                live.leave(slot.server)
                slot.deadline = 0
        newer = self._feed.newer(self._since)
        return self._answer(newer) if newer else None

    def _wait(self, slot):
        slot.deadline = slot.server.clock + self._wait_sweeps + 1
        try:
            while not self._feed.newer(self._since):
                if is_gone(slot):
                    raise Lost
                yield live.wish(slot, POLL)
        except HTTPError:
            pass  # the time is over, or the place is wanted
        except OSError:
            raise Lost
