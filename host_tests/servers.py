"""What the tests run: interpreters, servers under them, and a strict reader of what a server answers.

A server runs as long as the block does:

    with Server(interpreter) as server:              # main.py on a free port, its data in a folder of its own
        answer = read_response(server.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        assert (answer.status, answer.header("content-type")) == (200, "text/html")
"""

from __future__ import annotations

import itertools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path

from tools import ROOT
from tools.answers import FIELD, Response, read_response, read_responses  # noqa: F401 - the tests have them from here

HOST = "127.0.0.1"

# A laptop starts a server in well under a second; a busy CI machine under valgrind may need many.
START_TIMEOUT_S = 120
# A stop that waits for connections to end may take as long as their deadlines.
STOP_TIMEOUT_S = 80
# The server's own longest deadline is 10 s of silence inside a body; a busy machine adds to that.
SOCKET_TIMEOUT_S = 60


class Interpreter:
    """One of the interpreters that Limpet runs on: `word` is "cpython", "amd64" or "i386", `command` its argv.

    `path` is where its MicroPython looks for modules. One with Limpet frozen into it, "frozen", looks there first.
    """

    def __init__(self, word: str, command: list[str], path: str = f"{ROOT}:.frozen"):
        self.word = word
        self.command = command
        self.path = path

    def __repr__(self) -> str:
        return f"<{self.word}>"

    def argv(self, *args, heapsize: str | None = None) -> list[str]:
        """Return the argv that runs `args`; `heapsize`, as "64k", limits MicroPython's heap and nothing on CPython."""
        heap = ["-X", f"heapsize={heapsize}"] if heapsize and self.word != "cpython" else []
        return [*self.command, *heap, *map(str, args)]

    def environment(self) -> dict[str, str]:
        """Return the environment in which `import firmware` works, and what is printed is seen at once."""
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        return {**os.environ, "MICROPYPATH": self.path, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}

    def run(self, *args, check: bool = True, heapsize: str | None = None, timeout: float = 600):
        """Run the interpreter with `args` in the project's folder; return a CompletedProcess with text output.

        `check`: raise AssertionError, showing the output, unless it exits 0. `timeout` is in seconds.
        """
        done = subprocess.run(
            self.argv(*args, heapsize=heapsize),
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
        if check and done.returncode:
            raise AssertionError(f"{self.word} exits {done.returncode}: {args}\n{done.stdout}{done.stderr}")
        return done

    def run_vectors(self, *names: str) -> None:
        """Run `host_tests/vectors/NAME.py` for each name; AssertionError with the output when a case fails."""
        self.run("host_tests/vectors/run.py", *names)


class Server:
    """A server as a process of its own, a context manager. `script` gets `--host H --port N --data DIR` and `args`.

    Attributes: `host`, `port`, `url` (ends in a slash), `data` (a Path), `process`. What it prints goes to a file, so
    that it never waits for a reader.
    """

    # Those started during the running test, for the report of its failure; conftest.py empties it.
    started: list[Server] = []

    def __init__(self, interpreter: Interpreter, *args, script="main.py", data=None, heapsize: str | None = None):
        self.interpreter = interpreter
        self.script = ROOT / script
        self.args = args
        self.heapsize = heapsize
        self.host = HOST
        self.port = 0
        self.process = None
        folder = Path(tempfile.mkdtemp(prefix="limpet-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)  # a stopped server still tells its output
        self._console = folder / "console"
        self.data = Path(data or folder / "data")

    def __repr__(self) -> str:
        return f"<{self.script.name} on {self.interpreter.word}, port {self.port}>"

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/"

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *exception) -> None:
        self.stop()

    def start(self) -> Server:
        """Start the process and return once it accepts connections; AssertionError with its output if it does not."""
        self.data.mkdir(parents=True, exist_ok=True)
        Server.started.append(self)
        for _ in range(5):
            self.port = free_port()
            options = ["--host", self.host, "--port", self.port, "--data", self.data]
            with open(self._console, "wb") as console:
                self.process = subprocess.Popen(
                    self.interpreter.argv(self.script, *options, *self.args, heapsize=self.heapsize),
                    cwd=ROOT,
                    env=self.interpreter.environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                )
            if self._wait_until_ready():
                return self
            self.stop(signal.SIGKILL)
            # Somebody else took the port in between: the one reason to try again.
            if not re.search(r"in use|EADDRINUSE|Errno (98|48)\b", self.output()):
                break
        raise AssertionError(f"{self} does not accept connections (exits {self.process.returncode}):\n{self.output()}")

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                with socket.create_connection((self.host, self.port), timeout=1) as probe:
                    # Wait for the server's own close: the slot that the probe took is free again for the test.
                    probe.shutdown(socket.SHUT_WR)
                    probe.recv(1)
            except (ConnectionRefusedError, ConnectionResetError):
                time.sleep(0.02)  # not there yet, or gone again with a connection in its backlog
                continue
            except socket.timeout:
                pass  # left open: it is there
            return self.process.poll() is None
        return False

    def stop(self, signal: int = signal.SIGTERM) -> int:
        """Send the signal unless it has ended; return its exit status (minus the signal that killed it).

        AssertionError, and the process is killed, when it goes on for STOP_TIMEOUT_S.
        """
        if self.process.poll() is None:
            self.process.send_signal(signal)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self} goes on {STOP_TIMEOUT_S} s after signal {signal}") from None

    def output(self) -> str:
        """Return what it has printed so far."""
        return self._console.read_text(encoding="utf-8", errors="replace") if self._console.exists() else ""

    def connect(self) -> socket.socket:
        """Return a new connection to it, whose every wait ends after SOCKET_TIMEOUT_S."""
        return socket.create_connection((self.host, self.port), timeout=SOCKET_TIMEOUT_S)

    def raw(self, data: bytes, half_close: bool = False) -> bytes:
        """Send `data` over a new connection, and our end of it with `half_close`; return all it answers to its end.

        A server that answers early may close before all is sent; one that resets instead of closing cleanly may lose
        its answer on the way: AssertionError.
        """
        with self.connect() as connection:
            try:
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass  # what it answered is still there to be read
            answer = b""
            try:
                while True:
                    piece = connection.recv(65536)
                    if not piece:
                        return answer
                    answer += piece
            except ConnectionResetError:
                raise AssertionError(f"the connection was reset after {answer!r}") from None
            except socket.timeout:
                raise AssertionError(f"the connection stays open after {answer!r}") from None


# Below the ports that clients get on Linux and macOS, so that no connection takes one between our look and the server's
# bind; and processes that test at the same time, whose ids are neighbours, never look at the same ones.
PORTS = itertools.cycle(random.sample(range(20000 + os.getpid() % 64, 32768, 64), k=199))


def free_port() -> int:
    """Return a TCP port that nobody used a moment ago."""
    while True:
        port = next(PORTS)
        with socket.socket() as listener:
            try:
                listener.bind((HOST, port))
                return port
            except OSError:
                continue


def cpython() -> Interpreter:
    """Return the Python that runs the tests, as an interpreter to test."""
    return Interpreter("cpython", [sys.executable])
