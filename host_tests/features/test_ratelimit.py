"""Rate limits: who asks too often is told when to come back, others are served meanwhile, and the table stays small."""

import re
import socket
import sys
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.features.ratelimit import Buckets
from host_tests.server.test_connection import Client, ask, last
from host_tests.servers import HOST, SOCKET_TIMEOUT_S, Server, read_response
from host_tests.vectors import ratelimit as vectors

WATCHED = "host_tests/apps/watched.py"
linux = pytest.mark.skipif(sys.platform != "linux", reason="has all of 127.0.0.0/8")

# draft-ietf-httpapi-ratelimit-headers-10: Lists of Strings with Integers as parameters
POLICY = re.compile(r'"([a-z]+)";q=(\d+);w=(\d+)')
LIMIT = re.compile(r'"([a-z]+)";r=(\d+);t=(\d+)')

TEN_THOUSAND = """
import gc
from firmware.features.ratelimit import Buckets

buckets = Buckets("default", 60, 10, 64)

def come(first, last):
    for number in range(first, last):
        buckets.take("10.%d.%d.%d" % (number & 3, number >> 8 & 255, number & 255), number // 10 + 1)
    gc.collect()
    return gc.mem_alloc()

come(0, 300)
before = come(300, 600)
print(come(600, 10600) - before)
"""

NO_GARBAGE = """
import micropython
from firmware.features.ratelimit import Buckets

buckets = Buckets("default", 60, 10, 4)
for address in "abcd":
    buckets.take(address, 1)

def take(first, last):
    for clock in range(first, last):
        buckets.take("c", clock)

take(1, 100)
micropython.heap_lock()
try:
    take(100, 200)
finally:
    micropython.heap_unlock()
print("none")
"""


@pytest.fixture(scope="module")
def watched(server_interpreter):
    """Generous for the many requests of one address here, tight at some routes."""
    with Server(server_interpreter, "per_minute=60000", "burst=5000", script=WATCHED) as running:
        yield running


def told(answer):
    """Return {policy: (quota, window, remaining, seconds)} of an answer's fields, strictly read."""
    policies = [POLICY.fullmatch(item) for item in answer.header("ratelimit-policy").split(", ")]
    limits = [LIMIT.fullmatch(item) for item in answer.header("ratelimit").split(", ")]
    assert [match[1] for match in policies] == [match[1] for match in limits]
    return {
        policy[1]: (int(policy[2]), int(policy[3]), int(limit[2]), int(limit[3]))
        for policy, limit in zip(policies, limits)
    }


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("ratelimit")


@given(
    st.integers(1, 600),
    st.integers(1, 20),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 300)), max_size=60),
)
def test_buckets_do_as_exact_arithmetic_does(per_minute, burst, takes):
    buckets = Buckets("name", per_minute, burst, 3)
    model = {}
    clock = 1
    for address, gap in takes:
        clock += gap
        # In tokens a 120th: a minute has 120 sweeps.
        parts, seen = model.get(address, (120 * burst, clock))
        parts = min(parts + (clock - seen) * per_minute, 120 * burst)
        allowed = parts >= 120
        model[address] = (parts - 120 * allowed, clock)
        at = buckets.take(address, clock)
        assert (at >= 0) is allowed
        at = max(at, -1 - at)
        assert int(re.search(rb"r=(\d+)", buckets.tell(at))[1]) == model[address][0] // 120
        # What it says is true: there is one more then, and was none a second before.
        wait = 2 * buckets.wait_s(at)
        for sweeps, enough in ((wait, True), (wait - 2, False)):
            assert ((model[address][0] % 120 + sweeps * per_minute) >= 120) is enough


@given(st.integers(1, 5), st.lists(st.integers(0, 20), max_size=100))
def test_table_keeps_who_came_last(clients, visitors):
    buckets = Buckets("name", 1, 1, clients)
    recent = []
    for clock, visitor in enumerate(visitors, 1):
        known = visitor in recent
        assert (buckets.take(str(visitor), clock) >= 0) is not known
        if known:
            recent.remove(visitor)
        recent = [*recent, visitor][-clients:]
        assert len(buckets._index) == len(recent)


@pytest.mark.parametrize("name", ["", 'a"b', "a\\b"])
def test_policy_has_a_name_that_fits_its_field(name):
    with pytest.raises(ValueError):
        Buckets(name, 1, 1, 1)


def test_who_asks_too_often_is_told_when_to_come_back(start_server):
    server = start_server("per_minute=60", "burst=5", script=WATCHED)
    with Client(server) as client:
        answers = [client.ask("GET /json") for _ in range(12)]
    served = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status == 429]
    # A machine that takes seconds for this gives a token or two back.
    assert 5 <= len(served) <= 9 and len(served) + len(refused) == 12
    quota, window, remaining, _ = told(answers[0])["default"]
    assert (quota, window, remaining) == (5, 5, 4)
    for answer in refused:
        _, _, remaining, wait_s = told(answer)["default"]
        assert (remaining, answer.header("retry-after")) == (0, str(wait_s))
        assert wait_s == 1
        assert answer.body


def test_who_waits_is_served_again(start_server):
    server = start_server("per_minute=60", "burst=1", script=WATCHED)
    with Client(server) as client:
        answer = client.ask("GET /json")
        while answer.status == 200:
            answer = client.ask("GET /json")
        time.sleep(int(answer.header("retry-after")) + 0.6)  # and a sweep
        assert client.ask("GET /json").status == 200


def test_every_answer_counts_and_tells(start_server):
    server = start_server("per_minute=1", "burst=8", script=WATCHED)
    lines = ["GET /json", "HEAD /json", "GET /nothing", "DELETE /json", "GET /raise", "GET /cached", "OPTIONS /json"]
    with Client(server) as client:
        for left, line in zip(range(7, 0, -1), lines):
            assert told(client.ask(line))["default"][:3] == (8, 480, left)
    assert ask(server, "POST /things", body=b"{}").status == 201
    # The body of a request that is refused is not waited for.
    answer = ask(server, "POST /things", body=b"x" * 5000)
    assert (answer.status, answer.header("retry-after")) == (429, str(told(answer)["default"][3]))
    assert 55 <= int(answer.header("retry-after")) <= 60


@linux
def test_addresses_do_not_share_a_bucket(start_server):
    server = start_server("per_minute=1", "burst=2", script=WATCHED)

    def come_from(address):
        with socket.create_connection((HOST, server.port), SOCKET_TIMEOUT_S, (address, 0)) as connection:
            connection.sendall(last("GET /json"))
            return read_response(connection).status

    assert [come_from("127.0.0.1") for _ in range(3)] == [200, 200, 429]
    assert [come_from("127.0.0.2") for _ in range(3)] == [200, 200, 429]
    assert come_from("127.0.0.1") == 429
    # As many others as the table holds: who came first is forgotten.
    for number in range(10, 74):
        assert come_from(f"127.0.0.{number}") == 200
    assert come_from("127.0.0.1") == 200


@pytest.mark.parametrize(("path", "burst"), [("/tight", 2), ("/tight/later", 1)])
def test_route_has_a_limit_of_its_own(watched, path, burst):
    with Client(watched) as client:
        statuses = [client.ask(f"GET {path}").status for _ in range(burst + 3)]
        answer = client.ask(f"GET {path}")
        assert set(told(client.ask("GET /json"))) == {"default"}
    assert statuses[:burst] == [200] * burst and 429 in statuses
    name = "tight" if path == "/tight" else "later"
    assert set(told(answer)) == {"default", name}
    assert told(answer)[name][0] == burst


def test_refusal_is_told_as_asked(watched):
    with httpx.Client(base_url=watched.url, timeout=SOCKET_TIMEOUT_S, trust_env=False) as client:
        for _ in range(20):
            answer = client.get("/tight", headers={"accept": "application/json"})
            if answer.status_code == 429:
                break
    error = answer.json()["error"]
    assert (error["status"], error["reason"]) == (429, "Too Many Requests")
    assert answer.headers["retry-after"] in error["detail"]


def test_refusal_is_logged_and_no_error(start_server):
    server = start_server("per_minute=1", "burst=1", script=WATCHED)
    assert [ask(server, "GET /json").status for _ in range(2)] == [200, 429]
    assert "GET /json 429 " in server.output()
    assert "Traceback" not in server.output()


def test_ten_thousand_addresses_leave_the_heap_where_it_was(micropython):
    assert abs(int(micropython.run("-c", TEN_THOUSAND).stdout)) <= 512


def test_known_address_costs_no_garbage(micropython):
    assert micropython.run("-c", NO_GARBAGE).stdout.strip() == "none"
