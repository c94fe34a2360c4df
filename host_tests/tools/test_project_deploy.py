"""A project on its way to a board: over the cable and over the air, all or nothing, and back where it fails."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import shutil

import pytest

from host_tests import air_board
from host_tests.air_board import ChipBoard
from host_tests.board.test_update import compiled_once, quick  # noqa: F401 - fixtures of all tests here
from host_tests.conftest import interpreter_named
from tools import arguments, deploy, kept, names, new, project, update
from tools.__main__ import main as tools_main
from tools.board import Board
from tools.console import Failure

APP = """
from firmware import App
import soil

app = App()


@app.get("/api/soil")
def read(request):
    return {"wet_percent": soil.read(), "version": VERSION}


VERSION = "old"
"""
PAGE = "<!doctype html><title>Greenhouse</title>" + "<p>Tomatoes.</p>" * 100


REAL = {(module, name): getattr(module, name) for module, name in ((arguments, "hide"), (arguments, "shorten"))}
REAL[names, "shorten"] = names.shorten


@pytest.fixture(scope="module", autouse=True)
def names_as_they_are(tmp_path_factory):
    """To look for names that can be shorter takes longer than all else here."""
    with pytest.MonkeyPatch.context() as patch:
        # What is made so is for no other test, and for nobody's board.
        patch.setattr(kept, "CACHE", tmp_path_factory.mktemp("texts"))
        for module, name in REAL:
            patch.setattr(module, name, lambda sources, others=(), public=(): sources)
        yield


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return air_board.make_tree(tmp_path_factory.mktemp("tree") / "tree")


@pytest.fixture
def greenhouse(tmp_path):
    """A project as `tools new` makes it, with an endpoint, a driver, a page, and what does not go to a board."""
    folder = tmp_path / "greenhouse"
    new.make(folder)
    (folder / "app.py").write_text(APP)
    (folder / "lib" / "soil.py").write_text("def read():\n    return 42\n")
    (folder / "www" / "index.html").write_text(PAGE)
    (folder / "plants.json").write_text('["tomato"]')
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("secret")
    (folder / "config.json").write_text("{}")
    (folder / "test_app.py").write_text("import pytest")
    return folder


@pytest.fixture(scope="module")
def old_flash(tree, tmp_path_factory):
    """A flash with Limpet alone."""
    flash = tmp_path_factory.mktemp("flash") / "flash"
    with ChipBoard(flash, interpreter_named("amd64")) as board:
        deploy.deploy(board.name, tree)
    return flash


@pytest.fixture
def start(old_flash, tmp_path):
    flash = shutil.copy(old_flash, tmp_path / "flash")
    return functools.partial(ChipBoard, flash, interpreter_named("amd64"))


def failure(function, *args, **options):
    with pytest.raises(Failure) as raised:
        function(*args, **options)
    return str(raised.value)


def test_project_is_deployed_and_answers_and_again_nothing_is_sent(start, tree, greenhouse, capsys):
    with start() as board:
        done = deploy.deploy(board.name, tree, project=greenhouse)
        assert "Not sent: .git/, README.md, config.json, test_app.py\n" in capsys.readouterr().err
        # Besides, what has other names where the project uses them.
        assert [path for path in done["sent"] if not path.startswith("/firmware/")] == [
            *("/project/app.mpy", "/project/lib/soil.mpy", "/project/plants.json"),
            *("/project/www/index.html", "/project/www/index.html.gz", "/project/www/page.js"),
        ]
        assert json.loads(board.wait("api/soil")) == {"wet_percent": 42, "version": "old"}
        assert board.wait("") == PAGE.encode()
        assert json.loads(board.wait("board/api/status"))["project"] == {"error": None, "has_page": True}
        assert b"<title>old</title>" in board.wait("board/")
        done = deploy.deploy(board.name, tree, project=greenhouse)
        assert (done["sent"], done["removed"]) == ([], [])
        (greenhouse / "app.py").write_text(APP.replace("old", "new"))
        (greenhouse / "plants.json").unlink()
        done = deploy.deploy(board.name, tree, project=greenhouse)
        assert (done["sent"], done["removed"]) == (["/project/app.mpy"], ["/project/plants.json"])
        assert json.loads(board.wait("api/soil"))["version"] == "new"


def test_board_keeps_its_project_until_it_is_told(start, tree, greenhouse):
    with start() as board:
        deploy.deploy(board.name, tree, project=greenhouse)
        told = "The board has a project: name its folder (`deploy FOLDER`), or remove it from there (--no-project)."
        assert failure(deploy.deploy, board.name, tree).startswith(told)
        assert json.loads(board.wait("api/soil"))["wet_percent"] == 42
        assert failure(update.deploy, board.url, tree).startswith(told)
        done = deploy.deploy(board.name, tree, is_alone=True)
        assert [path for path in done["removed"] if not path.startswith("/project/")] == []
        assert json.loads(board.wait("api/status"))["project"] is None
        with Board(board.name) as there:
            assert not [path for path in there.walk("/") if path.startswith("/project")]


def test_over_the_air_it_comes_and_a_broken_one_goes_back(start, tree, greenhouse):
    with start() as board:
        board.wait()
        done = update.deploy(board.url, tree, project=greenhouse)
        assert {path for path in done["sent"] if path[:10] != "/firmware/"} == set(project.build(greenhouse, "x64"))
        assert json.loads(board.wait("api/soil"))["version"] == "old"
        wait_until_kept(board)
        (greenhouse / "app.py").write_text(APP + "\nwater(3)\n")
        told = failure(update.deploy, board.url, tree, project=greenhouse)
        assert told.startswith("The new files have not come up: the board has gone back to the old ones.")
        # A real board keeps this over the reset (`recovery.note_crash`).
        line = APP.count("\n") + 2
        left_out = f"limpet: the project is left out: app.py, line {line}: NameError: name 'water' isn't defined"
        assert left_out in board.output()
        assert json.loads(board.wait("api/soil"))["version"] == "old"
        # It may have all paths for itself.
        greedy = '\n\n@app.get("/api/<path:rest>")\ndef all_else(request, rest):\n    return {"rest": rest}\n'
        (greenhouse / "app.py").write_text(APP.replace('"old"', '"greedy"') + greedy)
        update.deploy(board.url, tree, project=greenhouse)
        assert json.loads(board.wait("api/update")) == {"rest": "update"}
        wait_until_kept(board, "board/api/update")
        (greenhouse / "app.py").write_text(APP.replace('"old"', '"new"'))
        assert update.deploy(board.url, tree, project=greenhouse)["sent"] == ["/project/app.mpy"]
        assert json.loads(board.wait("api/soil"))["version"] == "new"


def wait_until_kept(board, path="api/update"):
    deadline = air_board.time.monotonic() + air_board.WAIT_S
    while json.loads(board.wait(path))["state"]:
        assert air_board.time.monotonic() < deadline, board.output()
        air_board.time.sleep(0.02)


def test_broken_app_over_the_cable_is_told(start, tree, greenhouse, capsys):
    (greenhouse / "app.py").write_text("import nowhere\n")
    with start() as board:
        argv = ["deploy", str(greenhouse), "--port", board.name, "--root", str(tree)]
        assert tools_main(argv) == 1
        told = "deploy: The project does not start: app.py, line 1: ImportError: no module named 'nowhere'\n"
        assert capsys.readouterr().err.endswith(told)
        assert b"app.py, line 1: ImportError" in board.wait("board/api/status")


def test_power_cut_leaves_the_old_project_or_the_new_one(start, tree, greenhouse, tmp_path):
    with start() as board:
        deploy.deploy(board.name, tree, project=greenhouse)
        flash = board.flash
    (greenhouse / "app.py").write_text(APP.replace('"old"', '"new"'))
    (greenhouse / "lib" / "soil.py").write_text("def read():\n    return 24\n")
    seen = set()
    # It stages in its second life, and follows the journal in the third.
    for cut in ((1, 3), (1, 8), (2, 0), (2, 7)):
        copy = shutil.copy(flash, tmp_path / "copy")
        board = ChipBoard(copy, interpreter_named("amd64"), cut_after=cut)
        with board, contextlib.suppress(Failure):
            deploy.deploy(board.name, tree, project=greenhouse)
        with ChipBoard(copy, interpreter_named("amd64")) as board:
            soil = json.loads(board.wait("api/soil"))
            seen.add((soil["version"], soil["wet_percent"]))
    assert seen == {("old", 42), ("new", 24)}


@pytest.mark.parametrize(
    ("text", "told", "own"),
    [
        ("def read(request):\n    wet = 1\n    return {'wet': wet}", "", "read request wet"),
        ("'Words of a sentence.'\nPAGE = 'more words'", "", "Words more PAGE"),
        ("from firmware.features.feed import Feed as F, y", "features feed Feed F y", ""),
        ("import firmware.board as board\nboard.led.on = 1", "board led on", ""),
        ("f'{app.state} said'", "state", "app said"),
        ("f(size=3)", "size", "f"),
        ("class Mine(Base):\n    kind = 1\n    def begin(self): pass", "kind begin", "Mine"),
        ("class Mine:\n    def begin(self): pass", "", "Mine begin"),
        ("getattr(app, 'spare')", "spare", ""),
        ("options = {'size': 3}\nf(**options)", "size", "options"),
        ("from firmware.features.feed import *\nFeed()", "Feed", ""),
        ("x = (", "x", ""),
    ],
)
def test_project_may_mean_so_much_of_the_tree(text, told, own):
    words = set(re.findall(r"\w+", project.named(text)))
    assert set(told.split()) <= words and not set(own.split()) & words


def test_names_that_the_project_uses_keep_their_meaning(start, tree, greenhouse, monkeypatch, tmp_path):
    """What nobody else names gets a short name on a board (`tools/names.py`), unless the project has a use for it."""
    monkeypatch.setattr(kept, "CACHE", tmp_path / "texts")
    for (module, name), function in REAL.items():
        monkeypatch.setattr(module, name, function)
    (greenhouse / "app.py").write_text(
        APP
        + """
from firmware.features.feed import Feed
from firmware.features.ratelimit import limit
from firmware.features.metrics import MAX_STATUSES

feed = Feed(size=3)
limit(app, per_minute=600, burst=100)


@app.get("/api/most")
def most(request):
    return {"most": MAX_STATUSES}
"""
    )
    with start() as board:
        deploy.deploy(board.name, tree, project=greenhouse)
        assert json.loads(board.wait("api/most")) == {"most": 24}
