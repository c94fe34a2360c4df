"""Feeds: the ring, and long polls of both kinds, over real sockets and under both interpreters."""

import json
import time

import pytest

from host_tests.server.test_connection import Client, answers, ask, last, request
from host_tests.server.test_listener import wait_until
from host_tests.server.test_stream import LIVE, state, stop, wait_until_free

RING = 8  # the application's, by default


def publish(server, name, value, times=1, event=None):
    query = f"?times={times}" + (f"&event={event}" if event else "")
    body = json.dumps(value).encode()
    answer = ask(server, f"POST /feed/{name}{query}", "Content-Type: application/json", body=body)
    return json.loads(answer.body)


def wait_until_waiting(server, count=1):
    """Return once so many clients wait in long polls."""
    wait_until(lambda: state(server)["wants"].count("poll") == count, f"{count} long polls")


# -- the ring


def test_numbers_begin_with_one(live):
    name = "numbers"
    assert json.loads(ask(live, f"GET /feed/{name}").body) == {"last": 0, "newer": []}
    assert publish(live, name, "a") == {"last": 1, "first": 1}
    assert json.loads(ask(live, f"GET /feed/{name}").body) == {"last": 1, "newer": [[1, "a"]]}


@pytest.mark.parametrize("published", [RING - 1, RING, RING + 1, 3 * RING + 2])
def test_ring_holds_the_newest(live, published):
    name = f"ring{published}"
    publish(live, name, "x", published)
    held = list(range(max(1, published - RING + 1), published + 1))
    for since in (0, 1, published - 1, published):
        newer = json.loads(ask(live, f"GET /feed/{name}?since={since}").body)["newer"]
        assert [number for number, _ in newer] == [number for number in held if number > since]
    # A number of before a restart: what is held is all news.
    newer = json.loads(ask(live, f"GET /feed/{name}?since={published + 5}").body)["newer"]
    assert [number for number, _ in newer] == held


def test_feed_that_goes_on_from_another_one(live):
    publish(live, "goes-on", "x", 3)
    for since in (0, 1, 99, 100, 104, 900):
        newer = json.loads(ask(live, f"GET /feed/goes-on?since={since}").body)["newer"]
        assert [number for number, _ in newer] == [101, 102, 103]
    assert json.loads(ask(live, "GET /feed/goes-on?since=102").body)["newer"] == [[103, "x"]]


@pytest.mark.parametrize("kind", ["nan", "infinity", "object", "set", "surrogate"])
def test_what_is_no_json_is_refused_before_anything_changes(live, kind):
    name = f"odd-{kind}"
    publish(live, name, "good")
    assert json.loads(ask(live, f"POST /feed/{name}/odd/{kind}").body) == {"refused": True}
    assert json.loads(ask(live, f"GET /feed/{name}/poll").body) == {"last": 1, "values": ["good"]}
    assert publish(live, name, "next")["last"] == 2
    assert json.loads(ask(live, f"GET /feed/{name}/poll?since=1").body) == {"last": 2, "values": ["next"]}


# -- long polls


def test_poll_that_has_something_answers_at_once(both):
    name = f"at-once{both.port}"
    publish(both, name, {"n": 1}, 3)
    with Client(both) as client:
        for query, values in (("", 3), ("?since=0&wait=5", 3), ("?since=2&wait=5", 1), ("?since=999&wait=5", 3)):
            answer = client.ask(f"GET /feed/{name}/poll{query}")
            assert answer.status == 200
            assert json.loads(answer.body) == {"last": 3, "values": [{"n": 1}] * values}
        assert client.is_open()


@pytest.mark.parametrize("published", [4, 5, RING, RING + 3])
def test_poll_with_much_to_say_answers_the_same(both, published):
    """What would be kilobytes in one piece is sent value by value."""
    name = f"much{both.port}-{published}"
    publish(both, name, {"n": "é"}, published)
    whole = {"last": published, "values": [{"n": "é"}] * min(published, RING)}
    with Client(both) as client:
        for query in ("?since=0", "?since=0&wait=5"):
            answer = client.ask(f"GET /feed/{name}/poll{query}")
            assert (answer.status, json.loads(answer.body)) == (200, whole)
            assert answer.header("content-type") == "application/json"
        assert client.ask(f"HEAD /feed/{name}/poll").status == 200
        assert client.is_open()
    (old,) = answers(both, request(f"GET /feed/{name}/poll", version="1.0"))
    assert json.loads(old.body) == whole


@pytest.mark.parametrize("query", ["?since=0", "?since=0&wait=0", ""])
def test_poll_without_a_wait_does_not(live, query):
    with Client(live) as client:
        assert client.ask(f"GET /feed/empty/poll{query}").status == 204
        assert client.is_open()


@pytest.mark.parametrize("query", ["since=-1", "since=x", "since=", "wait=-1", "wait=61", "wait=x", "since=1.5"])
def test_poll_with_a_wrong_number_is_refused(live, query):
    with Client(live) as client:
        assert client.ask(f"GET /feed/empty/poll?{query}").status == 400
        assert client.is_open()


@pytest.mark.parametrize("path", ["poll?since=1&wait=20", "poll/own?since=1&wait=20"])
def test_poll_is_answered_when_something_comes(both, path):
    name = f"comes{both.port}-{path[:8]}".replace("/", "-").replace("?", "-")
    publish(both, name, "old")
    with Client(both) as client:
        client.send(request(f"GET /feed/{name}/{path}"))
        wait_until(lambda: state(both)["watchers"], "somebody waits")
        publish(both, name, "new")
        answer = client.read()
        assert answer.status == 200
        if "own" in path:
            assert (answer.body, answer.header("x-own")) == (b"1 newer", "yes")
        else:
            assert json.loads(answer.body) == {"last": 2, "values": ["new"]}
        assert client.is_open()
    wait_until_free(both)


def test_poll_is_not_answered_by_another_feed(live):
    with Client(live) as client:
        client.send(request("GET /feed/mine/poll?wait=20"))
        wait_until_waiting(live)
        publish(live, "yours", "x")
        wait_until_waiting(live)
        publish(live, "mine", "y")
        assert json.loads(client.read().body)["values"] == ["y"]


def test_poll_with_nothing_in_time_is_204(both):
    clients = [Client(both) for _ in range(2)]
    began = time.monotonic()
    for client, path in zip(clients, ("poll?wait=1", "poll/own?wait=1")):
        client.send(request(f"GET /feed/nothing/{path}"))
    for client in clients:
        answer = client.read()
        assert (answer.status, answer.body) == (204, b"")
        # A deadline is late by at most a sweep, never early.
        assert time.monotonic() - began > 0.9
        assert client.is_open()
        client.socket.close()
    assert wait_until_free(both)["counters"]["timeouts"] == 0


def test_poll_outlasts_the_deadline_of_its_head(start_server):
    server = start_server("head_ms=500", "idle_ms=500", "silence_ms=500", script=LIVE, heapsize="16m")
    with Client(server) as client:
        client.send(request("GET /feed/patient/poll?wait=2"))
        assert client.read().status == 204


def test_head_of_a_poll(live):
    with Client(live) as client:
        assert client.ask("HEAD /feed/empty/poll").status == 204
        assert client.is_open()


def test_many_polls_cost_no_task_each(live):
    before = state(live)
    clients = [Client(live) for _ in range(40)]
    for client in clients:
        client.send(request("GET /feed/many/poll?wait=30"))
    wait_until_waiting(live, 40)
    now = state(live)
    assert (now["live"], now["watchers"]) == (40, 40)
    assert now["tasks"] == before["tasks"]
    publish(live, "many", "news")
    for client in clients:
        assert json.loads(client.read().body) == {"last": 1, "values": ["news"]}
        assert client.is_open()
        client.socket.close()
    wait_until_free(live)


@pytest.mark.parametrize("path", ["poll?wait=30", "poll/own?wait=30"])
def test_client_that_goes_waits_no_more(live, path):
    before = state(live)["counters"]
    clients = {}
    for how in ("reset", "close", "half-close"):
        name = f"gone-{how}-{path[:6]}".replace("/", "-").replace("?", "-")
        clients[name] = (how, Client(live))
        clients[name][1].send(request(f"GET /feed/{name}/{path}"))
    wait_until(lambda: state(live)["watchers"] == 3, "all wait")
    for how, client in clients.values():
        if how == "reset":
            client.reset()
        elif how == "close":
            client.socket.close()
        else:
            client.half_close()
    now = wait_until_free(live)["counters"]
    assert (now["lost"], now["errors"]) == (before["lost"] + 3, before["errors"])
    for _, client in clients.values():
        client.socket.close()


def test_poll_in_http_1_0(live):
    publish(live, "old-client", 1)
    (answer,) = answers(live, request("GET /feed/old-client/poll?wait=5", version="1.0"))
    assert json.loads(answer.body) == {"last": 1, "values": [1]}


def test_poll_loop_misses_nothing(live):
    """A client that asks again and again, while somebody publishes in bursts that the ring holds."""
    seen = []
    since = 0
    with Client(live) as client:
        for burst in range(8):
            client.send(request(f"GET /feed/loop/poll?since={since}&wait=20"))
            if burst % 2:
                wait_until_waiting(live)
            publish(live, "loop", burst, RING // 2)
            answer = json.loads(client.read().body)
            seen += answer["values"]
            since = answer["last"]
        if since < 8 * RING // 2:
            seen += json.loads(client.ask(f"GET /feed/loop/poll?since={since}").body)["values"]
    assert seen == [burst for burst in range(8) for _ in range(RING // 2)]


def test_hooks_see_the_answer_of_a_poll(start_server):
    server = start_server("hooked", script=LIVE, heapsize="16m")
    with Client(server) as client:
        client.send(request("GET /feed/hooked/poll?wait=20"))
        wait_until_waiting(server)
        publish(server, "hooked", 1)
        assert client.read().header("x-after") == "seen"
        assert client.ask("GET /feed/hooked/poll").header("x-after") == "seen"


def test_stop_answers_who_waits(start_server):
    server = start_server(script=LIVE, heapsize="16m")
    with Client(server) as poll:
        poll.send(request("GET /feed/stop/poll?wait=30"))
        wait_until_waiting(server)
        began = time.monotonic()
        stop(server)
        assert poll.read().status == 204
        assert poll.rest() == b""
        assert server.process.wait(10) == 0
        assert time.monotonic() - began < 10


@pytest.mark.interpreters("amd64")
def test_polls_leave_nothing_in_memory(live):
    def many(count):
        with Client(live) as client:
            for at in range(count):
                client.send(request(f"GET /feed/memory/poll?since={at}&wait=20"))
                publish(live, "memory", at)
                assert client.read().status == 200

    many(20)
    before = state(live)["heap"]
    with Client(live) as client:
        for _ in range(90):
            client.send(request("GET /feed/memory/poll?since=0"))
            assert client.read().status == 200
    publish(live, "memory", "x" * 10, 10_000)
    assert state(live)["heap"] - before < 2048
    assert ask(live, "GET /feed/memory/poll").status == 200
    assert answers(live, last("GET /json"))[0].status == 200
