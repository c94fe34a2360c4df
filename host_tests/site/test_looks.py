"""How the pages look in a real browser: nothing moves, all fits and can be used by everybody, pictures are kept."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from host_tests.browser import DESKTOP, PARTS, PHONE, SCREENSHOTS, axe, expect_live

SIZES = {"phone": PHONE, "desktop": DESKTOP}

# Adds up what moves without somebody's doing. Web Vitals calls 0.1 good.
WATCH_SHIFTS = (
    "window.moved = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) => {"
    " if (!entry.hadRecentInput) window.moved += entry.value; })).observe({type: 'layout-shift', buffered: true});"
)
MAX_SHIFT = 0.02
# What has words that its own edge hides.
CUT = (
    "[...document.querySelectorAll('header *, nav *, section:not([hidden]) *')].filter((one) => one.clientWidth &&"
    " getComputedStyle(one).overflowX === 'hidden' && one.scrollWidth > one.clientWidth + 1)"
    ".map((one) => one.outerHTML)"
)


def width_left(page):
    """How many pixels of the page's width are not seen."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def expect_accessible(page, what):
    found = axe(page)
    assert not found, "\n".join([f"{what}:", *found])


# -- the first view


@pytest.mark.interpreters("amd64")
def test_first_view_takes_three_requests(server, browser):
    page = browser.profile(PHONE).new_page()
    kinds = []
    page.on("request", lambda request: kinds.append(request.resource_type))
    page.goto(server.url)
    expect_live(page)
    expect(page.locator("#temperature .value")).to_contain_text("°C")
    parts = [kind for kind in kinds if kind in ("document", "stylesheet", "script", "font")]
    assert sorted(parts) == ["document", "script", "stylesheet"]
    # Behind them come the live values, and at last a picture for the tab.
    assert set(kinds) - set(parts) <= {"eventsource", "fetch", "image", "other"}


@pytest.mark.interpreters("amd64")
@pytest.mark.parametrize("width", SIZES)
def test_nothing_moves(server, browser, width):
    context = browser.profile(SIZES[width])
    context.add_init_script(WATCH_SHIFTS)
    for name in PARTS:
        page = browser.open(f"{server.url}#/{name}", context)
        expect_live(page)
        expect(page.locator(f"#{name} .card").first).to_be_visible()
        page.wait_for_timeout(1200)  # a reading
        assert page.evaluate("window.moved") < MAX_SHIFT, name
        page.close()


# -- every section


@pytest.mark.interpreters("amd64")  # MicroPython: what costs time is done there alone
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
def test_every_page_is_accessible_and_fits(server, browser, width, scheme):
    context = browser.profile(SIZES[width], scheme)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        page = browser.open(f"{server.url}#/{name}", context)
        expect_live(page)
        expect(page.locator(f"#{name} .card").first).to_be_visible()
        if name == "api":
            page.locator("summary").nth(2).click()
        if name == "dashboard":
            expect(page.locator("#uptime")).not_to_have_text("–")
        page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{scheme}.png")
        assert width_left(page) <= 0, name
        assert page.evaluate(CUT) == [], name
        # Two of four look at both schemes and both widths: it takes a while.
        if (width, scheme) in (("phone", "light"), ("desktop", "dark")):
            expect_accessible(page, name)
        page.close()


@pytest.mark.interpreters("amd64")
@pytest.mark.parametrize("name", PARTS)
def test_page_fits_with_letters_twice_as_large(server, browser, name):
    page = browser.open(f"{server.url}#/{name}", size=PHONE)
    expect(page.locator(f"#{name} .card").first).to_be_visible()
    page.evaluate("document.documentElement.style.fontSize = '32px'")
    assert width_left(page) <= 0


@pytest.mark.interpreters("amd64")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_question_and_login_are_accessible(start_server, browser, scheme):
    server = start_server()
    page = browser.open(f"{server.url}#/users", scheme=scheme)
    page.locator("#add").get_by_label("Name").fill("Ada")
    page.locator("#add").get_by_label("E-mail").fill("ada@example.org")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("button", name="Delete Ada").click()
    # Enter by mistake does no harm.
    expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    expect_accessible(page, "question")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_role("button", name="Edit Ada").click()
    expect_accessible(page, "form in a list")
    page.goto(f"{server.url}#/settings")
    page.get_by_label("New password").fill("correct horse")
    page.get_by_role("button", name="Set", exact=True).click()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="Log in").first.click()
    dialog = page.get_by_role("dialog", name="Log in")
    dialog.get_by_label("Password", exact=True).fill("wrong")
    dialog.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("The password is wrong.")).to_be_visible()
    page.get_by_text("Forgotten password?").click()
    expect_accessible(page, "log-in")
    browser.forgive("401")


# -- values that only a board has


@pytest.mark.interpreters("amd64")
def test_values_of_a_board_are_drawn(server, browser):
    context = browser.profile()
    readings = [
        {"uptime_s": second, "temperature_c": 50.5, "heap_free": 40960, "idf_free": 98304 + 2048 * second}
        | {"rssi_dbm": -60 - second, "requests": 7 * second, "led": False}
        for second in range(1, 9)
    ]
    body = json.dumps({"last": 8, "values": readings})
    context.route("**/api/readings?*", lambda route: route.fulfill(body=body, content_type="application/json"))
    context.route("**/api/events?*", lambda route: route.abort())
    page = browser.open(server.url, context)
    for tile, value, words in (
        ("rssi", "-68 dBm", "-68 to -61 dBm"),
        ("idf", "112 KiB", "98 to 112 KiB"),
        ("heap", "40 KiB", "40 to 40 KiB"),
        ("rate", "7.0", "7.0 to 7.0"),
        ("temperature", "50.5 °C", "50.5 to 50.5 °C"),
    ):
        expect(page.locator(f"#{tile} .value")).to_have_text(value)
        expect(page.locator(f"#{tile} .range")).to_have_text(words)
        expect(page.get_by_role("img", name=words)).not_to_have_count(0)
        points = page.locator(f"#{tile} path").nth(1).get_attribute("d")
        assert len(points.split("L")) == (7 if tile == "rate" else 8)
    rssi = page.locator("#rssi")
    assert rssi.locator(".plot span").all_text_contents() == ["-58", "-68", "20 s ago", "now"]
    # The newest stands at 97 of 100, and 20 seconds are as wide as that: this is some 3 seconds before.
    box = rssi.locator(".plot").bounding_box()
    page.mouse.move(box["x"] + box["width"] * (97 - 3 * 97 / 20) / 100, box["y"] + 10)
    expect(rssi.locator(".value")).to_have_text("-65 dBm")
    expect(rssi.locator(".range")).to_have_text("3 s before")
    page.mouse.move(0, 0)
    expect(rssi.locator(".value")).to_have_text("-68 dBm")
    page.close()  # it would go on asking
    browser.forgive("api/events|ERR_FAILED")


# -- the setup page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_setup_page_fits_a_phone_without_javascript(start_server, browser, scheme):
    server = start_server(script="host_tests/apps/setup_app.py")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page = browser.open(server.url, size=PHONE, scheme=scheme, java_script_enabled=False)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("radio", name="Rock Pool").check()
    page.get_by_label("Password").fill("correct horse")
    page.screenshot(path=SCREENSHOTS / f"setup-phone-{scheme}.png", full_page=True)
    assert width_left(page) <= 0
    page.get_by_role("button", name="Join").click()
    # It loads itself anew until the result is there.
    expect(page.get_by_text("Joined")).to_be_visible()
    assert width_left(page) <= 0
    # What looks for hindrances is a script itself.
    for path in ("/?scan=1", "/result"):
        expect_accessible(browser.open(server.url[:-1] + path, size=PHONE, scheme=scheme), path)
