"""The shipped site behind its guards: what each request meets, what is loaded late, and the board's own endpoints."""

import json
import time

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from firmware.board.config import LOST
from host_tests.board_life import Board
from host_tests.conftest import interpreter_named
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


OWN_NAMES = ["limpet", "limpet-2.local", "limpet.lan", "LIMPET-12.home.arpa.:80"]


@pytest.mark.parametrize("host", ["evil.example", "limpet.local.evil.example", "limpet.example", *OWN_NAMES])
def test_only_own_names_are_answered(server, host):
    raw = server.raw(f"GET /api/led HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert read_response(raw).status == (200 if host in OWN_NAMES else 421)


def test_page_of_another_site_changes_nothing(server):
    body = b'{"on": true}'
    for field in ("Origin: http://evil.example", "Sec-Fetch-Site: cross-site"):
        answer = ask(server, "PUT /api/led", field, "Content-Type: application/json", body=body)
        assert answer.status == 403
    assert httpx.get(server.url + "api/led").json() == {"on": False}
    upgrade = ("Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    assert ask(server, "GET /ws", "Origin: http://evil.example", *upgrade, key).status == 403


SET = ("Content-Type: application/json",)
ON = b'{"on": true}'


def with_settings(start_server, tmp_path, **settings):
    (tmp_path / "config.json").write_text(json.dumps(settings))
    return start_server(data=tmp_path)


def test_board_has_its_public_origin_behind_a_proxy(start_server, tmp_path):
    server = with_settings(start_server, tmp_path, origins=["https://board.example.org", "http://192.0.2.7:8080"])
    ours, theirs = "Origin: https://board.example.org", "Origin: https://other.example.org"
    for host, origin, status in (
        ("127.0.0.1", ours, 200),
        ("127.0.0.1", "Origin: http://192.0.2.7:8080", 200),
        ("limpet.local", ours, 200),
        ("board.example.org", ours, 200),
        ("board.example.org:8443", ours, 200),
        ("192.168.1.7", ours, 200),  # an address among them takes none away
        ("board.example.org", theirs, 403),
        ("limpet.local", theirs, 403),
        ("limpet.local", "Origin: https://board.example.org:8443", 403),
        ("other.example.org", ours, 421),
        ("sub.board.example.org", ours, 421),
    ):
        # nginx asks in HTTP/1.0, by the name that it knows the board by, if nobody tells it otherwise.
        for version in ("1.0", "1.1"):
            head = f"PUT /api/led HTTP/{version}\r\nHost: {host}\r\n{origin}\r\nContent-Length: {len(ON)}\r\n"
            raw = server.raw(head.encode() + b"Connection: close\r\nContent-Type: application/json\r\n\r\n" + ON)
            assert read_response(raw).status == status, (host, origin, version)
    for origin, status in ((ours, 101), (theirs, 403)):
        head = f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n{origin}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        with server.connect() as connection:
            connection.sendall(head.encode())
            assert read_response(connection).status == status
    # It holds at once.
    settings = httpx.get(server.url + "api/settings").json()
    settings["origins"] = ["https://other.example.org"]
    assert httpx.put(server.url + "api/settings", json=settings).status_code == 200
    assert ask(server, "PUT /api/led", theirs, *SET, body=ON).status == 200
    assert ask(server, "PUT /api/led", ours, *SET, body=ON).status == 403
    for host, status in (("other.example.org", 200), ("board.example.org", 421)):
        raw = server.raw(f"GET /api/led HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert read_response(raw).status == status


def test_long_head_of_a_tunnel_is_a_setting(server, start_server, tmp_path):
    fields = ["Cf-Access-Jwt-Assertion: " + "x" * 1200, "Cookie: " + "y" * 1400, *(f"X-{n}: 1" for n in range(36))]
    assert ask(server, "GET /api/led", *fields).status == 431
    limits = {"head_bytes": 8192, "target_bytes": 4096, "fields": 64}
    other = with_settings(start_server, tmp_path, limits=limits)
    assert ask(other, "GET /api/led", *fields).status == 200
    assert ask(other, "GET /api/led?" + "z" * 4000, *fields).status == 200
    assert ask(other, "GET /api/led", *fields, "X-Rest: " + "x" * 6000).status == 431


def test_password_guards_from_then_on(start_server):
    server = start_server()
    with httpx.Client(base_url=server.url, timeout=120) as client:
        assert client.get("api/session").json()["password_set"] is False
        assert client.put("api/password", json={"new": "correct horse"}).status_code in (200, 204)
        assert "correct" not in (server.data / "config.json").read_text()
    # Another client: without that one's session.
    with httpx.Client(base_url=server.url, timeout=120) as client:
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


def test_boards_at_one_name_have_cookies_of_their_own(start_server):
    """Browsers send a host's cookies to all its ports: logging in to one board is no log-out from another."""
    boards = [start_server(), start_server()]
    with httpx.Client(timeout=120) as client:
        for board in boards:
            assert client.put(board.url + "api/password", json={"new": "correct horse"}).status_code == 200
        assert [client.get(board.url + "api/session").json()["user"] for board in boards] == ["admin", "admin"]
        assert client.post(boards[0].url + "api/logout").status_code == 204
        assert [client.get(board.url + "api/session").json()["user"] for board in boards] == [None, "admin"]
        # It is the same one's after a restart.
        boards[1].stop()
        boards[1].start()
        assert client.get(boards[1].url + "api/session").json()["user"] in ("admin", None)
        assert len(client.cookies) == 1


def test_settings_are_read_and_replaced(start_server):
    server = start_server()
    with httpx.Client(base_url=server.url, timeout=120) as client:
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


def test_backup_is_restored_on_another_board(start_server):
    one, other = start_server(), start_server()
    networks = [{"ssid": "Home", "password": "secret words"}, {"ssid": "Cafe", "password": None}]
    settings = {"hostname": "pool", "networks": networks, "access_point": {"password": "point of it"}}
    httpx.put(one.url + "api/settings", json=settings).raise_for_status()
    backup = httpx.get(one.url + "api/settings?download=1").json()
    # What it was made on has them all.
    answer = httpx.put(one.url + "api/settings", json=backup)
    assert answer.status_code == 200 and answer.json()["missing"] == []
    assert json.loads((one.data / "config.json").read_text())["networks"][0]["password"] == "secret words"
    # Elsewhere, what has no secret is restored; what has one is named, and never open instead.
    answer = httpx.put(other.url + "api/settings", json=backup)
    assert answer.status_code == 200 and answer.json()["missing"] == ["Home", "access_point"]
    kept = json.loads((other.data / "config.json").read_text())
    assert (kept["hostname"], [network["ssid"] for network in kept["networks"]]) == ("pool", ["Cafe"])
    assert kept["access_point"]["password"] is None
    # Anything else that is wrong is said.
    answer = httpx.put(other.url + "api/settings", json={**backup, "hostname": "a b"})
    assert answer.status_code == 422 and set(answer.json()["error"]["fields"]) == {"hostname"}
    assert json.loads((other.data / "config.json").read_text()) == kept


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


@pytest.mark.interpreters("cpython", "amd64", "i386")
def test_restart_is_answered_first_and_the_server_starts_again(start_server):
    server = start_server()
    for times in range(2, 4):
        assert httpx.post(server.url + "api/restart").status_code == 202
        deadline = time.monotonic() + 30
        while server.output().count(server.url) < times:
            assert server.process.poll() is None and time.monotonic() < deadline, server.output()
            time.sleep(0.05)
        assert httpx.get(server.url + "healthz").status_code == 200
    assert server.stop() == 0


def test_settings_never_touch_the_password(start_server):
    server = start_server()
    made = "pbkdf2-sha256$5000$" + "ab" * 16 + "$" + "cd" * 32
    with httpx.Client(base_url=server.url, timeout=120) as client:
        early = client.get("api/settings?download=1").json()
        client.put("api/password", json={"new": "correct horse"})
        client.post("api/login", json={"password": "correct horse"})
        for admin in (False, True, None, made, "pbkdf2-sha256$5000$nothex$nothex"):
            assert client.put("api/settings", json={**early, "admin": admin}).status_code == 200
            assert client.get("api/session").json()["password_set"] is True
    with httpx.Client(base_url=server.url, timeout=120) as client:
        assert client.post("api/login", json={"password": "correct horse"}).status_code == 200


def test_with_a_password_names_and_files_are_not_for_strangers(start_server):
    server = start_server()
    paths = ["users", "users/1", "api/files", "files/a.txt", "f%69les/a.txt"]
    with httpx.Client(base_url=server.url, timeout=30) as owner, httpx.Client(base_url=server.url) as stranger:
        owner.post("users", json={"name": "Ann", "email": "ann@example.org"})
        owner.put("files/a.txt", content=b"a")
        assert [stranger.get(path).status_code for path in paths] == [200] * 5
        owner.put("api/password", json={"new": "correct horse"})
        assert [owner.get(path).status_code for path in paths] == [200] * 5
        for path in paths:
            assert stranger.get(path).status_code == stranger.head(path).status_code == 401
        assert "Ann" not in stranger.get("users").text
        # What a stranger may read is a list in the settings.
        settings = owner.get("api/settings").json()
        for path in settings["public"]:
            if path != "/api/events":
                assert stranger.get(path[1:]).status_code in (200, 204), path
        assert stranger.get("").status_code == stranger.get("healthz").status_code == 200
        assert stranger.get("", headers={"Connection": "Upgrade", "Upgrade": "h2c"}).status_code == 200
        settings["public"] = ["/files", "/metrics"]
        assert owner.put("api/settings", json=settings).status_code == 200
        assert [stranger.get(path).status_code for path in paths] == [401, 401, 401, 200, 200]
        for path in ("api/status", "api/led", "api/readings", "api/readings.csv", "api/pins", "api/events"):
            assert (stranger.get(path).status_code, owner.head(path).status_code < 300) == (401, True), path
        assert stranger.get("").status_code == stranger.get("api/session").status_code == 200
        settings["public"] = ["api/status"]
        answer = owner.put("api/settings", json=settings)
        assert set(answer.json()["error"]["fields"]) == {"public.0"}


@pytest.mark.parametrize("left", ["{", "", "{}"])
def test_settings_that_are_lost_let_nobody_set_a_new_password(start_server, left):
    server = start_server()
    assert httpx.put(server.url + "api/password", json={"new": "correct horse"}, timeout=30).status_code == 200
    server.stop()
    for name in ("config.json", "config.good.json"):
        (server.data / name).write_text(left)
    for _ in range(2):
        server.start()
        with httpx.Client(base_url=server.url, timeout=30) as client:
            assert client.get("api/session").json()["password_set"] is True
            assert client.put("api/password", json={"new": "mine from now on"}).status_code == 401
            assert client.put("api/led", json={"on": True}).status_code == 401
            for password in ("correct horse", "mine from now on"):
                answer = client.post("api/login", json={"password": password})
                assert answer.status_code == 403 and "lost" in answer.json()["error"]["detail"]
        server.stop()
    # By the cable, or with the folder at hand, its owner begins anew.
    (server.data / "config.json").write_text('{"hostname": "limpet"}')
    server.start()
    assert httpx.put(server.url + "api/password", json={"new": "mine from now on"}, timeout=30).status_code == 200


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


def test_who_is_not_logged_in_is_told_so_without_what_knows_log_ins(tmp_path):
    board = Board(interpreter_named("i386"), tmp_path)
    board.air(("Home", "password1"))
    board.settings(networks=[{"ssid": "Home", "password": "password1"}], admin=LOST)
    board.start()
    try:
        board.until("joined")
        with board.client() as client:
            answer = client.get("/api/session")
            assert answer.json() == {"password_set": True, "user": None}
            assert answer.headers["cache-control"] == "no-store"
            assert board.tell("'firmware.features.auth' in sys.modules") is False
            assert client.get("/api/session", headers={"Cookie": "limpet=x"}).json() == answer.json()
            assert client.get("/api/session", headers={"Authorization": "Bearer x"}).status_code == 401
    finally:
        board.cut()
