"""Who is let in: Basic, Bearer, sessions; what is open before there is a password."""

import asyncio
import base64
import json
import socket as socket_module
import subprocess

import httpx
import pytest
import websockets.exceptions
from websockets.sync.client import connect

from firmware.features import auth, passwords
from firmware.http.errors import HTTPError
from host_tests.server.test_connection import Client, ask
from host_tests.servers import SOCKET_TIMEOUT_S, Server
from host_tests.vectors import heads

GUARDED = "host_tests/apps/guarded.py"
PASSWORD = "correct horse"
ADMIN = ("admin", PASSWORD)

BASIC = 'Basic realm="Limpet", charset="UTF-8"'
BEARER = 'Bearer realm="Limpet"'

# Addresses of this machine that the server takes for the network.
LAPTOP, PHONE = "127.0.0.2", "127.0.0.3"


def client(server, address=LAPTOP, **options):
    """Return an httpx client that comes from `address`."""
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=server.url, transport=transport, timeout=SOCKET_TIMEOUT_S, **options)


def log_in(http, password=PASSWORD):
    """Log in; return the answer."""
    return http.post("/api/login", json={"password": password})


def basic(text):
    """Return the Authorization line for "name:password" as text or bytes."""
    raw = text.encode() if isinstance(text, str) else text
    return "Authorization: Basic " + base64.b64encode(raw).decode()


@pytest.fixture(scope="module")
def guarded(server_interpreter):
    with Server(server_interpreter, script=GUARDED) as running:
        yield running


@pytest.fixture
def open_server(start_server):
    """A server on which no password is set."""
    return start_server("open", script=GUARDED)


@pytest.fixture(scope="module")
def tokens(guarded):
    """A token of each role."""
    made = {}
    with client(guarded, auth=ADMIN) as http:
        for role in ("read", "write", "admin"):
            answer = http.post("/api/tokens", json={"name": "the-" + role, "role": role})
            assert answer.status_code == 201, answer.text
            made[role] = answer.json()["token"]
    return made


# -- what is open, what is not


@pytest.mark.parametrize("line", ["GET /", "GET /value", "HEAD /value", "OPTIONS /value", "OPTIONS *"])
def test_reading_takes_no_log_in(guarded, line):
    assert ask(guarded, line).status in (200, 204)


def test_upgrade_to_something_else_is_reading(guarded):
    assert ask(guarded, "GET /value", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c").status == 200


@pytest.mark.parametrize("line", ["PUT /value", "POST /nowhere", "DELETE /", "PATCH /value", "PURGE /", "put /value"])
def test_writing_takes_a_log_in(guarded, line):
    with Client(guarded) as connection:
        for _ in range(2):
            assert connection.ask(line).status == 401


@pytest.mark.parametrize("path", ["/private", "/private/log", "/private/nowhere", "/%70rivate/log", "/mine"])
def test_private_paths_take_a_log_in(guarded, path):
    assert ask(guarded, f"GET {path}").status == 401
    assert ask(guarded, f"HEAD {path}").status == 401


@pytest.mark.parametrize("path", ["/privately", "/Private/log", "//private/log", "/private%2Flog/x"])
def test_other_paths_are_not_private(guarded, path):
    assert ask(guarded, f"GET {path}").status in (401, 404)
    assert ask(guarded, f"GET {path}", basic("admin:" + PASSWORD)).status == 404


def test_who_asks_is_told_how_to_log_in(guarded):
    answer = ask(guarded, "PUT /value")
    assert [value for name, value in answer.headers if name == "www-authenticate"] == [BASIC, BEARER]
    # A script's request must not open the browser's window.
    answer = ask(guarded, "PUT /value", "Accept: text/event-stream")
    assert [value for name, value in answer.headers if name == "www-authenticate"] == [BEARER]
    answer = ask(guarded, "PUT /value", "Accept: application/json")
    assert answer.header("www-authenticate") == BEARER
    assert json.loads(answer.body)["error"]["status"] == 401


# -- Basic


def test_basic_is_taken(guarded):
    with client(guarded) as http:
        for _ in range(3):
            answer = http.put("/value", auth=ADMIN)
            assert answer.json() == {"by": "admin", "role": "admin", "how": "password"}
        assert http.get("/private/log", auth=ADMIN).json() == {"for": "admin"}
        assert http.get("/stream/3", auth=ADMIN).text == "0,1,2,"
        assert http.delete("/admin/x", auth=ADMIN).json() == {"name": "x", "by": "admin"}


def test_basic_is_taken_from_curl_which_asks_first(guarded):
    command = ["curl", "-sS", "--anyauth", "-u", "admin:" + PASSWORD, "-X", "PUT", "-m", "10", guarded.url + "value"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["how"] == "password"


@pytest.mark.parametrize(
    ("address", "name", "password"),
    [
        ("127.0.0.11", "admin", "wrong"),
        ("127.0.0.12", "root", PASSWORD),
        ("127.0.0.13", "", PASSWORD),
        ("127.0.0.14", "admin", ""),
        ("127.0.0.15", "Admin", PASSWORD),
    ],
)
def test_wrong_basic_is_refused(guarded, address, name, password):
    with client(guarded, address) as http:
        for _ in range(2):
            answer = http.get("/mine", auth=(name, password))
            assert answer.status_code == 401 and answer.headers.get_list("www-authenticate") == [BASIC, BEARER]
            assert http.get("/mine", auth=ADMIN).status_code == 200
            assert http.get("/mine").status_code == 401


@pytest.mark.parametrize("rest", ["", " ", " =", " YWI=", " YWRtaW4", " " + "A" * 1200, " \xff", " YTo=, YTo="])
def test_malformed_basic_is_refused(guarded, rest):
    with Client(guarded) as connection:
        assert connection.ask("GET /mine", "Authorization: Basic" + rest).status == 400
        assert connection.ask("GET /value", "Authorization: Basic" + rest).status == 200


@pytest.mark.parametrize("raw", [b"admin:\xfc", b"\xe9:x", b"admin:\xc0\xaf", b"admin:\xed\xa0\x80"])
def test_basic_that_is_no_utf_8_is_nobody_s(guarded, raw):
    with Client(guarded) as connection:
        answer = connection.ask("GET /mine", basic(raw))
        assert answer.status == 401
        assert [value for name, value in answer.headers if name == "www-authenticate"] == [BASIC, BEARER]
        assert connection.ask("GET /mine", basic("admin:" + PASSWORD)).status == 200


def test_two_authorizations_are_refused(guarded):
    assert ask(guarded, "GET /mine", basic("admin:" + PASSWORD), basic("admin:" + PASSWORD)).status == 400


@pytest.mark.parametrize("line", ["Digest username=admin", "Negotiate abc", "basically YTpi", "Limpet"])
def test_other_schemes_are_nobody(guarded, line):
    assert ask(guarded, "GET /mine", "Authorization: " + line).status == 401


def test_many_at_once_are_verified_once(start_server):
    """Others wait for their turn; each of them is let in."""
    server = start_server(script=GUARDED)
    connections = [Client(server) for _ in range(5)]
    try:
        for connection in connections:
            connection.send(b"GET /mine HTTP/1.1\r\nHost: x\r\n" + basic("admin:" + PASSWORD).encode() + b"\r\n\r\n")
        assert [connection.read().status for connection in connections] == [200] * 5
    finally:
        for connection in connections:
            connection.socket.close()


def test_verified_password_need_not_be_verified_again(monkeypatch):
    verified = []

    async def verify(password, record):
        verified.append(password)
        return password == "right"

    monkeypatch.setattr(passwords, "verify", verify)
    record = ["one"]
    guard = auth.Auth(lambda: record[0], None)

    def ask(password, client=LAPTOP):
        user = guard.identify(heads.request(basic("admin:" + password), client=client))
        return user if isinstance(user, auth.User) else asyncio.run(settle(user))

    async def settle(pending):
        return await pending

    for _ in range(3):
        assert ask("right").by == "password"
    assert verified == ["right"]
    assert ask("right", PHONE).name == "admin"  # at each address once
    record[0] = "other"
    ask("right")
    assert len(verified) == 3
    for number in range(20):
        ask("right", f"127.0.1.{number}")
    assert len(verified) == 23 and len(guard._kept["verified"]) == 4
    with pytest.raises(HTTPError):
        ask("wrong")
    assert len(guard._kept["verified"]) == 4


# -- Bearer


@pytest.mark.parametrize(
    ("role", "statuses"),
    [
        ("read", {"/mine": 200, "/private/log": 200, "/value": 403, "/stream/1": 403, "/admin/x": 403}),
        ("write", {"/mine": 200, "/private/log": 200, "/value": 200, "/stream/1": 200, "/admin/x": 403}),
        ("admin", {"/mine": 200, "/private/log": 200, "/value": 200, "/stream/1": 200, "/admin/x": 200}),
    ],
)
def test_token_may_what_its_role_may(guarded, tokens, role, statuses):
    with client(guarded, headers={"Authorization": "bEARER " + tokens[role]}) as http:
        for path, status in statuses.items():
            answer = http.put(path) if path == "/value" else http.get(path)
            assert answer.status_code == status, path
            if status == 403:
                assert answer.headers["www-authenticate"] == BEARER + ', error="insufficient_scope"'
        assert http.get("/mine").json() == {"user": "the-" + role, "role": role, "how": "token"}
        assert http.get("/api/tokens").status_code == (200 if role == "admin" else 403)


@pytest.mark.parametrize(
    ("rest", "status", "error"),
    [
        ("", 400, "invalid_request"),
        (" ", 400, "invalid_request"),
        (" limpet_" + "0" * 40, 401, "invalid_token"),
        (" x", 401, "invalid_token"),
        (" \xff\xfe", 401, "invalid_token"),
        (" " + "x" * 1500, 401, "invalid_token"),
    ],
)
def test_wrong_token_is_refused(guarded, rest, status, error):
    with Client(guarded) as connection:
        for _ in range(10):  # nobody guesses one: there is no wait
            answer = connection.ask("GET /mine", "Authorization: Bearer" + rest)
            assert (answer.status, answer.header("www-authenticate")) == (status, f'{BEARER}, error="{error}"')


def test_authorization_counts_more_than_the_cookie(guarded):
    with client(guarded) as http:
        log_in(http)
        assert http.get("/mine").status_code == 200
        assert http.get("/mine", headers={"Authorization": "Bearer x"}).status_code == 401


# -- sessions


def test_session_is_a_log_in(guarded):
    with client(guarded) as http:
        assert http.get("/api/session").json() == {"password_set": True, "user": None}
        answer = log_in(http)
        assert (answer.status_code, answer.json()) == (200, {"user": "admin", "role": "admin"})
        assert answer.headers["cache-control"] == "no-store"
        assert http.put("/value").json() == {"by": "admin", "role": "admin", "how": "session"}
        told = http.get("/api/session").json()
        assert told == {"password_set": True, "user": "admin", "role": "admin", "by": "session", "expires_s": 43200}
        assert http.get("/admin/x").status_code == 200


def test_session_ends_with_the_log_out(guarded):
    with client(guarded) as http, client(guarded) as thief:
        log_in(http)
        thief.cookies.update(http.cookies)
        assert thief.put("/value").status_code == 200
        answer = http.post("/api/logout")
        assert answer.status_code == 204 and "Max-Age=0" in answer.headers["set-cookie"]
        assert not http.cookies
        assert http.put("/value").status_code == thief.put("/value").status_code == 401
        assert http.post("/api/logout").status_code == 204


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        ("", "application/json", 400),
        ("{", "application/json", 400),
        ("[]", "application/json", 422),
        ("{}", "application/json", 422),
        ('{"password": 1}', "application/json", 422),
        ('{"password": null}', "application/json", 422),
        ('{"password": "a", "user": "root"}', "application/json", 422),
        ('{"password": "correct horse"}', "text/plain", 415),
        ("password=correct+horse", "application/x-www-form-urlencoded", 415),
    ],
)
def test_malformed_log_in_is_refused_in_json(guarded, content, kind, status):
    with client(guarded) as http:
        answer = http.post("/api/login", content=content, headers={"Content-Type": kind})
        assert answer.status_code == answer.json()["error"]["status"] == status


def test_wrong_log_in_is_refused_without_a_window(guarded):
    with client(guarded) as http:
        answer = log_in(http, "wrong")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, BEARER)
        assert answer.json()["error"]["detail"] == "The password is wrong."
        assert "set-cookie" not in answer.headers
        log_in(http)


def test_owner_is_never_locked_out_by_others(start_server):
    """However many addresses guess, however often, the right password from another is right at once."""
    server = start_server(script=GUARDED)
    for _ in range(3):
        for number in range(10, 30):
            with client(server, "127.0.0.%d" % number) as http:
                assert log_in(http, "wrong horse").status_code in (401, 429)
    for owner in (LAPTOP, PHONE):
        with client(server, owner) as http:
            assert log_in(http).status_code == 200
            assert http.get("/mine", auth=ADMIN).status_code == 200
    with client(server, "127.0.0.10") as http:
        assert [log_in(http, "wrong horse").status_code for _ in range(9)][-1] == 429
        assert log_in(http).status_code == 429


# -- WebSockets


def web_socket(server, **headers):
    url = server.url.replace("http", "ws") + "ws"
    return connect(url, additional_headers=headers, open_timeout=SOCKET_TIMEOUT_S, compression=None)


def test_web_socket_takes_a_log_in(guarded, tokens):
    for headers, status in (({}, 401), ({"Authorization": "Bearer x"}, 401), ({"Cookie": "limpet=x"}, 401)):
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
            web_socket(guarded, **headers)
        assert refused.value.response.status_code == status
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        web_socket(guarded, Authorization="Bearer " + tokens["read"])
    assert refused.value.response.status_code == 403
    for line, name in (("Bearer " + tokens["write"], "the-write"), (basic("admin:" + PASSWORD)[15:], "admin")):
        with web_socket(guarded, Authorization=line) as socket:
            socket.send("hello")
            assert socket.recv(SOCKET_TIMEOUT_S) == name + ": hello"


def live(server, http, address=LAPTOP):
    """Return a WebSocket and a stream of whoever `http` is logged in as, or has the token of; and what both say."""
    headers = {name: http.headers[name] for name in ("authorization",) if name in http.headers}
    if http.cookies:
        headers["Cookie"] = "limpet=" + http.cookies["limpet"]
    url = server.url.replace("http", "ws") + "ws"
    options = {"open_timeout": SOCKET_TIMEOUT_S, "compression": None, "source_address": (address, 0)}
    socket = connect(url, additional_headers=headers, **options)
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    stream = socket_module.create_connection((server.host, server.port), SOCKET_TIMEOUT_S, (address, 0))
    stream.sendall(("GET /private/stream HTTP/1.1\r\nHost: x\r\n%s\r\n" % "".join(lines)).encode())
    return socket, stream


def is_heard(socket, stream, name):
    socket.send("hello")
    return socket.recv(SOCKET_TIMEOUT_S) == name + ": hello" and name.encode() in stream.recv(1000)


def is_over(socket, stream):
    with pytest.raises(websockets.exceptions.ConnectionClosed):
        socket.recv(SOCKET_TIMEOUT_S)
    while stream.recv(1000):
        pass
    return True


def test_what_is_open_ends_with_its_session(start_server):
    server = start_server(script=GUARDED)
    with client(server) as http, client(server) as other, client(server) as script:
        log_in(http)
        log_in(other)
        made = http.post("/api/tokens", json={"name": "once", "role": "write"})
        script.headers["Authorization"] = "Bearer " + made.json()["token"]
        of_http, of_other, of_script = [live(server, who) for who in (http, other, script)]
        assert is_heard(*of_http, "admin") and is_heard(*of_other, "admin") and is_heard(*of_script, "once")
        assert http.post("/api/logout").status_code == 204
        assert is_over(*of_http)
        assert is_heard(*of_other, "admin") and is_heard(*of_script, "once")
        log_in(http)
        assert http.delete("/api/tokens/once").status_code == 204
        assert is_over(*of_script) and is_heard(*of_other, "admin")
        assert http.put("/api/password", json={"old": PASSWORD, "new": "another horse"}).status_code == 200
        assert is_over(*of_other)
        of_http = live(server, http)
        assert is_heard(*of_http, "admin")
        for end in of_http:
            end.close()


# -- tokens' endpoints


def test_token_lives_until_it_is_revoked(guarded):
    with client(guarded) as http, client(guarded) as script:
        log_in(http)
        made = http.post("/api/tokens", json={"name": "once", "role": "write"})
        assert (made.status_code, made.headers["location"]) == (201, "/api/tokens/once")
        assert made.headers["cache-control"] == "no-store"
        script.headers["Authorization"] = "Bearer " + made.json()["token"]
        assert script.put("/value").json()["by"] == "once"
        listed = http.get("/api/tokens")
        assert {"name": "once", "role": "write"} in listed.json()["tokens"]
        assert made.json()["token"] not in listed.text
        assert http.post("/api/tokens", json={"name": "once", "role": "read"}).status_code == 409
        assert http.post("/api/tokens", json={"name": "a b", "role": "read"}).status_code == 422
        assert http.post("/api/tokens", json={"name": "x", "role": "root"}).status_code == 422
        assert http.delete("/api/tokens/once").status_code == 204
        assert http.delete("/api/tokens/once").status_code == 404
        assert script.put("/value").status_code == 401


# -- the password


def test_password_is_changed_and_ends_all_sessions(start_server):
    server = start_server(script=GUARDED)
    with client(server) as http, client(server, PHONE) as phone:
        log_in(http)
        log_in(phone)
        token = http.post("/api/tokens", json={"name": "a", "role": "read"}).json()["token"]
        change = {"old": PASSWORD, "new": "battery staple"}
        assert http.put("/api/password", json={"new": "battery staple"}).status_code == 422
        assert http.put("/api/password", json={**change, "old": "wrong"}).status_code == 401
        assert http.put("/api/password", json={**change, "new": "short"}).status_code == 422
        assert phone.put("/value").status_code == http.put("/value").status_code == 200
        assert http.put("/value", auth=ADMIN).status_code == 200
        answer = http.put("/api/password", json=change)
        assert answer.status_code == 200, answer.text
        assert http.put("/value").status_code == 200
        assert phone.put("/value").status_code == 401
        assert phone.get("/mine", auth=ADMIN).status_code == http.get("/mine", auth=ADMIN).status_code == 401
        assert log_in(phone).status_code == 401
        assert log_in(phone, "battery staple").status_code == 200
        assert phone.get("/mine", headers={"Authorization": "Bearer " + token}).status_code == 200


def test_without_a_password_the_network_only_reads(open_server):
    with client(open_server) as http:
        assert http.get("/").status_code == http.get("/value").status_code == 200
        assert http.get("/api/session").json() == {"password_set": False, "user": None}
        for answer in (
            http.put("/value"),
            http.get("/mine"),
            http.get("/private/log"),
            http.post("/nowhere"),
            log_in(http),
        ):
            assert answer.status_code == 403 and "assword" in answer.text
        assert http.get("/mine", auth=ADMIN).status_code == 403
        assert http.get("/api/tokens").status_code == 403
        with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
            connect(
                open_server.url.replace("http", "ws") + "ws", source_address=(LAPTOP, 0), open_timeout=SOCKET_TIMEOUT_S
            )
        assert refused.value.response.status_code == 403
    assert open_server.output().count("no password is set") == 1


def test_without_a_password_the_machine_itself_may_do_everything(open_server):
    with client(open_server, "127.0.0.1") as http:
        assert http.put("/value").json() == {"by": "admin", "role": "admin", "how": "loopback"}
        assert http.get("/admin/x").status_code == 200
        assert http.put("/value", headers={"Origin": "http://evil.example"}).status_code == 403


def test_first_password_is_set_on_the_open_path(open_server):
    with client(open_server) as http, client(open_server, PHONE) as phone:
        assert http.post("/setup/wifi").json() == {"done": True}
        assert http.put("/api/password", json={"new": "short"}).status_code == 422
        assert http.put("/api/password", json={"new": PASSWORD}).status_code == 200
        assert http.put("/value").json()["how"] == "session"
        assert phone.put("/value").status_code == phone.post("/setup/wifi").status_code == 401
        assert phone.put("/api/password", json={"new": "somebody's"}).status_code == 401
        assert phone.put("/value", auth=ADMIN).status_code == 200
    with client(open_server, "127.0.0.1") as http:
        assert http.put("/value").status_code == 401
