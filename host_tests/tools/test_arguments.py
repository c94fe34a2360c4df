"""Arguments and an application's own names are shortened where that changes nothing."""

import ast
from pathlib import Path

import pytest

from tools import ROOT, arguments, mpy, names


def shortened(text, others=(), path="server/x.py"):
    return arguments.shorten({Path(path): text}, others)[Path(path)]


def test_argument_given_by_place_is_short_and_lines_stay():
    text = "def f(first, second):\n    # ä\n    return [first + 'é' + second for _ in second]\n\n\nprint(f(1, 2))\n"
    assert shortened(text) == text.replace("first", "a").replace("second", "b")


@pytest.mark.parametrize(
    "text",
    [
        "def f(size):\n    return size\n\n\nf(size=1)\n",
        "def f(size):\n    return size\n\n\nroute('/x/<int:size>')\n",
        "def f(size):\n    return size\n\n\nx.size = 1\n",
        "def f(size=1):\n    return size\n",
        "def f(size: ptr8):\n    return size\n",
        "def f(size):\n    return f'{size}'\n",
        "def f(size):\n    return lambda size: size\n",
        "size = 1\n\n\ndef f(size):\n    return size\n",
        "def f(self, *sizes, **more):\n    return sizes, more\n",
        "def f(a b):\n",
    ],
    ids=["keyword", "pattern", "attribute", "default", "native", "text", "inner", "global", "stars", "no Python"],
)
def test_argument_that_may_be_known_by_its_name_stays(text):
    # In a lambda the name is its own: what is around it stays.
    assert shortened(text).split("lambda")[0] == text.split("lambda")[0]


def test_default_of_private_function_is_short():
    text = "def _f(size=1):\n    return size\n"
    assert shortened(text) == text.replace("size", "a")
    text = text.replace("_f", "f")
    assert shortened(text, path="site/x.py") == text.replace("size", "a")


def test_default_is_looked_up_outside():
    text = "def f(size):\n    def g(other, size=size):\n        return other, size\n\n    return g\n"
    assert "size=size" in shortened(text)


def test_inner_function_has_other_letters():
    text = "def f(one):\n    def g(two):\n        return one, two\n\n    return g\n"
    assert shortened(text) == text.replace("one", "a").replace("two", "b")


def test_what_only_one_file_of_an_application_names_is_private():
    one, two = "import x\n\nWORD = 1\nOTHER = 2\n\n\ndef show():\n    return WORD\n", "from site.x import OTHER\n"
    hidden = arguments.hide({Path("site/x.py"): one, Path("site/y.py"): two, Path("http/x.py"): one}, ["show()"])
    assert hidden[Path("site/x.py")] == one and hidden[Path("http/x.py")] == one
    hidden = arguments.hide({Path("http/x.py"): one, Path("site/y.py"): two}, (), {"show"})
    assert hidden[Path("http/x.py")] == one.replace("WORD", "_WORD")
    hidden = arguments.hide({Path("site/x.py"): one, Path("site/y.py"): two})
    assert hidden[Path("site/x.py")] == one.replace("WORD", "_WORD").replace("show", "_show")


def test_what_is_no_python_stays():
    for text in ("x = = 1\n", "x = (1,\n", 'x = """1\n'):
        files = {Path("site/one.py"): text, Path("site/two.py"): "seen = 1\n"}
        hidden = arguments.hide(files)
        assert arguments.shorten(hidden) == {Path("site/one.py"): text, Path("site/two.py"): "_seen = 1\n"}


def test_firmware_is_the_same_but_for_names():
    package = ROOT / "firmware"
    texts = {
        file.relative_to(package): file.read_text() for file in package.rglob("*.py") if file.name not in mpy.LAPTOPS
    }
    beside = [file.read_text() for file in ROOT.glob("*.py")]
    short = names.shorten(arguments.shorten(arguments.hide(texts, beside), beside), beside)
    for path, text in texts.items():
        before, after = list(ast.walk(ast.parse(text))), list(ast.walk(ast.parse(short[path])))
        assert [type(node) for node in before] == [type(node) for node in after]
        assert [getattr(node, "lineno", 0) for node in before] == [getattr(node, "lineno", 0) for node in after]
    assert sum(map(len, short.values())) < sum(map(len, texts.values()))
