"""A simulated `network` for the laptop: so much of MicroPython's module that the setup page can be tried.

Three invented networks: "Rock Pool" lets in with the password below, "Lighthouse" never does, and "Harbour Cafe" is
open and gives no address. Hand it to `firmware.board.wifi.Supervisor`.
"""

import firmware.board as board

STA_IF = 0
AP_IF = 1

PASSWORD = "barnacle"

_OPEN = 0
_WPA2 = 3

# name, BSSID, channel, dBm, security, hidden: what `scan()` returns.
_IN_RANGE = (
    (b"Harbour Cafe", b"\x02\0\0\0\0\1", 1, -78, _OPEN, False),
    (b"Rock Pool", b"\x02\0\0\0\0\2", 6, -47, _WPA2, False),
    (b"Lighthouse", b"\x02\0\0\0\0\3", 11, -64, _WPA2, False),
)

_IDLE = 1000
_CONNECTING = 1001
_CONNECTED = 1010
_NOT_FOUND = 201
_WRONG_PASSWORD = 202

# Long enough to see on the page that something is going on.
_JOIN_MS = 1500

# A server on this laptop is found there, whatever its Wi-Fi is.
_ADDRESS = "127.0.0.1"
_POINT_ADDRESS = "192.168.4.1"


# MicroPython's ticks wrap at this or at a multiple of it.
_TICKS_MASK = (1 << 30) - 1


def elapsed(now, since):
    """Return the milliseconds between two ticks at most 12 days apart."""
    return (now - since) & _TICKS_MASK


class _Station:
    def __init__(self):
        self.ssid = None
        self.outcome = _IDLE
        self.since = 0

    def connect(self, ssid, key, bssid=None):
        self.since = board.ticks_ms()
        self.ssid = ssid
        names = [str(network[0], "utf-8") for network in _IN_RANGE]
        if ssid not in names:
            self.outcome = _NOT_FOUND
        elif ssid == "Rock Pool":
            self.outcome = _CONNECTED if key == PASSWORD else _WRONG_PASSWORD
        else:
            self.outcome = _WRONG_PASSWORD if ssid == "Lighthouse" else _CONNECTING

    def disconnect(self):
        self.outcome = _IDLE

    def status(self, what=None):
        joining_ms = elapsed(board.ticks_ms(), self.since)
        linked = self.outcome in (_CONNECTING, _CONNECTED) and joining_ms >= _JOIN_MS // 2
        if what == "rssi":
            if not linked:
                raise OSError("Wifi Not Connected")
            return [network[3] for network in _IN_RANGE if str(network[0], "utf-8") == self.ssid][0]
        if what == "stations":
            return []
        return _CONNECTING if self.outcome != _IDLE and joining_ms < _JOIN_MS else self.outcome

    def isconnected(self):
        return self.status() == _CONNECTED

    def config(self, what=None, **values):
        return {"ssid": self.ssid, "mac": b"\x02\0\0\0\xab\xcd"}.get(what)


_station = _Station()
_active = [False, False]
_hostname = ["simulated"]


class WLAN:
    def __init__(self, interface):
        self._id = interface
        self.connect = _station.connect
        self.disconnect = _station.disconnect
        self.status = _station.status
        self.isconnected = _station.isconnected
        self.config = _station.config

    def active(self, on=None):
        if on is not None:
            _active[self._id] = on
        return _active[self._id]

    def scan(self):
        return list(_IN_RANGE)

    def ifconfig(self, values=None):
        pass

    def ipconfig(self, what=None, **values):
        if self._id == AP_IF:
            return _POINT_ADDRESS, "255.255.255.0"
        return (_ADDRESS if _station.isconnected() else "0.0.0.0"), "255.0.0.0"


def hostname(name=None):
    if name is not None:
        _hostname[0] = name
    return _hostname[0]
