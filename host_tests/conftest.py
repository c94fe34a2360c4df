"""Fixtures that all tests share: the interpreters, and servers running under them."""

from __future__ import annotations

import functools
import os
import signal

import hypothesis
import pytest

from host_tests.servers import Interpreter, Server, cpython
from tools import interpreters

CI = os.environ.get("CI", "false").lower() not in ("", "0", "false")

# Nothing asserts wall-clock speed; and what CI finds, everybody finds again.
hypothesis.settings.register_profile("limpet", deadline=None, derandomize=CI, print_blob=True)
hypothesis.settings.load_profile("limpet")

# What was started in the background of a shell ignores Ctrl-C, and all that it starts: the servers here must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

MICROPYTHONS = ("amd64", "i386")

LIVE = "host_tests/apps/live.py"

locate = functools.lru_cache(interpreters.locate)


def interpreter_named(word: str) -> Interpreter:
    """Return "cpython", "amd64" or "i386". One that is missing fails the test in CI and skips it elsewhere."""
    if word == "cpython":
        return cpython()
    command, reason = locate(word)
    if command:
        return Interpreter(word, command)
    if CI:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


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
        words = mark.args if mark else ("cpython", "amd64")
        metafunc.parametrize("server_interpreter", words, indirect=True, scope="module")


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
