"""Sessions: the cookie, its clocks, and what ends it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_tests.features.test_auth import GUARDED, client, log_in
from host_tests.vectors import sessions as vectors

BOARD = vectors.Board()
FIELD = BOARD.begin()


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("sessions")


@given(st.binary(max_size=300) | st.lists(st.sampled_from(FIELD.split(b".")), max_size=9).map(b".".join))
def test_random_cookies_are_nobody_s(value):
    if value.strip(b" \t") != FIELD:
        assert BOARD.read(value) is None
    assert BOARD.read(b"limpet=" + value.replace(b";", b"")) is None


@given(st.integers(len("limpet="), len(FIELD)), st.binary(max_size=3), st.integers(0, 3))
def test_altered_cookies_are_nobody_s(at, piece, cut):
    altered = FIELD[:at] + piece + FIELD[at + cut :]
    # Spaces and quotes around a value are no part of it; behind a semicolon another cookie begins.
    name, _, value = altered.split(b";")[0].partition(b"=")
    if name.strip(b" \t") + b"=" + value.strip(b' \t"') != FIELD:
        assert BOARD.read(altered) is None


@pytest.fixture
def clocked(start_server):
    return start_server(script=GUARDED)


def test_session_ends_in_time_by_whatever_clock_there_is(clocked):
    with client(clocked) as http:
        log_in(http)
        start = http.get("/test/clock").json()["unix"]
        http.get(f"/test/clock?unix={start + 43199}")
        assert http.get("/api/session").json()["expires_s"] == 1
        http.get(f"/test/clock?unix={start + 43200}")
        assert http.put("/value").status_code == 401
        http.get(f"/test/clock?unix={start}")
        assert http.put("/value").status_code == 200
        http.get("/test/clock?unix=")  # nobody knows the time
        assert http.put("/value").status_code == 401
        log_in(http)
        assert http.put("/value").status_code == 200
        http.get(f"/test/clock?unix={start}")
        assert http.put("/value").status_code == 200
        http.get("/test/clock?uptime=50000")
        assert http.put("/value").status_code == 401


@pytest.mark.interpreters("amd64")
def test_cookie_is_for_tls_where_clients_come_over_it(start_server):
    server = start_server("secure", script=GUARDED)
    with client(server) as http:
        cookie = log_in(http).headers["set-cookie"]
        assert cookie.startswith("__Host-limpet=") and "; Secure; HttpOnly; SameSite=Strict" in cookie
        assert not http.get("/api/session").json()["user"]  # it is not sent without TLS
        value = cookie.split(";")[0]
        assert http.get("/api/session", headers={"Cookie": value}).json()["user"] == "admin"
        planted = value.replace("__Host-", "")
        assert http.get("/api/session", headers={"Cookie": planted}).json()["user"] is None
