"""Finds what each name of a module means: what the module makes, what it has from others, what is a function's own.

Module(path, dotted name, text, names of all modules of the tree)      Scopes(module, target, names of the tree)
"""

from __future__ import annotations

import ast
from pathlib import Path

from tools import syntax
from tools.arguments import FUNCTIONS

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_APART = (*FUNCTIONS, *COMPREHENSIONS, ast.ClassDef)


class Module:
    """A module of the tree: what it makes at its head (`own`), and what it has from others (`imports`).

    `imports`: {name: (module, None) or (module, name there)}. `rebound`: what its functions set.
    """

    def __init__(self, path: Path, dotted: str, text: str, tree_names: set[str]):
        self.path, self.dotted, self.text = path, dotted, text
        self.leaf = dotted.rpartition(".")[2]
        self.tree = syntax.parse(text)
        self.own, self.imports, self.rebound = [], {}, set()
        for node in head(self.tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self.imports.update(imported_by(node, tree_names))
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self.own.append(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.own.append(node.id)
        for node in syntax.nodes(self.tree):
            if isinstance(node, ast.Global):
                self.rebound.update(node.names)
                self.own.extend(node.names)


def head(node):
    """Yield what is done when a module is imported, functions and classes as one each."""
    todo = syntax.children(node)[::-1]
    while todo:
        child = todo.pop()
        yield child
        if not isinstance(child, _APART):
            todo += reversed(syntax.children(child))


def imported_by(node, tree_names: set[str]) -> dict:
    """Return what an import statement brings from the tree, {name: (module, None or name)}."""
    found = {}
    for alias in node.names:
        if isinstance(node, ast.Import):
            if alias.name in tree_names and alias.asname:
                found[alias.asname] = alias.name, None
        elif alias.name != "*" and node.module:
            inner = f"{node.module}.{alias.name}"
            target = (inner, None) if inner in tree_names else (node.module, alias.name)
            if target[0] in tree_names:
                found[alias.asname or alias.name] = target
    return found


class Scopes(ast.NodeVisitor):
    """Finds what each name of a module means.

    `uses`: [(node, function's node or None, target or None)] of all names that are the module's own or are imported at
    its head or in a function. `inner`: all names of functions' own. `free`: those that nobody here makes: builtins.
    `hidden`: targets whose names are those of a function's own where they are used.
    """

    def __init__(self, module: Module, target=lambda dotted, name: None, tree_names=frozenset()):
        self.module, self._target, self._tree_names = module, target, tree_names
        self.inner, self.free, self.hidden, self.uses = set(), set(), set(), []
        self._stack = []
        self.visit(module.tree)

    def _scope(self, node):
        """Return (names of a function's own, what it imports of ours)."""
        own, imports, outer = set(), {}, set()
        if isinstance(node, FUNCTIONS):
            arguments = node.args
            every = [*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            own.update(arg.arg for arg in every if arg)
        bodies = node.body if isinstance(node.body, list) else [node.body] if hasattr(node, "body") else []
        for inner in [*bodies, *(part for body in bodies for part in head(body) if not isinstance(body, ast.ClassDef))]:
            if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                own.add(inner.name)
            elif isinstance(inner, ast.Name) and isinstance(inner.ctx, (ast.Store, ast.Del)):
                own.add(inner.id)
            elif isinstance(inner, ast.ExceptHandler) and inner.name:
                own.add(inner.name)
            elif isinstance(inner, (ast.Global, ast.Nonlocal)):
                outer.update(inner.names)
            elif isinstance(inner, (ast.Import, ast.ImportFrom)):
                found = imported_by(inner, self._tree_names)
                for alias in inner.names:
                    known = alias.asname or alias.name.split(".")[0]
                    target = self._target(*found[known]) if known in found else None
                    if target:
                        imports[known] = target
                    else:
                        own.add(known)
        return own - outer, imports

    def generic_visit(self, node):
        for child in syntax.children(node):
            self.visit(child)

    def _within(self, node, scope):
        self._stack.append((node, *scope))
        self.generic_visit(node)
        self._stack.pop()

    def visit_FunctionDef(self, node):
        scope = self._scope(node)
        self.inner |= scope[0]
        outer = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        for part in outer:
            self.visit(part)
        self._stack.append((node, *scope))
        for part in node.body:
            self.visit(part)
        self._stack.pop()

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        scope = self._scope(node)
        self.inner |= scope[0]
        for part in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
            self.visit(part)
        self._stack.append((node, *scope))
        self.visit(node.body)
        self._stack.pop()

    def visit_ClassDef(self, node):
        for part in [*node.decorator_list, *node.bases]:
            self.visit(part)
        own, imports = self._scope(node)
        self._stack.append((node, own, imports))
        for part in node.body:
            self.visit(part)
        self._stack.pop()

    def _visit_comprehension(self, node):
        own = {
            name.id
            for generator in node.generators
            for name in syntax.walk(generator.target)
            if isinstance(name, ast.Name)
        }
        self.inner |= own
        self._within(node, (own, {}))

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _visit_comprehension

    def visit_Attribute(self, node):
        found = self._find(node.value) if isinstance(node.value, ast.Name) else None
        if found and found[0] and found[0][1] is None:
            self.uses.append((node, self._function(), found[0]))
            self._note(self._target(found[0][0], node.attr))
        else:
            self.generic_visit(node)

    def visit_Name(self, node):
        found = self._find(node)
        if found:
            self.uses.append((node, self._function(), found[0]))
            self._note(found[0])

    def visit_Global(self, node):
        self.uses.append((node, self._function(), None))

    def _note(self, target):
        if target and any(target[1] in own for scope, own, _ in self._stack):
            self.hidden.add(target)

    def _function(self):
        for node, _, _ in reversed(self._stack):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return node
        return None

    def _find(self, node):
        """Return (target,) of a name that is not a function's own; (None,) where it is the module's."""
        for at, (scope, own, imports) in enumerate(reversed(self._stack)):
            if isinstance(scope, ast.ClassDef) and at:
                continue
            if node.id in imports:
                return (imports[node.id],)
            if node.id in own:
                return None
        if node.id in self.module.imports:
            return (self._target(*self.module.imports[node.id]),)
        if node.id not in self.module.own:
            self.free.add(node.id)
        return (None,)
