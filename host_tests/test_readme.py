"""README.md and the pages that it leads to: examples run as they stand there, on both interpreters; links lead on."""

import re
import subprocess

import httpx
import pytest
from playwright.sync_api import expect

from host_tests.browser import PATIENCE_MS, Browser
from host_tests.servers import Server, free_port
from tools import ROOT, new

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    *(ROOT / name for name in ("README.md", "tools/README.md", "host_tests/README.md", ".github/CONTRIBUTING.md")),
    *(ROOT / "firmware" / name for name in ("README.md", "API.md", "site/README.md")),
]
# What is run as it is, and what is a file of a project.
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PROJECT = (ROOT / "tools" / "README.md").read_text(encoding="utf-8")
FILES = re.findall(r"`(greenhouse/[\w/.]+)`[^\n]*\n\n```\w+\n(.*?)```", PROJECT, re.DOTALL)

# A newcomer reads that much before the first try.
WORDS = 900


def test_readme_is_short():
    assert len(README.split()) <= WORDS


def test_files_of_the_project_are_found():
    assert [name.rpartition("/")[2] for name, _ in FILES] == ["app.py", "index.html", "page.js"]
    assert PROJECT.count("```python") == 1


def anchors(text):
    """Return the anchors of a page's headings, as GitHub makes them."""
    return [re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in headings(text)]


def headings(text):
    return re.findall(r"^#+ .*", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


@pytest.fixture
def example(server_interpreter, tmp_path):
    """Return a client of the example."""
    port = free_port()
    script = tmp_path / "example.py"
    script.write_text(EXAMPLE.replace("8080", str(port)), encoding="utf-8")
    process = subprocess.Popen(
        server_interpreter.argv(script), cwd=ROOT, env=server_interpreter.environment(), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"http://127.0.0.1:%d/\n" % port
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            yield client
    finally:
        process.kill()
        process.wait()


def test_example_does_what_it_says(example):
    assert example.get("/hello/you?greeting=hi").json() == {"hi": "you"}
    assert example.get("/hello/you").json() == {"hello": "you"}
    missing = example.get("/hello/nobody")
    assert (missing.status_code, missing.json()["error"]["detail"]) == (404, "Nobody is here.")


def test_project_does_what_it_says(server_interpreter, tmp_path):
    folder = tmp_path / "greenhouse"
    new.make(folder)
    for name, content in FILES:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with Server(server_interpreter, "--project", folder) as site, Browser() as browser:
        assert httpx.get(site.url + "api/soil").json() == {"wet_percent": 42, "is_dry": True}
        page = browser.open(site.url)
        expect(page.locator("#soil")).to_have_text("42", timeout=PATIENCE_MS)
        expect(page.locator("#air")).to_have_text(re.compile(r"^\d\d(\.\d)?$"), timeout=PATIENCE_MS)
        page.get_by_role("link", name="The board").click()
        expect(page.locator("#sensor-soil .value")).to_have_text("42 %", timeout=PATIENCE_MS)
        page.goto(site.url + "board/#/settings")
        expect(page.get_by_label("Dry below, %")).to_have_value("50", timeout=PATIENCE_MS)
        browser.close()
