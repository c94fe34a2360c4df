"""Puts the numbers and texts of a module where they are used, by the compiler's `const`: a name takes 8 bytes.

That is for a `_name` that is given a value once, at the head, before it is used, and that nobody else asks for. Lines
stay where they are. What is no Python stays as it is: MicroPython's compiler says what is wrong with it.

    inline({path: text of a module}, others=[texts of modules that stay as they are]) -> {path: text}
    forget({path: text}) -> {path: text}           without imports of what the compiler knows by its name
"""

from __future__ import annotations

import ast
from collections import Counter

from tools import syntax
from tools.arguments import COMPILERS

# A module that says so stays when it is forgotten: it has native code (firmware/server/loader.py).
_KEPT = "micropython"


def inline(sources: dict, others=()) -> dict:
    """Return the modules with their constants marked."""
    trees = {path: syntax.parse_or_empty(text) for path, text in sources.items()}
    asked = set()
    for tree in [*trees.values(), *map(syntax.parse_or_empty, others)]:
        asked |= _asked(tree)
    return {path: syntax.replaced(text, _marks(trees[path], asked)) for path, text in sources.items()}


def forget(sources: dict) -> dict:
    """Return the modules without imports of what the compiler knows by its name."""
    return {path: syntax.replaced(text, _imports(syntax.parse_or_empty(text))) for path, text in sources.items()}


def plain_value(node, known: dict):
    """Return the number, text or tuple of such that an expression always is, with the `known` names; else None."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant):
            is_plain = type(part.value) in (int, str, bytes)
        elif isinstance(part, ast.Name):
            is_plain = part.id in known
        else:
            is_plain = isinstance(part, (ast.Tuple, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Load))
        if not is_plain:
            return None
    return eval(ast.unparse(node), {}, known)


def _asked(tree: ast.Module) -> set[str]:
    """Return the names that a module asks others for, or may mean by a text."""
    asked = set()
    for node in syntax.nodes(tree):
        if isinstance(node, ast.Attribute):
            asked.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            asked.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            asked.add(node.value)
    return asked


def _marks(tree: ast.Module, asked: set[str]) -> list[tuple]:
    bound, first = Counter(), {}
    for node in syntax.nodes(tree):
        if isinstance(node, ast.Name):
            bound[node.id] += not isinstance(node.ctx, ast.Load)
            if isinstance(node.ctx, ast.Load):
                first[node.id] = min(node.lineno, first.get(node.id, node.lineno))
        for field in ("arg", "name", "asname"):
            bound[getattr(node, field, None)] += 1
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            bound.update(node.names)
    known, marks = {}, []
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if not isinstance(target, ast.Name) or len(node.targets) > 1 or bound[target.id] > 1:
            continue
        is_marked = getattr(getattr(node.value, "func", None), "id", None) == "const"
        value = plain_value(node.value.args[0] if is_marked else node.value, known)
        if value is None or target.id[0] != "_" or target.id in asked:
            continue
        # What the compiler has not read yet it does not know.
        if first.get(target.id, node.lineno + 1) > node.lineno:
            known[target.id] = value
            if not is_marked:
                marks.append((syntax.place(node.value), f"const({value!r})"))
    return marks


def _imports(tree: ast.Module) -> list[tuple]:
    edits = []
    for node in tree.body:
        names = node.names if isinstance(node, ast.ImportFrom) else ()
        kept = [alias for alias in names if alias.name == _KEPT or alias.name not in COMPILERS]
        if len(kept) < len(names):
            edits.append((syntax.place(node), ast.unparse(ast.ImportFrom(node.module, kept, 0)) if kept else "pass"))
    return edits
