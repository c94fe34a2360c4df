"""GET /healthz: all is well, or what is not."""

import json

import pytest

from host_tests.server.test_connection import Client, ask
from host_tests.servers import Server

WATCHED = "host_tests/apps/watched.py"


@pytest.fixture(scope="module")
def watched(server_interpreter):
    with Server(server_interpreter, script=WATCHED) as running:
        yield running


def set_health(server, value):
    body = json.dumps(value).encode()
    assert ask(server, "PUT /health", "Content-Type: application/json", body=body).status == 204


def test_all_is_well(watched):
    set_health(watched, None)
    answer = ask(watched, "GET /healthz")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
    assert answer.header("cache-control") == "no-store"
    assert ask(watched, "HEAD /healthz").status == 200


def test_what_is_not_well_is_told(watched):
    set_health(watched, "it leaks")
    answer = ask(watched, "GET /healthz")
    assert answer.status == 503
    assert json.loads(answer.body) == {"status": "unavailable", "reasons": {"thing": "it leaks"}}
    assert (answer.header("cache-control"), answer.header("content-type")) == ("no-store", "application/json")
    assert ask(watched, "HEAD /healthz").status == 503
    set_health(watched, None)
    assert ask(watched, "GET /healthz").status == 200


def test_check_that_raises_is_a_reason_without_its_words(watched):
    set_health(watched, "raise")
    with Client(watched) as client:
        answer = client.ask("GET /healthz")
        assert (answer.status, json.loads(answer.body)["reasons"]) == (503, {"thing": "the check failed"})
        assert client.is_open()
    assert "ValueError: it went wrong" in watched.output()


def test_other_methods_are_refused(watched):
    assert ask(watched, "POST /healthz", body=b"").status == 405
