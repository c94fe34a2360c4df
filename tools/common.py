"""Gives what is ours alone names that MicroPython has anyway: those in its image take no memory, as `names` tells.

A name that all modules of a tree mean alike is changed in all of them, so what they do stays the same. Lines stay
where they are. What stays as it is:

- what MicroPython knows, on any board (`rom_names.txt`); what is no name but a module, or a text may mean;
- what stands in the modules beside the tree, in a user's documents, or is there for a user's application (`API`).

The new names are those of `rom_names.txt` that no module has, and that nobody looks up in what it is given.

    shorten({path: text of a module}, others=[texts of modules that stay as they are], public=words) -> {path: text}
"""

from __future__ import annotations

import ast
import builtins
import io
import keyword
import re
import zlib
from collections import Counter
from pathlib import Path

from tools import arguments, syntax
from tools.arguments import FUNCTIONS

ROM = Path(__file__).with_name("rom_names.txt")

# What applications import: what is public there keeps its name. Paths within the package.
API = (
    *("http/errors.py", "http/request.py", "http/response.py", "server/app.py", "server/limits.py"),
    *("server/websocket.py", "board/__init__.py", "board/hardware.py"),
)

# A stream, a task, an iterator and a module are known by such names, whoever has made them.
_LOOKED_UP = {
    *("close", "coro", "data", "fileno", "flush", "ioctl", "next", "path", "ph_key", "read", "readinto", "readline"),
    *("register", "send", "state", "throw", "write"),
}


def shorten(sources: dict, others=(), public=frozenset(), first=()) -> dict:
    """Return the modules with the names of their own changed, in the same order.

    There are not enough names for all: those in the modules `first` (paths) come first, in their order, then
    those that are used most.
    """
    trees = {path: _parse(text) for path, text in sources.items()}
    if None in trees.values():
        return dict(sources)  # MicroPython's compiler says what is wrong with it
    both, some = rom_names()
    fixed = both | some | set(public) | {"self", "cls"} | set(dir(builtins))
    bound, words = set(), set()
    for path, tree in trees.items():
        bound |= _bound(tree)
        fixed |= _fixed(tree)
        fixed.update(*(re.findall(r"\w+", part) for part in getattr(path, "parts", ())))
        fixed |= _consts(tree)
    for text in others:
        words |= arguments.words(_parse(text) or ast.Module([], []))
    fixed |= words
    used = Counter()
    found = {path: syntax.names(text) for path, text in sources.items()}
    for tokens in found.values():
        used.update(token.string for token in tokens)
    at_first = [{token.string for token in found.get(path, ())} for path in first]
    ours = [name for name, _ in used.most_common() if name in bound - fixed and not name.startswith("__")]
    ours.sort(key=lambda name: [name not in names for names in at_first])
    taken = set(used) | words | set(public) | _LOOKED_UP
    for tree in trees.values():
        taken |= _fixed(tree)
    new = _choose(ours, trees.values(), both - taken)
    return {path: _rename(text, found[path], new) for path, text in sources.items()}


def _choose(ours: list[str], trees, targets: set[str]) -> dict[str, str]:
    """Return {name: new name}. An attribute's may be that of something that is no attribute, too."""
    attributes, others = set(), set()
    for tree in trees:
        for node in syntax.nodes(tree):
            if isinstance(node, ast.Attribute):
                attributes.add(node.attr)
            elif isinstance(node, ast.ClassDef):
                attributes |= _made_by(node.body)
            methods = node.body if isinstance(node, ast.ClassDef) else ()
            for child in syntax.children(node):
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and child not in methods:
                    others.add(child.name)
            if isinstance(node, ast.Name):
                others.add(node.id)
            elif isinstance(node, (ast.arg, ast.ExceptHandler)):
                others.add(getattr(node, "arg", None) or node.name)
            elif isinstance(node, ast.alias):
                others.update((node.name, node.asname))
            elif isinstance(node, (ast.Global, ast.Nonlocal)):
                others.update(node.names)
    new = {}
    free = {True: set(targets), False: targets - set(dir(builtins))}  # of attributes, of others
    for name in ours:
        kinds = [is_one for is_one, names in ((True, attributes), (False, others)) if name in names]
        left = free[kinds[0]] & free[kinds[-1]] if kinds else ()
        if left:
            # One name more or less shall not change all others: what stays the same is not sent anew.
            new[name] = max(left, key=lambda target: zlib.crc32(f"{name} {target}".encode()))
            for kind in kinds:
                free[kind].remove(new[name])
    return new


def api(sources: dict) -> set[str]:
    """Return the names that a tree of modules has for applications."""
    trees = [_parse(text) for path, text in sources.items() if any(path.match(pattern) for pattern in API)]
    return set().union(*map(_public, filter(None, trees)))


def rom_names() -> tuple[set[str], set[str]]:
    """Return the names that every MicroPython has in its image, and those that some have."""
    parts = re.split(r"^#.*\n", ROM.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return set(parts[-2].split()), set(parts[-1].split())


def _parse(text: str) -> ast.Module | None:
    try:
        return syntax.parse(text)
    except (SyntaxError, ValueError):
        return None


def _bound(tree: ast.Module) -> set[str]:
    """Return the names that a module gives to something and that a board keeps: those of variables are not."""
    bound = set()
    for node in syntax.nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            bound.add(node.name)
        elif isinstance(node, ast.ClassDef):
            bound |= {node.name} | _made_by(node.body)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Global):
            bound.update(node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            bound.add(node.attr)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound.update(alias.asname for alias in node.names if alias.asname)
    return bound | _made_by(tree.body)


def _fixed(tree: ast.Module) -> set[str]:
    """Return the names that a module gets from elsewhere, gives by keyword, or may mean by a text."""
    fixed = set()
    docstrings = {id(node.value) for node in syntax.nodes(tree) if isinstance(node, ast.Expr)}
    foreign = _foreign(tree)
    for node in syntax.nodes(tree):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", None) in foreign:
            fixed.add(node.attr)
        elif isinstance(node, ast.keyword):
            fixed.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # A task bears its function's name.
            if any(getattr(decorator, "attr", None) == "background" for decorator in node.decorator_list):
                fixed.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            fixed.update((node.module or "").split("."))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                fixed.update(alias.name.split("."))
        elif isinstance(node, ast.JoinedStr):
            # Python 3.11 and before give no tokens for what is in it.
            for inner in syntax.walk(node):
                fixed.update((getattr(inner, "id", None), getattr(inner, "attr", None)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)) and id(node) not in docstrings:
            text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            # A sentence is for people.
            if re.fullmatch(r"\w+(,? \w+)*", text) or " " not in text:
                fixed.update(re.findall(r"\w+", text))
    return fixed


def _foreign(tree: ast.Module) -> set[str]:
    """Return what a module calls the modules that are not in the package: an image's own, say, has other names."""
    imports = [node for node in syntax.nodes(tree) if isinstance(node, ast.Import)]
    return {alias.asname or alias.name for node in imports for alias in node.names if "." not in alias.name}


def _consts(tree: ast.Module) -> set[str]:
    """Return the names of numbers that the compiler puts in their place, since they begin with a `_`."""
    return {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(getattr(node.value, "func", None), "id", None) == "const"
        for target in node.targets
    }


def _public(tree: ast.Module) -> set[str]:
    """Return what a module has for others: its own names without a `_`, its classes', and arguments given by name."""
    public = set()
    for node in syntax.nodes(tree):
        if isinstance(node, ast.ClassDef):
            public |= _made_by(node.body)
        elif isinstance(node, FUNCTIONS):
            public.update(arg.arg for arg in [*node.args.args, *node.args.kwonlyargs] if len(arg.arg) > 1)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            public.add(node.attr)
    return {name for name in public | _made_by(tree.body) if not name.startswith("_")}


def _made_by(body) -> set[str]:
    made = set()
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            made.add(statement.name)
        elif not isinstance(statement, (ast.Import, ast.ImportFrom)):
            inner = syntax.walk(statement)
            made.update(node.id for node in inner if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    return made


def _rename(text: str, tokens: list, new: dict[str, str]) -> str:
    lines = io.StringIO(text).readlines()
    for token in reversed(tokens):
        if token.string in new and not keyword.iskeyword(token.string):
            row, column = token.start
            line = lines[row - 1]
            lines[row - 1] = line[:column] + new[token.string] + line[column + len(token.string) :]
    return "".join(lines)
