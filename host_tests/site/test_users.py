"""The users: every method's meaning, what is refused and why, and what survives, over real sockets."""

import json

import httpx
import pytest

from host_tests.servers import SOCKET_TIMEOUT_S, read_response

ANN = {"name": "Ann", "email": "ann@example.com"}
LONGEST = {"name": "ä" * 64, "email": "e" * 242 + "@example.com"}


@pytest.fixture
def client(server):
    with connect(server) as client:
        yield client


def connect(server):
    return httpx.Client(base_url=server.url, timeout=SOCKET_TIMEOUT_S, trust_env=False)


def create(client, user=ANN):
    """Make a user and return the record."""
    answer = client.post("/users", json=user)
    assert answer.status_code == 201, answer.text
    return answer.json()["user"]


def assert_error(answer, status, *fields):
    """Check an error's shape, and the names of the fields that it explains; return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert set(error) == {"status", "reason", "detail", "request_id"} | ({"fields"} if fields else set())
    assert error["request_id"] == answer.headers["x-request-id"]
    assert (error["status"], error["reason"]) == (status, answer.reason_phrase)
    assert error["detail"]
    assert set(error.get("fields", ())) == set(fields)
    assert all(error.get("fields", {"": "x"}).values())
    return error


# -- the exchange, to the letter


def test_user_is_created_to_the_letter(start_server):
    server = start_server()
    body = b'{"name":"FirstName LastName","email":"bsmth@example.com"}'
    raw = server.raw(
        b"POST /users HTTP/1.1\r\nHost: limpet.local\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    )
    assert raw.startswith(b"HTTP/1.1 201 Created\r\n")
    answer = read_response(raw)
    names = ["connection", "content-length", "content-type", "date", "location", "server"]
    guards = ["x-content-type-options", "x-request-id"]
    assert sorted(name for name, _ in answer.headers) == names + guards
    assert answer.header("location") == "/users/1"
    assert answer.header("content-type") == "application/json"
    assert answer.header("content-length") == str(len(answer.body))
    assert json.loads(answer.body) == {
        "message": "New user created",
        "user": {"id": 1, "name": "FirstName LastName", "email": "bsmth@example.com"},
    }
    with connect(server) as client:
        assert client.get(answer.header("location")).json() == json.loads(answer.body)["user"]


def test_list_begins_empty_and_keeps_the_order(start_server):
    with connect(start_server()) as client:
        assert client.get("/users").json() == {"users": []}
        records = [create(client, {"name": name, "email": "a@b"}) for name in "cab"]
        assert client.get("/users").json() == {"users": records}


# -- methods


def test_get_is_safe_and_head_is_like_it(client):
    user = create(client)
    path = f"/users/{user['id']}"
    for _ in range(2):
        assert client.get(path).json() == user
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == client.get(path).headers["content-length"]


def test_post_is_not_idempotent(client):
    assert create(client)["id"] != create(client)["id"]


def test_put_replaces_and_is_idempotent(client):
    user = create(client)
    path = f"/users/{user['id']}"
    new = {"id": user["id"], "name": "Bob", "email": "bob@example.com"}
    for _ in range(2):
        answer = client.put(path, json={"name": "Bob", "email": "bob@example.com"})
        assert (answer.status_code, answer.json()) == (200, new)
        assert client.get(path).json() == new
    # What GET gave can be sent back as it is.
    assert client.put(path, json=client.get(path).json()).json() == new


def test_put_needs_the_whole(client):
    user = create(client)
    assert_error(client.put(f"/users/{user['id']}", json={"name": "Bob"}), 422, "email")
    assert client.get(f"/users/{user['id']}").json() == user


@pytest.mark.parametrize("change", [{}, {"name": "Bob"}, {"email": "b@c"}, {"name": "Bob", "email": "b@c"}], ids=repr)
def test_patch_changes_what_is_given(client, change):
    user = create(client)
    path = f"/users/{user['id']}"
    answer = client.patch(path, json=change)
    assert (answer.status_code, answer.json()) == (200, {**user, **change})
    assert client.get(path).json() == {**user, **change}


def test_patch_takes_a_merge_patch(client):
    path = f"/users/{create(client)['id']}"
    kind = {"Content-Type": "application/merge-patch+json"}
    assert client.patch(path, content=b'{"name": "Bob"}', headers=kind).json()["name"] == "Bob"
    assert_error(client.patch(path, content=b'{"name": null}', headers=kind), 422, "name")


def test_deleted_is_gone_for_every_method(client):
    user, other = create(client), create(client)
    path = f"/users/{user['id']}"
    answer = client.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers
    assert "content-type" not in answer.headers
    for method in ("DELETE", "DELETE", "GET", "PUT", "PATCH"):
        error = assert_error(client.request(method, path, json=ANN if method[0] == "P" else None), 404)
        assert error["detail"] == f"There is no user {user['id']}."
    assert client.head(path).status_code == 404
    users = client.get("/users").json()["users"]
    assert user not in users
    assert other in users


@pytest.mark.parametrize("path", ["/users/0", "/users/999999999"])
def test_put_does_not_make_a_user(client, path):
    assert_error(client.put(path, json=ANN), 404)


@pytest.mark.parametrize("path", ["/users/", "/users/x", "/users/-1", "/users/1.0", "/users/1/x", "/users/9999999999"])
def test_other_paths_are_not_there(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "method, path, allow",
    [
        ("DELETE", "/users", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("PUT", "/users", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("POST", "/users/1", {"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"}),
    ],
)
def test_other_methods_are_refused(client, method, path, allow):
    answer = client.request(method, path)
    assert_error(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == allow
    assert set(client.options(path).headers["allow"].split(", ")) == allow


# -- what is refused

TEXT = "Must be text."
NEEDED = "This is required."
UNKNOWN = "A user has no such member."

WRONG = [
    ("empty", {}, {"name": NEEDED, "email": NEEDED}),
    ("no name", {"email": "a@b"}, {"name": NEEDED}),
    ("no email", {"name": "A"}, {"email": NEEDED}),
    ("unknown", {**ANN, "admin": True}, {"admin": UNKNOWN}),
    ("other case", {"Name": "A", "email": "a@b"}, {"name": NEEDED, "Name": UNKNOWN}),
    ("an id", {**ANN, "id": 77}, {"id": "The server gives the id."}),
    ("types", {"name": 1, "email": None}, {"name": TEXT, "email": TEXT}),
    ("more types", {"name": ["A"], "email": {"a": "b"}}, {"name": TEXT, "email": TEXT}),
    ("bool", {"name": True, "email": 1.5}, {"name": TEXT, "email": TEXT}),
    ("empty name", {**ANN, "name": ""}, {"name": "A name has 1 to 64 characters."}),
    ("long name", {**ANN, "name": "ä" * 65}, {"name": "A name has 1 to 64 characters."}),
    ("blank name", {**ANN, "name": "  "}, {"name": "A name is printable text."}),
    ("control in name", {**ANN, "name": "A\nB"}, {"name": "A name is printable text."}),
    ("NUL in name", {**ANN, "name": "A\0"}, {"name": "A name is printable text."}),
    ("short email", {**ANN, "email": "@b"}, {"email": "An address has 3 to 254 characters."}),
    ("long email", {**ANN, "email": "e" * 253 + "@b"}, {"email": "An address has 3 to 254 characters."}),
]
WRONG += [
    (f"email {email!r}", {**ANN, "email": email}, {"email": "An address has one @, with something on both sides."})
    for email in ("abc", "a@@b", "a@b@c", "@bc", "ab@")
]
WRONG += [
    (f"email {email!r}", {**ANN, "email": email}, {"email": "An address has no spaces."})
    for email in ("a b@c", " a@b", "a@b ", "a@b\n", "a\t@b", "a\x00@b", "a\x7f@b", "a\x85@b")
]


@pytest.mark.parametrize("sent, fields", [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_wrong_user_is_explained_field_by_field(client, sent, fields):
    before = client.get("/users").json()
    assert assert_error(client.post("/users", json=sent), 422, *fields)["fields"] == fields
    user = create(client)
    path = f"/users/{user['id']}"
    wrong = {name: value for name, value in sent.items() if name in fields}
    if wrong:
        assert_error(client.patch(path, json=wrong), 422, *wrong)
        assert client.get(path).json() == user
    client.delete(path)
    assert client.get("/users").json() == before


RIGHT = [LONGEST, {"name": "x", "email": "a@b"}, {"name": "Zoë 😀 </b>", "email": "ü@ö.example"}]


@pytest.mark.parametrize("user", RIGHT)
def test_right_user_is_kept_to_the_letter(client, user):
    record = create(client, user)
    assert record == {"id": record["id"], **user}
    assert client.get(f"/users/{record['id']}").json() == record


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
def test_json_that_is_no_object_is_422(client, body):
    path = f"/users/{create(client)['id']}"
    for method, target in (("POST", "/users"), ("PUT", path), ("PATCH", path)):
        answer = client.request(method, target, content=body, headers={"Content-Type": "application/json"})
        assert assert_error(answer, 422)["detail"] == "Send a JSON object."


@pytest.mark.parametrize("body", [b"", b"{", b"{'a': 1}", b'{"name": "\xff"}', b"name=A&email=a@b", b"[" * 100])
def test_body_that_is_no_json_is_400(client, body):
    path = f"/users/{create(client)['id']}"
    for method, target in (("POST", "/users"), ("PUT", path), ("PATCH", path)):
        answer = client.request(method, target, content=body, headers={"Content-Type": "application/json"})
        assert "JSON" in assert_error(answer, 400)["detail"]


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_other_type_is_415(client, kind):
    headers = {"Content-Type": kind} if kind else {}
    assert_error(client.post("/users", content=json.dumps(ANN).encode(), headers=headers), 415)


def test_body_that_is_too_long_is_413(client):
    assert_error(client.post("/users", json={**ANN, "name": "x" * 10000}), 413)


def test_full_is_409_until_somebody_leaves(start_server, tmp_path):
    users = [{"id": at + 1, "name": f"User {at}", "email": "a@b"} for at in range(100)]
    (tmp_path / "users.json").write_text(json.dumps({"last_id": 100, "users": users}))
    with connect(start_server(data=tmp_path)) as client:
        assert client.get("/users").json() == {"users": users}
        assert_error(client.post("/users", json=ANN), 409)
        assert client.put("/users/7", json=ANN).status_code == 200
        assert client.delete("/users/8").status_code == 204
        assert create(client)["id"] == 101


# -- what survives


def test_users_survive_a_restart(start_server):
    server = start_server()
    with connect(server) as client:
        first, second, third = (create(client, user) for user in (ANN, LONGEST, {"name": "😀", "email": "a@b"}))
        client.delete(f"/users/{second['id']}")
        first = client.patch(f"/users/{first['id']}", json={"name": "Anna"}).json()
    assert server.stop() == 0
    server.start()
    with connect(server) as client:
        assert client.get("/users").json() == {"users": [first, third]}


def test_ids_are_never_given_twice(start_server):
    server = start_server()
    with connect(server) as client:
        ids = [create(client)["id"] for _ in range(3)]
        for id in ids:
            client.delete(f"/users/{id}")
        ids.append(create(client)["id"])
        client.delete(f"/users/{ids[-1]}")
    server.stop()
    server.start()
    with connect(server) as client:
        ids.append(create(client)["id"])
    assert ids == [1, 2, 3, 4, 5]


def test_users_survive_being_killed(start_server):
    server = start_server()
    with connect(server) as client:
        user = create(client)
        server.stop(9)
    server.start()
    with connect(server) as client:
        assert client.get("/users").json() == {"users": [user]}


def test_interpreters_share_the_records(micropython, start_server, tmp_path):
    for interpreter in (None, micropython, None):
        server = start_server(data=tmp_path, **({"interpreter": interpreter} if interpreter else {}))
        with connect(server) as client:
            create(client, LONGEST)
        server.stop()
    assert [user["id"] for user in json.loads((tmp_path / "users.json").read_bytes())["users"]] == [1, 2, 3]


def test_failed_save_is_500_and_changes_nothing(start_server):
    server = start_server()
    with connect(server) as client:
        user = create(client)
        path = f"/users/{user['id']}"
        block = server.data / "users.json.new"
        block.mkdir()
        for method, target in (("POST", "/users"), ("PUT", path), ("PATCH", path), ("DELETE", path)):
            body = None if method == "DELETE" else {"name": "Bob", "email": "bob@example.com"}
            answer = client.request(method, target, json=body)
            assert answer.status_code == 500
            assert client.get("/users").json() == {"users": [user]}
        block.rmdir()
        assert server.output().count("Traceback") == 4
        assert create(client)["id"] == user["id"] + 1
        assert client.delete(path).status_code == 204


@pytest.mark.parametrize(
    "raw",
    [
        b'{"last_id": 1, "users": [{"id": 1, "na',
        b"[]",
        b"{}",
        b'{"last_id": "1", "users": []}',
        b'{"last_id": 1, "users": {}}',
        b'{"last_id": 1, "users": [1]}',
        b'{"last_id": 1, "users": [{"id": 2, "name": "A", "email": "a@b"}]}',
        b'{"last_id": 1, "users": [{"id": 1, "name": "A"}]}',
        b'{"last_id": 2, "users": [{"id": 1, "name": "A", "email": "a@b"}, {"id": 1, "name": "A", "email": "a@b"}]}',
    ],
    ids=repr,
)
def test_broken_file_is_kept_aside_and_told(start_server, tmp_path, raw):
    (tmp_path / "users.json").write_bytes(raw)
    server = start_server(data=tmp_path)
    with connect(server) as client:
        assert client.get("/users").json() == {"users": []}
        assert create(client)["id"] == 1
    assert "users.json cannot be used" in server.output()
    assert (tmp_path / "users.json.bad").read_bytes() == raw
