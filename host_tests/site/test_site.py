"""The shipped site: its pages, its status and its LED, over real sockets and under both interpreters."""

import json
import re

import pytest

from host_tests.servers import read_response
from tools import ROOT

WWW = ROOT / "firmware" / "site" / "www"
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
PAGES = sorted(path.name for path in WWW.iterdir())
STATUS = {
    "firmware": {"name": str, "version": str},
    "hostname": str,
    "python": {"implementation": str, "version": str},
    "board": str,
    "uptime_s": int,
    "heap": {"free": (int, type(None)), "used": (int, type(None))},
    "idf_heap": type(None),
    "temperature_c": float,
    "led": {"on": bool},
    "boot": {"boots": int, "reset_cause": str, "safe_mode": bool, "last_crash": type(None)},
    "tasks": {name: {"state": str, "deaths": int, "last": type(None)} for name in ("memory", "recovery")},
    "memory": {"step": int, "lowest": (int, type(None))},
    "left_out": list,
    "password_set": bool,
    "project": type(None),
    "clock": {"unix_s": int, "server": type(None), "error": type(None)},
    "wifi": type(None),
    "connections": dict.fromkeys(
        ("accepted", "refused", "evicted", "timeouts", "lost", "errors", "requests", "open", "limit"), int
    ),
}


def get(server, path, *fields, method="GET"):
    """Return the answer, on a connection of its own."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *fields]
    return read_response(server.raw("\r\n".join([*lines, "", ""]).encode()), head=method == "HEAD")


def put_led(server, body, kind="application/json"):
    head = f"PUT /api/led HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    head += f"Content-Type: {kind}\r\n" if kind else ""
    return read_response(server.raw(head.encode() + b"\r\n" + body))


# -- pages


def test_index_is_served_to_the_letter(server):
    page = (WWW / "index.html").read_bytes()
    request = (
        b"GET /index.html HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Mozilla/5.0\r\nAccept: text/html\r\n"
        b"Connection: close\r\n\r\n"
    )
    raw = server.raw(request)
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Length: %d\r\n" % len(page) in raw
    assert raw[raw.index(b"\r\n\r\n") + 4 :] == page
    answer = read_response(raw)
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert answer.header("server").startswith("Limpet/")
    assert answer.header("date")


def test_folder_is_its_index(server):
    index, folder = get(server, "/index.html"), get(server, "/")
    assert folder.status == 200
    assert folder.body == index.body
    assert folder.header("etag") == index.header("etag")


@pytest.mark.parametrize("name", PAGES)
def test_page_is_served_with_its_type(server, name):
    answer = get(server, f"/{name}")
    assert (answer.status, answer.header("content-type")) == (200, KINDS[name[name.rindex(".") :]])
    assert answer.body == (WWW / name).read_bytes()
    assert get(server, f"/{name}", f"If-None-Match: {answer.header('etag')}").status == 304


def test_not_found_is_a_small_page_to_the_letter(server):
    raw = server.raw(
        b"GET /notfound.html HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    )
    assert raw.startswith(b"HTTP/1.1 404 Not Found\r\n")
    answer = read_response(raw)
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert answer.header("content-length") == str(len(answer.body))
    assert 0 < len(answer.body) < 1024
    assert b"<h1>Not Found</h1>" in answer.body


@pytest.mark.parametrize("path", ["/../routes.py", "/%2e%2e/routes.py", "/..%2froutes.py", "/routes.py", "/www/"])
def test_nothing_but_pages_is_served(server, path):
    assert get(server, path).status in (400, 404)


def test_pages_are_whole():
    html = (WWW / "index.html").read_text()
    for link in re.findall(r'(?:src|href)="([^"#]+)"', html):
        assert (WWW / link).is_file() or link == "api/status"
    # Each section of the page but the first is a script, loaded when it is shown.
    for name in re.findall(r'href="#/(\w+)"', html):
        assert (WWW / f"{name}.js").is_file() or name == "dashboard"


def test_script_finds_what_it_looks_for():
    html = (WWW / "index.html").read_text()
    script = (WWW / "app.js").read_text()
    wanted = set(re.findall(r'\b(?:at|show|new Chart)\("([^"]+)"', script))
    assert len(wanted) > 10
    assert wanted <= set(re.findall(r'\bid="([^"]+)"', html))


# -- status


def assert_shape(value, shape, where="status"):
    if isinstance(shape, dict):
        assert set(value) == set(shape), where
        for name in shape:
            assert_shape(value[name], shape[name], f"{where}.{name}")
    else:
        assert isinstance(value, shape), (where, value)


def test_status_tells_what_runs_and_how(server):
    answer = get(server, "/api/status")
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    status = json.loads(answer.body)
    # The readings' task, where somebody has asked for them.
    status["tasks"].pop("sample", None)
    assert_shape(status, STATUS)
    on_cpython = server.interpreter.word == "cpython"
    assert status["firmware"]["name"] == "Limpet"
    assert status["python"]["implementation"] == ("cpython" if on_cpython else "micropython")
    assert re.fullmatch(r"\d+\.\d+\.\d+", status["python"]["version"])
    assert (status["board"], status["idf_heap"]) == ("simulated", None)
    assert (status["heap"]["free"] is None) == on_cpython
    assert 15 < status["temperature_c"] < 28
    assert status["connections"]["open"] == 1
    assert status["connections"]["limit"] == 64


def test_status_counts(start_server):
    server = start_server()

    def counts():
        return json.loads(get(server, "/api/status").body)["connections"]

    before = counts()
    with server.connect() as idle:
        idle.sendall(b"GET /api/led HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_response(idle).status == 200
        after = counts()
    assert after["accepted"] == before["accepted"] + 2
    assert after["requests"] == before["requests"] + 2
    assert after["open"] == 2
    assert after["errors"] == 0


@pytest.mark.parametrize(
    "path, allow", [("/api/status", "GET, HEAD, OPTIONS"), ("/api/led", "GET, HEAD, PUT, OPTIONS")]
)
def test_other_methods_are_refused(server, path, allow):
    answer = get(server, path, method="DELETE")
    assert answer.status == 405
    assert set(answer.header("allow").split(", ")) == set(allow.split(", "))


# -- LED


def test_led_is_switched(server):
    for on in (True, True, False):
        answer = put_led(server, json.dumps({"on": on}).encode())
        assert (answer.status, json.loads(answer.body)) == (200, {"on": on})
        assert json.loads(get(server, "/api/led").body) == {"on": on}
        assert json.loads(get(server, "/api/status").body)["led"] == {"on": on}


@pytest.mark.parametrize(
    "body, kind, status",
    [
        (b'{"on": 1}', "application/json", 422),
        (b'{"on": "true"}', "application/json", 422),
        (b'{"on": null}', "application/json", 422),
        (b"{}", "application/json", 422),
        (b'{"on": true, "off": false}', "application/json", 422),
        (b"[true]", "application/json", 422),
        (b"true", "application/json", 422),
        (b'{"on": tru}', "application/json", 400),
        (b"", "application/json", 400),
        (b'{"on": true}', "text/plain", 415),
        (b'{"on": true}', None, 415),
    ],
    ids=repr,
)
def test_led_takes_nothing_else(server, body, kind, status):
    assert put_led(server, b'{"on": false}').status == 200
    assert put_led(server, body, kind).status == status
    assert json.loads(get(server, "/api/led").body) == {"on": False}
