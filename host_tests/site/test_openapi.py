"""openapi.json: that it describes every endpoint, and that schemathesis finds no answer that it does not describe."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from firmware import VERSION
from firmware.board import schema
from firmware.features import ROLES, feed, tokens
from firmware.site import users
from tools import ROOT

FILE = ROOT / "firmware" / "site" / "www" / "openapi.json"
DOCUMENT = json.loads(FILE.read_text(encoding="utf-8"))
METHODS = ("get", "put", "post", "patch", "delete")

# Where routes are, and what is no part of the API: the setup page, the pages of safe mode, what `update` speaks; and
# what describes itself where there is a project.
SOURCES = [*sorted((ROOT / "firmware" / "site").glob("*.py")), ROOT / "firmware" / "features" / "login.py"]
OTHERS = ("setup.py", "safe.py", "update.py", "own.py")

# The stream has no end, the restart ends the server, and a password closes it to the requests that follow.
LEFT_OUT = ("/api/events", "/api/restart", "/api/password")

CONFIG = """
[generation]
allow-extra-parameters = false
deterministic = true
[phases.coverage]
# RFC 9110 15.6.2: 501 is for TRACE, which this server does not know at all. It is not "unsupported here", 405.
unexpected-methods = ["DELETE", "PATCH", "POST", "PUT"]
generate-duplicate-query-parameters = false
[checks.positive_data_acceptance]
# A schema cannot say which names a storage bears, or that a token of this name is there already.
expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422"]
"""


def operations():
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield pytest.param(path, item, item[method], id=f"{method.upper()} {path}")


def follow(value):
    if "$ref" not in value:
        return value
    found = DOCUMENT
    for name in value["$ref"].lstrip("#/").split("/"):
        found = found[name]
    return found


def test_version_is_the_firmwares():
    assert DOCUMENT["info"]["version"] == VERSION


def test_bounds_are_those_of_the_code():
    """One fact, one source: what a schema says is what the code refuses beyond."""
    person = DOCUMENT["components"]["schemas"]["Person"]["properties"]
    assert (person["name"]["minLength"], person["name"]["maxLength"]) == (1, users.MAX_NAME)
    assert (person["email"]["minLength"], person["email"]["maxLength"]) == (users.MIN_EMAIL, users.MAX_EMAIL)
    token = DOCUMENT["components"]["schemas"]["TokenName"]["pattern"]
    assert token == "^[A-Za-z0-9_-]{1,%d}$" % tokens.MAX_NAME
    letters = {chr(code) for code in range(128) if tokens.is_name(chr(code))}
    assert letters == {chr(code) for code in range(128) if re.fullmatch(token, chr(code))}
    pin = DOCUMENT["components"]["schemas"]["Pin"]["properties"]
    assert tuple(pin["mode"]["enum"]) == schema.SCHEMA["pins"]["gpio"][0][0]["mode"][2:]
    assert DOCUMENT["components"]["parameters"]["wait"]["schema"]["maximum"] == feed.MAX_WAIT_S
    roles = set()
    for text in re.findall(r'"enum": (\[[^]]*\])', FILE.read_text()):
        if "admin" in text:
            roles.add(tuple(json.loads(text)))
    assert roles <= {tuple(ROLES)}


def test_settings_are_those_of_the_code():
    """Each has its schema, with the same default and bounds, and a title where the page makes a field of it."""
    told = DOCUMENT["components"]["schemas"]["Settings"]

    def compare(rows, properties, path=""):
        assert set(rows) == set(properties), path
        for name, row in rows.items():
            place, found = f"{path}{name}", properties[name]
            row, *more = row if type(row) is tuple else (row,)
            if type(row) is dict:
                compare(row, found["properties"], f"{place}.")
            elif row is int or row is schema._check_off or row is schema._check_after:
                assert found.get("default", more[0]) == more[0], place
                least = found["anyOf"][1]["minimum"] if row is schema._check_off else found["minimum"]
                assert [least, found["maximum"]] == more[-2:], place
            elif type(row) is list:
                assert found["maxItems"] == more[1], place
                if type(row[0]) is dict:
                    compare(row[0], found["items"]["properties"], f"{place}.")
            assert found.get("title") or path == "pins.gpio." or place in ("admin", "pins.gpio"), place

    compare(schema.SCHEMA, told["properties"])


def test_every_route_is_described():
    routes = set()
    for source in SOURCES:
        if source.name not in OTHERS:
            for method, path in re.findall(r'@\w+\.(get|put|post|patch|delete)\(\s*"([^"]+)"', source.read_text()):
                routes.add((method, re.sub(r"<(?:\w+:)?\w+>", "{}", path)))
    assert len(routes) > 20
    # For people: the way home.
    routes -= {("get", "/board"), ("get", "/board/")}
    described = {
        (method, re.sub(r"\{\w+\}", "{}", path))
        for path, item in DOCUMENT["paths"].items()
        for method in METHODS
        if method in item
    }
    assert routes - described == set()
    # Features that add their routes themselves.
    assert described - routes <= {("get", "/metrics"), ("get", "/healthz")}


@pytest.mark.parametrize("path, item, operation", operations())
def test_operation_has_what_its_form_on_the_page_shows(path, item, operation):
    assert operation["summary"]
    assert len(operation["tags"]) == 1
    parameters = [follow(one) for one in item.get("parameters", []) + operation.get("parameters", [])]
    in_path = {one["name"] for one in parameters if one["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", path))
    for one in parameters:
        assert "example" in one or not one.get("required")
    if "requestBody" in operation:
        ((_, content),) = follow(operation["requestBody"])["content"].items()
        assert content["example"]
    for response in operation["responses"].values():
        assert follow(response)["description"]


def run(server, folder, *args):
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", config, "run", FILE, "--url", server.url]
    command += ["--header", "Accept: application/json", "--no-color", "--seed", "1", *args]
    for path in LEFT_OUT:
        command += ["--exclude-path", path]
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Tested: +\d\d", done.stdout), done.stdout


@pytest.fixture
def described(start_server, tmp_path):
    """A server that has a pin, so that there is one to be set."""
    data = tmp_path / "data"
    data.mkdir()
    pins = [{"number": 4, "name": "Fan", "mode": "pwm"}]
    (data / "config.json").write_text(json.dumps({"pins": {"gpio": pins}}))
    return start_server(data=data)


def test_schemathesis_finds_no_violation(described, tmp_path):
    run(described, tmp_path, "--phases", "fuzzing", "--max-examples", "5")


@pytest.mark.interpreters("amd64")
def test_schemathesis_finds_no_violation_in_any_corner(described, tmp_path):
    # The corners of a file's name are many, take long, and are test_files.py's.
    run(described, tmp_path, "--phases", "coverage", "--exclude-path", "/files/{name}")
