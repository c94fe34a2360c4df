"""A slot and its task: what ends its waits, who comes next, and that it outlives what handlers do to it."""

import json
import time

import pytest

from host_tests.apps.kitchen import pattern
from host_tests.server.test_connection import Client, answers, ask, last, request
from host_tests.server.test_listener import pass_sweeps, wait_until
from host_tests.servers import read_responses
from tools import ROOT

SLOTS = "host_tests/apps/slots.py"
MINUTE = 60_000
# Deadlines are kept by a sweep twice a second.
SHORT = ("silence_ms=1000", "head_ms=60000", "idle_ms=60000")


def state(server):
    return json.loads(ask(server, "GET /state").body)


def notes(server, name):
    return json.loads(ask(server, f"GET /notes/{name}").body)


def wait_for(server, name, what):
    wait_until(lambda: what in notes(server, name), f"{what} of {name}")


def wait_until_free(server):
    """Return the state once nobody but who asks is there."""
    return wait_until(lambda: (now := state(server))["busy"] == 1 and now, "all slots free")


def open_door(server, name):
    assert ask(server, f"GET /open/{name}").status == 200


def put(path, size, **options):
    return request(f"PUT {path}", f"Content-Length: {size}", **options)


@pytest.fixture
def slots(start_server):
    return start_server(*SHORT, script=SLOTS, heapsize="16m")


# -- what ends a wait


def test_wait_for_a_body_is_ended_by_its_deadline_with_408(slots):
    with Client(slots) as client:
        client.send(put("/read/a", 10) + b"12345")
        answer = client.read()
        assert (answer.status, answer.header("connection")) == (408, "close")
        assert client.rest() == b""
    assert notes(slots, "a") == ["begun", "408"]


def test_wait_for_a_body_is_ended_by_the_client_that_goes(slots):
    client = Client(slots)
    client.send(put("/read/b", 10) + b"12345")
    wait_for(slots, "b", "begun")
    client.socket.close()
    wait_until_free(slots)
    assert notes(slots, "b") == ["begun", "Lost"]


def test_handler_that_awaits_is_cancelled_when_its_client_goes_and_may_await_at_its_end(slots):
    client = Client(slots)
    client.send(request("GET /await/c"))
    wait_for(slots, "c", "begun")
    client.socket.close()
    wait_until_free(slots)
    assert notes(slots, "c") == ["begun", "cancelled", "ended"]
    assert state(slots)["counters"]["errors"] == 0


def test_handler_that_awaits_has_no_deadline(slots):
    with Client(slots) as client:
        client.send(request("GET /await/d"))
        wait_for(slots, "d", "begun")
        clock = state(slots)["clock"]
        wait_until(lambda: state(slots)["clock"] >= clock + 6, "more sweeps than a silence has")
        open_door(slots, "d")
        assert json.loads(client.read().body) == {"name": "d"}
        assert client.is_open()


# -- waits of tasks that a handler made


@pytest.mark.parametrize("path", ["/within/60000/0/e", "/in-task/e"])
def test_body_is_read_by_a_task_of_the_handler_s(slots, path):
    with Client(slots) as client:
        for _ in range(3):
            client.send(put(path, 5000) + b"x" * 100)
            assert ask(slots, "GET /json").status == 200
            for _ in range(49):
                client.send(b"x" * 100)
            assert json.loads(client.read().body) == {"size": 5000}
        assert client.is_open()


def test_time_that_a_handler_gives_its_body_may_run_out(slots):
    with Client(slots) as client:
        client.send(put("/within/100/0/f", 10) + b"12345")
        assert json.loads(client.read().body) == {"size": None}
        client.send(b"67890")
        assert client.is_open()


def test_handler_goes_on_however_long_after_the_time_it_gave_its_body(slots):
    with Client(slots) as client:
        client.send(put("/within/100/3000/g", 10) + b"12345")
        assert json.loads(client.read().body) == {"size": None}
        client.send(b"67890")
        assert client.is_open()
    assert notes(slots, "g") == ["begun", "ended"]


def test_silence_ends_a_body_that_a_task_of_the_handler_s_reads(slots):
    with Client(slots) as client:
        client.send(put("/within/60000/0/h", 10) + b"12345")
        assert client.read().status == 408
        assert client.rest() == b""
    assert notes(slots, "h") == ["begun", "408", "ended"]


def test_client_that_goes_ends_a_body_that_a_task_of_the_handler_s_reads(slots):
    client = Client(slots)
    client.send(put("/within/60000/0/i", 10) + b"12345")
    wait_for(slots, "i", "begun")
    client.reset()
    wait_until_free(slots)
    assert notes(slots, "i") == ["begun", "Lost", "ended"]


# -- who comes next


def test_idle_clients_make_room_the_oldest_first(start_server):
    words = ("connections=3", "requests=100000", f"head_ms={MINUTE}", f"idle_ms={MINUTE}")
    server = start_server(*words, script=SLOTS)
    asking = Client(server)
    evicted = 0
    for _ in range(5):
        old = [Client(server) for _ in range(2)]
        for client in old:
            assert client.is_open()
        pass_sweeps(asking)
        # Who asked last stays, and nobody is refused. While one waits, the other's answer ends its connection.
        new = [Client(server) for _ in range(2)]
        for client in new:
            client.send(request("GET /json"))
        for client in new:
            assert client.read().status == 200
        assert old[0].rest() == b""
        for client in old + new:
            client.socket.close()
        pass_sweeps(asking)
        now = json.loads(asking.ask("GET /state").body)
        assert (now["slots"], now["tasks"]) == (3, 3)
        counters = now["counters"]
        assert 1 <= counters["evicted"] - evicted <= 2
        assert (counters["refused"], counters["errors"]) == (0, 0)
        evicted = counters["evicted"]


def test_successor_that_is_gone_again_costs_nobody_anything(start_server):
    server = start_server("connections=2", f"head_ms={MINUTE}", f"idle_ms={MINUTE}", script=SLOTS)
    for how in ("close", "reset") * 5:
        old = [Client(server) for _ in range(2)]
        for client in old:
            assert client.is_open()
        gone = Client(server)
        getattr(gone.socket if how == "close" else gone, how)()
        with Client(server) as new:
            assert new.is_open()
        for client in old:
            client.socket.close()
    assert wait_until_free(server)["counters"]["errors"] == 0


def open_all(server, count):
    clients = [Client(server) for _ in range(count)]
    for client in clients:
        assert client.is_open()
    return clients


@pytest.mark.parametrize("count", [1, 2, 3])
def test_request_that_has_arrived_is_answered_before_its_slot_is_another_s(start_server, count):
    server = start_server("connections=4", f"head_ms={MINUTE}", f"idle_ms={MINUTE}", script=SLOTS)
    for _ in range(5):
        *asking, busy = open_all(server, 4)
        # All that follows is there when the server looks again.
        busy.send(request("GET /block/300"))
        new = [Client(server) for _ in asking[:count]]
        for client in asking[:count] + new:
            client.send(request("GET /json"))
        for client in [busy, *asking[:count], *new]:
            assert client.read().status == 200
        for client in [busy, *asking, *new]:
            client.socket.close()
        wait_until_free(server)


def test_successor_does_not_wait_for_what_takes_long(start_server):
    server = start_server("connections=3", f"head_ms={MINUTE}", f"idle_ms={MINUTE}", script=SLOTS)
    for path in ("/await/x", "/stream/waiting/x"):
        first, second, busy = open_all(server, 3)
        busy.send(request("GET /block/300"))
        first.send(request(f"GET {path}"))
        with Client(server) as new:
            # It may have been given the place of the first, which now asks for something long.
            assert new.ask("GET /json").status == 200
            assert busy.read().status == 200
            assert new.ask("GET /open/x").status == 200
            assert first.read().status == 200
        for client in (first, second, busy):
            client.socket.close()
        wait_until_free(server)


# -- handlers that do not let go


def has_ended(client, name):
    return "ended" in json.loads(client.ask(f"GET /notes/{name}").body)


@pytest.mark.parametrize("path", ["/stubborn", "/stubborn/stream"])
def test_handler_that_ignores_its_cancellation_loses_its_slot_and_its_place(start_server, path):
    words = ("connections=2", "long_lived=1", f"head_ms={MINUTE}", f"idle_ms={MINUTE}")
    server = start_server(*words, script=SLOTS)
    for name in ("x1", "x2"):
        client = Client(server)
        client.send(request(f"GET {path}/{name}"))
        wait_until(lambda: state(server)["busy"] == 2, "begun")
        client.reset()
        wait_for(server, name, "cancelled")
        now = wait_until_free(server)
        assert (now["slots"], now["tasks"], now["live"]) == (2, 2, 0)
        # Both slots serve.
        with Client(server) as one, Client(server) as other:
            for _ in range(3):
                assert one.is_open()
                assert other.is_open()
        # It goes on, and ends alone: nothing of it is sent to who has the slot now.
        with Client(server) as one, Client(server) as other:
            assert one.ask(f"GET /open/{name}").status == 200
            wait_until(lambda one=one, name=name: has_ended(one, name), "its end")
            assert other.is_open()
            assert one.is_open()
        now = wait_until_free(server)
        assert (now["slots"], now["tasks"], now["live"]) == (2, 2, 0)
    assert now["counters"]["errors"] == 0


@pytest.mark.parametrize("path", ["/interrupt", "/interrupt/async"])
def test_server_that_goes_on_behind_an_interrupt_has_all_its_slots(start_server, path):
    server = start_server("connections=2", "goes-on", script=SLOTS)
    for _ in range(3):
        with Client(server) as client, Client(server) as other:
            assert other.is_open()
            client.send(request(f"GET {path}"))
            assert client.rest() == b""
            assert other.is_open()
        with Client(server) as one, Client(server) as two:
            for client in (one, two):
                assert client.is_open()
                assert client.ask("GET /size/20000").body == pattern(20000)
            now = json.loads(one.ask("GET /state").body)
            assert (now["slots"], now["tasks"], now["busy"]) == (2, 2, 2)
    assert server.output().count("interrupted") == 3
    assert ask(server, "GET /stop").status == 200
    assert server.process.wait(20) == 0


@pytest.mark.parametrize("path", ["/close", "/close/async"])
def test_server_may_be_closed_by_a_handler(start_server, path):
    server = start_server(script=SLOTS)
    with Client(server) as client, Client(server) as other:
        assert other.is_open()
        client.send(request(f"GET {path}"))
        assert client.rest() == b""
        assert other.rest() == b""
    assert server.process.wait(20) == 0
    assert "Traceback" not in server.output()


# -- what the system has room for


@pytest.fixture
def tight(start_server):
    """A server that asks its budget; none of its clients is idle for too long."""
    return start_server("budget", f"head_ms={MINUTE}", f"idle_ms={MINUTE}", "silence_ms=2000", script=SLOTS)


LIVE = (ROOT / "host_tests/apps/live.py").read_bytes()
BODIES = {
    "/json": b'{"hello": "world"}',
    "/jsonsize/1500": b'{"x": "%s"}' % (b"y" * 1500),
    "/jsonsize/5000": b'{"x": "%s"}' % (b"y" * 5000),
    "/size/20000": pattern(20000),
    "/stream/3": pattern(1000) + pattern(1001) + pattern(1002),
    "/file/9000": LIVE[:9000],
}


@pytest.mark.parametrize("most", [1, 7, 100, 2000])
@pytest.mark.parametrize("path", BODIES)
def test_answer_is_whole_however_little_is_written_at_once(tight, path, most):
    if most == 1 and len(BODIES[path]) > 5000:
        pytest.skip("a byte at a time")
    with Client(tight) as client:
        assert client.ask(f"GET /budget/1/{most}/0").status == 200
        for _ in range(2):
            assert client.ask(f"GET {path}").body == BODIES[path]


@pytest.mark.parametrize("path", BODIES)
def test_answer_waits_for_room_and_is_whole(tight, path):
    with Client(tight) as client:
        for _ in range(2):
            assert client.ask("GET /budget/1/0/300").status == 200
            assert client.ask(f"GET {path}").body == BODIES[path]


@pytest.mark.parametrize("path", ["/echo", "/read/k"])
def test_continue_waits_for_room(tight, path):
    method = "PUT" if "read" in path else "POST"
    with Client(tight) as client:
        assert client.ask("GET /budget/1/0/1500").status == 200
        client.send(request(f"{method} {path}", "Expect: 100-continue", "Content-Length: 5"))
        assert client.read().status == 100
        client.send(b"hello")
        assert client.read().status == 200
        assert client.is_open()


def test_client_waits_to_be_accepted_and_idle_ones_go(tight):
    idle = Client(tight)
    assert idle.is_open()
    with Client(tight) as client:
        assert client.ask("GET /budget/0/1000000/10000").status == 200
        new = Client(tight)
        new.send(request("GET /budget"))
        # Whoever is idle goes meanwhile, and so does who asked.
        assert idle.rest() == b""
        assert client.rest() == b""
        assert json.loads(new.read().body)["asked"] > 2
    counters = json.loads(new.ask("GET /state").body)["counters"]
    assert (counters["evicted"], counters["refused"]) == (2, 0)


def test_client_that_is_served_keeps_its_connection_while_none_is_accepted(tight):
    with Client(tight) as client:
        client.send(request("GET /budget/0/1000000/1500") + put("/read/m", 5))
        assert client.read().status == 200
        new = Client(tight)
        new.send(last("GET /json"))
        time.sleep(0.6)
        client.send(b"hello")
        assert json.loads(client.read().body) == {"size": 5}
        assert [answer.status for answer in read_responses(new.rest())] == [200]


def test_refusal_needs_no_room(start_server):
    server = start_server("budget", "connections=1", script=SLOTS)
    with Client(server) as busy:
        busy.send(request("GET /budget/1/0/5000") + put("/within/100/5000/n", 5))
        assert busy.read().status == 200
        wait_until(lambda: answers(server, last("GET /json"))[0].status == 503, "busy")
        assert json.loads(busy.read().body) == {"size": None}
