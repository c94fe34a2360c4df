"""Rate limits: a token bucket for each client's address, in tables of a fixed size.

    limit = ratelimit.limit(app, per_minute=120, burst=40)

    @app.post("/login")
    @limit.route("login", per_minute=6, burst=3)
    def log_in(request): ...

A bucket holds `burst` requests and gets `per_minute` back, evenly. A client with an empty bucket gets 429 with
`Retry-After`. Every response tells the state of its client's bucket (draft-ietf-httpapi-ratelimit-headers-10):

    RateLimit-Policy: "default";q=40;w=20
    RateLimit: "default";r=39;t=1

q: the size of the bucket; w: the seconds in which an empty one fills; r: the requests left; t: the seconds until there
is one more. The table is in RAM and of a fixed size: after a restart all buckets are full, and so is a client's bucket
once the table was filled by others after it. This stops careless clients, not an attack from many addresses.
"""

from array import array

from firmware.http.errors import HTTPError
from firmware.server.limits import SWEEP_MS

# Enough for a household with all its devices; 64 buckets take 3 KB.
CLIENTS = 64
# For one route: fewer clients use it.
ROUTE_CLIENTS = 16

# Parts of a token, so that a sweep brings a whole number of them.
_TOKEN = 60000 // SWEEP_MS

# The largest limits: up to these all numbers here are small integers on a 32-bit board.
_MAX_BURST = 10000
_MAX_PER_MINUTE = 60000


def limit(app, per_minute, burst, clients=CLIENTS):
    """Limit each address for all of `app`; return the Limit, whose `route` limits single routes.

    Raises ValueError for invalid numbers.
    """
    app.before(Buckets("default", per_minute, burst, clients).check)
    return Limit()


class Limit:
    """The limit of an application. Its routes may have limits of their own."""

    def route(self, name, per_minute, burst, clients=ROUTE_CLIENTS):
        """Return a decorator that limits each address for one handler; `name` is the policy's name in the fields."""
        buckets = Buckets(name, per_minute, burst, clients)

        def decorate(handler):
            def limited(request, **params):
                buckets.check(request)
                return handler(request, **params)

            return limited

        return decorate


class Buckets:
    """A policy, `name`, and a table of `clients` buckets. A new client replaces the longest unseen."""

    def __init__(self, name, per_minute, burst, clients):
        # The name is quoted in a header field.
        if not name or [letter for letter in name if letter in '"\\' or not " " <= letter <= "~"]:
            raise ValueError("not a policy's name: %r" % name)
        if not 0 < per_minute <= _MAX_PER_MINUTE or not 0 < burst <= _MAX_BURST or clients < 1:
            raise ValueError("not a limit: %r a minute, %r at once, %r clients" % (per_minute, burst, clients))
        # The field lines, up to the number of requests left.
        policy = 'RateLimit-Policy: "%s";q=%d;w=%d\r\nRateLimit: "%s";r='
        self._lines = (policy % (name, burst, -(-burst * 60 // per_minute), name)).encode()
        self._rate = per_minute
        self._full = burst * _TOKEN
        self._fill_sweeps = -(-self._full // per_minute)
        self._index = {}  # address to the bucket's number
        self._addresses = [None] * clients
        self._parts = array("I", bytes(4 * clients))
        self._seen = array("I", bytes(4 * clients))  # in sweeps
        self._used = 0
        self._told = self._told_parts = None  # the last field lines, and the tokens in them

    def check(self, request):
        """Take a token for a request. Raises 429."""
        slot = request.slot
        at = self.take(slot.address(), slot.server.clock)
        request.answer_lines += self.tell(at if at >= 0 else -1 - at)
        if at < 0:
            raise _refusal(self.wait_s(-1 - at))

    def take(self, address, clock):
        """Take a token from an address's bucket at the sweep `clock`; return its number, or -1 - number: none left."""
        at = self._index.get(address)
        parts = self._full
        if at is None:
            at = self._claim(address)
        else:
            # `min` would cost more than all of this: a board looks builtins up in a long list.
            gone = clock - self._seen[at]
            if gone < self._fill_sweeps:
                gone = self._parts[at] + gone * self._rate
                if gone < parts:
                    parts = gone
        self._seen[at] = clock
        if parts < _TOKEN:
            self._parts[at] = parts
            return -1 - at
        self._parts[at] = parts - _TOKEN
        return at

    def tell(self, at):
        """Return the field lines for bucket number `at`."""
        parts = self._parts[at]
        # A client that asks rarely always has the same number left.
        if parts != self._told_parts:
            self._told = self._lines + b"%d;t=%d\r\n" % (parts // _TOKEN, self.wait_s(at))
            self._told_parts = parts
        return self._told

    def wait_s(self, at):
        """Return the seconds until bucket number `at` has one token more."""
        missing = _TOKEN - self._parts[at] % _TOKEN
        # Sweeps, then seconds, both rounded up.
        return (-(-missing // self._rate) * SWEEP_MS + 999) // 1000

    def _claim(self, address):
        if self._used < len(self._addresses):
            at = self._used
            self._used += 1
        else:
            at = self._oldest()
            # Missing if memory ran out in the middle of this.
            self._index.pop(self._addresses[at], None)
        self._addresses[at] = address
        self._index[address] = at
        return at

    def _oldest(self):
        seen = self._seen
        oldest = 0
        for at in range(1, len(seen)):
            if seen[at] < seen[oldest]:
                oldest = at
        return oldest


def _refusal(wait_s):
    return HTTPError(429, "Too many requests. Try again in %d s." % wait_s, {"Retry-After": str(wait_s)})
