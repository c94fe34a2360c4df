"""A storage that is full or read-only: what cannot be kept is said in a sentence, and what was there stays."""

import httpx
import pytest

ROWS = [(28, 507, "Insufficient Storage", "room"), (30, 503, "Service Unavailable", "written")]


@pytest.mark.parametrize("number, status, reason, word", ROWS, ids=["full", "read-only"])
def test_what_cannot_be_kept_is_said_and_nothing_is_lost(start_server, number, status, reason, word):
    server = start_server(script="host_tests/apps/worn.py")
    password = {"password": "correct horse"}
    with httpx.Client(base_url=server.url, timeout=30, headers={"Accept": "application/json"}) as client:
        client.post("users", json={"name": "Ann", "email": "a@b.c"}).raise_for_status()
        client.put("files/a/b.txt", content=b"b").raise_for_status()
        client.put("api/password", json={"new": "correct horse"}).raise_for_status()
        client.post("api/tokens", json={"name": "one", "role": "read"}).raise_for_status()
        names = ("api/settings", "users", "api/tokens", "files/a/b.txt")
        before = [client.get(name).text for name in names]
        settings = client.get("api/settings").json()
        stored = {path.name: path.read_bytes() for path in server.data.rglob("*") if path.is_file()}
        (server.data / "errno").write_text(str(number))
        wishes = [
            ("POST", "users", {"name": "Bob", "email": "b@b.c"}),
            ("PUT", "users/1", {"name": "Bob", "email": "b@b.c"}),
            ("PATCH", "users/1", {"name": "Bob"}),
            ("DELETE", "users/1", None),
            ("PUT", "api/settings", {**settings, "hostname": "other"}),
            ("PUT", "api/password", {"old": "correct horse", "new": "another horse"}),
            ("POST", "api/tokens", {"name": "two", "role": "read"}),
            ("DELETE", "api/tokens/one", None),
        ]
        wishes += [("PUT", "files/a/c.txt", {}), ("PUT", "files/d/e/f.txt", {}), ("DELETE", "files/a/b.txt", None)]
        for method, path, document in wishes:
            answer = client.request(method, path, json=document)
            assert answer.status_code == status, (method, path, answer.text)
            assert answer.reason_phrase == answer.json()["error"]["reason"] == reason
            assert word in answer.json()["error"]["detail"]
        answer = client.post("api/logout")
        assert answer.status_code == status and word in answer.json()["error"]["detail"]
        assert "Max-Age=0" in answer.headers["set-cookie"] and not client.cookies
        assert client.get("api/tokens").status_code == 401
        (server.data / "errno").unlink()
        assert {path.name: path.read_bytes() for path in server.data.rglob("*") if path.is_file()} == stored
        client.post("api/login", json=password).raise_for_status()
        assert [client.get(name).text for name in names] == before


def test_what_is_not_there_is_404_though_nothing_can_be_written(start_server):
    server = start_server(script="host_tests/apps/worn.py")
    (server.data / "errno").write_text("30")
    assert httpx.delete(server.url + "files/nothing").status_code == 404
    assert httpx.delete(server.url + "users/7").status_code == 404
