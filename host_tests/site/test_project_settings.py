"""What a project adds to the site in a line each: settings and sensors, wherever the site shows its own."""

from __future__ import annotations

import csv
import json
import re

import pytest
from playwright.sync_api import expect
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from host_tests.browser import axe, expect_live
from tools import new

APP = """
from firmware import App, sensors, settings

app = App()

settings.add("target_c", {"type": "number", "default": 21.5, "minimum": 5, "maximum": 35, "title": "Target, °C"})
settings.add("rows", {"type": "integer", "default": 3, "minimum": 1})
settings.add("watering", {"type": "boolean", "default": False})
settings.add("plant", {"enum": ["tomato", "basil"], "default": "basil"})
settings.add("note", {"type": "string", "maxLength": 5})
settings.add("api_key", {"type": "string", "minLength": 4, "writeOnly": True})

calls = {"soil": 0, "slow": 0}


def soil():
    calls["soil"] += 1
    return 40 + calls["soil"]


async def slow():
    import asyncio

    await asyncio.sleep(0)
    calls["slow"] += 1
    return 1.5


def broken():
    raise OSError(19)


sensors.add("soil_percent", "%", soil, every_s=3600, title="Soil")
sensors.add("slow", "V", slow)
sensors.add("broken", "", broken)
sensors.add("none", "", lambda: None)
sensors.add("nan", "", lambda: float("nan"))


@app.get("/api/target")
def target(request):
    return {"target_c": settings.get("target_c"), "key": settings.get("api_key")}


@app.put("/api/target")
def set_target(request):
    settings.change(**request.json)
    return target(request)


@app.get("/api/calls/<int:number>")
def calls_of(request, number):
    return calls
"""
ALL = pytest.mark.interpreters("cpython", "amd64", "i386")
FROZEN_TOO = pytest.mark.interpreters("cpython", "amd64", "i386", "frozen")
DEFAULTS = {"target_c": 21.5, "rows": 3, "watering": False, "plant": "basil", "note": None, "api_key": False}


@pytest.fixture
def greenhouse(tmp_path):
    folder = tmp_path / "greenhouse"
    new.make(folder)
    (folder / "app.py").write_text(APP)
    return folder


@FROZEN_TOO
def test_settings_are_checked_kept_and_in_the_backup(start_project, greenhouse):
    server, client = start_project(greenhouse)
    settings = client.get("/api/settings").json()
    assert settings["project"] == DEFAULTS
    settings["project"].update(target_c=19, plant="tomato", note="dry", api_key="secret")
    saved = client.put("/api/settings", json=settings)
    assert saved.json()["project"] == {**settings["project"], "api_key": True}
    assert client.get("/api/target").json() == {"target_c": 19, "key": "secret"}
    assert client.put("/api/target", json={"target_c": 20.5}).json() == {"target_c": 20.5, "key": "secret"}
    # A backup has all but the secrets, which stay.
    backup = client.get("/api/settings", params={"download": 1}).json()
    assert backup["project"]["target_c"] == 20.5 and "secret" not in json.dumps(backup)
    client.put("/api/target", json={"target_c": 30})
    assert client.put("/api/settings", json=backup).status_code == 200
    assert client.get("/api/target").json() == {"target_c": 20.5, "key": "secret"}
    server.stop()
    _, client = start_project(greenhouse, data=server.data)
    assert client.get("/api/target").json() == {"target_c": 20.5, "key": "secret"}


@ALL
def test_patch_changes_what_it_names_and_keeps_the_rest(start_project, greenhouse):
    _, client = start_project(greenhouse)
    client.patch("/api/settings", json={"project": {"api_key": "secret", "note": "dry"}})
    answer = client.patch("/api/settings", json={"hostname": "garden", "project": {"target_c": 19}})
    changed = {**DEFAULTS, "target_c": 19, "note": "dry", "api_key": True}
    assert (answer.status_code, answer.json()["hostname"], answer.json()["project"]) == (200, "garden", changed)
    assert client.get("/api/target").json() == {"target_c": 19, "key": "secret"}
    # Null is the default, as RFC 7396 and PUT have it; the type may be its own.
    answer = client.patch(
        "/board/api/settings",
        content='{"project": {"target_c": null, "note": null}}',
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert answer.json()["project"] == {**DEFAULTS, "api_key": True}
    for wrong, status in (({"project": {"rows": 0}}, 422), ({"colour": 1}, 422), ([], 422), ("x", 422)):
        assert client.patch("/api/settings", json=wrong).status_code == status
    assert client.patch("/api/settings", content="{}").status_code == 415
    assert client.get("/api/settings").json()["project"] == {**DEFAULTS, "api_key": True}


@ALL
def test_unknown_setting_is_told_with_those_that_there_are(start_project, greenhouse):
    (greenhouse / "app.py").write_text(APP + '\nsettings.get("targt_c")\n')
    _, client = start_project(greenhouse)
    error = client.get("/board/api/status").json()["project"]["error"]
    said = "no such setting: targt_c; there are: api_key, note, plant, rows, target_c, watering"
    assert error == f"app.py, line {APP.count(chr(10)) + 2}: KeyError: {said}"


@pytest.mark.parametrize(
    ("member", "value", "reason"),
    [
        ("target_c", 36, "This is 35 at most."),
        ("target_c", "warm", "Must be a number."),
        ("target_c", None, "Must be a number."),
        ("rows", 0, "This is 1 at least."),
        ("rows", 1.5, "Must be a whole number."),
        ("rows", True, "Must be a whole number."),
        ("watering", 1, "Must be true or false."),
        ("plant", "weed", "This is one of: tomato, basil."),
        ("note", "too long", "This is 5 characters at most."),
        ("api_key", "abc", "This is 4 characters at least."),
        ("unknown", 1, "There is no such setting."),
    ],
)
def test_wrong_value_is_refused_by_its_name(start_project, greenhouse, member, value, reason):
    _, client = start_project(greenhouse)
    settings = client.get("/api/settings").json()
    settings["project"][member] = value
    answer = client.put("/api/settings", json=settings)
    assert answer.status_code == 422
    assert answer.json()["error"]["fields"] == {f"project.{member}": reason}
    assert client.get("/api/settings").json()["project"] == DEFAULTS


@ALL
def test_settings_of_a_project_that_is_left_out_are_kept_unseen(start_project, greenhouse):
    server, client = start_project(greenhouse)
    client.put("/api/target", json={"target_c": 30, "api_key": "secret"})
    server.stop()
    (greenhouse / "app.py").write_text(APP + "\nwater()\n")
    server, client = start_project(greenhouse, data=server.data)
    settings = client.get("/api/settings").json()
    assert settings["project"] is True
    settings["hostname"] = "garden"
    assert client.put("/api/settings", json=settings).json()["project"] is True
    server.stop()
    (greenhouse / "app.py").write_text(APP.replace('"maximum": 35', '"maximum": 25'))
    server, client = start_project(greenhouse, data=server.data)
    settings = client.get("/api/settings").json()
    # What may not be any more is the default.
    assert settings["hostname"] == "garden" and settings["project"] == {**DEFAULTS, "api_key": True}
    assert "limpet: the setting target_c is not kept: This is 25 at most." in server.output()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('settings.add("Target", {"type": "number"})', "a setting has a name of its own"),
        ('settings.add("rows", {"type": "number"})', "a setting has a name of its own"),
        ('settings.add("x", {"type": "colour"})', "x: its type is number, integer, boolean or string"),
        ('settings.add("x", {"type": "number", "default": "1"})', "x: the default is not allowed: Must be a number."),
        ('settings.add("x", {"type": "string", "default": "1", "writeOnly": True})', "x: everybody sees a default"),
        ('sensors.add("led", "", soil)', "a sensor has a name of its own"),
        ('sensors.add("slow", "", soil)', "a sensor has a name of its own"),
        ('sensors.add("x", \'"\', soil)', "x: unit and title are short texts"),
        ('sensors.add("x", "", soil, every_s=0.5)', "x: every_s is a whole number of seconds"),
    ],
)
def test_declaration_that_is_none_is_told_with_its_line(start_project, greenhouse, line, reason):
    (greenhouse / "app.py").write_text(f"{APP}\n{line}\n")
    _, client = start_project(greenhouse)
    error = client.get("/board/api/status").json()["project"]["error"]
    assert error.startswith(f"app.py, line {APP.count(chr(10)) + 2}: ValueError: {reason}")


@ALL
def test_sensors_are_in_readings_events_csv_and_metrics(start_project, greenhouse):
    server, client = start_project(greenhouse)
    for _ in range(2):
        # The first reading may come before the slow one is there.
        last = client.get("/api/readings").json()["last"] if client.get("/api/readings").status_code == 200 else 0
        answer = client.get("/api/readings", params={"since": last, "wait": 5}).json()
    reading = answer["values"][-1]
    assert reading["sensors"] == {"soil_percent": 41, "slow": 1.5, "broken": None, "none": None, "nan": None}
    with client.stream("GET", "/api/events") as events:
        line = next(line for line in events.iter_lines() if line.startswith("data: "))
    assert json.loads(line[6:])["sensors"]["soil_percent"] == 41
    rows = list(csv.DictReader(client.get("/api/readings.csv").text.splitlines()))
    assert (rows[-1]["soil_percent"], rows[-1]["slow"], rows[-1]["broken"]) == ("41", "1.5", "")
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}
    samples = {
        sample.labels["name"]: (sample.labels["unit"], sample.value) for sample in families["limpet_sensor"].samples
    }
    assert samples == {"soil_percent": ("%", 41.0), "slow": ("V", 1.5)}
    told = {sensor["name"]: sensor for sensor in client.get("/api/project").json()["sensors"]}
    # Who may not read the readings learns no value here.
    assert told["soil_percent"] == {"name": "soil_percent", "title": "Soil", "unit": "%", "every_s": 3600}
    assert re.search(r"limpet: sensor broken: OSError: .*(19|No such device)", server.output())
    assert "limpet: sensor nan: TypeError: it returns nan" in server.output()
    # It is read as often as it is said, and an error is said once.
    assert client.get("/api/calls/1").json()["soil"] == 1
    assert server.output().count("limpet: sensor broken: ") == 1
    assert "sensor broken" in client.get("/api/log").text


@FROZEN_TOO
def test_openapi_has_the_projects_settings_sensors_and_routes(start_project, greenhouse):
    _, client = start_project(greenhouse)
    for path in ("/openapi.json", "/board/openapi.json"):
        document = client.get(path).json()
        schemas = document["components"]["schemas"]
        project = schemas["Settings"]["properties"]["project"]["properties"]
        assert project["target_c"]["maximum"] == 35 and project["plant"]["enum"] == ["tomato", "basil"]
        sensors = schemas["Reading"]["properties"]["sensors"]["properties"]
        assert sensors["soil_percent"] == {"type": ["number", "null"], "title": "Soil", "x-unit": "%"}
        paths = document["paths"]
        assert paths["/api/target"]["get"]["summary"] == "target"
        assert paths["/api/calls/{number}"]["parameters"][0]["schema"] == {"type": "integer"}
        assert paths["/api/project"] and paths["/api/settings"] and paths["/healthz"]


def test_page_shows_sensors_with_their_charts(start_project, greenhouse, browser):
    server, _ = start_project(greenhouse)
    page = browser.open(f"{server.url}board/")
    expect_live(page)
    tile = page.locator("#sensor-soil_percent")
    expect(tile.locator("figcaption")).to_have_text("Soil")
    expect(tile.locator(".value")).to_have_text("41 %")
    expect(tile.locator("path").nth(1)).to_have_attribute("d", re.compile("M.*L"))
    expect(page.locator("#sensor-slow .value")).to_have_text("1.5 V")
    expect(page.locator("#sensor-broken .value")).to_have_text("–")
    # Nor has its chart a scale, of what it was made from.
    expect(page.locator("#sensor-broken .high")).to_be_empty()
    expect(page.locator("#sensor-soil_percent .high")).not_to_be_empty()
    expect(page.get_by_role("link", name="limpet")).to_have_attribute("href", "../")
    assert not axe(page)


def test_page_changes_settings_and_says_what_is_wrong(start_project, greenhouse, browser):
    server, client = start_project(greenhouse)
    page = browser.open(f"{server.url}board/#/settings")
    card = page.locator(".card", has=page.get_by_role("heading", name="Project", exact=True))
    target = card.get_by_label("Target, °C")
    expect(target).to_have_value("21.5")
    target.fill("36")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_text("This is 35 at most.")).to_be_visible()
    target.fill("19.5")
    card.get_by_label("plant").select_option("tomato")
    card.get_by_label("watering").select_option("yes")
    card.get_by_label("note").fill("dry")
    card.get_by_label("api_key").fill("secret")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_text("Saved.")).to_be_visible()
    wanted = {"target_c": 19.5, "rows": 3, "watering": True, "plant": "tomato", "note": "dry", "api_key": True}
    assert client.get("/api/settings").json()["project"] == wanted
    # What nobody touched stays as it is, the secret too.
    card.get_by_label("note").fill("wet")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_text("Saved.")).to_be_visible()
    assert client.get("/api/target").json() == {"target_c": 19.5, "key": "secret"}
    assert not axe(page)
    browser.forgive("422")


def test_page_says_why_the_project_is_left_out(start_project, greenhouse, browser):
    (greenhouse / "app.py").write_text("water(<b>)\n")
    server, _ = start_project(greenhouse)
    page = browser.open(server.url)
    expect(page.locator("pre")).to_contain_text("app.py, line 1: SyntaxError")
    page.get_by_role("link").click()
    expect_live(page)
    expect(page.get_by_text("The project does not start: app.py, line 1: SyntaxError")).to_be_visible()
    browser.forgive("500")
