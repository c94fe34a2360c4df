"""An image of one's own without a chip: MicroPython's 32-bit unix port with Limpet frozen into it (tools/frozen.py).

What server/test_app.py and others (conftest.FROZEN_TOO) ask a server is asked there, too.
"""

from __future__ import annotations

import ast

import pytest

import firmware
from tools import ROOT, freeze, frozen, manifest, mpy, names

VECTORS = ROOT / "host_tests" / "vectors"
# They take a laptop's board or its test client, which no image has.
OF_LAPTOPS = {"api", "dns", "examples", "gate", "improv", "microdot", "recipes", "settings", "wifi"}


def vectors():
    """Return the names of those that an image can run: what is private has another name there."""
    found = []
    for file in sorted(VECTORS.glob("*.py")):
        tree = ast.parse(file.read_text())
        imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        looked_at = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        looked_at.update(alias.name for node in imported for alias in node.names)
        has_cases = any(isinstance(node, ast.Name) and node.id == "CASES" for node in ast.walk(tree))
        if has_cases and not any(names.PRIVATE.fullmatch(name) for name in looked_at):
            found.append(file.stem)
    return sorted(set(found) - OF_LAPTOPS)


def test_most_vectors_are_among_those():
    assert {"message", "parser", "router", "urls", "websocket"} <= set(vectors())
    assert len(vectors()) > 14


@pytest.mark.parametrize("name", vectors())
def test_vectors_hold(frozen_interpreter, name):
    frozen_interpreter.run_vectors(name)


def test_image_tells_version_and_tree_and_has_no_laptops_halves(frozen_interpreter):
    code = """
import sys
sys.path.pop(0)  # the folder here, whose files would come first
import firmware, firmware_build
print([firmware.__file__, firmware_build.VERSION, firmware_build.TREE, sys.maxsize])
for name in ("board.sim", "board.simwifi", "http.cpython", "server.cpython", "testing"):
    try:
        __import__("firmware." + name)
        print(name)
    except ImportError:
        pass
"""
    done = frozen_interpreter.run("-c", code)
    told = [firmware.VERSION, manifest.tree_hash(ROOT), 2**31 - 1]
    assert ast.literal_eval(done.stdout) == ["firmware/__init__.py", *told]


# -- what is frozen


def frozen_by(text: str, folder) -> dict[str, int]:
    """Return {path: optimisation} of what a manifest's text freezes from the staged tree in `folder`."""
    found = {}

    def package(name, base_path, opt):
        base = folder / "boards" / base_path
        found.update({file.relative_to(base).as_posix(): opt for file in (base / name).rglob("*.py")})

    def module(name, base_path, opt):
        assert (folder / "boards" / base_path / name).is_file()
        found[name] = opt

    exec(text, {"package": package, "module": module, "include": lambda path: None})
    return found


def test_manifest_has_all_that_a_deployment_has_and_no_more(tmp_path):
    freeze.stage(ROOT, tmp_path / "staged")
    found = frozen_by((freeze.BOARDS / "manifest.py").read_text(), (tmp_path / "staged").resolve())
    sent = {path[1:] for path in manifest.build(ROOT, None, manifest.SOURCE) if path.endswith(".py")}
    bundles = {f"firmware/{name}.py" for name in mpy.FROZEN_BUNDLES}
    assert set(found) == sent - set(manifest.ROOT_FILES) | bundles | {f"{manifest.FROZEN_MODULE}.py"}
    assert {f"-O{level}" for level in found.values()} == {mpy.OPTIMISATION}


def test_what_is_frozen_is_bundled_and_private_names_are_short():
    """One module for what is always there together. Other names than private ones stay: they are in flash."""
    made = freeze.modules(ROOT)
    files = manifest.modules(ROOT / "firmware")
    assert set(made) == {
        *(file.relative_to(ROOT).as_posix() for file in files),
        *(f"firmware/{name}.py" for name in mpy.FROZEN_BUNDLES),
        "firmware_build.py",
    }
    assert b"import firmware.core as it" in made["firmware/server/respond.py"]
    tree = ast.parse(made["firmware/core.py"])
    assert {"find_head", "put_json"} <= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert sum(map(len, made.values())) < sum(len(file.read_bytes()) for file in files) - 10_000


def test_stage_is_made_anew_and_its_hash_tells_a_change(tmp_path):
    before = freeze.stage(ROOT, tmp_path / "staged")
    (tmp_path / "staged" / "firmware" / "left.py").write_text("")
    assert freeze.stage(ROOT, tmp_path / "staged") == before
    assert not (tmp_path / "staged" / "firmware" / "left.py").exists()
    (tmp_path / "tree" / "firmware").mkdir(parents=True)
    (tmp_path / "tree" / "firmware" / "__init__.py").write_text('VERSION = "9.9.9"\n')
    assert freeze.stage(tmp_path / "tree", tmp_path / "staged") != before
    told = {}
    exec((tmp_path / "staged" / "firmware_build.py").read_text(), told)
    assert told["VERSION"] == "9.9.9"


# -- where it cannot be built


@pytest.fixture
def nothing_built(monkeypatch, tmp_path):
    """An empty cache, and a PATH with one folder, which is returned."""
    for name, folder in (("CACHE", "cache"), ("SOURCE", "cache/source"), ("BUILDS", "cache/builds")):
        monkeypatch.setattr(frozen, name, tmp_path / folder)
    monkeypatch.setattr(frozen, "_runtime", lambda: ["loader"])
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def program(folder, name, text="exit 0"):
    """Write a shell script."""
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_missing_programs_are_one_line_that_says_what_to_install(nothing_built):
    for name in ("apt-get", "dpkg-source", "make"):
        program(nothing_built, name)
    with pytest.raises(frozen.Unusable, match="there is no gcc"):
        frozen.make(ROOT)
    command, line = frozen.locate.__wrapped__(ROOT)
    assert command is None and "\n" not in line
    assert "apt install gcc-multilib make dpkg-dev" in line


def test_compiler_without_the_other_word_size_is_told(nothing_built):
    for name in ("apt-get", "dpkg-source", "make"):
        program(nothing_built, name)
    program(nothing_built, "gcc", "exit 1")
    with pytest.raises(frozen.Unusable, match="gcc makes no 32-bit programs"):
        frozen.make(ROOT)


def test_other_processors_are_refused(nothing_built, monkeypatch):
    monkeypatch.setattr(frozen.platform, "machine", lambda: "aarch64")
    with pytest.raises(SystemExit, match="it cannot be built on .*, aarch64"):
        frozen.locate.cache_clear()
        frozen.require(ROOT)
    frozen.locate.cache_clear()


def test_ci_installs_what_it_is_built_with():
    needed = (ROOT / ".ci" / "run").read_text()
    for name in ("gcc-multilib", "make", "dpkg-dev"):
        assert f"\nneed {name} " in needed
        assert name in frozen.INSTALL
