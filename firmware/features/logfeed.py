"""The lines of a `log.Log` for its followers: a `Feed` whose ring is the log's bytes."""

from firmware.features.feed import Feed
from firmware.features.log import HEAD_BYTES, LEVELS
from firmware.http.response import Response, encode_json

# Bytes of lines that are sent as one chunk: small, for a fragmented heap.
_BATCH_BYTES = 128


class Lines(Feed):
    """The kept lines of a log."""

    def __init__(self, log):
        self._log = log
        self._watchers = log.watchers
        self._json = b""
        self._json_of = 0

    @property
    def last(self):
        """The number of the newest line."""
        return self._log.last

    @property
    def first(self):
        """The number of the oldest kept line."""
        return self._log.state[3]

    def value(self, number):
        """Return the kept line with a number, {"number", "uptime_s", "level", "text"}."""
        return self._parse(number, self._find(number))

    def event(self, number):
        """Return None: lines are events without a name."""

    # Only their numbers: each line is made when its turn comes.
    newer = Feed._numbers

    def poll(self, request, answer=None):
        """Return a handler's result (see `Log.poll`)."""
        request.is_quiet = True
        since = request.args.get("since", 0, int)
        return super().poll(request, answer or (lambda newer: self.answer_since(since)))

    def events(self, request):
        """Return the Response that sends every line as a Server-Sent Event (see `sse`)."""
        request.is_quiet = True
        return super().events(request)

    def answer_since(self, since):
        """Return a Response with the lines after number `since`."""
        if since > self.last:
            since = 0
        response = Response(self._lines(since, self.last), 200, {"Cache-Control": "no-store"}, "application/jsonl")
        response.is_brief = True
        return response

    def _lines(self, since, last):
        """Yield the lines from `since` to `last` as JSON, several at once."""
        number = since + 1
        at = None
        batch = ""
        while number <= last:
            if number < self.first:
                # They may have been dropped since the last chunk was taken.
                batch += '{"lost": %d}\n' % (self.first - number)
                number = self.first
                at = None
                continue
            if at is None:
                at = self._find(number)
            batch += encode_json(self._parse(number, at)).decode() + "\n"
            at = self._next(at)
            number += 1
            if len(batch) >= _BATCH_BYTES:
                yield batch
                batch = ""
        if batch:
            yield batch

    def _find(self, number):
        at = self._log.state[0]
        for _ in range(number - self.first):
            at = self._next(at)
        return at

    def _next(self, at):
        return (at + HEAD_BYTES + self._number(at, 2)) % len(self._log.ring)

    def _number(self, at, size):
        """Return the number in `size` bytes from `at` on."""
        number = 0
        for index in range(at, at + size):
            number = number << 8 | self._log.ring[index % len(self._log.ring)]
        return number

    def _parse(self, number, at):
        size = self._number(at, 2)
        level, uptime_s = self._number(at + 2, 1), self._number(at + 3, 4)
        at = (at + HEAD_BYTES) % len(self._log.ring)
        line = self._log.ring[at : at + size]
        line += self._log.ring[: size - len(line)]
        return {"number": number, "uptime_s": uptime_s, "level": LEVELS[level], "text": str(line, "utf-8")}
