"""Writes from pages of other sites and names that are not the board's."""

import pytest
import websockets.exceptions
from hypothesis import given
from hypothesis import strategies as st
from websockets.sync.client import connect

from firmware.features import hosts, origins
from host_tests.features.test_auth import ADMIN, GUARDED, client, guarded, log_in, tokens  # noqa: F401 - fixtures
from host_tests.server.test_connection import Client, ask
from host_tests.servers import Server
from host_tests.vectors import heads
from host_tests.vectors import origins as vectors

HOSTS = st.text("abcXYZ0123456789.-:[]", max_size=30)


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("origins")


@given(st.text("htps:/.limpetoca0189[]@ \t", max_size=40), HOSTS)
def test_page_of_this_board_is_only_what_is_written_like_it(origin, host):
    request = heads.request("Origin: " + origin, host=host) if all_well(host) else None
    if request and not origins.is_foreign(request):
        scheme, _, authority = origin.strip(" \t").lower().partition("://")
        assert scheme in ("http", "https") and authority
        strip = ":80" if scheme == "http" else ":443"
        assert authority.removesuffix(strip) == host.lower().removesuffix(strip)


def all_well(host):
    """Tell whether the parser takes a Host."""
    try:
        heads.request(host=host)
    except AssertionError:
        return False
    return True


@given(HOSTS)
def test_any_host_has_a_name(host):
    name = hosts.host_name(host)
    assert name in host.lower()
    assert not hosts._is_known(name, ("limpet.local",)) or name in ("limpet.local",) or hosts.is_address(name)


# -- writes


@pytest.mark.parametrize(
    "fields",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("path", ["/value", "/api/login", "/api/logout", "/api/password", "/nowhere"])
def test_write_from_another_site_is_refused(guarded, fields, path):  # noqa: F811
    with client(guarded) as http:
        for method in ("POST", "PUT", "DELETE"):
            assert http.request(method, path, headers=fields, auth=ADMIN).status_code == 403
        assert http.get("/value", headers=fields).status_code == 200
        assert http.request("OPTIONS", "/value", headers=fields).status_code == 204


ANYWHERE = ["capacitor://localhost", "file://", "null", "http://evil.example"]


@pytest.mark.parametrize("origin", ANYWHERE)
def test_token_counts_wherever_its_request_comes_from(guarded, tokens, origin):  # noqa: F811
    """RFC 6454 8.3: no browser sends it by itself."""
    fields = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    with client(guarded, headers=fields) as http:
        answer = http.put("/value", headers={"Authorization": "bearer " + tokens["write"]})
        assert answer.json() == {"by": "the-write", "role": "write", "how": "token"}
        assert http.put("/value", headers={"Authorization": "Bearer x"}).status_code == 401
        assert http.put("/value", headers={"Authorization": "Bearer " + tokens["read"]}).status_code == 403
        # It takes none that is worth something.
        assert http.put("/value", auth=ADMIN).status_code == 403
        assert http.put("/value", headers={"Authorization": "Bearerx y"}).status_code == 403


@pytest.mark.parametrize("origin", ANYWHERE)
def test_token_opens_a_websocket_from_anywhere(guarded, tokens, origin):  # noqa: F811
    address = guarded.url.replace("http", "ws") + "ws"
    for fields, status in (({}, 401), ({"Authorization": "Bearer x"}, 401)):
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
            connect(address, origin=origin, additional_headers=fields, source_address=("127.0.0.2", 0))
        assert refused.value.response.status_code == status
    fields = {"Authorization": "Bearer " + tokens["write"]}
    with connect(address, origin=origin, additional_headers=fields, source_address=("127.0.0.2", 0)) as socket:
        socket.send("hello")
        assert socket.recv() == "the-write: hello"


def test_token_from_anywhere_is_nobody_s_while_there_is_no_password(start_server):
    """On a laptop its own browser may do everything; no page of another site has it do that by a made-up token."""
    server = start_server("open", script=GUARDED)
    fields = ("Origin: http://evil.example", "Authorization: Bearer x")
    for line in ("PUT /value", "POST /setup/wifi", "PUT /api/password"):
        assert ask(server, line, *fields, "Content-Type: application/json", body=b"{}").status == 403


def test_write_from_a_page_of_the_board_is_taken(guarded):  # noqa: F811
    with client(guarded) as http:
        http.headers["Origin"] = guarded.url.rstrip("/")
        assert log_in(http).status_code == 200
        assert http.put("/value").status_code == 200


# -- names


@pytest.fixture(scope="module", params=["hosts", "names", "any-host"])
def named(request, server_interpreter):
    with Server(server_interpreter, request.param, script=GUARDED) as running:
        running.word = request.param
        yield running


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("limpet.local", "hosts names any-host"),
        ("LIMPET.local.:8080", "hosts names any-host"),
        ("localhost", "hosts names any-host"),
        ("192.168.4.1", "hosts names any-host"),
        ("192.168.4.7:80", "names any-host"),
        ("[fe80::7]:80", "names any-host"),
        ("evil.example", "any-host"),
        ("limpet.local.evil.example", "any-host"),
        ("192.168.4.1.evil.example", "any-host"),
        ("", "any-host"),
    ],
)
@pytest.mark.parametrize("line", ["GET /", "PUT /value", "GET /nowhere", "OPTIONS /"])
def test_only_the_board_s_own_hosts_are_answered(named, host, words, line):
    with Client(named) as connection:
        connection.send(f"{line} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert (connection.read().status == 421) == (named.word not in words.split())


def test_without_a_host_there_is_no_name_to_refuse(named):
    assert b" 200 OK\r\n" in named.raw(b"GET / HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize("version, field", [("1.1", "Host: %s\r\n"), ("1.0", "Host: %s\r\n"), ("1.0", "X: %s\r\n")])
def test_target_s_own_host_is_the_one_that_is_asked_for(named, version, field):
    """RFC 9112 3.2.2: whatever Host says."""
    if named.word == "any-host":
        return
    for target, host, status in (
        ("http://limpet.local/", "evil.example", 200),
        ("http://limpet.local:8080", "evil.example", 200),
        ("http://evil.example/", "limpet.local", 421),
        ("HTTP://evil.example?http://limpet.local/", "limpet.local", 421),
    ):
        raw = f"GET {target} HTTP/{version}\r\n{field % host}Connection: close\r\n\r\n"
        assert f" {status} ".encode() in named.raw(raw.encode())[:13]


@pytest.mark.parametrize("host", ["[zz]", "[1]", "[::1::]", "[::1]:80:80"])
def test_host_that_is_none_is_refused(named, host):
    for target in ("/", "http://limpet.local/"):
        for _ in range(2):
            raw = named.raw(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert raw.startswith(b"HTTP/1.1 400 ")
    # Whoever comes behind it is not taken for it.
    assert b" 200 OK\r\n" in named.raw(b"GET / HTTP/1.0\r\n\r\n")


def test_refusal_is_a_page(named):
    if named.word == "hosts":
        with client(named) as http:
            answer = http.get("/", headers={"Host": "evil.example", "Accept": "application/json"})
            assert answer.json()["error"]["reason"] == "Misdirected Request"
            assert answer.headers["x-content-type-options"] == "nosniff"
    assert ask(named, "GET /").status == (200 if named.word == "any-host" else 421)
