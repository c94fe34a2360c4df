"""Names that MicroPython has anyway: a tree that bears them does what it did, and they take no memory."""

import builtins

import pytest

from tools import ROOT, common

COUNT = """
import micropython, sys
micropython.qstr_info()
for name in sys.argv[1:]:
    hasattr(sys, name)
micropython.qstr_info()
"""


def shorten(*texts, **options):
    return list(common.shorten(dict(enumerate(texts)), **options).values())


def run(*texts):
    """Return what the modules have made `result`, one after the other in the same names."""
    found = {}
    for text in texts:
        exec(compile(text, "module", "exec"), found)
    return found["result"]


def test_names_take_no_memory(micropython):
    both, _ = common.rom_names()
    assert len(both) > 500
    done = micropython.run("-c", COUNT, *sorted(both))
    assert len({line for line in done.stdout.splitlines() if "n_qstr" in line}) == 1, done.stdout


COUNTER = """
class Counting:
    started_at = 5

    def __init__(self, by_how_many):
        self.how_many = self.started_at
        self.by_how_many = by_how_many

    def step_on(self):
        self.how_many += self.by_how_many
        return self
"""
USER = """
text = "a sentence with how_many words."
result = Counting(2).step_on().how_many, text
"""


def test_name_is_changed_in_all_modules_alike():
    short = shorten(COUNTER, USER, public={"result"})
    assert run(*short) == run(COUNTER, USER) == (7, "a sentence with how_many words.")
    for name in ("Counting", "started_at", "by_how_many", "step_on", ".how_many"):
        assert name not in "".join(short)
    assert [len(text.splitlines()) for text in short] == [len(COUNTER.splitlines()), len(USER.splitlines())]


@pytest.mark.parametrize(
    "text",
    [
        "mine = 1\nresult = globals()['mine']\n",  # a text means it
        "def act(mine): return mine\nresult = act(mine=1)\n",  # given by keyword
        "_MINE = const(1)\n",  # the compiler puts its value in its place
        "class mine: pass\nresult = f'{mine}'\n",
        "import mine\n",
        "import another\nmine = another.mine\n",  # what is not in the tree has the name
        "print = 1\n",
    ],
)
def test_name_stays_where_it_is_known_otherwise(text):
    name = "_MINE" if "_MINE" in text else "print" if "print" in text else "mine"
    assert name in shorten(text)[0]


def test_name_of_others_stays():
    assert shorten("mine = 1\n", others=["import module\nmodule.mine\n"]) == ["mine = 1\n"]
    assert shorten("mine = 1\n", public={"mine"}) == ["mine = 1\n"]
    assert "def mine" in shorten("@app.background\nasync def mine(): pass\n")[0]  # its task's name


def test_what_is_no_python_stays():
    assert shorten("if mine:\n", "mine = 1\n") == ["if mine:\n", "mine = 1\n"]


def test_new_names_are_in_nobodys_way():
    text = "".join(f"def number_{number}(self): return {number}\n" for number in range(900))
    (short,) = shorten(text, "acos = asin\n")[:1]
    made = [line.split()[1].split("(")[0] for line in short.splitlines()]
    assert len(set(made)) == 900
    assert not set(made) & {"acos", "asin", *dir(builtins)}
    # Not enough for all: some stay what they were.
    assert any(name.startswith("number_") for name in made) and not made[0].startswith("number_")


def test_those_of_the_first_come_first():
    many = "".join(f"def number_{number}(): return number_{number}\n" for number in range(900))
    sources = {"many": many, "first": "def wanted(): pass\n"}
    assert "wanted" in common.shorten(sources)["first"]
    assert "wanted" not in common.shorten(sources, first=["first"])["first"]


def test_where_tells_what_a_board_means():
    """`tools where`, for a function of the server as the compiled tree calls it."""
    from tools import manifest, mpy, where

    package = ROOT / "firmware"
    texts = {file.relative_to(package): file.read_text() for file in manifest.modules(package)}
    beside = [(ROOT / name).read_text() for name in ("boot.py", "main.py")]
    made, short = mpy.bundled(texts, package, beside)
    assert [one.path.stem for one in made] == list(mpy.BUNDLES)
    (core,) = [one for one in made if one.path.stem == "core"]
    names = {
        (path.as_posix(), texts[path].splitlines()[line - 1].split("def ")[-1].split("(")[0]): name
        for name, path, line in core.functions(short[core.path])
    }
    told = where.translate(f'  File "firmware/core.mpy", line 1, in {names["server/slot.py", "leave"]}\n')
    assert 'File "firmware/server/slot.py", line ' in told and "in leave" in told
    assert where.translate('File "other/core.mpy", line 1, in x') == 'File "other/core.mpy", line 1, in x'
