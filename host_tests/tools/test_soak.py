"""`python3 -m tools soak`: mixed requests to a board, and what the report says of them."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from host_tests.conftest import interpreter_named
from host_tests.servers import Server, free_port
from tools import ROOT, memory, mixed, simulated, soak, update
from tools.console import Failure
from tools.mixed import Kind, Mix

REQUESTS = 600
MOST_UNANSWERED = 1
# One in so many may be told to come again.
REFUSED_ONE_IN = 20

GOOD = {
    **{"requests": 4000, "seconds": 20, "statuses": {200: 3990, 503: 10}, "refused": 10, "starved": 4},
    **{
        "starved_late": 0,
        "cut": 0,
        "cut_late": 0,
        "waits": 0,
        "again": 2,
        "wrong": [],
        "unanswered": [],
        "resets": [],
        "errors": 0,
    },
    **{"lows": {"heap free": 30000, "largest block": 2048}, "lost": {"slots": 0, "descriptors": 0}},
}

STATUS = {"heap": {"free": 5, "used": 1}, "idf_heap": None, "uptime_s": 1, "connections": {"open": 1}}


def run(*args, **environment):
    """Run the command as a shell would; return a CompletedProcess."""
    command = [sys.executable, "-m", "tools", "soak", *map(str, args)]
    env = {"PATH": "", **environment}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


# -- boards


def test_image_of_ones_own_bears_mixed_requests():
    interpreter_named("frozen")
    with soak.own_board(memory.FROZEN) as board:
        report = soak.soak(board.address, update.basic(soak.PASSWORD), soak.PASSWORD, REQUESTS, board)
        print("\n".join([*soak.lines(report), *board.lines]))
    assert (report["wrong"], report["resets"]) == ([], [])
    # A stream that finds no memory at its very beginning has had its connection closed without a word.
    assert len(report["unanswered"]) <= MOST_UNANSWERED
    assert report["requests"] == REQUESTS and 500 not in report["statuses"]
    assert report["statuses"][200] > REQUESTS // 3 and report["statuses"][101] > 0
    assert report["refused"] * REFUSED_ONE_IN <= REQUESTS
    assert set(report["lost"].values()) == {0}
    assert report["lows"]["largest block"] > 0


def test_board_at_an_address_is_soaked_and_left_as_it_was(monkeypatch, tmp_path):
    """With its password, and with nothing of ours left there."""
    with Server(interpreter_named("cpython"), data=tmp_path) as server:
        client = update.Client(server.url, "Basic eDp5")
        client.json("PUT", "/api/password", {"new": soak.PASSWORD})
        client.close()
        done = run("--host", server.url, "--requests", 200, "--json", LIMPET_PASSWORD=soak.PASSWORD)
        client = update.Client(server.url, update.basic(soak.PASSWORD))
        assert client.json("GET", "/api/tokens") == {"tokens": []}
        client.close()
    report = json.loads(done.stdout)
    assert (report["requests"], report["faults"], report["wrong"]) == (200, [], []), report
    assert (done.returncode, report["board"]) == (0, server.url)
    assert not (tmp_path / "files" / "mixed" / "a.bin").exists()


def test_board_without_a_password_or_with_a_project_is_not_soaked(monkeypatch):
    monkeypatch.delenv("LIMPET_TOKEN", raising=False)
    monkeypatch.delenv("LIMPET_PASSWORD", raising=False)
    with pytest.raises(Failure, match="LIMPET_PASSWORD"):
        soak.check("http://127.0.0.1:1/")
    monkeypatch.setenv("LIMPET_PASSWORD", "x")
    told = {"/api/session": {"password_set": False}, "/api/status": {"project": "greenhouse"}}
    monkeypatch.setattr(update.Client, "json", lambda self, method, path: told[path])
    with pytest.raises(Failure, match="no password yet"):
        soak.check("http://127.0.0.1:1/")
    told["/api/session"]["password_set"] = True
    with pytest.raises(Failure, match="--no-project"):
        soak.check("http://127.0.0.1:1/")


def test_simulated_board_that_cannot_start_says_why(monkeypatch, tmp_path):
    interpreter_named("frozen")
    monkeypatch.setitem(simulated.HEAPS_KB, memory.FROZEN, 20)
    with pytest.raises(Failure, match="does not start in 20 KB: .*emory"), simulated.SimulatedBoard("frozen", tmp_path):
        pass


def test_reset_of_a_simulated_board_is_followed_by_a_start_and_has_a_cause(tmp_path):
    interpreter_named("frozen")
    with soak.own_board(memory.FROZEN) as board:
        client = update.Client(board.address, update.basic(soak.PASSWORD))
        with soak.Watch(board.address, update.basic(soak.PASSWORD)) as watch:
            board._process.kill()
            mix = Mix(board.address, "none")
            mix._wait_for_server()
            while not board.resets:
                mix._wait_for_server()
        assert not mix.is_gone and board.resets[0].startswith("exit status -9")
        client.json("GET", "/api/status")
        client.close()
    assert watch.lows["heap free"] > 0


def test_status_is_looked_at_by_one_thread_at_a_time(monkeypatch):
    inside, most = [], []

    def answer(self, method, path):
        inside.append(path)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return STATUS

    monkeypatch.setattr(update.Client, "json", answer)
    watch = soak.Watch("http://127.0.0.1:1/", "x")
    threads = [threading.Thread(target=watch.look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4 and watch.lows == {"heap free": 5}


def test_board_that_starts_anew_is_waited_for(monkeypatch):
    said = [Failure("nobody there"), {**STATUS, "connections": {"open": 2}}, Failure("nobody there"), STATUS]

    def answer(self, method, path):
        one = said.pop(0)
        if isinstance(one, Failure):
            raise one
        return one

    monkeypatch.setattr(update.Client, "json", answer)
    monkeypatch.setattr(soak, "SETTLE_LOOK_S", 0)
    watch = soak.Watch("http://127.0.0.1:1/", "x")
    assert watch.settled() == STATUS and not said
    monkeypatch.setattr(soak, "SETTLE_S", -1)
    said.append(Failure("nobody there"))
    with pytest.raises(Failure, match="nobody there"):
        watch.settled()


def test_command_works_where_no_board_can_be_simulated():
    code = """if True:
        import sys
        sys.modules["fcntl"] = None  # as on Windows
        from tools import frozen, soak
        print(soak.faults.__name__, *frozen.locate())
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("faults None No MicroPython with Limpet frozen in (Windows cannot"), done


# -- the report


def test_report_without_a_fault():
    assert soak.faults(GOOD) == []
    text = list(soak.lines(GOOD))
    assert text[:2] == ["4,000 requests in 20 s, 200 a second.", "Answers: 3,990 of 200, 10 of 503."]
    assert "Least, bytes: heap free 30,000, largest block 2,048." in text
    assert "Lost: 0 slots, 0 descriptors." in text and len(text) == 6


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"wrong": ["GET /: 500"]}, "1 wrong answers"),
        ({"unanswered": ["GET /", "GET /"]}, "2 requests without an answer"),
        ({"starved_late": 3}, "3 answers failed for want of memory after the first minute"),
        ({"cut": 5, "cut_late": 4}, "4 streams ended before their time after the first minute"),
        ({"lows": {"largest block": 2047}}, "the largest free block had 2047 bytes"),
        ({"lost": {"slots": 1}}, "1 slots lost"),
        ({"lost": {"slots": 0, "descriptors": 2}}, "2 descriptors lost"),
        ({"resets": ["out of memory"]}, "1 resets"),
        ({"lost": {"slots": None}}, "the board has gone"),
    ],
)
def test_what_did_not_hold_is_told(changes, fault):
    report = {**GOOD, **changes}
    assert soak.faults(report) == [fault]
    assert list(soak.lines(report))


def test_many_lines_are_told_by_the_first_of_them():
    text = list(soak.lines({**GOOD, "wrong": [f"line {number}" for number in range(100)]}))
    assert "Wrong: 100" in text and text[-1] == f"    line {soak.SHOWN - 1}"


# -- the requests


@pytest.fixture
def answering():
    """A function that starts a server whose answers to GET are these, one after the other; returns its address."""
    servers = []

    def start(*answers):
        left = list(answers)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status, body, *fields = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                for name, value in fields:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def mix_of(monkeypatch, address, *kinds, count=1):
    """Send so many of these kinds of requests over one connection at a time; return the Mix."""
    monkeypatch.setattr(mixed, "KINDS", kinds)
    monkeypatch.setattr(mixed, "CONNECTIONS", 1)
    mix = Mix(address, "token")
    mix.run(count)
    return mix


def test_who_asks_too_fast_waits_and_asks_again(monkeypatch, answering):
    address = answering((429, b"", ("Retry-After", "0")), (429, b"", ("Retry-After", "0")), (200, b"x"))
    mix = mix_of(monkeypatch, address, Kind(1, "GET", "/"))
    assert (mix.statuses, mix.waits, mix.wrong) == ({200: 1}, 2, [])


def test_refusal_for_want_of_memory_is_told_from_others(monkeypatch, answering):
    address = answering((503, b"Busy."), (503, b"<p>Out of memory.</p>"), (200, b"x"))
    mix = mix_of(monkeypatch, address, Kind(1, "GET", "/"), count=3)
    assert (mix.statuses, mix.refused, len(mix.starved), mix.wrong) == ({200: 1, 503: 2}, 2, 1, [])


def test_stream_that_ends_before_its_time_is_told(monkeypatch, answering):
    mix = mix_of(monkeypatch, answering((200, b"data: 1")), Kind(1, "GET", "/api/events", first=40))
    assert (mix.statuses, len(mix.cut), mix.wrong, mix.done) == ({200: 1}, 1, [], 1)


def test_answer_that_is_not_right_is_told(monkeypatch, answering):
    mix = mix_of(monkeypatch, answering((404, b"")), Kind(1, "GET", "/"))
    assert len(mix.wrong) == 1 and "GET /: <404" in mix.wrong[0]
    mix = mix_of(monkeypatch, answering((200, b"{")), Kind(1, "GET", "/api/status"))
    assert len(mix.wrong) == 1


def test_answer_that_ends_too_soon_is_wrong_and_counts(monkeypatch, answering):
    address = answering((200, b"x", ("Transfer-Encoding", "chunked")))
    mix = mix_of(monkeypatch, address, Kind(1, "GET", "/"), count=3)
    assert (mix.done, len(mix.wrong), mix.statuses) == (3, 3, {})


def test_address_of_ipv6_is_in_brackets(monkeypatch):
    ours, there = socket.socketpair()
    monkeypatch.setattr(mixed.socket, "create_connection", lambda *args: ours)
    with there:
        there.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection = mixed.Connection("http://[fe80::1]:8080/")
        assert connection.ask(Kind(1, "GET", "/"), "").status == 200
        connection.close()
        assert b"\r\nHost: [fe80::1]\r\n" in there.recv(4096)


def test_machine_with_one_loopback_address_asks_from_that(monkeypatch, answering):
    # None of this machine's own (RFC 5737).
    monkeypatch.setattr(mixed, "SOURCE", "192.0.2.{}")
    mix = mix_of(monkeypatch, answering((200, b"x")), Kind(1, "GET", "/"))
    assert (mix.statuses, mix.unanswered) == ({200: 1}, [])


def test_server_that_has_gone_ends_it(monkeypatch):
    monkeypatch.setattr(mixed, "COMES_BACK_S", 0)
    mix = mix_of(monkeypatch, f"http://127.0.0.1:{free_port()}/", Kind(1, "GET", "/"), count=1000)
    assert mix.is_gone and mix.unanswered and mix.done < 1000
