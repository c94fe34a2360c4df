"""No file of the firmware imports itself by way of others: such a circle can be loaded in one order only, by chance."""

import ast

import pytest

from host_tests.test_layout import FILES
from tools import ROOT

# What loads the module whose name is its first argument.
LOADERS = ("__import__", "load", "borrow")

# Circles that are closed by an import inside a function: they load, but whoever reads one file has to read all of them.
# None is to be added.
KNOWN = {
    # What a handler has returned turns out to be a generator only when it is awaited; few are.
    ("firmware.server.chunks", "firmware.server.transport"),
    # A log loads what reads and describes its lines when somebody does that.
    ("firmware.features.log", "firmware.features.logfeed", "firmware.features.logline"),
    # What searches for a network works on the state of what watches the link, which borrows it while there is none.
    ("firmware.board.search", "firmware.board.wifi"),
    # The board's turn borrows what answers on the cable and what has counted the boots, which ask the board.
    (
        *("firmware.board", "firmware.board.boots", "firmware.board.console", "firmware.board.hardware"),
        *("firmware.board.recovery", "firmware.board.update"),
    ),
}


def module_of(path):
    """Return the name of the module in a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def targets(node):
    """Yield the modules of ours that a statement or a call imports. A package that is above one does not count."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in MODULES)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield whole if whole in MODULES else node.module
    elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", None)) in LOADERS:
        yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))


def imports_of(source):
    """Return (imports at the module's level, imports inside functions), both sets of names of ours."""
    found = set(), set()

    def visit(node, is_inside):
        for child in ast.iter_child_nodes(node):
            inside = is_inside or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            found[inside].update(name for name in targets(child) if name in MODULES)
            visit(child, inside)

    visit(ast.parse(source), False)
    return found


def circles(graph):
    """Return the sets of modules, as sorted tuples, that each reach all others of their set."""
    reached = {}
    for start in graph:
        seen, ahead = set(), list(graph[start])
        while ahead:
            name = ahead.pop()
            if name not in seen:
                seen.add(name)
                ahead += graph[name]
        reached[start] = seen
    return {
        tuple(sorted({start} | {name for name in reached[start] if start in reached[name]}))
        for start in graph
        if start in reached[start]
    }


GRAPH = {name: imports_of(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


@pytest.mark.parametrize(
    ("source", "at_head", "inside"),
    [
        ("import firmware.board as board", {"firmware.board"}, set()),
        ("from firmware.http import errors, urls", {"firmware.http.errors", "firmware.http.urls"}, set()),
        ("from firmware.http.errors import HTTPError", {"firmware.http.errors"}, set()),
        ("if True:\n from firmware.board.sim import *", {"firmware.board.sim"}, set()),
        ("class A:\n import firmware.board", {"firmware.board"}, set()),
        ("def f():\n import firmware.board", set(), {"firmware.board"}),
        ("async def f():\n if 1:\n  from firmware.http import urls", set(), {"firmware.http.urls"}),
        ("class A:\n def f(self):\n  return load('firmware.http.urls').it", set(), {"firmware.http.urls"}),
        ("f = lambda: board.borrow('firmware.http.urls')", set(), {"firmware.http.urls"}),
        ("import json, sys\nfrom array import array", set(), set()),
    ],
)
def test_imports_are_found(source, at_head, inside):
    assert imports_of(source) == (at_head, inside)


def test_circles_are_found():
    graph = {"a": "b", "b": "c", "c": "bd", "d": "e", "e": "", "f": "f"}
    assert circles(graph) == {("b", "c"), ("f",)}


def test_no_circle_at_the_head_of_modules():
    assert circles({name: at_head for name, (at_head, _) in GRAPH.items()}) == set()


def test_no_circle_through_functions_is_new():
    assert circles({name: at_head | inside for name, (at_head, inside) in GRAPH.items()}) == KNOWN
