"""A module's own numbers and texts stand where they are used: it does as before, and has a name less."""

import pytest

from tools import ROOT, constants, mpy

TREE = {
    "sizes.py": """
from native import const

_SIZE = 3
_TWICE = (_SIZE + 1) * 2
_MARKED = const(5)
_NAMES = (
    "a",
    b"b",
)  # behind
_ASKED = 6
_counted = 7
_late = 8
_twice = 9
_shown = 10
_meant = 11
PUBLIC = 12


def add(_shown):
    global _counted
    _counted += _SIZE
    return _SIZE, _TWICE + _MARKED, _NAMES, _ASKED, _counted, _shown, globals()["_meant"], PUBLIC


_twice = 13
result = add(_SIZE), _twice
""",
    "late.py": """
def look():
    return _LATE


_LATE = 1
result = look()
""",
    "user.py": """
import sizes

result = sizes._ASKED, sizes.result
""",
}
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import late, user
print(late.result, user.result)
"""
RIGHT = "1 (6, ((3, 13, ('a', b'b'), 6, 10, 3, 11, 12), 13))\n"


def test_constants_stand_where_they_are_used(interpreter, tmp_path):
    made = constants.inline(TREE)
    (tmp_path / "program.py").write_text(PROGRAM)
    for name, tree in (("plain", TREE), ("inlined", made)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "native.py").write_text("def const(value):\n    return value\n")
        for path, text in tree.items():
            # CPython has no `const` of its own; MicroPython's compiler reads over this one.
            (tmp_path / name / path).write_text("from native import const\n" + text)
        assert interpreter.run(tmp_path / "program.py", tmp_path / name).stdout == RIGHT


def test_constant_of_nobody_else_takes_no_name():
    text = constants.inline(TREE)["sizes.py"]
    for line in (
        "_SIZE = const(3)",
        "_TWICE = const(8)",
        "_NAMES = const(('a', b'b'))  # behind",
        "_MARKED = const(5)",
    ):
        assert f"\n{line}\n" in text, line
    # Lines are where they were.
    assert len(text.splitlines()) == len(TREE["sizes.py"].splitlines())


@pytest.mark.parametrize(
    "line", ["_ASKED = 6", "_counted = 7", "_twice = 9", "_shown = 10", "_meant = 11", "PUBLIC = 12"]
)
def test_name_that_somebody_asks_for_or_sets_stays(line):
    assert f"\n{line}\n" in constants.inline(TREE)["sizes.py"]


def test_value_that_is_used_before_stays():
    assert constants.inline(TREE)["late.py"] == TREE["late.py"]


def test_other_modules_ask_too():
    assert constants.inline({"a.py": "_A = 1\n"}, ["import a\nprint(a._A)\n"]) == {"a.py": "_A = 1\n"}


def test_what_the_compiler_knows_is_not_imported():
    made = constants.forget(
        {
            "one.py": "from native import const\n_A = const(1)\n",
            "two.py": "from native import const, micropython, ptr8, hash_name\n",
            "three.py": "from native import (\n    const,\n    ptr16,\n)\nimport const_not\n",
        }
    )
    assert list(made.values()) == [
        "pass\n_A = const(1)\n",
        "from native import micropython, hash_name\n",
        "pass\n\n\n\nimport const_not\n",
    ]


def test_what_is_no_python_stays():
    assert constants.inline({"a.py": "_A = 1\ndef\n"}) == constants.forget({"a.py": "_A = 1\ndef\n"})


def test_shipped_tree_has_no_import_of_const():
    source = ROOT / "firmware"
    texts = {file.relative_to(source): file.read_text() for file in sorted(source.rglob("*.py"))}
    texts = {path: text for path, text in texts.items() if path.name not in mpy.LAPTOPS}
    for is_bundled in (False, True):
        made = mpy.rewritten(texts, source, [], is_bundled)
        # Who makes it has it: `native`, which is a part of `core`.
        assert not [path for path in made if "import const" in made[path] and path.name not in ("native.py", "core.py")]
