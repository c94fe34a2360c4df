"""The applications of tools/examples, asked without a socket: (name, function). They keep what they keep in /tmp."""

import os
import sys
import time
from binascii import hexlify

from firmware.board import storage
from firmware.testing import TestClient

_EXAMPLES = os.getcwd() + "/tools/examples/"
_made = {}


def client_of(name, **options):
    """Return a client of an example and its module, loaded in a folder of its own as a project is."""
    if name not in _made:
        folder = "/tmp/limpet-%s" % hexlify(os.urandom(6)).decode()
        os.mkdir(folder)
        before = os.getcwd()
        os.chdir(folder)
        sys.path.insert(0, _EXAMPLES + name)
        try:
            module = __import__("app")
        finally:
            sys.path.pop(0)
            sys.modules.pop("app", None)
            os.chdir(before)
        _made[name] = module, folder
    module, folder = _made[name]
    # What is kept by a name without a folder is the project's.
    os.chdir(folder)
    return TestClient(module.app, **options), module


def hello(client, module):
    assert "Hello, world!" in client.get("/").text
    assert "Hello, &lt;b&gt;!" in client.get("/?name=%3Cb%3E").text
    assert client.get("/api/hello/you").json == {"hello": "you"}


def sensor(client, module):
    told = client.get("/api/sensor").json
    assert 0 <= told["percent"] <= 100 and told["count"] == 1
    answer = client.get("/api/sensor/events?since=0", until=b"data: ")
    assert answer.headers["content-type"] == "text/event-stream" and b'data: {"percent": ' in answer.body
    rows = client.get("/api/sensor.csv")
    assert rows.headers["content-type"] == "text/csv" and rows.text.startswith("number,percent\r\n1,4")


def relay(client, module):
    assert client.get("/api/relay").json == {"on": False, "schedule": []}
    assert client.put("/api/relay", json={"on": 1}).status == 422
    assert client.put("/api/relay", json={"on": True}).status == 204
    assert client.get("/api/relay").json["on"] is True
    steps = [{"minute": minute, "on": False} for minute in range(0, 24 * 60, 300)]
    assert client.put("/api/schedule", json={"steps": steps}).status == 204
    assert client.put("/api/schedule", json={"steps": [{"minute": 1440, "on": True}]}).status == 422
    assert client.get("/api/relay").json["schedule"] == steps
    # What is kept is there after a restart.
    assert storage.load("schedule.json", []) == steps
    # Whichever minute it is has its step: the relay goes off with the next look.
    module.schedule[:] = [{"minute": minute, "on": False} for minute in range(24 * 60)]
    module.app.state.minute = -1
    for _ in range(400):
        if not client.get("/api/relay").json["on"]:
            return
        time.sleep(0.01)
    raise AssertionError("the schedule does nothing")


def rest(client, module):
    token = {"Authorization": "Bearer " + module.TOKEN}
    assert client.get("/notes").json == {"notes": []}
    assert client.post("/notes", json={"text": "a"}).status == 401
    answer = client.post("/notes", json={"text": "a"}, headers=token)
    assert (answer.status, answer.headers["location"], answer.json) == (201, "/notes/1", {"id": 1, "text": "a"})
    assert list(client.post("/notes", json={"text": 5}, headers=token).json["error"]["fields"]) == ["text"]
    assert client.put("/notes/1", json={"text": "b"}, headers=token).json["text"] == "b"
    assert client.get("/notes/1").json == {"id": 1, "text": "b"}
    origin = {"Origin": "https://dashboard.example", "Access-Control-Request-Method": "DELETE"}
    answer = client.options("/notes/1", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://dashboard.example"
    assert client.get("/notes", headers=origin).headers["access-control-allow-origin"] == origin["Origin"]
    assert "access-control-allow-origin" not in client.get("/notes", headers={"Origin": "https://a.example"}).headers
    assert client.delete("/notes/1", headers=token).status == 204
    assert client.get("/notes/1").json["error"]["detail"] == "There is no note 1."


def chat(client, module):
    assert client.get("/api/messages").json == {"messages": []}
    assert client.get("/chat").status == 426


def chart(client, module):
    assert "free_kb" in client.get("/api/samples?since=0&wait=5").json["values"][0]
    assert b"free_kb" in client.get("/api/samples/events?since=0", until=b"free_kb").body


def gallery(client, module):
    def form(*names):
        part = '--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\nx\r\n'
        parts = [part % name for name in names]
        head = {"Content-Type": "multipart/form-data; boundary=b"}
        return {"headers": head, "body": "".join(parts) + "--b--\r\n"}

    answer = client.post("/api/pictures", **form("A.png", "b.jpg"))
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert client.get("/api/pictures").json == {"pictures": ["a.png", "b.jpg"]}
    answer = client.get("/pictures/a.png")
    assert (answer.headers["content-type"], answer.body) == ("image/png", b"x")
    assert "a.png" in client.get("/api/pictures/a.png").headers["content-disposition"]
    assert client.post("/api/pictures", **form("a.html")).status == 422
    foreign = form("c.png")
    foreign["headers"]["Origin"] = "https://a.example"
    assert client.post("/api/pictures", **foreign).status == 403
    for name in ("a.png", "b.jpg"):
        assert client.delete("/api/pictures/" + name).status == 204
    assert client.get("/api/pictures/a.png").status == client.delete("/api/pictures/..%2Fapp.py").status == 404


def forms(client, module):
    assert "Your name" in client.get("/").text
    assert client.post("/entries", form={"value": "x"}).status == 403
    assert client.post("/name", form={}).status == 400
    assert client.post("/name", form={"value": "Ü <b>"}).headers["location"] == "/"
    assert "What Ü &lt;b&gt; has to say" in client.get("/").text
    assert client.post("/entries", form={"value": "<i>"}).status == 303
    assert "<li>&lt;i&gt; <small>Ü &lt;b&gt;</small></li>" in client.get("/").text
    # Somebody else's cookie is of no use, nor is one that was changed.
    for name in list(client.cookies):
        client.cookies[name] = "x" + client.cookies[name]
    assert client.post("/entries", form={"value": "x"}).status == 403


def prometheus(client, module):
    assert client.post("/api/drops").json == {"drops": 1}
    text = client.get("/metrics").text
    assert "limpet_tank_percent 50\n" in text and "limpet_drops 1\n" in text and text.endswith("# EOF\n")


def captive(client, module):
    answer = client.get("/generate_204")
    assert (answer.status, answer.headers["location"]) == (302, "http://192.168.4.1/setup")
    assert 'value="garden"' in client.get("/setup").text
    assert client.post("/setup", form={"name": '"x"', "broker": "b"}).headers["location"] == "/setup"
    assert 'value="&quot;x&quot;"' in client.get("/setup").text
    assert storage.load("garden.json", {}) == {"name": '"x"', "broker": "b"}


CASES = [
    (check.__name__ if hasattr(check, "__name__") else str(at), check)
    for at, check in enumerate((hello, sensor, relay, rest, chat, chart, gallery, forms, prometheus, captive))
]


def check(case):
    name, asked = case
    before = os.getcwd()
    client, module = client_of(name)
    try:
        asked(client, module)
    finally:
        client.close()
        os.chdir(before)
        clean(_made.pop(name)[1])


def clean(folder):
    """Remove a folder with all that is in it."""
    for name in os.listdir(folder):
        path = folder + "/" + name
        try:
            os.remove(path)
        except OSError:
            clean(path)
    os.rmdir(folder)
