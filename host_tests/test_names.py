"""Private names made short: whatever a tree of modules does, it does as before."""

import ast
import re

import pytest

from tools import ROOT, mpy, names


def shorten(*texts, others=()):
    return list(names.shorten(dict(enumerate(texts)), others).values())


def run(text):
    """Return what a module has made `result`."""
    found = {}
    exec(compile(text, "module", "exec"), found)
    return found["result"]


COUNTER = '''
_START = 5


class Counter:
    """Has a `_count`."""

    def __init__(self):
        self._count = _START

    def _step(self, _by):
        self._count += _by  # by _by
        return self

    def run(self):
        return self._step(_by=2)._count


result = Counter().run()
'''


def test_private_names_are_short_and_lines_stay():
    (short,) = shorten(COUNTER)
    assert run(short) == run(COUNTER) == 7
    assert re.findall(r"_[a-z]\b", short) == ["_a", "_b", "_a", "_c", "_d", "_b", "_d", "_c", "_d", "_b"]
    assert len(short.splitlines()) == len(COUNTER.splitlines())
    assert '"""Has a `_count`."""' in short and "# by _by" in short and "def __init__(self):" in short


def test_files_have_the_same_few_names():
    short = shorten("_first = 1\n", "_second = 1\n", "def _third(_fourth): pass\n")
    assert short == ["_a = 1\n", "_a = 1\n", "def _a(_b): pass\n"]


@pytest.mark.parametrize(
    "other",
    [
        "thing._mine = 2\n",
        "print(thing._mine)\n",
        "call(_mine=1)\n",
        "getattr(thing, '_mine')\n",
        "getattr(thing, b'_mine'.decode())\n",
        "from module import _mine\n",
        "from module import _mine as _yours\n",
        "print(f'{thing._mine}')\n",
        "print(f'{_mine}')\n",
        "print(_mine)\n",
        "class Child:\n    def get(self):\n        return self._mine\n",
        "no python _mine\n",
    ],
)
def test_name_that_another_file_may_mean_stays(other):
    text = "_mine = 1\n"
    assert shorten(text, other)[0] == text
    assert shorten(text, others=[other])[0] == text


def test_name_that_two_files_have_of_their_own_is_short_in_both():
    assert shorten("_mine = 1\n", "class Other:\n    _mine = 2\n") == ["_a = 1\n", "class Other:\n    _a = 2\n"]
    # But not where one of them takes it from somebody, who may be the other.
    texts = ["_mine = 1\n", "_mine = 2\nprint(thing._mine)\n"]
    assert shorten(*texts) == texts


def test_name_of_one_file_is_short_whoever_has_it_there():
    text = "class Node:\n    def __init__(self, _next):\n        self._next = _next\n\n\nnode = Node(None)._next\n"
    assert shorten(text)[0] == text.replace("_next", "_a")


@pytest.mark.parametrize("base", ["Base", "module.Base", "Renamed", "make()"])
def test_classes_of_one_family_do_not_meet_in_a_name(base):
    parent = "class Base:\n    def __init__(self):\n        self._one = 1\n        self._two = 2\n"
    child = (
        f"from module import Base as Renamed\n\n\nclass Child({base}):\n    def f(self):\n        self._x = self._one\n"
    )
    short = shorten(child, parent)
    assert "self._a = self._b" in short[0]
    assert "self._b = 1" in short[1] and "self._c = 2" in short[1]


def test_name_from_a_class_outside_stays():
    text = "class Queue(core.IOQueue):\n    def take(self):\n        self._map = self._dequeue()\n"
    assert shorten(text)[0] == text.replace("_map", "_a")


def test_short_name_that_is_in_use_is_passed_over():
    assert shorten("_long = 1\n", "thing._a = 1\n")[0] == "_b = 1\n"


def test_there_are_more_names_than_letters():
    text = "".join(f"_name{number} = {number}\n" for number in range(60))
    found = [line.split()[0] for line in shorten(text)[0].splitlines()]
    assert len(set(found)) == 60 and found[25:28] == ["_z", "_a1", "_b1"]


def test_what_is_no_python_stays():
    assert shorten("if _x:\n")[0] == "if _x:\n"


def test_firmware_is_the_same_but_for_its_private_names():
    folder = ROOT / "firmware"
    texts = {file: file.read_text() for file in sorted(folder.rglob("*.py")) if file.name not in mpy.LAPTOPS}
    short = names.shorten(texts, [(ROOT / name).read_text() for name in ("boot.py", "main.py")])
    were, are = set(), set()
    for file, text in texts.items():
        pairs = list(zip(ast.walk(ast.parse(text)), ast.walk(ast.parse(short[file]))))
        renamed = {}
        for one, other in pairs:
            assert type(one) is type(other) and getattr(one, "lineno", 0) == getattr(other, "lineno", 0)
            for field in ("name", "id", "attr", "arg", "value"):
                was, is_now = getattr(one, field, None), getattr(other, field, None)
                if isinstance(was, (str, bytes, int)):
                    # Each name becomes one other, and only private names do.
                    assert was == is_now or names.PRIVATE.fullmatch(was) and isinstance(one, ast.AST)
                    assert renamed.setdefault(was, is_now) == is_now
        assert len(set(renamed.values())) == len(renamed)
        were |= {name for name in renamed if isinstance(name, str) and names.PRIVATE.fullmatch(name)}
        are |= {name for name in renamed.values() if isinstance(name, str) and names.PRIVATE.fullmatch(name)}
    assert len(are) < len(were) / 3
