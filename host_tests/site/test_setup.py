"""The setup page, from a phone's probe to the new address, over real sockets; a stub has the radio's part."""

from __future__ import annotations

import html.parser
import re
import time

import dns.message
import dns.query
import httpx
import pytest

from firmware.board.radio import NO_ADDRESS, NO_SUCH_NETWORK, WRONG_PASSWORD
from firmware.site import setup
from host_tests.apps.setup_app import HOSTILE, REASONS
from host_tests.apps.setup_app import PASSWORD as OWNER
from host_tests.server.test_connection import request
from host_tests.servers import HOST, SOCKET_TIMEOUT_S, Server, free_port

PASSWORD = "correct horse"

PROBES = [
    ("connectivitycheck.gstatic.com", "/generate_204"),
    ("clients3.google.com", "/gen_204"),
    ("captive.apple.com", "/hotspot-detect.html"),
    ("www.apple.com", "/library/test/success.html"),
    ("www.msftncsi.com", "/ncsi.txt"),
    ("www.msftconnecttest.com", "/connecttest.txt"),
    ("www.msftconnecttest.com", "/redirect"),
    ("detectportal.firefox.com", "/canonical.html"),
    ("detectportal.firefox.com", "/success.txt?ipv4"),
    ("example.org", "/"),
    ("example.org", "/result"),
    ("example.org", "/?scan=1"),
    ("127.0.0.2", "/"),
    ("127.0.0.1.example.org", "/"),
    ("limpet.example.org", "/"),
]


class Page(html.parser.HTMLParser):
    """A page as a browser sees it: `fields` {name: value}, `networks` [(value, name, words)], `text`, `tags`."""

    def __init__(self, text):
        super().__init__()
        self.fields = {}
        self.networks = []
        self.tags = []
        self.text = ""
        self.refresh = None
        self._in = []
        self.feed(text)
        self.close()
        assert not self._in, f"left open: {self._in}"

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        if tag not in ("meta", "link", "input", "br"):
            self._in.append(tag)
        assert not any(name.startswith("on") for name in attributes), attributes
        if tag == "input" and attributes.get("type") == "radio":
            self.networks.append([attributes["value"], "", []])
        elif tag == "input":
            self.fields[attributes["name"]] = attributes.get("value")
        elif tag == "meta" and attributes.get("http-equiv") == "refresh":
            self.refresh = attributes["content"]
        elif self.networks and "aria-label" in attributes:
            self.networks[-1][2].append(attributes["aria-label"])

    def handle_data(self, data):
        if self._in and self._in[-1] == "style":
            return
        self.text += data
        if self.networks and self._in and self._in[-1] == "bdi":
            self.networks[-1][1] += data

    def handle_endtag(self, tag):
        assert self._in.pop() == tag


@pytest.fixture
def phone(start_server):
    """A browser that follows redirects, at a setup page of its own."""
    server = start_server(script="host_tests/apps/setup_app.py")
    with httpx.Client(base_url=server.url, timeout=SOCKET_TIMEOUT_S, follow_redirects=True) as client:
        client.server = server
        yield client


@pytest.fixture(scope="module")
def served(server_interpreter):
    with Server(server_interpreter, script="host_tests/apps/setup_app.py") as running:
        yield running


@pytest.fixture
def client(served):
    """A client that follows nothing, at a setup page that tests of what changes nothing share."""
    with httpx.Client(base_url=served.url, timeout=SOCKET_TIMEOUT_S) as client:
        yield client


def asked(client):
    return client.get("/test/asked").json()


def result(client):
    """Load the result until it is there, as a browser does."""
    for _ in range(1000):
        answer = client.get("/result")
        page = Page(answer.text)
        if not page.refresh:
            return page
        assert int(page.refresh) <= 5
        time.sleep(0.02)
    raise AssertionError("still trying")


# -- a phone's way


def test_phone_comes_from_its_probe_to_the_new_address(server_interpreter):
    port = free_port()
    with Server(server_interpreter, f"dns={port}", script="host_tests/apps/setup_app.py") as server:
        query = dns.message.make_query("captive.apple.com", "A")
        assert dns.query.udp(query, HOST, port=port, timeout=SOCKET_TIMEOUT_S).answer
        with httpx.Client(base_url=server.url, timeout=SOCKET_TIMEOUT_S) as client:
            probe = client.get("/hotspot-detect.html", headers={"Host": "captive.apple.com"})
            assert (probe.status_code, probe.headers["location"]) == (302, "http://127.0.0.1/")
            first = client.get("/")
            assert (first.status_code, Page(first.text).networks, asked(client)) == (200, [], [])
            found = Page(client.get("/", params={"scan": "1"}).text)
            assert asked(client) == ["scan"]
            pool = [value for value, name, _ in found.networks if name == "Rock Pool"]
            form = {**found.fields, "network": pool[0], "password": PASSWORD}
            sent = client.post("/join", data=form, headers={"Origin": server.url[:-1]})
            assert (sent.status_code, sent.headers["location"]) == (303, "/result")
            page = result(client)
            assert asked(client) == [["Rock Pool", PASSWORD]]
        assert "Joined" in page.text and "Rock Pool" in page.text
        assert "http://10.0.0.7/" in page.text and "http://limpet.local/" in page.text
        assert PASSWORD not in server.output()


def test_page_waits_and_answers_while_a_network_is_tried(phone):
    sent = phone.post("/join", data={"ssid": "slow pool", "password": PASSWORD})
    for path in ("/result", "/", "/generate_204"):
        page = Page(phone.get(path).text)
        assert page.refresh and "slow pool" in page.text and PASSWORD not in page.text
    assert Page(sent.text).refresh
    # A button pressed twice, or somebody else's: one network is tried at a time.
    assert Page(phone.post("/join", data={"ssid": "other", "password": PASSWORD}).text).refresh
    assert asked(phone) == [["slow pool", PASSWORD]]
    phone.get("/test/go")
    assert "Joined" in result(phone).text
    # A phone that had to join the access point again is shown the form's page.
    assert "Joined" in phone.get("/").text


@pytest.mark.parametrize(
    ("ssid", "words"),
    [
        ("wrong", "Wrong password"),
        ("nowhere", "No such network"),
        ("silent", "gave no address"),
        ("odd", "<b>odd</b>"),
        ("broken", "internal error"),
    ],
)
def test_failure_is_explained_and_another_try_is_possible(phone, ssid, words):
    phone.post("/join", data={"ssid": ssid, "password": PASSWORD})
    page = result(phone)
    assert words in page.text and "Try again" in page.text and "b" not in page.tags
    form = phone.get("/")
    assert words in Page(form.text).text and PASSWORD not in form.text
    assert Page(form.text).fields == {"ssid": ssid, "password": None}
    # With a list to choose from, a name that stands there already would outdo the choice.
    assert Page(phone.get("/?scan=1").text).fields["ssid"] == ""
    phone.post("/join", data={"ssid": "good", "password": ""})
    assert "Joined" in result(phone).text
    assert [item for item in asked(phone) if item != "scan"] == [[ssid, PASSWORD], ["good", ""]]


def test_network_that_failed_is_chosen_in_the_list(phone):
    assert "checked" not in phone.get("/?scan=1").text
    phone.get("/test/networks/wrong")
    phone.post("/join", data={"ssid": "wrong", "password": ""})
    result(phone)
    (row,) = re.findall("<input [^>]*checked>", phone.get("/?scan=1").text)
    assert b"wrong".hex() in row


def test_with_a_password_nobody_joins_a_network_without_it(start_server):
    server = start_server("owned", script="host_tests/apps/setup_app.py")
    with httpx.Client(base_url=server.url, timeout=SOCKET_TIMEOUT_S) as client:
        page = Page(client.get("/", params={"scan": "1"}).text)
        assert page.fields == {"ssid": "", "password": None, "admin": None} and asked(client) == ["scan"]
        for wrong in ({}, {"admin": ""}, {"admin": "wrong horse"}):
            answer = client.post("/join", data={"ssid": "Rock Pool", "password": PASSWORD, **wrong})
            assert answer.status_code == 403 and "The password of this board is wrong." in Page(answer.text).text
            assert Page(answer.text).fields == {"ssid": "Rock Pool", "password": None, "admin": None}
        assert client.get("/result").status_code == 303 and asked(client) == []
        sent = client.post("/join", data={"ssid": "Rock Pool", "password": PASSWORD, "admin": OWNER})
        assert (sent.status_code, sent.headers["location"]) == (303, "/result")
        assert "Joined" in result(client).text and asked(client) == [["Rock Pool", PASSWORD]]


def test_password_is_guessed_as_slowly_as_elsewhere(start_server):
    server = start_server("owned", script="host_tests/apps/setup_app.py")
    with httpx.Client(base_url=server.url, timeout=SOCKET_TIMEOUT_S) as client:
        sent = [client.post("/join", data={"ssid": "Rock Pool", "admin": "wrong"}).status_code for _ in range(6)]
        assert sent[:4] == [403] * 4 and sent[5] == 429 and asked(client) == []


def test_result_without_a_try_is_the_form(phone):
    assert Page(phone.get("/result").text).fields == {"ssid": "", "password": None}


# -- the list


def test_list_has_signal_and_lock(client):
    page = Page(client.get("/?scan=1").text)
    assert [(name, words) for _, name, words in page.networks] == [
        ("Rock Pool", ["locked", "very good signal"]),
        ("Lighthouse", ["locked", "good signal"]),
        ("Harbour Cafe", ["fair signal"]),
        ("A network whose name is as long.", ["locked", "weak signal"]),
    ]


def test_list_is_made_on_request_only(client):
    asked(client)
    for path in ("/", "/?scan=", "/?other=1", "/result", "/generate_204"):
        client.get(path)
    assert asked(client) == []


@pytest.mark.parametrize(("networks", "rows"), [("none", 0), ("many", 12)])
def test_list_may_be_of_any_length(phone, networks, rows):
    phone.get(f"/test/networks/{networks}")
    answer = phone.get("/?scan=1")
    page = Page(answer.text)
    assert len(page.networks) == rows and len(answer.content) < 8192
    assert ("None was found" in page.text) == (not rows)


@pytest.mark.parametrize("at", range(len(HOSTILE)), ids=lambda at: ascii(HOSTILE[at]))
def test_hostile_name_is_shown_and_comes_back_as_it_was(phone, at):
    plain = Page(phone.get("/?scan=1").text)
    phone.get("/test/networks/hostile")
    page = Page(phone.get("/?scan=1").text)
    assert set(page.tags) == set(plain.tags)
    value, shown, _ = page.networks[at]
    assert shown == re.sub("[\0-\x1f\x7f-\x9f]", "\ufffd", HOSTILE[at])
    phone.post("/join", data={"network": value, "ssid": "", "password": PASSWORD})
    told = result(phone)
    assert set(told.tags) <= set(plain.tags) | {"a", "br"}
    assert shown in told.text
    assert [item for item in asked(phone) if item != "scan"] == [[HOSTILE[at], PASSWORD]]


def test_hostile_name_that_failed_is_typed_as_it_was(phone):
    ssid = "'\"><script>wrong</script>"
    phone.post("/join", data={"ssid": ssid, "password": ""})
    assert ssid in result(phone).text
    page = Page(phone.get("/").text)
    assert page.fields["ssid"] == ssid and "script" not in page.tags


# -- what is sent


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"other": "x"}, 422, "Choose a network"),
        ({"ssid": "", "network": ""}, 422, "Choose a network"),
        ({"ssid": "x" * 33}, 422, "up to 32 bytes"),
        ({"ssid": "\u20ac" * 11}, 422, "up to 32 bytes"),
        ({"ssid": "x\0"}, 422, "up to 32 bytes"),
        ({"ssid": "x", "password": "1234567"}, 422, "8 to 63"),
        ({"ssid": "x", "password": "x" * 64}, 422, "64 hex digits"),
        ({"ssid": "x", "password": "1" * 65}, 422, "8 to 63"),
        ({"ssid": "x", "password": "p\xe4ssword1"}, 422, "ASCII"),
        ({"ssid": "x", "password": "pass\nword1"}, 422, "ASCII"),
        ({"network": "zz"}, 400, "no network of the list"),
        ({"network": "abc"}, 400, "no network of the list"),
        ({"network": "\u20ac"}, 400, "no network of the list"),
        ({"network": "ff"}, 400, "UTF-8"),
        ({"network": "61" * 33}, 422, "up to 32 bytes"),
    ],
)
def test_wrong_input_is_refused_and_nothing_tried(client, form, status, words):
    asked(client)
    answer = client.post("/join", data=form)
    assert (answer.status_code, asked(client)) == (status, [])
    assert words in Page(answer.text).text
    assert form.get("password", "no password") not in answer.text
    if status == 422 and form.get("ssid"):
        assert Page(answer.text).fields["ssid"] == form["ssid"].replace("\0", "\ufffd")


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("text/plain", b"ssid=x&password=12345678", 415),
        ("application/json", b'{"ssid": "x"}', 415),
        ("application/x-www-form-urlencoded", b"ssid=%zz", 400),
        ("application/x-www-form-urlencoded", b"ssid=%ff", 400),
        ("application/x-www-form-urlencoded", b"a&" * 100, 400),
        ("application/x-www-form-urlencoded", b"x" * 20_000, 413),
    ],
)
def test_what_is_no_form_is_refused(client, kind, body, status):
    asked(client)
    answer = client.post("/join", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, asked(client)) == (status, [])


@pytest.mark.parametrize(
    "form",
    [
        {"ssid": "x" * 32, "password": "1" * 63},
        {"ssid": "the key itself", "password": "0123456789abcdefABCDEF" + "0" * 42},
        {"ssid": "Gr\xfc\xdfe \U0001f40c", "password": "1" * 8},
        {"ssid": " open ", "password": ""},
        {"ssid": "typed", "network": b"chosen".hex(), "password": " +&%=\"'<~"},
    ],
)
def test_right_input_is_tried_as_it_is(phone, form):
    phone.post("/join", data=form)
    result(phone)
    assert asked(phone) == [[form["ssid"], form["password"]]]


# -- who asks whom


@pytest.mark.parametrize(("host", "path"), PROBES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_probe_is_led_to_our_address(client, method, host, path):
    answer = client.request(method, path, headers={"Host": host})
    assert (answer.status_code, answer.headers["location"]) == (302, "http://127.0.0.1/")
    assert answer.headers["cache-control"] == "no-store"
    assert asked(client) == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "limpet.local", "LIMPET.local.", "limpet", "localhost", "limpet.local:80", "limpet-2.local"]
)
def test_our_own_names_are_answered(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 200
    led = client.get("/index.html", headers={"Host": host})
    assert (led.status_code, led.headers["location"]) == (302, f"http://{host}/")


@pytest.mark.parametrize(
    "path", ["/api/status", "/users", "/style.css", "/favicon.ico", "/..%2fmain.py", "/join/", "/x//"]
)
def test_nothing_else_is_served(client, path):
    answer = client.get(path)
    assert answer.status_code == 302
    assert re.fullmatch('<a href="http://127.0.0.1:[0-9]+/">Continue</a>', answer.text)


def test_client_without_host_is_served(served):
    assert served.raw(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert b"Location: http://127.0.0.1/\r\n" in served.raw(b"GET /x HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.2", "https://limpet.local.evil.example", "http://127.0.0.1:1", ""],
)
def test_page_of_another_site_cannot_join_us(client, origin):
    answer = client.post("/join", data={"ssid": "x", "password": PASSWORD}, headers={"Origin": origin})
    assert (answer.status_code, asked(client)) == (403, [])


def test_page_under_a_foreign_name_cannot_join_us(client):
    """With DNS leading every name here, Origin and Host of somebody's page agree: the name is not ours."""
    headers = {"Host": "evil.example", "Origin": "http://evil.example"}
    answer = client.post("/join", data={"ssid": "x", "password": PASSWORD}, headers=headers)
    assert (answer.status_code, asked(client)) == (403, [])


@pytest.mark.parametrize("name", ["127.0.0.1", "limpet.local"])
def test_our_own_page_may_join(phone, name):
    host = f"{name}:{phone.server.port}"
    headers = {"Host": host, "Origin": f"http://{host}"}
    answer = phone.post("/join", data={"ssid": "x", "password": ""}, headers=headers, follow_redirects=False)
    assert answer.status_code == 303
    result(phone)
    assert asked(phone) == [["x", ""]]


def test_foreign_name_waits_where_there_is_no_address(phone):
    phone.get("/test/address/none")
    answer = phone.get("/generate_204", headers={"Host": "captive.apple.com"}, follow_redirects=False)
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert phone.get("/").status_code == 200


@pytest.mark.parametrize(
    "line", ["GET /", "GET /nothing", "GET /join", "POST /join", "GET /result", "GET /?a=%zz&scan=1"]
)
def test_every_answer_is_kept_by_nobody(client, line):
    method, path = line.split()
    answer = client.request(method, path)
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


# -- the page


@pytest.mark.parametrize(("path", "most"), [("/", 4096), ("/?scan=1", 5120)])
def test_page_is_small_and_needs_nothing_else(client, path, most):
    answer = client.get(path)
    assert len(answer.content) < most
    loaded = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')>\s]*)""", answer.text)
    assert set(loaded) <= {"data:,", "#lock", "#bars"}
    assert "<script" not in answer.text


def test_form_may_come_byte_by_byte(served):
    body = b"ssid=" + b"x" * 40
    raw = request("POST /join", "Content-Type: application/x-www-form-urlencoded", "Connection: close", body=body)
    raw = raw.replace(b"limpet.test", b"limpet.local")
    with served.connect() as connection:
        for at in range(len(raw)):
            connection.sendall(raw[at : at + 1])
        assert connection.recv(100).startswith(b"HTTP/1.1 422 ")


def test_reasons_of_the_supervisor_have_advice():
    """The words are the supervisor's; where they change, so has the page."""
    assert set(setup._ADVICE) == {WRONG_PASSWORD, NO_SUCH_NETWORK, NO_ADDRESS}
    assert set(REASONS.values()) > set(setup._ADVICE)
