"""The pages in a real browser, Chromium without a window, against CPython and MicroPython."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import time
from datetime import datetime, timezone

import httpx
import pytest
from playwright.sync_api import expect

from firmware.board.schema import SCHEMA
from host_tests import servers
from host_tests.board_life import wait_until
from host_tests.browser import axe, expect_live, go, heading
from host_tests.proxies import Proxy
from host_tests.servers import read_response
from tools import ROOT

WWW = ROOT / "firmware" / "site" / "www"
# With a field for each setting, tokens, updates, and charts that have axes.
MAX_GZIPPED = 30 * 1024
GET_STATUS = b"GET /api/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


# -- what is shipped


def test_pages_fit_the_budget():
    parts = [path for path in WWW.iterdir() if path.suffix in (".html", ".css", ".js")]
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9, mtime=0)) for path in parts}
    assert sum(sizes.values()) <= MAX_GZIPPED, sizes


def test_nothing_is_loaded_from_elsewhere_or_inline():
    html = (WWW / "index.html").read_text()
    # But for what asks again for parts that were refused; the policy lets browsers run it.
    html, script = re.sub(r"(?s)<script>.*?</script>", "", html), re.search(r"(?s)<script>(.*?)</script>", html)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in (ROOT / "firmware" / "site" / "entrance.py").read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! src=)|https?://", html)
    for path in WWW.glob("*.js"):
        assert not re.search(r"https?://|innerHTML|eval\(", path.read_text()), path.name


# -- the way around


def test_every_page_opens_and_back_forward_and_reload_work(server, browser):
    page = browser.open(server.url)
    for name in ("Users", "Files", "Settings", "API", "Log"):
        go(page, name)
        expect(heading(page, name)).to_be_visible()
        expect(heading(page, name)).to_be_focused()
        expect(page.locator(f"#{name.lower()} .card").first).to_be_visible()
        expect(page).to_have_title(re.compile(f"{name} · "))
        expect(page.locator("main > section:not([hidden])")).to_have_count(1)
    page.go_back()
    expect(heading(page, "API")).to_be_visible()
    page.go_back()
    expect(heading(page, "Settings")).to_be_visible()
    page.go_forward()
    expect(heading(page, "API")).to_be_visible()
    page.reload()
    expect(heading(page, "API")).to_be_visible()
    expect(page.get_by_role("link", name="API", exact=True)).to_have_attribute("aria-current", "page")
    page.goto(f"{server.url}#/nowhere")
    expect(heading(page, "Dashboard")).to_be_visible()


def test_keyboard_alone_is_enough(server, browser):
    page = browser.open(server.url)
    expect_live(page)
    expect(page.locator("#key")).to_have_text("No password")
    for _ in range(3):  # it comes first
        page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Users")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    for _ in range(6):
        page.keyboard.press("Tab")
    led = page.get_by_role("switch", name="LED")
    expect(led).to_be_focused()
    was = led.get_attribute("aria-checked")
    page.keyboard.press("Space")
    expect(led).to_have_attribute("aria-checked", "false" if was == "true" else "true")


# -- live


def test_live_values_change(server, browser):
    page = browser.open(server.url)
    expect_live(page)
    uptime = page.locator("#uptime").text_content()
    expect(page.locator("#uptime")).not_to_have_text(uptime)
    curve = page.locator("#temperature path").nth(1).get_attribute("d")
    expect(page.locator("#temperature path").nth(1)).not_to_have_attribute("d", curve)
    expect(page.locator("#rate .value")).to_have_text(re.compile(r"\d"))
    if server.interpreter.word == "cpython":
        # What it does not have takes no card.
        expect(page.locator(".tiles .card").filter(visible=True)).to_have_count(3)
    else:
        expect(page.locator("#heap .value")).to_have_text(re.compile(r"\d KiB"))


def test_led_is_switched_in_every_window_at_once(server, browser):
    one = browser.profile()
    pages = [browser.open(server.url, one), browser.open(server.url, one), browser.open(server.url)]
    for page in pages:
        expect_live(page)
    for page in pages:
        was = page.get_by_role("switch").get_attribute("aria-checked")
        page.get_by_role("switch").click()
        for other in pages:
            expect(other.get_by_role("switch")).to_have_attribute("aria-checked", "false" if was == "true" else "true")


def test_page_says_that_it_is_stale_and_heals(start_server, browser, monkeypatch):
    server = start_server()
    page = browser.open(f"{server.url}#/users")
    expect(page.get_by_text("Nobody yet.")).to_be_visible()
    expect_live(page)
    page.evaluate("""() => {
        window.said = [];
        const link = document.querySelector("#link");
        new MutationObserver(() => window.said.push(link.textContent)).observe(link, {childList: true});
    }""")
    server.stop()
    expect(page.locator("#link")).to_have_text(re.compile("no answer since"))
    # That something is late is told before.
    assert page.evaluate("window.said").index("waiting") < len(page.evaluate("window.said")) - 1
    go(page, "Dashboard")
    expect(page.get_by_role("switch")).to_be_disabled()
    assert not axe(page)
    # A section that cannot be loaded now is, once there is somebody to ask.
    go(page, "Log")
    expect(page.locator("#notice")).to_contain_text("The board does not answer.")
    monkeypatch.setattr(servers, "free_port", lambda: server.port)
    server.start()
    expect_live(page)
    expect(page.get_by_role("log").locator("p").first).to_be_visible()
    expect(page.locator("#notice")).to_be_hidden()
    go(page, "Dashboard")
    expect(page.get_by_role("switch")).to_be_enabled()
    uptime = page.locator("#uptime").text_content()
    expect(page.locator("#uptime")).not_to_have_text(uptime)
    browser.forgive("Failed to load resource")


@pytest.mark.interpreters("cpython")
def test_what_takes_long_says_so_and_what_is_not_there_leads_home(server, browser):
    context = browser.profile()
    held = []
    context.route("**/users.js", lambda route: held.append(route))
    page = browser.open(server.url, context)
    go(page, "Users")
    expect(page.locator("#users")).to_have_class("loading")
    shown = "getComputedStyle(document.querySelector('#h-users'), '::after').content"
    assert page.evaluate(shown) == '"Loading…"'
    wait_until(lambda: page.wait_for_timeout(50) or held, "the script to be asked for")
    held[0].continue_()
    expect(page.get_by_text("Nobody yet.")).to_be_visible()
    assert page.evaluate(shown) == "none"
    page.goto(f"{server.url}nowhere")
    expect(page.get_by_role("heading", name="Not Found")).to_be_visible()
    page.get_by_role("link", name="Home").click()
    expect_live(page)
    browser.forgive("404")


def start_with_six_slots(start_server, folder):
    (folder / "config.json").write_text(json.dumps({"limits": {"connections": 6}}))
    return start_server(data=folder)


@pytest.mark.interpreters("cpython")
def test_page_asks_where_a_proxy_holds_back_what_comes(server, browser):
    with Proxy({"/": server.port}, holds="/api/events") as proxy:
        page = browser.open(proxy.url)
        expect_live(page)
        for _ in range(12):
            uptime = page.locator("#uptime").text_content()
            expect(page.locator("#uptime")).not_to_have_text(uptime)
        expect_live(page)
        page.close()


@pytest.mark.interpreters("cpython")
def test_boards_at_one_name_are_told_apart(start_server, browser):
    """Behind one proxy, in two tabs of one browser."""
    boards = [start_server(), start_server()]
    with Proxy({"/a/": boards[0].port, "/b/": boards[1].port}) as proxy:
        context = browser.profile()
        for name in "ab":
            httpx.put(f"{proxy.url}{name}/api/led", json={"on": name == "a"})
        pages = [browser.open(f"{proxy.url}{name}/", context) for name in "ab"]
        for page in pages:
            expect_live(page)
        for _ in range(30):
            pages[0].wait_for_timeout(200)
            led = [page.get_by_role("switch", name="LED").get_attribute("aria-checked") for page in pages]
            assert led == ["true", "false"]
        context.close()


@pytest.mark.interpreters("cpython")
@pytest.mark.parametrize("uptime_s", [5, 300])
def test_page_goes_on_behind_a_restart_that_it_did_not_see(server, browser, uptime_s):
    """Its numbers begin anew, whether the board has been up for longer by then or not."""
    page = browser.profile().new_page()
    reading = httpx.get(server.url + "api/readings?since=0&wait=5").json()["values"][-1]
    before, behind = dict(reading, uptime_s=200, requests=111111), dict(reading, uptime_s=uptime_s, requests=222222)
    lives = [(900, before), (7, behind)]
    page.route("**/api/events?*", lambda route: route.fulfill(status=503))

    def poll(route):
        last, value = lives[0]
        route.fulfill(json={"last": last, "values": [value]})

    page.route("**/api/readings?*", poll)
    page.goto(server.url)
    expect(page.locator("#requests")).to_have_text("111111")
    del lives[0]
    expect(page.locator("#requests")).to_have_text("222222")
    browser.forgive("api/events")


def expect_all_alive(pages):
    for page in pages:
        expect_live(page)
    pages[-1].get_by_role("switch").click()
    for page in pages:
        expect(page.get_by_role("switch")).to_have_attribute("aria-checked", "true")
    uptimes = [page.locator("#uptime").text_content() for page in pages]
    for page, uptime in zip(pages, uptimes):
        expect(page.locator("#uptime")).not_to_have_text(uptime)
    go(pages[0], "Users")
    expect(pages[0].get_by_text("Nobody yet.")).to_be_visible()


def test_ten_tabs_share_six_slots(start_server, browser, tmp_path):
    server = start_with_six_slots(start_server, tmp_path)
    context = browser.profile()
    expect_all_alive([browser.open(server.url, context) for _ in range(10)])
    # Nobody was turned away: one of them listens for all.
    status = json.loads(read_response(server.raw(GET_STATUS)).body)
    assert status["connections"]["refused"] == 0


def test_more_browsers_than_slots_are_all_kept_up_to_date(start_server, browser, tmp_path):
    server = start_with_six_slots(start_server, tmp_path)
    pages = []
    for _ in range(8):
        # A page comes again whose script is refused, and so does one that is refused itself.
        pages.append(browser.open(server.url))
    expect_all_alive(pages)
    # They go on asking, and some are refused: after that nobody complains any more.
    for page in pages:
        page.close()
    browser.forgive("Failed to load resource")


@pytest.mark.interpreters("amd64")
@pytest.mark.parametrize("part", ["style.css", "app.js"])
def test_part_that_was_refused_is_asked_for_again(server, browser, part):
    context = browser.profile()
    answers = iter([503, 503, 200])  # the part, the look whether there is room again, and that once more

    def answer(route):
        status = next(answers, 200)
        route.continue_() if status == 200 else route.fulfill(status=status)

    context.route(f"**/{part}", answer)
    page = browser.open(server.url, context)
    expect_live(page)
    expect(page.locator(".tiles")).to_have_css("display", "grid")
    browser.forgive("503")


@pytest.mark.interpreters("amd64")
def test_part_that_is_not_there_is_not_asked_for_for_ever(server, browser):
    context = browser.profile()
    asked = []

    def refuse(route):
        asked.append(route.request.url)
        route.fulfill(status=404)

    context.route("**/app.js", refuse)
    page = browser.open(server.url, context)
    while len(asked) < 2:  # it, and once to see why
        page.wait_for_timeout(100)
    page.wait_for_timeout(2500)
    assert len(asked) == 2
    browser.forgive("404")


def set_password(page, word="correct horse"):
    page.get_by_label("New password").fill(word)
    page.get_by_role("button", name="Set", exact=True).click()


def open_with_password(server, browser):
    """Return the page with the settings, where a password has just been set."""
    page = browser.open(f"{server.url}#/settings")
    set_password(page)
    expect(page.get_by_label("Old password")).to_be_visible()
    return page


def log_in(page, word="correct horse"):
    page.locator("#key").click()
    dialog = page.get_by_role("dialog", name="Log in")
    dialog.get_by_label("Password", exact=True).fill(word)
    dialog.get_by_role("button", name="Log in").click()
    return dialog


# -- pins


PINS = [
    {"number": 4, "name": "Fan", "mode": "pwm"},
    {"number": 5, "name": "Pump", "mode": "output"},
    {"number": 12, "name": "Door", "mode": "input"},
    {"number": 54, "name": "Nowhere", "mode": "output"},
]


@pytest.fixture
def pinned(start_server, tmp_path):
    """A server that has PINS."""
    (tmp_path / "config.json").write_text(json.dumps({"pins": {"gpio": PINS}}))
    return start_server(data=tmp_path)


def board_value(server, number):
    return json.loads(read_response(server.raw(GET_STATUS.replace(b"status", b"pins/%d" % number))).body)["value"]


def pin_row(page, name):
    return page.locator("#pins li", has_text=name)


def test_pins_are_read_and_set_in_every_window_at_once(pinned, browser):
    one, other = browser.open(pinned.url), browser.open(pinned.url)
    for page in (one, other):
        expect_live(page)
        expect(pin_row(page, "Pump")).to_contain_text("GPIO 5")
    one.get_by_role("switch", name="Pump").click()
    one.get_by_role("slider", name="Fan").fill("40")
    for page in (one, other):
        expect(page.get_by_role("switch", name="Pump")).to_have_attribute("aria-checked", "true")
        expect(pin_row(page, "Pump").locator(".state")).to_have_text("on")
        expect(page.get_by_role("slider", name="Fan")).to_have_value("40")
        expect(pin_row(page, "Fan").locator(".state")).to_have_text("40 %")
    other.get_by_role("switch", name="Pump").click()
    expect(one.get_by_role("switch", name="Pump")).to_have_attribute("aria-checked", "false")
    # The simulated door opens and closes every seven seconds.
    for word in ("on", "off"):
        expect(pin_row(one, "Door").locator(".state")).to_have_text(word)
    expect(pin_row(one, "Nowhere")).to_contain_text("The chip does not do this: invalid pin.")
    expect(one.get_by_role("switch", name="Nowhere")).to_be_disabled()
    assert not axe(one)


def test_slider_that_is_dragged_ends_where_it_is_let_go(pinned, browser):
    page = browser.open(pinned.url)
    expect_live(page)
    slider = page.get_by_role("slider", name="Fan")
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    expect(pin_row(page, "Fan").locator(".state")).to_have_text("30 %")
    # What comes in between is left out, the last is not.
    wait_until(lambda: board_value(pinned, 4) == 30, "the last value")
    expect(slider).to_have_value("30")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.interpreters("amd64")
def test_slider_ends_where_it_is_let_go_though_the_board_was_busy(pinned, browser, status):
    context = browser.profile()
    refused = []

    def refuse_twice(route):
        if route.request.method == "PUT" and len(refused) < 2:
            refused.append(route.request.post_data_json)
            route.fulfill(status=status, headers={"Retry-After": "1"})
        else:
            route.continue_()

    context.route("**/api/pins/4", refuse_twice)
    page = browser.open(pinned.url, context)
    expect_live(page)
    slider = page.get_by_role("slider", name="Fan")
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    # Playwright calls `refuse_twice` while one waits for it.
    wait_until(lambda: page.wait_for_timeout(50) or board_value(pinned, 4) == 5, "the last value")
    assert len(refused) == 2
    expect(slider).to_have_value("5")
    expect(page.locator("#pin-error")).to_have_text("")
    browser.forgive(str(status))


def test_pins_of_a_page_that_may_not_set_them_stay_as_they_are(pinned, browser):
    page = browser.open(f"{pinned.url}#/settings")
    set_password(page)
    expect(page.get_by_label("Old password")).to_be_visible()
    stranger = browser.open(pinned.url)
    expect_live(stranger)
    expect(stranger.get_by_role("switch", name="Pump")).to_be_disabled()
    expect(stranger.locator("#pins .why")).to_have_text("Log in to change this.")
    log_in(stranger)
    stranger.get_by_role("switch", name="Pump").click()
    expect(stranger.get_by_role("switch", name="Pump")).to_have_attribute("aria-checked", "true")


@pytest.mark.interpreters("amd64")
def test_pins_of_a_board_that_is_gone_cannot_be_set(pinned, browser):
    page = browser.open(pinned.url)
    expect_live(page)
    expect(page.get_by_role("switch", name="Pump")).to_be_enabled()
    pinned.stop()
    expect(page.locator("#link")).to_have_text(re.compile("no answer since"))
    expect(page.get_by_role("switch", name="Pump")).to_be_disabled()
    expect(page.get_by_role("slider", name="Fan")).to_be_disabled()
    browser.forgive("Failed to load resource")


def test_pins_are_chosen_under_settings_and_appear_at_once(start_server, browser):
    server = start_server()
    dashboard = browser.open(server.url)
    expect_live(dashboard)
    expect(dashboard.locator("#pins")).to_be_hidden()
    page = browser.open(f"{server.url}#/settings")
    page.get_by_role("button", name="Add a pin").click()
    row = page.locator(".pin")
    expect(row.get_by_label("GPIO")).to_be_focused()
    expect(row.get_by_label("Hertz")).to_be_hidden()
    row.get_by_label("GPIO").fill("five")
    row.get_by_label("Mode").select_option("PWM")
    page.get_by_role("button", name="Apply").click()
    expect(row.get_by_text("Must be a whole number from 0 to 54.")).to_be_visible()
    expect(row.get_by_text("A name has 1 to 24 characters.")).to_be_visible()
    expect(row.get_by_label("GPIO")).to_be_focused()
    row.get_by_label("GPIO").fill("5")
    row.get_by_label("Name").fill("Lamp <1>")
    row.get_by_label("Hertz").fill("500")
    row.get_by_label("On is").select_option("low")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Applied.")).to_be_visible()
    config = json.loads((server.data / "config.json").read_text())
    assert config["pins"]["gpio"] == [
        {"number": 5, "name": "Lamp <1>", "mode": "pwm", "frequency_hz": 500, "inverted": True}
    ]
    expect(dashboard.get_by_role("slider", name="Lamp <1>")).to_be_visible()
    # Another use of a pin shows in every window.
    row.get_by_label("Mode").select_option("output")
    page.get_by_role("button", name="Apply").click()
    expect(dashboard.get_by_role("switch", name="Lamp <1>")).to_be_visible()
    expect(dashboard.get_by_role("slider")).to_have_count(0)
    row.get_by_label("Mode").select_option("PWM")
    # What is hidden is not sent: nobody would see what is wrong with it.
    row.get_by_label("Hertz").fill("many")
    row.get_by_label("Name").fill("Pump")
    row.get_by_label("Mode").select_option("output")
    page.get_by_role("button", name="Apply").click()
    expect(dashboard.get_by_role("switch", name="Pump")).to_be_visible()
    # The keyboard goes on from where it was, or from the next best place.
    row.get_by_role("button", name="Remove").press("Enter")
    expect(page.get_by_role("button", name="Add a pin")).to_be_focused()
    page.get_by_role("button", name="Apply").press("Enter")
    expect(dashboard.locator("#pins")).to_be_hidden()
    expect(page.get_by_role("button", name="Apply")).to_be_focused()
    browser.forgive("422")


# -- users


def test_users_are_added_changed_and_deleted(server, browser):
    page = browser.open(f"{server.url}#/users")
    add = page.locator("#add")
    add.get_by_label("Name").fill("Ada")
    add.get_by_label("E-mail").fill("nowhere")
    add.get_by_role("button", name="Add").click()
    expect(add.get_by_text("An address has one @")).to_be_visible()
    expect(add.get_by_label("E-mail")).to_be_focused()
    expect(add.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")
    expect(add.get_by_label("Name")).to_have_attribute("aria-invalid", "false")
    add.get_by_label("E-mail").fill("ada@example.org")
    page.keyboard.press("Enter")
    rows = page.locator("#list li")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("ada@example.org")
    expect(add.get_by_label("Name")).to_have_value("")
    page.get_by_role("button", name="Edit Ada").click()
    expect(rows.get_by_label("Name")).to_be_focused()
    rows.get_by_label("Name").fill("")
    rows.get_by_role("button", name="Save").click()
    expect(rows.get_by_text("A name has 1 to 64 characters.")).to_be_visible()
    rows.get_by_label("Name").fill("Ada <Lovelace>")
    rows.get_by_role("button", name="Save").click()
    expect(rows).to_contain_text("Ada <Lovelace>")
    page.reload()
    page.get_by_role("button", name="Delete Ada <Lovelace>").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Delete Ada <Lovelace>").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Nobody yet.")).to_be_visible()
    browser.forgive("422")


@pytest.mark.interpreters("amd64")
def test_what_is_typed_of_a_user_stays_while_another_is_added(server, browser):
    page = browser.open(f"{server.url}#/users")
    rows, add = page.locator("#list li"), page.locator("#add")
    for name in ("Ada", "Bob"):
        add.get_by_label("Name").fill(name)
        add.get_by_label("E-mail").fill(f"{name}@example.org")
        add.get_by_role("button", name="Add").click()
        expect(rows.filter(has_text=f"{name}@example.org")).to_be_visible()
        if name == "Ada":
            page.get_by_role("button", name="Edit Ada").click()
            rows.get_by_label("Name").fill("Ada L")
    expect(rows).to_have_count(2)
    expect(rows.get_by_label("Name")).to_have_value("Ada L")
    # Nor does the list that is made anew take the focus away: it is when the board is back.
    rows.get_by_label("Name").focus()
    page.evaluate("import('./users.js').then(({ enter }) => enter())")
    expect(rows.get_by_label("Name")).to_be_focused()
    rows.get_by_role("button", name="Save").click()
    for name in ("Ada L", "Bob"):
        page.get_by_role("button", name=f"Delete {name}").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("button", name=f"Delete {name}")).to_have_count(0)


# -- files


def test_files_are_uploaded_downloaded_and_deleted(server, browser):
    page = browser.open(f"{server.url}#/files")
    content = bytes(range(256)) * 4096
    picked = [
        {"name": "a part&of#it.bin", "mimeType": "application/octet-stream", "buffer": content},
        {"name": "empty.txt", "mimeType": "text/plain", "buffer": b""},
    ]
    page.get_by_label("Choose files").set_input_files(picked)
    expect(page.get_by_role("list", name="Uploads").get_by_text("done")).to_have_count(2)
    stored = page.get_by_role("list", name="Files").get_by_role("listitem")
    expect(stored).to_have_count(2)
    expect(stored.first).to_contain_text("1.0 MiB")
    # MicroPython's unix port may not know.
    if server.interpreter.word == "cpython":
        expect(page.locator("#free")).to_contain_text("free")
    with page.expect_download() as download:
        page.get_by_role("link", name="a part&of#it.bin").click()
    assert download.value.path().read_bytes() == content
    for name in ("a part&of#it.bin", "empty.txt"):
        page.get_by_role("button", name=f"Delete {name}").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("button", name=f"Delete {name}")).to_have_count(0)
    expect(page.get_by_text("No files yet.")).to_be_visible()


@pytest.mark.interpreters("amd64")
def test_upload_says_how_far_it_is(server, browser):
    page = browser.open(f"{server.url}#/files")
    expect(page.get_by_text("No files yet.")).to_be_visible()
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 400_000}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    page.evaluate("""() => {
        window.seen = [];
        const look = () => {
            const bar = document.querySelector("progress");
            if (bar) window.seen.push([bar.value, bar.nextSibling.textContent]);
        };
        new MutationObserver(look).observe(document.querySelector("#files"),
            {subtree: true, childList: true, attributes: true});
    }""")
    page.get_by_label("Choose files").set_input_files(
        [{"name": "large.bin", "mimeType": "application/octet-stream", "buffer": bytes(1 << 20)}]
    )
    expect(page.get_by_role("list", name="Uploads").get_by_text("done")).to_be_visible()
    seen = [(part, words) for part, words in page.evaluate("window.seen") if 0 < part < 1]
    assert seen and [part for part, _ in seen] == sorted(part for part, _ in seen)
    assert all(words.endswith(" of 1.0 MiB") for _, words in seen)
    page.get_by_role("button", name="Delete large.bin").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No files yet.")).to_be_visible()


@pytest.mark.interpreters("amd64")
def test_upload_replaces_a_file_only_where_that_is_meant(server, browser):
    page = browser.open(f"{server.url}#/files")
    pick = page.get_by_label("Choose files")
    stored = page.get_by_role("list", name="Files").get_by_role("listitem")
    pick.set_input_files([{"name": "same.txt", "mimeType": "text/plain", "buffer": b"one"}])
    expect(stored.filter(has_text="same.txt")).to_contain_text("3 B")
    for answer, length in (("Cancel", "3 B"), ("Replace", "5 B")):
        picked = [
            {"name": name, "mimeType": "text/plain", "buffer": b"three"} for name in ("same.txt", f"{answer}.txt")
        ]
        pick.set_input_files(picked)
        expect(page.get_by_role("dialog")).to_contain_text("Replace same.txt?")
        page.get_by_role("dialog").get_by_role("button", name=answer).click()
        # The others are uploaded all the same.
        expect(stored.filter(has_text=f"{answer}.txt")).to_be_visible()
        expect(stored.filter(has_text="same.txt")).to_contain_text(length)
    for name in ("same.txt", "Cancel.txt", "Replace.txt"):
        page.get_by_role("button", name=f"Delete {name}").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(stored.filter(has_text=name)).to_have_count(0)


@pytest.mark.interpreters("amd64")
def test_uploads_are_done_one_after_the_other_and_all_are_told(server, browser):
    context = browser.profile()
    under_way, most = [], []

    def slowly(route):
        if route.request.method != "PUT":
            return route.continue_()
        under_way.append(route)
        most.append(len(under_way))
        route.request.frame.page.wait_for_timeout(300)
        under_way.remove(route)
        route.continue_()

    context.route("**/files/*", slowly)
    page = browser.open(f"{server.url}#/files", context)
    for name in ("one", "two"):
        picked = [{"name": f"{name}-{part}.txt", "mimeType": "text/plain", "buffer": b"x"} for part in "ab"]
        page.get_by_label("Choose files").set_input_files(picked)
    uploads = page.get_by_role("list", name="Uploads")
    expect(uploads.get_by_text("done")).to_have_count(4)
    assert max(most) == 1
    # Those that come later begin a new list.
    picked = [{"name": "three.txt", "mimeType": "text/plain", "buffer": b"x"}]
    page.get_by_label("Choose files").set_input_files(picked)
    expect(uploads.get_by_role("listitem")).to_have_count(1)
    for name in ("one-a", "one-b", "two-a", "two-b", "three"):
        page.get_by_role("button", name=f"Delete {name}.txt").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_role("button", name=f"Delete {name}.txt")).to_have_count(0)


def test_upload_that_is_refused_says_why(server, browser):
    page = browser.open(f"{server.url}#/files")
    picked = [{"name": ".hidden", "mimeType": "text/plain", "buffer": b"x"}]
    page.get_by_label("Choose files").set_input_files(picked)
    expect(page.get_by_role("list", name="Uploads")).to_contain_text("no dot in front")
    browser.forgive("400")


# -- settings


def test_settings_are_saved_with_errors_beside_their_fields(start_server, browser):
    server = start_server()
    page = browser.open(f"{server.url}#/settings")
    page.get_by_label("Host name").fill("not a name")
    page.get_by_role("button", name="Add a network").click()
    network = page.locator(".network")
    network.get_by_label("Name").fill("Workshop")
    network.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("A host name has 1 to 32 letters")).to_be_visible()
    expect(network.get_by_text("A Wi-Fi password has 8 to 63")).to_be_visible()
    page.get_by_label("Host name").fill("attic")
    network.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    config = json.loads((server.data / "config.json").read_text())
    assert (config["hostname"], config["networks"][0]["password"]) == ("attic", "correct horse")
    # What is not typed again is kept.
    expect(network.get_by_label("Password")).to_have_value("")
    page.get_by_label("Time servers").fill("time.example.org")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    config = json.loads((server.data / "config.json").read_text())
    assert config["time_servers"] == ["time.example.org"]
    assert config["networks"][0]["password"] == "correct horse"
    # A name that is corrected has to be given its password anew: it is never saved as open.
    network.get_by_label("Name").fill("Workshop 2")
    page.get_by_role("button", name="Save").click()
    expect(network.get_by_text("There is none to keep")).to_be_visible()
    config = json.loads((server.data / "config.json").read_text())
    assert config["networks"] == [{"ssid": "Workshop", "password": "correct horse", "address": None}]
    browser.forgive("422")


def leaves(rows, path=""):
    """Yield the path of each setting in the table that the settings are checked by."""
    for name, row in rows.items():
        row = row[0] if type(row) is tuple else row
        yield from leaves(row, f"{path}{name}.") if type(row) is dict else [path + name]


@pytest.mark.interpreters("amd64")
def test_every_setting_has_a_field_and_what_is_typed_is_kept(start_server, browser):
    server = start_server()
    context = browser.profile()
    shown = json.loads(read_response(server.raw(GET_STATUS)).body) | {"wifi": {"ssid": "Home", "state": "connected"}}
    context.route("**/api/status", lambda route: route.fulfill(json=shown))
    found = [{"ssid": "Rock Pool", "rssi": -61, "locked": True}]
    context.route("**/api/settings/networks", lambda route: route.fulfill(json={"networks": found}))
    page = browser.open(f"{server.url}#/settings", context)
    more = page.locator("details.card").filter(has=page.get_by_text("More", exact=True))
    more.locator("summary").click()
    names = {name for name in leaves(SCHEMA) if name not in ("admin", "networks", "pins.gpio")}
    assert set(page.locator("#settings [name]").evaluate_all("all => all.map((one) => one.name)")) >= names
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="Choose").click()
    network = page.locator(".network")
    expect(network.get_by_label("Name")).to_have_value("Rock Pool")
    expect(network.get_by_label("Password")).to_be_focused()
    network.get_by_label("Password").fill("correct horse")
    network.get_by_text("Static address").click()
    network.get_by_label("Address").fill("192.168.1.300")
    # Who looks around finds what was typed.
    go(page, "Users")
    expect(page.get_by_text("Nobody yet.")).to_be_visible()
    go(page, "Settings")
    expect(network.get_by_label("Address")).to_have_value("192.168.1.300")
    save = page.get_by_role("button", name="Save")
    save.first.click()
    expect(network.get_by_text("Must be an IPv4 address.")).to_be_visible()
    for label, text in (("Address", "192.168.1.7"), ("Gateway", "192.168.1.1"), ("DNS server", "9.9.9.9")):
        network.get_by_label(label).fill(text)
    save.first.click()
    expect(page.get_by_text("Saved. It holds from the next start on.")).to_be_visible()
    more.get_by_label("Watchdog").fill("10")
    more.get_by_label("GPIO of the LED").fill("2")
    more.get_by_label("HTTPS").fill("8443")
    more.get_by_label("Origins").fill("https://board.example.org")
    more.get_by_label("Connections at once", exact=True).fill("4")
    more.get_by_label("All guards").select_option("no")
    save.last.click()
    expect(more.get_by_text("Must be 0 (off) or a whole number from 30 to 3600.")).to_be_visible()
    # Who leaves is asked.
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.close(run_before_unload=True)
    wait_until(lambda: page.wait_for_timeout(50) or asked, "the question")
    assert asked == ["beforeunload"]
    more.get_by_label("Watchdog").fill("60")
    save.last.click()
    expect(more.get_by_text("Saved. It holds from the next start on.")).to_be_visible()
    config = json.loads((server.data / "config.json").read_text())
    address = {"ip": "192.168.1.7", "mask": "255.255.255.0", "gateway": "192.168.1.1", "dns": "9.9.9.9"}
    assert config["networks"] == [{"ssid": "Rock Pool", "password": "correct horse", "address": address}]
    assert (config["watchdog_s"], config["pins"]["led"], config["limits"]["connections"]) == (60, 2, 4)
    assert (config["ports"]["https"], config["origins"]) == (8443, ["https://board.example.org"])
    assert (config["guards"], config["access_point"]["after_s"]) == (False, 60)
    assert not axe(page)
    more.get_by_role("button", name="Restart now").click()
    page.get_by_role("dialog").get_by_role("button", name="Restart").click()
    expect(page.get_by_text("The board was told to restart.")).to_be_visible()
    browser.forgive("422|ERR_")


def test_two_forms_of_settings_do_not_undo_each_other(start_server, browser):
    server = start_server()
    one, other = browser.open(f"{server.url}#/settings"), browser.open(f"{server.url}#/settings")
    expect(other.get_by_label("Host name")).to_have_value("limpet")
    one.get_by_role("button", name="Add a pin").click()
    one.locator(".pin").get_by_label("GPIO").fill("5")
    one.locator(".pin").get_by_label("Name").fill("Pump")
    one.get_by_role("button", name="Apply").click()
    expect(one.get_by_text("Applied.")).to_be_visible()
    other.get_by_label("Host name").fill("attic")
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_text("Saved.")).to_be_visible()
    config = json.loads((server.data / "config.json").read_text())
    assert (config["hostname"], [pin["name"] for pin in config["pins"]["gpio"]]) == ("attic", ["Pump"])
    # Of a list that nobody touched here, what is there by now stays.
    other.get_by_role("button", name="Apply").click()
    expect(other.get_by_text("Applied.")).to_be_visible()
    expect(other.locator(".pin")).to_have_count(1)


def test_settings_are_backed_up_and_restored(start_server, browser):
    server = start_server()
    page = browser.open(f"{server.url}#/settings")
    with page.expect_download() as download:
        page.get_by_role("link", name="Backup").click()
    assert download.value.suggested_filename == "limpet.json"
    document = json.loads(download.value.path().read_text())
    restored = json.dumps({**document, "hostname": "cellar"}).encode()
    for name, content in (("half", b"{"), ("null", b"null"), ("empty", b"{}"), ("backup", restored)):
        file = {"name": f"{name}.json", "mimeType": "application/json", "buffer": content}
        page.get_by_label("Restore").set_input_files([file])
        page.get_by_role("dialog").get_by_role("button", name="Replace").click()
        if content != restored:
            expect(page.locator("#notice")).to_have_text(f"{name}.json is not a backup.")
    expect(page.get_by_label("Host name")).to_have_value("cellar")
    expect(page.get_by_text("The settings are restored.")).to_be_visible()


def test_password_is_set_and_asked_for(start_server, browser):
    server = start_server()
    page = browser.open(f"{server.url}#/settings")
    expect(page.locator("#key")).to_have_text("No password")
    set_password(page, "short")
    expect(page.get_by_text("A password has 8 characters")).to_be_visible()
    secret = page.get_by_label("New password")
    expect(secret).to_have_attribute("type", "password")
    page.locator(".field", has=secret).get_by_role("button", name="Show").click()
    expect(secret).to_have_attribute("type", "text")
    set_password(page)
    expect(page.get_by_label("Old password")).to_be_visible()
    # What had the focus is gone: it goes on at the section's head.
    expect(heading(page, "Settings")).to_be_focused()
    page.locator("#key").click()
    expect(page.locator("#key")).to_have_text("Log in")
    expect(page.get_by_label("Host name")).to_have_count(0)
    expect(page.get_by_text("This takes a log-in.")).to_be_visible()
    dialog = log_in(page, "wrong horse")
    expect(dialog.get_by_text("The password is wrong.")).to_be_visible()
    dialog.get_by_text("Forgotten password?").click()
    expect(dialog.get_by_text("erase-data begins anew")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Log in").last.click()
    dialog.get_by_label("Password", exact=True).fill("correct horse")
    dialog.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Host name")).to_be_visible()
    expect(page.locator("#key")).to_have_text("Log out")
    page.reload()
    expect(page.locator("#key")).to_have_text("Log out")
    browser.forgive("401|422")


@pytest.mark.interpreters("amd64")
def test_stranger_is_shown_what_takes_a_log_in(start_server, browser):
    server = start_server()
    set_password(browser.open(f"{server.url}#/settings"))
    stranger = browser.open(server.url, browser.profile())
    asked = []
    stranger.on("request", lambda request: asked.append(request.url))
    expect(stranger.locator("#key")).to_have_text("Log in")
    expect(stranger.get_by_role("switch")).to_be_disabled()
    expect(stranger.locator("#lamp .why")).to_have_text("Log in to change this.")
    for name in ("Users", "Files", "Settings", "Log"):
        go(stranger, name)
        section = stranger.locator(f"#{name.lower()}")
        expect(section.get_by_text("This takes a log-in.")).to_be_visible()
        expect(section.locator(".card:not(.gate)").filter(visible=True)).to_have_count(0)
    assert not axe(stranger)
    # What knows sessions stays out of the board's memory.
    assert not [url for url in asked if url.endswith(("api/session", "api/settings", "api/log"))]
    go(stranger, "Users")
    log_in(stranger)
    expect(stranger.get_by_role("button", name="Add")).to_be_visible()
    expect(stranger.locator("#users .gate")).to_have_count(0)
    go(stranger, "Dashboard")
    expect(stranger.get_by_role("switch")).to_be_enabled()
    browser.forgive("401")


@pytest.mark.interpreters("amd64")
def test_log_in_of_one_tab_opens_what_the_other_shows(start_server, browser):
    server = start_server()
    set_password(browser.open(f"{server.url}#/settings"))
    context = browser.profile()
    pages = [browser.open(f"{server.url}#/{name}", context) for name in ("users", "log")]
    for page in pages:
        expect(page.locator("main > :not(#dashboard) > .gate")).to_be_visible()
    log_in(pages[0])
    expect(pages[0].get_by_role("button", name="Add")).to_be_visible()
    expect(pages[1].get_by_role("log").locator("p").first).to_be_visible()
    expect(pages[1].locator(".gate")).to_have_count(0)
    expect(pages[0].locator("#key")).to_have_text("Log out")
    browser.forgive("401")


@pytest.mark.interpreters("amd64")
def test_log_tells_the_time_though_the_status_took_a_log_in(start_server, browser):
    server = start_server()
    page = open_with_password(server, browser)
    page.evaluate("""fetch("api/settings", {
      method: "PATCH", body: '{"public": []}', headers: {"Content-Type": "application/json"}})""")
    stranger = browser.open(f"{server.url}#/log", browser.profile())
    expect(stranger.locator("#log .gate")).to_be_visible()
    # As on a board that is busy.
    stranger.route("**/api/status", lambda route: (time.sleep(1), route.continue_()))
    log_in(stranger)
    when = stranger.get_by_role("log").locator("time").first.get_attribute("datetime")
    assert not when.startswith("1970")
    browser.forgive("401")


@pytest.mark.interpreters("cpython")
def test_password_has_to_be_set_over_the_network(server, browser):
    """As the board answers there."""
    context = browser.profile()
    told = {"password_set": False, "user": None}
    context.route("**/api/session", lambda route: route.fulfill(json=told))
    context.route("**/api/settings", lambda route: route.fulfill(status=403, json={"error": {"detail": "closed"}}))
    page = browser.open(f"{server.url}#/log", context)
    expect(page.get_by_text("Until a password is set")).to_be_visible()
    go(page, "Users")
    expect(page.locator("#users .why")).to_have_text("Set a password to change this.")
    expect(page.get_by_role("button", name="Add")).to_be_hidden()
    page.locator("#key").click()
    expect(page.get_by_label("New password")).to_be_visible()
    expect(page.locator("#settings .card")).to_have_count(1)


@pytest.mark.interpreters("amd64")
def test_session_that_has_ended_is_begun_anew_where_one_is(start_server, browser):
    server = start_server()
    page = open_with_password(server, browser)
    page.context.clear_cookies()
    page.get_by_label("Host name").fill("attic")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Log in first: at the top.")).to_be_visible()
    log_in(page)
    expect(page.locator("#key")).to_have_text("Log out")
    # What was typed is still there.
    expect(page.get_by_label("Host name")).to_have_value("attic")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    browser.forgive("401")


@pytest.mark.interpreters("amd64")
def test_board_is_restarted(start_server, browser):
    server = start_server()
    page = browser.open(f"{server.url}#/settings")
    page.get_by_role("button", name="Restart").click()
    page.get_by_role("dialog").get_by_role("button", name="Restart").click()
    deadline = time.monotonic() + servers.START_TIMEOUT_S
    while server.output().count(server.url) < 2:
        assert server.process.poll() is None and time.monotonic() < deadline, server.output()
        time.sleep(0.05)
    go(page, "Dashboard")
    expect(page.locator("#uptime")).to_have_text(re.compile(r"^\d s"))
    expect_live(page)
    browser.forgive("ERR_")


@pytest.mark.interpreters("amd64")
def test_tokens_are_made_shown_once_and_deleted(start_server, browser):
    server = start_server()
    page = open_with_password(server, browser)
    card = page.locator("details.card", has_text="Tokens")
    card.locator("summary").click()
    card.get_by_role("button", name="Make").click()
    expect(card.get_by_text("A name has 1 to 32 letters")).to_be_visible()
    card.get_by_label("Name").fill("meter")
    card.get_by_label("It may").select_option("read and change")
    card.get_by_role("button", name="Make").click()
    token = card.locator("code").text_content()
    bearer = {"Authorization": f"Bearer {token}"}
    assert httpx.put(f"{server.url}api/led", json={"on": True}, headers=bearer).status_code == 200
    expect(card.get_by_role("listitem")).to_contain_text("may read and change")
    assert not axe(page)
    card.get_by_role("button", name="Delete meter").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(card.get_by_role("listitem")).to_have_count(0)
    assert httpx.put(f"{server.url}api/led", json={"on": True}, headers=bearer).status_code == 401
    browser.forgive("422")


# -- API and log


def test_endpoint_is_tried(server, browser):
    page = browser.open(f"{server.url}#/api")
    trial = page.locator("details", has_text="Switch the LED")
    trial.locator("summary").click()
    trial.get_by_role("button", name="Send").click()
    expect(trial.locator("pre")).to_contain_text("200 OK")
    expect(trial.locator("pre")).to_contain_text('"on": true')
    table = page.locator("details", has_text="The last minute as a table")
    table.locator("summary").click()
    table.get_by_role("button", name="Send").click()
    expect(table.locator("pre")).to_contain_text("temperature_c")


@pytest.mark.interpreters("amd64")
def test_what_cannot_be_undone_is_asked_before(start_server, browser):
    server = start_server()
    page = browser.open(f"{server.url}#/settings")
    page.get_by_label("Host name").fill("attic")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.goto(f"{server.url}#/api")
    trial = page.locator("details", has=page.get_by_text("PUT /api/settings"))
    trial.locator("summary").click()
    trial.get_by_role("button", name="Send").press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("PUT /api/settings?")
    # Who goes on pressing Enter has not done it.
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert json.loads((server.data / "config.json").read_text())["hostname"] == "attic"
    trial.get_by_role("button", name="Send").click()
    dialog.get_by_role("button", name="Send").click()
    expect(trial.locator("pre")).to_contain_text("200 OK")
    assert json.loads((server.data / "config.json").read_text())["hostname"] == "limpet"


def test_log_shows_what_happens(server, browser):
    page = browser.open(f"{server.url}#/log")
    lines = page.get_by_role("log").locator("p")
    expect(lines.first).to_be_visible()
    server.raw(b"GET /api/led?seen=here HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    line = lines.filter(has_text="/api/led?seen=here")
    expect(line).to_be_visible()
    # When it was, by this browser's clock; an hour is much, on a busy machine too.
    when = datetime.fromisoformat(line.locator("time").get_attribute("datetime").replace("Z", "+00:00"))
    assert abs((datetime.now(timezone.utc) - when).total_seconds()) < 3600
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "log.txt"
    assert "/api/led?seen=here" in download.value.path().read_text()
    page.get_by_label("Show").select_option("bad")
    expect(lines.filter(has_text="/api/led?seen=here")).to_be_hidden()
    said = "getComputedStyle(document.querySelector('#lines'), '::before').content"
    if not lines.filter(visible=True).count():
        assert page.evaluate(said) == '"None so far."'
    page.get_by_label("Show").select_option("all")
    assert page.evaluate(said) == "none"
