"""More clients than slots, bad ones above all: six slots and a backlog of eight, as on a board, other addresses.

What a client waits is counted in the server's own sweeps, two a second: a machine that is busy makes them longer.
"""

import contextlib
import json
import select
import socket
import ssl
import threading
import time

import pytest

from host_tests.server.test_connection import Client, last, request
from host_tests.server.test_listener import wait_until
from host_tests.servers import SOCKET_TIMEOUT_S, free_port, read_response
from tools import __main__ as tools

CROWD = "host_tests/apps/crowd.py"
SIX = "connections=6"
# Linux has all of 127.0.0.0/8.
HONEST = "127.0.0.9"
OTHERS = [f"127.0.0.{number}" for number in range(2, 8)]
# Waits of 2 and 5 s, and the sweeps that are under way as they begin and end.
FEW_SWEEPS, MANY_SWEEPS = 4 + 2, 10 + 2
LOOK_S = 0.05

pytestmark = [pytest.mark.interpreters("cpython", "amd64", "i386"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    assert tools.main(["cert", "--out", str(folder), "127.0.0.1"]) == 0
    return folder


def hello():
    """Return what a client of TLS says first."""
    outgoing = ssl.MemoryBIO()
    connection = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1")
    with contextlib.suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


class Bad:
    """A connection in a bad way: `first` is sent at once, a byte of `rest` every `pause_s`, `take` bytes are read."""

    def __init__(self, address, port, first=b"", rest=b"", pause_s=1, take=1 << 16):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.socket.bind((address, 0))
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self.socket.connect(("127.0.0.1", port))
        self.first, self.rest, self.pause_s, self.take = first, rest, pause_s, take
        self.next = 0

    def go_on(self):
        """Do what is due; tell whether the server has ended it."""
        try:
            if not select.select([], [self.socket], [], 0)[1]:
                return False
            if self.first:
                self.first = self.first[self.socket.send(self.first) :]
            elif self.rest and time.monotonic() > self.next:
                self.rest = self.rest[self.socket.send(self.rest[:1]) :]
                self.next = time.monotonic() + self.pause_s
            with contextlib.suppress(BlockingIOError):
                return not self.socket.recv(self.take)
        except OSError:
            return True
        return False


WAYS = {
    "silent": {},
    "head": {"rest": b"GET /state HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 500},
    "body": {"first": request("POST /login", "Content-Length: 8000"), "rest": b"x" * 8000, "pause_s": 4},
    "reader": {"first": request("GET /large"), "take": int(1024 * LOOK_S)},
}
SECURE_WAYS = {"silent": {}, "half": {"first": hello()[:100]}, "hello": {"first": hello()}}


@contextlib.contextmanager
def attack(port, addresses, count, way):
    """Keep `count` bad connections open, whatever the server does to them."""
    over = threading.Event()
    opened = []

    def run():
        here = [None] * count
        number = 0
        while not over.is_set():
            for at, bad in enumerate(here):
                if bad is None or bad.go_on():
                    if bad:
                        bad.socket.close()
                    here[at] = Bad(addresses[number % len(addresses)], port, **way)
                    number += 1
                    opened.append(at)
            over.wait(LOOK_S)
        for bad in here:
            bad.socket.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: len(opened) >= count, "all of them")
        yield
    finally:
        over.set()
        thread.join()


def ask_for_state(port, context=None):
    """Return the state, over a new connection; as a user does, try again at once where that fails."""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, AssertionError):
            plain = socket.create_connection(("127.0.0.1", port), SOCKET_TIMEOUT_S, source_address=(HONEST, 0))
            with plain if context is None else context.wrap_socket(plain) as connection:
                connection.sendall(last("GET /state"))
                answer = read_response(connection.makefile("rb", buffering=0))
                if answer.status == 200:
                    return json.loads(answer.body)
        time.sleep(LOOK_S)
    raise AssertionError("kept out for good")


def longest_wait(port, context=None):
    """Return for how many sweeps one had to wait, at the most."""
    first = before = ask_for_state(port, context)["clock"]
    longest = 0
    while before < first + 6:
        clock = ask_for_state(port, context)["clock"]
        longest = max(longest, clock - before)
        before = clock
        time.sleep(LOOK_S)
    return longest


def hold_out(port, way, context=None):
    for count in (1, 6, 20):
        with attack(port, OTHERS[:1], count, way):
            assert longest_wait(port, context) <= FEW_SWEEPS, count
    with attack(port, OTHERS, 20, way):
        assert longest_wait(port, context) <= MANY_SWEEPS


# A board has sockets for one that waits, a laptop for eight.
@pytest.mark.parametrize(("way", "waiting"), [("silent", 1), ("head", 8), ("body", 1), ("reader", 8)])
def test_bad_connections_keep_nobody_out(start_server, way, waiting):
    server = start_server(SIX, f"waiting={waiting}", script=CROWD)
    hold_out(server.port, WAYS[way])
    assert ask_for_state(server.port)["counters"]["errors"] == 0


@pytest.mark.parametrize("way", SECURE_WAYS)
def test_bad_handshakes_keep_nobody_out(start_server, folder, way):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    server = start_server(SIX, "tls", script=CROWD, data=folder)
    hold_out(server.port, SECURE_WAYS[way], context)


def test_handshakes_do_not_keep_the_plain_port_waiting(start_server, folder):
    plain_port = free_port()
    start = start_server(SIX, "tls", f"redirect={plain_port}", script=CROWD, data=folder)
    with attack(start.port, OTHERS, 6, SECURE_WAYS["hello"]):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", plain_port), SOCKET_TIMEOUT_S, (HONEST, 0)) as connection:
                connection.sendall(request("GET /state"))
                assert read_response(connection).status == 301


# -- busy clients


class Kept(threading.Thread):
    """A client that asks again and again over a connection, as long as that is kept."""

    def __init__(self, server, start):
        super().__init__()
        self.server = server
        self.begin = start
        self.told_to_close = 0
        self.failed = []

    def run(self):
        self.begin.wait()
        client = None
        for number in range(60):
            if client is None:
                client = Client(self.server)
            try:
                answer = client.ask("GET /state")
            except (OSError, AssertionError) as error:
                self.failed.append((number, error))
                client = None
                continue
            if answer.status != 200:
                self.failed.append((number, answer))
            if answer.header("connection") == "close":
                self.told_to_close += 1
                client.socket.close()
                client = None
        if client:
            client.socket.close()


@pytest.mark.parametrize("count", [6, 7, 9, 12])
def test_busy_clients_lose_no_answer(start_server, count):
    server = start_server(SIX, script=CROWD)
    start = threading.Event()
    clients = [Kept(server, start) for _ in range(count)]
    for client in clients:
        client.start()
    start.set()
    for client in clients:
        client.join()
    assert [client.failed for client in clients if client.failed] == []
    counters = ask_for_state(server.port)["counters"]
    assert (counters["refused"], counters["errors"]) == (0, 0)


def test_clients_are_told_to_close_while_others_wait(start_server):
    server = start_server(SIX, script=CROWD)
    clients = [Client(server) for _ in range(6)]
    for name, client in zip("abcde", clients):
        client.send(request(f"GET /wait/{name}"))
    kept = clients[5]
    assert kept.ask("GET /state").header("connection") is None
    with Client(server) as new:
        # Seated in the one place that may become free: the client there has asked for nothing in the meantime.
        assert new.ask("GET /state").status == 200
        assert kept.rest() == b""
        # Nobody is idle: a sixth waits for its body, which comes, and then the answer ends the connection.
        new.send(request("POST /login", "Content-Length: 5"))
        with Client(server) as newer:
            newer.send(request("GET /state"))
            new.send(b"hello")
            answer = new.read()
            assert answer.status == 200
            assert newer.read().status == 200
            for name in "abcde":
                assert newer.ask(f"GET /open/{name}").status == 200
    for client in clients[:5]:
        assert client.read().status == 200
        client.socket.close()


def test_kept_client_that_asks_as_another_comes_is_answered(start_server):
    """It is idle as the other comes; what it asks is on its way."""
    server = start_server("connections=1", "idle_ms=60000", script=CROWD)
    for _ in range(10):
        with Client(server) as kept:
            assert kept.ask("GET /state").status == 200
            with Client(server) as new:
                new.send(last("GET /state"))
                time.sleep(0.02)
                answer = kept.ask("GET /state")
                assert (answer.status, answer.header("connection")) == (200, "close")
                assert kept.rest() == b""
                assert new.read().status == 200


# -- who makes room


def bad_client(server, address, raw=b""):
    connection = socket.create_connection((server.host, server.port), SOCKET_TIMEOUT_S, source_address=(address, 0))
    connection.sendall(raw)
    return connection


def test_address_that_holds_most_gives_first(start_server):
    server = start_server("connections=3", "head_ms=60000", script=CROWD)
    alone = bad_client(server, "127.0.0.3", b"GET /state HTTP/1.1\r\n")
    time.sleep(0.1)
    two = [bad_client(server, "127.0.0.2", b"GET /") for _ in range(2)]
    time.sleep(0.1)
    with bad_client(server, HONEST, last("GET /state")) as honest:
        assert read_response(honest).status == 200
    # Half a head is answered, too.
    answer = read_response(two[0])
    assert (answer.status, answer.header("connection")) == (408, "close")
    alone.sendall(b"Host: x\r\n\r\n")
    assert read_response(alone).status == 200
    two[1].sendall(b"state HTTP/1.1\r\nHost: x\r\n\r\n")
    assert read_response(two[1]).status == 200
    for connection in (alone, *two):
        connection.close()


def test_whole_request_never_makes_room(start_server):
    server = start_server("connections=2", "waiting=1", script=CROWD)
    busy = [Client(server) for _ in range(2)]
    for name, client in zip("ab", busy):
        client.send(request(f"GET /wait/{name}"))
    with bad_client(server, HONEST, last("GET /open/a")) as honest:
        answer = read_response(honest)
        assert (answer.status, answer.header("connection")) == (503, "close")
        assert honest.recv(1) == b""
    busy[0].reset()
    wait_until(lambda: ask_for_state(server.port)["notes"] == ["a"], "its end")
    with bad_client(server, HONEST, last("GET /open/b")) as honest:
        assert read_response(honest).status == 200
    assert busy[1].read().status == 200
    busy[1].socket.close()


def test_slow_body_has_all_the_time_while_nobody_waits(start_server):
    server = start_server("connections=2", script=CROWD)
    with Client(server) as slow:
        slow.send(request("POST /login", "Content-Length: 8"))
        for _ in range(8):
            slow.send(b"x")
            time.sleep(0.4)
        assert json.loads(slow.read().body) == {"size": 8}


# -- what was blind, or without end


def test_client_that_goes_behind_many_requests_is_noticed(start_server):
    server = start_server("silence_ms=1000", script=CROWD)
    client = Client(server)
    client.send(request("GET /wait/x") + request("GET /state") * 60)
    now = wait_until(lambda: (state := ask_for_state(server.port))["busy"] == 2 and state, "begun")
    client.socket.close()
    begun = now["clock"]
    while not now["notes"]:
        now = ask_for_state(server.port)
        assert now["clock"] < begun + 20
        time.sleep(LOOK_S)


def test_reader_that_takes_nothing_is_lost_where_the_system_has_no_room(start_server):
    server = start_server("silence_ms=1000", script=CROWD)
    with Client(server) as client:
        assert client.ask("GET /full").status == 200
        client.socket.close()
    with Client(server) as stuck:
        stuck.send(request("GET /state"))
        assert stuck.rest() == b""


def test_stop_does_not_wait_for_who_has_no_slot_yet(start_server):
    server = start_server("connections=1", script=CROWD)
    with Client(server) as busy:
        busy.send(request("GET /stop/700"))
        with bad_client(server, HONEST, last("GET /state")) as waiting:
            assert read_response(waiting).status == 503
            assert waiting.recv(1) == b""
        assert server.process.wait(20) == 0
    assert "stopped" in server.output()
