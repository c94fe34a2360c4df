"""`python3 -m tools doctor`: what is wrong with a board, and what to do, one line each."""

from __future__ import annotations

import calendar
import contextlib
import http.server
import json
import re
import subprocess
import sys
import threading
import time

import pytest

from host_tests.conftest import interpreter_named
from host_tests.emulated_board import EmulatedBoard
from host_tests.emulated_rom import Rom
from host_tests.serial_lines import PtyLine
from host_tests.servers import Server, free_port
from tools import ROOT, doctor, findings, manifest, memory, ports, update
from tools.board import Board
from tools.health import Health

needs_esptool = pytest.mark.skipif(sys.version_info < (3, 10), reason="esptool 5 needs Python 3.10")
AFTER_IMAGE = ["memory", "tree", "space", "link", "clock", "crash"]
NAMES = ["tools", "cable", "rights", "chip", "firmware", "image", "layout", *AFTER_IMAGE]
PASSWORD = "correct horse"

# The flash, and what is stored in it, as ESP-IDF tells it.
ESP32 = b"""
HEAP_DATA = 4
def idf_heap_info(which): return [(200000, 150000, 110000, 0)]
class NVS:
    def __init__(self, name): assert name == "limpet"
    def get_blob(self, name, raw):
        assert name == "crash"
        raw[:9] = b"boot 2: x"
        return 9
    def get_i32(self, name): return 4
class Partition:
    TYPE_APP, TYPE_DATA = 0, 1
    @classmethod
    def find(cls, kind): return [cls(kind)]
    def __init__(self, kind): self.kind = kind
    def info(self): return (self.kind,) + ((0, 65536, 2031616, "factory"), (129, 2097152, 2097152, "vfs"))[self.kind]
"""

# What `import network` finds on a board that has joined a network.
JOINED = b"""
STA_IF = 0
class WLAN:
    def __init__(self, which): pass
    def active(self): return True
    def isconnected(self): return True
    def status(self, what): return -52
    def ifconfig(self): return ("127.0.0.1", "255.255.255.0", "192.168.1.1", "192.168.1.1")
"""


def run(*args):
    """Run the command as a shell would; return a CompletedProcess."""
    command = [sys.executable, "-m", "tools", "doctor", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def examined(port):
    """Return {name: Finding}."""
    return {finding.name: finding for finding in doctor.examine(port)}


@pytest.fixture
def start_board(tmp_path):
    """A function that starts a board with these files on it; `blocks` of flash."""
    boards = []

    def start(files=(), **options):
        board = EmulatedBoard(tmp_path / "flash", interpreter_named("amd64"), **options).__enter__()
        boards.append(board)
        board.wait_for(b">>> ")
        if files:
            with Board(board.name) as there:
                for path, content in dict(files).items():
                    there.replace(path, content)
                board.console = b""
            board.wait_for(b">>> ")  # it has started anew
        return board

    yield start
    for board in boards:
        board.__exit__()


@pytest.fixture
def site():
    """A function that starts a server with these answers, {path: body}, and returns its port."""
    servers = []

    def start(answers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answers[self.path])

            def log_message(self, *args):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1].server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@needs_esptool
def test_board_that_is_well(start_board, site):
    port = site({"/healthz": b"{}", "/api/status": b'{"left_out": ["rate limit"]}'})
    settings = json.dumps({"ports": {"http": port}}).encode()
    board = start_board(
        {"/firmware/__init__.py": b"", "/network.py": JOINED, "/data/config.json": settings},
    )
    done = run("--port", board.name)
    assert (done.returncode, done.stderr) == (0, ""), done
    lines = [line.split(None, 2) for line in done.stdout.splitlines()]
    assert [line[1] for line in lines] == [*NAMES, "server", "serving"]
    said = dict(line[1:] for line in lines)
    assert {line[1] for line in lines if line[0] != "ok"} == {"layout", "tree", "serving"}
    assert said["chip"] == "Generic ESP32 module with ESP32"
    assert said["firmware"].startswith("MicroPython 1.25.0")
    assert said["link"] == "127.0.0.1, -52 dBm"
    assert said["image"] == "no Limpet frozen in it"
    assert re.fullmatch(r"\d+ KB for Python, the site needs \d+", said["memory"])
    answers = f"http://127.0.0.1:{port}/ answers; it leaves out, for want of memory: rate limit"
    assert said["server"] == answers
    assert said["clock"].endswith(" UTC")


@needs_esptool
def test_board_goes_on_afterwards(start_board):
    board = start_board({"/main.py": b"print('serving')\n"})
    board.console = b""
    examined(board.name)
    board.wait_for(b"serving")


def test_what_is_wrong_says_what_to_do_and_fails(start_board):
    board = start_board()
    done = run("--port", board.name)
    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if line.split()[1] == "space")
    assert line.startswith("wrong ") and line.endswith("no Limpet there. Do: `python3 -m tools deploy`.")
    assert done.stderr.startswith("doctor: Not well: ") and "space" in done.stderr and done.stderr.count("\n") == 1
    assert "Traceback" not in done.stdout


@needs_esptool
def test_json_has_a_finding_for_each(start_board):
    board = start_board({"/firmware/__init__.py": b""})
    done = run("--port", board.name, "--json")
    found = json.loads(done.stdout)
    assert [finding["name"] for finding in found] == NAMES
    assert {finding["name"]: finding["well"] for finding in found}["link"] is None
    assert (done.returncode, done.stderr) == (0, "")


def test_flash_and_what_is_stored_in_it_are_told(start_board):
    board = start_board({"/firmware/__init__.py": b"", "/esp32.py": ESP32})
    found = examined(board.name)
    assert found["layout"].line == "one image: factory 1,984 KB, vfs 2,048 KB"
    assert (found["crash"].well, found["crash"].line) == (
        False,
        "safe mode, three boots came to nothing: boot 2: x",
    )


def test_little_space_is_told(start_board):
    board = start_board({"/firmware/__init__.py": b""}, blocks=20)
    finding = examined(board.name)["space"]
    assert (finding.well, finding.todo) == (False, "remove what is not needed: `mpremote rm :FILE`")


@needs_esptool
def test_chip_without_micropython_is_told_to_be_flashed():
    with PtyLine(Rom("ESP32-S3")) as line:
        found = examined(line.name)
    assert found["chip"].line == "ESP32-S3 v0.0, 24:a1:60:57:ab:1c"
    assert found["firmware"].todo == f"`python3 -m tools flash --port {line.name}`"
    assert "space" not in found


def test_port_that_cannot_be_used_ends_the_examination(monkeypatch):
    found = examined("/dev/ttyUSB88")
    assert list(found) == ["tools", "cable"]
    assert (found["cable"].well, found["cable"].line) == (False, "There is no /dev/ttyUSB88")
    monkeypatch.setattr(ports.list_ports, "comports", lambda: [])
    found = examined("auto")
    assert not found["cable"].well and list(found) == ["tools", "cable"]


def test_port_in_use_is_a_matter_of_rights():
    with PtyLine(Rom("ESP32")) as line:
        with ports.opened(line.name):
            found = examined(line.name)
        assert (found["rights"].well, found["rights"].line) == (False, f"{line.name} is in use")
        assert found["rights"].todo.startswith("end what has it open")


def test_missing_program_is_told(monkeypatch):
    monkeypatch.setattr(findings, "OLDEST_FLASHING_PYTHON", (3, 9))
    monkeypatch.setitem(sys.modules, "mpremote", None)
    finding = findings.programs()
    assert not finding.well and "missing:" in finding.line and "mpremote (for deploy)" in finding.line
    assert "pip install -r tools/requirements.txt" in finding.todo


@pytest.mark.parametrize(("version", "well"), [("1.24.1", False), ("1.25.0", True), ("1.31.0-preview.5.g1", True)])
def test_firmware_older_than_limpet_needs_is_told(version, well):
    assert findings.firmware(version).well is well


@pytest.mark.parametrize(
    ("link", "well"), [(None, None), ((), False), (("10.0.0.2", -60), True), (("10.0.0.2", -90), False)]
)
def test_link_is_told(link, well):
    assert findings.link({"link": link}).well is well


STOCK = {"image": None, "python_bytes": 112 * 1024}
OURS = {"image": {"version": "0.1.0", "tree": manifest.tree_hash(ROOT)}, "python_bytes": 128 * 1024}


def test_memory_is_judged_by_the_form_that_the_image_allows(monkeypatch):
    monkeypatch.setattr(memory, "figures", lambda: {"files": {"idle_kb": 120}, "frozen": {"idle_kb": 60}})
    finding = findings.python(STOCK)
    assert (finding.well, finding.line) == (False, "112 KB for Python, the site needs 132") and finding.todo
    assert findings.python(OURS) == ("memory", True, "128 KB for Python, the site needs 72", "")


def test_image_is_told():
    assert findings.image(OURS).line == "Limpet 0.1.0 frozen in it, the tree that is here"
    other = {"image": {"version": None, "tree": None}}
    assert findings.image(other).line == "Limpet of old frozen in it, another tree than the one here"


def test_server_that_is_not_well_is_told():
    address = "http://10.0.0.2/"
    assert findings.server(address, Health(False, {}, [])).line == "nothing answers at http://10.0.0.2/"
    finding = findings.server(address, Health(True, {"memory": "low"}, []))
    assert finding[1:3] == (False, "http://10.0.0.2/ is not well: memory: low")


@pytest.mark.parametrize(
    ("places", "line"),
    [
        ([("nvs", 1, 24576), ("factory", 0, 2031616), ("vfs", 1, 2097152)], "one image: nvs 24 KB, factory 1,984 KB"),
        ([("ota_0", 0, 1769472), ("ota_1", 0, 1769472), ("vfs", 1, 589824)], "places for 2 images: ota_0 1,728 KB"),
    ],
)
def test_layout_is_told(places, line):
    finding = findings.layout({"layout": places})
    assert finding.well and finding.line.startswith(line) and f"vfs {places[-1][2] // 1024:,} KB" in finding.line


def test_last_crash_is_told_and_safe_mode_is_wrong():
    assert findings.crash({"crash": None, "is_safe": False}) == ("crash", True, "none", "")
    finding = findings.crash({"crash": "boot 3, after 9 s: ...\nValueError: x", "is_safe": False})
    assert finding.well is None and "boot 3, after 9 s: ... ValueError: x" in finding.line
    finding = findings.crash({"crash": None, "is_safe": True})
    assert finding.well is False and "safe mode" in finding.line


def test_memory_while_it_serves_is_told():
    status = {"heap": {"free": 40960, "used": 61440}, "idf_heap": None, "memory": {"step": 0, "lowest": 20480}}
    finding = findings.serving({"status": status, "is_private": False})
    assert finding == ("serving", True, "40 of 100 KB free for Python, 20 at the least", "")
    status.update(idf_heap={"free": 30720, "largest": 10240}, memory={"step": 1, "lowest": 2048})
    finding = findings.serving({"status": status, "is_private": False})
    assert finding.well is False and "; 30 for Wi-Fi, 10 in one piece: too little" in finding.line
    finding = findings.serving({"status": None, "is_private": True})
    assert finding.well is None and "$LIMPET_PASSWORD" in finding.todo


def test_tree_is_compared_with_the_one_here(monkeypatch):
    monkeypatch.setattr(manifest, "build", lambda root, arch, form: {"/main.py": b"x", "/boot.py": b"y"})
    here = {"/main.py": manifest.sha256(b"x"), "/boot.py": manifest.sha256(b"y")}
    found = {"image": None, "mpy": 11014, "tree": ("0123456789abcdef", here)}
    assert findings.tree(found) == ("tree", True, "0123456789ab, the tree that is here", "")
    finding = findings.tree({**found, "tree": ("0123456789abcdef", {**here, "/old.py": "0", "/boot.py": "1"})})
    assert finding.line == "0123456789ab; 2 files are not those that are here" and "deploy" in finding.todo
    assert (
        findings.tree({**found, "tree": ("0" * 64, {"/project/app.mpy": "1"})}).line == "000000000000, with a project"
    )
    assert findings.tree({**found, "mpy": 0, "tree": ("0" * 64, here)}).line.startswith("000000000000; not compared: ")
    assert findings.tree({**found, "tree": (None, {})}).todo == "`python3 -m tools deploy`"
    assert findings.tree({**found, "tree": None}).well is None


# -- over the network


def test_board_that_serves_is_told_over_the_network_without_a_stop(monkeypatch):
    monkeypatch.setenv("LIMPET_PASSWORD", PASSWORD)
    with Server(interpreter_named("i386"), heapsize="1m") as server:
        with contextlib.closing(update.Client(server.url, "Basic eDp5")) as client:
            client.json("PUT", "/api/password", {"new": PASSWORD})
        done = run("--host", server.url)
        assert (done.returncode, server.process.poll()) == (0, None), done
    said = dict(line.split(None, 2)[1:] for line in done.stdout.splitlines())
    assert list(said) == ["tools", "server", "chip", "firmware", *AFTER_IMAGE, "serving"]
    assert said["server"].startswith(f"{server.url} answers") and said["chip"] == "simulated"
    assert re.match(r"\d+ of \d+ KB free for Python", said["serving"])
    assert said["crash"] == "none" and said["memory"] == "the board does not tell"


ANSWERS = {
    "/api/status": {
        **{"board": "ESP32", "python": {"version": "1.25.0"}, "heap": {"free": 1024, "used": 1024}, "left_out": []},
        **{"boot": {"last_crash": "out of memory", "safe_mode": False}, "clock": {"unix_s": 946684800}},
        **{"wifi": {"address": "10.0.0.2", "rssi": -90}, "memory": None},
    },
    "/api/update": {"tree": None, "mpy": 11014, "free_bytes": 4096, "python_bytes": 114688, "frozen": None},
    "/healthz": {},
}


def test_what_is_wrong_is_told_over_the_network(site):
    port = site({path: json.dumps(answer).encode() for path, answer in ANSWERS.items()})
    done = run("--host", f"127.0.0.1:{port}", "--json")
    found = {finding["name"]: finding for finding in json.loads(done.stdout)}
    wrong = [name for name, finding in found.items() if finding["well"] is False]
    assert (done.returncode, wrong) == (1, ["memory", "space", "link", "clock"]), done
    assert found["crash"]["line"] == "the last one, maybe long ago: out of memory"
    assert found["link"]["line"] == "10.0.0.2, -90 dBm"


def test_laptops_python_is_not_taken_for_micropython(site):
    python = {"implementation": "cpython", "version": "3.11.7"}
    status = {**ANSWERS["/api/status"], "python": python}
    port = site({path: json.dumps(answer).encode() for path, answer in {**ANSWERS, "/api/status": status}.items()})
    found = {finding.name: finding for finding in doctor.examine_host(f"127.0.0.1:{port}")}
    assert found["firmware"] == ("firmware", None, "no MicroPython: cpython 3.11.7", "")


def test_board_that_does_not_answer_is_told(monkeypatch):
    found = list(doctor.examine_host(f"127.0.0.1:{free_port()}"))
    assert [finding.name for finding in found] == ["tools", "server"] and not found[1].well


def test_clock_that_was_never_set_is_told():
    now = time.time()
    assert not findings.clock({"clock": (2000, 1, 1, 0, 0, 12), "asked_s": now}).well
    assert findings.clock({"clock": time.gmtime(now - 30)[:6], "asked_s": now}).well
    moment = calendar.timegm((2026, 11, 21, 8, 0, 0))
    assert findings.clock({"clock": (2026, 11, 21, 8, 0, 5), "asked_s": moment}).line == "2026-11-21 08:00:05 UTC"
