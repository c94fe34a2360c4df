"""Mistakes in an application are said where they are made, in one line, on both interpreters."""

import re
import socket
import subprocess

import pytest

from host_tests.servers import HOST, free_port, read_response
from tools import ROOT

START = """
from firmware import App, HTTPError, Response
app = App()
other = App()
@app.get("/a")
def a(request):
    return 1
"""

ROWS = [
    ("@app.get('/a')\ndef b(request): pass", "ValueError: twice: GET /a"),
    ("app.route('/a', methods='GET')(a)", "ValueError: twice: GET /a"),
    ("Response('', 1000)", "ValueError: not a status: 1000; a status is a number from 200 to 599"),
    ("Response('', 200, 'text/plain')", "ValueError: headers are a dict, not 'text/plain'; a handler returns a body, "),
    ("for path in '/b/<x>', '/b/<y>': app.get(path)(a)", "ValueError: twice: GET /b/<y>"),
    ("app.limits.connection = 3", "ValueError: no such limit: connection"),
    ("app.static('/', 'nowhere')", "ValueError: no such folder: nowhere, in "),
    ("app.static('/', 'main.py')", "ValueError: no such folder: main.py, in "),
    ("app.get('/b/<int>')(a)", "ValueError: no name, as in <int:id>: /b/<int>"),
    ("app.mount('b', other)", "ValueError: a prefix starts with a slash: b"),
    ("app.static('b', 'firmware')", "ValueError: a prefix starts with a slash: b"),
    ("app.lazy(('/b',), 'nowhere'); app.get('b')(a)", "ValueError: a route starts with a slash: b"),
]


@pytest.mark.parametrize("code, said", ROWS, ids=lambda value: value[:24])
def test_mistake_is_said_in_one_line(interpreter, code, said):
    done = interpreter.run("-c", f"{START}{code}\napp.run('{HOST}', {free_port()})", check=False)
    assert done.returncode == 1
    assert done.stderr.strip().split("\n")[-1].startswith(said), done.stdout + done.stderr


def test_what_is_no_mistake_is_none(interpreter):
    code = """
import asyncio
from firmware.features import auth
app.put("/a")(a)
app.get("/<int:a>")(a)
app.get("/<name>")(a)
app.mount("", other)
app.mount("/", App())
app.static("/", "firmware")

async def take(request):
    pass

def wrapped(handler):
    def call(request):
        return handler(request)
    return call

app.put("/b", stream=True)(take)
app.put("/c", stream=True)(wrapped(take))

@app.put("/e", stream=True)
async def back(request):
    async for part in request.stream():
        yield bytes(part)

app.put("/d", stream=True, schema=None)(take)
from firmware.server import opening
app.limits.connections = 3
opening.derive(app.limits)
opening.derive(app.limits)
print("fine")
"""
    assert interpreter.run("-c", START + code).stdout == "fine\n"


ASK = """
from firmware.testing import TestClient

def handle(request):
    %s

app.get("/x")(handle)
with TestClient(app) as client:
    print(client.get("/x").status)
"""


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("return 'a', 'b'", "'b'"),
        ("return 'a', True", "True"),
        ("return 'a', 600", "600"),
        ("return 'a', 1200", "1200"),
        ("return 'a', 100", "100"),
        ("return {}, 'b'", "'b'"),
        ("return {}, 1200", "1200"),
        ("return {}, -200", "-200"),
        ("return Response('a', 1200)", "1200"),
        ("raise HTTPError(700)", "700"),
        ("raise HTTPError('Nobody is here.')", "'Nobody is here.'"),
    ],
)
def test_status_that_is_none_is_told_with_what_is_allowed(interpreter, line, wrong):
    said = interpreter.run("-c", START + ASK % line).stdout
    told = f"not a status: {wrong}; a status is a number from 200 to 599, and a handler returns a body, (body, status)"
    assert told in said and "GET b'/x'" in said and said.endswith("\n500\n"), said


@pytest.mark.parametrize("line", ["return {}, -200", "return 'a', -200"])
def test_status_that_is_none_is_told_as_it_is_under_fixed_lines(interpreter, line):
    protect = "from firmware.features import security_headers\nsecurity_headers.protect(app)\n"
    said = interpreter.run("-c", START + protect + ASK % line).stdout
    assert "not a status: -200; " in said and said.endswith("\n500\n"), said


def test_one_method_may_be_a_text(interpreter):
    code = ASK.replace("app.get", "app.route").replace('"/x")(', '"/x", "POST")(').replace(".get(", ".post(")
    assert interpreter.run("-c", START + code % "return 1, 2, 3, 4, 5").stdout.endswith("\n500\n")
    assert interpreter.run("-c", START + code % "return {}").stdout == "200\n"


def test_plain_handler_of_a_stream_is_named(interpreter):
    """It may answer at once, so that it is a word and no end."""
    said = interpreter.run("-c", START + "app.put('/b', stream=True)(a)").stdout
    assert said == "limpet: stream=True on a, which is not async: it cannot read the body\n"


def test_port_that_is_in_use_is_one_line(interpreter):
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        done = interpreter.run("-c", f"{START}app.run('{HOST}', {port})", check=False)
    line = f"limpet: {HOST}:{port} is in use: choose another port, or end what listens there\n"
    assert (done.returncode, done.stdout + done.stderr) == (1, line)


def test_browser_on_this_machine_sees_the_traceback(interpreter):
    port = free_port()
    code = f"""{START}
@app.get("/raise")
def fail(request):
    raise ValueError("<it> went wrong")
app.run('127.0.0.1', {port})
"""
    process = subprocess.Popen(
        interpreter.argv("-c", code), cwd=ROOT, env=interpreter.environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline()
        answers = []
        for path, accept, address in (
            ("/raise", "text/html", HOST),
            ("/raise", "application/json", HOST),
            ("/raise", "text/html", "127.0.0.2"),
            ("/a", "text/html", HOST),
        ):
            with socket.create_connection((HOST, port), 10, (address, 0)) as client:
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode())
                answers.append(read_response(client))
        assert {answer.status for answer in answers} == {500}
        seen = [b"ValueError: &lt;it&gt; went wrong" in answer.body for answer in answers]
        assert seen == [True, False, False, False] and b"Traceback" in answers[0].body
        # What a handler may return is said where it returned something else.
        assert b"not a body: 1; allowed are dict, list, str, bytes" in answers[3].body
    finally:
        process.kill()
        process.wait()


PAGE = ROOT / "firmware" / "site" / "README.md"
GUARDS = PAGE.read_text(encoding="utf-8").split("## Guards")[1].split("\n\n")[1]
CALLS = re.findall(r"`([\w.]+\([^`]*\)(?:\.\w+\([^`]*\))?)`", GUARDS)


def test_calls_are_found():
    assert len(CALLS) >= 11


@pytest.mark.parametrize("call", CALLS)
def test_line_of_the_page_runs_as_it_stands(interpreter, call):
    code = """
import firmware.board as board
from firmware import App
from firmware.features import auth, cors, health, hosts, metrics, origins, ratelimit, requestid, security_headers
from firmware.features.log import Log
app = App()
"""
    interpreter.run("-c", code + call)
