"""openapi.json: that it describes every endpoint, and that schemathesis finds no answer that it does not describe."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from firmware import VERSION
from tools import ROOT

FILE = ROOT / "firmware" / "site" / "www" / "openapi.json"
DOCUMENT = json.loads(FILE.read_text(encoding="utf-8"))
METHODS = ("get", "put", "post", "patch", "delete")

# Where routes are, and what is no part of the API: the setup page, the pages of safe mode, what `update` speaks.
SOURCES = [*sorted((ROOT / "firmware" / "site").glob("*.py")), ROOT / "firmware" / "features" / "login.py"]
OTHERS = ("setup.py", "safe.py", "update.py")

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


def test_every_route_is_described():
    routes = set()
    for source in SOURCES:
        if source.name not in OTHERS:
            for method, path in re.findall(r'@\w+\.(get|put|post|patch|delete)\(\s*"([^"]+)"', source.read_text()):
                routes.add((method, re.sub(r"<(?:\w+:)?\w+>", "{}", path)))
    assert len(routes) > 20
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


@pytest.mark.timeout(300)  # a minute on an idle machine
@pytest.mark.interpreters("amd64")
def test_schemathesis_finds_no_violation_in_any_corner(described, tmp_path):
    # The corners of a file's name are many, take long, and are test_files.py's.
    run(described, tmp_path, "--phases", "coverage", "--exclude-path", "/files/{name}")
