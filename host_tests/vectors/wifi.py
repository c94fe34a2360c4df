"""Days in the life of the Wi-Fi supervisor, good and bad, over a scripted radio on a virtual clock.

Each case is (name, function): the function plays a day on a new `Board` and looks at what became of it. The board
itself holds, all day long, the manners that the driver asks for.
"""

from firmware.board import joining, wifi
from firmware.http.errors import HTTPError
from firmware.server import loader
from host_tests.fakes import network
from host_tests.fakes.clock import Clock

HOUR = 3600
CASES = []


def quietly(text):
    """Take the place of the supervisor's console."""


def case(function):
    CASES.append((function.__name__, function))
    return function


def check(case):
    wifi.say = joining.say = quietly
    case[1]()


def equal(got, wanted):
    if got != wanted:
        raise AssertionError("%r instead of %r" % (got, wanted))


def holds(condition, text):
    if not condition:
        raise AssertionError(text)


class BorrowedOnce:
    """What the supervisor borrows it compiles anew each time, which takes most of a day's time: within this, once.

    That is the same as long as no module keeps anything of its own.
    """

    def __enter__(self):
        self._borrow, self._there = loader.borrow, {}
        loader.borrow = self._once

    def __exit__(self, *exception):
        loader.borrow = self._borrow
        for name in self._there:
            module, before = self._there[name]
            holds(dict(module.__dict__) == before, name + " keeps something")

    def _once(self, name):
        if name not in self._there:
            module = self._borrow(name)
            self._there[name] = module, dict(module.__dict__)
        return self._there[name][0]


class Settings:
    """What `firmware.board.settings` is to the supervisor."""

    def __init__(self, networks, after_s, reset_after_s):
        self.current = {
            "hostname": "limpet",
            "networks": [],
            "access_point": {"ssid": None, "password": None, "after_s": after_s},
            "wifi": {"reset_after_s": reset_after_s},
        }
        for ssid, password in networks:
            self.current["networks"].append({"ssid": ssid, "password": password})
        self.saved = 0
        self.fails = None

    def change(self, networks):
        if self.fails:
            raise self.fails
        self.saved += 1
        self.current["networks"] = networks

    def names(self):
        return [known["ssid"] for known in self.current["networks"]]


HOME = ("Home", "password1")
CABIN = ("Cabin", "password2")


class Board:
    """A supervisor with all it needs: `air` is the fake driver, `changes` the (ms, state) it has told."""

    def __init__(self, networks=(HOME,), after_s=60, reset_after_s=0, air=None):
        self.clock = air.clock if air else Clock()
        self.air = air or network.World(self.clock)
        network.world = self.air
        if not air:
            self.air.add("Neighbour", "not yours")
        self.settings = Settings(networks, after_s, reset_after_s)
        self.changes = []
        self.resets = []
        self.wifi = wifi.Supervisor(
            network, self.settings, self.clock.sleep_ms, self.clock.ticks_ms, lambda: self.resets.append(self.now_s)
        )
        self.wifi.on_change(lambda state: self.changes.append((self.clock.now_ms, state)))
        self.clock.spawn(self.wifi.run())

    @property
    def now_s(self):
        return self.clock.now_ms // 1000

    def run(self, seconds):
        """Let time pass."""
        self.clock.run(self.clock.now_ms + int(seconds * 1000))
        self.check_manners()

    def run_until(self, state, most_s):
        """Let time pass until `state` is reached; return the seconds it took."""
        start_ms = self.clock.now_ms
        while self.wifi.state != state:
            holds(self.clock.now_ms < start_ms + most_s * 1000, "still %s after %d s" % (self.wifi.state, most_s))
            self.clock.run(self.clock.now_ms + 250)
        self.check_manners()
        return (self.clock.now_ms - start_ms) / 1000

    def states(self):
        return [state for _, state in self.changes]

    def ask(self, coroutine, most_s=40):
        """Run a request to its end beside the task; return its result."""
        task = self.clock.spawn(coroutine)
        start_ms = self.clock.now_ms
        while not task.done:
            holds(self.clock.now_ms < start_ms + most_s * 1000, "no answer after %d s" % most_s)
            self.clock.run(self.clock.now_ms + 250)
        self.check_manners()
        return task.result

    def attempts(self):
        """Return the names tried so far."""
        return [connect[1] for connect in self.air.connects]

    def check_manners(self):
        """One beginning an end, a second between end and beginning, and the driver set up before it is told to join."""
        ended_ms = -10000
        idle = True
        for ms, interface, call in self.air.log:
            if interface != network.STA_IF:
                continue
            if call == "disconnect":
                ended_ms, idle = ms, True
            elif call == "active" and not self.air.active[0]:
                idle = True
            elif call in ("connect", "scan"):
                holds(ms - ended_ms >= 1000, "no pause before %s at %d" % (call, ms))
                holds(idle or call == "scan", "connect upon connect at %d" % ms)
                idle = call == "scan" and idle
        for connect in self.air.connects:
            holds(connect[4] == self.settings.current["hostname"], "connect as %s" % connect[4])
            equal(connect[5:7], (0, network.WLAN.PM_NONE))


# -- joining


@case
def clean_join():
    board = Board()
    board.air.add(*HOME)
    took_s = board.run_until("connected", 5)
    holds(took_s > 3, "a scan and a join take their time")
    equal(board.states(), ["joining", "connected"])
    equal((board.wifi.ssid, board.wifi.address, board.wifi.rssi()), ("Home", "192.168.1.102", -60))
    equal((board.wifi.reason, board.wifi.errors), (None, 0))
    board.run(HOUR)
    equal(len(board.changes), 2)
    equal(board.attempts(), ["Home"])
    equal(board.air.active, [True, False])


@case
def station_that_boot_has_switched_on_joins_at_once():
    board = Board()
    board.air.add(*HOME)
    board.air.active[network.STA_IF] = True
    board.run_until(wifi.CONNECTED, 10)
    calls = [call for _, _, call in board.air.log]
    holds("disconnect" not in calls, "there was nothing to end")
    fresh = Board()
    fresh.air.add(*HOME)
    fresh.run_until(wifi.CONNECTED, 10)
    equal(board.clock.now_ms, fresh.clock.now_ms)


@case
def lost_link_is_told_in_words():
    for code, words in (
        (3, "sent away by the network"),
        (4, "sent away as idle"),
        (6, "not known to the network any more"),
        (7, "not known to the network any more"),
        (200, "signal lost"),
    ):
        board = Board()
        board.air.add(*HOME)
        board.run_until(wifi.CONNECTED, 10)
        board.air.drop(code)
        board.run_until(wifi.JOINING, 5)
        equal(board.wifi.reason, words)


@case
def driver_that_has_no_memory_says_so():
    lines = []
    wifi.say = lines.append
    faults = network.FAULTS
    for fault in (faults[1], faults[2]):
        network.FAULTS = (fault,) * len(faults)
        board = Board()
        board.air.fail_at = (3,)
        board.run(3)
    network.FAULTS = faults
    told = [line for line in lines if "radio: not enough memory for the radio" in line]
    equal(len(told), 2)


@case
def status_tells_all_and_no_secret():
    board = Board()
    board.air.add(*HOME)
    board.run(10)
    status = board.wifi.status()
    equal(status.pop("address"), "192.168.1.102")
    equal((status["state"], status["ssid"], status["rssi"], status["hostname"]), ("connected", "Home", -60, "limpet"))
    equal((status["reason"], status["failures"], status["attempts"], status["errors"]), (None, {}, 0, 0))
    holds("password" not in repr(status), "a password")


@case
def open_network():
    board = Board([("Cafe", None)])
    board.air.add("Cafe")
    board.run_until("connected", 6)
    equal(board.air.connects[0][2], None)


def wrong_password_with(code):
    board = Board([("Home", "wrong one")])
    board.air.add(*HOME).wrong = code
    board.run(30)
    equal(board.wifi.reason, "wrong password")
    equal(board.wifi.status()["failures"], {"Home": "wrong password"})
    holds(len(board.attempts()) > 1, "tries again")
    board.run(60)
    equal((board.wifi.state, board.wifi.reason), ("access_point", "wrong password"))
    board.settings.current["networks"] = [{"ssid": "Home", "password": "password1"}]
    board.run_until("connected", 90)
    equal(board.wifi.reason, None)


@case
def wrong_password():
    wrong_password_with(202)


@case
def wrong_password_told_as_handshake_timeouts():
    wrong_password_with(15)
    wrong_password_with(204)


@case
def wrong_password_told_as_connection_failure():
    wrong_password_with(205)


@case
def no_such_network():
    board = Board()
    board.run(20)
    equal((board.wifi.state, board.wifi.reason), ("joining", "no such network"))
    equal(board.attempts(), [])


@case
def password_where_none_is_wanted():
    board = Board()
    board.air.add("Home")
    board.run(20)
    equal(board.wifi.reason, "other security")


@case
def reason_without_a_name():
    board = Board()
    board.air.add(*HOME).refuses = 203
    board.run(20)
    equal(board.wifi.reason, "connection failed (code 203)")


@case
def silent_dhcp():
    board = Board(after_s=None)
    home = board.air.add(*HOME)
    home.address = None
    board.run(15)
    equal(board.wifi.reason, None)
    board.run(10)
    equal((board.wifi.state, board.wifi.reason), ("joining", "no address"))
    home.address = "10.0.0.7"
    board.run_until("connected", 30)
    equal(board.wifi.address, "10.0.0.7")


@case
def slow_router_and_slow_dhcp():
    board = Board()
    home = board.air.add(*HOME)
    home.join_ms, home.dhcp_ms = 10000, 14000
    board.run_until("connected", 30)
    equal(len(board.attempts()), 1)


@case
def goodbye_while_waiting_for_an_address():
    board = Board(after_s=None)
    home = board.air.add(*HOME)
    board.run(100)
    home.address = None
    board.air.drop(2)
    board.run(8)
    holds(board.air.joined, "waits for an address")
    board.air.drop(2)
    board.run(8)
    equal((board.wifi.reason, len(board.attempts())), ("connection failed (code 2)", 3))


@case
def reason_that_the_driver_remembers_is_not_believed():
    board = Board([("Home", "wrong one"), CABIN])
    board.air.add(*HOME)
    board.air.add(*CABIN).address = None
    board.run(35)
    equal(board.wifi.status()["failures"], {"Home": "wrong password", "Cabin": "no address"})
    board.air.air[-1].address = "10.0.0.7"
    board.run_until("connected", 40)
    equal(board.wifi.ssid, "Cabin")


@case
def hidden_network():
    board = Board()
    board.air.add(*HOME).hidden = True
    board.run_until("connected", 8)


@case
def scan_that_the_driver_refuses():
    board = Board()
    board.air.air[0].on = False
    board.run(10)
    equal(set(board.attempts()), {"Home"})


@case
def name_that_is_no_text():
    board = Board()
    board.air.add(b"\xff\xfe", "password1")
    board.air.add(*HOME).rssi = -70
    board.run_until("connected", 6)
    equal([found["ssid"] for found in board.ask(board.wifi.scan())], ["Neighbour", "Home"])


@case
def strongest_of_one_name():
    board = Board()
    board.air.add(*HOME).rssi = -80
    near = board.air.add(*HOME)
    near.rssi = -50
    board.run_until("connected", 6)
    equal((board.air.connects[0][3], board.wifi.rssi()), (near.bssid, -50))


@case
def strongest_of_one_name_refuses():
    board = Board()
    board.air.add(*HOME).rssi = -80
    near = board.air.add(*HOME)
    near.refuses = 5
    board.run(6)
    equal(board.wifi.reason, "network is full")
    board.run_until("connected", 10)
    equal(board.wifi.rssi(), -80)


@case
def static_address_then_dhcp():
    board = Board([HOME, CABIN])
    static = {"ip": "192.168.1.9", "mask": "255.255.255.0", "gateway": "192.168.1.1", "dns": "9.9.9.9"}
    board.settings.current["networks"][0]["address"] = static
    home = board.air.add(*HOME)
    home.address = None
    board.air.add(*CABIN)
    board.run_until("connected", 6)
    equal((board.wifi.ssid, board.wifi.address), ("Home", "192.168.1.9"))
    board.run(100)
    board.air.switch(home, False)
    board.run(20)
    equal((board.wifi.ssid, board.wifi.address), ("Cabin", "192.168.1.103"))


# -- more than one network


@case
def first_known_network_wins_over_signal():
    board = Board([HOME, CABIN])
    board.air.add(*CABIN).rssi = -30
    board.air.add(*HOME).rssi = -85
    board.run_until("connected", 6)
    equal((board.wifi.ssid, board.attempts()), ("Home", ["Home"]))


@case
def roams_to_the_next_network():
    board = Board([HOME, CABIN])
    home = board.air.add(*HOME)
    cabin = board.air.add(*CABIN)
    board.run(100)
    board.air.switch(home, False)
    board.run(15)
    equal((board.wifi.state, board.wifi.ssid), ("connected", "Cabin"))
    board.air.switch(home, True)
    board.run(100)
    equal(board.wifi.ssid, "Cabin")
    board.air.switch(cabin, False)
    board.run(15)
    equal(board.wifi.ssid, "Home")
    holds("access_point" not in board.states(), "no access point")


@case
def next_network_after_a_wrong_password():
    board = Board([("Home", "wrong one"), CABIN])
    board.air.add(*HOME)
    board.air.add(*CABIN)
    board.run_until("connected", 12)
    equal(board.wifi.ssid, "Cabin")


# -- losing the network


@case
def gone_for_an_hour_without_access_point():
    board = Board(after_s=None)
    home = board.air.add(*HOME)
    board.run(100)
    board.air.switch(home, False)
    board.run(HOUR)
    equal(board.wifi.reason, "no such network")
    scans = [call for _, _, call in board.air.log].count("scan")
    holds(50 < scans < 80, "%d scans in an hour" % scans)
    board.air.switch(home, True)
    board.run_until("connected", 70)
    equal(board.states(), ["joining", "connected"] * 2)
    board.run(100)
    board.air.switch(home, False)
    board.run(20)
    board.air.switch(home, True)
    board.run_until("connected", 20)


@case
def gone_for_an_hour_with_access_point():
    board = Board()
    home = board.air.add(*HOME)
    board.run(100)
    board.air.switch(home, False)
    took_s = board.run_until("access_point", 80)
    holds(took_s > 60, "opened after %d s" % took_s)
    before = len(board.air.log)
    board.run(HOUR)
    scans = [call for _, _, call in board.air.log[before:]].count("scan")
    equal((board.wifi.state, 50 < scans < 62), ("access_point", True))
    board.air.switch(home, True)
    board.run_until("connected", 70)
    equal(board.air.active, [True, False])
    equal(board.states(), ["joining", "connected", "joining", "access_point", "connected"])


@case
def short_loss_is_mended_at_once():
    board = Board()
    board.air.add(*HOME)
    board.run(100)
    board.air.drop(2)
    holds(board.run_until("joining", 1) <= 1, "noticed")
    equal(board.wifi.reason, "connection failed (code 2)")
    holds(board.run_until("connected", 8) <= 6, "mended")


@case
def link_that_flaps_is_not_chased():
    board = Board(after_s=None)
    board.air.add(*HOME)
    for _ in range(20):
        board.run_until("connected", 20)
        board.run(1)
        board.air.drop(2)
        board.run_until("joining", 1)
    holds(board.clock.now_ms > 20 * 12000, "20 times in %d s" % board.now_s)


@case
def router_reboots_at_every_moment():
    for at_ms in list(range(0, 6000, 400)) + [30000, 70000]:
        board = Board()
        home = board.air.add(*HOME)
        board.clock.at(at_ms, lambda air=board.air, home=home: air.switch(home, False))
        board.clock.at(at_ms + 90000, lambda air=board.air, home=home: air.switch(home, True))
        board.run(at_ms / 1000 + 90)
        board.run_until("connected", 70)
        board.run(200)
        equal(board.wifi.state, "connected")


@case
def router_reboots_while_the_access_point_is_open():
    for at_s in (0, 55, 59, 60, 61, 62, 63, 64, 65, 66):
        board = Board()
        home = board.air.add(*HOME)
        home.on = False
        board.run_until("access_point", 80)
        board.air.switch(home, True)
        board.run(at_s)
        board.air.switch(home, False)
        board.run(30)
        board.air.switch(home, True)
        board.run_until("connected", 150)
        board.run(100)
        equal(board.wifi.state, "connected")


@case
def gone_twice():
    board = Board()
    home = board.air.add(*HOME)
    for _ in range(2):
        board.run_until("connected", 70)
        board.run(100)
        board.air.switch(home, False)
        board.run_until("access_point", 80)
        board.run(100)
        equal(board.wifi.state, "access_point")
        board.air.switch(home, True)


@case
def address_changes():
    board = Board()
    board.air.add(*HOME)
    board.run(100)
    board.air.lease("192.168.1.77")
    board.run(6)
    equal((board.wifi.address, board.states()), ("192.168.1.77", ["joining", "connected", "connected"]))
    board.air.lease(None)
    board.run(6)
    equal((board.wifi.state, board.wifi.reason), ("joining", "no address"))
    board.run_until("connected", 10)
    equal(board.wifi.address, "192.168.1.102")


# -- the access point


@case
def no_network_known():
    board = Board([])
    board.run(1)
    equal(board.states(), ["joining", "access_point"])
    equal((board.wifi.ssid, board.wifi.address), ("Limpet-AB1C", "192.168.4.1"))
    equal(board.air.point, {"ssid": "Limpet-AB1C", "key": "", "security": 0})
    board.run(HOUR)
    equal(len(board.changes), 2)
    equal([call for _, _, call in board.air.log if call in ("scan", "connect")], [])


@case
def access_point_as_the_settings_want_it():
    board = Board([])
    board.settings.current["access_point"].update({"ssid": "Shore", "password": "barnacles"})
    board.run(1)
    equal(board.wifi.ssid, "Shore")
    equal(board.air.point, {"ssid": "Shore", "key": "barnacles", "security": network.AUTH_WPA2_PSK})


@case
def access_point_after_another_one():
    board = Board([])
    board.air.point = {"ssid": "Old", "key": "old password", "security": network.AUTH_WPA2_PSK}
    board.run(1)
    equal(board.air.point, {"ssid": "Limpet-AB1C", "key": "", "security": 0})


@case
def no_access_point_wanted():
    board = Board([], after_s=None)
    board.run(HOUR)
    equal((board.states(), board.air.active), (["joining"], [True, False]))


@case
def access_point_at_once_still_tries_first():
    board = Board(after_s=0)
    board.air.add(*HOME)
    board.run_until("connected", 6)
    holds("access_point" not in board.states(), "no access point")


@case
def clients_are_not_disturbed():
    board = Board()
    home = board.air.add(*HOME)
    home.on = False
    board.run_until("access_point", 80)
    board.air.clients = 1
    equal(board.wifi.status()["clients"], 1)
    home.on = True
    board.run(500)
    equal((board.wifi.state, board.air.disturbed), ("access_point", 0))
    board.air.clients = 0
    board.run_until("connected", 8)


@case
def client_that_stays_for_ever():
    board = Board()
    home = board.air.add(*HOME)
    home.on = False
    board.run_until("access_point", 80)
    board.air.clients = 1
    home.on = True
    board.run_until("connected", 700)


# -- requests


@case
def scan_shows_each_name_once():
    board = Board([])
    for ssid, password, rssi in (("B", "password1", -70), ("A", None, -50), ("B", "password1", -40), ("", None, -30)):
        board.air.add(ssid, password).rssi = rssi
    board.run(5)
    found = board.ask(board.wifi.scan())
    wanted = [("B", -40, True), ("A", -50, False), ("Neighbour", -60, True)]
    equal([(one["ssid"], one["rssi"], one["locked"]) for one in found], wanted)
    equal(board.wifi.state, "access_point")


@case
def scan_in_every_state():
    for at_ms in range(0, 8000, 250):
        board = Board(after_s=None)
        board.air.add(*HOME)
        board.run(at_ms / 1000)
        equal(len(board.ask(board.wifi.scan(), 10)), 2)
        board.run_until("connected", 12)


@case
def scan_keeps_the_link():
    board = Board([])
    board.air.add(*HOME)
    board.run(5)
    board.ask(board.wifi.try_network(*HOME))
    board.ask(board.wifi.scan())
    board.run(20)
    board.ask(board.wifi.scan())
    equal((board.states(), len(board.attempts())), (["joining", "access_point", "connected"], 1))


@case
def scan_does_not_wait_for_every_network():
    board = Board([HOME, CABIN])
    board.air.add(*HOME).address = None
    board.air.add(*CABIN).address = None
    board.run(6)
    equal(len(board.ask(board.wifi.scan(), 5)), 3)
    equal(board.attempts(), ["Home"])


@case
def scan_after_an_error_while_connecting():
    board = Board()
    board.air.add(*HOME).join_ms = 9000
    board.run(3)
    board.air.broken = ("isconnected",)
    board.run(0.5)
    board.air.broken = ()
    equal((board.wifi.errors, board.air.connecting), (1, True))
    equal(len(board.ask(board.wifi.scan(), 6)), 2)


@case
def scan_while_the_access_point_looks_for_the_network():
    board = Board()
    board.air.add(*HOME).refuses = 203
    board.run_until("access_point", 80)
    for _ in range(40):
        board.run(3.1)
        board.air.clients = 1
        equal(len(board.ask(board.wifi.scan(), 8)), 2)
        board.air.clients = 0


@case
def setup_right():
    board = Board([])
    board.air.add(*HOME)
    board.run(5)
    board.air.clients = 1
    equal(board.ask(board.wifi.try_network(*HOME)), (True, None, "192.168.1.102"))
    equal(board.settings.current["networks"], [{"ssid": "Home", "password": "password1"}])
    equal((board.wifi.state, board.air.active), ("access_point", [True, True]))
    board.run(8)
    equal((board.wifi.state, board.air.clients), ("access_point", 1))
    board.run(3)
    equal((board.wifi.state, board.wifi.ssid, board.wifi.address), ("connected", "Home", "192.168.1.102"))
    equal((board.air.active, board.states()), ([True, False], ["joining", "access_point", "connected"]))


@case
def setup_wrong_then_right():
    board = Board([])
    home = board.air.add(*HOME)
    board.run(5)
    board.air.clients = 1
    for _ in range(3):
        equal(board.ask(board.wifi.try_network("Home", "wrong one"), 20), (False, "wrong password", None))
        equal(board.wifi.reason, "wrong password")
    equal(board.ask(board.wifi.try_network("Home", "short"), 2), (False, "wrong password", None))
    equal(board.ask(board.wifi.try_network("Nowhere", "password1")), (False, "no such network", None))
    home.address = None
    equal(board.ask(board.wifi.try_network(*HOME)), (False, "no address", None))
    home.address = "10.0.0.7"
    equal((board.settings.saved, board.wifi.state, board.air.clients), (0, "access_point", 1))
    equal(board.ask(board.wifi.try_network(*HOME)), (True, None, "10.0.0.7"))
    board.run_until("connected", 11)


@case
def setup_keeps_the_other_networks_and_the_static_address():
    board = Board([CABIN, ("Home", "old one")])
    address = {"ip": "192.168.1.9", "mask": "255.255.255.0", "gateway": "192.168.1.1", "dns": "9.9.9.9"}
    board.settings.current["networks"][1]["address"] = address
    board.air.add(*HOME)
    board.run_until("access_point", 90)
    equal(board.ask(board.wifi.try_network(*HOME)), (True, None, "192.168.1.9"))
    equal(board.settings.names(), ["Home", "Cabin"])
    equal(board.settings.current["networks"][0], {"ssid": "Home", "password": "password1", "address": address})


@case
def setup_of_an_open_network():
    board = Board([])
    board.air.add("Cafe")
    board.run(5)
    equal(board.ask(board.wifi.try_network("Cafe", ""))[0], True)
    equal(board.settings.current["networks"], [{"ssid": "Cafe", "password": None}])


@case
def setup_makes_room_in_full_settings():
    board = Board([("Far %d" % number, "password1") for number in range(8)])
    board.air.add(*HOME)
    board.run_until("access_point", 90)
    equal(board.ask(board.wifi.try_network(*HOME))[0], True)
    equal(board.settings.names(), ["Home"] + ["Far %d" % number for number in range(7)])


@case
def setup_that_cannot_be_saved():
    board = Board([])
    board.air.add(*HOME)
    board.settings.fails = HTTPError(422, "No room.")
    board.run(5)
    equal(board.ask(board.wifi.try_network(*HOME)), (False, "cannot be saved: No room.", None))
    board.run(20)
    equal((board.wifi.state, board.air.connected), ("access_point", False))


@case
def setup_and_the_router_goes_before_the_access_point():
    board = Board([])
    home = board.air.add(*HOME)
    board.run(5)
    equal(board.ask(board.wifi.try_network(*HOME))[0], True)
    board.air.switch(home, False)
    board.run(40)
    equal(board.wifi.state, "joining")
    board.run_until("access_point", 60)
    board.air.switch(home, True)
    board.run_until("connected", 70)


@case
def setup_and_the_radio_fails_before_the_access_point_closes():
    board = Board([])
    home = board.air.add(*HOME)
    board.run(5)
    equal(board.ask(board.wifi.try_network(*HOME))[0], True)
    board.air.broken = ("1 active", "isconnected")
    board.run_until("off", 80)
    board.air.broken = ()
    board.air.switch(home, False)
    board.run_until("access_point", 150)
    board.run(70)
    equal(board.wifi.state, "access_point")


@case
def second_try_while_the_first_lingers():
    board = Board([])
    board.air.add(*HOME)
    board.air.add(*CABIN)
    board.run(5)
    equal(board.ask(board.wifi.try_network(*HOME))[0], True)
    equal(board.ask(board.wifi.try_network(*CABIN))[0], True)
    board.run_until("connected", 11)
    equal((board.wifi.ssid, board.settings.names()), ("Cabin", ["Cabin", "Home"]))


@case
def wrong_try_while_the_first_lingers():
    board = Board([])
    board.air.add(*HOME)
    board.run(5)
    equal(board.ask(board.wifi.try_network(*HOME))[0], True)
    board.air.clients = 1
    equal(board.ask(board.wifi.try_network("Home", "wrong one"))[0], False)
    board.run(100)
    equal((board.wifi.state, board.air.joined), ("access_point", None))


@case
def try_in_every_state():
    for at_ms in range(0, 8000, 250):
        board = Board(after_s=None)
        board.air.add(*HOME)
        board.air.add(*CABIN)
        board.run(at_ms / 1000)
        equal(board.ask(board.wifi.try_network(*CABIN), 12), (True, None, "192.168.1.103"))
        equal((board.wifi.state, board.wifi.ssid), ("connected", "Cabin"))


@case
def wrong_try_while_connected_returns():
    board = Board()
    board.air.add(*HOME)
    board.air.add(*CABIN)
    board.run(100)
    equal(board.ask(board.wifi.try_network("Cabin", "wrong one"), 12), (False, "wrong password", None))
    board.run_until("connected", 8)
    equal((board.wifi.ssid, board.states()), ("Home", ["joining", "connected"] * 2))


@case
def wrong_try_while_joining_does_not_hold_up():
    board = Board(after_s=None)
    home = board.air.add(*HOME)
    home.on = False
    board.run(10)
    equal(board.ask(board.wifi.try_network("Nowhere", "password1"))[0], False)
    home.on = True
    board.run_until("connected", 10)


@case
def wrong_try_while_the_network_goes():
    board = Board()
    home = board.air.add(*HOME)
    board.air.add(*CABIN)
    board.run(100)
    home.on = False
    equal(board.ask(board.wifi.try_network("Cabin", "wrong one"), 12)[0], False)
    took_s = board.run_until("access_point", 80)
    holds(took_s > 50, "opened after %d s" % took_s)


@case
def two_requests_at_once():
    board = Board([])
    board.air.add(*HOME)
    board.run(5)
    tasks = [board.clock.spawn(request) for request in (board.wifi.scan(), board.wifi.try_network(*HOME))]
    tasks.append(board.clock.spawn(board.wifi.scan()))
    board.run(14)
    equal([task.done for task in tasks], [True] * 3)
    equal((len(tasks[0].result), tasks[1].result[0], len(tasks[2].result)), (2, True, 2))


# -- what else goes wrong


def a_day(board):
    """Join, lose the network, open the access point, be set up for another one, lose that, return to the first."""
    home = board.air.add(*HOME)
    cabin = board.air.add(*CABIN)
    cabin.on = False
    board.run(8)
    board.air.switch(home, False)
    board.run(82)
    board.air.switch(cabin, True)
    board.ask(board.wifi.scan())
    board.ask(board.wifi.try_network(*CABIN))
    board.run(12)
    board.air.switch(cabin, False)
    board.air.switch(home, True)
    board.run(30)


def survives(board):
    """Whatever has happened, there is a network in the end."""
    board.air.fail_at = board.air.broken = ()
    board.run_until("connected", 200)
    board.run(10)
    equal((board.wifi.state, board.wifi.ssid, board.air.active), ("connected", "Home", [True, False]))


@case
def day_without_errors():
    board = Board(after_s=20)
    a_day(board)
    wanted = ["joining", "connected", "joining", "access_point", "connected", "joining", "connected"]
    equal((board.states(), board.wifi.errors), (wanted, 0))
    survives(board)


def errors_at(numbers):
    """Play the day with those calls into the driver failing."""
    board = Board(after_s=20)
    board.air.fail_at = numbers
    try:
        a_day(board)
        survives(board)
    except Exception as error:
        raise AssertionError("calls %r fail: %s" % (numbers, error))


@case
def errors_at_any_call():
    board = Board(after_s=20)
    a_day(board)
    with BorrowedOnce():
        for number in range(1, board.air.calls + 1):
            errors_at((number,))
            errors_at((number, number + 1, number + 2))


@case
def one_call_that_always_fails():
    names = "WLAN active active? hostname hostname? config config? connect disconnect status scan isconnected"
    for name in (names + " ipconfig ipconfig?").split():
        for from_s in (0, 30):
            board = Board(after_s=20)
            board.air.add(*HOME)
            board.run(from_s)
            board.air.broken = (name,)
            board.run(300)
            board.air.broken = ()
            try:
                survives(board)
            except Exception as error:
                raise AssertionError("%s fails from %d s on: %s" % (name, from_s, error))


@case
def dead_radio_answers_requests():
    board = Board()
    board.air.broken = ("WLAN",)
    board.run(10)
    equal(board.wifi.state, "off")
    equal(board.ask(board.wifi.scan(), 10), [])
    equal(board.ask(board.wifi.try_network(*HOME), 10), (False, "radio error", None))
    equal((board.wifi.rssi(), board.wifi.status()["state"]), (None, "off"))
    board.run(HOUR)
    holds(50 < board.wifi.errors < 200, "%d errors in an hour" % board.wifi.errors)
    board.air.broken = ()
    equal(len(board.ask(board.wifi.scan(), 5)), 1)


@case
def stuck_radio_is_switched_off_and_on():
    board = Board()
    board.air.add(*HOME)
    board.run(100)
    board.air.drop(2)
    board.air.stuck = True
    board.run_until("off", 60)
    board.run_until("connected", 15)


@case
def errors_now_and_then_do_not_cost_the_link():
    board = Board()
    board.air.add(*HOME)
    board.run(10)
    for _ in range(20):
        board.air.broken = ("isconnected",)
        board.run(3)
        board.air.broken = ()
        board.run(3)
    holds(board.wifi.errors >= 20, "no errors")
    equal(board.states(), ["joining", "connected"])


@case
def access_point_that_does_not_open():
    for call in ("1 active", "1 config", "1 ipconfig?"):
        board = Board()
        home = board.air.add(*HOME)
        home.on = False
        board.run(50)
        board.air.broken = (call,)
        for _ in range(300):
            board.run(1)
            holds(not board.air.active[1] or call == "1 active", "left open after an error in " + call)
        board.air.switch(home, True)
        board.air.broken = ("1 config",)
        board.run_until("connected", 130)


@case
def callback_that_raises():
    board = Board()
    board.air.add(*HOME)
    board.wifi.on_change(lambda state: 1 // 0)
    board.run_until("connected", 6)
    equal(board.wifi.errors, 0)


@case
def last_resort():
    board = Board(reset_after_s=600)
    home = board.air.add(*HOME)
    board.run(1000)
    equal(board.resets, [])
    home.on = False
    board.air.drop(200)
    board.run(590)
    equal(board.resets, [])
    board.run(40)
    equal(len(board.resets), 1)


@case
def last_resort_of_a_dead_radio():
    board = Board([], reset_after_s=600)
    board.air.broken = ("active", "active?")
    board.run(590)
    equal(board.resets, [])
    board.run(20)
    equal(len(board.resets), 1)


@case
def no_last_resort_where_nothing_would_change():
    for networks, after_s, clients in (([], 60, 0), ([], None, 0), ([HOME], 60, 1)):
        board = Board(networks, after_s, reset_after_s=600)
        board.run(100)
        board.air.clients = clients
        board.run(500)
        board.air.clients = clients
        board.run(800)
        equal(board.resets, [])


@case
def last_resort_off():
    board = Board()
    board.run(2 * HOUR)
    equal(board.resets, [])


# -- a soft reset leaves the radio as it was


def left_by(board, seconds):
    """Return a board that starts anew on the radio of one that ran for some time."""
    board.run(seconds)
    board.clock.waiting.clear()
    del board.air.log[:]
    return Board(air=board.air)


@case
def soft_reset_while_connected_keeps_the_link():
    board = Board()
    board.air.add(*HOME)
    board = left_by(board, 100)
    board.air.power_save = 1
    board.run(1)
    equal((board.wifi.state, board.wifi.ssid, board.wifi.address), ("connected", "Home", "192.168.1.102"))
    equal((len(board.attempts()), board.air.power_save), (1, 0))
    board.air.drop(2)
    board.run(20)
    equal((board.wifi.state, len(board.attempts())), ("connected", 2))


@case
def soft_reset_while_connected_to_what_has_no_readable_name():
    board = Board()
    board.air.add(*HOME)
    board = left_by(board, 100)
    board.air.broken = ("0 config?",)
    board.run_until("connected", 10)


@case
def soft_reset_while_connected_with_another_address():
    board = Board()
    board.air.add(*HOME)
    board = left_by(board, 100)
    address = {"ip": "192.168.1.9", "mask": "255.255.255.0", "gateway": "192.168.1.1", "dns": "9.9.9.9"}
    board.settings.current["networks"][0]["address"] = address
    board.run(10)
    equal((board.wifi.state, board.wifi.address), ("connected", "192.168.1.9"))


@case
def soft_reset_at_any_moment_of_joining():
    for at_ms in range(0, 6000, 250):
        board = Board()
        board.air.add(*HOME)
        board = left_by(board, at_ms / 1000)
        board.run_until("connected", 8)
        equal(board.wifi.errors, 0)


@case
def soft_reset_while_connected_elsewhere():
    for networks in ([CABIN], []):
        board = Board([HOME])
        board.air.add(*HOME)
        board.air.add(*CABIN)
        board = left_by(board, 100)
        board.settings.current["networks"] = [{"ssid": ssid, "password": password} for ssid, password in networks]
        board.run(10)
        equal(board.wifi.ssid, "Cabin" if networks else "Limpet-AB1C")


@case
def soft_reset_with_another_hostname():
    board = left_by(Board([HOME]), 1)
    board.air.add(*HOME)
    board.run(20)
    board = left_by(board, 1)
    board.settings.current["hostname"] = "whelk"
    board.air.connects.clear()
    board.run(10)
    equal((board.wifi.state, board.air.connects[0][4]), ("connected", "whelk"))


@case
def soft_reset_with_the_access_point_open():
    board = Board([])
    board.air.add(*HOME)
    board = left_by(board, 10)
    equal(board.air.active, [True, True])
    board.run_until("connected", 8)
    equal(board.air.active, [True, False])
