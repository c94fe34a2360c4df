"""Shortens private names before they are compiled: MicroPython keeps each name in RAM, once, for as long as it runs.

A `_name` is nobody's business outside of its file, so that each file can have the same few: `_a`, `_b`, ... Lines stay
where they are, so tracebacks do not suffer; public names stay what they are. Left alone is what others may see:

- a name that a file takes from a foreign object, or that stands in a text (`getattr`), unless one file alone has it;
- a name that is inherited from a class which is not in the tree.

Files whose classes inherit from one another's share their names.

    shorten({path: text of a module}, others=[texts of modules that stay as they are]) -> {path: text}

What is no Python stays as it is: MicroPython's compiler says what is wrong with it.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from string import ascii_lowercase

PRIVATE = re.compile(r"_[A-Za-z][A-Za-z0-9_]*")
# How classes call themselves; what else has attributes is somebody else.
SELVES = ("self", "cls")


class Names:
    """The private names of one module: `bound` are its own, `foreign` what it takes from elsewhere or tells in a text.

    `classes` and `bases`: the names of its classes, and of those that they inherit from.
    """

    def __init__(self, text: str):
        self.bound = set()
        self.foreign = set()
        self.classes = set()
        self.bases = set()
        self._used = set()
        self._aliases = {}
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            self.foreign.update(PRIVATE.findall(text))
            return
        texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            self._look(node, texts)
        self.bases = {self._aliases.get(name, name) for name in self.bases}
        # What is inherited, and what a module above has.
        self.foreign |= self._used - self.bound

    def _look(self, node, docstrings):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            self.bound.add(node.name)
            if isinstance(node, ast.ClassDef):
                self.classes.add(node.name)
                self.bases.update(_last_name(base) for base in node.bases)
        elif isinstance(node, ast.arg):
            self.bound.add(node.arg)
        elif isinstance(node, ast.Name):
            (self._used if isinstance(node.ctx, ast.Load) else self.bound).add(node.id)
        elif isinstance(node, ast.Attribute):
            if not (isinstance(node.value, ast.Name) and node.value.id in SELVES):
                self.foreign.add(node.attr)
            else:
                (self._used if isinstance(node.ctx, ast.Load) else self.bound).add(node.attr)
        elif isinstance(node, ast.ExceptHandler):
            self.bound.add(node.name)
        elif isinstance(node, ast.keyword):
            self.foreign.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                self.foreign.update((alias.name, alias.asname or alias.name))
                self._aliases[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.JoinedStr):
            # Python 3.11 and before give no tokens for what is in it.
            self.foreign.update(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))
            self.foreign.update(inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute))
        elif isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)) and id(node) not in docstrings:
            self.foreign.update(PRIVATE.findall(str(node.value)))


def _last_name(base) -> str | None:
    """Return by which name a class is inherited from; None for what only running it would tell."""
    if isinstance(base, ast.Attribute):
        return base.attr
    return base.id if isinstance(base, ast.Name) else None


def shorten(sources: dict, others=()) -> dict:
    """Return the modules with their private names shortened, in the same order."""
    modules = {path: Names(text) for path, text in sources.items()}
    families = _families(modules)
    homes = defaultdict(set)  # name to the families that have one of their own
    guests = defaultdict(set)  # name to those that take it from elsewhere
    for path, names in modules.items():
        for name in names.bound:
            homes[name].add(families[path])
        for name in names.foreign:
            guests[name].add(families[path])
    for text in others:
        names = Names(text)
        for name in names.bound | names.foreign:
            guests[name].add(None)
    spread = {name for name in homes if guests[name] and (len(homes[name]) > 1 or guests[name] != homes[name])}
    taken = set(homes) | set(guests)
    new = defaultdict(dict)  # family to {name: short one}
    result = {}
    for path, names in modules.items():
        family, text = families[path], sources[path]
        ours = {name for name in names.bound | names.foreign if family in homes[name] and name not in spread}
        result[path] = _rename(text, new[family], ours, taken) if ours else text
    return result


def _families(modules: dict) -> dict:
    """Return {path: path of the first of those that it shares classes with}."""
    family = {path: path for path in modules}
    for path, names in modules.items():
        for other, theirs in modules.items():
            # A base that only running it would tell may be any class.
            if names.bases & theirs.classes or None in names.bases:
                one, two = sorted((family[path], family[other]))
                family = {member: one if head == two else head for member, head in family.items()}
    return family


def _rename(text: str, short: dict[str, str], ours: set[str], taken: set[str]) -> str:
    """Return a module's text with the names `ours` as they are in `short`, where those that are new to it are added."""
    lines = text.splitlines(keepends=True)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = [token for token in tokens if token.type == tokenize.NAME and PRIVATE.fullmatch(token.string)]
    for token in found:
        if token.string in ours and token.string not in short:
            short[token.string] = _next(len(short), taken)
    for token in reversed(found):
        if token.string in ours:
            row, column = token.start
            line = lines[row - 1]
            lines[row - 1] = line[:column] + short[token.string] + line[column + len(token.string) :]
    return "".join(lines)


def _next(number: int, taken: set[str]) -> str:
    """Return short name `number`: _a to _z, then _a1 and so on, without those that are in use as they are."""
    at = 0
    while True:
        rounds, letter = divmod(at, len(ascii_lowercase))
        name = "_" + ascii_lowercase[letter] + (str(rounds) if rounds else "")
        if name not in taken:
            if number == 0:
                return name
            number -= 1
        at += 1
