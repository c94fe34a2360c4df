"""The shipped site behind its guards: what each request meets, what is loaded late, and the board's own endpoints."""

import json
import time

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from host_tests.servers import read_response


def ask(server, line, *fields, body=b""):
    """Return the answer, as to a client on this machine under the board's own name."""
    lines = [f"{line} HTTP/1.1", "Host: limpet.local", "Connection: close", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return read_response(server.raw("\r\n".join([*lines, "", ""]).encode() + body))


def test_page_has_what_guards_it(server):
    answer = ask(server, "GET /")
    assert answer.status == 200 and "frame-ancestors 'none'" in answer.header("content-security-policy")
    assert answer.header("x-content-type-options") == "nosniff" and answer.header("x-request-id")


@pytest.mark.parametrize("host", ["evil.example", "limpet.local.evil.example", "limpet"])
def test_only_own_names_are_answered(server, host):
    raw = server.raw(f"GET /api/led HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert read_response(raw).status == (200 if host == "limpet" else 421)


def test_page_of_another_site_changes_nothing(server):
    body = b'{"on": true}'
    for field in ("Origin: http://evil.example", "Sec-Fetch-Site: cross-site"):
        answer = ask(server, "PUT /api/led", field, "Content-Type: application/json", body=body)
        assert answer.status == 403
    assert httpx.get(server.url + "api/led").json() == {"on": False}
    upgrade = ("Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    assert ask(server, "GET /ws", "Origin: http://evil.example", *upgrade, key).status == 403


def test_password_guards_from_then_on(start_server):
    server = start_server()
    with httpx.Client(base_url=server.url, timeout=30) as client:
        assert client.get("api/session").json()["password_set"] is False
        assert client.put("api/password", json={"new": "correct horse"}).status_code in (200, 204)
        assert "correct" not in (server.data / "config.json").read_text()
    # Another client: without that one's session.
    with httpx.Client(base_url=server.url, timeout=30) as client:
        assert client.put("api/led", json={"on": True}).status_code == 401
        assert client.put("files/x", content=b"x").status_code == 401
        assert client.get("api/settings").status_code == 401
        assert client.get("api/status").status_code == 200
        assert client.post("api/login", json={"password": "wrong"}).status_code == 401
        assert client.post("api/login", json={"password": "correct horse"}).status_code == 200
        assert client.put("api/led", json={"on": True}).json() == {"on": True}
        assert client.get("api/settings").json()["admin"] is True
        assert client.post("api/logout").status_code == 204
        assert client.put("api/led", json={"on": False}).status_code == 401


def test_settings_are_read_and_replaced(start_server):
    server = start_server()
    with httpx.Client(base_url=server.url, timeout=10) as client:
        settings = client.get("api/settings").json()
        settings["hostname"] = "barnacle"
        settings["networks"] = [{"ssid": "Rock Pool", "password": "secret words"}]
        answer = client.put("api/settings", json=settings)
        assert answer.status_code == 200 and answer.json()["networks"][0]["password"] is True
        assert "secret words" not in client.get("api/settings?download=1").text
        settings["networks"][0]["password"] = "short"
        answer = client.put("api/settings", json=settings)
        assert answer.status_code == 422 and set(answer.json()["error"]["fields"]) == {"networks.0.password"}
        assert client.get("api/led", headers={"Host": "barnacle.local"}).status_code == 200
    assert json.loads((server.data / "config.json").read_text())["networks"][0]["password"] == "secret words"


def test_log_has_a_line_for_a_request_without_its_secrets(server):
    ask(server, "GET /nothing?token=hunter2", "X-Request-ID: mine-1")
    lines = [json.loads(line) for line in httpx.get(server.url + "api/log?since=0").text.splitlines()]
    assert any("GET /nothing?token=* 404" in line.get("text", "") and "mine-1" in line["text"] for line in lines)
    assert "hunter2" not in json.dumps(lines)


def test_metrics_are_what_prometheus_reads(server):
    httpx.get(server.url + "metrics")
    httpx.get(server.url + "nothing")
    time.sleep(0.7)  # what is counted from now on is asked for by the next sweep
    httpx.get(server.url + "nothing")
    answer = httpx.get(server.url + "metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    statuses = {sample.labels["status"]: sample.value for sample in families["limpet_responses"].samples}
    assert statuses["404"] >= 1 and "limpet_uptime_seconds" in families


def test_health_is_told(server):
    assert httpx.get(server.url + "healthz").json() == {"status": "ok"}


def test_user_is_made_once_however_often_it_is_sent(start_server):
    server = start_server()
    with httpx.Client(base_url=server.url) as client:
        user = {"name": "Ann", "email": "a@b.c"}
        answers = [client.post("users", json=user, headers={"Idempotency-Key": '"k-1"'}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201] * 3
        assert len({answer.text for answer in answers}) == 1
        assert len(client.get("users").json()["users"]) == 1
        other = client.post("users", json={**user, "name": "Bob"}, headers={"Idempotency-Key": '"k-1"'})
        assert other.status_code == 422


def test_restart_is_answered_first(start_server):
    server = start_server()
    assert httpx.post(server.url + "api/restart").status_code == 202
    assert server.process.wait(10) == 75


def test_settings_never_touch_the_password(start_server):
    server = start_server()
    made = "pbkdf2-sha256$5000$" + "ab" * 16 + "$" + "cd" * 32
    with httpx.Client(base_url=server.url, timeout=30) as client:
        early = client.get("api/settings?download=1").json()
        client.put("api/password", json={"new": "correct horse"})
        client.post("api/login", json={"password": "correct horse"})
        for admin in (False, True, None, made, "pbkdf2-sha256$5000$nothex$nothex"):
            assert client.put("api/settings", json={**early, "admin": admin}).status_code == 200
            assert client.get("api/session").json()["password_set"] is True
    with httpx.Client(base_url=server.url, timeout=30) as client:
        assert client.post("api/login", json={"password": "correct horse"}).status_code == 200


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"ports": {"http": 80, "https": 80}}, "ports.https"),
        ({"limits": {"connections": 2}}, "limits.connections"),
        ({"limits": {"body_bytes": 1000}}, "limits.body_bytes"),
    ],
)
def test_settings_that_would_lock_the_owner_out_are_refused(server, change, path):
    settings = httpx.get(server.url + "api/settings").json()
    answer = httpx.put(server.url + "api/settings", json={**settings, **change})
    assert (answer.status_code, set(answer.json()["error"]["fields"])) == (422, {path})


def test_every_error_names_the_request(server):
    wrong = {"POST /api/login": "Content-Type: application/json", "POST /users": "Transfer-Encoding: gzip"}
    for line, field in wrong.items():
        answer = ask(server, line, field, "X-Request-ID: mine-2", "Accept: application/json")
        assert answer.header("x-request-id") == json.loads(answer.body)["error"]["request_id"] == "mine-2"
