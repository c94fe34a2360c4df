"""The log: a ring of lines in RAM, of a few KB, with a line for every request, followed over HTTP.

    log = Log(board.uptime_s)
    log.attach(app)
    log.warning("the sensor does not answer")

    @app.get("/api/log")
    def lines(request):
        return log.poll(request)

`poll` answers `?since=N&wait=S` with the lines behind number N, as JSON, one a line; `events` sends each as it comes.
It is a `Feed` whose ring is bytes: the oldest lines go when there is no room, and who asks too late is told how many
were lost. A line is one line, whatever is put in it, and a request's has no secrets (see `logline`).
"""

from array import array
from json import dumps

from firmware.features.feed import Feed
from firmware.features.logline import describe, escape, put
from firmware.http.native import const
from firmware.http.response import Response
from firmware.server import transport

# Some 40 requests: what happened before something went wrong. There may be 65535.
RING_BYTES = 2560
# Of those, what each line has before it: its length in two, its level, and its seconds in four.
_HEAD = const(7)

# The end of a traceback, where it says what went wrong.
MAX_CRASH_LETTERS = 1000
_CRASH_END = 160  # of that, in a line
_CRASH_FILE = "crash.json"

LEVELS = ("debug", "info", "warning", "error")
DEBUG, INFO, WARNING, ERROR = range(4)

# A batch of lines that is sent as one chunk.
_BATCH_BYTES = 1024


class Log(Feed):
    """A ring of `size` bytes; its lines are told with `uptime_s()`, a whole number. What is below `level` is not kept.

    `mirror`: print every line, too. `store`, with `load(name, default)` and `save(name, document)`, keeps the last
    crash over a reset; `last_crash` is its text, or None.
    """

    def __init__(self, uptime_s, size=RING_BYTES, level=INFO, mirror=False, store=None):
        super().__init__(1)  # its one value is not used
        self.level = level
        self.last_crash = None
        self._uptime_s = uptime_s
        self._mirror = mirror
        self._store = store
        self._bytes = bytearray(size)
        self._view = memoryview(self._bytes)
        # Where the oldest line begins, bytes in use, bytes in all, and the oldest line's number.
        self._state = array("I", (0, 0, size, 1))
        text = store.load(_CRASH_FILE, {}).get("text") if store else None
        if type(text) is str:
            self.last_crash = text
            self.warning("last crash " + text[-_CRASH_END:])

    # -- writing

    def debug(self, text):
        """Write a line for who looks for a mistake."""
        self.write(DEBUG, text)

    def info(self, text):
        """Write a line about what is as it should be."""
        self.write(INFO, text)

    def warning(self, text):
        """Write a line about what somebody should look at."""
        self.write(WARNING, text)

    def error(self, text):
        """Write a line about what went wrong."""
        self.write(ERROR, text)

    def write(self, level, text):
        """Write a line, text or bytes, of a level."""
        if level < self.level:
            return
        self._keep(level, escape(text))

    def _keep(self, level, line):
        if self._mirror:
            _print(level, line)
        if len(line) + _HEAD <= len(self._bytes):
            put(self._bytes, self._state, level, self._uptime_s(), line, len(line))
            self.last += 1
        if self._watchers:
            self._wake()

    def crash(self, text):
        """Write why the program ends, a traceback, say, and keep it over the reset."""
        text = "after %d s: %s" % (self._uptime_s(), text.strip()[-MAX_CRASH_LETTERS:])
        self.last_crash = text
        self.error("crash " + text[-_CRASH_END:])
        if self._store:
            try:
                self._store.save(_CRASH_FILE, {"text": text})
            except OSError as error:
                self.error("the crash is not kept: %r" % error)

    def publish(self, value, event=None):
        """Write a line of level info; return its number."""
        self.write(INFO, value)
        return self.last

    def _wake(self):
        reactor = transport.reactor()
        for watcher in self._watchers:
            reactor.soon(watcher)

    # -- reading

    @property
    def first(self):
        """The number of the oldest line that is held."""
        return self._state[3]

    def value(self, number):
        """Return the line of a number that is held, {"number", "uptime_s", "level", "text"}."""
        return self._parse(number, self._find(number))

    def event(self, number):
        """Lines are events without a name."""

    def newer(self, since):
        """Return the range of the numbers that are held and newer than the number `since`."""
        # A number that is not reached yet is one from before a restart.
        return range(self.first if since > self.last else max(since + 1, self.first), self.last + 1)

    def poll(self, request, answer=None):
        """Return what a handler answers with: the lines behind `?since=N`, once there are any (see `Feed.poll`).

        A line {"lost": count} comes first, or in between, where that many are not held any more.
        """
        request.is_quiet = True
        since = request.args.get("since", 0, int)
        return super().poll(request, answer or (lambda newer: self._answer_since(since)))

    def events(self, request):
        """Return the Response that sends every line as a Server-Sent Event (see `sse`)."""
        request.is_quiet = True
        return super().events(request)

    def _answer_since(self, since):
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
                # Perhaps only since the last chunk was taken.
                batch += '{"lost": %d}\n' % (self.first - number)
                number = self.first
                at = None
                continue
            if at is None:
                at = self._find(number)
            batch += dumps(self._parse(number, at)) + "\n"
            at = self._next(at)
            number += 1
            if len(batch) >= _BATCH_BYTES:
                yield batch
                batch = ""
        if batch:
            yield batch

    def _find(self, number):
        at = self._state[0]
        for _ in range(number - self.first):
            at = self._next(at)
        return at

    def _next(self, at):
        return (at + _HEAD + self._number(at, 2)) % len(self._bytes)

    def _number(self, at, size):
        """Return the number in `size` bytes from `at` on."""
        number = 0
        for place in range(at, at + size):
            number = number << 8 | self._bytes[place % len(self._bytes)]
        return number

    def _parse(self, number, at):
        size = self._number(at, 2)
        level, uptime_s = self._number(at + 2, 1), self._number(at + 3, 4)
        at = (at + _HEAD) % len(self._bytes)
        line = bytes(self._view[at : at + size])
        line += bytes(self._view[: size - len(line)])
        return {"number": number, "uptime_s": uptime_s, "level": LEVELS[level], "text": line.decode()}

    # -- requests

    def attach(self, app):
        """Write a line for every request of `app`: method, path, status, bytes, milliseconds, address, id.

        And for every error that the server tells on the console.
        """
        app.log = self
        app.before(_begin)
        app.done(self._note)

    def _note(self, request, response):
        status = response.status
        level = ERROR if status >= 500 else INFO
        # Who follows the log would otherwise follow himself.
        if level >= self.level and (status >= 400 or request is None or not request.is_quiet):
            self._keep(level, describe(request, response))


def _begin(request):
    request.began = transport.ticks_ms()


def _print(level, line):
    try:
        print("limpet: %s: %s" % (LEVELS[level], line.decode()))
    except Exception:
        pass  # a console that cannot write it
