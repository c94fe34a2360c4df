"""`python3 -m tools new`: a project to begin with; `mip`: packages that others have made, into its lib/."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from host_tests.servers import HOST
from tools import ROOT, manifest, mip, new, project
from tools.__main__ import main as tools_main
from tools.console import Failure
from tools.manifest import sha256


def run(*args, cwd=ROOT):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tools", *map(str, args)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def test_new_project_has_all_that_is_needed(tmp_path):
    done = run("new", "green house", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [f"green house/{name}" for name in ("README.md", "app.py", "www/index.html", "www/page.js")],
    )
    folder = tmp_path / "green house"
    assert (folder / "lib").is_dir()
    readme = (folder / "README.md").read_text()
    assert readme.startswith("# green house\n") and len(readme.splitlines()) <= 10
    assert f"serve '{folder}'" in readme and "{{" not in readme
    assert "<title>green house</title>" in (folder / "www" / "index.html").read_text()
    assert project.files(folder) == (
        [project.Path("app.py"), project.Path("www/index.html"), project.Path("www/page.js")],
        ["README.md"],
    )


def test_name_is_no_markup(tmp_path):
    new.make(tmp_path / "a<b>")
    assert "<h1>a&lt;b&gt;</h1>" in (tmp_path / "a<b>" / "www" / "index.html").read_text()


def test_what_is_there_is_not_written_over(tmp_path):
    (tmp_path / "mine").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine"):
        done = run("new", folder)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"new: {folder} is there already, and not empty: choose another name.\n"
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def test_example_that_is_none_is_told(tmp_path):
    done = run("new", tmp_path / "x", "--from", "nothing")
    assert done.returncode == 1 and done.stderr.startswith("new: There is no example nothing: there are ")
    assert not (tmp_path / "x").exists()


def test_every_example_is_a_project_to_begin_with(tmp_path):
    for name in new.examples():
        new.make(tmp_path / name, name)
        assert {"app.py", "README.md"} <= {file.name for file in (tmp_path / name).iterdir()}
        project.check(tmp_path / name)


def test_folder_without_an_application_is_told(tmp_path):
    for command in ("serve", "deploy"):
        done = run(command, tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"{command}: There is no app.py in {tmp_path}: `python3 -m tools new NAME` makes")


# -- which files a board gets


def test_what_is_sent_and_what_is_not(tmp_path):
    for name in (
        *("app.py", "data/names.csv", "lib/a.py", "lib/b.mpy", "lib/pkg/__init__.py", "www/x.py", "www/read.md"),
        *("README.md", "docs/a.md", "app.pyi", ".env", "config.json", ".git/x", "lib/__pycache__/a.pyc", "www/.x"),
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x = 1\n" * 200)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    sent, left = project.files(tmp_path)
    assert [place.as_posix() for place in sent] == [
        *("app.py", "data/names.csv", "lib/a.py", "lib/b.mpy", "lib/pkg/__init__.py", "www/read.md", "www/x.py"),
    ]
    assert left == sorted(
        [".env", ".git/", "README.md", "app.pyi", "config.json", "docs/a.md", "gone", "lib/__pycache__/", "loop/"]
        + ["www/.x"]
    )
    wanted = project.build(tmp_path, "x64")
    assert sorted(wanted) == [
        *("/project/app.mpy", "/project/data/names.csv", "/project/lib/a.mpy", "/project/lib/b.mpy"),
        *("/project/lib/pkg/__init__.mpy", "/project/www/read.md", "/project/www/read.md.gz", "/project/www/x.py"),
        "/project/www/x.py.gz",
    ]
    assert wanted["/project/app.mpy"][:1] == b"M"
    assert project.build(tmp_path, None)["/project/app.py"] == b"x = 1\n" * 200


def test_own_compressed_file_is_taken(tmp_path):
    (tmp_path / "app.py").write_text("")
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.html").write_text("<p>" * 1000)
    (tmp_path / "www" / "a.html.gz").write_bytes(b"mine")
    assert project.build(tmp_path, None)["/project/www/a.html.gz"] == b"mine"


@pytest.mark.parametrize("name", ["www/a\nb.html", "www/a:b", "www/" + "x" * 245])
def test_name_that_a_board_does_not_take_is_told(tmp_path, name):
    (tmp_path / "app.py").write_text("")
    (tmp_path / "www").mkdir()
    (tmp_path / name).write_text("")
    with pytest.raises(Failure, match="a name that a board does not take"):
        project.build(tmp_path, None)


def test_syntax_error_is_told_with_its_line(tmp_path):
    (tmp_path / "app.py").write_text("app = 1\nx = (\n")
    with pytest.raises(Failure, match=r"app\.py.*line [23].*SyntaxError"):
        project.build(tmp_path, "x64")
    (tmp_path / "app.py").write_text("")
    (tmp_path / "a.py").write_text("")
    (tmp_path / "a.mpy").write_text("")
    with pytest.raises(Failure, match="a.py is there as .mpy, too"):
        project.build(tmp_path, "x64")


def test_image_has_the_firmware_and_the_project_is_files(tmp_path):
    new.make(tmp_path / "greenhouse")
    wanted = manifest.build(ROOT, "x64", manifest.FROZEN, tmp_path / "greenhouse")
    modules = [path for path in wanted if path.endswith((".py", ".mpy"))]
    assert sorted(modules) == ["/boot.py", "/main.py", "/project/app.mpy"]
    assert "/firmware/site/www/app.js" in wanted and "/project/www/index.html" in wanted


def test_way_back_to_the_image_takes_the_project_back_too(tmp_path):
    """A new tree that wins over the image's is on trial: what it replaced comes back, what was new goes."""
    new.make(tmp_path / "greenhouse")
    wanted = manifest.build(ROOT, "x64", manifest.FROZEN, tmp_path / "greenhouse")
    old = {path: sha256(data) for path, data in wanted.items()}
    old["/project/lib/old.mpy"] = "0" * 64
    old["/project/app.mpy"] = "1" * 64
    wanted = manifest.build(ROOT, "x64", manifest.COMPILED, tmp_path / "greenhouse")
    wanted["/project/lib/new.mpy"] = b"M"
    there = {path: old.get(path) for path in manifest.Plan.ask(wanted, old)}
    back = manifest.Plan(wanted, there, old).way_back()
    assert {"/project/app.mpy", "/project/lib/old.mpy"} <= set(back.kept)
    steps = back.files["~back"].decode().splitlines()
    assert f"{back.kept['/project/app.mpy']} /project/app.mpy" in steps
    assert steps.index("+ /project/lib") < steps.index(f"{back.kept['/project/lib/old.mpy']} /project/lib/old.mpy")
    assert "- /project/lib/new.mpy" in steps and "- /project/www/index.html" not in steps
    (name,) = [name for name in back.files if not name.startswith(("~back", "~cable"))]
    after = manifest.parse(back.files[name])
    assert after["/project/app.mpy"] == "1" * 64 and "/project/lib/new.mpy" not in after


# -- packages of micropython-lib


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An index of packages like micropython-lib's: `bme280`, which needs `sensor`. Its folder, to spoil things in."""
    folder = tmp_path / "index"

    def put(name, version, files, needed=()):
        hashes = []
        for place, text in files.items():
            digest = sha256(text.encode())[:8]
            file = folder / "file" / digest[:2] / digest
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            hashes.append([place, digest])
        document = folder / "package" / "py" / name / f"{version}.json"
        document.parent.mkdir(parents=True, exist_ok=True)
        document.write_text(json.dumps({"v": 1, "version": version, "hashes": hashes, "deps": list(needed)}))

    put(
        "bme280",
        "latest",
        {"bme280/__init__.py": "from sensor import base\n", "bme280/i2c.py": "X = 1\n"},
        [["sensor", "1.0"]],
    )
    put("bme280", "0.9", {"bme280.py": "OLD = 1\n"})
    put("sensor", "1.0", {"sensor.py": "base = 1\n"}, [["bme280", "latest"]])
    put("evil", "latest", {"../app.py": "EVIL = 1\n"})
    put("twice", "latest", {"bme280": "X = 1\n"})
    with ThreadingHTTPServer((HOST, 0), partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MIP_INDEX", "http://%s:%d/" % server.server_address)
        yield folder
        server.shutdown()


@pytest.fixture
def greenhouse(tmp_path):
    new.make(tmp_path / "greenhouse")
    return tmp_path / "greenhouse"


def fetched(folder):
    return sorted(file.relative_to(folder / "lib").as_posix() for file in (folder / "lib").rglob("*") if file.is_file())


def test_package_comes_with_what_it_needs(index, greenhouse, capsys):
    assert mip.fetch("bme280", greenhouse) == ["bme280/__init__.py", "bme280/i2c.py", "sensor.py"]
    assert fetched(greenhouse) == ["bme280/__init__.py", "bme280/i2c.py", "sensor.py"]
    assert (greenhouse / "lib" / "sensor.py").read_text() == "base = 1\n"
    assert "/project/lib/bme280/i2c.mpy" in project.build(greenhouse, "x64")
    assert capsys.readouterr().err.startswith("bme280: bme280/__init__.py, bme280/i2c.py, sensor.py in ")


def test_version_can_be_chosen(index, greenhouse):
    assert mip.fetch("bme280@0.9", greenhouse) == ["bme280.py"]


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        ("nothing", "nothing is no package of micropython-lib (http://"),
        ("bme280@7", "bme280 is no package of micropython-lib (http://"),
        ("../x", "../x@latest is no package: micropython-lib names them as aioble or aioble@0.6.1."),
        ("evil", "evil has a file ../app.py, which is not below lib/: it is refused."),
    ],
)
def test_what_is_no_package_is_told_and_nothing_is_written(index, greenhouse, package, reason):
    with pytest.raises(Failure) as raised:
        mip.fetch(package, greenhouse)
    assert str(raised.value).startswith(reason)
    assert fetched(greenhouse) == []


def test_nothing_is_written_by_halves(index, greenhouse):
    (greenhouse / "lib" / "bme280").write_text("a file")
    with pytest.raises(Failure, match="bme280/__init__.py, and .*/lib/bme280 is in its way. Nothing has changed."):
        mip.fetch("bme280", greenhouse)
    assert fetched(greenhouse) == ["bme280"]
    (greenhouse / "lib" / "bme280").unlink()
    (greenhouse / "lib" / "bme280").mkdir()
    with pytest.raises(Failure, match="is in its way"):
        mip.fetch("twice", greenhouse)
    for file in (index / "file").rglob("*"):
        if file.is_file() and file.read_text() == "base = 1\n":
            file.write_text("damaged")
    with pytest.raises(Failure, match="sensor.py of sensor has arrived damaged"):
        mip.fetch("bme280", greenhouse)
    shutil.rmtree(index / "file")
    with pytest.raises(Failure, match="bme280/__init__.py of bme280 is not there"):
        mip.fetch("bme280", greenhouse)
    assert fetched(greenhouse) == []


def test_index_that_cannot_be_reached_is_told_in_a_line(greenhouse, monkeypatch, capsys):
    monkeypatch.setenv("MIP_INDEX", "http://127.0.0.1:1")
    assert tools_main(["deploy", str(greenhouse), "--mip", "aioble"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("deploy: http://127.0.0.1:1 cannot be reached (") and told.count("\n") == 1


def test_package_needs_a_project(capsys):
    with pytest.raises(SystemExit) as raised:
        tools_main(["deploy", "--mip", "aioble"])
    assert raised.value.code == 2 and "--mip goes with the FOLDER of a project" in capsys.readouterr().err
