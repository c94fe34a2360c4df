"""The steps of `lab`: each does one thing with a board, and returns figures of it.

A step raises Skipped where the way to the board, or what is known of it, does not let it be tried; and Failure, OSError
or AssertionError where the board did not do it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator

from tools import ROOT, deploy, doctor, findings, health, manifest, mixed, soak, update
from tools.answers import Response
from tools.console import Failure
from tools.mixed import JSON, UPGRADE, Connection, Kind

NEEDS_PASSWORD = "put the board's password into $LIMPET_PASSWORD"
NO_ADDRESS = "the board is in no network that this machine knows an address in: give --host"

# A start anew, Wi-Fi and all.
COMES_BACK_S = 180
LOOK_EVERY_S = 0.2
# In which a board that has sent clients away takes them again.
HEALS_S = 60
# For whoever has to walk to the access point.
CUT_S = 600

UPLOAD = hashlib.sha256(b"lab").digest() * 3200  # 100 KB
UPLOADED = "/files/lab/upload.bin"
# Requests of each kind of latency.
TIMES = 40
CLIENTS = 4
TOKEN = "lab"


class Skipped(Exception):
    """Why a step was not tried."""


class Lab:
    """What the steps know of a board: its `port`, its `address`, and the administrator's `password`, or None.

    `requests` and `seconds` are of the soak; `is_cut`: somebody will cut the link by hand. A context manager: what it
    has made on the board goes in the end.
    """

    def __init__(self, port: str | None, address: str | None, requests: int, seconds: float, is_cut: bool):
        self.port = port
        self.requests, self.seconds = requests, seconds
        self.is_cut = is_cut
        self.password = update.password()
        self.findings = []
        self._address = address and update.Client(address).address
        self._token = None
        self._ends = contextlib.ExitStack()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *exception) -> None:
        self._ends.close()

    @property
    def address(self) -> str:
        """Where the board serves. Raises Skipped."""
        if not self._address:
            raise Skipped(NO_ADDRESS)
        return self._address

    @property
    def is_reachable(self) -> bool:
        """Whether it has an address."""
        return self._address is not None

    def found(self, address: str | None) -> None:
        """Take the address that the board itself tells, where none was given."""
        self._address = self._address or address

    @property
    def token(self) -> str:
        """What lets us do everything, made when it is asked for. Raises Skipped, Failure."""
        if self._token is None:
            authorization = update.credentials()
            if not authorization:
                raise Skipped(NEEDS_PASSWORD)
            with contextlib.closing(update.Client(self.address, authorization)) as client:
                if not client.json("GET", "/api/session")["password_set"]:
                    raise Skipped("the board has no password yet: set one on its page")
            self._token = self._ends.enter_context(soak.token(self.address, authorization, TOKEN))
        return self._token

    def client(self) -> contextlib.closing:
        """Return a client that may do everything, to be used in a `with`."""
        return contextlib.closing(update.Client(self.address, f"Bearer {self.token}"))

    def ask(self, kind: Kind) -> Response:
        """Return the answer to a request over a new connection, the first that is not "come again"."""
        with self.connected() as connection:
            return self.expect(kind, connection)

    @contextlib.contextmanager
    def connected(self) -> Iterator[Connection]:
        """Have a connection."""
        connection = Connection(self.address)
        try:
            yield connection
        finally:
            connection.close()

    def expect(self, kind: Kind, connection: Connection) -> Response:
        """Return the answer over a connection; over others where the board says "come again"."""
        answer = connection.ask(kind, self.token if kind.may_write else "")
        for _ in range(mixed.TRIES):
            if answer.status not in (429, 503) or answer.status in kind.right:
                break
            wait = answer.header("retry-after") or ""
            time.sleep(min(int(wait) if wait.isdigit() else 1, mixed.WAIT_AT_MOST_S))
            with self.connected() as other:
                answer = other.ask(kind, self.token if kind.may_write else "")
        assert answer.status in kind.right, f"{kind.method} {kind.target}: {answer!r:.300}"
        return answer

    def status(self) -> dict:
        """Return what the board says of itself."""
        return json.loads(self.ask(Kind(1, "GET", "/api/status", may_write=bool(update.credentials()))).body)


def examine(lab: Lab) -> dict:
    """What `doctor` finds."""
    found = list(doctor.examine(lab.port) if lab.port else doctor.examine_host(lab.address))
    lab.findings = [finding._asdict() for finding in found]
    wrong = [f"{finding.name}: {finding.line}" for finding in found if finding.well is False]
    if wrong:
        raise Failure("; ".join(wrong))
    return {finding.name: finding.line for finding in found if finding.name in ("chip", "firmware", "image", "tree")}


def bring(lab: Lab) -> dict:
    """`deploy`, of the tree that is here."""
    if lab.port:
        done = deploy.deploy(lab.port)
        lab.found(done["address"])
    else:
        with lab.client() as client:
            try:
                client.info()
            except update.Refusal as refusal:
                if refusal.status == 404:
                    raise Skipped("what serves there takes no update: a laptop") from None
                raise
        done = update.deploy(lab.address)
    return {"files": len(done["sent"]), "bytes": done["sent_bytes"], "form": done["form"]}


def start(lab: Lab) -> dict:
    """A start, until it serves."""
    begun = time.monotonic()
    if lab.port:
        from tools.board import Board

        with Board(lab.port) as board:
            begun = time.monotonic()
            started = deploy.start(board, True)
        if started.failure:
            raise Failure(started.failure)
        lab.found(started.address)
    else:
        before = lab.status()
        with lab.client() as client:
            client.json("POST", "/api/restart")
        wait_for(lambda: is_another_life(lab, before), "the board does not come back")
    return {"seconds": round(time.monotonic() - begun, 1)}


def is_another_life(lab: Lab, before: dict) -> bool:
    """Tell whether the board serves, in another life than `before`, a status."""
    if not health.ask(lab.address, 0).reachable:
        return False
    now = lab.status()
    # A simulated board does not count its boots, and may have been up for no longer before.
    counts = [(one["uptime_s"], one["connections"]["requests"]) for one in (now, before)]
    return now["boot"]["boots"] > before["boot"]["boots"] or any(new < old for new, old in zip(*counts))


def wait_for(condition, failure: str, seconds: float = COMES_BACK_S) -> None:
    """Wait until `condition()` is true. Raises Failure."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, AssertionError, Failure):
            if condition():
                return
        if time.monotonic() > deadline:
            raise Failure(failure)
        time.sleep(LOOK_EVERY_S)


def join(lab: Lab) -> dict:
    """Its Wi-Fi."""
    wifi = lab.status()["wifi"]
    if wifi is None:
        raise Skipped("it has no Wi-Fi")
    assert wifi["state"] == "connected", f"the Wi-Fi is {wifi['state']}: {wifi['reason']}"
    return {"dBm": wifi["rssi"], "attempts": wifi["attempts"]}


def pages(lab: Lab) -> dict:
    """The page, and what it is made of."""
    # A compressed copy has an ETag of its own.
    compressed = "Accept-Encoding: gzip"
    page = lab.ask(Kind(1, "GET", "/", fields=(compressed,)))
    assert page.header("etag"), "the page has no ETag"
    lab.ask(Kind(1, "GET", "/", (304,), (compressed, f"If-None-Match: {page.header('etag')}")))
    plain = lab.ask(Kind(1, "GET", "/")).body.decode()
    parts = sorted(set(re.findall(r'(?:src|href)="([\w.-]+\.(?:js|css|svg))"', plain)))
    size = sum(len(lab.ask(Kind(1, "GET", f"/{part}")).body) for part in parts)
    lab.ask(Kind(1, "GET", "/nothing", (404,)))
    return {"parts": len(parts) + 1, "bytes": size + len(plain)}


def answers(lab: Lab) -> dict:
    """JSON: what is read, set, and wrong."""
    was = json.loads(lab.ask(Kind(1, "GET", "/api/led", may_write=True)).body)["on"]
    for value in (not was, was):
        body = json.dumps({"on": value}).encode()
        assert json.loads(lab.ask(Kind(1, "PUT", "/api/led", (200,), (JSON,), body, True)).body)["on"] is value
    lab.ask(Kind(1, "PUT", "/api/led", (422,), (JSON,), b'{"on": 1}', True))
    lab.ask(Kind(1, "PUT", "/api/led", (400,), (JSON,), b'{"on":', True))
    lab.ask(Kind(1, "PUT", "/api/led", (401,), (JSON,), b'{"on": true}'))
    return {}


def live(lab: Lab) -> dict:
    """An event of the stream, and two messages of a WebSocket."""
    assert lab.token
    with lab.connected() as connection:
        # Without a length: `first` leaves the body to us.
        lab.expect(Kind(1, "GET", "/api/events", may_write=True, first=1), connection)
        for line in connection.stream:
            if line.startswith((b"data: ", b"ata: ")):  # of the first line a byte was taken already
                assert "uptime_s" in json.loads(line.partition(b": ")[2])
                break
        else:
            raise AssertionError("the stream ends without an event")
    with lab.connected() as connection:
        lab.expect(Kind(1, "GET", "/ws", (101,), UPGRADE, may_write=True), connection)
        for _ in range(2):
            head = connection.stream.read(2)
            assert len(head) == 2, "the WebSocket ends without a message"
            size = head[1] & 127
            if size == 126:
                size = int.from_bytes(connection.stream.read(2), "big")
            assert head[0] == 0x81 and "uptime_s" in json.loads(connection.stream.read(size)), head
    return {}


def log_in(lab: Lab) -> dict:
    """A log-in, right and wrong."""
    if not lab.password:
        raise Skipped(NEEDS_PASSWORD)
    assert lab.token  # where the board has no password yet there is no log-in
    begun = time.monotonic()
    answer = lab.ask(mixed.log_in(lab.password))
    took_s = time.monotonic() - begun
    cookie = (answer.header("set-cookie") or "").partition(";")[0]
    assert cookie, "the log-in sets no cookie"
    session = json.loads(lab.ask(Kind(1, "GET", "/api/session", fields=(f"Cookie: {cookie}",))).body)
    assert session["user"], "the session does not hold"
    lab.ask(mixed.log_in("surely not this")._replace(right=(401,)))
    lab.ask(Kind(1, "POST", "/api/logout", (204,), (f"Cookie: {cookie}",)))
    return {"seconds": round(took_s, 1)}


def upload(lab: Lab) -> dict:
    """A file of 100 KB, there and back."""
    assert lab.token
    try:
        begun = time.monotonic()
        lab.ask(Kind(1, "PUT", UPLOADED, (201, 204), (), UPLOAD, True))
        put_s = time.monotonic() - begun
        assert lab.ask(Kind(1, "GET", UPLOADED, may_write=True)).body == UPLOAD, "the file is another one"
        got_s = time.monotonic() - begun - put_s
    finally:
        lab.ask(Kind(1, "DELETE", UPLOADED, (204, 404), (), b"", True))
    kb = len(UPLOAD) / 1024
    return {"KB/s up": round(kb / max(put_s, 0.001)), "KB/s down": round(kb / max(got_s, 0.001))}


def cut_link(lab: Lab) -> dict:
    """A link that is cut, and comes back, while the board goes on."""
    if not lab.is_cut:
        raise Skipped("give --cut-link, and switch the access point off and on again when it says so")
    before = lab.status()
    wait_for(lambda: not is_there(lab), "nobody has cut the link", CUT_S)
    begun = time.monotonic()
    wait_for(lambda: is_there(lab), "the board has not come back", CUT_S)
    cut_s = time.monotonic() - begun
    assert lab.status()["boot"]["boots"] == before["boot"]["boots"], "it has been reset meanwhile"
    return {"seconds away": round(cut_s)}


def is_there(lab: Lab) -> bool:
    """Tell whether somebody listens at the board's address."""
    with contextlib.suppress(OSError), socket.create_connection(mixed.place(lab.address), 2):
        return True
    return False


def latency(lab: Lab) -> dict:
    """What JSON takes, in ms: new connections and kept ones, one client and four."""
    kind = Kind(1, "GET", "/api/led", may_write=True)
    lab.ask(kind)
    figures = {"new": _times(lab, kind, False)}
    figures["kept"] = _times(lab, kind, True)
    found = []
    clients = [threading.Thread(target=lambda: found.extend(_times(lab, kind, False))) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    figures[f"{CLIENTS} clients"] = found
    assert all(figures.values()), "no answer"
    return {name: f"{statistics.median(times):.1f} ms, worst {max(times):.1f}" for name, times in figures.items()}


def _times(lab: Lab, kind: Kind, is_kept: bool) -> list[float]:
    """Return what each of some requests took, in ms; those that were told to come again are left out."""
    times, connection = [], None
    for _ in range(TIMES):
        begun = time.monotonic()
        with contextlib.suppress(OSError, AssertionError):
            connection = connection or Connection(lab.address)
            answer = connection.ask(kind, lab.token)
            if answer.status == 200:
                times.append((time.monotonic() - begun) * 1000)
            else:
                time.sleep(1)
            if is_kept and "close" not in (answer.header("connection") or ""):
                continue
        if connection:
            connection.close()
        connection = None
    if connection:
        connection.close()
    return times


def soaked(lab: Lab) -> dict:
    """Mixed requests for ten minutes."""
    if lab.status().get("project"):
        raise Skipped("the requests are for the shipped site: take the project off (`deploy --no-project`)")
    report = soak.soak(lab.address, f"Bearer {lab.token}", lab.password, lab.requests, seconds=lab.seconds)
    if soak.faults(report):
        raise Failure(f"{'; '.join(soak.faults(report))}. {' '.join(soak.lines(report))}")
    return {name: report[name] for name in ("requests", "seconds", "statuses", "refused", "starved", "lows")}


def heaps(lab: Lab) -> dict:
    """What memory is left, once the board has had a minute for itself."""
    deadline = time.monotonic() + HEALS_S
    while True:
        status = lab.status()
        finding = findings.serving({"status": status, "is_private": False})
        if finding.well is not False:
            break
        if time.monotonic() > deadline:
            raise Failure(finding.line)
        time.sleep(1)
    return {"told": finding.line, "left out": ", ".join(status["left_out"]) or "nothing"}


# In this order.
STEPS = {
    "doctor": examine,
    "deploy": bring,
    "boot": start,
    "join": join,
    "pages": pages,
    "JSON": answers,
    "live events": live,
    "log-in": log_in,
    "upload": upload,
    "latency": latency,
    "cut link": cut_link,
    "soak": soaked,
    "heaps": heaps,
}


def tree() -> str:
    """Return which tree is here."""
    return manifest.tree_hash(ROOT)[: findings.SHOWN_DIGITS]
