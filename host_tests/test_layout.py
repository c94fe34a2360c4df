"""The house is built as planned: imports point one way, files stay small, one file knows the interpreters."""

import ast
import re

import pytest

from tools import ROOT

FIRMWARE = ROOT / "firmware"
FILES = sorted([*FIRMWARE.rglob("*.py"), *(path for path in (ROOT / "main.py", ROOT / "boot.py") if path.exists())])

# What each part may import, besides itself.
BELOW = {
    "http": set(),
    "server": {"http"},
    "features": {"http", "server"},
    "board": {"http"},  # and the loader, which imports nothing but that
    "site": {"http", "server", "features", "board"},
}
# All that the protocol needs of either interpreter.
LIBRARY = {"array", "binascii", "json", "micropython", "hashlib", "random", "os", "sys"}
# Of the server; the rest is transport's.
KNOWS_INTERPRETERS = {FIRMWARE / "server" / "transport.py", FIRMWARE / "server" / "cpython.py"}
# What a file tries to import, and does without.
TRIED = {"native.py": ("micropython",), "tls.py": ("tls", "ssl"), "radio.py": ("network",), "start.py": ("network",)}

MAX_LINES = 370  # the scanner is one function, since a call in the middle of it would cost a tenth of it


def name_of(path):
    return str(path.relative_to(ROOT))


def part_of(path):
    """Return which part of the house a file is in: "http", ..., "" for the package itself, "main" above it."""
    parts = path.relative_to(ROOT).parts
    if parts[0] != "firmware":
        return "main"
    return parts[1] if len(parts) > 2 else ""


def imports_of(path):
    """Yield every module that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name_of(path)} imports relatively"
            # `from firmware import App` names a class, `from firmware.server import limits` a module.
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = (ROOT / whole.replace(".", "/")).with_suffix(".py").exists()
                is_package = (ROOT / whole.replace(".", "/")).is_dir()
                yield whole if is_module or is_package else node.module
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "__import__":
            yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))


every_file = pytest.mark.parametrize("path", FILES, ids=name_of)


def test_files_are_found():
    assert len(FILES) > 15
    assert {part_of(path) for path in FILES} >= {"http", "server", ""}
    assert "firmware.http.errors" in imports_of(FIRMWARE / "http" / "response.py")
    assert "firmware.server.transport" in imports_of(FIRMWARE / "server" / "connection.py")


@every_file
def test_imports_point_one_way(path):
    part = part_of(path)
    for module in imports_of(path):
        if module.split(".")[0] not in ("firmware", "main", "boot"):
            continue
        words = module.split(".")
        assert words[0] == "firmware", f"{name_of(path)} imports {module}"
        other = words[1] if len(words) > 1 and (FIRMWARE / words[1]).is_dir() else ""
        if part in ("main", "") or other in ("", part):
            continue
        assert other in BELOW[part] or module == "firmware.server.loader", f"{name_of(path)} imports {module}"


@every_file
def test_protocol_imports_nothing_else(path):
    if part_of(path) != "http":
        return
    for module in imports_of(path):
        assert module.startswith("firmware.http") or module in LIBRARY, f"{name_of(path)} imports {module}"


@every_file
def test_nothing_is_imported_that_boards_lack(path):
    """No typing, no dataclasses, ...: what is there in both interpreters, or what a file tries, or loads on a board."""
    if part_of(path) in ("board", "main") or path in KNOWS_INTERPRETERS:
        return
    for module in imports_of(path):
        if module.split(".")[0] == "firmware" or module in TRIED.get(path.name, ()):
            continue
        assert module in LIBRARY | {"asyncio", "errno", "gc", "io", "sys", "time"}, f"{name_of(path)} imports {module}"


@every_file
def test_only_one_file_asks_for_the_interpreter(path):
    if path in KNOWS_INTERPRETERS or part_of(path) == "board":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "sys":
            assert node.attr not in ("implementation", "platform", "version", "version_info"), name_of(path)


@every_file
def test_file_is_small(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_LINES, f"{len(lines)} lines"


@every_file
def test_file_says_what_it_is_for(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if tree.body:
        assert ast.get_docstring(tree), name_of(path)


def test_every_module_has_its_tests_or_the_readme_says_where():
    """As `http/urls` in http/test_urls.py; in a row of README's table a name is in the folder of the one before it."""
    tests = ROOT / "host_tests"
    there = {str(file.relative_to(tests).with_name(file.stem[5:])) for file in tests.rglob("test_*.py")}
    told = set()
    for row in re.findall(r"^\| (`.*`) \| (`.*`) \|$", (tests / "README.md").read_text(), re.MULTILINE):
        names, files = (re.findall(r"`([\w/.]+)`", cell) for cell in row)
        assert all((tests / name).is_file() for name in files), row
        folder = ""
        for name in names:
            folder = name[: name.rfind("/") + 1] or folder
            told.add(folder + name.rpartition("/")[2])
    modules = {str(file.relative_to(FIRMWARE).with_suffix("")) for file in FIRMWARE.rglob("*.py")}
    modules = {name for name in modules if not name.endswith("__init__")}
    assert modules - there - told == set()
    assert told - modules == set()
    assert told & there == set()


def test_tests_are_in_the_folders_of_what_they_test():
    folders = {file.parent.name for file in (ROOT / "host_tests").rglob("test_*.py")}
    assert folders == {*BELOW, "tools", "host_tests"}
