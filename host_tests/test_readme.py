"""The README's examples: each runs as it stands there, under both interpreters, and does what it says."""

import re
import shutil
import subprocess
import time

import httpx
import pytest
from playwright.sync_api import expect

from host_tests.browser import PATIENCE_MS, Browser
from host_tests.servers import Server, free_port
from tools import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
# Those that are run as they are, those that are a file of the site, and the line that goes into its routes.
EXAMPLES = re.findall(r"```python\n(from firmware import (?:(?!```).)*?app\.run\(.*?)```", README, re.DOTALL)
FILES = re.findall(r"`(firmware/site/[\w/.]+)`:\n\n```\w+\n(.*?)```", README, re.DOTALL)
(ROUTE,) = re.findall(r"```python\n(app\.lazy\(.*?)```", README, re.DOTALL)


def test_examples_are_found():
    assert len(EXAMPLES) == 2
    assert [name.rpartition("/")[2] for name, _ in FILES] == ["greenhouse.py", "index.html", "greenhouse.js"]
    assert README.count("```python") == 4


@pytest.fixture(params=range(len(EXAMPLES)))
def example(request, server_interpreter, tmp_path):
    """Return an example's number and a client of it."""
    port = free_port()
    script = tmp_path / "example.py"
    script.write_text(EXAMPLES[request.param].replace("8080", str(port)), encoding="utf-8")
    process = subprocess.Popen(
        server_interpreter.argv(script), cwd=ROOT, env=server_interpreter.environment(), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"http://127.0.0.1:%d/\n" % port
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield request.param, client
    finally:
        process.kill()
        process.wait()


def test_example_does_what_it_says(example):
    number, client = example
    (check_endpoints, check_live)[number](client)


def check_endpoints(client):
    assert client.get("/api/led").json() == {"on": False}
    assert client.put("/api/led", json={"on": 1}).json() == {"on": True}
    assert client.put("/api/led", json={}).status_code == 422
    assert client.get("/hello/you?greeting=hi").json() == {"hi": "you"}
    assert client.get("/").headers["content-type"].startswith("text/html")


def check_live(client):
    assert client.get("/readings?wait=5").json()["values"][0] == {"temperature_c": 21.5}
    assert client.get("/table.csv").text.endswith("\r\n999\r\n")
    with client.stream("GET", "/events?since=0") as answer:
        assert next(line for line in answer.iter_lines() if line.startswith("data")) == 'data: {"temperature_c": 21.5}'
    name = f"readme-{time.time_ns()}"
    assert client.put(f"/files/{name}", content=b"x" * 100_000).status_code == 204
    with open(f"/tmp/{name}", "rb") as file:
        assert file.read() == b"x" * 100_000
    subprocess.run(["rm", f"/tmp/{name}"], check=True)
    assert client.get("/ws").status_code == 426


class Site(Server):
    """The shipped site from a tree of its own, with the README's page, endpoint and sensor."""

    def __init__(self, interpreter, tree):
        super().__init__(interpreter)
        shutil.copytree(ROOT / "firmware", tree / "firmware", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "main.py", tree)
        for name, content in FILES:
            (tree / name).write_text(content, encoding="utf-8")
        routes = tree / "firmware" / "site" / "routes.py"
        routes.write_text(routes.read_text().replace("app.static(", ROUTE + "app.static("))
        self.script = tree / "main.py"


def test_page_endpoint_and_sensor_of_ones_own(server_interpreter, tmp_path):
    with Site(server_interpreter, tmp_path) as site, Browser() as browser:
        assert httpx.get(site.url + "api/soil").json() == {"wet_percent": 42}
        page = browser.open(site.url)
        expect(page.locator("#soil")).to_have_text("42", timeout=PATIENCE_MS)
        expect(page.locator("#air")).to_have_text(re.compile(r"^\d\d(\.\d)?$"), timeout=PATIENCE_MS)
        browser.close()
