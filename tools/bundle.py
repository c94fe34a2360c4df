"""Makes one module of those that a board always has: each takes 300 bytes before its first line, as `names` tells.

What was `loader.load` there is a name of the one module's own: where two modules have the same, it bears its module's,
too. Whoever imports one of them, in the tree, imports from the one; for all others there are modules of the old names,
which are loaded by who asks for them, and take what they have from it (`stand_ins`).

A number or text that nobody sets stands where it is used, by the compiler's `const`: a name takes 8 bytes of a module,
and a module with 294 names takes 768 more than one with 293.

A module stays as it is where it needs to be one of its own: where it is passed on, or asks for its name or file.

    bundle({path: text of a module}, package, name, members) -> Bundle
    bundle.texts: {path: text}, with the new module      bundle.lines: [(path, line)] of each of its lines
    bundle.stand_ins(its text, as it is by now) -> {path: text}
"""

from __future__ import annotations

import ast
import builtins
import io
import tokenize
from pathlib import Path

from tools import syntax
from tools.arguments import COMPILERS
from tools.constants import plain_value
from tools.scopes import Module, Scopes, head, imported_by


class Unfit(Exception):
    """A module that cannot be a part of another one; the message says why."""


class Bundle:
    """What came of a tree of modules. See above."""

    def __init__(self, texts: dict, package: str, name: str, members: list[str]):
        self._name = f"{package}.{name}"
        self.path = Path(f"{name}.py")
        dotted = {path: _dotted(path, package) for path in texts}
        names = set(dotted.values())
        self._modules = {dotted[path]: Module(path, dotted[path], text, names) for path, text in texts.items()}
        self._shortcuts = _shortcuts(self._modules[package]) if package in self._modules else {}
        self._members = self._sorted([f"{package}.{member}" for member in members if f"{package}.{member}" in names])
        self._final, self._values = {}, {}
        self._scopes = {
            name: Scopes(module, self.target, names)
            for name, module in self._modules.items()
            if name in self._members or any(self._imported(module))
        }
        self._choose_values()
        self._choose_names()
        rewritten = {}
        lines, self.lines, self._made = [], [], []
        for module in self._modules.values():
            text = _Writer(self, module).text
            if module.dotted not in self._members:
                rewritten[module.path] = text
        for member in self._members:
            module = self._modules[member]
            for number, line in _dense(_Writer(self, module).text):
                lines.append(line)
                self.lines.append((module.path, number))
        if self._members:
            rewritten[self.path] = "".join(lines)
        self.texts = rewritten

    # -- what is what

    def is_member(self, dotted: str) -> bool:
        return dotted in self._members

    def target(self, dotted: str, name: str | None):
        """Return what an import means in the end: (member, None), (member, name it makes), or None: none of ours."""
        if dotted in self._modules and "." not in dotted and name in self._shortcuts:
            dotted = self._shortcuts[name]
        while dotted in self._members:
            if name is None:
                return dotted, None
            module = self._modules[dotted]
            if name in module.own:
                return dotted, name
            if name not in module.imports:
                return dotted, name  # of another library
            dotted, name = module.imports[name]
        return None

    def _imported(self, module: Module):
        """Yield what each name that a module imports from the tree means, as `target` has it."""
        for node in syntax.nodes(module.tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                yield from (self.target(*found) for found in imported_by(node, self._modules).values())

    def final(self, dotted: str, name: str) -> str:
        """Return by which name the bundle has what is `name` in a member."""
        return self._final.get((dotted, name), name)

    def uses(self, dotted: str) -> list:
        """Return the names of a module that may mean something of the bundle, as `Scopes` has them."""
        return self._scopes[dotted].uses if dotted in self._scopes else []

    def value(self, dotted: str, name: str):
        """Return what the compiler puts in the place of a member's name, or None."""
        return self._values.get((dotted, name))

    def check_names(self, dotted: str) -> None:
        """Raise Unfit where the bundle has something of a member by another name."""
        asked = {name for name, where in self._shortcuts.items() if where == dotted}
        changed = [
            new
            for (member, name), new in self._final.items()
            if member == dotted and name[0] != "_" and (not asked or name in asked)
        ]
        if changed:
            raise Unfit(f"{dotted} is asked for by its name, and others have the same names: {', '.join(changed)}")

    @property
    def name(self) -> str:
        """What it is imported as."""
        return self._name

    def _sorted(self, members: list[str]) -> list[str]:
        """Return the members in the order in which Python would have done with them."""
        done = []

        def visit(dotted):
            if dotted in seen:
                return
            seen.add(dotted)
            for node in head(self._modules[dotted].tree):
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    found = imported_by(node, set(self._modules))
                    for other, name in found.values():
                        other = self._shortcuts.get(name, other) if "." not in other else other
                        if other in members:
                            visit(other)
            done.append(dotted)

        seen = set()
        for dotted in members:
            visit(dotted)
        return done

    def _choose_values(self):
        """Find the numbers, texts and tuples of such that nobody sets, {(member, name): value}."""
        places = {dotted: at for at, dotted in enumerate(self._members)}
        kept = {(dotted, name) for dotted in self._members for name in self._modules[dotted].rebound}
        by_name, outside, used = set(), set(), {}
        for dotted, module in self._modules.items():
            by_name |= {node.value for node in _texts(module.tree)}
            for node, _, target in self.uses(dotted):
                if isinstance(node, ast.Attribute):
                    target = self.target(target[0], node.attr)
                elif isinstance(node, ast.Name) and target is None:
                    target = dotted, node.id
                if target is None or isinstance(node.ctx, ast.Load):
                    used.setdefault(target, []).append((places.get(dotted, len(places)), node.lineno))
                elif target[0] != dotted or isinstance(node.ctx, ast.Del):
                    kept.add(target)
            if dotted not in places:
                outside.update(self._imported(module))
        if not any("const" in (*self._modules[dotted].own, *_brought(self._modules[dotted])) for dotted in places):
            return
        for dotted, at in places.items():
            module = self._modules[dotted]
            asked = {name for name, where in self._shortcuts.items() if where == dotted}
            known = {}
            for node in module.tree.body:
                target = node.targets[0] if isinstance(node, ast.Assign) else None
                if not isinstance(target, ast.Name) or module.own.count(target.id) != 1:
                    continue
                value, found = plain_value(node.value, known), (dotted, target.id)
                is_asked = target.id[0] != "_" and dotted in by_name and (not asked or target.id in asked)
                # What the compiler has not read yet it does not know.
                first = min(used.get(found, [(at, node.lineno)]))
                if value is None or found in kept or is_asked or first < (at, node.lineno):
                    continue
                known[target.id] = value
                if _is_short(value) or found not in outside:
                    self._values[found] = value

    def _choose_names(self):
        makers, free, hidden, taken = {}, set(), set(), set(dir(builtins))
        for dotted in self._members:
            module = self._modules[dotted]
            for name in module.own:
                makers.setdefault(name, set()).add(dotted)
            scopes = self._scopes[dotted]
            free |= scopes.free
            hidden |= scopes.hidden
            taken |= scopes.inner
            for node in head(module.tree):
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    for alias in node.names:
                        known = alias.asname or alias.name.split(".")[0]
                        if known not in module.imports or not self.target(*module.imports[known]):
                            makers.setdefault(known, set()).add(None)
        taken |= set(makers) | free
        for name, who in makers.items():
            for dotted in who - {None}:
                is_clear = len(who) == 1 and name not in free and (dotted, name) not in hidden
                is_value = (dotted, name) in self._values
                if name in COMPILERS or is_clear and (not is_value or name.startswith("_")):
                    continue
                leaf = self._modules[dotted].leaf
                new = f"_{leaf}{name}" if name.startswith("_") else f"{'_' * is_value}{leaf}_{name}"
                while new in taken:
                    new += "_"
                taken.add(new)
                self._final[dotted, name] = new

    # -- for all others

    def stand_ins(self, text: str) -> dict:
        """Return the modules by which others know the members, for the bundle's text as it was renamed."""
        names, renamed = (list(_ordered(syntax.parse(one))) for one in (self.texts[self.path], text))
        assert len(names) == len(renamed)
        new = dict(zip(names, renamed))
        made = {}
        numbers = dict(_numbers(syntax.parse(text)))
        for dotted in self._members:
            module = self._modules[dotted]
            lines, later = [], []
            for name in dict.fromkeys(module.own):
                final = new.get(self.final(dotted, name))
                if name.startswith("_") or final is None:
                    continue
                if final.startswith("_") and final in numbers:
                    lines.append(f"{name} = {numbers[final]}\n")
                elif name in module.rebound or self.is_set(dotted, name):
                    later.append(f"    if name == {name!r}:\n        return it.{final}\n")
                else:
                    lines.append(f"{name} = it.{final}\n")
            lines.insert(0, f"import {self._name} as it\n")
            if later:
                lines += ["def __getattr__(name):\n", *later, "    raise AttributeError(name)\n"]
            made[module.path] = "".join(lines)
        return made

    def functions(self, text: str):
        """Yield (name, path, line) of each function of the bundle's text: where it was before it was bundled."""
        for node in syntax.nodes(syntax.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield (node.name, *self.lines[node.lineno - 1])

    def is_set(self, dotted: str, name: str) -> bool:
        """Tell whether other modules set a name of a member."""
        return (dotted, name) in self._made


def bundle(texts: dict, package: str, name: str, members) -> Bundle:
    """Return the tree with `members` (names within the package) in one module. Raises Unfit."""
    return Bundle(texts, package, name, list(members))


def _dotted(path: Path, package: str) -> str:
    parts = path.with_suffix("").parts
    return ".".join((package, *(parts[:-1] if parts[-1] == "__init__" else parts)))


def _shortcuts(module: Module) -> dict[str, str]:
    """Return what the package itself has of its modules, {name: module}."""
    found = {}
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for name, where in ast.literal_eval(node.value).items():
                if isinstance(where, str) and where.startswith(module.dotted + "."):
                    found[name] = where
    return found


def _ordered(tree: ast.Module):
    """Yield the names that a module makes at its head, in order."""
    for node in head(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _numbers(tree: ast.Module):
    """Yield the numbers that the compiler puts in their place, (name, expression)."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(getattr(node.value, "func", None), "id", None) == "const":
            yield node.targets[0].id, ast.unparse(node.value.args[0])


def _is_short(value) -> bool:
    """Tell whether a value takes no memory of its own, wherever it stands."""
    return isinstance(value, int) or isinstance(value, str) and len(value) < 10


def _brought(module: Module):
    """Yield the names that a module's head imports."""
    for node in head(module.tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)


def _texts(tree: ast.Module):
    """Yield the constants of a module that are text, docstrings apart."""
    docstrings = {id(node.value) for node in syntax.nodes(tree) if isinstance(node, ast.Expr)}
    for node in syntax.nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def _dense(text: str):
    """Yield (line number, line) of what is neither empty nor a comment or docstring: lines further down cost more."""
    tree = syntax.parse(text)
    lines = text.splitlines(keepends=True)
    gone = set(range(1, len(lines) + 1))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            gone -= set(range(token.start[0], token.end[0] + 1))
    for node in syntax.nodes(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1:
            for child in body:
                if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                    gone |= set(range(child.lineno, child.end_lineno + 1))
    for number, line in enumerate(lines, 1):
        if number not in gone:
            yield number, line if line.endswith("\n") else line + "\n"


class _Writer:
    """Writes a module anew, for the bundle or beside it: `text`."""

    def __init__(self, bundle: Bundle, module: Module):
        self._bundle, self._module = bundle, module
        self._is_member = bundle.is_member(module.dotted)
        self._edits = []  # (place, new text)
        self._sets = {}  # function's node to names of the bundle that it sets
        self._names = set(bundle._modules)
        for node in _texts(module.tree):
            if bundle.is_member(node.value):
                # Who asks for it by its name gets the whole.
                self._replace(node, repr(bundle.name))
                bundle.check_names(node.value)
        done = set()
        for node in module.tree.body if self._is_member else ():
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = bundle.value(module.dotted, node.targets[0].id)
                if value is not None:
                    self._replace(node.value, f"const({value!r})")
                    done.update(syntax.walk(node.value))
        for node, function, target in bundle.uses(module.dotted):
            if node not in done:
                self._use(node, function, target)
        for node in syntax.nodes(module.tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node)
            elif self._is_member and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                final = bundle.final(module.dotted, node.name)
                if final != node.name and node in list(head(module.tree)):
                    self._rename_definition(node, final)
        for function, names in self._sets.items():
            self._declare(function, names)
        self.text = syntax.replaced(module.text, self._edits)

    def _use(self, node, function, target):
        bundle, module = self._bundle, self._module
        if isinstance(node, ast.Global):
            if self._is_member:
                names = ", ".join(bundle.final(module.dotted, name) for name in node.names)
                self._replace(node, f"global {names}")
        elif target is None:
            if self._is_member and node.id in module.own:
                self._replace(node, bundle.final(module.dotted, node.id))
        elif isinstance(node, ast.Attribute):
            found = bundle.target(target[0], node.attr)
            if found is None:
                raise Unfit(f"{module.path}:{node.lineno}: {node.attr} is not of the bundle")
            final = bundle.final(*found)
            value = bundle.value(*found)
            if value is not None and not self._is_member:
                self._replace(node, repr(value))
                return
            if isinstance(node.ctx, ast.Store):
                bundle._made.append(found)
                if self._is_member and function is not None:
                    self._sets.setdefault(function, set()).add(final)
            if self._is_member:
                self._replace(node, final)
            else:
                row, end = node.end_lineno, node.end_col_offset
                self._edits.append(((row, end - len(node.attr), row, end), final))
        elif target[1] is None:
            raise Unfit(f"{module.path}:{node.lineno}: {target[0]} is passed on")
        elif self._is_member:
            self._replace(node, bundle.final(*target))

    def _import(self, node):
        found = imported_by(node, self._names)
        kept, given = [], []
        for alias in node.names:
            known = alias.asname or alias.name.split(".")[0]
            target = self._bundle.target(*found[known]) if known in found else None
            if target is None:
                kept.append(alias.name + (f" as {alias.asname}" if alias.asname else ""))
            elif self._is_member:
                given.append(None)
            elif target[1] is None:
                given.append(f"import {self._bundle.name} as {known}")
            elif self._bundle.value(*target) is not None:
                given.append(f"{known} = {self._bundle.value(*target)!r}")
            else:
                final = self._bundle.final(*target)
                given.append(f"from {self._bundle.name} import {final}" + (f" as {known}" if final != known else ""))
        if not given:
            return
        start = f"from {node.module} import " if isinstance(node, ast.ImportFrom) else "import "
        statements = [start + ", ".join(kept)] if kept else []
        self._replace(node, "; ".join([*statements, *filter(None, given)]) or "pass")

    def _rename_definition(self, node, final):
        row = node.lineno
        line = self._module.text.encode().split(b"\n")[row - 1]
        at = line.index(node.name.encode(), node.col_offset + 4)
        self._edits.append(((row, at, row, at + len(node.name.encode())), final))

    def _declare(self, function, names):
        first = function.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(function.body) > 1:
            first = function.body[1]
        text = f"global {', '.join(sorted(names))}\n{' ' * first.col_offset}"
        self._edits.append(((first.lineno, first.col_offset) * 2, text))

    def _replace(self, node, text):
        self._edits.append((syntax.place(node), text))
