"""How a board comes by a network: a step at a time, for `firmware.board.wifi`, which says when.

Loaded while there is no link, or while somebody asks for a scan or for a network to be tried.
"""

from firmware.board.wifi import ACCESS_POINT, ADDRESS_CHECK_MS, CONNECTED, ERROR_PAUSE_MS, ERRORS_MOST, JOINING, OFF
from firmware.server import loader

joining = loader.borrow("firmware.board.joining")
radio = loader.borrow("firmware.board.radio")

# Between rounds in which no network could be joined: doubled each time, up to the last.
_BACK_OFF_MS = 2000
_BACK_OFF_MOST_MS = 60000

# One radio: looking for the network takes the access point off its channel for seconds.
_RETURN_MS = 60000
# A phone that stays on the access point by itself must not keep the board off its network for ever.
_CLIENT_MS = 600000
# The setup page has to fetch the new address before the access point goes.
_LINGER_MS = 10000


class Search:
    """Looks for a network on behalf of a `wifi.Supervisor`, `boss`."""

    def __init__(self, boss):
        self._boss = boss
        self._radio = radio.Radio(boss.network)
        if boss.state == OFF:
            self._radio.station = boss.station
            self._radio.busy = boss.station is not None
        else:
            self._radio.find()
        self._joiner = joining.Joiner(boss, self._radio)
        self._joined = None  # the network joined while the access point is still open
        self._delay_ms = 0
        # In ticks: the last time that all was as well as can be.
        self._well = boss.linked

    def clients(self):
        """Return how many clients the access point has."""
        return self._radio.clients()

    def last_failure(self):
        """Return why the last link or attempt has ended."""
        return self._radio.last_failure()

    async def step(self):
        """Serve the request that waits, or take the next step once it is time."""
        boss = self._boss
        try:
            if boss.request:
                await self._serve(boss.request)
            elif boss.elapsed(boss.since) >= boss.wait_ms:
                await self._step()
            self._last_resort()
        except Exception as error:
            self._trouble(error)
            await boss.sleep_ms(ERROR_PAUSE_MS)

    async def _step(self):
        if self._boss.state == OFF:
            self._start()
        elif self._boss.state == ACCESS_POINT:
            await self._host()
        else:
            await self._join()

    def _start(self):
        """Switch the radio on. A link that a soft reset has left is kept when it is one we would make."""
        boss = self._boss
        if boss.errors_in_a_row >= ERRORS_MOST:
            self._switch_off()
            return
        self._radio.start()
        left = self._radio.left_connected(boss.settings.current["hostname"])
        for known in boss.settings.current["networks"]:
            if known["ssid"] == left and not known.get("address"):
                self._radio.tune()
                self._enter_connected(left)
                return
        boss.enter(JOINING)

    async def _join(self):
        """Go once through the known networks; open the access point when that has been in vain for long."""
        boss = self._boss
        networks = boss.settings.current["networks"]
        after_s = boss.settings.current["access_point"]["after_s"]
        down_ms = boss.elapsed(boss.linked)
        if after_s is not None and (not networks or self._joiner.rounds and down_ms >= after_s * 1000):
            self._joiner.rounds = 0  # should it not open, then the networks have their turn
            self._open_access_point()
            return
        joined = await self._joiner.round()
        if joined:
            self._enter_connected(joined)
            return
        boss.later(self._back_off())
        if after_s is not None:
            boss.wait_ms = min(boss.wait_ms, max(0, after_s * 1000 - boss.elapsed(boss.linked)))

    def _open_access_point(self):
        boss = self._boss
        wanted = boss.settings.current["access_point"]
        ssid, address = self._radio.open_access_point(wanted["ssid"], wanted["password"])
        boss.errors_in_a_row = self._delay_ms = 0
        boss.later(_RETURN_MS)
        boss.enter(ACCESS_POINT, ssid, address)

    async def _host(self):
        """Close the access point when there is a network again; look for one when that disturbs nobody."""
        boss = self._boss
        if self._joined:
            self._enter_connected(self._joined)
        elif boss.settings.current["networks"]:
            if not self._radio.clients() or boss.elapsed(boss.since) >= _CLIENT_MS:
                boss.later(_RETURN_MS)
                self._joined = await self._joiner.round()
                if self._joined:
                    boss.later(0)

    # -- requests

    async def _serve(self, request):
        boss = self._boss
        boss.hurry = False
        answer = [] if request.ssid is None else (False, "radio error", None)
        try:
            if boss.state == OFF:
                self._start()
            if request.ssid is None:
                if boss.state != CONNECTED and not self._joined:
                    await self._joiner.quiet()  # while it is connecting the driver would not look
                answer = self._joiner.in_range()
            else:
                answer = await self._try(request.ssid, request.password)
        finally:
            request.answer = answer
            boss.request = None

    async def _try(self, ssid, password):
        """Do what `try_network` says."""
        boss = self._boss
        self._joined = None
        if boss.state == CONNECTED:
            boss.enter(JOINING)
        boss.later(0)
        answer = await self._joiner.try_new(ssid, password)
        if answer[0] and boss.state == ACCESS_POINT:
            self._joined = ssid
            boss.later(_LINGER_MS)
        elif answer[0]:
            self._enter_connected(ssid)
        return answer

    def _enter_connected(self, ssid):
        boss = self._boss
        self._radio.close_access_point()
        boss.station = self._radio.station
        address = self._radio.address()
        boss.reason = None
        boss.failures = {}
        boss.attempts = self._joiner.rounds = 0
        self._joined = None
        self._delay_ms = 0
        boss.up = boss.ticks_ms()
        boss.later(ADDRESS_CHECK_MS)
        boss.enter(CONNECTED, ssid, address)

    def _trouble(self, error):
        """Bear an error of the driver."""
        boss = self._boss
        boss.errors += 1
        boss.errors_in_a_row += 1
        boss.say("radio: %s" % radio.explain(error))
        boss.later(self._back_off())
        if boss.state != CONNECTED:
            boss.reason = "radio error"
        if boss.errors_in_a_row >= ERRORS_MOST:
            self._switch_off()

    def _last_resort(self):
        """Reset a board that could have a network and has been without for long, where the settings want that."""
        boss = self._boss
        after_s = boss.settings.current["wifi"]["reset_after_s"]
        if not after_s or self._is_well():
            self._well = boss.ticks_ms()
        elif boss.elapsed(self._well) >= after_s * 1000:
            self._well = boss.ticks_ms()
            boss.say("no network for %d s: reset" % after_s)
            boss.reset()

    def _is_well(self):
        boss = self._boss
        if boss.state == CONNECTED or boss.state == ACCESS_POINT and self._radio.clients():
            return True
        current = boss.settings.current
        return not current["networks"] and (boss.state == ACCESS_POINT or current["access_point"]["after_s"] is None)

    def _back_off(self):
        self._delay_ms = min(max(2 * self._delay_ms, _BACK_OFF_MS), _BACK_OFF_MOST_MS)
        return self._delay_ms

    def _switch_off(self):
        """Switch the radio off; the next step switches it on again."""
        boss = self._boss
        boss.errors_in_a_row = 0
        self._joined = None
        self._radio.stop()
        boss.later(_BACK_OFF_MS)
        boss.enter(OFF)
