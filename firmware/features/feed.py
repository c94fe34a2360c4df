"""One publisher, many followers: a ring of the newest values, for Server-Sent Events, WebSockets and long polls.

    readings = Feed(64)
    readings.publish({"temperature_c": 21.5})

    @app.get("/events")
    def events(request):
        return readings.events(request)

    @app.get("/readings")
    def newer(request):
        return readings.poll(request)

Values are numbered from 1 on. A number above the last one is from before a restart: a client that sends it gets all
kept values. For a follower only its number is kept. A slow one is dropped once the ring has overwritten its next value,
and may come back for the values that are still kept. Waiting costs no task.
"""

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.response import Response, encode_json
from firmware.server.limits import SWEEP_MS
from firmware.server.receive import is_gone
from firmware.server.slot import POLL, Lost, wait_live
from firmware.server.stream import enter, leave

# More values than this are sent one by one: together they would take kilobytes in one piece.
_FEW = const(4)

# Seconds. Longer than most people look at a page, shorter than a proxy's timeout: a poll holds a connection.
MAX_WAIT_S = 60


class Feed:
    """A ring of `size` values that JSON can represent. `last` is the number of the newest.

    A feed that replaces a forgotten one continues from its `last`.
    """

    def __init__(self, size=32, last=0):
        self.last = last
        self._least = last + 1
        self._ring = [None] * size
        self._watchers = []  # the connections that a new value wakes
        self._json = b""  # the JSON of the newest value, or of the last one that was asked for
        self._json_of = 0

    def publish(self, value, event=None):
        """Add a value, `event` its name for Server-Sent Events; return its number.

        Raises TypeError or ValueError for values that JSON cannot represent, like NaN: nothing is added then.
        """
        self._json = encode_json(value)
        self._json_of = self.last = self.last + 1
        self._ring[self.last % len(self._ring)] = (self.keep(value), event)
        for watcher in self._watchers:
            watcher.wake()
        return self.last

    def keep(self, value):
        """Return the form in which a value is kept; `value` reverses this."""
        return value

    @property
    def first(self):
        """The number of the oldest kept value."""
        return max(self._least, self.last - len(self._ring) + 1)

    def value(self, number):
        """Return the kept value with a number."""
        return self._ring[number % len(self._ring)][0]

    def event(self, number):
        """Return the name of its event, or None."""
        return self._ring[number % len(self._ring)][1]

    def json(self, number):
        """Return the value as JSON bytes, made once for all followers that keep up."""
        if number != self._json_of:
            self._json = encode_json(self.value(number))
            self._json_of = number
        return self._json

    def _numbers(self, since):
        """Return the range of kept numbers after `since`."""
        # A number above the last one is from before a restart.
        return range(self.first if since > self.last else max(since + 1, self.first), self.last + 1)

    def newer(self, since):
        """Return a list of (number, value) of the kept values after `since`."""
        return [(number, self.value(number)) for number in self._numbers(since)]

    def follow(self, slot, since):
        """Return the Follower of a connection, from `since` on."""
        return Follower(self, slot, since)

    def events(self, request):
        """Return the Response that sends every value as a Server-Sent Event (see `sse`)."""
        from firmware.features.sse import Events

        return Response(Events(self, request), 200, {"Cache-Control": "no-store"}, "text/event-stream")

    def poll(self, request, answer=None):
        """Return a handler's result for a long poll: `?since=N`: values after N; `?wait=S`: for at most S seconds.

        `answer(newer)` makes the body of a list of (number, value); without it, it is
        {"last": number, "values": [value, ...]}. Without a newer value in time the client gets 204. Raises 400.
        """
        since = request.args.get("since", 0, int)
        wait_s = request.args.get("wait", 0, int)
        if since < 0 or not 0 <= wait_s <= MAX_WAIT_S:
            raise HTTPError(400, "since is a number from 0 on, wait one of seconds up to %d." % MAX_WAIT_S)
        if self._numbers(since) or not wait_s:
            return self._answer(since, answer)
        return self._wait(request.slot, since, wait_s * 1000 // SWEEP_MS, answer)

    async def _wait(self, slot, since, sweeps, answer):
        """Wait for a newer value; return the handler's result. Raises 503 if too many wait, Lost."""
        enter(slot)
        self.add(slot)
        slot.deadline = slot.server.clock + sweeps + 1
        try:
            while not self._numbers(since):
                if is_gone(slot):
                    raise Lost
                await wait_live(slot, POLL)
        except HTTPError:
            pass  # the time is over, or the slot is needed
        except OSError:
            raise Lost
        finally:
            self.remove(slot)
            leave(slot)
            slot.deadline = 0
        return self._answer(since, answer)

    def _answer(self, since, answer):
        """Return the handler's result for the values after `since`, None if there are none."""
        numbers = self._numbers(since)
        if not numbers:
            return None
        if answer:
            return answer(self.newer(since))
        if len(numbers) <= _FEW:
            return {"last": self.last, "values": [self.value(number) for number in numbers]}
        response = Response(self._pieces(numbers), 200, content_type="application/json")
        response.is_brief = True
        return response

    def _pieces(self, numbers):
        """Yield the response with these values, if they are still kept when their turn comes."""
        text = '{"last": %d, "values": [' % self.last
        for number in numbers:
            if number >= self.first:
                yield text + encode_json(self.value(number)).decode()
                text = ", "
        yield "]}" if text == ", " else text + "]}"

    def add(self, watcher):
        """Call `watcher.wake()` for each new value."""
        self._watchers.append(watcher)

    def remove(self, watcher):
        """Stop waking `watcher`."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)


class Follower:
    """The position of a connection in a feed."""

    def __init__(self, feed, slot, since):
        self.feed = feed
        self.number = feed.first - 1 if since > feed.last else max(since, feed.first - 1)
        self._slot = slot
        feed.add(slot)
        slot.wake()

    def take(self):
        """Return the number of the next value, or 0. Raises Lost if it is not kept any more: the client is too slow."""
        if self.number == self.feed.last:
            return 0
        self.number += 1
        if self.number < self.feed.first:
            raise Lost
        return self.number

    def end(self):
        """Stop following."""
        self.feed.remove(self._slot)
