"""What Python makes of a text, each made once: those who rewrite a tree of modules look at the same text many times.

    parse(text) -> its syntax tree, which nobody changes      nodes(tree) -> all of it, as `ast.walk` has it
    children(node) -> those right below a node                names(text) -> its tokens that are names or keywords
    parse_or_empty(text) -> the tree, or an empty one         replaced(text, [(place(node), new text)]) -> text

Of a tree there is what somebody looks for: neither operators nor whether a name is read or set, which its node tells.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import io
import tokenize

# Of a version of all modules, and of the one before.
_TEXTS = 300

# No nodes, or the same few for all.
_PLAIN = {
    *("arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "level", "module", "n", "op", "ops", "s"),
    *("simple", "type_comment", "type_ignores"),
}


@contextlib.contextmanager
def uncollected():
    """Look for no garbage while trees are made: they have none, and each look goes through all of them.

    They go when it is done: those of one version of all modules take 100 MB.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            parse.cache_clear()
            names.cache_clear()
            gc.enable()


@functools.lru_cache(_TEXTS)
def parse(text: str) -> ast.Module:
    """Return the tree of a text. Raises SyntaxError, or ValueError for a zero byte."""
    return ast.parse(text)


def parse_or_empty(text: str) -> ast.Module:
    """Return the tree of a text, or an empty one: what is wrong with it MicroPython's compiler says."""
    try:
        return parse(text)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


def place(node: ast.AST) -> tuple[int, int, int, int]:
    """Return where a node stands: line, column, end line, end column."""
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


def replaced(text: str, edits: list[tuple[tuple[int, int, int, int], str]]) -> str:
    """Return a text with something else at places of it. What comes behind each stays on its line."""
    lines = text.encode().split(b"\n")
    for (row, column, end_row, end_column), new in sorted(edits, reverse=True):
        changed = lines[row - 1][:column] + new.encode() + lines[end_row - 1][end_column:]
        lines[row - 1 : end_row] = [changed, *[b""] * (end_row - row)]
    return b"\n".join(lines).decode()


@functools.lru_cache(None)
def _fields(kind: type) -> tuple[str, ...]:
    plain = _PLAIN | {"value"} if kind is ast.Constant else _PLAIN
    return tuple(field for field in kind._fields if field not in plain)


def children(node: ast.AST) -> list[ast.AST]:
    """Return the nodes right below one, in the order of the text's grammar."""
    found = []
    for field in _fields(node.__class__):
        value = getattr(node, field, None)
        if value.__class__ is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def walk(node: ast.AST) -> list[ast.AST]:
    """Return a node and all below it."""
    found = [node]
    for one in found:  # it grows
        found += children(one)
    return found


def nodes(tree: ast.Module) -> list[ast.AST]:
    """Return all nodes of a tree: kept with it."""
    try:
        return tree.every
    except AttributeError:
        tree.every = walk(tree)
        return tree.every


@functools.lru_cache(_TEXTS)
def names(text: str) -> list[tokenize.TokenInfo]:
    """Return the tokens of a text that are names or keywords. Raises what `tokenize` does where it is no Python."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token for token in tokens if token.type == tokenize.NAME]
