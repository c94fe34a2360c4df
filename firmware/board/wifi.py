"""The Wi-Fi supervisor: one task owns the radio, from power-on through every bad day.

    off -> joining -> connected            joins the first known network in range, and again whenever the link is lost
             |  ^         ^
             v  |         |
         access_point ----+                after some time without any network; goes back when one is in range again

Everybody else asks: `scan()` and `try_network()` leave a request, which the task serves between two steps. Every step
is short but an attempt to join, which has a deadline of its own; an error of the driver ends a step, never the task:
it is counted, a pause follows, and the next step starts from `state`. Errors in a row switch the radio off and on.
All waiting is the injected `sleep_ms`, all time the injected `ticks_ms`.

What watches over a link is here. What comes by one is `search.Search`: it is loaded while there is none, or while
somebody asks, and forgotten again, for most boards are joined for months.
"""

from firmware.server import loader

OFF = "off"
JOINING = "joining"
CONNECTED = "connected"
ACCESS_POINT = "access_point"

# How soon a lost link or a request is noticed.
_POLL_MS = 250
# How long a changed address, or a lease that has run out, may go unnoticed.
ADDRESS_CHECK_MS = 5000
# A link lost sooner than the first is a bad one: try again after the second, not at once.
_STABLE_MS = 60000
_FLAP_MS = 10000

# Errors of the driver in a row before the radio is switched off and on, and the pause after each: a heap that is full
# for a moment must not cost the link.
ERRORS_MOST = 5
ERROR_PAUSE_MS = 1000

_UNSET = "0.0.0.0"

# MicroPython's ticks wrap at this or at a multiple of it.
_TICKS_MASK = (1 << 30) - 1


def say(text):
    """Print a line for whoever watches the serial line."""
    print("limpet:", text)


class Supervisor:
    """The owner of the radio. `run()` is its task; everything else may be used from any other.

    `network`: MicroPython's module. `settings.current`: a dict with "hostname", "networks", "access_point", "wifi";
    `settings.change(networks=...)` saves. `reset()`: starts the board anew.

    `state`: "off", "joining", "connected" or "access_point"; `ssid` and `address`: of the network joined or of the
    access point, None while there is neither; `reason`: why the last attempt failed or the last link was lost, None
    when all is well; `errors` of the driver since the start; `failures` and `attempts`: see `status`.

    For `Search`: `request`, the one that waits; `hurry`, cut short what is under way for it; `errors_in_a_row`;
    `since` and `wait_ms`, when the last step ended and how long until the next one; `linked`, the ticks of the last
    time that there was a link; `up`, those of its beginning; `station`, the driver's, once there was a link.
    """

    def __init__(self, network, settings, sleep_ms, ticks_ms, reset):
        self.state = OFF
        self.ssid = self.address = self.reason = None
        self.failures = {}
        self.attempts = self.errors = self.errors_in_a_row = 0
        self.network = network
        self.settings = settings
        self.sleep_ms = sleep_ms
        self.ticks_ms = ticks_ms
        self.reset = reset
        self.request = None
        self.hurry = False
        self.since = self.linked = self.up = ticks_ms()
        self.wait_ms = 0
        self._callbacks = []
        self.station = None
        self._search = None

    # -- for everybody

    def on_change(self, callback):
        """Have `callback(state)` called after every change of state, and of the address within one."""
        self._callbacks.append(callback)

    def rssi(self):
        """Return the signal of the network joined in dBm, or None."""
        try:
            return self.station.status("rssi") if self.state == CONNECTED else None
        except Exception:
            return None

    def status(self):
        """Return what /api/status tells; "failures": why each known network could not be joined in the last round,
        "attempts": since the last link, "clients": of the access point.
        """
        return {
            "state": self.state,
            "ssid": self.ssid,
            "address": self.address,
            "rssi": self.rssi(),
            "reason": self.reason,
            "failures": self.failures,
            "attempts": self.attempts,
            "hostname": self.settings.current["hostname"],
            "clients": self._search.clients() if self._search and self.state == ACCESS_POINT else None,
            "errors": self.errors,
        }

    def scan(self):
        """Return the networks in range, strongest first, each name once, to be awaited: [{"ssid", "rssi", "locked"}].

        Nothing else runs for the 2 to 3 seconds it takes. Empty too when the driver would not look.
        """
        return loader.borrow("firmware.board.asking").ask(self)

    def try_network(self, ssid, password):
        """Try a network, with the access point left open; return, to be awaited, (whether it works, why not, the new
        address).

        One that works is saved as the first choice, and the access point closes 10 seconds later. Takes up to half a
        minute.
        """
        return loader.borrow("firmware.board.asking").ask(self, ssid, password)

    # -- the task

    async def run(self):
        """Own the radio for ever; cancel this to end it."""
        while True:
            try:
                if self.state == CONNECTED and not self.request:
                    self._watch()
                else:
                    if self._search is None:
                        self._search = loader.borrow("firmware.board.search").Search(self)
                    await self._search.step()
                if self.state == CONNECTED and not self.request:
                    self._search = None
            except Exception as error:
                self._trouble(error)
                await self.sleep_ms(ERROR_PAUSE_MS)
            await self.sleep_ms(_POLL_MS)

    def _watch(self):
        """Look after the link."""
        if not self.station.isconnected():
            self._lose(None)
            return
        self.linked = self.ticks_ms()
        self.errors_in_a_row = 0
        if self.elapsed(self.since) >= self.wait_ms:
            self.later(ADDRESS_CHECK_MS)
            address = self.station.ipconfig("addr4")[0]
            if address == _UNSET:  # a lease that ran out leaves the link up
                self._lose("no address")
            elif address != self.address:
                self.enter(CONNECTED, self.ssid, address)

    def _lose(self, reason):
        """Begin anew; without a `reason` the driver knows why."""
        self._search = loader.borrow("firmware.board.search").Search(self)
        self.reason = reason or self._search.last_failure()
        say("lost %s: %s" % (self.ssid, self.reason))
        self.later(0 if self.elapsed(self.up) >= _STABLE_MS else _FLAP_MS)
        self.enter(JOINING)

    def _trouble(self, error):
        """Bear an error of the driver, or a heap that is full."""
        self.errors += 1
        self.errors_in_a_row += 1
        say("radio: %r" % error)
        if self.errors_in_a_row >= ERRORS_MOST and self.state == CONNECTED:
            # Search switches the radio off and on.
            self.enter(OFF)

    def say(self, text):
        """Print a line."""
        say(text)

    def enter(self, state, ssid=None, address=None):
        """Be in another state, or in the same one with another address."""
        self.state, self.ssid, self.address = state, ssid, address
        if address:
            say("%s %s, http://%s/" % ("joined" if state == CONNECTED else "access point", ssid, address))
        for callback in self._callbacks:
            try:
                callback(state)
            except Exception as error:
                say("%r" % error)

    def later(self, wait_ms):
        """Have the next step `wait_ms` from now."""
        self.since = self.ticks_ms()
        self.wait_ms = wait_ms

    def elapsed(self, since):
        """Return the milliseconds since a `ticks_ms()` at most 12 days ago."""
        return (self.ticks_ms() - since) & _TICKS_MASK
