"""What meets in one turn of the event loop, and deadlines that have to hold whatever else happens."""

import json
import time

import pytest

from host_tests.server.test_connection import Client, ask, request
from host_tests.server.test_listener import served, wait_until
from host_tests.server.test_websocket import PING, TEXT, Socket
from host_tests.vectors.websocket import text

RACES = "host_tests/apps/races.py"
MINUTE = 60_000


def state(server):
    return json.loads(ask(server, "GET /state").body)


def wait_until_free(server):
    return wait_until(lambda: (now := state(server))["busy"] == 1 and now, "all slots free")


def wait_until_waiting(server):
    wait_until(lambda: state(server)["waiting"] == 1, "it waits")


@pytest.fixture
def races(start_server):
    return start_server("idle_ms=60000", "head_ms=1000", "silence_ms=1000", script=RACES, heapsize="64m")


# -- a value in the very turn in which the time is over


def test_long_poll_whose_time_ends_as_its_value_comes_gets_the_value(races):
    with Client(races) as client:
        client.send(request("GET /poll?wait=30"))
        wait_until_waiting(races)
        assert ask(races, "GET /race/7").status == 200
        answer = client.read()
        assert (answer.status, json.loads(answer.body)) == (200, {"last": 1, "values": [7]})


def test_events_go_on_where_a_value_comes_as_a_sign_of_life_is_due(races):
    with Client(races) as client:
        client.send(request("GET /events"))
        wait_until_waiting(races)
        for value in (41, 42, 43):
            assert ask(races, f"GET /race/{value}").status == 200
            seen = b""
            while b"data: %d\n" % value not in seen:
                piece = client.socket.recv(4096)
                assert piece, "it ended"
                seen += piece
            wait_until_waiting(races)


def test_websocket_goes_on_where_a_value_comes_as_a_ping_is_due(races):
    for value in (51, 52):
        with Socket(races, "/ws") as client:
            wait_until(lambda: state(races)["watchers"] == 1, "it follows")
            wait_until_waiting(races)
            assert ask(races, f"GET /race/{value}").status == 200
            frames = [client.frame() for _ in range(2)]
            assert sorted(frames) == sorted([(TEXT, b"%d" % value), (PING, b"")])
            client.send(text(b"still there"))
            assert client.frame() == (TEXT, b"still there")
            client.bye()
        wait_until(lambda: state(races)["watchers"] == 0, "its end")


def test_handler_that_brings_other_slots_on_goes_on_itself(races):
    with Client(races) as client:
        for _ in range(2):
            assert client.ask("GET /bring-on").status == 200
        assert client.is_open()


# -- deadlines


@pytest.mark.parametrize("path", ["/events", "/ws"])
def test_reader_that_takes_nothing_is_lost_however_often_something_is_published(races, path):
    client = Socket(races, path, window=4096) if path == "/ws" else Client(races, window=4096)
    with client:
        if path != "/ws":
            client.send(request(f"GET {path}"))
        wait_until(lambda: state(races)["watchers"] == 1, "it follows")
        assert ask(races, "GET /publish/5000000/60").status == 200
        wait_until(lambda: state(races)["watchers"] == 0, "it is lost")


def test_after_hook_has_all_the_time_it_wants(races):
    with Client(races) as client:
        for _ in range(2):
            assert client.ask("GET /after/2500").status == 200


def test_after_hook_ends_where_its_client_goes(races):
    client = Client(races)
    client.send(request("GET /after/60000"))
    wait_until(lambda: state(races)["busy"] == 2, "begun")
    client.reset()
    wait_until_free(races)


def test_generator_that_does_not_end_keeps_no_slot(races):
    if races.interpreter.word != "cpython":
        pytest.skip("MicroPython has no asynchronous generators")
    client = Client(races)
    client.send(request("GET /end/stuck"))
    client.socket.recv(1000)
    client.reset()
    wait_until_free(races)


def test_no_room_for_a_slot_keeps_nobody_else_s_deadline(start_server):
    words = ("connections=4", "head_ms=1000", f"idle_ms={MINUTE}", "requests=100000")
    server = start_server(*words, script=RACES)
    with Client(server) as asking, Client(server) as stuck:
        assert asking.ask("GET /json").status == 200
        stuck.send(request("GET /stubborn"))
        wait_until(lambda: json.loads(asking.ask("GET /state").body)["busy"] == 2, "begun")
        assert asking.ask("GET /no-slot/8").status == 200
        stuck.reset()
        wait_until(lambda: json.loads(asking.ask("GET /state").body)["counters"]["errors"] > 0, "no slot")
        with Client(server) as silent:
            silent.send(b"GET /")
            assert b"408" in silent.rest()
        # And in time there is a new one.
        wait_until(lambda: json.loads(asking.ask("GET /state").body)["busy"] == 1, "all free")


# -- what fails


def test_body_that_cannot_be_closed_does_not_stop_the_server(races):
    with Client(races) as client:
        client.send(request("GET /unclosable"))
        assert client.read().body == b"x" * 10
    assert ask(races, "GET /json").status == 200
    assert wait_until_free(races)["counters"]["errors"] == 1


def test_kept_connection_without_memory_for_a_request_is_told_so(races):
    with Client(races) as client:
        assert client.ask("GET /json").status == 200
        assert client.ask("GET /no-request").status == 200
        assert client.ask("GET /json").status == 503
        assert client.rest() == b""
    assert ask(races, "GET /json").status == 200


def test_follower_that_comes_too_late_is_not_kept(races):
    for _ in range(3):
        client = Socket(races, "/ws/late")
        client.reset()
    assert wait_until_free(races)["watchers"] == 0


def test_error_of_a_head_is_nobody_s_but_the_outermost_application_s(races):
    with Client(races) as client:
        assert client.ask("GET /api/x").status == 200
        client.send(b"GET /json HTTP/1.1\r\nHost: x\r\nbad line\r\n\r\n")
        answer = client.read()
        assert (answer.status, answer.header("content-type")) == (400, "text/html; charset=utf-8")


def test_stream_is_over_with_its_answer(start_server):
    server = start_server("connections=1", f"idle_ms={MINUTE}", "silence_ms=1000", script=RACES)
    with Client(server) as client:
        client.send(request("PUT /keep", "Content-Length: 100000") + b"first")
        assert client.read().header("connection") == "close"
    other = wait_until(lambda: served(server), "the slot is free")
    with other:
        other.send(b"GET /json HTTP/1.1\r\nX-Secret: 1\r\n")
        time.sleep(1.5)
        other.send(b"Host: x\r\n\r\n")
        assert other.read().status == 200
        kept = wait_until(lambda: json.loads(other.ask("GET /kept").body), "its end")
        assert kept == ["Lost"]
