"""Every request has a name: the client's, where it is safe, else one made here, in every answer."""

import json
import re

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware.features.requestid import is_valid
from host_tests.server.test_connection import Client, ask
from host_tests.servers import SOCKET_TIMEOUT_S, Server, read_responses
from host_tests.vectors import requestid as vectors

WATCHED = "host_tests/apps/watched.py"
MADE = re.compile(r"[0-9a-f]{8}-[1-9a-f][0-9a-f]*")
SAFE = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,64}")

TEN_THOUSAND = """
import gc
from firmware.features import requestid

class Request:
    raw_id = None
    answer_lines = b""

    def __init__(self, number):
        self.sent = b"client-%d" % number if number % 2 else b"bad %d" % number

    def field(self, name):
        return self.sent

def make(first, last):
    for number in range(first, last):
        requestid.id_of(Request(number))
    gc.collect()
    return gc.mem_alloc()

make(0, 100)
before = make(100, 200)
print(make(200, 10200) - before)
"""


@pytest.fixture(scope="module")
def watched(server_interpreter):
    with Server(server_interpreter, script=WATCHED) as running:
        yield running


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("requestid")


@given(st.binary(max_size=70) | st.from_regex(SAFE, fullmatch=True))
@example(b"a\n")
def test_id_is_valid_where_a_pattern_says_so(raw):
    assert is_valid(raw) is bool(SAFE.fullmatch(raw))


@pytest.mark.parametrize("id", ["abc", "8e03978e-40d5-43dd-bc93-6894a57f9324", "x" * 64, "a.b_c~d+e/f=g:h@i"])
def test_safe_id_is_taken_over(watched, id):
    answer = ask(watched, "GET /json", f"X-Request-ID: {id}")
    assert answer.header("x-request-id") == id
    assert json.loads(answer.body) == {"id": id}


@pytest.mark.parametrize("id", ["", "x" * 65, "a b", "<b>", 'a"b', "a\\b", "a%0ab", "a,b", "ä", "\xff"])
def test_other_id_is_replaced(watched, id):
    answer = ask(watched, "GET /json", f"X-Request-ID: {id}")
    assert MADE.fullmatch(answer.header("x-request-id"))


def test_response_that_is_returned_again_has_no_id_of_others(watched):
    for number in range(3):
        assert ask(watched, "GET /pong", f"X-Request-ID: client{number}").header("x-request-id") == f"client{number}"


def test_two_ids_are_replaced(watched):
    answer = ask(watched, "GET /json", "X-Request-ID: a", "X-Request-ID: b")
    assert MADE.fullmatch(answer.header("x-request-id"))


def test_ids_are_made_once(watched):
    with Client(watched) as client:
        ids = [client.ask("GET /json").header("x-request-id") for _ in range(60)]
    assert len(set(ids)) == 60
    assert all(MADE.fullmatch(id) for id in ids)
    assert len({id.split("-")[0] for id in ids}) == 1


def test_ids_of_another_start_are_others(start_server):
    first, second = (ask(start_server(script=WATCHED), "GET /json").header("x-request-id") for _ in range(2))
    assert first != second


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /json", 200),
        ("HEAD /json", 200),
        ("GET /text", 200),
        ("GET /stream", 200),
        ("GET /long/5000", 200),
        ("GET /cached", 304),
        ("GET /nothing", 404),
        ("DELETE /json", 405),
        ("BREW /json", 501),
        ("OPTIONS /json", 204),
        ("GET /raise", 500),
        ("GET /json?%", 200),
        ("GET /api/log?since=x", 400),
    ],
)
def test_every_answer_has_the_id(watched, line, status):
    answer = ask(watched, line, "X-Request-ID: mine-1")
    assert (answer.status, answer.header("x-request-id")) == (status, "mine-1")
    answer = ask(watched, line)
    assert MADE.fullmatch(answer.header("x-request-id"))


def test_answer_of_a_hook_has_the_id(watched):
    answer = ask(watched, "GET /json", "X-Stop: 1", "X-Request-ID: mine-2")
    assert (answer.status, answer.header("x-request-id")) == (403, "mine-2")


def test_id_injects_nothing(watched):
    raw = watched.raw(b"GET /json HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-ID: a\nSet-Cookie: b\r\n\r\n")
    for answer in read_responses(raw):
        assert answer.header("set-cookie") is None


def test_client_library_finds_its_id(watched):
    with httpx.Client(base_url=watched.url, timeout=SOCKET_TIMEOUT_S, trust_env=False) as client:
        assert client.get("/json", headers={"x-request-id": "httpx-1"}).headers["X-Request-ID"] == "httpx-1"


def test_ten_thousand_ids_leave_no_trace(micropython):
    assert int(micropython.run("-c", TEN_THOUSAND).stdout) <= 256
