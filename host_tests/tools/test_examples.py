"""tools/examples: small applications that others begin with. Each does what it says, on both interpreters."""

import json
import re

import httpx
import pytest
from playwright.sync_api import expect
from websockets.sync.client import connect

from host_tests.browser import PATIENCE_MS
from host_tests.vectors import examples as vectors
from tools import ROOT

EXAMPLES = ROOT / "tools" / "examples"
NAMES = sorted(folder.name for folder in EXAMPLES.iterdir() if folder.is_dir())
MAX_LINES = 60
SCRIPT = "host_tests/apps/example.py"


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("examples")


def test_each_example_is_asked_and_small():
    assert sorted(name for name, _ in vectors.CASES) == NAMES and len(NAMES) >= 10
    for name in NAMES:
        text = (EXAMPLES / name / "app.py").read_text(encoding="utf-8")
        assert len(text.splitlines()) <= MAX_LINES, name
        assert "\napp = App()\n" in text, name


def test_chat_brings_to_all_what_one_says(start_server):
    server = start_server("chat", script=SCRIPT)
    url = f"ws://{server.host}:{server.port}/chat"
    with connect(url) as one, connect(url) as other:
        one.send("[]")
        assert "error" in json.loads(one.recv(10))
        one.send(json.dumps({"name": "a", "text": " hello "}))
        for socket in (one, other):
            assert json.loads(socket.recv(10)) == {"name": "a", "text": "hello"}
        # Nobody says nothing.
        other.send(json.dumps({"name": "b", "text": " "}))
        other.send(json.dumps({"name": "b", "text": "5" * 300}))
        assert json.loads(one.recv(10)) == {"name": "b", "text": "5" * 200}


# What a page shows once its script has asked the application.
SHOWN = {"sensor": ("#percent", r"\d+"), "chart": ("#now", r"\d+"), "relay": ("#state", "off")}


@pytest.mark.interpreters("cpython")
@pytest.mark.parametrize("name", SHOWN)
def test_page_shows_what_the_application_tells(browser, start_server, name):
    place, text = SHOWN[name]
    page = browser.open(start_server(name, script=SCRIPT).url)
    expect(page.locator(place)).to_have_text(re.compile(f"^{text}$"), timeout=PATIENCE_MS)
    if name == "relay":
        page.locator("#switch").click()
        expect(page.locator(place)).to_have_text("on", timeout=PATIENCE_MS)


@pytest.mark.interpreters("cpython")
def test_chat_in_a_browser(browser, start_server):
    page = browser.open(start_server("chat", script=SCRIPT).url)
    page.locator("#name").fill("lina")
    page.locator("#text").fill("<b>hello")
    page.locator("button").click()
    expect(page.locator("#messages")).to_have_text("lina: <b>hello", timeout=PATIENCE_MS)


@pytest.mark.interpreters("cpython")
def test_gallery_in_a_browser(browser, start_server):
    page = browser.open(start_server("gallery", script=SCRIPT).url)
    pixel = bytes.fromhex("47494638396101000100800000ffffff00000021f90401000001002c00000000010001000002024c01003b")
    page.locator("input").set_input_files({"name": "dot.gif", "mimeType": "image/gif", "buffer": pixel})
    page.locator("form button").click()
    picture = page.locator("img")
    expect(picture).to_have_js_property("naturalWidth", 1, timeout=PATIENCE_MS)
    page.locator("figure button").click()
    expect(picture).to_have_count(0, timeout=PATIENCE_MS)


# -- as projects, beside the shipped site

ASKED = {
    "captive": "setup",
    "chart": "api/samples?since=0&wait=5",
    "chat": "api/messages",
    "forms": "",
    "gallery": "api/pictures",
    "hello": "api/hello/you",
    "prometheus": "metrics",
    "relay": "api/relay",
    "rest": "notes",
    "sensor": "api/sensor",
}


@pytest.mark.parametrize("name", NAMES)
def test_example_is_served_as_a_project(start_server, name):
    server = start_server("--project", EXAMPLES / name)
    with httpx.Client(base_url=server.url, timeout=15) as client:
        assert client.get(ASKED[name]).status_code == 200
        # Of what is there twice, the project's comes first; the site's is below its prefix.
        assert ("limpet_tank_percent" in client.get("/metrics").text) == (name == "prometheus")
        assert client.get("/board/api/status").status_code == 200
        assert client.get("/api/project").json()["error"] is None
        if name == "rest":
            assert client.post("/notes", json={"text": "a"}).status_code == 401
            headers = {"Authorization": "Bearer change-this-before-use"}
            assert client.post("/notes", json={"text": "a"}, headers=headers).status_code == 201
