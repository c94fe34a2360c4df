"""`python3 -m tools lab`: the acceptance list on a board, and the report of it."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading

import pytest
import yaml

from host_tests.conftest import interpreter_named
from host_tests.emulated_board import EmulatedBoard
from host_tests.servers import free_port
from tools import ROOT, doctor, lab, memory, mixed, soak, steps, update
from tools.board import Board
from tools.console import Failure
from tools.findings import Finding
from tools.steps import Lab, Skipped

# Neither has a laptop.
NOT_TRIED = {"deploy", "join", "cut link"}


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch):
    monkeypatch.delenv("LIMPET_TOKEN", raising=False)
    monkeypatch.delenv("LIMPET_PASSWORD", raising=False)


@pytest.fixture
def lab_of(monkeypatch):
    """A function that returns a Lab of a port and an address; it knows the password `word`."""

    def make(port=None, address=None, word="x"):
        monkeypatch.setenv("LIMPET_PASSWORD", word)
        return Lab(port, address, 1, 1, False)

    return make


# -- the whole list


@pytest.mark.timeout(600)
def test_whole_list_on_a_board_that_serves(monkeypatch, tmp_path):
    interpreter_named("frozen")
    monkeypatch.setenv("LIMPET_PASSWORD", soak.PASSWORD)
    file = tmp_path / "report.md"
    with soak.own_board(memory.FROZEN) as board:
        try:
            lab.main(["--host", board.address, "--requests", "200", "--out", str(file)])
        except Failure as failure:
            print(failure)
        # The one that was asked for.
        assert len(board.resets) == 1, board.resets
        print(*board.lines, sep="\n")
        with contextlib.closing(update.Client(board.address)) as client:
            assert client.json("GET", "/api/tokens") == {"tokens": []}
    told = json.loads(file.with_suffix(".json").read_text())
    results = {step["name"]: step["result"] for step in told["steps"]}
    assert list(results) == list(steps.STEPS)
    # What it has left behind an ordinary load is the keeper's business.
    results.pop("heaps")
    assert {name for name, result in results.items() if result == lab.NOT_TRIED} == NOT_TRIED, told
    assert {name for name, result in results.items() if result == lab.FAILED} == set(), told
    text = file.read_text()
    assert text.startswith("# Report of a board\n") and "over the network" in text
    assert "| upload | passed |" in text and "| not tried: it has no Wi-Fi |" in text
    assert soak.PASSWORD not in text + json.dumps(told)


def test_step_that_fails_keeps_none_from_being_tried(monkeypatch, lab_of, tmp_path, capsys):
    def skip(lab):
        """Skip."""
        raise Skipped("no cable")

    def fail(lab):
        """Fail."""
        raise Failure("It is | broken.")

    def err(lab):
        """Err."""
        raise AssertionError("<x>")

    def cut(lab):
        """A stream that ends."""
        raise mixed.Cut("the stream ends before its time")

    def leave(lab):
        """Exit."""
        raise SystemExit("no compiler")

    def work(lab):
        """Work."""
        return {"ms": 3, "of": {"a": 1}}

    steps_here = {"one": skip, "two": fail, "three": err, "four": work, "five": cut, "six": leave}
    monkeypatch.setattr(lab, "STEPS", steps_here)
    file = tmp_path / "lab.md"
    with pytest.raises(Failure, match="Not passed: two, three, five, six"):
        lab.main(["--host", "10.0.0.2", "--out", str(file)])
    text = file.read_text()
    assert "1 steps passed, 4 failed, 1 were not tried." in text
    assert "| one | not tried: no cable | " in text
    assert "| two | failed: It is \\| broken. | " in text
    assert "| three | failed: AssertionError: &lt;x> | " in text
    assert "| ms: 3; of: a 1 |" in text
    told = json.loads((tmp_path / "lab.json").read_text())
    assert [step["result"] for step in told["steps"]] == ["not tried", "failed", "failed", "passed", "failed", "failed"]
    assert [step["why"] for step in told["steps"]][-2:] == [
        "Cut: the stream ends before its time",
        "SystemExit: no compiler",
    ]
    assert "with the form .github/ISSUE_TEMPLATE/board.yml" in capsys.readouterr().out


def test_ctrl_c_ends_the_list_and_leaves_the_report(monkeypatch, lab_of, tmp_path):
    def work(lab):
        """Work."""
        return {"ms": 3}

    def stop(lab):
        """Wait for somebody who has no patience."""
        raise KeyboardInterrupt

    monkeypatch.setattr(lab, "STEPS", {"one": work, "two": stop, "three": work})
    file = tmp_path / "lab.md"
    assert lab.main(["--host", "10.0.0.2", "--out", str(file)]) == 0
    assert "1 steps passed, 0 failed, 2 were not tried." in file.read_text()
    told = json.loads((tmp_path / "lab.json").read_text())
    assert [(step["result"], step["why"]) for step in told["steps"]] == [
        ("passed", ""),
        ("not tried", "stopped"),
        ("not tried", "stopped"),
    ]


@pytest.mark.parametrize(
    "words", [["--out", "nowhere/lab.md"], ["--out", "lab.json"], ["--out", "."], ["--requests", "0"]]
)
def test_report_that_cannot_be_written_is_refused_before_the_first_step(monkeypatch, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lab, "STEPS", {})
    with pytest.raises(SystemExit) as raised:
        lab.main(["--host", "10.0.0.2", *words])
    assert raised.value.code == 2 and not list(tmp_path.iterdir())


def test_form_asks_for_the_report():
    form = yaml.safe_load((ROOT / lab.FORM).read_text())
    (asked,) = (part for part in form["body"] if part.get("id") == "lab")
    assert "python3 -m tools lab" in asked["attributes"]["label"]


# -- what the way does not allow


def test_without_a_password_what_needs_one_is_not_tried():
    one = Lab(None, "10.0.0.2", 1, 1, False)
    one.status = dict
    for step in (steps.log_in, steps.upload, steps.latency, steps.soaked):
        with pytest.raises(Skipped, match="LIMPET_PASSWORD"):
            step(one)


def test_board_that_has_no_password_yet_is_not_logged_in_to(monkeypatch, lab_of):
    monkeypatch.setattr(update.Client, "json", lambda self, method, path: {"password_set": False})
    with pytest.raises(Skipped, match="no password yet"):
        steps.log_in(lab_of(address="10.0.0.2"))


def test_board_that_nobody_knows_an_address_of_is_not_asked(lab_of):
    with pytest.raises(Skipped, match="give --host"):
        steps.pages(lab_of("/dev/ttyUSB0"))
    with pytest.raises(Skipped, match="--cut-link"):
        steps.cut_link(lab_of())


# -- steps


@pytest.fixture
def site():
    """The port of a server that is well."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_page_is_asked_for_again_by_the_etag_of_its_compressed_copy(lab_of):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = {"/": b'<link href="style.css"><script src="app.js"></script>'}.get(self.path, b"x")
            etag = '"z"' if self.headers.get("Accept-Encoding") == "gzip" else '"p"'
            status = 304 if self.headers.get("If-None-Match") == etag else 404 if self.path == "/nothing" else 200
            asked.append((self.path, status))
            self.send_response(status)
            self.send_header("ETag", etag)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"" if status == 304 else body)

        def log_message(self, *args):
            pass

    asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        figures = steps.pages(lab_of(address=f"127.0.0.1:{server.server_port}"))
        server.shutdown()
    assert asked == [("/", 200), ("/", 304), ("/", 200), ("/app.js", 200), ("/style.css", 200), ("/nothing", 404)]
    assert figures == {"parts": 3, "bytes": 55}


def test_start_over_the_cable_tells_the_address(tmp_path, lab_of, site):
    said = f"import time\nprint('limpet: http://0.0.0.0:80/')\nprint('limpet: http://127.0.0.1:{site}/')\n"
    with EmulatedBoard(tmp_path / "flash", interpreter_named("amd64")) as board:
        board.wait_for(b">>> ")
        with Board(board.name) as there:
            there.replace("/main.py", said.encode() + b"while True:\n    time.sleep(1)\n")
        one = lab_of(board.name)
        assert steps.start(one)["seconds"] >= 0
    assert one.address == f"http://127.0.0.1:{site}/"


def test_what_the_doctor_finds_wrong_is_a_failure(monkeypatch, lab_of):
    found = [Finding("chip", True, "ESP32"), Finding("link", False, "too weak", "move it")]
    monkeypatch.setattr(doctor, "examine", lambda port: iter(found))
    one = lab_of("/dev/ttyUSB0")
    with pytest.raises(Failure, match="link: too weak"):
        steps.examine(one)
    assert [finding["name"] for finding in one.findings] == ["chip", "link"]
    found.pop()
    assert steps.examine(one) == {"chip": "ESP32"}


def test_link_that_comes_back_is_waited_for(monkeypatch, lab_of):
    one = lab_of(address="10.0.0.2")
    one.is_cut = True
    looks = [True, True, False, False, True]
    boots = [3, 3]
    monkeypatch.setattr(steps, "LOOK_EVERY_S", 0)
    monkeypatch.setattr(steps, "is_there", lambda lab: looks.pop(0))
    monkeypatch.setattr(one, "status", lambda: {"boot": {"boots": boots.pop()}})
    assert "seconds away" in steps.cut_link(one)
    looks[:], boots[:] = [False, True], [4, 3]
    with pytest.raises(AssertionError, match="reset meanwhile"):
        steps.cut_link(one)
    monkeypatch.setattr(steps, "CUT_S", 0)
    looks[:], boots[:] = [True], [3]
    with pytest.raises(Failure, match="nobody has cut"):
        steps.cut_link(one)


def test_nobody_is_there_where_nobody_listens(lab_of, site):
    assert steps.is_there(lab_of(address=f"127.0.0.1:{site}"))
    assert not steps.is_there(lab_of(address=f"127.0.0.1:{free_port()}"))


def test_place_of_an_address_has_the_port_of_its_scheme():
    assert mixed.place("http://limpet.local/") == ("limpet.local", 80)
    assert mixed.place("https://limpet.local/") == ("limpet.local", 443)
    assert mixed.place("http://[::1]:8080/") == ("::1", 8080)
