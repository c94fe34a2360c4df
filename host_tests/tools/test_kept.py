"""tools/kept.py: what takes long to make is made once, and anew where anything it is made of has changed."""

import os

import pytest

from tools import kept


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The inputs for which something was made."""
    monkeypatch.setattr(kept, "CACHE", tmp_path / "texts")
    return []


def make(made, *inputs):
    def act():
        made.append(inputs)
        return {"b.py": "b" * len(made), "a.py": "é"}

    return kept.kept(list(inputs), act)


def test_text_is_made_once(made):
    first = make(made, "x = 1")
    assert make(made, "x = 1") == first == {"b.py": "b", "a.py": "é"} and list(first) == ["b.py", "a.py"]
    assert made == [("x = 1",)]


def test_text_is_made_anew_where_an_input_or_a_tool_has_changed(made, monkeypatch):
    make(made, "x = 1", "y")
    make(made, "x = 1y")
    monkeypatch.setattr(kept, "_makers", lambda: ["another tool"])
    make(made, "x = 1", "y")
    assert made == [("x = 1", "y"), ("x = 1y",), ("x = 1", "y")]


def test_text_is_made_anew_where_the_kept_one_is_damaged(made):
    make(made, "x = 1")
    for file in kept.CACHE.iterdir():
        file.write_bytes(b"{")
    assert make(made, "x = 1")["b.py"] == "bb"


def test_few_are_kept(made, monkeypatch):
    monkeypatch.setattr(kept, "_MOST_FILES", 2)
    for name in "abcd":
        make(made, name)
    assert len(list(kept.CACHE.iterdir())) == 2


def test_one_that_is_asked_for_again_stays(made, monkeypatch):
    monkeypatch.setattr(kept, "_MOST_FILES", 2)
    for name in "aba":
        make(made, name)
        for file in kept.CACHE.iterdir():  # a second later
            os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 1))
    make(made, "c")
    make(made, "a")
    assert made == [("a",), ("b",), ("c",)]


def test_text_is_made_where_none_can_be_kept(made, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(kept, "CACHE", tmp_path / "file" / "texts")
    assert make(made, "x = 1") == make(made, "x = 1") | {"b.py": "b"}
    assert len(made) == 2
