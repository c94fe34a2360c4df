"""The Wi-Fi supervisor: one task owns the radio, from power-on through every bad day.

    off -> joining -> connected            joins the first known network in range, and again whenever the link is lost
             |  ^         ^
             v  |         |
         access_point ----+                after some time without any network; goes back when one is in range again

Everybody else asks: `scan()` and `try_network()` leave a request, which the task serves between two steps. Every step
is short but an attempt to join, which has a deadline of its own; an error of the driver ends a step, never the task:
it is counted, a pause follows, and the next step starts from `state`. Errors in a row switch the radio off and on.
All waiting is the injected `sleep_ms`, all time the injected `ticks_ms`.
"""

from firmware.board.joining import Joiner, elapsed, say
from firmware.board.radio import NO_ADDRESS, WRONG_PASSWORD, Radio

OFF = "off"
JOINING = "joining"
CONNECTED = "connected"
ACCESS_POINT = "access_point"

# How soon a lost link or a request is noticed.
_POLL_MS = 250
# How long a changed address, or a lease that has run out, may go unnoticed.
_ADDRESS_CHECK_MS = 5000

# Between rounds in which no network could be joined: doubled each time, up to the last.
_BACK_OFF_MS = 2000
_BACK_OFF_MOST_MS = 60000
# A link lost sooner than the first is a bad one: try again after the second, not at once.
_STABLE_MS = 60000
_FLAP_MS = 10000

# One radio: looking for the network takes the access point off its channel for seconds.
_RETURN_MS = 60000
# A phone that stays on the access point by itself must not keep the board off its network for ever.
_CLIENT_MS = 600000
# The setup page has to fetch the new address before the access point goes.
_LINGER_MS = 10000

# Errors of the driver in a row before the radio is switched off and on, and the pause after each: a heap that is full
# for a moment must not cost the link.
_ERRORS_MOST = 5
_ERROR_PAUSE_MS = 1000

# IEEE 802.11: what is shorter is no WPA key, and the driver may choke on it.
_PASSWORD_LEAST = 8


class _Request:
    """What somebody waits for: a scan, or, with `ssid`, that network tried; `answer` once it is there."""

    def __init__(self, ssid=None, password=None):
        self.ssid = ssid
        self.password = password
        self.answer = None


class Supervisor:
    """The owner of the radio. `run()` is its task; everything else may be used from any other.

    `network`: MicroPython's module. `settings.current`: a dict with "hostname", "networks", "access_point", "wifi";
    `settings.change(networks=...)` saves. `reset()`: starts the board anew.

    `state`: "off", "joining", "connected" or "access_point"; `ssid` and `address`: of the network joined or of the
    access point, None while there is neither; `reason`: why the last attempt failed or the last link was lost, None
    when all is well; `errors` of the driver since the start.
    """

    def __init__(self, network, settings, sleep_ms, ticks_ms, reset):
        self.state = OFF
        self.ssid = self.address = None
        self.errors = 0
        self._radio = Radio(network)
        self._joiner = Joiner(self._radio, settings, sleep_ms, ticks_ms)
        self._settings = settings
        self._sleep_ms = sleep_ms
        self._ticks_ms = ticks_ms
        self._reset = reset
        self._callbacks = []
        self._request = None
        self._joined = None  # the network joined while the access point is still open
        self._errors_in_a_row = 0
        self._delay_ms = 0
        # In ticks: the last step's end, and the last time that there was a link, and that all was as well as can be.
        self._since = self._linked = self._well = ticks_ms()
        self._wait_ms = 0  # from the last step's end to the next
        self._up = self._since  # when the link began

    @property
    def reason(self):
        return self._joiner.reason

    # -- for everybody

    def on_change(self, callback):
        """Have `callback(state)` called after every change of state, and of the address within one."""
        self._callbacks.append(callback)

    def rssi(self):
        """Return the signal of the network joined in dBm, or None."""
        return self._radio.rssi() if self.state == CONNECTED else None

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
            "failures": self._joiner.failures,
            "attempts": self._joiner.attempts,
            "hostname": self._settings.current["hostname"],
            "clients": self._radio.clients() if self.state == ACCESS_POINT else None,
            "errors": self.errors,
        }

    async def scan(self):
        """Return the networks in range, strongest first, each name once: [{"ssid", "rssi", "locked"}].

        Nothing else runs for the 2 to 3 seconds it takes. Empty too when the driver would not look.
        """
        return await self._ask(_Request())

    async def try_network(self, ssid, password):
        """Try a network, with the access point left open; return (whether it works, why not, the new address).

        One that works is saved as the first choice, and the access point closes 10 seconds later. Takes up to half a
        minute.
        """
        if password and len(password) < _PASSWORD_LEAST:
            return False, WRONG_PASSWORD, None
        return await self._ask(_Request(ssid, password))

    async def _ask(self, request):
        while self._request:
            await self._sleep_ms(_POLL_MS)
        self._request = request
        self._joiner.hurry = True
        while request.answer is None:
            await self._sleep_ms(_POLL_MS)
        return request.answer

    # -- the task

    async def run(self):
        """Own the radio for ever; cancel this to end it."""
        while True:
            try:
                if self._request:
                    await self._serve(self._request)
                elif self.state == CONNECTED:
                    self._watch()
                elif self._elapsed(self._since) >= self._wait_ms:
                    await self._step()
                self._last_resort()
            except Exception as error:
                self._trouble(error)
                await self._sleep_ms(_ERROR_PAUSE_MS)
            await self._sleep_ms(_POLL_MS)

    async def _step(self):
        if self.state == OFF:
            self._start()
        elif self.state == ACCESS_POINT:
            await self._host()
        else:
            await self._join()

    def _start(self):
        """Switch the radio on. A link that a soft reset has left is kept when it is one we would make."""
        self._radio.start()
        left = self._radio.left_connected(self._settings.current["hostname"])
        for known in self._settings.current["networks"]:
            if known["ssid"] == left and not known.get("address"):
                self._radio.tune()
                self._enter_connected(left)
                return
        self._enter(JOINING)

    def _watch(self):
        """Look after the link."""
        if not self._radio.is_connected():
            self._lose(self._radio.last_failure())
            return
        self._linked = self._ticks_ms()
        self._errors_in_a_row = 0
        if self._elapsed(self._since) >= self._wait_ms:
            self._later(_ADDRESS_CHECK_MS)
            address = self._radio.address()
            if not address:
                self._lose(NO_ADDRESS)
            elif address != self.address:
                self._enter(CONNECTED, self.ssid, address)

    def _lose(self, reason):
        say("lost %s: %s" % (self.ssid, reason))
        self._joiner.reason = reason
        self._later(0 if self._elapsed(self._up) >= _STABLE_MS else _FLAP_MS)
        self._enter(JOINING)

    async def _join(self):
        """Go once through the known networks; open the access point when that has been in vain for long."""
        networks = self._settings.current["networks"]
        after_s = self._settings.current["access_point"]["after_s"]
        down_ms = self._elapsed(self._linked)
        if after_s is not None and (not networks or self._joiner.rounds and down_ms >= after_s * 1000):
            self._joiner.rounds = 0  # should it not open, then the networks have their turn
            self._open_access_point()
            return
        joined = await self._joiner.round()
        if joined:
            self._enter_connected(joined)
            return
        self._later(self._back_off())
        if after_s is not None:
            self._wait_ms = min(self._wait_ms, max(0, after_s * 1000 - self._elapsed(self._linked)))

    def _open_access_point(self):
        wanted = self._settings.current["access_point"]
        ssid, address = self._radio.open_access_point(wanted["ssid"], wanted["password"])
        self._errors_in_a_row = self._delay_ms = 0
        self._later(_RETURN_MS)
        self._enter(ACCESS_POINT, ssid, address)

    async def _host(self):
        """Close the access point when there is a network again; look for one when that disturbs nobody."""
        if self._joined:
            self._enter_connected(self._joined)
        elif self._settings.current["networks"]:
            if not self._radio.clients() or self._elapsed(self._since) >= _CLIENT_MS:
                self._later(_RETURN_MS)
                self._joined = await self._joiner.round()
                if self._joined:
                    self._later(0)

    # -- requests

    async def _serve(self, request):
        self._joiner.hurry = False
        answer = [] if request.ssid is None else (False, "radio error", None)
        try:
            if self.state == OFF:
                self._start()
            if request.ssid is None:
                if self.state != CONNECTED and not self._joined:
                    await self._joiner.quiet()  # while it is connecting the driver would not look
                answer = self._joiner.in_range()
            else:
                answer = await self._try(request.ssid, request.password)
        finally:
            request.answer = answer
            self._request = None

    async def _try(self, ssid, password):
        """Do what `try_network` says."""
        self._joined = None
        if self.state == CONNECTED:
            self._enter(JOINING)
        self._later(0)
        answer = await self._joiner.try_new(ssid, password)
        if answer[0] and self.state == ACCESS_POINT:
            self._joined = ssid
            self._later(_LINGER_MS)
        elif answer[0]:
            self._enter_connected(ssid)
        return answer

    # -- the rest

    def _enter_connected(self, ssid):
        self._radio.close_access_point()
        address = self._radio.address()
        self._joiner.forget()
        self._joined = None
        self._delay_ms = 0
        self._up = self._ticks_ms()
        self._later(_ADDRESS_CHECK_MS)
        self._enter(CONNECTED, ssid, address)

    def _enter(self, state, ssid=None, address=None):
        self.state, self.ssid, self.address = state, ssid, address
        if address:
            say("%s %s, http://%s/" % ("joined" if state == CONNECTED else "access point", ssid, address))
        for callback in self._callbacks:
            try:
                callback(state)
            except Exception as error:
                say("%r" % error)

    def _trouble(self, error):
        """Bear an error of the driver."""
        self.errors += 1
        self._errors_in_a_row += 1
        say("radio: %r" % error)
        self._later(self._back_off())
        if self.state != CONNECTED:
            self._joiner.reason = "radio error"
        if self._errors_in_a_row >= _ERRORS_MOST:
            self._errors_in_a_row = 0
            self._joined = None
            self._radio.stop()
            self._later(_BACK_OFF_MS)
            self._enter(OFF)

    def _last_resort(self):
        """Reset a board that could have a network and has been without for long, where the settings want that."""
        after_s = self._settings.current["wifi"]["reset_after_s"]
        if not after_s or self._is_well():
            self._well = self._ticks_ms()
        elif self._elapsed(self._well) >= after_s * 1000:
            self._well = self._ticks_ms()
            say("no network for %d s: reset" % after_s)
            self._reset()

    def _is_well(self):
        if self.state == CONNECTED or self.state == ACCESS_POINT and self._radio.clients():
            return True
        current = self._settings.current
        return not current["networks"] and (self.state == ACCESS_POINT or current["access_point"]["after_s"] is None)

    def _back_off(self):
        self._delay_ms = min(max(2 * self._delay_ms, _BACK_OFF_MS), _BACK_OFF_MOST_MS)
        return self._delay_ms

    def _later(self, wait_ms):
        """Have the next step `wait_ms` from now."""
        self._since = self._ticks_ms()
        self._wait_ms = wait_ms

    def _elapsed(self, since):
        return elapsed(self._ticks_ms(), since)
