"""`python3 -m tools serve`: the laptop's server, started anew when a file changes. Works on a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from host_tests.conftest import interpreter_named
from host_tests.servers import HOST, free_port
from tools import ROOT, new
from tools.serve import OPTIONS

WAIT_S = 30


@pytest.fixture
def project(tmp_path):
    """A copy of what `serve` needs."""
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("firmware", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    shutil.copy(ROOT / "main.py", tmp_path)
    return tmp_path


class Serve:
    """The command as a process in a session of its own, as a terminal's; what it prints goes to a file."""

    def __init__(self, project, *args, cwd=None):
        self.port = free_port()
        self._console = project / "console"
        with open(self._console, "wb") as console:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tools", "serve", "--port", str(self.port), *map(str, args)],
                cwd=cwd or project,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def output(self):
        return self._console.read_text(errors="replace")

    def wait_for(self, text, times=1):
        """Return once `text` was printed so often."""
        deadline = time.monotonic() + WAIT_S
        while self.output().count(text) < times:
            assert time.monotonic() < deadline and self.process.poll() is None, self.output()
            time.sleep(0.02)

    def get(self, path="/api/status"):
        """Return the status line and all that follows it."""
        with socket.create_connection((HOST, self.port), 10) as client:
            client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b""
            while True:
                piece = client.recv(65536)
                if not piece:
                    return answer
                answer += piece

    def listens(self):
        try:
            socket.create_connection((HOST, self.port), 1).close()
        except ConnectionRefusedError:
            return False
        return True


def test_server_that_is_told_to_restart_is_there_again(project):
    with Serve(project) as serve:
        serve.wait_for("http://")
        with socket.create_connection((HOST, serve.port), 10) as client:
            client.sendall(b"POST /api/restart HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
            assert b" 202 " in client.recv(1000)
        serve.wait_for("http://", 2)
        assert b" 200 " in serve.get().split(b"\r\n")[0] + b" "


def test_changed_file_starts_the_server_anew(project):
    with Serve(project, "--host", HOST, "--data", project / "kept here") as serve:
        serve.wait_for(f"http://{HOST}:{serve.port}/\n")
        routes = project / "firmware" / "site" / "routes.py"
        routes.write_text(routes.read_text() + '\n\n@app.get("/new")\ndef new(request):\n    return {"new": True}\n')
        serve.wait_for("firmware/site/routes.py changed: starting anew.\n")
        serve.wait_for(f"http://{HOST}:{serve.port}/\n", times=2)
        assert b'"new": true' in serve.get("/new") or b'"new":true' in serve.get("/new")
        # A page is read at each request.
        (project / "firmware" / "site" / "www" / "index.html").write_text("changed page")
        assert b"changed page" in serve.get("/")
        assert serve.output().count("starting anew") == 1
    assert (project / "kept here").is_dir()


def test_broken_file_waits_until_it_is_mended(project):
    with Serve(project) as serve:
        serve.wait_for("http://")
        main = project / "main.py"
        sound = main.read_text()
        main.write_text(sound + "\n)\n")
        serve.wait_for("Ended (exit status 1); starting anew when a file changes.\n")
        assert "SyntaxError" in serve.output()
        main.write_text(sound)
        serve.wait_for(f":{serve.port}/\n", times=2)
        assert serve.get().startswith(b"HTTP/1.1 200 ")


def test_options_are_those_of_main():
    usage = subprocess.run([sys.executable, "main.py", "--help"], cwd=ROOT, capture_output=True, text=True).stdout
    assert re.findall(r"\[(--[\w-]+) (\w+)\]", usage) == [option[:2] for option in OPTIONS]


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["process", "terminal"])
def test_ctrl_c_ends_both(project, send):
    with Serve(project) as serve:
        serve.wait_for("http://")
        send(serve.process.pid, signal.SIGINT)
        assert serve.process.wait(WAIT_S) == 0
        assert serve.output() == f"http://{HOST}:{serve.port}/\nstopped\n"
        assert not serve.listens()


def test_sigterm_ends_both(project):
    with Serve(project) as serve:
        serve.wait_for("http://")
        serve.process.terminate()
        assert serve.process.wait(WAIT_S) == 0
        assert not serve.listens()


def test_first_start_that_fails_ends_the_command(project):
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with Serve(project, "--port", port) as serve:
            assert serve.process.wait(WAIT_S) == 1
            assert serve.output().startswith(f"limpet: {HOST}:{port} is in use")
            assert serve.output().count("\n") == 1


def test_option_that_main_refuses_is_wrong_usage(project):
    with Serve(project, "--port", "http") as serve:
        assert serve.process.wait(WAIT_S) == 2
        assert serve.output() == "limpet: --port is a number from 1 to 65535, not http (try --help)\n"


# -- a project of one's own


@pytest.mark.parametrize("options", [[], ["--micropython"]], ids=["cpython", "micropython"])
def test_project_is_served_and_started_anew(tmp_path, options):
    if options:
        interpreter_named("amd64")
    folder = tmp_path / "greenhouse"
    new.make(folder)
    with Serve(tmp_path, folder, *options, cwd=ROOT) as serve:
        serve.wait_for("http://")
        assert b"world" in serve.get("/api/hello")
        assert (b"micropython" in serve.get("/board/api/status")) is bool(options)
        assert (folder / ".board").is_dir()
        app = folder / "app.py"
        sound = app.read_text()
        app.write_text(sound.replace("world", "garden"))
        serve.wait_for("app.py changed: starting anew.\n")
        serve.wait_for("http://", times=2)
        assert b"garden" in serve.get("/api/hello")
        # A page is read at each request.
        (folder / "www" / "page.js").write_text("changed script")
        assert b"changed script" in serve.get("/page.js")
        app.write_text("water()\n")
        serve.wait_for("limpet: the project is left out: app.py, line 1: NameError")
        serve.wait_for("http://", times=3)
        assert b"app.py, line 1: NameError" in serve.get("/")
        app.write_text(sound)
        serve.wait_for("http://", times=4)
        (folder / "lib" / "soil.py").write_text("")
        serve.wait_for("lib/soil.py changed: starting anew.\n")
        serve.wait_for("http://", times=5)
        assert b"world" in serve.get("/api/hello")
        assert serve.output().count("starting anew") == 4
