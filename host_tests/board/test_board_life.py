"""A board's good and bad days, from power-on: boot.py and main.py as processes, clients on real sockets."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import socket
import threading

import dns.exception
import dns.message
import dns.query
import httpx
import pytest

from firmware.features import passwords
from host_tests.board_life import RESET, SOFT_RESET, Board, wait_until
from host_tests.conftest import interpreter_named
from host_tests.servers import HOST, SOCKET_TIMEOUT_S, free_port
from host_tests.site.test_setup import PROBES, Page
from tools import ROOT
from tools import __main__ as tools

PASSWORD = "correct horse"
HOME = {"ssid": "Home", "password": PASSWORD}
# A router's beacons may stay away for longer than this board waits before it opens its access point.
PATIENT = {"ssid": None, "password": None, "after_s": 3600}
QUICK = {"ssid": None, "password": None, "after_s": 5}


@pytest.fixture
def board(request, tmp_path):
    """A board with `Home` in range; of 64 bits, unless a test asks for "i386"."""
    board = Board(interpreter_named(getattr(request, "param", "amd64")), tmp_path)
    board.air(("Home", PASSWORD))
    yield board
    if board.process and board.process.poll() is None:
        board.cut()
    print(board.console)  # for the report of a failure


@pytest.fixture
def tree(tmp_path):
    """A copy of the firmware, to be broken."""
    copy = tmp_path / "tree"
    copy.mkdir()
    for name in ("boot.py", "main.py"):
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(ROOT / "firmware", copy / "firmware", ignore=shutil.ignore_patterns("__pycache__", "www"))
    return copy


def unfinished(board):
    return json.loads((board.flash / "nvs.json").read_text())["limpet"]["unfinished"]


def is_shown(board, name):
    """Tell whether the LED's last steps are those of a pattern."""
    shown, pattern = board.tell("(''.join(lit[-80:]), indicator.PATTERNS[%r])" % name)
    return len(shown) == 80 and shown in pattern * (80 // len(pattern) + 2)


def wifi(board):
    return board.status()["wifi"]


# -- a good day


@pytest.mark.parametrize("board", ["amd64", "i386"], indirect=True)
def test_board_joins_and_serves_until_ctrl_c(board):
    board.settings(networks=[HOME], hostname="pool", limits={"connections": 6})
    board.start(before_main="ntptime.servers['time.cloudflare.com'] = 1800000000")
    board.until("limpet: Ctrl-C or BOOT for the prompt")
    assert board.until("http://") == f"http://{HOST}:{board.port}/"
    assert board.until("joined") == "limpet: joined Home, http://192.168.1.101/"
    status = board.status()
    boot = {"boots": 1, "reset_cause": "power on or brown-out", "safe_mode": False, "last_crash": None}
    assert status["boot"] == boot
    known = {"state": "connected", "ssid": "Home", "address": "192.168.1.101", "rssi": -60, "hostname": "pool"}
    assert known.items() <= status["wifi"].items() and status["wifi"]["reason"] is None
    assert (status["hostname"], status["connections"]["limit"]) == ("pool", 6)
    assert status["idf_heap"] == {"free": 65000, "largest": 40000, "lowest": 34000}
    assert board.tell("(network.world.name, network.world.power_save, network.world.active)") == (
        "pool",
        0,
        [True, False],
    )
    with board.client() as client:
        page = client.get("/")
        assert page.status_code == 200 and "Limpet" in page.text
        # Nobody knows the time before a time server has told it: then all answers have it.
        wait_until(lambda: client.get("/api/status").json()["clock"]["server"] == "time.cloudflare.com", "the time")
        wait_until(lambda: "2027 08:00:00 GMT" in client.get("/").headers.get("date", ""), "Date")
    assert board.status()["clock"] == {"unix_s": 1800000000, "server": "time.cloudflare.com", "error": None}
    wait_until(lambda: unfinished(board) == 0, "the end of the first minute")
    board.interrupt()
    board.until("stopped")
    board.until(">>>")
    assert board.tell("1 + 1") == 2
    assert PASSWORD not in board.console and "Traceback" not in board.console


def test_clock_that_is_not_set_gives_no_date(board):
    board.settings(networks=[HOME])
    board.start().until("joined")
    with board.client() as client:
        assert "date" not in client.get("/").headers
    assert board.status()["clock"]["unix_s"] is None


def test_soft_reset_keeps_the_count(board):
    board.settings(networks=[HOME])
    board.start(cause=SOFT_RESET).until("joined")
    assert board.status()["boot"]["boots"] == 0
    assert "Ctrl-C" not in board.console


# -- the setup page


class Phone:
    """A phone on the access point: every byte that it is sent is in `heard`."""

    def __init__(self, board):
        self.heard = b""
        self._client = board.client(event_hooks={"response": [self._hear]})
        self.get = self._client.get
        self.post = self._client.post
        self.request = self._client.request

    def _hear(self, response):
        response.read()
        self.heard += b"%r" % response.headers + response.content

    def result(self):
        """Load /result as often as it asks for that; return the last page."""
        pages = []

        def is_over():
            pages.append(Page(self.get("/result").text))
            return not pages[-1].refresh

        wait_until(is_over, "a result")
        return pages[-1]


def look_up(board, name, kind="A"):
    """Return what the board's DNS server answers; where there is none yet, ask again."""
    query = dns.message.make_query(name, kind)
    answer = wait_until(lambda: ask_once(board, query), "DNS")
    return [record.to_text() for part in answer.answer for record in part]


def ask_once(board, query):
    try:
        return dns.query.udp(query, HOST, port=board.dns_port, timeout=0.3)
    except dns.exception.Timeout:
        return None


def opens(board):
    """Wait until the access point is open and the setup page is there; return the line that says where."""
    line = board.until("access point")
    look_up(board, "x.example.org")
    return line


def is_dns_gone(board):
    """Tell whether nobody has the port (do not ask while somebody is about to take it)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((HOST, board.dns_port))
            return True
        except OSError:
            return False


def test_phone_brings_a_new_board_into_its_network(board):
    board.air(("Home", PASSWORD), ("Cafe", None))
    board.start()
    assert opens(board) == "limpet: access point Limpet-AB1C, http://192.168.4.1/"
    for name in ("captive.apple.com", "connectivitycheck.gstatic.com", "limpet.local", "x.example.org"):
        assert look_up(board, name) == ["192.168.4.1"]
        assert look_up(board, name, "AAAA") == []
    phone = Phone(board)
    for host, path in PROBES:
        answer = phone.get(path, headers={"Host": host})
        assert (answer.status_code, answer.headers["location"]) == (302, "http://192.168.4.1/")
    for path in ("/api/status", "/api/settings", "/api/log", "/files/x", "/api/files", "/users", "/app.js", "/metrics"):
        for method in ("GET", "PUT", "POST", "DELETE"):
            answer = phone.request(method, path)
            assert (answer.status_code, answer.headers["location"]) == (302, board.url + "/"), (method, path)
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    assert phone.get("/ws", headers=upgrade).status_code == 302

    page = Page(phone.get("/").text)
    assert page.fields == {"ssid": "", "password": None} and page.networks == []
    page = Page(phone.get("/?scan=1").text)
    rows = {name: value for value, name, _ in page.networks}
    assert sorted(rows) == ["Cafe", "Home"]

    sent = phone.post("/join", data={"network": rows["Home"], "ssid": "", "password": "wrong horse"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/result")
    assert "Wrong password" in phone.result().text
    assert not (board.flash / "data" / "config.json").exists()
    # The access point has stayed, and so has the name server.
    assert look_up(board, "captive.apple.com") == ["192.168.4.1"]
    assert phone.get("/hotspot-detect.html", headers={"Host": "captive.apple.com"}).status_code == 302

    phone.post("/join", data={"network": rows["Home"], "ssid": "", "password": PASSWORD})
    told = phone.result().text
    assert "Joined" in told and "http://192.168.1.101/" in told and "http://limpet.local/" in told
    assert board.saved()["networks"] == [{"ssid": "Home", "password": PASSWORD, "address": None}]
    board.until("joined Home, http://192.168.1.101/")
    assert wifi(board)["state"] == "connected"
    # The old page's connections end with it, at any moment.
    home = Phone(board)
    assert "Safe" not in home.get("/").text and home.get("/app.js").status_code == 200
    wait_until(lambda: is_dns_gone(board), "the end of DNS")
    assert "setup" not in board.status()["tasks"] and board.tell("network.world.active") == [True, False]
    for secret in (PASSWORD, "wrong horse"):
        assert secret.encode() not in phone.heard + home.heard and secret not in board.console
    assert "Traceback" not in board.console
    wait_until(lambda: not board.tell("'firmware.site.setup' in __import__('sys').modules"), "the setup page's end")
    behind = board.tell("used()")

    # From now on it finds its way by itself.
    board.cut()
    board.start().until("joined Home")
    board.status()
    # The setup page's code, 12 KB of all that this had loaded, had gone with it. What stays is what the first requests
    # load for all others: answers with errors, bodies, streams, the account.
    assert behind - board.tell("used()") < 27000


def test_page_is_there_while_a_network_is_tried(board):
    silent = "air[0].address = None\nfrom firmware.board import joining\njoining._ADDRESS_MS = 1 << 28"
    board.start(before_main=silent)
    opens(board)
    phone = Phone(board)
    phone.post("/join", data={"ssid": "Home", "password": PASSWORD})
    assert Page(phone.get("/result").text).refresh
    assert phone.get("/").headers["location"] == "/result"
    assert phone.get("/generate_204", headers={"Host": "x.example.org"}).headers["location"] == "http://192.168.4.1/"
    assert look_up(board, "x.example.org") == ["192.168.4.1"]
    wait_until(lambda: board.tell("bool(network.world.joined)"), "the link without an address")
    board.tell("joining._ADDRESS_MS = 0")
    assert "gave no address" in phone.result().text
    assert not (board.flash / "data" / "config.json").exists()


def test_access_point_opens_without_the_network_and_closes_with_it(board):
    board.speed = 50
    board.settings(networks=[HOME], access_point=QUICK)
    board.start(before_main="air[0].on = False")
    with board.client() as client:
        board.until("http://")
        assert client.get("/api/status").status_code == 200
        opens(board)
        assert client.get("/api/status").status_code == 302
        board.tell("network.world.switch(air[0], True)")
        board.until("joined Home")
        assert client.get("/api/status").status_code == 200
    wait_until(lambda: is_dns_gone(board), "the end of DNS")


def test_access_point_has_the_password_of_the_settings(board):
    board.settings(access_point={"ssid": "Barnacle", "password": "sesame seed", "after_s": 5})
    board.start()
    assert opens(board) == "limpet: access point Barnacle, http://192.168.4.1/"
    assert "sesame seed" not in board.console
    assert board.tell("network.world.point") == {"ssid": "Barnacle", "key": "sesame seed", "security": 3}


def test_setup_page_that_finds_no_memory_is_tried_again(board):
    scarce = """from firmware.site import setup
whole = setup.make
def scarce(*words):
    setup.make = whole
    raise MemoryError("memory allocation failed")
setup.make = scarce"""
    board.start(before_main=scarce).until("access point")
    board.until("limpet: task setup died")
    assert look_up(board, "x.example.org") == ["192.168.4.1"]
    assert Page(Phone(board).get("/").text).fields == {"ssid": "", "password": None}


def test_name_server_that_fails_is_tried_again_and_the_page_is_still_the_same(board):
    board.start(before_main="air[0].address = None\ndns = __import__('firmware.board.dns', None, None, ('it',))")
    opens(board)
    phone = Phone(board)
    phone.post("/join", data={"ssid": "Home", "password": PASSWORD})
    board.tell("whole, dns._answer_some = dns._answer_some, None")
    query = dns.message.make_query("x.example.org", "A")
    assert ask_once(board, query) is None
    board.until("limpet: task setup died")
    board.tell("dns._answer_some = whole")
    assert look_up(board, "x.example.org") == ["192.168.4.1"]
    assert "gave no address" in phone.result().text


def test_kept_connection_does_not_show_the_site_on_the_access_point(board):
    board.settings(networks=[HOME], access_point=QUICK)
    board.start().until("joined")
    with socket.create_connection((HOST, board.port), SOCKET_TIMEOUT_S) as kept:
        kept.sendall(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert kept.recv(65536).startswith(b"HTTP/1.1 200")
        board.tell("network.world.switch(air[0], False)")
        opens(board)
        kept.settimeout(SOCKET_TIMEOUT_S)
        try:
            kept.sendall(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert not kept.recv(65536).startswith(b"HTTP/1.1 200")
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed, which is as good


# -- bad days of the link


def test_link_lost_and_back_is_not_noticed_by_clients(board):
    board.speed = 50
    board.settings(networks=[HOME], access_point=PATIENT)
    board.start().until("joined")
    answers = []
    done = threading.Event()

    def ask():
        while not done.is_set():
            answers.append(httpx.get(board.url + "/api/status", timeout=SOCKET_TIMEOUT_S).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        with board.client() as kept:
            for _ in range(3):
                assert kept.get("/api/status").json()["wifi"]["state"] == "connected"
                board.tell("network.world.switch(air[0], False)")
                board.until("lost Home")
                link = kept.get("/api/status").json()["wifi"]
                assert (link["state"], link["address"], link["rssi"]) == ("joining", None, None)
                assert link["reason"] == "signal lost"
                board.until("cannot join Home: no such network")
                board.tell("network.world.switch(air[0], True)")
                board.until("joined Home")
            board.tell("network.world.lease('192.168.1.77')")
            board.until("joined Home, http://192.168.1.77/")
            assert kept.get("/api/status").json()["wifi"]["address"] == "192.168.1.77"
    finally:
        done.set()
        asking.join()
    assert set(answers) == {200}
    assert "Traceback" not in board.console


def test_board_that_has_no_network_for_long_resets_where_it_shall(board):
    board.settings(networks=[HOME], access_point=PATIENT, wifi={"reset_after_s": 300})
    board.speed = 200
    board.start(before_main="air[0].on = False")
    board.until("limpet: reset: no network")
    board.until("starts anew")
    board.end()
    board.start(RESET).until("joined")
    boot = board.status()["boot"]
    assert boot["reset_cause"] == "reset or crash"
    assert re.match(r"boot 1, after \d+ s: no network$", boot["last_crash"])


# -- safe mode


def test_boots_that_come_to_nothing_end_in_safe_mode_and_that_ends_too(board):
    board.settings(networks=[HOME])
    board.speed = 200
    for _ in range(3):
        # Power that goes once the server is there, and before its minute is over.
        board.start(before_main="recovery.FINISHED_MS = 1 << 29").until("http://")
        board.cut()
    board.start()
    board.until("limpet: safe mode, after 3 boots that came to nothing")
    board.until("joined")
    with board.client() as client:
        assert "Safe mode" in client.get("/").text
        status = client.get("/api/status").json()
        assert status["boot"]["safe_mode"] is True and status["tasks"]["wifi"]["state"] == "running"
        assert client.get("/api/files").json()["files"] == []
        for path in ("/app.js", "/users", "/api/led", "/metrics"):
            assert client.get(path).status_code == 404, path
        assert board.tell("'firmware.site.routes' in __import__('sys').modules") is False
    board.until("safe mode is over")
    board.until("starts anew")
    board.end()
    board.start(RESET).until("joined")
    assert board.status()["boot"]["safe_mode"] is False


def test_broken_application_is_left_out_and_said(board, tree):
    board.settings(networks=[HOME])
    board.tree = tree
    routes = tree / "firmware" / "site" / "routes.py"
    whole = routes.read_text()
    routes.write_text(whole + "\ndef broken(:\n")
    board.start()
    board.until("SyntaxError")
    board.until("joined")
    status = board.status()
    assert "SyntaxError" in status["boot"]["last_crash"] and status["boot"]["safe_mode"] is False
    with board.client() as client:
        page = client.get("/")
        assert "Safe mode" in page.text and "SyntaxError" in page.text
    # It serves: such a boot is no failed one.
    wait_until(lambda: unfinished(board) == 0, "the end of the first minute")
    board.cut()
    routes.write_text(whole)
    board.start().until("joined")
    status = board.status()
    assert status["hostname"] == "limpet" and "SyntaxError" in status["boot"]["last_crash"]


def test_board_without_its_certificate_is_reached_without_tls(board):
    board.settings(networks=[HOME], ports={"http": 80, "https": free_port()})
    board.start().until("no HTTPS, the certificate")
    board.until("joined")
    assert board.status()["wifi"]["ssid"] == "Home"
    with board.client() as client:
        wanted = client.get("/api/settings").json()
        wanted["ports"]["https"] = None
        assert client.put("/api/settings", json=wanted).status_code == 200


def test_safe_mode_lets_in_nobody_whom_the_site_would_not(board):
    word = "fish and chips"
    board.settings(networks=[HOME], admin=asyncio.run(passwords.make(word, 10)))
    in_safe_mode = "recovery.safe_mode = True"
    for before_main in ("", in_safe_mode):
        board.start(before_main=before_main).until("joined")
        with board.client() as client:
            assert ("Safe mode" in client.get("/").text) == (before_main == in_safe_mode)
            for method, path in (("PUT", "/files/x"), ("DELETE", "/files/x"), ("POST", "/api/restart")):
                assert client.request(method, path).status_code == 401, path
            for path in ("/api/settings", "/api/log"):
                assert client.get(path).status_code == 401, path
            admin = httpx.BasicAuth("admin", word)
            assert client.put("/files/x", content=b"shell", auth=admin).status_code in (201, 204)
            assert client.get("/files/x").status_code == 401
            assert client.get("/files/x", auth=admin).content == b"shell"
            assert client.get("/", headers={"Host": "rebound.example.org"}).status_code == 421
        board.cut()
    assert word not in board.console


def test_board_in_safe_mode_is_brought_into_a_network_too(board):
    board.settings(pins={"led": 2})
    board.start(before_main="recovery.safe_mode = True")
    opens(board)
    wait_until(lambda: is_shown(board, "error"), "the LED")
    phone = Phone(board)
    assert Page(phone.get("/").text).fields == {"ssid": "", "password": None}
    assert phone.get("/api/status").status_code == 302
    phone.post("/join", data={"ssid": "Home", "password": PASSWORD})
    assert "Joined" in phone.result().text
    board.until("joined Home")
    assert "Safe mode" in phone.get("/").text


# -- crashes


def test_crash_is_told_after_the_reset(board):
    board.settings(networks=[HOME])
    break_it = "from firmware.server import transport\ntransport.reactor = lambda: {}['the roof']"
    board.start(before_main=break_it)
    board.until("KeyError: the roof")
    board.until("starts anew")
    board.end()
    board.start(RESET).until("joined")
    boot = board.status()["boot"]
    assert boot["last_crash"].endswith("KeyError: the roof")
    assert (boot["boots"], boot["reset_cause"]) == (2, "reset or crash")


def test_task_that_dies_is_started_again_and_counted(board):
    board.settings(networks=[HOME], pins={"led": 2})
    board.start().until("joined")
    board.tell("clock_module = __import__('firmware.board.clock', None, None, ('it',))")
    board.tell("whole, clock_module.synchronize = clock_module.synchronize, None")
    board.until("limpet: task clock died")
    board.until("TypeError")
    wait_until(lambda: board.status()["tasks"]["clock"]["state"] == "waiting", "the pause")
    wait_until(lambda: is_shown(board, "error"), "the LED")
    with board.client() as client:
        assert client.get("/healthz").status_code == 503
    board.tell("clock_module.synchronize = whole")
    wait_until(lambda: board.status()["tasks"]["clock"]["state"] == "running", "the task")
    clock = board.status()["tasks"]["clock"]
    assert clock["deaths"] >= 1 and "TypeError" in clock["last"]
    assert wifi(board)["state"] == "connected"
    wait_until(lambda: is_shown(board, "serving"), "the LED")


def test_radio_whose_driver_fails_is_switched_off_and_on_and_the_site_stays(board):
    board.settings(networks=[HOME], access_point=PATIENT)
    board.start().until("joined")
    board.tell("network.world.stuck = True")
    for _ in range(5):
        board.until("limpet: radio: ")
        assert board.status()["wifi"]["errors"] >= 1
    board.until("joined Home")
    assert board.status()["tasks"]["wifi"]["deaths"] == 0


# -- the watchdog, the LED, the prompt


def test_watchdog_begins_behind_the_window_and_is_fed(board):
    board.settings(networks=[HOME], watchdog_s=30)
    board.start(window_ms=60000).until("limpet: Ctrl-C or BOOT")
    board.process.send_signal(signal.SIGINT)
    board.until("limpet: the prompt, as asked for")
    board.until(">>>")
    assert board.tell("__import__('machine').watchdog") is None
    board.cut()

    board.start().until("joined")
    assert board.tell("machine.watchdog.timeout") == 30000
    fed = board.tell("machine.watchdog.fed")
    wait_until(lambda: board.tell("machine.watchdog.fed") > fed + 5, "food")
    board.interrupt()
    board.until(">>>")
    # Nothing stops it; who works at the prompt has an hour.
    assert board.tell("machine.watchdog.timeout") == 3600000


def test_watchdog_is_off_until_asked_for(board):
    board.settings(networks=[HOME])
    board.start().until("joined")
    assert board.tell("machine.watchdog") is None


def test_led_tells_how_it_is(board):
    board.speed = 50
    board.settings(networks=[HOME], access_point=QUICK, pins={"led": 2, "led_inverted": False})
    board.start(before_main="air[0].on = False")
    wait_until(lambda: is_shown(board, "access_point"), "the access point's pattern")
    board.tell("network.world.switch(air[0], True)")
    board.until("joined")
    wait_until(lambda: is_shown(board, "serving"), "the pattern of serving")
    board.tell("settings.current['access_point']['after_s'] = 3600")
    board.tell("network.world.switch(air[0], False)")
    board.until("lost Home")
    wait_until(lambda: is_shown(board, "joining"), "the pattern of joining")


RELAY = {"number": 5, "name": "Relay", "mode": "output", "inverted": True}


def test_outputs_are_off_from_the_start_and_obey(board):
    board.settings(networks=[HOME], pins={"gpio": [RELAY]})
    board.start(before_main="air[0].on = False").until("http://")
    wait_until(lambda: board.tell("5 in machine.pins"), "the pin")
    assert board.tell("machine.pins[5].level") == 1  # inverted: off
    board.tell("network.world.switch(air[0], True)")
    board.until("joined")
    with board.client() as client:
        assert client.get("/api/pins/5").json()["value"] == 0
        assert client.put("/api/pins/5", json={"value": 1}).json()["value"] == 1
        assert board.tell("machine.pins[5].level") == 0


def test_pins_are_left_alone_in_safe_mode(board):
    board.settings(networks=[HOME], pins={"led": 2, "gpio": [RELAY]})
    board.start(before_main="recovery.safe_mode = True").until("joined")
    wait_until(lambda: is_shown(board, "error"), "the LED")
    assert board.tell("5 in machine.pins") is False
    with board.client() as client:
        settings = client.get("/api/settings").json()
        assert client.put("/api/settings", json={**settings, "hostname": "attic"}).status_code == 200
    assert board.tell("5 in machine.pins") is False


def test_ctrl_c_in_any_state_gives_the_prompt(board):
    opens(board.start())
    board.interrupt()
    board.until("stopped")
    board.until(">>>")
    assert "Traceback" not in board.console


# -- settings


def test_settings_broken_by_hand_are_replaced_by_the_last_good_ones(board):
    board.settings(networks=[HOME], hostname="pool")
    board.start().until("joined")
    board.cut()
    (board.flash / "data" / "config.json").write_text('{"networks": [{"ssid": "Home", "password": "' + PASSWORD)
    board.start()
    assert "config.json cannot be used" in board.until("config.json.bad")
    board.until("the last good settings are used")
    board.until("joined")
    assert board.status()["hostname"] == "pool" and board.saved()["hostname"] == "pool"
    assert PASSWORD not in board.console


def test_settings_that_nothing_can_save_leave_a_board_to_set_up(board):
    for name in ("config.json", "config.good.json"):
        (board.flash / "data" / name).write_text("?")
    board.start()
    opens(board)
    assert Page(Phone(board).get("/").text).fields == {"ssid": "", "password": None}


# -- a long life


def test_half_an_hour_of_comings_and_goings_leaves_the_heap_flat(board):
    board.speed = 200
    board.settings(networks=[HOME], access_point=QUICK)
    board.start().until("joined")
    used = []
    open_files = []
    states = 0
    while states < 40 or board.tell("board.uptime_s()") < 1800:
        board.tell("network.world.switch(air[0], False)")
        opens(board)
        assert Phone(board).get("/generate_204", headers={"Host": "x.example.org"}).status_code == 302
        board.tell("network.world.switch(air[0], True)")
        board.until("joined")
        assert wifi(board)["state"] == "connected"
        wait_until(lambda: is_dns_gone(board), "the end of DNS")
        used.append(board.tell("used()"))
        open_files.append(board.open_files())
        states += 4  # lost, joining, access point, joined
    # The least of several: the collector takes numbers on the stack for addresses.
    early, late = min(used[2:5]), min(used[-3:])
    assert late - early < 512, used
    assert len(set(open_files)) == 1, open_files


def test_https_does_not_keep_a_phone_from_the_setup_page(board):
    assert tools.main(["cert", "--out", str(board.flash / "data" / "tls"), "limpet.local"]) == 0
    board.settings(ports={"http": 80, "https": free_port()})
    board.start()
    opens(board)
    with board.client() as client:
        probe = client.get("/generate_204", headers={"Host": "captive.apple.com"})
        assert (probe.status_code, probe.headers["location"]) == (302, "http://192.168.4.1/")
        assert Page(client.get("/").text).fields == {"ssid": "", "password": None}
