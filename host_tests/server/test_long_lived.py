"""What goes on for long leaves room for ordinary requests, gives back its place, and leaves nothing in memory."""

import json
import subprocess
import time

import pytest

from host_tests.apps.live import pattern
from host_tests.features.test_feed import publish
from host_tests.server.test_connection import Client, request
from host_tests.server.test_listener import wait_until
from host_tests.server.test_stream import LIVE, notes, read_some, state, wait_for_note, wait_until_free
from host_tests.server.test_websocket import CLOSE, HANDSHAKE, TEXT, Socket, close
from host_tests.servers import Server
from host_tests.vectors.websocket import text

MINUTE = 60_000


@pytest.fixture
def small(start_server):
    """A server with the board's six slots, four of them for what goes on for long."""
    words = ("connections=6", "long_lived=4", f"head_ms={MINUTE}", f"idle_ms={MINUTE}", "requests=100000")
    return start_server(*words, script=LIVE, heapsize="16m")


def open_stream(server, name):
    client = Client(server)
    client.send(request(f"GET /stream/wait/{name}"))
    read_some(client)
    return client


def open_events(server, name):
    client = Client(server)
    client.send(request(f"GET /feed/{name}/events"))
    read_some(client)
    return client


def open_websocket(server, name):
    return Socket(server, f"/ws/noted/{name}")


def open_poll(server, name):
    client = Client(server)
    before = state(server)["wants"].count("poll")
    client.send(request(f"GET /feed/{name}/poll?wait=30"))
    wait_until(lambda: state(server)["wants"].count("poll") == before + 1, "it waits")
    return client


def open_busy(server, count):
    """Return clients whose requests are being answered, until somebody opens the doors busy0, busy1, ..."""
    clients = [Client(server) for _ in range(count)]
    for number, client in enumerate(clients):
        client.send(request(f"PUT /put/slow/busy{number}", body=b"hello"))
        time.sleep(0.05)
    return clients


def fill(server):
    """Take all four places in four ways but none that can be made to give it back."""
    opened = [open_stream(server, "one"), open_events(server, "two"), open_websocket(server, "three")]
    return [*opened, open_events(server, "four")]


ONE_MORE = {
    "stream": request("GET /stream/wait/five"),
    "plain stream": request("GET /stream/endless/five"),
    "events": request("GET /feed/five/events"),
    "poll": request("GET /feed/five/poll?wait=30"),
    "websocket": request("GET /ws/noted/five", *HANDSHAKE),
}


def test_one_too_many_is_told_to_come_back_and_the_rest_is_served(small):
    clients = fill(small)
    assert state(small)["live"] == 4
    with Client(small) as client:
        for what, raw in ONE_MORE.items():
            client.send(raw)
            answer = client.read()
            assert answer.status == 503, what
            assert int(answer.header("retry-after")) > 0
            assert answer.header("sec-websocket-accept") is None
            # Only what goes on for long is refused.
            assert client.is_open()
        # What can be answered at once takes no place.
        publish(small, "six", 1)
        assert client.ask("GET /feed/six/poll?wait=30").status == 200
        assert client.ask("GET /feed/five/poll").status == 204
        assert client.ask("HEAD /feed/five/events").status == 200
        for _ in range(20):
            assert client.is_open()
            assert state(small)["live"] == 4
    assert notes(small, "five") == {} or notes(small, "five").get("ended")
    for client in clients:
        client.reset()
    now = wait_until_free(small)
    assert now["counters"]["errors"] == 0
    # And all places are there again.
    for client in fill(small):
        client.reset()
    wait_until_free(small)


def test_place_is_free_as_soon_as_one_ends(small):
    clients = fill(small)
    clients.pop().reset()
    wait_until(lambda: state(small)["live"] == 3, "a place")
    clients.append(open_events(small, "again"))
    assert state(small)["live"] == 4
    with Client(small) as client:
        assert client.ask("GET /feed/x/events").status == 503
    for client in clients:
        client.reset()
    wait_until_free(small)


def test_longest_waiting_poll_gives_its_place(small):
    clients = [open_stream(small, "one"), open_poll(small, "first")]
    clock = state(small)["clock"]
    wait_until(lambda: state(small)["clock"] > clock + 1, "two sweeps")
    clients += [open_poll(small, "second"), open_events(small, "two")]
    assert state(small)["live"] == 4
    newer = open_websocket(small, "three")
    answer = clients[1].read()
    assert answer.status == 204
    assert clients[1].rest() == b""
    now = state(small)
    assert (now["live"], now["counters"]["evicted"]) == (4, 1)
    # The second still waits, and hears the news.
    publish(small, "second", "news")
    assert json.loads(clients[2].read().body)["values"] == ["news"]
    newer.bye()
    for client in clients:
        client.reset()
    wait_until_free(small)


def test_poll_gives_its_slot_when_all_are_taken(small):
    clients = [open_stream(small, "one"), open_poll(small, "two"), open_events(small, "three")]
    busy = open_busy(small, 3)
    # Nobody is idle: the long poll is answered, and its slot serves who comes.
    with Client(small) as new:
        assert new.is_open()
        assert clients[1].read().status == 204
        assert clients[1].rest() == b""
        for number, client in enumerate(busy):
            assert new.ask(f"GET /open/busy{number}").status == 200
            assert client.read().status == 200
        now = json.loads(new.ask("GET /state").body)
        assert (now["live"], now["counters"]["evicted"], now["counters"]["refused"]) == (2, 1, 0)
    for client in clients + busy:
        client.reset()
    wait_until_free(small)


def test_idle_client_makes_room_before_a_poll_does(small):
    poll = open_poll(small, "one")
    idle = [Client(small) for _ in range(5)]
    for client in idle:
        assert client.is_open()
    with Client(small) as new:
        assert new.is_open()
        now = json.loads(new.ask("GET /state").body)
        assert (now["live"], now["wants"].count("poll")) == (1, 1)
    publish(small, "one", 1)
    assert poll.read().status == 200
    for client in [poll, *idle]:
        client.reset()


def test_stream_and_websocket_are_never_evicted(small):
    clients = fill(small)
    busy = open_busy(small, 2)
    refused = [Client(small) for _ in range(3)]
    for client in refused:
        client.send(request("GET /json"))
    for client in refused:
        answer = client.read()
        assert answer.status == 503
        assert int(answer.header("retry-after")) > 0
        client.socket.close()
    clients[2].send(text(b"still there"))
    assert clients[2].frame() == (TEXT, b"still there")
    clients.pop().reset()
    with Client(small) as new:
        assert new.ask("GET /open/busy0").status == 200
    assert busy[0].read().status == 200
    for client in clients + busy:
        client.reset()
    wait_until_free(small)


def test_page_with_its_live_connection_loads_beside_many_of_them(small):
    """All places taken and two slots left: twenty requests, two at a time, are all served."""
    clients = fill(small)
    for _ in range(10):
        pair = [Client(small), Client(small)]
        for client in pair:
            client.send(request("GET /json", "Connection: close"))
        for client in pair:
            assert client.read().status == 200
            client.reset()
    for client in clients:
        client.reset()


def test_all_places_are_free_after_a_storm(small):
    for turn in range(15):
        clients = []
        for raw in ONE_MORE.values():
            client = Client(small)
            client.send(raw[: len(raw) - turn % 3])
            clients.append(client)
        for at, client in enumerate(clients):
            if (turn + at) % 3 == 0:
                client.reset()
            elif (turn + at) % 3 == 1:
                client.half_close()
        for client in clients:
            client.socket.close()
    now = wait_until_free(small)
    assert now["counters"]["errors"] == 0
    for client in fill(small):
        client.reset()
    wait_until_free(small)
    assert "Traceback" not in small.output()


def test_connection_goes_on_behind_what_went_on_for_long(small):
    with Client(small) as client:
        for _ in range(5):
            assert client.ask("GET /stream/async/3").status == 200
            assert client.ask("GET /feed/x/poll").status == 204
            assert client.is_open()
            assert state(small)["live"] == 0


# -- memory: what is there at the end is what was there before, but for a frame or two that happens to be alive. One
# block of 32 bytes for each message or chunk would be 64 KB and more.

FLAT_BYTES = 4096


@pytest.fixture(scope="module")
def live(server_interpreter):
    with Server(server_interpreter, "requests=100000", script=LIVE, heapsize="16m") as running:
        yield running


@pytest.mark.interpreters("amd64")
def test_messages_leave_nothing_in_memory(live):
    def talk(count):
        with Socket(live) as client:
            for at in range(count):
                client.send(text(b"message %d" % at))
                assert client.frame() == (TEXT, b"message %d" % at)
            client.send(close(1000))
            assert client.frame()[0] == CLOSE

    talk(20)
    wait_until_free(live)
    before = state(live)["heap"]
    talk(2000)
    wait_until_free(live)
    assert state(live)["heap"] - before < FLAT_BYTES


@pytest.mark.interpreters("amd64")
def test_long_download_leaves_nothing_in_memory(live, tmp_path):
    def download(size):
        out = tmp_path / "out"
        subprocess.run(["curl", "-sSf", "-o", out, f"{live.url}stream/blocks/{size}"], check=True, timeout=120)
        assert out.read_bytes() == b"".join(pattern(size))

    download(5000)
    wait_until_free(live)
    before = state(live)["heap"]
    download(5_000_000)
    wait_until_free(live)
    assert state(live)["heap"] - before < FLAT_BYTES


@pytest.mark.interpreters("amd64")
def test_clients_that_vanish_leave_nothing_in_memory(live):
    def vanish():
        for raw in ONE_MORE.values():
            client = Client(live)
            client.send(raw)
            client.socket.recv(1 if "wait=30" not in raw.decode() else 0)
            client.reset()
        wait_until_free(live)

    for _ in range(3):
        vanish()
    before = state(live)["heap"]
    for _ in range(30):
        vanish()
    assert state(live)["heap"] - before < FLAT_BYTES


@pytest.mark.interpreters("amd64")
def test_live_connections_fit_a_small_heap(start_server):
    """The smallest heap, of .py files, in which six slots serve a stream, events, a WebSocket and a poll at once."""
    words = ("connections=6", "long_lived=4")
    server = start_server(*words, script=LIVE, heapsize="640k")
    clients = [open_stream(server, "one"), open_events(server, "two"), open_websocket(server, "three")]
    clients.append(open_poll(server, "two"))
    for at in range(50):
        publish(server, "two", at)
        clients[2].send(text(b"x" * 1000))
        assert clients[2].frame() == (TEXT, b"x" * 1000)
    assert clients[3].read().status == 200
    assert wait_for_note(server, "one", "begun")
    for client in clients:
        client.reset()
    wait_until_free(server)
    assert "Memory" not in server.output()
