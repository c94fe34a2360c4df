"""package.json: the real `mpremote mip install` puts the server on a board as a library, and it serves from there."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from host_tests.conftest import interpreter_named
from host_tests.emulated_board import EmulatedBoard
from tools import ROOT, package

IMPORT = re.compile(r"^\s*(?:from|import) (firmware[\w.]*)(?: import (.*))?", re.MULTILINE)

USE = """
from firmware import App, HTTPError, Response
from firmware.server import listener, static

app = App()

@app.get("/x")
def x(request):
    return {"x": 1}

app.static("/", "/lib")
print("LIBRARY", listener.__file__)
"""


def mpremote(*args):
    """Run mpremote; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", *map(str, args)], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_package_lists_the_files_that_are_there():
    message = "package.json is not what is in firmware/: run `.venv/bin/python -m tools package`"
    assert package.PACKAGE.read_text(encoding="utf-8") == package.text(), message


def test_package_brings_all_that_it_imports():
    listed = {target for target, _ in package.package()["urls"]}
    modules = {name[:-3].replace("/", ".").replace(".__init__", "") for name in listed}
    for name in listed:
        for module, names in IMPORT.findall((ROOT / name).read_text(encoding="utf-8")):
            wanted = {f"{module}.{word.strip()}" for word in names.split(",")} & submodules()
            assert {module, *wanted} <= modules, f"{name} imports {module}"


def submodules():
    return {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in (ROOT / "firmware").rglob("*.py")}


def test_package_is_one_that_mip_understands():
    made = json.loads(package.text())
    assert set(made) == {"version", "deps", "urls"}
    assert all(len(pair) == 2 and (ROOT / pair[1]).is_file() for pair in made["urls"])


def test_mpremote_installs_a_library_that_works(tmp_path):
    with EmulatedBoard(tmp_path / "flash", interpreter_named("amd64")) as board:
        said = mpremote("connect", board.name, "mip", "install", "--target", "/lib", "package.json")
        assert said.count("Installing:") == len(json.loads(package.PACKAGE.read_text(encoding="utf-8"))["urls"])
        (tmp_path / "use.py").write_text(USE)
        assert "LIBRARY /lib/firmware/server/listener.py" in mpremote("connect", board.name, "run", tmp_path / "use.py")
