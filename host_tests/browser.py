"""Chromium, headless and the system's own, for tests of the pages.

    with Browser() as browser:
        page = browser.open(server.url)             # fails, at `close`, for what the console says was wrong
        page.get_by_role("switch").click()          # Playwright's Page, otherwise

Playwright drives it; no browser is ever downloaded.
"""

from __future__ import annotations

import re
import shutil
from importlib import resources

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from host_tests.conftest import CI
from tools import ROOT

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "There is no Chromium. Debian, Ubuntu: sudo apt-get install --no-install-recommends chromium"

# A container has a small /dev/shm, and CI runs as root, where Chromium's sandbox does not start.
ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")

SCREENSHOTS = ROOT / ".cache" / "screenshots"
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1200, "height": 800}

# Two cores, shared with other tests, and a server that may be MicroPython.
PATIENCE_MS = 20000

# What it takes the page to call itself stale, and to come back; twice as much on a busy machine.
expect.set_options(timeout=PATIENCE_MS)

# The sections, in the order of their links.
PARTS = ("dashboard", "users", "files", "settings", "api", "log")


def executable() -> str:
    """Return where Chromium is. Without one the test is skipped; in CI it fails."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        (pytest.fail if CI else pytest.skip)(MISSING)
    return found


class Browser:
    """One Chromium; a context manager. `errors` has what pages said on their consoles, "ADDRESS: TEXT"."""

    def __init__(self):
        self.errors = []
        self._playwright = None
        self._chromium = None

    def __enter__(self) -> Browser:
        path = executable()
        self._playwright = sync_playwright().start()
        self._chromium = self._playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        return self

    def __exit__(self, *exception) -> None:
        self._chromium.close()
        self._playwright.stop()

    def profile(self, size=DESKTOP, scheme="light", **options):
        """Return a new BrowserContext: a browser of its own, with its own cookies and connections."""
        context = self._chromium.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce", **options)
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.errors.append(f"{error.page.url}: {error.error}"))
        return context

    def open(self, url: str, context=None, **options) -> Page:
        """Return a new page, of a new profile with these options unless there is a context."""
        page = (context or self.profile(**options)).new_page()
        page.goto(url)
        return page

    def close(self) -> None:
        """Close all profiles. AssertionError where a console had an error or a warning."""
        for context in self._chromium.contexts:
            context.close()
        errors, self.errors = self.errors, []
        assert not errors, "\n".join(errors)

    def forgive(self, pattern: str) -> None:
        """Forget the errors so far that match, all of them: a server that was stopped is missed on the console."""
        self.errors = [error for error in self.errors if not re.search(pattern, error)]

    def _hear(self, message) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.location.get('url')}: {message.text}")


def expect_live(page: Page) -> None:
    """Wait until it hears from the board."""
    expect(page.locator("#link")).to_have_text("live")


def heading(page: Page, name: str) -> Locator:
    """The heading of a section."""
    return page.get_by_role("heading", level=2, name=name, exact=True)


def go(page: Page, name: str) -> None:
    """Click on the section's link."""
    page.get_by_role("navigation").get_by_role("link", name=name).click()


def axe(page: Page) -> list[str]:
    """Return what axe finds to be a serious or critical hindrance, one line each."""
    source = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(source + ";0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:160]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
