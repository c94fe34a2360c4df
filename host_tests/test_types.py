"""Types for those who write applications: pyright, strict, finds nothing unknown in the examples."""

import ast
import subprocess
import sys

import pytest

import firmware
from host_tests.conftest import CI
from tools import ROOT

STUBS = sorted((ROOT / "firmware").rglob("*.pyi"))
# What says that it cannot run, where nobody has fetched its program.
NOT_HERE = ("npm", "nodeenv", "getaddrinfo", "Connection", "URLError")


def test_examples_have_nothing_unknown_in_them():
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable],
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if "informations" not in done.stdout and not CI and any(word in done.stdout + done.stderr for word in NOT_HERE):
        pytest.skip("pyright has no program, and cannot fetch it")
    assert done.returncode == 0 and "\n0 errors, 0 warnings" in f"\n{done.stdout}", done.stdout + done.stderr


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.relative_to(ROOT).as_posix())
def test_stub_says_what_is_there(stub):
    """Names, and names and order of arguments, are the module's own."""
    made = {}
    for module in EXPORTED if stub == ROOT / "firmware" / "__init__.pyi" else [stub.with_suffix(".py")]:
        made.update(_made(ROOT / "firmware" / module))
    told = _made(stub)
    for name in told:
        if name.startswith("_") or name in ALIASES or name.partition(".")[0] in OF_TYPES:
            continue
        assert name in made, name
        if told[name] is not None:
            # It may leave out what is for the server itself.
            assert made[name][: len(told[name])] == told[name], name


def test_all_that_has_a_type_is_exported():
    for name in _made(ROOT / "firmware" / "__init__.pyi"):
        if not name.startswith("_") and name not in ALIASES and name.partition(".")[0] not in OF_TYPES:
            assert hasattr(firmware, name.partition(".")[0]), name


# Where what `firmware` exports is.
EXPORTED = (
    *("__init__.py", "http/errors.py", "http/request.py", "http/response.py"),
    *("server/app.py", "server/errors.py", "features/answers.py"),
)
# Names of the stubs' own.
ALIASES = {"Headers", "Body", "Answer", "Value"}
OF_TYPES = {"Args", "RequestHeaders"}


def _made(path):
    """Return {name, or Class.name: its arguments, or None} of what a file makes."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found[node.name] = _arguments(node)
        elif isinstance(node, ast.ClassDef):
            found[node.name] = None
            for inner in node.body:
                if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    found[f"{node.name}.{inner.name}"] = _arguments(inner)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update({target.id: None for target in targets if isinstance(target, ast.Name)})
    return found


def _arguments(function):
    return [arg.arg for arg in function.args.args]
