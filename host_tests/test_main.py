"""main.py: options, the line it prints, what it says when it cannot, and how it ends."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from host_tests.servers import HOST, STOP_TIMEOUT_S, Interpreter, Server, free_port, read_response
from tools import ROOT

ALL = pytest.mark.interpreters("cpython", "amd64", "i386")
SIGNALS = [signal.SIGTERM, signal.SIGINT]
SAVE = (
    b"POST /users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: 33\r\n\r\n"
)
USER = b'{"name": "Ann", "email": "a@b.c"}'


def main(interpreter, *args):
    """Run main.py to its end; return (exit status, standard output, standard error)."""
    done = interpreter.run("main.py", *args, check=False)
    return done.returncode, done.stdout, done.stderr


def assert_serves(server):
    assert read_response(server.raw(b"GET /api/status HTTP/1.0\r\n\r\n")).status == 200


# -- starting


@ALL
def test_address_is_printed_once_it_listens(start_server):
    server = start_server()
    assert server.output() == f"http://{HOST}:{server.port}/\n"
    assert_serves(server)


@ALL
def test_nobody_else_on_this_machine_reads_the_data(start_server, tmp_path):
    """In a folder that is made, and in one that others made."""
    for data in (tmp_path / "a" / "new", tmp_path / "old"):
        data.mkdir(0o755, parents=True)
        if data.name == "new":
            data.rmdir()
        server = start_server(data=data)
        httpx.put(server.url + "api/settings", json={"hostname": "pool"}).raise_for_status()
        httpx.put(server.url + "files/folder/a.txt", content=b"a").raise_for_status()
        server.stop()
        assert data.stat().st_mode & 0o777 == 0o700
        for path in data.rglob("*"):
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


@ALL
def test_defaults_work_from_any_folder(server_interpreter, tmp_path):
    """The shortest command: no options but the port, no environment, data in `.board` here."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MICROPYPATH", "PYTHONPATH")}
    port = free_port()
    process = subprocess.Popen(
        server_interpreter.argv(ROOT / "main.py", "--port", port),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout.readline() == f"http://127.0.0.1:{port}/\n"
        with socket.create_connection((HOST, port), 10) as client:
            client.sendall(SAVE + USER)
            assert read_response(client).status == 201
        with socket.create_connection((HOST, port), 10) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert read_response(client).status == 200
        assert (tmp_path / ".board" / "users.json").exists()
        process.terminate()
        assert process.communicate(timeout=120)[0] == "stopped\n"
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


@ALL
def test_data_are_kept_where_it_is_told(start_server, tmp_path):
    server = start_server(data=tmp_path / "some where" / "else")
    assert read_response(server.raw(SAVE + USER)).status == 201
    assert json.loads((tmp_path / "some where" / "else" / "users.json").read_text())["users"][0]["name"] == "Ann"


def old_python():
    """Return the path of a Python 3.9, the oldest that Limpet runs on, or None."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [shutil.which("python3.9"), *sorted(root.glob("versions/3.9.*/bin/python3.9"))]
    return next((path for path in found if path and works(path)), None)


def works(path):
    return subprocess.run([path, "-c", ""], capture_output=True).returncode == 0


@pytest.mark.parametrize("which", ["this python", "python3.9"])
def test_bare_python_is_enough(which):
    path = sys.executable if which == "this python" else old_python()
    if path is None:
        pytest.skip("there is no python3.9 here")
    # Neither site-packages nor the environment.
    with Server(Interpreter("cpython", [str(path), "-E", "-s", "-S"])) as server:
        assert_serves(server)
        assert read_response(server.raw(SAVE + USER)).status == 201
        assert read_response(server.raw(b"GET / HTTP/1.0\r\n\r\n")).status == 200
        for word in SIGNALS:
            assert server.stop(word) == 0
            assert server.output() == f"{server.url}\nstopped\n"
            server.start()


# -- not starting


def test_help_is_printed(interpreter):
    status, out, err = main(interpreter, "--help")
    assert (status, err) == (0, "")
    assert out.startswith("usage: main.py ")
    for option in ("--host", "--port", "--data"):
        assert option in out


@pytest.mark.parametrize(
    "args, complaint",
    [
        (["--prot", "80"], "there is no --prot"),
        (["-p", "80"], "there is no -p"),
        (["serve"], "there is no serve"),
        (["---port", "80"], "there is no ---port"),
        (["--"], "there is no --"),
        (["--port"], "--port needs a value"),
        (["--port="], "--port needs a value"),
        (["--host", ""], "--host needs a value"),
        (["--data", ""], "--data needs a value"),
        (["--port", "http"], "--port is a number from 1 to 65535, not http"),
        (["--port", "0"], "--port is a number from 1 to 65535, not 0"),
        (["--port", "65536"], "--port is a number from 1 to 65535, not 65536"),
        (["--port", "-80"], "--port is a number from 1 to 65535, not -80"),
        (["--port", "8_0"], "--port is a number from 1 to 65535, not 8_0"),
        (["--port=+80"], "--port is a number from 1 to 65535, not +80"),
        (["--port", "80", "--port", "x"], "--port is a number from 1 to 65535, not x"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line_and_exit_2(interpreter, args, complaint):
    assert main(interpreter, *args) == (2, "", f"limpet: {complaint} (try --help)\n")


@ALL
def test_taken_port_is_one_line_and_exit_1(start_server, server_interpreter, tmp_path):
    server = start_server()
    status, out, err = main(server_interpreter, "--port", server.port, "--data", tmp_path)
    assert (status, out) == (1, "")
    assert err.startswith(f"limpet: 127.0.0.1:{server.port} is in use")
    assert err.count("\n") == 1
    assert_serves(server)


def test_address_of_another_machine_is_one_line_and_exit_1(interpreter, tmp_path):
    status, out, err = main(interpreter, "--host", "192.0.2.1", "--port=8080", f"--data={tmp_path}")
    assert (status, out) == (1, "")
    assert err.startswith("limpet: cannot listen on 192.0.2.1:8080: ")
    assert err.count("\n") == 1


def test_unusable_data_folder_is_one_line_and_exit_1(interpreter, tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        status, out, err = main(interpreter, "--data", path)
        assert (status, out) == (1, "")
        assert err.startswith(f"limpet: no data can be kept in {path}: ")
        assert err.count("\n") == 1


# -- ending


@ALL
@pytest.mark.parametrize("word", SIGNALS)
def test_signal_ends_it_cleanly(start_server, word):
    server = start_server()
    # Clients are accepted in order: who comes behind `fresh` and is answered shows that it was.
    with server.connect() as fresh, server.connect() as idle:
        idle.sendall(b"GET /api/led HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_response(idle).status == 200
        assert server.stop(word) == 0
        assert server.output() == f"{server.url}\nstopped\n"
        assert idle.recv(1) == b""
        assert fresh.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            server.connect()


@ALL
@pytest.mark.parametrize("word", SIGNALS)
def test_request_under_way_is_answered_before_the_end(start_server, word):
    server = start_server()
    with server.connect() as client:
        client.sendall(SAVE + USER[:10])
        # The answer to a later request: the first has been read.
        assert_serves(server)
        server.process.send_signal(word)
        client.sendall(USER[10:])
        assert read_response(client).status == 201
        assert client.recv(1) == b""
    assert server.process.wait(STOP_TIMEOUT_S) == 0
    assert server.output() == f"{server.url}\nstopped\n"
    assert json.loads((server.data / "users.json").read_text())["users"][0]["name"] == "Ann"


@ALL
def test_sigterm_twice_ends_it_cleanly(start_server):
    server = start_server()
    server.process.terminate()
    assert server.stop() == 0
    assert server.output() == f"{server.url}\nstopped\n"


@ALL
@pytest.mark.parametrize("word", SIGNALS)
def test_signal_under_load_ends_it_cleanly(start_server, word):
    server = start_server()
    ended = threading.Event()

    def ask():
        while not ended.is_set():
            try:
                with server.connect() as client:
                    client.sendall(b"GET /api/led HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    while not ended.is_set() and client.recv(4096):
                        client.sendall(b"GET /api/led HTTP/1.1\r\nHost: localhost\r\n\r\n")
            except OSError:
                ended.wait(0.01)  # it stops, or has stopped

    for _ in range(4):
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            assert_serves(server)
        try:
            assert server.stop(word) == 0
            assert server.output() == f"{server.url}\nstopped\n"
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        ended.clear()
        server.start()


@ALL
def test_address_can_be_taken_again_at_once(start_server, server_interpreter, tmp_path):
    server = start_server()
    assert read_response(server.raw(b"GET / HTTP/1.0\r\n\r\n")).status == 200  # leaves a TIME-WAIT behind
    server.stop()
    command = server_interpreter.argv("main.py", "--port", server.port, "--data", tmp_path)
    process = subprocess.Popen(
        command, cwd=ROOT, env=server_interpreter.environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == server.url + "\n"
    finally:
        process.terminate()
        process.communicate()
