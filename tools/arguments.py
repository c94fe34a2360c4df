"""Shortens names that are nobody else's: MicroPython keeps each in RAM, once, as `names` has it.

An argument is its function's own business where it is given by its place. So all functions can have the same few: the
letters that a file has no other use for. Lines stay where they are. What stays as it is:

- what is the keyword of some call, or stands in a route's pattern ("/users/<int:id>");
- what has a default, and so is likely to be given by name, in a function that others may call;
- what is known by that name otherwise, as an attribute, say: then the name is there anyway;
- all of a native function, and of one that has an f-string or another function with such a name in it.

What is made in one file and named in no other is private, too: `hide` says so with a `_`. In a library that is but for
what its documents name (`public`, their words): others may want it.

    shorten({path: text of a module}, others=[texts of modules that stay as they are]) -> {path: text}
    hide(the same, public=words) -> {path: text}
"""

from __future__ import annotations

import ast
import functools
import io
import re
from collections import Counter
from string import ascii_lowercase

from tools import syntax

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# Folders that hold an application and no library: nobody else calls what is there.
OWN = ("site", "board")

# Known to MicroPython's compiler by their names.
COMPILERS = {"const", "micropython", "ptr8", "ptr16", "ptr32"}

_PATTERN = re.compile(r"<(?:\w+:)?(\w+)>")


def shorten(sources: dict, others=()) -> dict:
    """Return the modules with their arguments shortened, in the same order."""
    trees = {path: syntax.parse_or_empty(text) for path, text in sources.items()}
    fixed = set()
    for tree in [*trees.values(), *map(syntax.parse_or_empty, others)]:
        fixed |= _fixed(tree)
    return {path: _shorten(text, trees[path], fixed, _is_own(path)) for path, text in sources.items()}


def _is_own(path) -> bool:
    return any(part in OWN for part in getattr(path, "parts", ()))


def _fixed(tree: ast.Module) -> set[str]:
    """Return the names that a module needs for something else than arguments and variables of functions."""
    fixed = {"self", "cls"}
    for node in syntax.nodes(tree):
        if isinstance(node, ast.Attribute):
            fixed.add(node.attr)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            fixed.add(node.name)
        elif isinstance(node, ast.keyword):
            fixed.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            fixed.add(node.value)
            fixed.update(_PATTERN.findall(node.value))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                fixed.update([*alias.name.split("."), alias.asname])
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            fixed.update(node.names)
    for node in _outside_functions(tree):
        if isinstance(node, ast.Name):
            fixed.add(node.id)
    return fixed


def _outside_functions(node: ast.AST):
    yield node
    for child in syntax.children(node):
        if not isinstance(child, FUNCTIONS):
            yield from _outside_functions(child)


def _shorten(text: str, tree: ast.Module, fixed: set[str], is_own: bool) -> str:
    used = {node.id for node in syntax.nodes(tree) if isinstance(node, ast.Name)} | fixed
    used |= {node.arg for node in syntax.nodes(tree) if isinstance(node, ast.arg)}
    letters = [letter for letter in ascii_lowercase if letter not in used]
    places = {}  # (line, column in bytes) to (old name, new name)
    _look(tree, fixed, is_own, False, letters, places)
    lines = text.encode().split(b"\n")
    for (row, column), (old, new) in sorted(places.items(), reverse=True):
        line = lines[row - 1]
        assert line[column : column + len(old)] == old.encode(), (old, line)
        lines[row - 1] = line[:column] + new.encode() + line[column + len(old) :]
    return b"\n".join(lines).decode()


def _look(node, fixed, is_own, is_inner, letters, places):
    """Find what is to be renamed in all functions of a node; each has the letters that those around it left."""
    for child in syntax.children(node):
        left = letters
        if isinstance(child, FUNCTIONS):
            names = [name for name in _own(child, fixed, is_own or is_inner) if _is_simple(child, name)]
            new = dict(zip(names, letters))
            left = letters[len(new) :]
            for inner in syntax.walk(child):
                name = inner.id if isinstance(inner, ast.Name) else getattr(inner, "arg", None)
                if isinstance(inner, (ast.Name, ast.arg)) and name in new:
                    places[inner.lineno, inner.col_offset] = name, new[name]
        _look(child, fixed, is_own, is_inner or isinstance(child, FUNCTIONS), left, places)


def _own(function, fixed: set[str], is_own: bool) -> list[str]:
    """Return the arguments of a function that nobody gives by name."""
    arguments = function.args
    if any(arg.annotation for arg in arguments.args):
        return []  # a native one
    name = getattr(function, "name", "_")
    is_private = is_own or name.startswith("_") and not name.startswith("__")
    found = arguments.args[: len(arguments.args) - (0 if is_private else len(arguments.defaults))]
    return [arg.arg for arg in found if arg.arg not in fixed and len(arg.arg) > 1]


def _is_simple(function, name: str) -> bool:
    """Tell whether a name means one thing in all of a function, and can be found there."""
    # These are looked up where the function is made.
    outer = [
        *function.args.defaults,
        *filter(None, function.args.kw_defaults),
        *getattr(function, "decorator_list", ()),
    ]
    if any(isinstance(node, ast.Name) and node.id == name for part in outer for node in syntax.walk(part)):
        return False
    for node in syntax.walk(function):
        if isinstance(node, FUNCTIONS) and node is not function:
            arguments = node.args
            every = [*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            if any(arg and arg.arg == name for arg in every):
                return False
        elif isinstance(node, ast.JoinedStr):
            if any(isinstance(inner, ast.Name) and inner.id == name for inner in syntax.walk(node)):
                return False
        elif isinstance(node, ast.ExceptHandler) and node.name == name:
            return False
    return True


# -- what is private without saying so


def hide(sources: dict, others=(), public=frozenset()) -> dict:
    """Return the modules with a `_` before what only they name."""
    trees = {path: syntax.parse_or_empty(text) for path, text in sources.items()}
    named = Counter()  # by how many modules
    for tree in [*trees.values(), *map(syntax.parse_or_empty, others)]:
        named.update(words(tree))
    return {
        path: _hide(text, _made(trees[path]) - (set() if _is_own(path) else public), named)
        for path, text in sources.items()
    }


def words(tree: ast.Module) -> set[str]:
    """Return all words of a module that may be a name of something."""
    words = set()
    for node in syntax.nodes(tree):
        for field in _words_of(node.__class__):
            value = getattr(node, field, None)
            if isinstance(value, str):
                words.update(value.split("."))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.update(re.findall(r"\w+", node.value))
    return words


@functools.lru_cache(None)
def _words_of(kind: type) -> tuple[str, ...]:
    """Return the fields of a kind of node that may be a name."""
    return tuple(field for field in ("id", "attr", "arg", "name", "asname", "module") if field in kind._fields)


def _made(tree: ast.Module) -> set[str]:
    """Return what a module makes at its head and names in no other way, and so is sure to be meant by its name."""
    made = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            made.add(node.name)
        elif isinstance(node, ast.Assign):
            made.update(target.id for target in node.targets if isinstance(target, ast.Name))
    for node in syntax.nodes(tree):
        if isinstance(node, ast.Attribute):
            made.discard(node.attr)
        elif isinstance(node, (ast.arg, ast.keyword)):
            made.discard(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                made -= {alias.asname, *alias.name.split(".")}
        elif isinstance(node, ast.JoinedStr):
            made -= {inner.id for inner in syntax.walk(node) if isinstance(inner, ast.Name)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
            made.discard(node.value)
    return {name for name in made - COMPILERS if not name.startswith("_")}


def _hide(text: str, made: set[str], named: Counter) -> str:
    made = {name for name in made if named[name] == 1 and not named["_" + name]}
    if not made:
        return text
    lines = io.StringIO(text).readlines()
    for token in reversed(syntax.names(text)):
        if token.string in made:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + "_" + lines[row - 1][column:]
    return "".join(lines)
