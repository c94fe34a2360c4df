"""Writes from pages of other sites, plain forms, and names that are not the board's."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.features import origins
from host_tests.servers import Server
from host_tests.test_auth import ADMIN, GUARDED, client, guarded, log_in  # noqa: F401 - a fixture
from host_tests.test_connection import Client, ask
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
    name = origins.host_name(host)
    assert name in host.lower()
    assert not origins._is_known(name, ("limpet.local",)) or name in ("limpet.local",) or origins.is_address(name)


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


def test_write_from_a_page_of_the_board_is_taken(guarded):  # noqa: F811
    with client(guarded) as http:
        http.headers["Origin"] = guarded.url.rstrip("/")
        assert log_in(http).status_code == 200
        assert http.put("/value").status_code == 200


# -- plain forms


def token_of(http):
    """Return the token that the form's page has."""
    return re.search('value="([0-9a-f]{64})"', http.get("/form").text).group(1)


def test_form_takes_its_token(guarded):  # noqa: F811
    with client(guarded) as http:
        log_in(http)
        token = token_of(http)
        answer = http.post("/form", data={"token": token, "name": "a"})
        assert (answer.status_code, answer.json()) == (200, {"took": "a"})
        assert http.post("/form", files={}, data={"token": token, "name": "b"}).json() == {"took": "b"}
        for wrong in ("", "0" * 64, token[:-1], token + "0", "é"):
            assert http.post("/form", data={"token": wrong, "name": "a"}).status_code == 403
        assert http.post("/form", data={"name": "a"}).status_code == 403
        assert http.post("/form", json={"token": token}).status_code == 415


def test_form_s_token_is_of_one_session(guarded):  # noqa: F811
    with client(guarded) as http, client(guarded) as other:
        before = token_of(http)
        assert before == token_of(other)  # of the address, without a session
        log_in(http)
        log_in(other)
        assert len({before, token_of(http), token_of(other)}) == 3
        for token in (before, token_of(other)):
            assert http.post("/form", data={"token": token, "name": "a"}).status_code == 403


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


def test_refusal_is_a_page(named):
    if named.word == "hosts":
        with client(named) as http:
            answer = http.get("/", headers={"Host": "evil.example", "Accept": "application/json"})
            assert answer.json()["error"]["reason"] == "Misdirected Request"
            assert answer.headers["x-content-type-options"] == "nosniff"
    assert ask(named, "GET /").status == (200 if named.word == "any-host" else 421)
