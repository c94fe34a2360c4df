"""Fixtures that all tests share: the interpreters, and servers running under them."""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib.util
import os
import py_compile
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import httpx
import hypothesis
import pytest
from httpx._config import DEFAULT_TIMEOUT_CONFIG

from host_tests.servers import SOCKET_TIMEOUT_S, Interpreter, Server, cpython
from tools import ROOT, frozen, images, interpreters, mpy

CI = os.environ.get("CI", "false").lower() not in ("", "0", "false")

# Nothing asserts wall-clock speed; and what CI finds, everybody finds again.
hypothesis.settings.register_profile("limpet", deadline=None, derandomize=CI, print_blob=True)
hypothesis.settings.load_profile("limpet")

# httpx waits 5 s by itself, which a busy machine may well take.
for _part in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, _part, SOCKET_TIMEOUT_S)

# What was started in the background of a shell ignores Ctrl-C, and all that it starts: the servers here must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What tests start keeps nothing compiled: where a test changes a file within a second, and not its length, Python would
# take what it has kept. The project's own files are kept by what is in them (`compile_project`), the tests by pytest.
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
sys.dont_write_bytecode = False

MICROPYTHONS = ("amd64", "i386")

LIVE = "host_tests/apps/live.py"

# Whose servers run on an image of one's own, too: the 32-bit MicroPython with Limpet frozen into it.
FROZEN_TOO = (
    *("server.test_app", "server.test_connection", "server.test_incoming", "server.test_listener"),
    *("server.test_static", "server.test_stream", "server.test_websocket"),
    *("features.test_feed", "features.test_sse", "features.test_uploads"),
)
FROZEN_PATH = f".frozen:{ROOT}"
# And on the 32-bit one with the tree as `deploy` compiles it: what a board always has is one module, names are short.
COMPILED_TOO = ("server.test_app", "server.test_stream", "features.test_sse")

locate = functools.lru_cache(interpreters.locate)


def interpreter_named(word: str) -> Interpreter:
    """Return "cpython", "amd64", "i386", "frozen" or "compiled".

    A missing one fails its test in CI and skips it elsewhere.
    """
    if word == "cpython":
        return cpython()
    command, reason = frozen.locate() if word == "frozen" else locate("i386" if word == "compiled" else word)
    if command and word == "compiled":
        return Interpreter(word, command, f"{compiled_tree()}:{ROOT}:.frozen")
    if command:
        return Interpreter(word, command, FROZEN_PATH) if word == "frozen" else Interpreter(word, command)
    if CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@functools.lru_cache
def compiled_tree() -> str:
    """Return the folder with the firmware as a board has it, for the applications of the tests."""
    folder = tempfile.mkdtemp(prefix="limpet-tree-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    apps = [file.read_text(encoding="utf-8") for file in sorted((ROOT / "host_tests" / "apps").glob("*.py"))]
    mpy.compile_tree(ROOT / "firmware", Path(folder, "firmware"), "x86", None, apps, is_bundled=True)
    return folder


@pytest.fixture(scope="module", params=MICROPYTHONS)
def micropython(request) -> Interpreter:
    """MicroPython of each word size."""
    return interpreter_named(request.param)


@pytest.fixture(scope="module", params=("cpython", *MICROPYTHONS))
def interpreter(request) -> Interpreter:
    """CPython, then MicroPython of each word size."""
    return interpreter_named(request.param)


@pytest.fixture(scope="module")
def server_interpreter(request) -> Interpreter:
    """What `server` and `start_server` run on: CPython, then MicroPython; `pytest.mark.interpreters` chooses others."""
    return interpreter_named(request.param)


def pytest_generate_tests(metafunc):
    if "server_interpreter" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("interpreters")
        name = metafunc.module.__name__.partition(".")[2]
        too = [word for word, names in (("frozen", FROZEN_TOO), ("compiled", COMPILED_TOO)) if name in names]
        words = mark.args if mark else ("cpython", "amd64", *too)
        metafunc.parametrize("server_interpreter", words, indirect=True, scope="module")


# Files, without their test_, whose tests compile, measure, drive a browser, or wait for a board that is emulated.
SLOW = (
    " arguments attacks backup bench board_life boards boot deploy devices disk emulated_board examples flash"
    " frozen frozen_board guards heaps image installer lab long_lived looks memory monitor new openapi package pages"
    " partitions project project_deploy project_settings readme serve setup size slots soak tls tools update visit"
    " wifi worn "
)
# What needs one of these is not quick: it has to be fetched or built first.
SLOW_FIXTURES = {"micropython", "chromium", "browser", "frozen_interpreter", "measured"}


def is_quick(item) -> bool:
    """Tell whether a test belongs to the quick tier: on CPython, without a browser, none of those that take long."""
    words = getattr(item, "callspec", item).__dict__.get("params", {}).values()
    return not (
        f" {item.path.stem[5:]} " in SLOW
        or SLOW_FIXTURES & set(item.fixturenames)
        or {*MICROPYTHONS, "frozen"} & {word for word in words if isinstance(word, str)}
    )


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="leave out what takes long, a browser or MicroPython")


def pytest_collection_modifyitems(config, items):
    if config.getoption("quick"):
        kept = [item for item in items if is_quick(item)]
        config.hook.pytest_deselected(items=[item for item in items if not is_quick(item)])
        items[:] = kept


class Progress:
    """Names a test that fails at once, and says now and then how long the rest may take."""

    EVERY_S = 10

    def __init__(self, terminal, session):
        self.terminal, self.session = terminal, session
        self.start = self.told = time.monotonic()
        self.done = 0

    def pytest_runtest_logreport(self, report):
        self.done += report.when == "teardown"
        now = time.monotonic()
        if report.failed:
            self._say(f"{report.nodeid} failed", red=True)
        elif now - self.told > self.EVERY_S and self.done:
            left = (now - self.start) * (self.session.testscollected - self.done) / self.done
            self.told = now
            self._say(f"some {max(0, round(left))} s left")

    def _say(self, text, **markup):
        self.terminal.ensure_newline()
        self.terminal.write_line(text, **markup)


def compile_project():
    """Compile what CPython's servers import, where that has changed: without it each start takes twice as long."""
    files = [file for name in ("firmware", "host_tests/apps", "tools") for file in (ROOT / name).rglob("*.py")]
    for file in files:
        kept = Path(importlib.util.cache_from_source(file))
        head = kept.read_bytes()[:16] if kept.exists() else b""
        # importlib has: a magic number, 3 for "by hash, to be compared", the hash.
        wanted = importlib.util.MAGIC_NUMBER + b"\3\0\0\0" + importlib.util.source_hash(file.read_bytes())
        # Who may not write here does without; what is no Python is its test's business.
        if head != wanted:
            with contextlib.suppress(OSError, py_compile.PyCompileError):
                py_compile.compile(file, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)


def pytest_collection_finish(session):
    # 17,000 tests are half a million objects, and no collection of garbage finds any among them.
    gc.freeze()


def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        compile_project()
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Progress(terminal, session))


@pytest.fixture(scope="module")
def frozen_interpreter() -> Interpreter:
    """MicroPython with Limpet frozen into it."""
    return interpreter_named("frozen")


@pytest.fixture
def images_apart(monkeypatch, tmp_path):
    """The images of a test's own: none is on record, downloaded, made or released."""
    for name in ("CACHE", "OURS", "RELEASED"):
        monkeypatch.setattr(images, name, tmp_path / name.lower())
    monkeypatch.setattr(images, "TABLE", tmp_path / "images.json")


@pytest.fixture(scope="module")
def server(server_interpreter):
    """main.py, running: one process for all tests of a module."""
    with Server(server_interpreter) as running:
        yield running


@pytest.fixture(scope="module")
def live(server_interpreter):
    """The application of all that goes on for long, running."""
    with Server(server_interpreter, script=LIVE, heapsize="16m") as running:
        yield running


@pytest.fixture(scope="module", params=["plain", "hooked"])
def both(request, server_interpreter):
    """The same without hooks, then with some."""
    words = ["hooked"] if request.param == "hooked" else []
    with Server(server_interpreter, *words, script=LIVE, heapsize="16m") as running:
        yield running


@pytest.fixture
def start_server(server_interpreter):
    """A function with Server's arguments that starts one more server, ended with the test."""
    started = []

    def start(*args, interpreter=server_interpreter, **options) -> Server:
        new = Server(interpreter, *args, **options)
        started.append(new)
        return new.start()

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def start_project(start_server):
    """A function that serves a project, and returns the server and a client of it."""

    def begin(folder, **options):
        server = start_server("--project", folder, **options)
        return server, httpx.Client(base_url=server.url, headers={"Host": "localhost"}, trust_env=False)

    return begin


@pytest.fixture(scope="module")
def chromium():
    """A Chromium without a window, for all tests of a module."""
    from host_tests.browser import Browser  # few tests need it, and it takes a second

    with Browser() as running:
        yield running


@pytest.fixture
def browser(chromium, start_server):
    """The browser; its pages are closed while the test's servers still run, and may not have complained."""
    yield chromium
    chromium.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        report.sections += [(f"console of {server}", server.output()) for server in Server.started]
    return report


def pytest_runtest_logfinish():
    Server.started = [server for server in Server.started if server.process and server.process.poll() is None]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    """Tell at the end, where nobody overlooks it, what was skipped and why: mostly, that an interpreter is missing."""
    reasons = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])]
    for reason in sorted(set(reasons)):
        line = f"NOT RUN: {reasons.count(reason)} tests. {reason.replace('Skipped: ', '', 1)}"
        terminalreporter.write_line(line, red=True, bold=True)
