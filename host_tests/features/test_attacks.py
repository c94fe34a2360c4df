"""A page of attacks: each is tried as an attacker would, and comes to nothing."""

import asyncio
import base64
import json
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.features import auth, passwords
from firmware.http.errors import HTTPError
from host_tests.features.test_auth import ADMIN, GUARDED, LAPTOP, PHONE, basic, client, guarded, log_in  # noqa: F401 - a fixture
from host_tests.server.test_connection import Client, ask, request
from host_tests.servers import SOCKET_TIMEOUT_S, read_response
from host_tests.vectors import heads


@pytest.fixture
def fresh(start_server):
    """A server that has seen nobody."""
    return start_server(script=GUARDED)


def cookie_of(http):
    """Return the value of the session's cookie."""
    return http.cookies["limpet"]


def first_answer(server, raw):
    """Return the answer to what is sent, without waiting for the end of the connection."""
    with server.connect() as connection:
        connection.sendall(raw)
        return read_response(connection)


# -- sessions


def test_fixation_a_cookie_from_before_the_log_in_is_worth_nothing(guarded):  # noqa: F811
    """The attacker has the victim's browser send a cookie that he knows, and waits for the log-in."""
    with client(guarded) as victim, client(guarded) as attacker:
        log_in(attacker)
        known = cookie_of(attacker)
        attacker.post("/api/logout")
        for planted in (known, "planted", known[:-1] + "0"):
            victim.cookies.clear()
            victim.cookies.set("limpet", planted, domain="127.0.0.1")
            answer = log_in(victim)
            assert answer.status_code == 200
            assert planted not in answer.headers["set-cookie"]
            assert attacker.put("/value", headers={"Cookie": "limpet=" + planted}).status_code == 401


def test_stolen_cookie_is_refused_elsewhere(guarded):  # noqa: F811
    with client(guarded, LAPTOP) as victim, client(guarded, PHONE) as thief:
        log_in(victim)
        stolen = {"Cookie": "limpet=" + cookie_of(victim)}
        assert victim.put("/value").status_code == 200
        assert thief.put("/value", headers=stolen).status_code == 401
        assert thief.get("/api/session", headers=stolen).json()["user"] is None
        assert thief.post("/api/logout", headers=stolen).status_code == 204
        assert victim.put("/value").status_code == 200  # it did not end there


def test_forged_and_altered_cookies_are_refused(guarded):  # noqa: F811
    with client(guarded) as http, Client(guarded) as connection:
        log_in(http)
        user, role, basis, issued, expires, id, signature = cookie_of(http).split(".")
        payload = [user, role, basis, issued, expires, id]
        forged = [
            [*payload, ""],
            [*payload, "0" * 64],
            [*payload, signature.upper() if signature != signature.upper() else "x"],
            [*payload, signature[:-1]],
            [*payload, signature + "0"],
            ["root", *payload[1:], signature],
            [user, "write", *payload[2:], signature],
            [*payload[:4], str(int(expires) + 1), id, signature],
            [*payload[:3], str(int(issued) - 1), expires, id, signature],
            [*payload[:5], "0" * 16, signature],
            [user + "." + role, *payload[2:], signature],
            [signature, *payload],
            payload,
        ]
        for parts in forged:
            assert connection.ask("PUT /value", "Cookie: limpet=" + ".".join(parts)).status == 401, parts
        for field in ("limpet", "limpet=", "=" + cookie_of(http), "LIMPET=" + cookie_of(http), "limpet=" + "." * 200):
            assert connection.ask("PUT /value", "Cookie: " + field).status == 401, field


def test_expired_cookie_is_refused_whatever_its_browser_does(fresh):
    with client(fresh) as http:
        log_in(http)
        kept = {"Cookie": "limpet=" + cookie_of(http)}
        assert http.put("/value", headers=kept).status_code == 200
        http.get("/test/clock?unix=1800043200&uptime=50000")
        assert http.put("/value", headers=kept).status_code == 401


def test_cookie_of_another_board_is_refused(fresh, guarded):  # noqa: F811
    with client(fresh) as here, client(guarded) as there:
        log_in(here)
        assert there.put("/value", headers={"Cookie": "limpet=" + cookie_of(here)}).status_code == 401


# -- other sites


def test_post_from_another_site_changes_nothing(guarded):  # noqa: F811
    """Its browser sends along all it has, the cookie (one that does not know SameSite), or Basic."""
    with client(guarded) as http:
        log_in(http)
        evil = {"Origin": "http://evil.example"}
        for options in ({}, {"auth": ADMIN}):
            for answer in (
                http.put("/value", headers=evil, **options),
                http.post("/form", data={"name": "a"}, headers=evil, **options),
                http.post("/api/tokens", json={"name": "evil", "role": "admin"}, headers=evil, **options),
                http.post("/api/logout", headers=evil, **options),
            ):
                assert answer.status_code == 403
                assert "access-control-allow-origin" not in answer.headers
        assert "evil" not in http.get("/api/tokens").text
        assert http.put("/value").status_code == 200


@pytest.mark.parametrize("evil", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "same-site"}])
def test_what_browsers_send_by_themselves_counts_for_nothing_with_auth_alone(start_server, evil):
    server = start_server("bare", script=GUARDED)
    with client(server) as http:
        assert http.post("/api/login", json={"password": ADMIN[1]}, headers=evil).status_code == 403
        log_in(http)
        for options in ({}, {"auth": ADMIN}):
            assert http.put("/value", headers=evil, **options).status_code == 403
            assert http.post("/api/logout", headers=evil, **options).status_code == 403
            assert http.get("/mine", headers=evil, **options).status_code == 200
        token = http.post("/api/tokens", json={"name": "a", "role": "write"}).json()["token"]
        assert http.put("/value", headers={"Authorization": "Bearer " + token, **evil}).status_code == 200


def test_setup_from_another_site_is_refused(start_server):
    server = start_server("open", "bare", script=GUARDED)
    for address in (LAPTOP, "127.0.0.1"):
        with client(server, address) as http:
            for method, path in (("POST", "/setup/wifi"), ("PUT", "/api/password")):
                answer = http.request(
                    method, path, json={"new": "evil password"}, headers={"Origin": "http://evil.example"}
                )
                assert answer.status_code == 403
            assert http.get("/api/session").json()["password_set"] is False


def test_log_in_from_another_site_is_refused(guarded):  # noqa: F811
    """It would have the victim work in the attacker's account."""
    with client(guarded) as http:
        answer = http.post("/api/login", json={"password": ADMIN[1]}, headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403 and "set-cookie" not in answer.headers


def test_web_socket_of_another_site_is_refused(guarded):  # noqa: F811
    with client(guarded) as http:
        log_in(http)
        fields = [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Cookie: limpet=" + cookie_of(http),
        ]
        host = "http://limpet.test"
        for origin, status in ((host, 101), ("http://evil.example", 403), ("null", 403)):
            with socket.create_connection(
                (guarded.host, guarded.port), SOCKET_TIMEOUT_S, source_address=(LAPTOP, 0)
            ) as connection:
                connection.sendall(request("GET /ws", *fields, "Origin: " + origin))
                assert read_response(connection).status == status


def test_rebound_name_reaches_nothing(start_server):
    """The attacker's name now leads to the board: to its browser everything is of one origin."""
    server = start_server("hosts", script=GUARDED)
    fields = {"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}
    with client(server) as http:
        for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
            for path in ("/", "/value", "/api/session", "/api/login", "/static/", "/nowhere"):
                answer = http.request(method, path, headers=fields, auth=ADMIN)
                assert answer.status_code == 421, (method, path)
                assert "set-cookie" not in answer.headers


# -- what is told, and to whom


@pytest.mark.parametrize(
    "junk", ["a%0d%0aSet-Cookie:%20limpet=evil", "%0d%0a%0d%0a<script>", "%00", "a\tb", "%e2%80%a8"]
)
def test_no_header_is_injected(guarded, junk):  # noqa: F811
    for line in (f"GET /{junk}", f"GET /admin/{junk}", f"PUT /value?{junk}", f"DELETE /api/tokens/{junk}"):
        raw = guarded.raw(request(line, basic("admin:" + ADMIN[1]), "Connection: close"))
        answer = read_response(raw)
        assert "set-cookie" not in dict(answer.headers) and b"<script>" not in raw


@pytest.mark.parametrize("value", ["https://dashboard.example\r\nX: y", "https://dashboard.example\x0bX", "\x7f"])
def test_no_header_is_injected_by_an_origin(guarded, value):  # noqa: F811
    answer = read_response(guarded.raw(request("GET /value", "Origin: " + value, "Connection: close")))
    assert answer.status in (200, 400) and "x" not in dict(answer.headers)
    if answer.status == 200:  # a line of its own is a field of its own, and no part of the value
        assert answer.header("access-control-allow-origin") in (None, "https://dashboard.example")


def test_no_line_is_written_to_the_log(fresh):
    """What a client sends, names and passwords least of all, is not printed."""
    evil = "evil\nlimpet: the password is"
    with client(fresh) as http:
        for name, password in ((evil, "a"), ("admin", evil), ("admin", "secret word")):
            http.get("/mine", headers={"Authorization": basic(f"{name}:{password}")[15:]})
        http.post("/api/login", json={"password": evil})
        http.get("/mine", headers={"Authorization": "Bearer secret", "User-Agent": "evil"})
        http.put("/" + evil.replace("\n", "%0a"))
    printed = fresh.output()
    assert "evil" not in printed and "secret" not in printed and printed.count("\n") <= 1


def test_nothing_secret_is_told(guarded):  # noqa: F811
    with client(guarded) as http:
        log_in(http)
        told = "".join(http.get(path).text for path in ("/api/session", "/api/tokens", "/mine"))
        assert "pbkdf2" not in told and "hash" not in told and ADMIN[1] not in told


# -- too much


@pytest.mark.parametrize(
    "fields",
    [
        ["Authorization: Basic " + "A" * 4000],
        ["Authorization: Bearer " + "x" * 4000],
        ["Cookie: limpet=" + "x" * 4000],
        ["Cookie: a=b"] * 40,
        ["Origin: http://" + "a" * 4000],
        ["Host: " + "a" * 4000],
    ],
)
def test_oversized_fields_are_refused(guarded, fields):  # noqa: F811
    raw = "\r\n".join(["PUT /value HTTP/1.1", "Host: limpet.test", *fields, "", ""]).encode()
    assert first_answer(guarded, raw).status in (400, 431)
    assert ask(guarded, "GET /value").status == 200


@pytest.mark.parametrize(
    "fields",
    [
        ["Authorization: Basic " + base64.b64encode(b"a:" + b"x" * 1100).decode()],
        ["Authorization: Bearer " + "x" * 1500],
        ["Cookie: " + "limpet=x;" * 150],
        ["Cookie: " + ";" * 1500],
        ["Cookie: limpet=" + "." * 1500],
        ["Origin: " + "http://" * 200],
    ],
)
def test_fields_as_large_as_may_be_are_refused_too(fresh, fields):
    with Client(fresh) as connection:
        assert connection.ask("PUT /value", *fields).status in (401, 403)
        assert connection.ask("GET /value").status == 200


@pytest.mark.parametrize("size", [8000, 9000, 100_000])
def test_oversized_bodies_are_refused(guarded, size):  # noqa: F811
    body = json.dumps({"password": "x" * size}).encode()
    raw = request("POST /api/login", "Content-Type: application/json", "Connection: close", body=body)
    assert first_answer(guarded, raw).status == (401 if size == 8000 else 413)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Authorization", "Cookie", "Origin", "Host", "Sec-Fetch-Site", "Upgrade", "X"]),
            st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40)
            | st.sampled_from(["Basic YTpi", "Bearer x", "limpet=a.b.c.d.e.f.g", "null", "websocket", "cross-site"]),
        ),
        max_size=5,
    ),
    st.sampled_from(["GET /value", "PUT /value", "GET /mine", "GET /private", "POST /api/logout", "OPTIONS /mine"]),
)
def test_random_fields_let_nobody_in(guarded, fields, line):  # noqa: F811
    answer = read_response(
        guarded.raw(request(line, *[f"{name}: {value}" for name, value in fields], "Connection: close"))
    )
    open_to_all = {"GET /value": 200, "POST /api/logout": 204, "OPTIONS /mine": 204}
    allowed = {400, 401, 403, 429} | ({open_to_all[line]} if line in open_to_all else set())
    assert answer.status in allowed


# -- guessing


def test_guessing_has_to_wait_longer_and_longer(fresh):
    with client(fresh) as http, client(fresh, PHONE) as owner:
        statuses = [log_in(http, f"wrong {number}").status_code for number in range(8)]
        assert statuses == [401] * 4 + [429] * 4
        answer = log_in(http, ADMIN[1])  # not even the right one
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
        assert answer.json()["error"]["status"] == 429
        assert http.get("/mine", auth=ADMIN).status_code == 429
        assert log_in(owner).status_code == 200  # who owns it is somewhere else
        http.get("/test/clock?ms=1999")
        assert log_in(http).headers["retry-after"] == "1"
        http.get("/test/clock?ms=2000")
        assert log_in(http, "wrong again").status_code == 401
        assert log_in(http).headers["retry-after"] == "4"
        http.get("/test/clock?ms=6000")
        assert log_in(http).status_code == 200
        assert [log_in(http, f"wrong {number}").status_code for number in range(5)] == [401] * 4 + [429]


def test_guessing_beside_the_owner_is_no_quicker(fresh):
    """Who is verified already tells nothing about who guesses from the same address."""
    with client(fresh) as owner, client(fresh) as attacker:
        assert owner.get("/mine", auth=ADMIN).status_code == 200
        statuses = []
        for number in range(6):
            statuses.append(attacker.get("/mine", auth=("admin", f"wrong {number}")).status_code)
            owner.get("/mine", auth=ADMIN)
        assert statuses == [401] * 4 + [429] * 2
        # Nor may a wait be spent on looking whether it is the one that is known.
        assert attacker.get("/mine", auth=ADMIN).status_code == 429
        assert log_in(attacker).status_code == 429


def test_guessing_on_many_connections_is_no_quicker(fresh):
    raw = [request("GET /mine", basic(f"admin:wrong {number}")) for number in range(12)]
    connections = [Client(fresh) for _ in raw]
    try:
        for connection, one in zip(connections, raw):
            connection.send(one)
        statuses = sorted(connection.read().status for connection in connections)
        assert statuses == [401] * 4 + [429] * 8
    finally:
        for connection in connections:
            connection.socket.close()


def test_guess_that_hangs_up_is_counted_and_only_one_is_verified_at_a_time(monkeypatch):
    under_way = []

    async def verify(password, record):
        under_way.append(password)
        await asyncio.sleep(0.01 if password == "right" else 60)
        under_way.remove(password)
        return True

    async def attack():
        guard = auth.Auth(lambda: "record", None)
        for _ in range(4):
            tasks = [asyncio.create_task(guard.check_password(heads.request(), "admin", "guess")) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert under_way == ["guess"]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            under_way.clear()
        with pytest.raises(HTTPError) as refused:
            await guard.check_password(heads.request(), "admin", "right")
        assert refused.value.status == 429
        await guard.check_password(heads.request(client="192.168.4.3"), "admin", "right")

    monkeypatch.setattr(passwords, "verify", verify)
    asyncio.run(attack())


def test_guessing_from_many_addresses_is_no_quicker_and_takes_no_memory(fresh):
    def guess(number):
        body = b'{"password": "wrong %d"}' % number
        source = (f"127.1.{number // 250}.{number % 250 + 1}", 0)
        with socket.create_connection((fresh.host, fresh.port), SOCKET_TIMEOUT_S, source_address=source) as connection:
            connection.sendall(request("POST /api/login", "Content-Type: application/json", body=body))
            return read_response(connection).status

    # 16 addresses are told apart; all others have four guesses between them.
    assert [guess(number) for number in range(40)] == [401] * 20 + [429] * 20
    with client(fresh) as http:
        before = http.get("/test/heap").json()["used"]
        assert {guess(number) for number in range(40, 540)} == {429}
        # A hundred bytes for each address would be 50 KB.
        assert http.get("/test/heap").json()["used"] < before + 8192


def test_sessions_and_tokens_go_on_while_somebody_guesses(fresh):
    with client(fresh) as http, client(fresh) as attacker:
        log_in(http)
        token = http.post("/api/tokens", json={"name": "a", "role": "read"}).json()["token"]
        assert [log_in(attacker, "wrong").status_code for _ in range(6)][-1] == 429
        assert http.put("/value").status_code == 200
        assert attacker.get("/mine", headers={"Authorization": "Bearer " + token}).status_code == 200


TEN_THOUSAND = """
import asyncio, gc, os
from binascii import b2a_base64
from firmware.features import attempts, auth, origins, passwords, sessions, tokens
from firmware.http.errors import HTTPError
from host_tests.vectors.heads import request
from host_tests.vectors.sessions import Store

def used():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()

store = Store()
now = [0]
kept = sessions.Sessions(store, lambda: 1800000000, lambda: 0)
guard = auth.Auth(lambda: record, kept, tokens.Tokens(store), attempts=attempts.Attempts(lambda: now[0]))

async def ask(*fields, client):
    try:
        asked = request(*fields, client=client)
        user = guard.identify(asked)
        if type(user) is not auth.User and user is not None:
            user = await user
        origins.is_foreign(asked)
        return user is not None
    except HTTPError as error:
        return error.status

async def main():
    global record
    record = await passwords.make("correct horse", 1)
    guard.tokens.make("a", "admin")
    seen = {}
    for number in range(COUNT + 100):
        if number == 100:
            before = used()
        key = "%08x" % number
        client = "10.%d.%d.%d" % (number >> 16, number >> 8 & 255, number & 255)
        now[0] += 20
        for field in (
            "Authorization: Basic " + b2a_base64(b"admin:" + key.encode()).decode().strip(),
            "Authorization: Bearer limpet_" + key,
            "Cookie: limpet=admin.admin.u.1800000000.1800043200.%s.%s" % (key, key * 8),
            "Origin: http://" + key,
        ):
            got = await ask(field, client=client)
            seen[got] = seen.get(got, 0) + 1
    print(used() - before, True in seen, sorted(seen, key=str))
asyncio.run(main())
"""


def test_ten_thousand_addresses_and_keys_leave_the_heap_where_it_was(micropython):
    done = micropython.run("-c", TEN_THOUSAND.replace("COUNT", "10000"), heapsize="400k")
    grown, anybody, answers = done.stdout.split(" ", 2)
    assert (anybody, answers.strip()) == ("False", "[401, 429, False]")
    assert int(grown) < 1024
