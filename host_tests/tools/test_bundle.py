"""One module in the place of some: a tree does what it did, on every interpreter, and others find what they knew."""

from pathlib import Path

import pytest

from tools import ROOT, bundle, manifest, mpy, names

# Each has something that the others have, too, or that a function has as its own.
TREE = {
    "__init__.py": """
_WHERE = {"Box": "house.box"}

def __getattr__(name):
    if name in _WHERE:
        return getattr(__import__(_WHERE[name], None, None, (name,)), name)
    try:
        return __import__("house." + name, None, None, (name,))
    except ImportError:
        raise AttributeError(name)
""",
    "box.py": '''
"""A box."""

import sys
from house.state import SIZE as ROOM

_count = 1


class Box:
    """Has room."""

    room = ROOM

    def fill(self, state):
        # A comment, and an empty line.

        return [size + state for size in range(self.room)]


def make():
    return Box()


def name():
    return sys.implementation.name and "box"
''',
    "state.py": """
SIZE = 3
_count = 2
current = "off"
seen = []


def make():
    global current
    current = "on"
    return _count


def see(text):
    seen.append(text)
    return len(seen)


def name():
    make = "state"
    return make
""",
    "user.py": """
from house import box, state
from house.box import (
    Box,
    make,
)


def turn(text):
    from house.state import see as note

    state.current = text
    return note(text)


def look():
    return state.current, len(make().fill(1)), state.make(), box.name(), state.name(), Box is box.Box


def hide(see):
    return see, state.see("hidden")
""",
    "apart.py": """
from house import Box, state, user
from house.state import SIZE


def all():
    first = user.look()
    user.turn("mine")
    second = state.current
    state.current = "theirs"
    return first, second, state.current, user.hide(1), Box().fill(SIZE), state._count
""",
}
RIGHT = (("off", 3, 2, "box", "state", True), "mine", "theirs", (1, 2), [3, 4, 5], 2)
MEMBERS = ("user", "box", "state")

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from house import apart
print(apart.all())
import house.state
from house.box import Box, make
from house import user
print(house.state.SIZE, house.state.current, type(make()) is Box, user.look()[0])
"""


def tree(texts=None):
    return {Path(name): text for name, text in (texts or TREE).items()}


def made(texts=None, members=MEMBERS):
    return bundle.bundle(tree(texts), "house", "whole", members)


def lay(folder, texts):
    for path, text in texts.items():
        (folder / "house").mkdir(parents=True, exist_ok=True)
        (folder / "house" / path).write_text(text)
    return folder


@pytest.mark.parametrize("is_short", [False, True])
def test_bundle_does_what_the_modules_did(interpreter, tmp_path, is_short):
    one = made()
    texts = names.shorten(one.texts) if is_short else dict(one.texts)
    texts.update(one.stand_ins(texts[one.path]))
    (tmp_path / "program.py").write_text(PROGRAM)
    told = [
        interpreter.run(tmp_path / "program.py", lay(tmp_path / name, texts)).stdout
        for name, texts in (("plain", tree()), ("bundled", texts))
    ]
    assert told[0] == told[1] == f"{RIGHT}\n3 theirs True theirs\n"


def test_members_are_one_module():
    one = made()
    assert set(one.texts) == {Path("__init__.py"), Path("apart.py"), Path("whole.py")}
    text = one.texts[Path("whole.py")]
    # No comments, docstrings or empty lines; and whoever wants to know finds where each line was.
    assert "A box" not in text and "# A comment" not in text and "\n\n" not in text
    assert len(one.lines) == len(text.splitlines())
    path, line = one.lines[text.splitlines().index("class Box:")]
    assert TREE[path.as_posix()].splitlines()[line - 1] == "class Box:"
    assert '"house.whole"' in one.texts[Path("__init__.py")].replace("'", '"')


@pytest.mark.parametrize(
    "text",
    [
        "from house import state\nprint(state)\n",  # passed on
        "from house import state\nfor_all = [state]\n",
    ],
)
def test_module_that_is_passed_on_stays_one(text):
    with pytest.raises(bundle.Unfit):
        made({**TREE, "user.py": text})
    with pytest.raises(bundle.Unfit):
        made({**TREE, "apart.py": text})


VALUES = {
    "__init__.py": "",
    "native.py": "def const(value):\n    return value\n",
    "sizes.py": """
from house.native import const

SIZE = 3
NAMES = ("a", "b")
TEXT = "a text that is long"
_BOTH = SIZE * 2 + const(1)
_TWICE = (SIZE + 1) * 2
current = 1
found = 2
late = 4


def add():
    global current
    current += SIZE
    return NAMES, TEXT, _BOTH, _TWICE, current, found
""",
    "user.py": """
from house import sizes
from house.sizes import SIZE as ROOM, add


def look():
    return ROOM, sizes.SIZE, sizes.NAMES[1], sizes.late, add()
""",
    "apart.py": """
from house import sizes, user
from house.sizes import SIZE, TEXT


def all():
    sizes.found = 5
    sizes.late = 6
    return SIZE, TEXT, sizes.SIZE, user.look()
""",
}
VALUES_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from house import apart
print(apart.all())
import house.sizes
print(house.sizes.SIZE, house.sizes.NAMES, house.sizes.TEXT, house.sizes.current, house.sizes.found)
"""


@pytest.mark.parametrize("is_short", [False, True])
def test_value_that_nobody_sets_stands_where_it_is_used(interpreter, tmp_path, is_short):
    one = made(VALUES, ("user", "sizes", "native"))
    texts = names.shorten(one.texts) if is_short else dict(one.texts)
    texts.update(one.stand_ins(texts[one.path]))
    (tmp_path / "program.py").write_text(VALUES_PROGRAM)
    told = [
        interpreter.run(tmp_path / "program.py", lay(tmp_path / name, texts)).stdout
        for name, texts in (("plain", tree(VALUES)), ("bundled", texts))
    ]
    right = (3, "a text that is long", 3, (3, 3, "b", 6, (("a", "b"), "a text that is long", 7, 8, 4, 5)))
    assert told[0] == told[1] == f"{right}\n3 {('a', 'b')} a text that is long 4 5\n"


def test_value_that_nobody_sets_takes_no_name():
    one = made(VALUES, ("user", "sizes", "native"))
    text = one.texts[one.path]
    assert "\n_sizes_SIZE = const(3)\n" in text and "\n_sizes_NAMES = const(('a', 'b'))\n" in text
    assert "\n_TWICE = const(8)\n" in text
    # What others set, or would have to have a second time, is somewhere.
    assert "\nfound = 2\n" in text and "\nlate = 4\n" in text and "\nTEXT = " in text
    # A compiler that has not read it yet would not know it.
    first = {**VALUES, "user.py": "def look():\n    from house.sizes import SIZE\n    return SIZE\n"}
    assert "\nSIZE = 3\n" in made(first, ("user", "sizes", "native")).texts[one.path]


def test_tree_without_the_members_stays_as_it_is():
    one = made(members=("garage",))
    assert one.texts == tree()


def test_shipped_tree_is_bundled():
    """All of it: a bundle that cannot be made is left out, for the sake of those who change the tree."""
    package = ROOT / "firmware"
    texts = {file.relative_to(package): file.read_text(encoding="utf-8") for file in manifest.modules(package)}
    bundles = mpy.bundles(texts, "firmware", mpy.BUNDLES)
    assert [one.path.stem for one in bundles] == list(mpy.BUNDLES)
    for members in mpy.BUNDLES.values():
        for member in members:
            assert Path(member.replace(".", "/") + ".py") in texts, member
