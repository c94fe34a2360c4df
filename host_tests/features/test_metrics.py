"""GET /metrics, as the parser of Prometheus' own client reads it."""

import json

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from firmware.features.metrics import CONTENT_TYPE, MAX_STATUSES, Lag, Metrics
from host_tests.server.test_connection import Client, ask, request
from host_tests.server.test_listener import wait_until
from host_tests.servers import SOCKET_TIMEOUT_S

WATCHED = "host_tests/apps/watched.py"

COUNTERS = {"requests", "responses", "response_bytes", "accepted", "refused", "evicted", "timeouts", "lost", "errors"}
GAUGES = {"connections", "connections_limit", "live", "uptime_seconds", "rssi_dbm", "temperature_celsius"}
HEAP = {"heap_free_bytes", "heap_used_bytes"}
LAG = {"loop_lag_seconds": "summary", "loop_lag_max_seconds": "gauge"}


@pytest.fixture
def watched(start_server):
    return start_server(script=WATCHED, heapsize="16m")


def families(text):
    """Return the families of a text by name, without `limpet_`; the parser raises where it is none."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("limpet_")
        assert family.documentation
        assert family.name[7:] not in found
        found[family.name[7:]] = family
    return found


def scrape(server):
    """Return {sample's name, with its status: value} of a server."""
    answer = ask(server, "GET /metrics")
    assert (answer.status, answer.header("content-type")) == (200, CONTENT_TYPE)
    return {
        sample.name[7:] + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in families(answer.body.decode()).values()
        for sample in family.samples
    }


def test_parser_of_prometheus_reads_it(watched):
    answer = ask(watched, "GET /metrics")
    assert answer.body.endswith(b"\n# EOF\n")
    assert answer.header("transfer-encoding") == "chunked"
    assert answer.header("cache-control") == "no-store"
    found = families(answer.body.decode())
    kinds = {name: family.type for name, family in found.items()}
    heap = set() if watched.interpreter.word == "cpython" else HEAP
    assert kinds == {**dict.fromkeys(COUNTERS, "counter"), **dict.fromkeys(GAUGES | heap, "gauge"), **LAG}


def test_prometheus_is_given_what_it_asks_for(watched):
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
    with httpx.Client(base_url=watched.url, timeout=SOCKET_TIMEOUT_S, trust_env=False) as client:
        answer = client.get("/metrics", headers={"accept": accept})
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert families(answer.text)


def test_answers_are_counted_by_status(watched):
    before = scrape(watched)
    for line in ("GET /text", "GET /text", "GET /nothing", "GET /raise", "GET /cached", "GET /long/1000"):
        ask(watched, line)
    watched.raw(b"BAD\r\n\r\n")
    now = scrape(watched)
    grown = {name: now[name] - before.get(name, 0) for name in now if name.startswith("responses_total")}
    # The scrape before is an answer, too.
    assert grown == {
        "responses_total 200": 4,
        "responses_total 304": 1,
        "responses_total 400": 1,
        "responses_total 404": 1,
        "responses_total 500": 1,
    }
    assert now["requests_total"] - before["requests_total"] == 7
    assert now["accepted_total"] - before["accepted_total"] == 8
    assert now["errors_total"] - before["errors_total"] == 1
    assert 1000 < now["response_bytes_total"] - before["response_bytes_total"] < 20_000


def test_statuses_are_bounded(watched):
    for status in range(450, 500):
        assert ask(watched, f"GET /status/{status}").status == status
    now = scrape(watched)
    labels = [name for name in now if name.startswith("responses_total ")]
    assert len(labels) == MAX_STATUSES + 1
    assert now["responses_total other"] == 50 - MAX_STATUSES


def test_connections_are_told(watched):
    with Client(watched) as client:
        assert client.ask("GET /text").status == 200
        now = scrape(watched)
        assert (now["connections"], now["connections_limit"]) == (2, 64)
        # The scrape itself is a stream.
        assert now["live"] == 1
    lost = Client(watched)
    lost.send(request("GET /long/6000000"))
    assert lost.socket.recv(10)
    lost.reset()
    wait_until(lambda: scrape(watched)["lost_total"] > now["lost_total"], "a client that was lost")


def test_board_is_told(watched):
    now = scrape(watched)
    assert (now["rssi_dbm"], now["temperature_celsius"]) == (-61, 41.5)
    assert 0 <= now["uptime_seconds"] < 1000
    if watched.interpreter.word != "cpython":
        assert now["heap_free_bytes"] > 0 and now["heap_used_bytes"] > 0


def test_lag_of_a_loop_that_was_blocked_is_told(watched):
    before = scrape(watched)
    wait_until(lambda: scrape(watched)["loop_lag_seconds_count"] > 0, "a measurement")
    ask(watched, "GET /block/1500")
    now = wait_until(lambda: (found := scrape(watched))["loop_lag_max_seconds"] >= 0.5 and found, "the lag")
    assert now["loop_lag_seconds_sum"] >= now["loop_lag_max_seconds"] >= 0.5 > before["loop_lag_seconds_sum"]
    assert now["loop_lag_seconds_count"] > before["loop_lag_seconds_count"]


def test_head_is_answered(watched):
    answer = ask(watched, "HEAD /metrics")
    assert (answer.status, answer.header("content-type"), answer.body) == (200, CONTENT_TYPE, b"")


def test_scrapes_do_not_fill_the_heap(start_server, micropython):
    server = start_server(interpreter=micropython, script=WATCHED)
    with Client(server) as client:

        def heap():
            return json.loads(client.ask("GET /heap").body)["used"]

        for _ in range(5):
            client.ask("GET /metrics")
        before = heap()
        for _ in range(40):
            client.ask("GET /metrics")
        assert heap() <= before + 2048


def test_stopped_server_leaves_no_task(start_server):
    server = start_server(script=WATCHED)
    assert ask(server, "GET /metrics").status == 200
    assert ask(server, "GET /stop").status == 200
    assert server.process.wait(20) == 0
    assert server.output().endswith("stopped\n")
    assert "Traceback" not in server.output() and "destroyed" not in server.output()


# -- its parts


def test_greatest_lag_lasts_one_to_two_windows():
    lag = Lag()
    for late_ms in (5, 1000, -3):
        lag.note(late_ms)
    assert (lag.count, lag.sum_ms, lag.greatest_ms()) == (3, 1005, 1000)
    for _ in range(120):
        lag.note(1)
        assert lag.greatest_ms() == 1000
    for _ in range(120):
        lag.note(1)
    assert lag.greatest_ms() == 1


class FakeServer:
    requests = 1 << 40
    counters = dict.fromkeys(("accepted", "refused", "evicted", "timeouts", "lost", "errors"), 0)
    slots = ()
    live = 0


class FakeApp:
    server = FakeServer

    def root():
        return FakeApp


def text_of(heap=None, **gauges):
    metrics = Metrics(FakeApp)
    metrics.heaps = (("heap", "The heap", heap),)
    metrics.gauges = tuple((name, "It.", function) for name, function in gauges.items())
    return "".join(metrics._chunks())


def raising():
    raise OSError("no such thing")


@pytest.mark.parametrize("function", [None, raising, lambda: None, lambda: float("nan")])
def test_what_cannot_be_told_is_left_out(function):
    found = families(text_of(thing_celsius=function, other=lambda: 5))
    assert "thing_celsius" not in found
    assert found["other"].samples[0].value == 5


@pytest.mark.parametrize("function", [None, raising, lambda: None, lambda: {"free": None, "used": None}])
def test_heap_that_cannot_be_told_is_left_out(function):
    assert not [name for name in families(text_of(heap=function)) if name.startswith("heap")]


def test_chunks_are_small():
    metrics = Metrics(FakeApp)
    metrics._statuses = dict.fromkeys(range(400, 400 + MAX_STATUSES), 1 << 40)
    chunks = list(metrics._chunks())
    assert len(chunks) > 1 and max(map(len, chunks)) < 4096
    found = families("".join(chunks))
    assert {sample.value for sample in found["responses"].samples} == {1 << 40}
    assert found["requests"].samples[0].value == 1 << 40
