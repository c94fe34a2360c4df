"""The recipes of firmware/API.md, run as they stand there and asked without a socket: (title, function)."""

import os

from firmware.testing import TestClient


def answers(client):
    assert client.get("/json").json == {"celsius": 21.5}
    assert client.get("/page").headers["content-type"] == "text/html; charset=utf-8"
    answer = client.post("/things")
    assert (answer.status, answer.headers["location"]) == (201, "/things/1")
    assert client.get("/nothing").status == 204
    answer = client.get("/table.csv")
    assert answer.headers["content-type"] == "text/csv" and answer.text.endswith("\r\n999,998001\r\n")


def arguments(client):
    assert client.get("/pins/4").json == {"pin": 4}
    assert client.get("/pins/x").status == 404
    assert client.put("/target/21.5").json == {"celsius": 21.5}
    assert client.get("/search?q=tide").json == {"q": "tide", "most": 10}
    assert client.get("/search").status == client.get("/search?q=a&most=x").status == 400


def checked(client):
    assert client.put("/light", json={"on": True}).json == {"on": True, "percent": 100}
    error = client.put("/light", json={"on": True, "percent": 101})
    assert (error.status, list(error.json["error"]["fields"])) == (422, ["percent"])
    assert client.post("/timers", json={"steps": [{"minute": 0, "on": True}]}).json == {"count": 1}
    error = client.post("/timers", json={"steps": [{"minute": 0}]})
    assert list(error.json["error"]["fields"]) == ["steps.0.on"]


def form(client):
    assert "Hello, nobody!" in client.get("/").text
    answer = client.post("/name", form={"name": "<b>"})
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert "Hello, &lt;b&gt;!" in client.get("/").text


def cookies(client):
    for count in (1, 2, 3):
        assert client.get("/visits").json == {"visits": count}


def errors(client):
    answer = client.get("/sensor/broken")
    assert (answer.status, answer.json) == (502, {"broken": "no answer on the bus"})
    answer = client.get("/sensor/x")
    assert (answer.status, answer.json["error"]) == (404, "There is no sensor called x.")
    assert client.get("/y").json["path"] == "/y"


def files(client):
    name = "limpet-recipe-%d" % os.urandom(1)[0]
    try:
        assert client.put("/files/" + name, body=b"x" * 10000).status == 204
        assert client.get("/files/" + name).body == b"x" * 10000
    finally:
        os.remove("/tmp/" + name)
    assert client.get("/files/..").status in (400, 404)
    assert client.get("/favicon.svg").headers["content-type"] == "image/svg+xml"


def live(client):
    assert client.get("/readings?wait=5").json["values"][0] == {"celsius": 21.5}
    assert b'data: {"celsius": 21.5}' in client.get("/events?since=0", until=b"21.5").body
    assert client.get("/ws").status == 426


def who_may(client):
    assert client.get("/led").status == 200
    assert client.put("/led").status == 401
    assert client.put("/led", headers={"Authorization": "Bearer a-long-secret-of-yours"}).status == 200


def tests(client):
    pass  # it asks itself


_ASKED = (answers, arguments, checked, form, cookies, errors, files, live, who_may, tests)


def recipes():
    """Return [(title, code)] of the page."""
    with open("firmware/API.md") as file:
        text = file.read()
    found = []
    for part in text.split("\n## Reference\n")[0].split("\n### ")[1:]:
        title = part.split("\n")[0]
        code = part.split("```python\n")
        assert len(code) == 2, title
        found.append((title, code[1].split("```")[0]))
    return found


CASES = [(title, code, asked) for (title, code), asked in zip(recipes(), _ASKED)]
assert len(CASES) == len(recipes()) == len(_ASKED)


def check(case):
    _, code, asked = case
    made = {}
    exec(code, made)
    with TestClient(made["app"]) as client:
        asked(client)
    for name in made:
        if name.startswith("test_"):
            made[name]()
