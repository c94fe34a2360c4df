"""The log: a line a request, one line whatever is in it, no secrets, followed over HTTP, a crash kept over a reset."""

import json
import re
import threading

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.features.log import MAX_LINE_BYTES, RING_BYTES, Log, escape
from firmware.features.logfeed import Lines
from firmware.features.logline import hide_secrets
from host_tests.server.test_connection import Client, answers, ask, request
from host_tests.server.test_listener import wait_until
from host_tests.servers import SOCKET_TIMEOUT_S, Server
from host_tests.vectors import log as vectors

WATCHED = "host_tests/apps/watched.py"

TEN_THOUSAND = """
import gc
from firmware.features.log import Log
from firmware.http.parser import new_marks, scan

class Server:
    out = bytearray(400)

class Slot:
    server = Server
    buffer = bytearray(b"GET /things?token=abc&a=1 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
    marks = new_marks(100, 4)

    @staticmethod
    def address():
        return "10.0.0.1"

scan(Slot.buffer, 0, len(Slot.buffer), Slot.marks)

class Request:
    slot = Slot
    client = "10.0.0.1"
    began = 0
    method = "GET"
    query = b"token=abc&a=1"
    is_quiet = False

    def __init__(self, number):
        self.raw_id = b"client-%d" % number
        self.target = b"/things/%d" % number

class Response:
    status = 200
    sent = 100

class App:
    def before(self, hook):
        pass

    def done(self, hook):
        self.note = hook

log = Log(lambda: 7)
app = App()
log.attach(app)

def serve(first, last):
    for number in range(first, last):
        app.note(Request(number), Response)
    gc.collect()
    return gc.mem_alloc()

serve(10000, 10100)
before = serve(10100, 10200)
print(serve(10200, 20200) - before)
"""


@pytest.fixture(scope="module")
def watched(server_interpreter):
    with Server(server_interpreter, script=WATCHED, heapsize="16m") as running:
        yield running


@pytest.fixture
def since(watched):
    """The number of the newest line as the test begins."""
    return newest(watched)


def read(server, since=0, wait_s=0):
    """Return the lines behind a number, each as it was sent; 204 is none."""
    answer = ask(server, f"GET /api/log?since={since}&wait={wait_s}")
    assert answer.status in (200, 204), answer
    if answer.status == 200:
        assert answer.header("content-type") == "application/jsonl"
        assert answer.body.endswith(b"\n")
    return [json.loads(line) for line in answer.body.decode().splitlines()]


def texts(server, since, count):
    """Return the texts of the `count` lines behind a number, once they are there, and no more."""

    def look():
        lines = read(server, since)
        return lines if len(lines) >= count else None

    lines = wait_until(look, "the lines")
    assert [line["number"] for line in lines] == list(range(since + 1, since + 1 + count))
    return [line["text"] for line in lines]


def own_line(server, since):
    """Return the line of the one request behind a number; an error's may stand before it."""

    def look():
        lines = [line for line in read(server, since) if LINE.fullmatch(line["text"])]
        assert len(lines) <= 1
        return lines

    (line,) = wait_until(look, "the line")
    return line


def newest(server):
    lines = read(server)
    return lines[-1]["number"] if lines else 0


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("log")


@given(st.text(max_size=400) | st.binary(max_size=400) | st.text(st.characters(categories=["Cs", "Cc", "Cf"])))
def test_any_text_becomes_one_line(text):
    line = escape(text)
    assert len(line) <= MAX_LINE_BYTES
    decoded = line.decode()
    assert len(decoded.splitlines()) <= 1
    assert decoded.isprintable() or all(letter.isprintable() or ord(letter) >= 0xA0 for letter in decoded)
    assert not any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in decoded)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "token", "Pass%77ord", "q", "%"]), st.from_regex("[a-z]{8}", fullmatch=True))
    )
)
def test_query_keeps_its_names_and_loses_its_secrets(pairs):
    query = "&".join(f"{name}={value}" for name, value in pairs).encode()
    shown = hide_secrets(query).decode()
    expected = [f"{name}={value if name in 'aq' else '*'}" for name, value in pairs]
    assert shown == "&".join(expected)


@given(st.integers(20, 400), st.lists(st.text("ab\n", max_size=60), max_size=60), st.integers(0, 70))
def test_ring_holds_the_newest_lines_that_fit(size, lines, since):
    log = Log(lambda: 7, size)
    kept = []
    for line in lines:
        log.info(line)
        need = len(escape(line)) + 7
        if need <= size:
            kept.append((escape(line).decode(), need))
    held = []
    for line, need in reversed(kept):
        if need + sum(other for _, other in held) > size:
            break
        held.insert(0, (line, need))
    lines = Lines(log)
    assert [lines.value(number)["text"] for number in lines.newer(0)] == [line for line, _ in held]
    assert lines.last == len(kept) and lines.first == len(kept) - len(held) + 1
    told = "".join(lines.answer_since(since).body).splitlines()
    numbers = [json.loads(line).get("number") for line in told]
    assert [number for number in numbers if number] == list(lines.newer(since))


def test_lines_that_go_while_they_are_read_are_told():
    log = Log(lambda: 7, 4096)
    for number in range(40):
        log.info(f"line {number}")
    chunks = Lines(log).answer_since(0).body
    told = next(chunks)
    for number in range(400):
        log.info(f"line {number}")
    told += "".join(chunks)
    lines = [json.loads(line) for line in told.splitlines()]
    (lost,) = [line["lost"] for line in lines if "lost" in line]
    numbers = [line["number"] for line in lines if "number" in line]
    # All that was gone by then, and what came later is for the next one who asks.
    assert len(numbers) + lost >= 40 and numbers == list(range(1, len(numbers) + 1))


# -- a request's line

LINE = re.compile(r"(\S+) (\S+) (\d{3}) (\d+ B|lost) (\d+ ms|-) (\S+) (\S+)")


@pytest.mark.parametrize(
    ("line", "status", "size"),
    [
        ("GET /text", 200, 5),
        ("HEAD /text", 200, 0),
        ("GET /text?a=1&b=%20", 200, 5),
        ("GET /cached", 304, 0),
        ("GET /long/70000", 200, 70000),
        ("GET /stream", 200, 6),
        ("GET /nothing", 404, None),
        ("DELETE /text", 405, None),
        ("GET /raise", 500, None),
        ("OPTIONS /text", 204, 0),
    ],
)
def test_every_request_leaves_a_line(watched, since, line, status, size):
    answer = ask(watched, line, "X-Request-ID: mine-1", "X-Other: a")
    entry = own_line(watched, since)
    method, target, said, sent, took, client, id = LINE.fullmatch(entry["text"]).groups()
    assert (f"{method} {target}", said, client, id) == (line, str(status), "127.0.0.1", "mine-1")
    assert took != "-"
    assert sent == f"{len(answer.body) if size is None else size} B"
    assert entry["level"] == ("error" if status >= 500 else "info")
    assert type(entry["uptime_s"]) is int


@pytest.mark.parametrize("version, host", [("1.1", "Host: other\r\n"), ("1.0", "")])
def test_absolute_target_leaves_its_path(watched, since, version, host):
    """What asks by a whole URL, a proxy, asks for the same; its host is the one that counts."""
    watched.raw(f"GET http://limpet.local/text HTTP/{version}\r\n{host}Connection: close\r\n\r\n".encode())
    (text,) = texts(watched, since, 1)
    assert text.split()[:3] == ["GET", "/text", "200"]


def test_requests_of_a_connection_leave_their_lines_in_order(watched, since):
    with Client(watched) as client:
        client.send(b"".join(request(f"GET /long/{size}") for size in range(5)))
        for _ in range(5):
            client.read()
    assert [text.split()[1:4] for text in texts(watched, since, 5)] == [[f"/long/{n}", "200", str(n)] for n in range(5)]


def test_answer_of_a_hook_leaves_a_line(watched, since):
    assert ask(watched, "GET /text", "X-Stop: 1").status == 403
    (text,) = texts(watched, since, 1)
    assert LINE.fullmatch(text)[3] == "403"


@pytest.mark.parametrize("raw", [b"\0\r\n\r\n", b"GET /\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n", b"BAD\r\n\r\n"])
def test_head_that_cannot_be_read_leaves_a_line_without_it(watched, since, raw):
    (answer,) = answers(watched, raw)
    (text,) = texts(watched, since, 1)
    assert text == f"- - {answer.status} {len(answer.body)} B - - -"


def test_framing_that_cannot_be_read_leaves_a_line(watched, since):
    (answer,) = answers(watched, request("POST /things", "Content-Length: x"))
    (text,) = texts(watched, since, 1)
    assert text.startswith(f"POST /things {answer.status} {len(answer.body)} B ")


def test_client_that_goes_leaves_a_line(watched, since):
    client = Client(watched)
    client.send(request("GET /long/6000000"))
    assert client.socket.recv(100)
    client.reset()
    (text,) = texts(watched, since, 1)
    assert text.startswith("GET /long/6000000 200 lost ")


def test_long_target_is_cut(watched, since):
    ask(watched, "GET /" + "x" * 1000, "X-Request-ID: mine-2")
    (text,) = texts(watched, since, 1)
    assert re.fullmatch(r"GET /x{116}\.\.\. 404 \d+ B \d+ ms 127\.0\.0\.1 mine-2", text)


# -- secrets, and lines that are not ours

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("GET /text", [f"Authorization: Bearer {SECRET}"]),
        ("GET /text", [f"Cookie: session={SECRET}"]),
        ("GET /text", [f"Proxy-Authorization: {SECRET}", f"X-Api-Key: {SECRET}"]),
        (f"GET /text?token={SECRET}", []),
        (f"GET /text?a=1&PassWord={SECRET}&b=2", []),
        (f"GET /nothing?%74oken={SECRET}", []),
        (f"GET /raise?api_key={SECRET}", []),
        (f"GET /text?%zz={SECRET}", []),
        ("POST /things", [f'Idempotency-Key: "{SECRET}"']),
    ],
)
def test_secrets_are_not_logged(watched, since, line, fields):
    assert ask(watched, line, *fields, body=SECRET.encode()).status
    assert own_line(watched, since)
    assert SECRET not in json.dumps(read(watched, since))
    assert SECRET not in watched.output()


def test_names_and_other_values_are_logged(watched, since):
    ask(watched, f"GET /text?a=1&PassWord={SECRET}&b=2")
    (text,) = texts(watched, since, 1)
    assert text.startswith("GET /text?a=1&PassWord=*&b=2 200 ")


@pytest.mark.parametrize(
    "field",
    [
        "X-Request-ID: a\tb",
        "X-Request-ID: a error GET /forged",
        'X-Request-ID: "}',
        "X-Forwarded-For: 1.2.3.4",
        "X: \x85",
    ],
)
def test_fields_forge_nothing(watched, since, field):
    ask(watched, "GET /text", field)
    (text,) = texts(watched, since, 1)
    assert re.fullmatch(r"GET /text 200 5 B \d+ ms 127\.0\.0\.1 [0-9a-f]{8}-[0-9a-f]+", text)


@settings(max_examples=40)
@given(st.text(st.sampled_from('ab/.-_~%0a2d"<>\\{}[]|^`;&=?+'), max_size=40))
def test_targets_forge_nothing(watched, tail):
    since = newest(watched)
    ask(watched, f"GET /{tail}")
    (text,) = texts(watched, since, 1)
    if not text.startswith("- - 400 "):
        match = LINE.fullmatch(text)
        assert match and match[1] == "GET" and match[2].startswith("/"), text


INJECTED = b'first\r\nGET /forged 200 0 B 0 ms 10.0.0.1 -\n\x1b[2J\xff"}\n{'


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_line_of_the_application_stays_one(watched, since, level):
    assert ask(watched, f"POST /api/log/{level}", body=INJECTED).status == 204
    line, _ = texts(watched, since, 2)
    assert line == 'first\\x0d\\x0aGET /forged 200 0 B 0 ms 10.0.0.1 -\\x0a\\x1b[2Jÿ"}\\x0a{'
    entry, own = read(watched, since)
    assert (entry["level"], own["level"]) == (level, "info")
    output = watched.output()
    assert f"limpet: {level}: first\\x0d\\x0aGET /forged" in output
    assert "\nGET /forged" not in output and "\x1b" not in output


def test_long_line_is_cut(watched, since):
    assert ask(watched, "POST /api/log/info", body=b"\n" * 5000).status == 204
    line, _ = texts(watched, since, 2)
    assert len(line) == MAX_LINE_BYTES and line.endswith("...")


# -- following it


def test_who_follows_does_not_follow_himself(watched):
    newest_line = newest(watched)
    for _ in range(5):
        assert read(watched, newest_line) == []
    assert ask(watched, "GET /api/log?since=x").status == 400
    (line,) = read(watched, newest_line)
    assert line["text"].startswith("GET /api/log?since=x 400 ")


@pytest.mark.parametrize("query", ["since=x", "since=-1", "wait=61", "wait=-1", "wait=x"])
def test_nonsense_is_refused(watched, query):
    assert ask(watched, f"GET /api/log?{query}").status == 400


def test_new_line_ends_the_wait(watched, since):
    found = []
    thread = threading.Thread(target=lambda: found.extend(read(watched, since, 30)))
    thread.start()
    ask(watched, "GET /text?awaited=1")
    thread.join(SOCKET_TIMEOUT_S)
    assert found and found[0]["text"].startswith("GET /text?awaited=1 200")
    assert found[0]["number"] == since + 1


def test_wait_ends_without_lines(watched, since):
    assert ask(watched, f"GET /api/log?since={since}&wait=1").status == 204


def test_lines_come_as_events(watched, since):
    with httpx.stream("GET", f"{watched.url}api/log/events?since={since}", timeout=SOCKET_TIMEOUT_S) as events:
        assert events.headers["content-type"] == "text/event-stream"
        ask(watched, "GET /text?evented=1")
        seen = {}
        for line in events.iter_lines():
            name, _, value = line.partition(": ")
            seen[name] = value
            if name == "data":
                break
    assert int(seen["id"]) == since + 1
    assert json.loads(seen["data"])["text"].startswith("GET /text?evented=1 200")


def test_who_asks_too_late_is_told_how_many_were_lost(start_server):
    server = start_server("ring=600", script=WATCHED)
    with Client(server) as client:
        for number in range(40):
            client.ask(f"GET /text?n={number}")
    first, *lines = wait_until(lambda: read(server), "lines")
    assert first == {"lost": lines[0]["number"] - 1}
    assert [line["number"] for line in lines] == list(range(first["lost"] + 1, 41))
    assert [line["text"].split()[1] for line in lines] == [f"/text?n={line['number'] - 1}" for line in lines]
    assert len(lines) >= 600 // 80
    # From the middle of what is there, nothing is lost.
    assert read(server, lines[2]["number"]) == lines[3:]


def test_number_from_before_a_restart_gets_everything(watched):
    assert read(watched, 1_000_000)[:1] == read(watched)[:1]


def test_whole_ring_is_read(watched):
    with Client(watched) as client:
        for number in range(90):
            client.ask(f"GET /text?n={number}")
    wait_until(lambda: "n=89 " in read(watched)[-1]["text"], "the last line")
    lost, *lines = read(watched)
    assert RING_BYTES // 100 < len(lines) < RING_BYTES // 40
    assert [f"?n={number} " in line["text"] for number, line in zip(range(89, 50, -1), reversed(lines))] == [True] * 39
    assert lines[0]["number"] == lost["lost"] + 1


# -- memory


def test_ten_thousand_lines_leave_the_heap_where_it_was(micropython):
    assert abs(int(micropython.run("-c", TEN_THOUSAND).stdout)) <= 256


def test_lines_are_there_though_all_places_of_followers_are_taken(server_interpreter):
    with Server(server_interpreter, "long_lived=1", script=WATCHED) as server:
        assert ask(server, "GET /json").status == 200
        with Client(server) as follower:
            follower.send(request("GET /api/log/events"))
            assert follower.socket.recv(1000)
            assert ask(server, "GET /api/log/events").status == 503
            answer = ask(server, "GET /api/log")
            assert answer.status == 200 and b"GET /json 200" in answer.body
