"""Private names made short: whatever a tree of modules does, it does as before."""

import ast
import re
from pathlib import Path

import pytest

from tools import ROOT, kept, mpy, names


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
        return self._step(2)._count


result = Counter().run()
'''


def test_private_names_are_short_and_lines_stay():
    (short,) = shorten(COUNTER)
    assert run(short) == run(COUNTER) == 7
    assert re.findall(r"_[a-z]\b", short) == ["_a", "_b", "_a", "_c", "_d", "_b", "_d", "_c", "_b"]
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
        "getattr(thing, '_mi' + rest)\n",
        "getattr(thing, '_mi%s' % rest)\n",
        "getattr(thing, '_mi{}'.format(rest))\n",
        "thing._mine\n",
        "f'{_mine}'\n",
        "getattr(thing, b'_mine'.decode())\n",
        "'%(_mine)s' % locals()\n",
        "from module import _mine\n",
        "from module import _mine as _yours\n",
        "from package._mine import it\n",
        "import package._mine as it\n",
        "print(f'{thing._mine}')\n",
        "print(f'{_mine}')\n",
        "print(_mine)\n",
        "class Child:\n    def get(self):\n        return self._mine\n",
        "no python _mine\n",
    ],
)
def test_name_that_somebody_else_may_mean_stays(other):
    text = "_mine = 1\n"
    assert shorten(text, other)[0] == text
    assert shorten(text, others=[other])[0] == text
    # Where it is one's own, too, it is no better.
    if not other.startswith(("class", "no", "print(_")):
        assert shorten(text + other)[0] == text + other


def test_name_that_two_files_have_of_their_own_is_short_in_both():
    assert shorten("_mine = 1\n", "class Other:\n    _mine = 2\n") == ["_a = 1\n", "class Other:\n    _a = 2\n"]
    # But not where one of them takes it from somebody, who may be the other.
    texts = ["_mine = 1\n", "_mine = 2\nprint(thing._mine)\n"]
    assert shorten(*texts) == texts


def test_attribute_that_this_file_alone_has_is_short_whoever_has_it_there():
    text = "class Node:\n    def __init__(self, _next):\n        self._next = _next\n\n\nnode = Node(None)._next\n"
    assert shorten(text)[0] == text.replace("_next", "_a")


@pytest.mark.parametrize(
    "text",
    [
        "_mark = 3\nprint(thing._mark)\n",
        "def attach(thing):\n    _mark = 3\n    thing._mark = _mark\n",
        "class Own:\n    def __init__(self, other):\n        self._mark = other._mark = 3\n",
    ],
)
def test_attribute_of_somebody_else_stays(text):
    assert shorten(text)[0] == text


@pytest.mark.parametrize("base", ["Base", "module.Base", "Renamed"])
def test_classes_of_one_family_do_not_meet_in_a_name(base):
    parent = "class Base:\n    def __init__(self):\n        self._one = 1\n        self._two = 2\n"
    child = "from module import Base\nfrom module import Base as Renamed\n\n\n"
    child += f"class Child({base}):\n    def f(self):\n        self._x = self._one\n"
    short = shorten(child, parent)
    assert "self._a = self._b" in short[0]
    assert "self._b = 1" in short[1] and "self._c = 2" in short[1]


@pytest.mark.parametrize("base", ["make()", "Alias", "Base[int]"])
def test_class_that_may_be_of_any_family_shares_the_names_of_all(base):
    parents = [f"class Base{number}:\n    def __init__(self):\n        self._n{number} = 1\n" for number in range(3)]
    child = f"Alias = Base\n\n\nclass Child({base}):\n    def f(self):\n        self._late = self._n1\n"
    short = shorten(child, *parents)
    assert "self._late = self._a\n" in short[0]
    assert [re.search(r"self\.(\S+) =", text)[1] for text in short[1:]] == ["_b", "_a", "_c"]


@pytest.mark.parametrize("base", ["core.IOQueue", "Queue"])
def test_what_a_class_from_elsewhere_may_have_stays(base):
    text = "import core\nfrom queue import Queue\n\n\n_free = 1\n\n\n"
    text += f"class Own({base}):\n    def _put(self, _item):\n        self._map = self._dequeue(_free)\n"
    text += "        super()._put(_item)\n"
    assert shorten(text)[0] == text.replace("_free", "_a").replace("_item", "_b")


def test_class_that_inherits_from_a_builtin_has_short_names():
    text = "class Own(Exception):\n    def __init__(self):\n        self._map = {}\n"
    assert shorten(text)[0] == text.replace("_map", "_a")


@pytest.mark.parametrize("line", ["\x0c", "# a\x85b\u2028c", "é = 'ü'  # ñ", "x = 1 + \\\n    2", "if True:\n\ty = 1"])
def test_lines_are_those_of_the_compiler(line):
    text = f"_first = 1\n{line}\ndef _second():\n    return _first\n"
    assert shorten(text)[0] == text.replace("_first", "_a").replace("_second", "_b")


def test_short_name_that_is_in_use_is_passed_over():
    assert shorten("_long = 1\n", "thing._a = 1\n")[0] == "_b = 1\n"


def test_there_are_more_names_than_letters():
    text = "".join(f"_name{number} = {number}\n" for number in range(60))
    found = [line.split()[0] for line in shorten(text)[0].splitlines()]
    assert len(set(found)) == 60 and found[25:28] == ["_z", "_a1", "_b1"]


def test_what_is_no_python_stays():
    assert shorten("if _x:\n")[0] == "if _x:\n"


def test_tree_is_shortened_before_it_is_compiled(tmp_path):
    (tmp_path / "main.py").write_text("from package import part\nprint(part._seen)\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "part.py").write_text("_seen = 1\n_hidden_from_all = 2\nprint(_hidden_from_all)\n")
    for folder in ("one", "two"):
        mpy.compile_tree(tmp_path / "package", tmp_path / folder / "package", "x64")
    code = (tmp_path / "one" / "package" / "part.mpy").read_bytes()
    assert b"_seen" in code and b"_hidden_from_all" not in code
    assert code == (tmp_path / "two" / "package" / "part.mpy").read_bytes()


def test_comment_beside_a_tree_is_no_reason_to_shorten_it_anew(tmp_path, monkeypatch):
    package = tmp_path / "package"
    made = []
    monkeypatch.setattr(kept, "CACHE", tmp_path / "texts")
    monkeypatch.setattr(mpy, "_rewritten", lambda texts, source, beside, is_bundled: made.append(beside) or texts)
    texts = {Path("part.py"): "_seen = 1\n"}
    for beside in ("print(part._seen)\n", "# It sees.\n\nprint(part._seen)  # all\n", "print(part._all)\n", "if:\n"):
        assert mpy.rewritten(texts, package, [beside], False) == texts
    assert made == [["print(part._seen)\n"], ["print(part._all)\n"], ["if:\n"]]


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
