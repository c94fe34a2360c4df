"""The reactor is in its place in MicroPython's event loop before that waits; requests are served straight from it."""

import json

import pytest

from host_tests.server.test_connection import Client
from host_tests.servers import Server

POLLED = "host_tests/apps/polled.py"


@pytest.fixture(scope="module", params=["", "app.run", "transport.run", "cached", "cached app.run"])
def polled(request, micropython):
    with Server(micropython, *request.param.split(), script=POLLED) as running:
        yield running


@pytest.mark.parametrize("path", ["/plain", "/async"])
def test_slot_is_resumed_straight_from_poll(polled, path):
    with Client(polled) as client:
        told = [json.loads(client.ask(f"GET {path}").body) for _ in range(5)]
    assert told == [{"in_poll": True}] * 5


def test_slot_is_resumed_straight_from_poll_for_its_body(polled):
    with Client(polled) as client:
        for _ in range(3):
            client.send(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n")
            client.send(b"x" * 1000)
            client.send(b"x" * 1000)
            assert json.loads(client.read().body) == {"in_poll": True, "size": 2000}


def test_handler_that_awaits_goes_on_from_the_loop_and_the_next_request_from_poll(polled):
    with Client(polled) as client:
        for _ in range(3):
            assert json.loads(client.ask("GET /awaiting").body) == {"in_poll": False}
            assert json.loads(client.ask("GET /plain").body) == {"in_poll": True}


def test_table_of_descriptors_that_is_wide_never_moves(micropython):
    """What has no descriptor, such as a socket of TLS, is looked for where the table was before it grew."""
    code = """
import asyncio
import io

from firmware.server import transport

POLL = 3


class Stream(io.IOBase):
    def ioctl(self, request, argument):
        return 0 if request == POLL else -22


async def main():
    reactor = transport.reactor()
    reactor.widen(30)
    reactor.poller.register(Stream(), 1)
    kept = []
    for fd in range(100, 130):
        reactor.poller.register(fd, 1)
        kept.append(bytearray(64))
    print(len(list(reactor.poller.ipoll(0))))


asyncio.run(main())
"""
    # None of those descriptors is open, which poll tells; the stream has nothing to tell.
    assert micropython.run("-c", code).stdout == "30\n"


def test_task_without_memory_to_wait_is_not_said_to_wait(micropython):
    """Who is told so would wake it, and a task that is put into the loop's queue twice damages the queue."""
    code = """
import asyncio
import micropython

from firmware.server import transport


class Waiter:
    def __init__(self):
        self.parked = None


async def main():
    waiter = Waiter()
    micropython.heap_lock()
    try:
        await transport.park(waiter)
    except MemoryError:
        pass
    finally:
        micropython.heap_unlock()
    print(waiter.parked)


asyncio.run(main())
"""
    assert micropython.run("-c", code).stdout == "None\n"


def test_client_there_is_no_memory_for_is_not_taken_from_the_system(micropython):
    """MicroPython takes it first, and then has no object to close it by: it would be open for good."""
    code = """
import micropython
import socket

from firmware.server import transport

client = socket.socket()
for port in range(20000, 60000):
    try:
        listener = transport.listen("127.0.0.1", port)
        break
    except OSError:
        pass
client.connect(socket.getaddrinfo("127.0.0.1", port)[0][-1])
micropython.heap_lock()
try:
    transport.accept(listener)
except MemoryError:
    pass
finally:
    micropython.heap_unlock()
taken, _ = transport.accept(listener)
client.write(b"hello")
buffer = bytearray(5)
while not taken.readinto(buffer):
    pass
print(buffer)
"""
    assert micropython.run("-c", code).stdout == "bytearray(b'hello')\n"
