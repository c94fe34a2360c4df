"""What comes from a client beside what test_connection.py sends: long heads without memory, what comes too early."""

import json

import pytest

from host_tests.server.test_connection import KITCHEN, Client, request
from host_tests.server.test_listener import pass_sweeps, wait_until
from host_tests.servers import read_responses

LONG = ("A: " + "x" * 1200, "Cookie: " + "y" * 300)
PATIENT = ("head_ms=60000", "idle_ms=60000", "requests=100000")


@pytest.fixture
def kitchen(start_server):
    return start_server(*PATIENT, script=KITCHEN, heapsize="16m")


def heap(client):
    return json.loads(client.ask("GET /state").body)["heap"]


@pytest.mark.interpreters("amd64", "i386")
def test_long_head_without_memory_is_answered_with_503_and_others_are_served(start_server):
    server = start_server(*PATIENT, script=KITCHEN, heapsize="1m")
    with Client(server) as other, Client(server) as client, Client(server) as slow:
        # What a request takes is loaded, and all have their slots.
        assert other.is_open()
        assert client.ask("GET /nothing").status == 404
        # One at a time borrows the spare buffer, until it is answered.
        assert slow.ask("GET /json", *LONG).status == 200
        slow.send(request("GET /wait/x", *LONG))
        wait_until(lambda: json.loads(other.ask("GET /state").body)["doors"] == ["x"], "it waits")
        # Less than a larger buffer, in one piece.
        assert other.ask("GET /hoard/60000/1900").status == 200
        client.send(request("GET /json", *LONG))
        answer = client.read()
        assert (answer.status, answer.header("connection")) == (503, "close")
        assert client.rest() == b""
        assert other.is_open()
        assert json.loads(other.ask("GET /open/x").body) == {"opened": True}
        assert json.loads(slow.read().body) == {"name": "x"}
        for _ in range(3):
            assert other.ask("GET /json", *LONG).status == slow.ask("GET /json", *LONG).status == 200


@pytest.mark.interpreters("amd64")
def test_long_heads_leave_nothing_in_memory(kitchen):
    def held(client, *fields):
        """Return the heap while twenty clients are there that have asked with these fields."""
        clients = [Client(kitchen) for _ in range(20)]
        for other in clients:
            assert other.ask("GET /json", *fields).status == 200
        during = heap(client)
        for other in clients:
            other.socket.close()
        wait_until(lambda: json.loads(client.ask("GET /state").body)["busy"] == 1, "they are gone")
        return during

    with Client(kitchen) as client:
        # What a slot's first client costs is there then.
        short = held(client)
        assert held(client, *LONG) - short < 2048


@pytest.mark.parametrize("half_close", [False, True])
def test_more_than_the_buffer_holds_while_a_handler_awaits_is_answered(kitchen, half_close):
    """The sweep looks for the client's end, and takes what comes; once the buffer is full it looks no more."""
    count = 60
    with Client(kitchen) as client, Client(kitchen) as other:
        client.send(request("GET /wait/x") + request("GET /text") * count)
        if half_close:
            client.half_close()
        pass_sweeps(other, 6)
        assert json.loads(other.ask("GET /open/x").body) == {"opened": True}
        assert json.loads(client.read().body) == {"name": "x"}
        if half_close:
            assert [answer.status for answer in read_responses(client.rest())] == [200] * count
        else:
            assert [client.read().status for _ in range(count)] == [200] * count
            assert client.is_open()


def test_head_that_begins_while_a_handler_awaits_is_whole(kitchen):
    raw = request("GET /json", *LONG)
    with Client(kitchen) as client, Client(kitchen) as other:
        client.send(request("GET /wait/y"))
        for start in range(0, len(raw), 400):
            client.send(raw[start : start + 400])
            pass_sweeps(other)
        assert json.loads(other.ask("GET /open/y").body) == {"opened": True}
        assert json.loads(client.read().body) == {"name": "y"}
        assert client.read().body == b'{"hello": "world"}'
        assert client.is_open()


def test_beginning_of_a_head_behind_a_request_has_a_deadline(start_server):
    server = start_server("head_ms=1000", "idle_ms=60000", script=KITCHEN)
    for between in (b"", b"\r\n"):
        with Client(server) as client:
            client.send(request("GET /json") + between + b"GET /js")
            assert client.read().status == 200
            assert client.read().status == 408
            assert client.rest() == b""
