"""`python3 -m tools size`: what each file costs, and the budget that no change may exceed unnoticed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from host_tests.conftest import interpreter_named
from tools import ROOT, console, mpy, size
from tools.size import File

BUDGETS = {"a": {"flash": 100, "heap": 50}}


@pytest.fixture(scope="module")
def measured():
    """All files, measured."""
    interpreter_named("i386")
    return size.measure()


def test_no_folder_costs_more_than_its_budget(measured):
    assert size.excesses(measured, size.budgets()) == []


def test_every_file_is_measured(measured):
    here = [*(ROOT / "firmware").rglob("*.py"), *ROOT.glob("main.py"), *ROOT.glob("boot.py")]
    wanted = {file.relative_to(ROOT).as_posix() for file in here if file.name not in mpy.LAPTOPS}
    assert {file.path for file in measured} == wanted
    assert all(file.flash > 30 for file in measured)


def test_only_what_needs_a_board_has_no_heap(measured):
    """A file without a figure is one that could not be imported."""
    names = {file.path for file in measured if file.heap is None and file.folder.startswith("firmware")}
    assert all(name.startswith("firmware/board/") for name in names), names


def test_heap_is_each_files_own(measured):
    """The parser's tables are its own, what imports it does not pay for them again."""
    heap = {file.path: file.heap for file in measured}
    assert 1000 < heap["firmware/http/urls.py"] < 5000
    assert heap["firmware/http/errors.py"] < heap["firmware/http/response.py"] < 12_000
    assert 1000 < heap["firmware/board/memory.py"] < 5000


def test_more_than_the_budget_is_one_line_for_each_folder():
    files = [File("a/x.py", 60, 30), File("a/y.py", 60, None), File("b/z.py", 1, 1)]
    assert size.excesses(files, BUDGETS) == ["a takes 120 bytes of flash, 20 too many", "b has no budget"]
    assert size.excesses([File("a/x.py", 100, 50)], BUDGETS) == []


def test_command_fails_where_the_budget_is_exceeded(monkeypatch, capsys):
    monkeypatch.setattr(size, "measure", lambda: [File("a/x.py", 60, 51)])
    monkeypatch.setattr(size, "budgets", lambda: BUDGETS)
    with pytest.raises(console.Failure, match="^a takes 51 bytes of heap, 1 too many. Make it smaller, or raise"):
        size.main([])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["file", "flash", "heap"],
        ["a/x.py", "60", "51"],
        [],
        ["folder", "flash", "budget", "heap", "budget"],
        ["a", "60", "100", "51", "50"],
        ["all", "60", "100", "51", "50"],
    ]


def test_json_has_files_totals_and_budgets():
    interpreter_named("i386")
    done = subprocess.run([sys.executable, "-m", "tools", "size", "--json"], cwd=ROOT, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert set(found) == {"files", "totals", "budgets"}
    assert found["totals"]["firmware/http"]["flash"] == sum(
        file["flash"] for file in found["files"] if file["path"].startswith("firmware/http/")
    )
