"""Writes firmware/API.md, the reference for those who write applications: `python3 -m tools api`.

It is made of the code: firmware/__init__.pyi says what is public there, docstrings say what each does. The recipes
before it are in tools/recipes.md; host_tests/tools/test_api_page.py runs them, and fails where the page is not current.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import SimpleNamespace

from tools import ROOT, console

PAGE = ROOT / "firmware" / "API.md"
RECIPES = ROOT / "tools" / "recipes.md"
FIRMWARE = ROOT / "firmware"

# Where what `firmware` exports is, in the order of the page.
EXPORTED = {
    "App": "server/app.py",
    "Request": "http/request.py",
    "Args": "http/query.py",
    "Response": "http/response.py",
    "HTTPError": "http/errors.py",
    "redirect": "features/answers.py",
    "send_file": "features/answers.py",
    "render": "features/answers.py",
    "render_file": "features/answers.py",
    "escape": "server/errors.py",
}
# What is imported from its own module: (path, names, none for all that is public).
MODULES = (
    ("settings.py", ()),
    ("sensors.py", ()),
    ("board/storage.py", ("load", "save")),
    ("server/websocket.py", ("WebSocket",)),
    ("server/limits.py", ()),
    ("http/validator.py", ("check",)),
    *((f"features/{name}.py", ()) for name in ("auth", "accounts", "sessions", "tokens", "origins", "cors", "hosts")),
    *((f"features/{name}.py", ()) for name in ("ratelimit", "security_headers", "requestid", "idempotency")),
    *((f"features/{name}.py", ()) for name in ("feed", "sse", "uploads", "multipart")),
    *((f"features/{name}.py", ()) for name in ("log", "metrics", "health", "tls")),
    ("testing.py", ()),
    ("microdot.py", ()),
)
# What a module makes for another one.
INNER = (
    *("features/auth.py: challenge User", "features/feed.py: Follower", "features/sse.py: Events"),
    *("features/log.py: escape is_plain put cut", "features/tls.py: Secure Redirect"),
    *("features/idempotency.py: Store parse_key", "features/ratelimit.py: Buckets"),
)


class Source:
    """A module's file: its docstring, and what it makes, {name: node}."""

    def __init__(self, path: Path):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        # As it stands there: an example that is all that follows a line stays indented.
        self.doc = (ast.get_docstring(tree, clean=False) or "").strip()
        self.nodes = {}
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                self.nodes[node.name] = node

    def members(self, name: str) -> dict:
        """Return the functions and the annotated attributes of a class, {name: node}."""
        found = {}
        for node in self.nodes[name].body if name in self.nodes else ():
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found[node.name] = node
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[node.target.id] = node
        return found


def page() -> str:
    """Return the text of API.md."""
    parts = [RECIPES.read_text(encoding="utf-8").rstrip(), "## Reference"]
    parts.append("Made of the docstrings by `python3 -m tools api`: change them, not this. `from firmware import ...`:")
    types = Source(FIRMWARE / "__init__.pyi")
    for name, place in EXPORTED.items():
        parts += _thing(name, Source(FIRMWARE / place), types)
    parts.append("### What has a module of its own")
    for place, names in MODULES:
        parts += _module(place, names)
    return "\n\n".join(parts) + "\n"


def _thing(name: str, source: Source, types: Source) -> list[str]:
    """Return the paragraphs about a function or class that `firmware` exports; `types`: what of it is public."""
    node = source.nodes[name]
    if not isinstance(node, ast.ClassDef):
        return [f"### {name}", _entry(name, node)]
    told = types.nodes.get(name)
    parts = [f"### {name}", (told and ast.get_docstring(told)) or ast.get_docstring(node)]
    inside, public = source.members(name), types.members(name)
    if "__init__" in public:
        parts.append(_entry(name, inside["__init__"]))
    for member in public:
        if isinstance(inside.get(member), (ast.FunctionDef, ast.AsyncFunctionDef)) and member[0] != "_":
            parts.append(_entry(f"{_lower(name)}.{member}", inside[member]))
    return parts


def _module(place: str, names: tuple[str, ...]) -> list[str]:
    """Return the paragraphs about a module: what it is for, its functions and classes."""
    path = FIRMWARE / place
    source = Source(path)
    dotted = "firmware." + place[:-3].replace("/", ".")
    inner = [word for row in INNER if row.startswith(f"{place}:") for word in row.split()[1:]]
    parts = [f"#### {dotted}", source.doc]
    stub = path.with_suffix(".pyi")
    types = Source(stub) if stub.exists() else None
    for name, node in sorted(source.nodes.items(), key=lambda item: isinstance(item[1], ast.ClassDef)):
        if name.startswith("_") or name in inner or names and name not in names:
            continue
        if types and name not in types.nodes:
            continue
        if not isinstance(node, ast.ClassDef):
            parts.append(_entry(f"{path.stem}.{name}", node))
            continue
        members = source.members(name)
        begin = members.get("__init__")
        words = _signature(begin) if begin is not None else ""
        parts.append(f"`{name}{words}`\n\n{_quoted(ast.get_docstring(node) or '')}")
        public = types.members(name) if types else members
        for member, node in members.items():
            if member[0] != "_" and member in public and ast.get_docstring(node):
                parts.append(_entry(f"{_lower(name)}.{member}", node))
    if place == "server/limits.py":
        parts[1:] = [source.doc, _limits(path)]
    return parts


def _limits(path: Path) -> str:
    """Return the limits with their reasons, which are comments."""
    rows, reason, is_inside = [], [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        is_inside = is_inside or line.startswith("class ")
        words = line.strip()
        if words.startswith("def "):
            break
        if is_inside and words.startswith("#"):
            reason.append(words[2:])
        elif is_inside and " = " in words:
            name, _, value = words.partition(" = ")
            rows.append(f"- `{name}` = {_number(value)}: {' '.join(reason)}")
            reason = []
    return "\n".join(rows)


def _number(value: str) -> str:
    """Return the value of a limit: on a board, and on a laptop where that is another one."""
    board, laptop = (
        eval(value, {"transport": SimpleNamespace(**{name: row[at] for name, row in _sides().items()})})
        for at in (0, 1)
    )
    return f"`{board}`" if board == laptop else f"`{board}` (`{laptop}` on a laptop)"


def _sides() -> dict[str, tuple[int, int]]:
    """Return the numbers of `transport` that differ, {name: (on a board, on a laptop)}."""
    text = (FIRMWARE / "server" / "transport.py").read_text(encoding="utf-8")
    found = re.findall(r'^(\w+) = (\d+) if sys\.platform == "esp32" else (\d+)$', text, re.MULTILINE)
    return {name: (int(board), int(laptop)) for name, board, laptop in found}


def _lower(name: str) -> str:
    return {"Auth": "guard", "TestClient": "client", "WebSocket": "socket"}.get(name, name.lower())


def _entry(name: str, node) -> str:
    """Return a function's signature and what it does."""
    word = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    is_property = any(isinstance(one, ast.Name) and one.id == "property" for one in node.decorator_list)
    words = "" if is_property else _signature(node)
    return f"`{word}{name}{words}`\n\n{_quoted(ast.get_docstring(node) or '')}".rstrip()


def _signature(node) -> str:
    arguments = ast.parse(ast.unparse(node)).body[0].args
    arguments.args = [arg for arg in arguments.args if arg.arg not in ("self", "cls")]
    return f"({ast.unparse(arguments)})"


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def main(argv: list[str]) -> int:
    """Run the command."""
    console.parser("api", "Write firmware/API.md anew, the reference for applications.").parse_args(argv)
    PAGE.write_bytes(page().encode())
    console.say(f"{PAGE.relative_to(ROOT)}: {len(page().splitlines())} lines.")
    return 0
