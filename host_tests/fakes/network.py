"""MicroPython's `network` as the ESP32 has it, over an air that a test scripts; for CPython and MicroPython.

    network.world = network.World(clock)              # a Clock of host_tests.fakes.clock; the default runs in real time
    home = network.world.add("Home", "password1")     # an access point; its attributes say how it behaves
    network.world.switch(home, False)                 # power cut at the router
    network.world.fail_at = (7,)                      # the 7th call into the driver raises

For a program that imports it as its `network`, `air` in the folder that `$FAKE_BOARD` names tells what is in range: a
JSON list of [name, password or null].

Follows ports/esp32/network_wlan.c and network_common.c of MicroPython 1.25 to 1.29: which calls raise what, and how
`status()` is put together. What the air answers, and when, follows ESP-IDF's descriptions of its events and reasons.
"""

import json
import os
import time

try:
    import _idf  # host_tests/heaps
except ImportError:
    _idf = None

# What esp_wifi_init takes of the system's heap on a plain ESP32, as measured: of its large region and of the others.
RADIO_BYTES = (16384, 29852)

STA_IF = 0
AP_IF = 1

STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_BEACON_TIMEOUT = 200
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202
STAT_ASSOC_FAIL = 203
STAT_HANDSHAKE_TIMEOUT = 204

AUTH_OPEN = 0
AUTH_WPA2_PSK = 3
AUTH_WPA3_PSK = 6
AUTH_OWE = 9

_ASSOC_LEAVE = 8
_CONNECTION_FAIL = 205
_OTHER_SECURITY = 211

# How long the steps of joining take, in milliseconds: typical of what logs in bug reports show.
SCAN_MS = 2400
FOUND_MS = 600
HANDSHAKE_MS = 400
WRONG_PASSWORD_MS = 3000
DHCP_MS = 900
BEACON_TIMEOUT_MS = 6000

MAC = b"\x24\x6f\x28\x00\xab\x1c"

FAULTS = (
    (OSError, "Wifi Internal Error"),
    (RuntimeError, "Wifi Unknown Error 0x0101"),
    (MemoryError, "memory allocation failed"),
    (OSError, 116),
)


class RealTime:
    """A clock for programs that import this as their `network`."""

    _start = time.time()

    @property
    def now_ms(self):
        return int((time.time() - self._start) * 1000)

    @now_ms.setter
    def now_ms(self, value):
        time.sleep(max(0, value - self.now_ms) / 1000)


def _bytes(name):
    return name.encode() if type(name) is str else name


class AccessPoint:
    """One in range. `wrong`: the reason a wrong password gives; `refuses`: one it gives to everybody."""

    def __init__(self, ssid, password, number):
        self.ssid = _bytes(ssid)
        self.password = password
        self.security = AUTH_WPA2_PSK if password else AUTH_OPEN
        self.bssid = bytes((2, 0, 0, 0, 0, number))
        self.rssi = -60
        self.on = True
        self.hidden = False
        self.address = "192.168.1.%d" % (100 + number)  # what its DHCP server gives; None: the server is silent
        self.join_ms = HANDSHAKE_MS
        self.dhcp_ms = DHCP_MS
        self.wrong = STAT_WRONG_PASSWORD
        self.refuses = None


class World:
    """The air, the driver's state, and what tests look at.

    `log`: (ms, interface, call) for each that asks for a change; `calls`: how many there were of any kind; `connects`:
    (ms, ssid, key, bssid, hostname, reconnects, pm, static address) for each; `clients`: how many the access point
    has; `disturbed`: how often the station took the radio while it had some.
    """

    def __init__(self, clock):
        self.clock = clock
        self.air = []
        self.calls = 0
        self.fail_at = ()
        self.broken = ()  # names of calls that always raise, "1 active": of the access point only
        self.stuck = False  # nothing works until the station is switched off
        self.log = []
        self.connects = []
        self.clients = 0
        self.disturbed = 0
        self.name = "mpy-esp32"
        self.powered = False
        self.active = [False, False]
        self.power_save = 1
        self.reconnects = -1
        self.static = None
        self.point = {"ssid": "ESP_00AB1C", "key": "", "security": AUTH_OPEN}
        # What the driver keeps of the station.
        self.requested = False
        self.connected = False
        self.reason = 0
        self.tries = 0
        self.wanted = (None, None, None)
        self.joined = None
        self.address = "0.0.0.0"
        self._next = None  # (ms, function, argument), one: the station does one thing at a time
        self._at_ms = 0

    def add(self, ssid, password=None):
        """Put an access point in range and return it."""
        self.air.append(AccessPoint(ssid, password, len(self.air) + 1))
        return self.air[-1]

    def switch(self, point, on):
        """Switch an access point on or off; who is connected notices that when its beacons stay away."""
        self.advance()
        point.on = on
        if not on and self.joined is point:
            self._after(BEACON_TIMEOUT_MS, self._lose, STAT_BEACON_TIMEOUT)

    def drop(self, reason):
        """End the station's link, as an access point does that says goodbye."""
        self.advance()
        if self.joined:
            self._lose(reason)

    def lease(self, address):
        """Give the connected station another address; None: the lease has run out."""
        self.advance()
        self.address = address or "0.0.0.0"

    # -- the driver

    def call(self, interface, name):
        """Note a call into the driver, let time pass in it, and fail where the script says so."""
        self.advance()
        self.calls += 1
        if name not in ("status", "isconnected", "ipconfig?", "config?", "active?", "hostname?"):
            self.log.append((self.clock.now_ms, interface, name))
        is_broken = name in self.broken or "%s %s" % (interface, name) in self.broken
        if self.calls in self.fail_at or is_broken or self.stuck:
            kind, argument = FAULTS[self.calls % len(FAULTS)]
            raise kind(argument)
        if name in ("scan", "connect") and self.active[AP_IF] and self.clients:
            self.disturbed += 1

    def advance(self):
        while self._next and self._next[0] <= self.clock.now_ms:
            self._at_ms, function, argument = self._next
            self._next = None
            function(argument)
        self._at_ms = self.clock.now_ms

    def _after(self, ms, function, argument=None):
        self._next = (self._at_ms + ms, function, argument)

    @property
    def connecting(self):
        return bool(self._next) and not self.joined

    def begin(self):
        self._after(FOUND_MS, self._search)

    def _search(self, _):
        ssid, key, bssid = self.wanted
        found = None
        for point in self.air:
            if point.on and point.ssid == _bytes(ssid) and bssid in (None, point.bssid):
                found = point
                break  # the first, not the strongest: WIFI_FAST_SCAN
        if not found:
            self._after(SCAN_MS - FOUND_MS, self._lose, STAT_NO_AP_FOUND)
        elif key and not found.password:
            self._after(SCAN_MS - FOUND_MS, self._lose, _OTHER_SECURITY)
        elif found.refuses:
            self._after(HANDSHAKE_MS, self._lose, found.refuses)
        elif (key or None) != found.password:
            self._after(WRONG_PASSWORD_MS, self._lose, found.wrong)
        else:
            self._after(found.join_ms, self._associate, found)

    def _associate(self, point):
        if not point.on:
            self._lose(STAT_NO_AP_FOUND)
            return
        self.joined = point
        if self.static or point.address:
            self._after(point.dhcp_ms, self._get_address, self.static or point.address)

    def _get_address(self, address):
        self.address = address
        self.connected = True
        self.reason = 0

    def _lose(self, reason):
        """WIFI_EVENT_STA_DISCONNECTED, and the driver's own next attempt."""
        self.reason = reason
        self.connected = False
        self.joined = self._next = None
        self.address = "0.0.0.0"
        if self.requested and self.active[STA_IF]:
            if self.reconnects >= 0:
                self.tries += 1
                if self.tries >= self.reconnects + 1:
                    return
            self.begin()

    def leave(self):
        if self.joined or self._next:
            self._lose(_ASSOC_LEAVE)


world = World(RealTime())

if os.getenv("FAKE_BOARD"):
    try:
        with open(os.getenv("FAKE_BOARD") + "/air") as file:
            for _ssid, _password in json.load(file):
                world.add(_ssid, _password)
    except OSError:
        pass  # nothing in range


class WLAN:
    """One of the two interfaces; all its state is the world's, as on the board, where it outlives a soft reset."""

    IF_STA = STA_IF
    IF_AP = AP_IF
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2

    def __init__(self, interface=STA_IF):
        if _idf and not world.powered:
            try:
                _idf.take(*RADIO_BYTES)
            except OSError:
                raise RuntimeError("Wifi Unknown Error 0x0101") from None
            world.powered = True
        world.call(interface, "WLAN")
        if interface not in (STA_IF, AP_IF):
            raise ValueError("invalid WLAN interface identifier")
        self._id = interface

    def _require(self, interface):
        if self._id != interface:
            raise OSError("STA required" if interface == STA_IF else "AP required")

    def active(self, on=None):
        if on is False and self._id == STA_IF:
            world.stuck = False
        world.call(self._id, "active?" if on is None else "active")
        if on is not None:
            if not on and self._id == STA_IF and world.active[STA_IF]:
                world.leave()
            if not on and self._id == AP_IF:
                world.clients = 0
            world.active[self._id] = bool(on)
        return world.active[self._id]

    def connect(self, ssid=None, key=None, *, bssid=None):
        world.call(self._id, "connect")
        if not world.active[STA_IF]:
            raise OSError("Wifi Not Started" if not world.active[AP_IF] else "Wifi Invalid Mode")
        if bssid is not None and len(bssid) != 6:
            raise ValueError
        if world.joined or world.connecting:
            raise OSError("Wifi Internal Error")
        if ssid is not None:
            world.wanted = (ssid, key, bssid)
        kept = (world.name, world.reconnects, world.power_save, world.static)
        world.connects.append((world.clock.now_ms,) + world.wanted + kept)
        world.tries = 0
        world.requested = True
        world.begin()

    def disconnect(self):
        world.requested = False
        world.call(self._id, "disconnect")
        if not world.active[STA_IF]:
            raise OSError("Wifi Not Started")
        world.leave()

    def status(self, what=None):
        world.call(self._id, "status")
        if what == "stations":
            self._require(AP_IF)
            if not world.active[AP_IF]:
                raise OSError("Wifi Invalid Mode")
            return [(bytes((2, 0, 0, 0, 1, number)), "192.168.4.%d" % (2 + number)) for number in range(world.clients)]
        if what == "rssi":
            self._require(STA_IF)
            if not world.joined:
                raise OSError("Wifi Not Connected")
            return world.joined.rssi
        if what is not None:
            raise ValueError("unknown status param")
        if self._id == AP_IF:
            return None
        if world.connected:
            return STAT_GOT_IP
        if world.reason in (STAT_NO_AP_FOUND, 210, _OTHER_SECURITY, 212):
            return world.reason
        if world.reason in (STAT_WRONG_PASSWORD, _CONNECTION_FAIL):
            return STAT_WRONG_PASSWORD
        if world.reason == _ASSOC_LEAVE:
            return STAT_IDLE
        if world.requested and (world.reconnects < 0 or world.tries < world.reconnects + 1):
            return STAT_CONNECTING
        return world.reason or STAT_IDLE

    def isconnected(self):
        world.call(self._id, "isconnected")
        if self._id == STA_IF:
            return world.connected
        return world.clients > 0

    def scan(self):
        world.call(self._id, "scan")
        if not world.active[STA_IF]:
            raise OSError("STA must be active")
        if world.connecting:
            return []
        world.clock.now_ms += SCAN_MS
        world.advance()
        found = []
        for point in world.air:
            if point.on:
                found.append((b"" if point.hidden else point.ssid, point.bssid, 6, point.rssi, point.security, False))
        return found

    def config(self, what=None, **values):
        if what is not None:
            if values:
                raise TypeError("either pos or kw args are allowed")
            return self._get(what)
        world.call(self._id, "config")
        if not world.active[self._id]:
            raise OSError("Wifi Invalid Mode" if world.active[1 - self._id] else "Wifi Not Started")
        for name, value in values.items():
            if name == "pm":
                world.power_save = value
            elif name == "reconnects":
                self._require(STA_IF)
                world.reconnects = value
            elif name in ("ssid", "essid", "key", "password", "security", "authmode"):
                self._require(AP_IF)
                world.point[{"essid": "ssid", "password": "key", "authmode": "security"}.get(name, name)] = value
            elif name not in ("channel", "hidden", "max_clients", "txpower"):
                raise ValueError("unknown config param")
        if self._id == STA_IF and world.connecting:
            raise OSError("Wifi Internal State Error")
        if self._id == AP_IF and world.point["security"] and not 8 <= len(world.point["key"]) <= 63:
            raise OSError("Wifi Invalid Password")

    def _get(self, what):
        world.call(self._id, "config?")
        if what == "mac":
            return MAC[:5] + bytes((MAC[5] + self._id,))
        if what in ("ssid", "essid"):
            return world.point["ssid"] if self._id == AP_IF else world.wanted[0] or ""
        if what == "pm":
            return world.power_save
        if what == "reconnects":
            self._require(STA_IF)
            return world.reconnects
        raise ValueError("unknown config param")

    def ifconfig(self, values=None):
        world.call(self._id, "ipconfig" if values else "ipconfig?")
        if values == "dhcp":
            self._require(STA_IF)
            if world.static is None:
                raise RuntimeError("Wifi Unknown Error 0x5004")
            world.static = None
        elif values:
            ip, _, _, _ = values
            if self._id == STA_IF:
                world.static = ip
        else:
            return (self.ipconfig("addr4")[0], "255.255.255.0", "192.168.1.1", "192.168.1.1")

    def ipconfig(self, what=None, **values):
        world.call(self._id, "ipconfig" if values else "ipconfig?")
        if what == "addr4":
            if self._id == AP_IF:
                return ("192.168.4.1", "255.255.255.0")
            return (world.address, "255.255.255.0")
        if what is not None or list(values) != ["dhcp4"] or self._id != STA_IF:
            raise ValueError("unexpected key")
        if values["dhcp4"]:
            world.static = None


def hostname(name=None):
    world.call(None, "hostname?" if name is None else "hostname")
    if name is None:
        return world.name
    if len(name) > 32:
        raise ValueError
    world.name = name
