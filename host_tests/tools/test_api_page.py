"""firmware/API.md: it is what the code says, its recipes run as they stand there, and what it names is there."""

import re

import pytest

from host_tests.vectors import recipes as vectors
from tools import ROOT, api, console, mpy


def test_page_is_current():
    message = "firmware/API.md is not what the code says: run `.venv/bin/python -m tools api`"
    assert api.PAGE.read_text(encoding="utf-8") == api.page(), message


def test_command_writes_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(api, "ROOT", tmp_path)
    monkeypatch.setattr(api, "PAGE", tmp_path / "API.md")
    assert api.main([]) == 0
    assert api.PAGE.read_text(encoding="utf-8") == api.page()
    assert capsys.readouterr().out.startswith("API.md: ") and console


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_recipe_runs_as_it_stands_there(case):
    vectors.check(case)


def test_recipes_run_on_micropython(micropython):
    micropython.run_vectors("recipes")


def test_all_that_is_told_has_words():
    """Each signature is followed by what it does."""
    text = api.page().split("## Reference")[1]
    assert re.findall(r"^`[^`]+\)`\n\n(?!>)", text, re.MULTILINE) == []


def test_what_is_exported_is_there_once_compiled(micropython, tmp_path):
    """Names that only one module makes are private on a board, but for those that are told."""
    arch = {"amd64": "x64", "i386": "x86"}[micropython.word]
    mpy.compile_tree(ROOT / "firmware", tmp_path / "firmware", arch)
    names = ", ".join(api.EXPORTED.keys() - {"Args"})
    code = "from firmware import %s; from firmware.features import auth; auth.protect, auth.token" % names
    code += "; from firmware.features import accounts, answers, uploads; accounts.sessions, uploads.safe_filename"
    code += "; from firmware.microdot import Microdot, abort, redirect, send_file, with_sse, with_websocket; print(1)"
    assert micropython.run("-c", "import sys; sys.path.insert(0, %r); %s" % (str(tmp_path), code)).stdout == "1\n"
