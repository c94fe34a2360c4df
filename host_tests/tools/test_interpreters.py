"""tools/interpreters.py, and the two interpreters that it finds here. Fetches nothing."""

import subprocess
import sys

import pytest

from tools import interpreters

SIZES = {"amd64": 2**63 - 1, "i386": 2**31 - 1}


def script(path, text):
    """Write an executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def answering(path, maxsize=2**63 - 1, version="1 25"):
    """Write a script that answers the probe as a MicroPython of this word size and version does."""
    return script(path, f"echo {maxsize} {version}")


def unpacked(tree, libraries="x86_64-linux-gnu", loader="ld-linux-x86-64.so.2"):
    """Make the files of an unpacked package; its loader prints how it was called, one argument a line."""
    folder = tree / "usr" / "lib" / libraries
    folder.mkdir(parents=True)
    script(folder / loader, 'printf "%s\\n" "$@"')
    (tree / "usr" / "bin").mkdir()
    (tree / "usr" / "bin" / "micropython").touch()
    return folder


@pytest.fixture
def nothing_installed(monkeypatch, tmp_path):
    """A machine without MicroPython: nothing chosen, nothing on PATH, an empty cache. Gives PATH's one folder."""
    for _, _, variable in interpreters.WORDS.values():
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(interpreters, "CACHE", tmp_path / "cache")
    return folder


def test_micropython_answers_with_the_word_size(micropython):
    answer = micropython.run("-c", "import sys; print(sys.implementation.name, sys.maxsize)").stdout.split()
    assert answer == ["micropython", str(SIZES[micropython.word])]


def test_micropython_imports_the_project_and_frozen_modules(micropython):
    micropython.run("-c", "import asyncio, firmware.http.native")


def test_micropython_heap_is_limited_by_heapsize(micropython):
    code = "import gc; print(gc.mem_free() + gc.mem_alloc())"
    assert int(micropython.run("-c", code, heapsize="64k").stdout) < 64 * 1024


def test_run_shows_the_output_of_what_failed(interpreter):
    with pytest.raises(AssertionError, match="here it is"):
        interpreter.run("-c", "raise ValueError('here it is')")
    assert interpreter.run("-c", "raise ValueError", check=False).returncode == 1


def test_vectors_that_do_not_exist_fail(interpreter):
    with pytest.raises(AssertionError, match="FAIL no_such_vectors: ImportError|FAIL no_such_vectors: ModuleNotFound"):
        interpreter.run_vectors("no_such_vectors")


@pytest.mark.parametrize("word", interpreters.WORDS)
def test_missing_interpreter_is_one_line_that_tells_what_to_do(nothing_installed, word):
    assert interpreters.find(word) is None
    command, line = interpreters.locate(word)
    assert command is None
    assert f"${interpreters.WORDS[word][2]}" in line
    assert "\n" not in line


def test_missing_interpreter_names_the_packages_to_install(nothing_installed):
    line = interpreters.locate("amd64")[1]
    assert "apt install micropython" in line
    assert "brew install micropython" in line


def test_require_without_apt_exits_with_the_line(nothing_installed):
    with pytest.raises(SystemExit, match="apt install micropython.*Not fetched: "):
        interpreters.require("amd64")


@pytest.mark.parametrize("machine", ["aarch64", "arm64", "riscv64"])
def test_fetch_on_another_processor_is_refused_in_one_line(nothing_installed, monkeypatch, machine):
    monkeypatch.setattr(interpreters.platform, "machine", lambda: machine)
    with pytest.raises(interpreters.Unusable, match=f"^there is none to fetch for .* on {machine}$"):
        interpreters.fetch("amd64")


def test_main_exits_1_when_an_interpreter_is_missing(nothing_installed, capsys):
    answering(nothing_installed / "micropython")
    assert interpreters.main([]) == 1
    printed = capsys.readouterr()
    assert printed.out == f"64-bit: {nothing_installed / 'micropython'}\n"
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("word", interpreters.WORDS)
def test_path_serves_only_its_own_word_size(nothing_installed, word):
    on_path = answering(nothing_installed / "micropython", SIZES[word])
    for other in SIZES:
        assert interpreters.find(other) == ([str(on_path)] if other == word else None)


def test_environment_comes_before_path(nothing_installed, monkeypatch, tmp_path):
    answering(nothing_installed / "micropython")
    mine = answering(tmp_path / "my own micropython")
    monkeypatch.setenv("MICROPYTHON", str(mine))
    assert interpreters.find("amd64") == [str(mine)]


@pytest.mark.parametrize(
    "answer, complaint",
    [
        ("echo 9223372036854775807 1 24", "is 1.24, older than 1.25"),
        ("echo 2147483647 1 25", "is not 64-bit"),
        ("echo 'SyntaxError: invalid micropython decorator' >&2; exit 1", "makes no native code"),
        ("echo hello", "does not answer as MicroPython does"),
        ("exit 3", "exit status 3"),
    ],
)
def test_unusable_choice_is_told_and_not_replaced(nothing_installed, monkeypatch, tmp_path, answer, complaint):
    answering(nothing_installed / "micropython")
    monkeypatch.setenv("MICROPYTHON", str(script(tmp_path / "chosen", answer)))
    command, line = interpreters.locate("amd64")
    assert command is None
    assert line.startswith("$MICROPYTHON ")
    assert complaint in line
    with pytest.raises(SystemExit, match=r"^\$MICROPYTHON is no 64-bit MicroPython"):
        interpreters.require("amd64")


def test_choice_that_does_not_exist_is_told(nothing_installed, monkeypatch):
    monkeypatch.setenv("MICROPYTHON_I386", "/no/such/file")
    assert "/no/such/file cannot run on this machine" in interpreters.locate("i386")[1]


def test_cached_interpreter_runs_by_its_own_loader(tmp_path):
    folder = unpacked(tmp_path)
    binary = tmp_path / "usr" / "bin" / "micropython"
    loader = folder / "ld-linux-x86-64.so.2"
    assert interpreters.command_in(tmp_path) == [str(loader), "--library-path", str(folder), str(binary)]


def test_half_unpacked_package_is_no_interpreter(tmp_path):
    assert interpreters.command_in(tmp_path) is None
    folder = unpacked(tmp_path)
    (folder / "ld-linux-x86-64.so.2").unlink()
    assert interpreters.command_in(tmp_path) is None


def test_wrapper_works_from_a_moved_folder_with_a_space_and_through_a_link(tmp_path):
    cache = tmp_path / "before"
    unpacked(cache / "i386", "i386-linux-gnu", "ld-linux.so.2")
    wrapper = cache / "micropython-i386"
    wrapper.write_text(interpreters.wrapper_script(interpreters.command_in(cache / "i386"), cache / "i386"))
    wrapper.chmod(0o755)
    moved = tmp_path / "a b" / "c"
    moved.parent.mkdir()
    cache.rename(moved)
    link = tmp_path / "link"
    link.symlink_to(moved / "micropython-i386")
    for program in (moved / "micropython-i386", link):
        called = subprocess.run([program, "-c", "two  words", "*"], check=True, capture_output=True, text=True).stdout
        assert called.splitlines() == [
            "--library-path",
            str(moved / "i386" / "usr" / "lib" / "i386-linux-gnu"),
            str(moved / "i386" / "usr" / "bin" / "micropython"),
            "-c",
            "two  words",
            "*",
        ]


def test_callgrind_follows_a_wrapper_script_and_only_that(tmp_path):
    wrapper = script(tmp_path / "wrapper", "true")
    assert "--trace-children=yes" in interpreters.callgrind_command([str(wrapper)])
    assert interpreters.callgrind_command([sys.executable, "-x"], "counts") == [
        "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=counts",
        sys.executable,
        "-x",
    ]


def test_mirrors_are_those_of_the_distribution_itself():
    uris = """\
'https://third.example/tools/dists/bookworm/InRelease' third 0
'http://mirror.example/pub/debian/dists/bookworm/InRelease' mirror 0
'http://mirror.example/pub/debian/dists/bookworm-updates/InRelease' mirror 0
'http://mirror.example/debian-security/dists/bookworm-security/InRelease' mirror 0
'http://mirror.example/pub/debian/dists/bookworm/main/binary-amd64/Packages.xz' mirror 0
"""
    assert interpreters.mirrors_in(uris, "debian", "bookworm") == ["http://mirror.example/pub/debian"]


def test_mirror_of_another_name_counts_by_its_release():
    uris = "'http://apt.example/copy//dists/bookworm/InRelease' a 0\n'http://apt.example/x/dists/sid/InRelease' b 0\n"
    assert interpreters.mirrors_in(uris, "debian", "bookworm") == ["http://apt.example/copy"]


@pytest.mark.parametrize(
    "release_file, releases",
    [
        ({"ID": "debian", "VERSION_CODENAME": "bookworm"}, ["bookworm", "trixie"]),
        ({"ID": "debian", "VERSION_CODENAME": "trixie"}, ["trixie"]),
        ({"ID": "linuxmint", "VERSION_CODENAME": "wilma", "UBUNTU_CODENAME": "noble"}, ["noble", "resolute"]),
    ],
)
def test_running_release_is_tried_before_its_successor(monkeypatch, release_file, releases):
    site = "http://mirror.example/" + ("ubuntu" if "UBUNTU_CODENAME" in release_file else "debian")
    monkeypatch.setattr(interpreters, "platform_release", lambda: release_file)
    monkeypatch.setattr(interpreters, "run", lambda command: f"'{site}/dists/{releases[0]}/InRelease' x 0\n")
    assert [(mirror, release) for _, mirror, release in interpreters.sources()] == [(site, name) for name in releases]


def test_no_release_has_itself_or_a_replaced_one_as_successor():
    assert not set(interpreters.SUCCESSORS.values()) & set(interpreters.SUCCESSORS)


def test_other_distributions_are_refused(monkeypatch):
    monkeypatch.setattr(interpreters, "platform_release", lambda: {"ID": "fedora"})
    with pytest.raises(interpreters.Unusable, match="neither Debian nor Ubuntu"):
        interpreters.sources()
