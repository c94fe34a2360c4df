"""Shortens private names before they are compiled: MicroPython keeps each name in RAM, once, for as long as it runs.

A `_name` is nobody's business outside of its file, so that each file can have the same few: `_a`, `_b`, ... Lines stay
where they are, for tracebacks; public names stay what they are. So does what others may see, or a text may mean:

- what stands in a text that is no docstring, in an f-string, in an import, or is the keyword of an argument;
- what is set on another object than `self`, and what is read from one, unless this file alone has it as an attribute;
- what is used and not made here: inherited, or a builtin; and all attributes where a class comes from elsewhere.

Files whose classes inherit from one another's share their names.

    shorten({path: text of a module}, others=[texts of modules that stay as they are]) -> {path: text}

What is no Python stays as it is: MicroPython's compiler says what is wrong with it.
"""

from __future__ import annotations

import ast
import builtins
import io
import re
from collections import defaultdict
from string import ascii_lowercase, ascii_uppercase

from tools import syntax

PRIVATE = re.compile(r"_[A-Za-z][A-Za-z0-9_]*")
# What may be the beginning of a name in a text: getattr(self, "_do_" + method), "_do_%s" % method.
_BEGINNING = re.compile(r"(?<![A-Za-z0-9_])_[A-Za-z][A-Za-z0-9_]*(?=$|%|\{)")
# How classes call themselves; what else has attributes is somebody else.
SELVES = ("self", "cls")


class Names:
    """The names of one module.

    `bound`: its own; `attributes`: those of them that its classes have; `used`: by itself; `read`: from other objects;
    `fixed`: not to be renamed by anybody; `beginnings`: of such; `consts`: of numbers that are put in their place.
    `classes`, and `bases`, which those inherit from: None among them is for what only running it would tell.
    """

    def __init__(self, text: str):
        self.bound, self.attributes, self.read, self.fixed, self.beginnings = set(), set(), set(), set(), set()
        self.classes, self.bases, self.consts = set(), set(), set()
        self.used, self._imported = set(), {}
        try:
            tree = syntax.parse(text)
        except (SyntaxError, ValueError):
            self.fixed.update(PRIVATE.findall(text))
            return
        lines = (node.value for node in syntax.nodes(tree) if isinstance(node, ast.Expr))
        docstrings = {id(line) for line in lines if isinstance(line, ast.Constant)}
        for node in syntax.nodes(tree):
            if id(node) not in docstrings:
                self._look(node)
        self.bound |= self.attributes
        self.bases = {self._base(base) for base in self.bases}

    def _look(self, node):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self.bound.add(node.name)
        elif isinstance(node, ast.ClassDef):
            self.bound.add(node.name)
            self.classes.add(node.name)
            self.bases.update(node.bases)
            for statement in node.body:
                self.attributes.update(_made_by(statement))
        elif isinstance(node, ast.arg):
            self.bound.add(node.arg)
        elif isinstance(node, ast.Name):
            (self.used if isinstance(node.ctx, ast.Load) else self.bound).add(node.id)
        elif isinstance(node, ast.Attribute):
            self._look_at_attribute(node)
        elif isinstance(node, ast.Assign) and getattr(getattr(node.value, "func", None), "id", None) == "const":
            self.consts.update(target.id for target in node.targets)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            self.bound.add(node.name)
        elif isinstance(node, ast.keyword):
            self.fixed.add(node.arg)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self.fixed.update((getattr(node, "module", None) or "").split("."))
            for alias in node.names:
                self.fixed.update([*alias.name.split("."), alias.asname])
                self._imported[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.JoinedStr):
            # Python 3.11 and before give no tokens for what is in it.
            for inner in syntax.walk(node):
                self.fixed.update((getattr(inner, "id", None), getattr(inner, "attr", None)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            told = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            self.fixed.update(PRIVATE.findall(told))
            self.beginnings.update(_BEGINNING.findall(told))

    def _look_at_attribute(self, node):
        is_own = isinstance(node.value, ast.Name) and node.value.id in SELVES
        if isinstance(node.ctx, ast.Load):
            (self.used if is_own else self.read).add(node.attr)
        else:
            (self.attributes if is_own else self.fixed).add(node.attr)

    def _base(self, base) -> str | None:
        """Return by which name a class is known from which another inherits."""
        if isinstance(base, ast.Attribute):
            return base.attr
        if not isinstance(base, ast.Name):
            return None
        name = self._imported.get(base.id, base.id)
        is_known = base.id in self._imported or base.id in self.classes or hasattr(builtins, base.id)
        return name if is_known else None


def _made_by(statement) -> set[str]:
    """Return the names that a statement of a class's body makes."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {statement.name}
    return {
        node.id for node in syntax.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def shorten(sources: dict, others=()) -> dict:
    """Return the modules with their private names shortened, in the same order."""
    modules = {path: Names(text) for path, text in sources.items()}
    families = _families(modules)
    homes = defaultdict(set)  # name to the families that have one of their own
    owners = defaultdict(set)  # the same, as an attribute
    for path, names in modules.items():
        for name in names.bound:
            homes[name].add(families[path])
        for name in names.attributes:
            owners[name].add(families[path])
    fixed = _fixed(modules, families, homes, owners, [Names(text) for text in others])
    taken = fixed | set(homes)
    ours = defaultdict(set)  # family to what is renamed there
    for name in set(homes) - fixed:
        for family in homes[name]:
            ours[family].add(name)
    short = defaultdict(dict)  # family to {name: short one}
    consts = set().union(*(names.consts for names in modules.values()))
    consts -= set().union(*(names.bound - names.consts for names in modules.values()))
    return {
        path: _rename(text, short[family], ours[family], taken, consts) if ours[family] else text
        for path, text in sources.items()
        for family in [families[path]]
    }


def _fixed(modules: dict, families: dict, homes, owners, others: list[Names]) -> set[str]:
    """Return the names that nobody renames."""
    everybody = [*modules.values(), *others]
    fixed = set().union(*(names.fixed for names in everybody), *(n.bound | n.used | n.read for n in others))
    classes = set().union(*(names.classes for names in modules.values()))
    for path, names in modules.items():
        if any(base not in classes and not hasattr(builtins, base or "") for base in names.bases):
            # What is overridden there keeps its name.
            fixed |= names.attributes
        fixed |= {name for name in names.used if families[path] not in homes[name]}
        # Whose attribute is read is sure where there is but one owner, here.
        fixed |= {name for name in names.read if not homes[name] == owners[name] == {families[path]}}
    beginnings = tuple(set().union(*(names.beginnings for names in everybody)))
    return fixed | {name for name in homes if beginnings and name.startswith(beginnings)}


def _families(modules: dict) -> dict:
    """Return {path: path of the first of those that it shares classes with}."""
    family = {path: path for path in modules}
    for path, names in modules.items():
        for other, theirs in modules.items():
            # A base that only running it would tell may be any class.
            if names.bases & theirs.classes or None in names.bases and theirs.classes:
                one, two = sorted((family[path], family[other]))
                family = {member: one if head == two else head for member, head in family.items()}
    return family


def _rename(text: str, short: dict[str, str], ours: set[str], taken: set[str], consts: set[str]) -> str:
    """Return a module's text with the names `ours` as they are in `short`, where those that are new to it are added."""
    lines = io.StringIO(text).readlines()
    found = [token for token in syntax.names(text) if PRIVATE.fullmatch(token.string)]
    for token in found:
        if token.string in ours and token.string not in short:
            is_const = token.string in consts
            number = sum((name in consts) == is_const for name in short)
            short[token.string] = _next(number, taken, ascii_uppercase if is_const else ascii_lowercase)
    for token in reversed(found):
        if token.string in ours:
            row, column = token.start
            line = lines[row - 1]
            lines[row - 1] = line[:column] + short[token.string] + line[column + len(token.string) :]
    return "".join(lines)


def _next(number: int, taken: set[str], letters: str) -> str:
    """Return short name `number`: _a to _z, then _a1 and so on, without those that are in use as they are."""
    at = 0
    while True:
        rounds, letter = divmod(at, len(letters))
        name = "_" + letters[letter] + (str(rounds) if rounds else "")
        if name not in taken:
            if number == 0:
                return name
            number -= 1
        at += 1
