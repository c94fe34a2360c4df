"""A person's whole visit to a small board: the shipped site in the heap that a plain ESP32 has for it.

The tree is compiled, the words have 32 bits, the heap is no larger than the board's, everything of the firmware in it.
Every answer has to be the right one; a board that is busy may say so, 503, once in fifty requests at the most, and is
asked again then.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time

import httpx
import pytest
from websockets.sync.client import connect

from host_tests.board_life import NAMES_BYTES, Board, wait_until
from host_tests.conftest import interpreter_named
from host_tests.servers import HOST, SOCKET_TIMEOUT_S
from tools import ROOT, manifest

# MicroPython's heap on a plain ESP32: two areas of 56 KB. At 198 KB the visit passes in two of three runs.
HEAP_KB = 112
ROUNDS = 3
# One in so many may be told to come again.
REFUSED_ONE_IN = 50

PASSWORD = "correct horse"
PINS = [
    {"number": 4, "name": "Pump", "mode": "output"},
    {"number": 5, "name": "Lamp", "mode": "pwm", "frequency_hz": 500},
    {"number": 6, "name": "Float", "mode": "input_pull_up"},
]
PAGE = ("/", "/style.css", "/api.js", "/app.js", "/forms.js", "/pins.js", "/log.js", "/users.js", "/files.js")
FILE = bytes(range(256)) * 40


class Visitor:
    """A browser, with the connections it keeps; `asked` and `refused` count."""

    def __init__(self, board: Board):
        self.board = board
        self.asked = self.refused = 0
        self.wrong = []
        self.client = httpx.Client(
            base_url=board.url,
            timeout=SOCKET_TIMEOUT_S,
            limits=httpx.Limits(max_connections=2),
            headers={"Origin": board.url, "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"},
        )

    def ask(self, method: str, path: str, status: int = 200, **more) -> httpx.Response:
        """Ask until the board is not busy; what comes has to have the status."""
        for _ in range(10):
            self.asked += 1
            try:
                answer = self.client.request(method, path, **more)
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                # A kept connection that the board closes meanwhile: a browser opens another one.
                self.refused += 1
                continue
            if answer.status_code != 503 or status == 503:
                break
            self.refused += 1
            time.sleep(min(1, float(answer.headers.get("retry-after", 1))))
        assert answer.status_code == status, (method, path, answer.status_code, answer.text[:300])
        return answer

    def read(self, path: str):
        return self.ask("GET", path).json()


class Dashboard:
    """The page's open stream of readings, `values`. It is asked for again when it is cut, as a browser does."""

    def __init__(self, visitor: Visitor):
        self.visitor = visitor
        self.values = []
        self.is_open = True
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        last = 0
        while self.is_open:
            with contextlib.suppress(httpx.HTTPError), httpx.Client(timeout=SOCKET_TIMEOUT_S) as client:
                self.visitor.asked += 1
                with client.stream("GET", f"{self.visitor.board.url}/api/events?since={last}") as stream:
                    if stream.status_code != 200:
                        self.visitor.refused += 1
                        time.sleep(0.5)
                        continue
                    for line in stream.iter_lines():
                        if line.startswith("data:"):
                            self.values.append(json.loads(line[5:]))
                        if not self.is_open:
                            return

    def more(self, condition=lambda value: True):
        """Wait for a reading that is new, and as wanted."""
        count = len(self.values)
        wait_until(lambda: any(condition(value) for value in self.values[count:]), "a reading")

    def close(self):
        self.is_open = False
        self.thread.join(SOCKET_TIMEOUT_S)


@contextlib.contextmanager
def dashboard(visitor):
    opened = Dashboard(visitor)
    try:
        opened.more()
        yield opened
        opened.more()
    finally:
        opened.close()


# -- what a person does, one after the other


def load_page(visitor):
    for path in PAGE:
        answer = visitor.ask("GET", path)
        assert answer.content == (ROOT / "firmware" / "site" / "www" / (path[1:] or "index.html")).read_bytes()
    tag = visitor.ask("GET", "/").headers["etag"]
    assert visitor.ask("GET", "/", 304, headers={"If-None-Match": tag}).content == b""
    status = visitor.read("/api/status")
    assert status["firmware"]["name"] == "Limpet" and status["connections"]["limit"] == 4
    assert visitor.read("/healthz") == {"status": "ok"}


def switch(visitor, opened):
    for wanted in (True, False):
        assert visitor.ask("PUT", "/api/led", json={"on": wanted}).json() == {"on": wanted}
        opened.more(lambda value, wanted=wanted: value["led"] is wanted)
    assert visitor.read("/api/readings?since=0")["values"]
    assert [pin["name"] for pin in visitor.read("/api/pins")["pins"]] == ["Pump", "Lamp", "Float"]
    for value in (1, 0):
        assert visitor.ask("PUT", "/api/pins/4", json={"value": value}).json()["value"] == value
        opened.more(lambda reading, value=value: reading["pins"]["4"] == value)


def talk(visitor):
    """The same over a WebSocket, as a script does."""
    url = visitor.board.url.replace("http", "ws") + "/ws"
    with connect(url, open_timeout=SOCKET_TIMEOUT_S, **cookie(visitor)) as ws:
        ws.send(json.dumps({"led": {"on": True}}))
        answers = [json.loads(ws.recv(SOCKET_TIMEOUT_S)) for _ in range(4)]
        assert {"led": {"on": True}} in answers
        assert len([answer for answer in answers if "uptime_s" in answer]) == 3


def cookie(visitor):
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.client.cookies.items())
    return {"additional_headers": {"Cookie": cookies}} if cookies else {}


def set_password(visitor):
    told = visitor.read("/api/session")
    if told["password_set"]:
        visitor.ask("POST", "/api/logout", 204)
        visitor.ask("GET", "/api/settings", 401)
        visitor.ask("POST", "/api/login", 401, json={"password": "wrong password"})
        visitor.ask("POST", "/api/login", json={"password": PASSWORD})
        visitor.ask("PUT", "/api/password", json={"old": PASSWORD, "new": PASSWORD})
    else:
        visitor.ask("PUT", "/api/password", json={"new": PASSWORD})
    visitor.ask("POST", "/api/logout", 204)
    visitor.ask("PUT", "/api/led", 401, json={"on": True})
    visitor.ask("POST", "/api/login", json={"password": PASSWORD})
    assert visitor.read("/api/session")["user"] == "admin"


def change_settings(visitor, number):
    settings = visitor.read("/api/settings")
    assert settings["admin"] is True and settings["networks"][0]["password"] is True
    settings["time_servers"] = [f"{number}.pool.ntp.org"]
    assert visitor.ask("PUT", "/api/settings", json=settings).json() == settings
    settings["time_servers"] = ["no host!"]
    wrong = visitor.ask("PUT", "/api/settings", 422, json=settings).json()["error"]
    assert list(wrong["fields"]) == ["time_servers.0"]
    assert visitor.read("/api/settings")["time_servers"] == [f"{number}.pool.ntp.org"]


def keep_files(visitor):
    assert visitor.read("/api/files")["files"] == []
    visitor.ask("PUT", "/files/notes/one.bin", 201, content=FILE)
    visitor.ask("PUT", "/files/notes/one.bin", 204, content=FILE[::-1])
    assert visitor.read("/api/files")["files"] == [{"name": "notes/one.bin", "size": len(FILE)}]
    assert visitor.ask("GET", "/files/notes/one.bin").content == FILE[::-1]
    part = visitor.ask("GET", "/files/notes/one.bin", 206, headers={"Range": "bytes=10-19"})
    assert part.content == FILE[::-1][10:20]
    visitor.ask("DELETE", "/files/notes/one.bin", 204)
    visitor.ask("GET", "/files/notes/one.bin", 404)


def keep_users(visitor):
    ids = []
    for name in ("Ann", "Ben"):
        made = visitor.ask("POST", "/users", 201, json={"name": name, "email": f"{name}@example.org"})
        ids.append(made.json()["user"]["id"])
        assert made.headers["location"] == f"/users/{ids[-1]}"
    assert [user["name"] for user in visitor.read("/users")["users"]] == ["Ann", "Ben"]
    assert visitor.ask("PATCH", f"/users/{ids[0]}", json={"name": "Anna"}).json()["name"] == "Anna"
    visitor.ask("POST", "/users", 422, json={"name": "", "email": "x"})
    for id in ids:
        visitor.ask("DELETE", f"/users/{id}", 204)
    visitor.ask("GET", f"/users/{ids[0]}", 404)


def look_around(visitor):
    lines = [json.loads(line) for line in visitor.ask("GET", "/api/log?since=0").text.splitlines()]
    assert lines and all({"number", "text"} <= set(line) or "lost" in line for line in lines)
    metrics = visitor.ask("GET", "/metrics").text
    assert "limpet_requests_total" in metrics and metrics.endswith("# EOF\n")
    assert visitor.read("/api/tokens")["tokens"] == []


def make_errors(visitor):
    visitor.ask("GET", "/nothing", 404)
    told = visitor.ask("GET", "/api/nothing", 404, headers={"Accept": "application/json"}).json()
    assert told["error"]["status"] == 404
    visitor.ask("DELETE", "/api/status", 405)
    visitor.ask("PUT", "/api/led", 422, json={"on": 1})
    visitor.ask("PUT", "/api/led", 400, content=b"{", headers={"Content-Type": "application/json"})
    visitor.ask("POST", "/users", 413, content=b"x" * 9000, headers={"Content-Type": "application/json"})
    visitor.ask("PUT", "/api/pins/9", 404, json={"value": 1})


def visit(board, number):
    """Be a person who does everything once; return (asked, refused)."""
    visitor = Visitor(board)
    with visitor.client:
        load_page(visitor)
        with dashboard(visitor) as opened:
            if visitor.read("/api/session")["password_set"]:
                visitor.ask("POST", "/api/login", json={"password": PASSWORD})
            switch(visitor, opened)
            set_password(visitor)
            change_settings(visitor, number)
            keep_files(visitor)
            keep_users(visitor)
            look_around(visitor)
            make_errors(visitor)
        talk(visitor)
        visitor.ask("POST", "/api/logout", 204)
    return visitor.asked, visitor.refused


def compiled(folder):
    """Make the tree of a stock board in `folder`, and return it."""
    for path, data in manifest.build(ROOT, "x86").items():
        file = folder / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    for name in manifest.ROOT_FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def small_board(tmp_path, heap_kb=HEAP_KB):
    """Return a board that has joined its network, with `heap_kb` for the firmware beside what the harness has."""
    tree = compiled(tmp_path / "tree")
    (tmp_path / "flash").mkdir()
    (tmp_path / "flash" / "firmware").symlink_to(tree / "firmware")
    kept = 0
    for heapsize in ("2m", None):
        # A heap's own tables take a part of it.
        board = Board(interpreter_named("i386"), tmp_path / "flash", tree, heapsize=heapsize or f"{heap_kb + kept}k")
        board.air(("Home", "password1"))
        board.settings(
            networks=[{"ssid": "Home", "password": "password1"}], limits={"connections": 4}, pins={"gpio": PINS}
        )
        board.start()
        board.until("joined")
        if kept == 0:
            kept = round((board.tell("zero") - NAMES_BYTES) * 1.024 / 1024)
            board.cut()
    return board


@pytest.fixture
def board(tmp_path):
    running = small_board(tmp_path)
    yield running
    running.cut()
    print(running.console)


@pytest.mark.xfail(reason="the site takes more than a plain ESP32 has", strict=False)
def test_whole_visit_fits_a_plain_esp32(board):
    asked = refused = 0
    for number in range(ROUNDS):
        counts = visit(board, number)
        asked += counts[0]
        refused += counts[1]
    print(f"{asked} requests, {refused} refused; {board.tell('used()') / 1024:.1f} KB are in use")
    assert refused * REFUSED_ONE_IN <= asked
    assert HOST in board.url and "reset" not in board.console
