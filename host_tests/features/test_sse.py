"""Server-Sent Events, read as WHATWG HTML says (section 9.2.6), over real sockets and under both interpreters."""

import json
import time

import httpx
import pytest

from firmware.features import sse
from firmware.server.limits import SWEEP_MS
from host_tests.features.test_feed import RING, publish
from host_tests.server.test_connection import Client, ask, request
from host_tests.server.test_listener import wait_until
from host_tests.server.test_stream import LIVE, cut_off, state, stop, wait_until_free


class Parser:
    """What a browser makes of an event stream: feed it bytes, `events` are (type, data, last event id)."""

    def __init__(self):
        self.events = []
        self.retry = None
        self.comments = 0
        self.last_id = ""
        self._rest = b""
        self._data = []
        self._type = ""

    def feed(self, piece):
        *lines, self._rest = (self._rest + piece).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            self._take(line.decode())

    def _take(self, line):
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if not line:
            if self._data:
                self.events.append((self._type or "message", "\n".join(self._data), self.last_id))
            self._data = []
            self._type = ""
        elif not name:
            self.comments += 1
        elif name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self.last_id = value
        elif name == "retry" and value.isdigit():
            self.retry = int(value)


class Source(Client):
    """An EventSource over chunks, or over HTTP/1.0."""

    def __init__(self, server, path, *fields, version="1.1", window=None):
        super().__init__(server, window)
        self.send(request(f"GET {path}", "Accept: text/event-stream", *fields, version=version))
        self.stream = self.socket.makefile("rb")
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            line = self.stream.readline()
            assert line, self.head
            self.head += line
        self.chunked = b"Transfer-Encoding: chunked\r\n" in self.head
        assert self.chunked is (version == "1.1")
        self.parser = Parser()

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def read_chunk(self):
        """Read some; tell whether there was more than the end."""
        if not self.chunked:
            piece = self.stream.read1(65536)
        else:
            size = int(self.stream.readline(), 16)
            piece = self.stream.read(size)
            assert self.stream.read(2) == b"\r\n"
        self.parser.feed(piece)
        return bool(piece)

    def events(self, count):
        """Return the next events."""
        while len(self.parser.events) < count:
            assert self.read_chunk(), f"it ended after {self.parser.events}"
        found = self.parser.events[:count]
        del self.parser.events[:count]
        return found

    def numbers(self, count):
        return [int(number) for _, _, number in self.events(count)]


def follow(server, name, *fields, query="", **options):
    """Return a Source that follows a feed: it does before its head is sent."""
    return Source(server, f"/feed/{name}/events{query}", *fields, **options)


# -- the format


def test_stream_says_what_it_is(both):
    with follow(both, "head") as source:
        head = source.head.lower()
        assert head.startswith(b"http/1.1 200 ok\r\n")
        assert b"content-type: text/event-stream" in head
        assert b"cache-control: no-store" in head
        # Or nginx holds back what comes until it is some KB.
        assert b"x-accel-buffering: no\r\n" in head
        assert b"content-length" not in head
        publish(both, "head", 1)
        source.events(1)
        assert source.parser.retry == 2000
    wait_until_free(both)


VALUES = [None, True, 0, -1.5, "", "text", "grüß €", "two\nlines", "cr\rlf\r\n", "\n\n", ["a", {"b": None}], {}, ": x"]


@pytest.mark.parametrize("value", VALUES)
def test_value_arrives_as_json(live, value):
    name = "json"
    with follow(live, name) as source:
        number = publish(live, name, value)["last"]
        ((kind, data, last_id),) = source.events(1)
        assert (kind, json.loads(data), last_id) == ("message", value, str(number))
    wait_until_free(live)


def test_event_has_its_name(both):
    with follow(both, "named") as source:
        publish(both, "named", 1, event="reading")
        publish(both, "named", 2)
        assert [kind for kind, _, _ in source.events(2)] == ["reading", "message"]


@pytest.mark.parametrize("name", ["two%0Alines", "two%0Dlines", "nul%00"])
def test_event_of_a_name_that_is_not_one_line_harms_nobody_else(live, name):
    errors = state(live)["counters"]["errors"]
    with follow(live, "bad-name") as source:
        body = b'"x"'
        answer = ask(live, f"POST /feed/bad-name?event={name}", "Content-Type: application/json", body=body)
        if answer.status == 200:
            assert b"lines" not in cut_off(source)
        else:
            assert answer.status >= 400
    wait_until_free(live)
    assert state(live)["counters"]["errors"] <= errors + 1
    assert ask(live, "GET /json").status == 200


def test_encode_makes_events_of_any_lines(live):
    source = Source(live, "/events/own")
    with source:
        while source.read_chunk():
            pass
        # An event of empty data is one, too: its data field stands there.
        named, empty, last = source.parser.events
        assert named == ("named", "one\ntwo\nthree\nfour", "7")
        assert empty == ("message", "", "x")
        assert last == ("message", "last", "x")
        assert source.is_open()


def test_http_1_0_gets_the_events_alone(live):
    with follow(live, "old", version="1.0") as source:
        assert b"connection: close" in source.head.lower()
        publish(live, "old", "x", 2)
        assert source.numbers(2) == [1, 2]
    wait_until_free(live)


def test_head_of_events_follows_nothing(both):
    with Client(both) as client:
        answer = client.ask("HEAD /feed/head-only/events")
        assert (answer.status, answer.header("content-type")) == (200, "text/event-stream")
        assert client.is_open()
    wait_until_free(both)


# -- from where on


def test_events_begin_with_the_next(live):
    publish(live, "next", "old", 3)
    with follow(live, "next") as source:
        publish(live, "next", "new")
        assert source.numbers(1) == [4]


def test_reconnecting_browser_misses_nothing(both):
    name = "reconnect"
    last = publish(both, name, "before")["last"]
    seen = []
    for turn in range(3):
        with follow(both, name, f"Last-Event-ID: {last}") as source:
            publish(both, name, turn, 2)
            while len(seen) < last - 1 + 2:
                seen += source.numbers(1)
            last = seen[-1]
        # While it is away.
        publish(both, name, "away", RING)
        with follow(both, name, f"last-event-id: {last}") as source:
            seen += source.numbers(RING)
            last = seen[-1]
    assert seen == list(range(2, last + 1))


def test_browser_that_was_away_too_long_gets_what_the_ring_holds(live):
    publish(live, "away", "x", 5)
    publish(live, "away", "y", RING + 10)
    newest = 5 + RING + 10
    for fields, query in ((["Last-Event-ID: 5"], ""), ([], "?since=5"), ([], "?since=0"), (["Last-Event-ID: 0"], "")):
        with follow(live, "away", *fields, query=query) as source:
            assert source.numbers(RING) == list(range(newest - RING + 1, newest + 1))


def test_since_is_for_who_begins(live):
    publish(live, "since", "x", 5)
    with follow(live, "since", query="?since=3") as source:
        assert source.numbers(2) == [4, 5]
    # A browser that reconnects asks for the same address: what it saw last is newer.
    with follow(live, "since", "Last-Event-ID: 4", query="?since=0") as source:
        assert source.numbers(1) == [5]


def test_id_of_before_a_restart_gets_what_is_held(live):
    publish(live, "restart", "x", 3)
    with follow(live, "restart", "Last-Event-ID: 700") as source:
        assert source.numbers(3) == [1, 2, 3]
        publish(live, "restart", "y")
        assert source.numbers(1) == [4]


@pytest.mark.parametrize("held", [1, RING, RING + 1, 3 * RING + 2])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_id_of_before_a_restart_begins_with_the_oldest_held(live, held, version):
    # The ring has gone round since: what is held does not begin with 1.
    name = f"restart-{held}-{version}"
    publish(live, name, "x", held)
    numbers = list(range(max(1, held - RING + 1), held + 1))
    for fields, query in ((["Last-Event-ID: 48000"], ""), ([], "?since=48000")):
        with follow(live, name, *fields, query=query, version=version) as source:
            assert source.numbers(len(numbers)) == numbers


@pytest.mark.parametrize("value", ["", "abc", "-1", "1.5", "9" * 30, "0x10", " ", "1_0"])
def test_id_that_is_no_number_begins_with_the_next(live, value):
    name = "odd-ids"
    publish(live, name, "old")
    with follow(live, name, f"Last-Event-ID: {value}") as source:
        number = publish(live, name, "new")["last"]
        assert source.numbers(1) == [number]


# -- to many


def test_every_client_gets_every_event(both):
    sources = [follow(both, "fan-out") for _ in range(15)]
    for at in range(30):
        publish(both, "fan-out", at)
        if at % 5 == 4:
            for source in sources:
                assert [json.loads(data) for _, data, _ in source.events(5)] == list(range(at - 4, at + 1))
    for source in sources:
        assert source.parser.last_id == "30"
        source.close()
    wait_until_free(both)


def test_bursts_of_a_ring_are_not_missed(live):
    with follow(live, "bursts") as source:
        for burst in range(20):
            publish(live, "bursts", "x" * 100, RING)
            assert source.numbers(RING) == list(range(burst * RING + 1, (burst + 1) * RING + 1))


def test_burst_longer_than_the_ring_drops_who_follows(live):
    errors = state(live)["counters"]["errors"]
    with follow(live, "overrun") as source:
        publish(live, "overrun", "x", RING + 1)
        cut_off(source)
    # It comes back, and gets what is held.
    with follow(live, "overrun", "Last-Event-ID: 0") as source:
        assert source.numbers(RING) == list(range(2, RING + 2))
    assert wait_until_free(live)["counters"]["errors"] == errors


def test_slow_client_is_dropped_and_the_others_miss_nothing(start_server):
    server = start_server("silence_ms=1000", script=LIVE, heapsize="16m")
    sources = [follow(server, "slow") for _ in range(3)]
    slow = follow(server, "slow", window=16384)
    value = "x" * 8000
    for at in range(700):
        publish(server, "slow", value)
        for source in sources:
            assert source.numbers(1) == [at + 1]
    wait_until(lambda: state(server)["watchers"] == 3, "the slow one is dropped")
    for source in sources:
        source.close()
    assert wait_until_free(server)["counters"]["errors"] == 0
    slow.close()


@pytest.mark.parametrize("how", ["reset", "close", "half-close"])
def test_client_that_goes_is_followed_no_more(both, how):
    before = state(both)["counters"]
    for late in (False, True):
        source = follow(both, "gone")
        if late:
            publish(both, "gone", 1)
            source.events(1)
        source.stream.close()
        if how == "reset":
            source.reset()
        elif how == "close":
            source.socket.close()
        else:
            source.half_close()
        now = wait_until_free(both)["counters"]
        assert now["errors"] == before["errors"]
        source.socket.close()


def test_request_behind_events_does_not_end_them(live):
    with follow(live, "behind") as source:
        source.send(request("GET /json") * 80)
        publish(live, "behind", 1)
        assert source.numbers(1) == [1]
        source.send(request("GET /json") * 80)
        publish(live, "behind", 2)
        assert source.numbers(1) == [2]


def test_heartbeat_is_a_comment():
    # It takes too long to wait for.
    assert sse._HEARTBEAT_SWEEPS * SWEEP_MS == 15_000
    parser = Parser()
    parser.feed(b":\n\n" + sse.encode("x", None, 1) + b":\n\n")
    assert (parser.comments, parser.events) == (2, [("message", "x", "1")])


def test_stop_ends_events_in_peace(start_server):
    server = start_server(script=LIVE, heapsize="16m")
    with follow(server, "stop") as source, follow(server, "stop", version="1.0") as old:
        publish(server, "stop", 1)
        assert source.numbers(1) == old.numbers(1) == [1]
        began = time.monotonic()
        stop(server)
        assert not source.read_chunk(), "more than the last chunk"
        assert source.stream.read() == b""
        assert old.stream.read() == b""
        assert time.monotonic() - began < 1.5
        assert server.process.wait(10) == 0
    assert server.output() == "stopped\n"


@pytest.mark.interpreters("amd64")
def test_ten_thousand_events_leave_nothing_in_memory(live):
    with follow(live, "memory") as source:

        def many(count):
            for _ in range(count // RING):
                last = publish(live, "memory", {"temperature_c": 21.5}, RING)["last"]
                assert source.numbers(RING) == list(range(last - RING + 1, last + 1))

        many(10 * RING)
        before = state(live)["heap"]
        many(10_000)
        assert state(live)["heap"] - before < 1024


def test_httpx_reads_events_line_by_line(live):
    with httpx.Client(base_url=live.url) as client, client.stream("GET", "feed/httpx/events?since=0") as answer:
        publish(live, "httpx", {"n": 1}, 2, event="reading")
        lines = []
        for line in answer.iter_lines():
            lines.append(line)
            if lines.count("") == 3:
                break
    assert lines[:2] == ["retry: 2000", ""]
    first, second = (["event: reading", f"id: {number}", 'data: {"n": 1}', ""] for number in (1, 2))
    assert lines[2:] == first + second
