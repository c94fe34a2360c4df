"""Sends a million mixed requests to a board and tells whether it bears them: `python3 -m tools soak`.

The board is one of this machine's own, in the smallest heap that all parts of the site have room in
(tools/simulated.py), or any at `--host ADDRESS`, with the password in $LIMPET_PASSWORD or a token in $LIMPET_TOKEN.

What has to hold: every answer is right (503 counts: the client comes again), each request gets one, none fails for want
of memory after the first minute, the largest free block never has less than 2 KB, no slot or descriptor is lost, and
the board starts anew at no time. The report says what did not.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tools import console, memory, update
from tools.console import Failure
from tools.mixed import Mix
from tools.simulated import SimulatedBoard

REQUESTS = 1_000_000
# From here on whoever asks has a right to be answered: all parts were loaded once.
WARM_S = 60
# In one piece.
LEAST_BLOCK_BYTES = 2048
# Between two looks at what the board says of itself.
LOOK_EVERY_S = 5
# For the last clients to be gone: a slow one has 10 s.
SETTLE_S = 60
SETTLE_LOOK_S = 1
# Connections that were refused are closed a second later.
DESCRIPTOR_LOOKS = 6

PASSWORD = "correct horse"
TOKEN = "soak"
# Lines of a report that has more.
SHOWN = 10


class Watch:
    """Looks at a board's status while it is asked for other things. A context manager.

    `lows`: the least of each of its heaps' figures, {name: bytes}; `resets`: why it started anew, a line each;
    `boots`: how often it had started, by the last look.
    """

    def __init__(self, address: str, authorization: str):
        self.lows = {}
        self.resets = []
        self._client = update.Client(address, authorization)
        self._uptime_s = -1
        # Two threads look, over one connection.
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self.look()
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._is_over.set()
        self._thread.join()
        # It has been reset since the last look, maybe.
        with contextlib.suppress(Failure):
            self.look()

    def look(self) -> dict:
        """Return the status. Raises Failure."""
        with self._lock:
            return self._look()

    def _look(self) -> dict:
        try:
            status = self._client.json("GET", "/api/status")
        finally:
            self._client.close()  # a connection that is kept is one of the few there are
        for heap in ("heap", "idf_heap"):
            for name, value in (status[heap] or {}).items():
                key = f"{heap} {name}"
                if name != "used" and value is not None:
                    self.lows[key] = min(value, self.lows.get(key, value))
        if status["uptime_s"] < self._uptime_s:
            boot = status["boot"]
            self.resets.append(f"{boot['reset_cause']}: {boot['last_crash'] or 'it does not say why'}")
        self._uptime_s = status["uptime_s"]
        return status

    def _run(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            with contextlib.suppress(Failure):
                self.look()

    def settled(self) -> dict:
        """Return the status once no client but this one is left, or some time later. Raises Failure.

        A board that starts anew meanwhile is waited for.
        """
        deadline = time.monotonic() + SETTLE_S
        while True:
            is_late = time.monotonic() > deadline
            try:
                status = self.look()
                if status["connections"]["open"] <= 1 or is_late:
                    return status
            except Failure:
                if is_late:
                    raise
            time.sleep(SETTLE_LOOK_S)


def soak(
    address: str,
    authorization: str,
    password: str | None,
    requests: int,
    board: SimulatedBoard | None = None,
    seconds: float | None = None,
    told: Callable[[int], None] = lambda done: None,
) -> dict:
    """Send the requests, or as many as go in so many `seconds`, and return the report. Raises Failure.

    `board`: what is at the address, where it is one of this machine's.
    """
    with token(address, authorization) as one, Watch(address, authorization) as watch:
        before = watch.settled()
        descriptors = _fewest(board, 0)
        mix = Mix(address, one, password)
        start = time.monotonic()
        mix.run(requests, seconds=seconds, told=told)
        took_s = time.monotonic() - start
        after = None if mix.is_gone else watch.settled()
    lows = {**watch.lows, **({"largest block": board.least_block_bytes} if board else {})}
    lost = {"slots": after["connections"]["open"] - 1 if after else None}
    if descriptors is not None and not board.resets:
        lost["descriptors"] = _fewest(board, descriptors) - descriptors
    return {
        **{"requests": mix.done, "seconds": round(took_s), "statuses": dict(sorted(mix.statuses.items()))},
        **{"refused": mix.refused, "starved": len(mix.starved)},
        **{"starved_late": _late(mix.starved), "cut": len(mix.cut), "cut_late": _late(mix.cut)},
        **{"waits": mix.waits, "again": mix.again, "wrong": mix.wrong, "unanswered": mix.unanswered},
        **{"lows": lows, "lost": lost, "resets": board.resets if board else watch.resets},
        **{"errors": after["connections"]["errors"] - before["connections"]["errors"] if after else None},
    }


def _fewest(board: SimulatedBoard | None, enough: int) -> int | None:
    """Return how many descriptors a board has open once no client is left: looks until these are few `enough`.

    None where nobody tells.
    """
    found = board.descriptors() if board else None
    for _ in range(DESCRIPTOR_LOOKS):
        if found is None or found <= enough:
            break
        time.sleep(0.5)
        found = min(found, board.descriptors())
    return found


def _late(moments: list[float]) -> int:
    return sum(at_s > WARM_S for at_s in moments)


@contextlib.contextmanager
def token(address: str, authorization: str, name: str = TOKEN) -> Iterator[str]:
    """Have a token of our own for so long: checking a password takes a board seconds. Raises Failure."""
    client = update.Client(address, authorization)
    with contextlib.suppress(Failure):
        client.request("DELETE", f"/api/tokens/{name}")  # of one that was cut off
    made = client.json("POST", "/api/tokens", {"name": name, "role": "admin"})
    client.close()
    try:
        yield made["token"]
    finally:
        with contextlib.suppress(Failure), contextlib.closing(client):
            client.request("DELETE", f"/api/tokens/{name}")
            client.request("DELETE", "/files/mixed/a.bin")


def check(address: str) -> str:
    """Return the Authorization for a board at an address. Raises Failure where it is not one to be soaked."""
    authorization = update.credentials()
    if not authorization:
        raise Failure("Put the board's password into $LIMPET_PASSWORD, or an administrator's token into $LIMPET_TOKEN.")
    with contextlib.closing(update.Client(address, authorization)) as client:
        if not client.json("GET", "/api/session")["password_set"]:
            raise Failure(f"{address} has no password yet: set one on its page first.")
        if client.json("GET", "/api/status").get("project"):
            raise Failure("The requests are for the shipped site: take the project off (`deploy --no-project`).")
    return authorization


def faults(report: dict) -> list[str]:
    """Return what did not hold, a few words each."""
    block = report["lows"].get("largest block")
    found = [
        (report["wrong"], f"{len(report['wrong'])} wrong answers"),
        (report["unanswered"], f"{len(report['unanswered'])} requests without an answer"),
        (report["starved_late"], f"{report['starved_late']} answers failed for want of memory after the first minute"),
        (report["cut_late"], f"{report['cut_late']} streams ended before their time after the first minute"),
        (block is not None and block < LEAST_BLOCK_BYTES, f"the largest free block had {block} bytes"),
        *((count, f"{count} {name} lost") for name, count in report["lost"].items()),
        (report["resets"], f"{len(report['resets'])} resets"),
        (report["lost"]["slots"] is None, "the board has gone"),
    ]
    return [text for is_wrong, text in found if is_wrong]


def lines(report: dict) -> Iterator[str]:
    """Yield the report for people."""
    pace = report["requests"] / max(1, report["seconds"])
    yield f"{report['requests']:,} requests in {report['seconds']:,} s, {pace:.0f} a second."
    yield "Answers: " + ", ".join(f"{count:,} of {status}" for status, count in report["statuses"].items()) + "."
    yield (
        f"Told to come again, 503: {report['refused']:,}; of these for want of memory: {report['starved']:,},"
        f" after the first minute: {report['starved_late']:,}."
    )
    yield f"Told to wait, 429: {report['waits']:,}. Sent again over a new connection: {report['again']:,}."
    if report["cut"]:
        yield f"Streams that ended too soon: {report['cut']:,}, after the first minute: {report['cut_late']:,}."
    lows = [f"{name} {value:,}" for name, value in report["lows"].items() if value is not None]
    yield f"Least, bytes: {', '.join(lows)}."
    lost = [f"{'?' if count is None else count} {name}" for name, count in report["lost"].items()]
    yield f"Lost: {', '.join(lost)}."
    if report["errors"]:
        yield f"Errors with a traceback on the board's console: {report['errors']:,}."
    for name in ("wrong", "unanswered", "resets"):
        if report[name]:
            yield f"{name.capitalize()}: {len(report[name])}"
            yield from (f"    {line[:300]}" for line in report[name][:SHOWN])


@contextlib.contextmanager
def own_board(form: str) -> Iterator[SimulatedBoard]:
    """Start a board of this machine's, with a password."""
    with tempfile.TemporaryDirectory(prefix="limpet-soak-") as folder, SimulatedBoard(form, Path(folder)) as board:
        with contextlib.closing(update.Client(board.address, update.basic(PASSWORD))) as client:
            client.json("PUT", "/api/password", {"new": PASSWORD})
        yield board


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser(
        "soak",
        "Send a million mixed requests to a board, and tell whether it bears them.",
        "--host takes $LIMPET_PASSWORD (with log-ins) or $LIMPET_TOKEN. The board's LED blinks; a file comes and goes.",
    )
    parser.add_argument("--host", metavar="ADDRESS", help="a board that serves the shipped site: http://limpet.local")
    parser.add_argument("--requests", metavar="N", type=int, default=REQUESTS, help=f"how many (default: {REQUESTS:,})")
    parser.add_argument(
        "--form",
        choices=(memory.FROZEN, memory.FILES),
        default=memory.FROZEN,
        help="without --host: whether the firmware is frozen in, or files (default: frozen)",
    )
    console.add_json(parser)
    options = parser.parse_args(argv)
    if options.requests < 1:
        parser.error("--requests is a number from 1 on")
    with console.progress("Asking", options.requests, "requests") as bar:
        if options.host:
            address = update.Client(options.host).address
            authorization = check(address)
            password = update.password()
            report = soak(address, authorization, password, options.requests, told=bar.update)
            report["board"] = address
        else:
            with own_board(options.form) as board:
                authorization = update.basic(PASSWORD)
                report = soak(board.address, authorization, PASSWORD, options.requests, board, told=bar.update)
            report["board"] = f"simulated, {options.form}, {board.heap_kb} KB"
    report["faults"] = faults(report)
    if options.json:
        console.print_json(report)
    else:
        console.say(f"Board: {report['board']}.")
        for line in lines(report):
            console.say(line)
    if report["faults"]:
        raise Failure(f"Not borne: {'; '.join(report['faults'])}.")
    console.note("All held.")
    return 0
