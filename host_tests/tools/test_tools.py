"""The command line itself, and what its commands say through tools/console.py."""

from __future__ import annotations

import importlib
import os
import pty
import subprocess
import sys

import pytest

from firmware import NAME, VERSION
from tools import ROOT, __main__, console, manifest

PROGRESS = """
import sys
from tools import console
with console.progress("Writing [b]x[/b]", 1000) as bar:
    for _ in range(10):
        bar.advance(100)
console.say("done", "green")
console.table(("name", "bytes", "note"), [("a[red]b", 1234567, None), ("c" * 200, 1, "x")])
"""


def run(*args, env=None):
    """Run the command line as a shell would; return a CompletedProcess."""
    return subprocess.run(
        [sys.executable, "-m", "tools", *args],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


# -- commands


def test_help_lists_every_command_with_what_it_does():
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for name, (line, _) in __main__.COMMANDS.items():
        assert f"  {name} " in done.stdout and line in done.stdout
        assert line.endswith(".") and len(line) < 90


def test_version_tells_the_tree_that_is_here():
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{NAME} {VERSION}, tree {manifest.tree_hash(ROOT)[:12]}\n"


def test_no_command_and_an_unknown_one_are_wrong_usage():
    for args in ((), ("fly",)):
        done = run(*args)
        assert (done.returncode, done.stdout) == (2, "")
        assert "usage: python3 -m tools COMMAND" in done.stderr
    assert done.stderr.startswith("No command is called 'fly'.")


@pytest.mark.parametrize("name", sorted(__main__.COMMANDS))
def test_command_explains_itself_and_refuses_what_it_does_not_know(name, capsys):
    if name == "flash" and sys.version_info < (3, 10):
        pytest.skip("esptool 5 needs Python 3.10")
    command = importlib.import_module(__main__.COMMANDS[name][1]).main
    for arguments, status in ((["--help"], 0), (["--no-such-option"], 2)):
        with pytest.raises(SystemExit) as exit_:
            command(arguments)
        assert exit_.value.code == status
    printed = capsys.readouterr()
    assert printed.out.startswith(f"usage: python3 -m tools {name} ")


def test_failure_is_one_line_and_exit_status_1(monkeypatch, capsys):
    def fail(argv):
        raise console.Failure("What is wrong,\n  and what to do.")

    monkeypatch.setattr(importlib.import_module("tools.devices"), "main", fail)
    assert __main__.main(["devices"]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "devices: What is wrong, and what to do.\n")


def test_missing_library_says_what_to_run(monkeypatch, capsys):
    monkeypatch.setitem(__main__.COMMANDS, "lost", ("Lost.", "no_such_library.main"))
    assert __main__.main(["lost"]) == 1
    assert "`.venv/bin/pip install -r tools/requirements.txt` brings it." in capsys.readouterr().err


def test_mistake_of_ours_is_no_missing_library(monkeypatch):
    monkeypatch.setitem(__main__.COMMANDS, "lost", ("Lost.", "tools.no_such_module"))
    with pytest.raises(ModuleNotFoundError):
        __main__.main(["lost"])


def test_commands_that_need_nothing_run_with_nothing_installed():
    """`interpreters` and `serve` are asked for before there is a .venv."""
    code = "import sys; sys.modules.update(rich=None, serial=None); from tools.__main__ import main; main(sys.argv[1:])"
    for name in ("interpreters", "serve", "package"):
        done = subprocess.run(
            [sys.executable, "-c", code, name, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=600
        )
        assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("usage: ")


# -- what they say


def on_a_terminal(env=None):
    """Run PROGRESS on a terminal of 80 columns; return what that shows."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRESS],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **(env or {})},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux's way to tell the end
            piece = b""
        if not piece:
            break
        shown += piece
    os.close(master)
    assert process.wait(60) == 0, shown
    return shown


def test_terminal_gets_colours_and_a_bar():
    shown = on_a_terminal()
    assert b"\x1b[32mdone" in shown
    assert b"Writing [b]x[/b]" in shown and b"1.0/1.0 kB" in shown


def test_no_color_is_heeded():
    assert b"\x1b[32m" not in on_a_terminal({"NO_COLOR": "1"})


def test_pipe_gets_neither_colours_nor_a_bar_and_whole_lines():
    done = subprocess.run([sys.executable, "-c", PROGRESS], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stderr == "Writing [b]x[/b]\n"
    said, head, first, second = done.stdout.splitlines()
    assert (said, head.split()) == ("done", ["name", "bytes", "note"])
    assert first.split() == ["a[red]b", "1,234,567", "-"]
    assert second.split() == ["c" * 200, "1", "x"]


def test_json_is_readable_in_any_encoding(capsys):
    console.print_json({"name": "Café", "ok": True})
    assert capsys.readouterr().out == '{\n  "name": "Caf\\u00e9",\n  "ok": true\n}\n'
