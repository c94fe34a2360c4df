"""A POST that is sent again is done once: over lost answers, at the same time, with other bodies, by other users."""

import json
import re
import select
import threading

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.features.idempotency import MAX_ANSWER_BYTES, MAX_BYTES, MAX_KEY_BYTES, MAX_KEYS, Store, parse_key
from firmware.http.errors import HTTPError
from host_tests.server.test_connection import Client, ask, request
from host_tests.server.test_listener import wait_until
from host_tests.servers import SOCKET_TIMEOUT_S, Server
from host_tests.vectors import idempotency as vectors

WATCHED = "host_tests/apps/watched.py"

# RFC 8941 3.3.3
STRING = re.compile(rb'"(?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])+"')

TEN_THOUSAND = """
import gc
from firmware.features import idempotency
from firmware.http.errors import HTTPError

class Server:
    clock = 1

class Request:
    slot = None
    client = "127.0.0.1"
    method = "POST"
    target = b"/things"
    query = b""

    @property
    def clock(self):
        return Server.clock

    def __init__(self, number):
        self.key = b'"%d"' % number
        self.body = b"%d" % number

    def field(self, name):
        return self.key if name == b"idempotency-key" else None

@idempotency.idempotent
def create(request):
    if request.body[-1] == 48:
        raise HTTPError(400, "wrong")
    if request.body[-1] == 49:
        raise HTTPError(503)
    return {"body": request.body.decode()}, 201, {"Location": "/things/%s" % request.body.decode()}

def use(first, last):
    for number in range(first, last):
        Server.clock = 1 + number // 10
        try:
            create(Request(number))
        except HTTPError:
            pass
    gc.collect()
    return gc.mem_alloc()

use(10000, 10100)
before = use(10100, 10200)
print(use(10200, 20200) - before)
"""


@pytest.fixture(scope="module")
def watched(server_interpreter):
    with Server(server_interpreter, script=WATCHED) as running:
        yield running


@pytest.fixture
def key(request, server_interpreter):
    """A key that no other test uses, as a field."""
    return f'Idempotency-Key: "{hash(request.node.nodeid)}"'


def made(server):
    """Return how many of each kind were made."""
    return json.loads(ask(server, "GET /made").body)


def essence(answer):
    """Return what a repetition has to have in common with the first answer."""
    fields = {name: answer.header(name) for name in ("content-type", "content-length", "location", "x-number")}
    return answer.status, answer.reason, fields, answer.body


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("idempotency")


@given(st.binary(max_size=12) | st.text('ab"\\ ,;', max_size=12).map(lambda text: f'"{text}"'.encode()))
def test_key_is_taken_where_the_grammar_says_so(raw):
    try:
        assert parse_key(raw) == raw[1:-1]
        is_key = True
    except HTTPError as error:
        assert error.status == 400
        is_key = False
    assert is_key is bool(STRING.fullmatch(raw))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1), st.integers(0, 1500) | st.none(), st.booleans())))
def test_store_stays_within_its_bounds(steps):
    store = Store()
    running = {}
    answers = {}
    for clock, (key, fingerprint, size, ends) in enumerate(steps):
        try:
            entry, is_new = store.begin(key, fingerprint, clock, vectors.Request())
        except HTTPError as error:
            assert error.status in (409, 422)
            # What runs is never run again, whatever else comes.
            assert error.status == 409 or key in running or key in answers
        else:
            assert key not in running
            if is_new:
                running[key] = entry
                answers.pop(key, None)
            else:
                assert entry.answer == answers[key]
        if ends and key in running:
            entry = running.pop(key)
            if size is None:
                store.forget(entry)
            else:
                answers[key] = (key, clock)
                store.keep(entry, answers[key], size)
                assert entry.answer == (answers[key] if size <= MAX_ANSWER_BYTES else False)
        count, held = store.count()
        assert count <= max(MAX_KEYS, len(running))
        assert held <= MAX_BYTES


# -- over sockets


def test_repetition_gets_the_first_answer(watched, key):
    before = made(watched).get("things", 0)
    answers = [ask(watched, "POST /things", key, body=b'{"a": 1}') for _ in range(4)]
    assert answers[0].status == 201
    assert answers[0].header("location") == f"/things/{before + 1}"
    assert [essence(answer) for answer in answers] == [essence(answers[0])] * 4
    assert made(watched)["things"] == before + 1
    # Each is a request of its own all the same.
    assert len({answer.header("x-request-id") for answer in answers}) == 4


def test_request_without_key_is_done_each_time(watched):
    before = made(watched).get("things", 0)
    numbers = [json.loads(ask(watched, "POST /things", body=b"{}").body)["number"] for _ in range(3)]
    assert numbers == [before + 1, before + 2, before + 3]


@pytest.mark.parametrize(
    "raw", ["abc", "", '""', '"a', 'a"', '"a"b"', '"\\a"', '"a", "b"', '"a";b', "42", ":YQ==:", '"ä"']
)
def test_key_that_is_no_string_is_refused(watched, raw):
    before = made(watched)
    with Client(watched) as client:
        answer = client.ask("POST /things", f"Idempotency-Key: {raw}", "Accept: application/json", body=b"{}")
        assert answer.status == 400
        assert "Idempotency-Key" in json.loads(answer.body)["error"]["detail"]
        assert client.is_open()
    assert made(watched) == before


def test_longest_key_is_taken(watched):
    longest = '"%s"' % ("x" * MAX_KEY_BYTES)
    assert ask(watched, "POST /things", f"Idempotency-Key: {longest}", body=b"{}").status == 201
    assert ask(watched, "POST /things", f'Idempotency-Key: {longest[:-1]}x"', body=b"{}").status == 400


def test_two_keys_are_refused(watched):
    two = ('Idempotency-Key: "a"', 'Idempotency-Key: "b"')
    assert ask(watched, "POST /things", *two, body=b"{}").status == 400


@pytest.mark.parametrize(
    ("line", "fields", "body"),
    [
        ("POST /things", [], b'{"a": 2}'),
        ("POST /things", [], b""),
        ("POST /things?a=1", [], b'{"a": 1}'),
        ("POST /things/other", [], b'{"a": 1}'),
        ("POST /things", ["Content-Type: text/plain"], b'{"a": 1}'),
    ],
)
def test_key_of_another_request_is_refused(watched, key, line, fields, body):
    assert ask(watched, "POST /things", key, body=b'{"a": 1}').status == 201
    before = made(watched)
    assert ask(watched, line, *fields, key, body=body).status == 422
    assert made(watched) == before
    assert ask(watched, "POST /things", key, body=b'{"a": 1}').status == 201
    assert made(watched) == before


def test_key_is_its_user_s(watched, key):
    numbers = [
        json.loads(ask(watched, "POST /things", key, *user, body=b"{}").body)["number"]
        for user in ([], ["X-User: ann"], ["X-User: bob"], ["X-User: ann"], [], ["X-User: address 127.0.0.1"])
    ]
    assert len(set(numbers)) == 4
    assert (numbers[0], numbers[1]) == (numbers[4], numbers[3])


@pytest.mark.parametrize(
    ("kind", "status", "times"),
    [
        ("thing", 200, 1),
        ("none", 204, 1),
        ("wrong", 400, 1),
        ("full", 409, 3),
        ("busy", 503, 3),
        ("answer-503", 503, 3),
        ("error", 500, 3),
        ("junk", 500, 3),
    ],
)
def test_answers_are_kept_unless_another_try_may_change_them(watched, key, kind, status, times):
    before = made(watched).get(kind, 0)
    # The request's id may stand in an error's body.
    answers = [ask(watched, f"POST /things/{kind}", key, "X-Request-ID: a", body=b"") for _ in range(3)]
    assert [answer.status for answer in answers] == [status] * 3
    assert made(watched)[kind] == before + times
    if times == 1:
        assert [essence(answer) for answer in answers] == [essence(answers[0])] * 3


@pytest.mark.parametrize("kind", ["long", "stream"])
def test_what_is_too_long_to_be_kept_is_not_done_again(watched, key, kind):
    before = made(watched).get(kind, 0)
    assert ask(watched, f"POST /things/{kind}", key, body=b"").status == 200
    answer = ask(watched, f"POST /things/{kind}", key, "Accept: application/json", body=b"")
    assert (answer.status, answer.header("retry-after")) == (409, None)
    assert "done already" in json.loads(answer.body)["error"]["detail"]
    assert made(watched)[kind] == before + 1


def test_retry_after_a_lost_answer_makes_one(watched, key):
    before = made(watched).get("things", 0)
    client = Client(watched)
    client.send(request("POST /things", key, body=b"{}"))
    wait_until(lambda: made(watched)["things"] > before, "the first request")
    client.reset()
    answer = ask(watched, "POST /things", key, body=b"{}")
    assert (answer.status, json.loads(answer.body)["number"]) == (201, before + 1)
    assert made(watched)["things"] == before + 1


def test_retry_while_the_first_one_runs_is_refused(watched, key):
    with Client(watched) as first:
        first.send(request("POST /slow/a", key, body=b"{}"))
        wait_until(lambda: "a" in made(watched), "the first request")
        for _ in range(3):
            answer = ask(watched, "POST /slow/a", key, body=b"{}")
            assert (answer.status, answer.header("retry-after")) == (409, "1")
        assert ask(watched, "POST /slow/a", key, body=b"x").status == 422
        assert json.loads(ask(watched, "GET /open/a").body) == {"opened": True}
        answer = first.read()
    assert (answer.status, answer.body) == (201, b'{"number": 1}')
    assert essence(ask(watched, "POST /slow/a", key, body=b"{}")) == essence(answer)
    assert made(watched)["a"] == 1


def test_key_of_a_request_that_was_given_up_is_free(watched, key):
    client = Client(watched)
    client.send(request("POST /slow/b", key, body=b"{}"))
    wait_until(lambda: "b" in made(watched), "the first request")
    client.reset()
    with Client(watched) as second:
        second.send(request("POST /slow/b", key, body=b"{}"))

        def is_running():
            # The server notices within a sweep that its client has gone; until then the key is not free.
            if select.select([second.socket], [], [], 0)[0]:
                assert second.read().status == 409
                second.send(request("POST /slow/b", key, body=b"{}"))
            return made(watched)["b"] == 2

        wait_until(is_running, "a free key")
        assert json.loads(ask(watched, "GET /open/b").body) == {"opened": True}
        assert second.read().body == b'{"number": 2}'


def test_duplicates_at_the_same_time_make_one(watched, key):
    before = made(watched).get("things", 0)
    answers = []
    barrier = threading.Barrier(12)

    def send():
        with Client(watched) as client:
            barrier.wait()
            answers.append(client.ask("POST /things", key, body=b"{}"))

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [essence(answer) for answer in answers] == [essence(answers[0])] * 12
    assert made(watched)["things"] == before + 1


def test_client_library_retries(watched):
    with httpx.Client(base_url=watched.url, timeout=SOCKET_TIMEOUT_S, trust_env=False) as client:
        headers = {"idempotency-key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
        first, second = (client.post("/things", json={"a": 1}, headers=headers) for _ in range(2))
        assert (first.status_code, first.json()) == (second.status_code, second.json())
        assert client.post("/things", json={"a": 2}, headers=headers).status_code == 422


def test_oldest_keys_give_way(start_server):
    server = start_server(script=WATCHED)
    with Client(server) as client:
        for number in range(MAX_KEYS + 4):
            assert client.ask("POST /things", f'Idempotency-Key: "{number}"', body=b"{}").status == 201
        assert json.loads(client.ask("GET /store").body)["count"] == MAX_KEYS
        newest = client.ask("POST /things", f'Idempotency-Key: "{MAX_KEYS + 3}"', body=b"{}")
        assert json.loads(newest.body) == {"number": MAX_KEYS + 4}
        oldest = client.ask("POST /things", 'Idempotency-Key: "0"', body=b"{}")
        assert json.loads(oldest.body) == {"number": MAX_KEYS + 5}


def test_ten_thousand_keys_leave_the_heap_where_it_was(micropython):
    assert abs(int(micropython.run("-c", TEN_THOUSAND).stdout)) <= 1024


def test_keys_of_many_requests_do_not_fill_the_heap(start_server, micropython):
    server = start_server(interpreter=micropython, script=WATCHED)

    def create(first, last):
        for part in range(first, last, 90):
            with Client(server) as client:
                for number in range(part, min(part + 90, last)):
                    key = f'Idempotency-Key: "key-{number}"'
                    assert client.ask("POST /things", key, f"X-Request-ID: id-{number}", body=b"{}").status == 201
        return json.loads(ask(server, "GET /heap").body)["used"]

    before = create(1000, 1180)
    assert create(2000, 2720) <= before + 2048
