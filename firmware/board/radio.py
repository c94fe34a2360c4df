"""The ESP32's radio: a thin layer over MicroPython's `network`, in words where the driver has numbers.

It keeps no time and waits for nothing: `firmware.board.wifi` does. What the driver raises (OSError, RuntimeError,
MemoryError) goes through, except where a docstring says "never raises". Calls, codes and quirks are those of
MicroPython's ports/esp32/network_wlan.c, 1.25 and newer; the numbers are ESP-IDF's wifi_err_reason_t, wifi_auth_mode_t
and wifi_ps_type_t, the same on every chip, and not all of them have names in 1.25.
"""

NO_SUCH_NETWORK = "no such network"
WRONG_PASSWORD = "wrong password"
NO_ADDRESS = "no address"
NO_ANSWER = "no answer"

_REASONS = {
    # Access points say so, too, while they start anew, or when a board that was reset comes back.
    3: "sent away by the network",
    4: "sent away as idle",
    5: "network is full",
    6: "not known to the network any more",
    7: "not known to the network any more",
    # Which of these a wrong password gives depends on the security, the chip and ESP-IDF's version.
    14: WRONG_PASSWORD,
    15: WRONG_PASSWORD,
    202: WRONG_PASSWORD,
    204: WRONG_PASSWORD,
    200: "signal lost",
    201: NO_SUCH_NETWORK,
    210: "other security",
    211: "other security",
    212: "signal too weak",
}

# Above it `status()` tells of work in progress (idle, connecting, has an address), below it why the last link ended.
_STATUS_IDLE = 1000

_PM_NONE = 0
_OPEN = 0
_WPA2 = 3
_OWE = 9  # encrypted, and without a password

_UNSET = "0.0.0.0"


class Radio:
    """Both interfaces of one radio.

    `station`: MicroPython's object; `busy`: it may be connected or connecting, so disconnect it first; `open`: the
    access point may be.
    """

    def __init__(self, network):
        self.busy = self.open = False
        self._network = network
        self._stale = None
        self.station = self._point = None

    def start(self):
        """Switch the station on and the access point off, whatever a soft reset has left; has to come first."""
        network = self._network
        self.station = network.WLAN(network.STA_IF)
        self._point = network.WLAN(network.AP_IF)
        # On a board it is active since boot.py, and idle unless a soft reset has left it at something.
        if self.station.active() and self.station.status() != _STATUS_IDLE:
            self.busy = True
        self.station.active(True)
        self.open = True
        self.close_access_point()

    def find(self):
        """Take over a radio that is on: the station is at something, the access point is closed."""
        network = self._network
        self.station = network.WLAN(network.STA_IF)
        self._point = network.WLAN(network.AP_IF)
        self.busy = True

    def stop(self):
        """Switch everything off, as far as the driver lets. Never raises."""
        for wlan in (self._point, self.station):
            try:
                wlan.active(False)
            except Exception:
                pass

    # -- the station

    def left_connected(self, hostname):
        """Return the name of the network that a soft reset has left joined as `hostname`, or None. Never raises."""
        try:
            if self.station.isconnected() and self._network.hostname() == hostname:
                return self.station.config("ssid")
        except Exception:
            pass  # a name that is no text
        return None

    def tune(self):
        """Switch off power saving (a ping takes up to 1 s with it) and the driver's own attempts to connect again."""
        self.station.config(reconnects=0, pm=_PM_NONE)

    def connect(self, hostname, ssid, password, bssid, address):
        """Begin to join. `bssid`: the access point to choose, or None; `address`: a static one, or None for DHCP."""
        station = self.station
        self.busy = True
        self._network.hostname(hostname)
        station.active(True)
        self.tune()
        if address:
            station.ifconfig((address["ip"], address["mask"], address["gateway"], address["dns"]))
        else:
            station.ipconfig(dhcp4=True)
        # The driver keeps telling why the last link ended while it works on the next one.
        self._stale = station.status()
        station.connect(ssid, password, bssid=bssid)

    def disconnect(self):
        """End what the station does. Never raises: the driver does when there is nothing to end."""
        try:
            self.station.disconnect()
            self.busy = False
        except Exception:
            pass

    def is_connected(self):
        """Tell whether the station has a link and an address."""
        return self.station.isconnected()

    def address(self):
        """Return the station's address as text, or None."""
        if self.station.isconnected():
            address = self.station.ipconfig("addr4")[0]
            if address != _UNSET:  # a lease that ran out leaves the link up
                return address
        return None

    def rssi(self):
        """Return the signal in dBm, or None when there is no link; a link may still lack an address. Never raises."""
        try:
            return self.station.status("rssi")
        except Exception:
            return None

    def failure(self):
        """Return why the attempt under way has failed, or None while it may still succeed."""
        code = self.station.status()
        return None if code >= _STATUS_IDLE or code == self._stale else _reason(code)

    def last_failure(self):
        """Return why the last link or attempt has ended, as the driver remembers it."""
        return _reason(self.station.status())

    def scan(self):
        """Return the networks in range as (name, bssid, dBm, is locked), strongest first; a hidden one is named "".

        This blocks everything for 2 to 3 seconds. Nothing found may also mean that the driver would not look.
        """
        found = []
        for ssid, bssid, _, rssi, security, _ in self.station.scan():
            try:
                found.append((str(ssid, "utf-8"), bssid, rssi, security not in (_OPEN, _OWE)))
            except UnicodeError:
                pass  # settings and pages hold text
        found.sort(key=lambda point: -point[2])
        return found

    # -- the access point

    def open_access_point(self, ssid, password):
        """Open the access point, with WPA2 where there is a password; return (its name, its address).

        `ssid` None: "Limpet-" and the last bytes of the MAC.
        """
        point = self._point
        if ssid is None:
            mac = self.station.config("mac")
            ssid = "Limpet-%02X%02X" % (mac[4], mac[5])
        self.open = True
        try:
            point.active(True)  # before its settings, which the driver else refuses
            point.config(ssid=ssid, key=password or "", security=_WPA2 if password else _OPEN)
            return ssid, point.ipconfig("addr4")[0]
        except Exception:
            self.close_access_point()  # rather none than one that anybody may enter
            raise

    def close_access_point(self):
        """Close the access point, if it may be open."""
        if self.open:
            self._point.active(False)
            self.open = False

    def clients(self):
        """Return how many clients the access point has. Never raises: not knowing counts as none."""
        try:
            return len(self._point.status("stations"))
        except Exception:
            return 0


def explain(error):
    """Return what the driver has raised, in words where it has a number."""
    text = str(error)
    if isinstance(error, MemoryError) or "0x0101" in text:  # ESP_ERR_NO_MEM
        return "not enough memory for the radio (%r)" % error
    return repr(error)


def _reason(code):
    if code >= _STATUS_IDLE:
        return NO_ANSWER
    return _REASONS.get(code) or "connection failed (code %d)" % code
