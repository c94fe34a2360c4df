"""How the station joins: one attempt at one network, and a round through all that are known."""

from firmware.board.radio import NO_ADDRESS, NO_SUCH_NETWORK

# How soon the end of an attempt is noticed.
_POLL_MS = 250
# The driver needs a moment between an end and a new beginning, or it answers "Wifi Internal Error".
_PAUSE_MS = 1000
# From connect to a link: a scan of all channels takes 2.5 s, and a wrong password seconds to show.
_JOIN_MS = 12000
# From a link to an address: lwIP's DHCP asks at 0, 2, 6 and 14 s.
_ADDRESS_MS = 15000

# As many networks as the settings take (`schema.py`): the last one makes room for one that was just set up.
_NETWORKS_MOST = 8

_INTERRUPTED = "interrupted"


class Joiner:
    """Joins networks for a `firmware.board.wifi.Supervisor`, `boss`, and keeps its `reason`, `failures`, `attempts`.

    What the driver raises goes through; the next call copes with the state that is left. Once `boss.hurry` is set a
    round ends, with the attempt under way cut short.
    """

    def __init__(self, boss, radio):
        self.rounds = 0  # since the last link
        self._boss = boss
        self._radio = radio

    async def round(self):
        """Try the known networks that are in range, in their order; return the name of the one joined, or None."""
        boss = self._boss
        self.rounds += 1
        networks = boss.settings.current["networks"]
        if not networks:
            return None
        await self.quiet()
        seen = self._radio.scan()
        names = [point[0] for point in seen]
        # A hidden network tells no name, and a driver that would not look finds nothing: then trying is the way.
        blind = not names or "" in names
        failures = {}
        for known in networks:
            ssid = known["ssid"]
            points = [bssid for name, bssid, _, _ in seen if name == ssid]
            if not points and not blind:
                failures[ssid] = NO_SUCH_NETWORK
                continue
            # The driver takes the first access point it meets, so name the strongest of several. It may be the one
            # that refuses us: every other round leaves the choice to the driver.
            pinned = points[0] if len(points) > 1 and self.rounds % 2 else None
            reason = await self.attempt(known, pinned)
            if not reason:
                return ssid
            await self.quiet()
            if boss.hurry:
                return None
            failures[ssid] = reason
        for ssid in failures:
            if failures[ssid] != boss.failures.get(ssid):
                boss.say("cannot join %s: %s" % (ssid, failures[ssid]))
        boss.reason = failures[networks[-1]["ssid"]]
        boss.failures = failures
        return None

    async def attempt(self, known, bssid=None):
        """Try to join one network; return None once there is an address, else why there is none."""
        boss = self._boss
        radio = self._radio
        boss.attempts += 1
        radio.connect(boss.settings.current["hostname"], known["ssid"], known["password"], bssid, known.get("address"))
        since = boss.ticks_ms()
        linked = False
        while not boss.hurry:
            await boss.sleep_ms(_POLL_MS)
            if radio.address():
                return None
            if radio.rssi() is not None:
                if not linked:
                    linked = True
                    since = boss.ticks_ms()
                if boss.elapsed(since) >= _ADDRESS_MS:
                    return NO_ADDRESS
            elif linked:
                return radio.last_failure()
            else:
                reason = radio.failure()
                if not reason and boss.elapsed(since) >= _JOIN_MS:
                    reason = radio.last_failure()
                if reason:
                    return reason
        return _INTERRUPTED

    async def try_new(self, ssid, password):
        """Try a network, and save one that works as the first choice; return what `Supervisor.try_network` does."""
        boss = self._boss
        wanted = {"ssid": ssid, "password": password or None}
        others = []
        for known in boss.settings.current["networks"]:
            if known["ssid"] != ssid:
                others.append(known)
            elif known.get("address"):
                wanted["address"] = known["address"]
        await self.quiet()
        reason = await self.attempt(wanted)
        if not reason:
            address = self._radio.address()
            try:
                boss.settings.change(networks=[wanted] + others[: _NETWORKS_MOST - 1])
                return True, None, address
            except Exception as error:
                reason = "cannot be saved: %s" % getattr(error, "detail", error)
        boss.reason = reason
        boss.say("cannot join %s: %s" % (ssid, reason))
        await self.quiet()
        return False, reason, None

    async def quiet(self):
        """End what the station does, and give the driver its moment."""
        boss = self._boss
        if self._radio.busy:
            self._radio.disconnect()
            await boss.sleep_ms(_PAUSE_MS)

    def in_range(self):
        """Return what `Supervisor.scan` says."""
        found = []
        names = set()
        for ssid, _, rssi, locked in self._radio.scan():
            if ssid and ssid not in names:
                names.add(ssid)
                found.append({"ssid": ssid, "rssi": rssi, "locked": locked})
        return found
