"""Measures Limpet, microdot and the floor side by side, in what does not depend on the machine that measures.

Instructions and system calls are counted by valgrind under the 64-bit MicroPython; memory is that of the 32-bit one,
whose words and heap blocks are as long as the ESP32's. All three run from .mpy files, with a browser's request head.

What a request costs is the difference of two runs, one with more requests than the other, so that start and end cancel
out. The servers' own work by the clock, such as a look at all deadlines twice a second, stays in: it is a few hundred
instructions a request.

`bench_bounds.json` has the most that each of Limpet's figures may be, {label: bound};
host_tests/tools/test_bench.py holds them, and `--lower` lowers those that have got better. It raises none.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from tools import ROOT, bench_apps, interpreters, mpy
from tools.bench_apps import (
    API,
    ASYNC,
    FILE,
    GARBAGE,
    MISSING,
    ONE_OF_MANY,
    PAGE,
    QUESTIONS,
    TEXT,
    TUPLE,
    Browser,
    Failed,
    Question,
    Server,
    post_of,
)

SERVERS = ("limpet", "microdot", "floor")

BOUNDS = ROOT / "tools" / "bench_bounds.json"
# Room above what was measured.
ROOM = 1.05

# Room for garbage as on a board with a few hundred KB, so that collections are counted at the rate they have there.
HEAP = "512k"

# Requests in the shorter run: one connection's worth where connections are kept, and every buffer has found its place.
WARM_UP = 100

# How many more the longer run has. Whole connections of 100, since each ends in a reconnection.
REQUESTS = 1000
QUICK_REQUESTS = 200
# Of a large file or body: each is many times the work, and a collection of garbage less of it.
LARGE_BYTES = 4000
LARGE_WARM_UP = 10
LARGE_REQUESTS = 100
QUICK_LARGE_REQUESTS = 20
# Of system calls there are always the same.
CALL_REQUESTS = 100

# Requests whose garbage is looked at, one by one, in a heap in which there is room for all of it.
GARBAGE_REQUESTS = 40
GARBAGE_HEAP = "2m"

# Limpet's default on a board.
CONNECTIONS = 6

# The smallest heap is looked for between these, in KB, and has to serve each thing as often as this.
SMALLEST_KB, LARGEST_KB = 1, 256
SERVES = 20
# A server without memory may also fall silent.
SILENCE_S = 3


class Bench:
    """What all figures need, made in `folder`: the compiled servers and the files to serve.

    Raises SystemExit with one line that tells what to install where something is missing.
    """

    def __init__(self, folder: Path, words: tuple[str, ...] = ("amd64", "i386"), quick: bool = False):
        self.quick = quick
        if "amd64" in words and not shutil.which("valgrind"):
            raise SystemExit("No valgrind, which counts: install it (Debian, Ubuntu: `apt install valgrind`).")
        self.interpreters = {word: interpreters.require(word) for word in words}
        self.trees = {word: folder / word for word in words}
        for word, tree in self.trees.items():
            bench_apps.build(tree, {"amd64": "x64", "i386": "x86"}[word])
        self.www = folder / "www"
        self.contents = bench_apps.make_files(self.www)

    # -- instructions and system calls: None where a server does not keep connections alive

    def instructions(self, server: str, question: Question | str, keep_alive: bool = False) -> float | None:
        """Return the instructions of one request; `question` is one, or the path that `question_of` knows."""
        question = self.question_of(question)
        warm_up, more = WARM_UP, QUICK_REQUESTS if self.quick else REQUESTS
        if question.path == FILE or len(question.body or b"") > LARGE_BYTES:
            warm_up, more = LARGE_WARM_UP, QUICK_LARGE_REQUESTS if self.quick else LARGE_REQUESTS
        command = interpreters.callgrind_command(self.interpreters["amd64"])
        return self._difference(command, _instructions, server, question, keep_alive, warm_up, more)

    def system_calls(self, server: str, question: Question | str, keep_alive: bool = False) -> float | None:
        """Return the system calls of one request."""
        command = interpreters.callgrind_command(self.interpreters["amd64"])
        command[1:3] = ["--tool=none", "--trace-syscalls=yes"]
        question = self.question_of(question)
        return self._difference(command, _system_calls, server, question, keep_alive, WARM_UP, CALL_REQUESTS)

    def question_of(self, question: Question | str) -> Question:
        """Return the Question for a path."""
        if not isinstance(question, str):
            return question
        return QUESTIONS.get(question) or Question(question, self.contents[question])

    def _difference(self, command, count, server, question, keep_alive, warm_up, more):
        totals = []
        for requests in (warm_up, warm_up + more):
            mode = "keep" if keep_alive else "close"
            with Server(command, self.trees["amd64"], HEAP, server, self.www, question.path, mode) as running:
                browser = Browser(running.port, question, keep_alive)
                browser.ask(requests)
                browser.close()
            if keep_alive and browser.connections == requests:
                return None
            totals.append(count(running.errors))
        return (totals[1] - totals[0]) / more

    # -- memory

    def marks(self, server: str, *args) -> dict[str, int]:
        """Return {mark: bytes of heap in use}, less what an interpreter without a server uses."""
        arguments = (server, self.www, API, "keep", *args)
        with Server(self.interpreters["i386"], self.trees["i386"], HEAP, *arguments) as running:
            return {mark: value - self.empty() for mark, value in running.marks.items()}

    def garbage(self, server: str, path: str) -> float:
        """Return the bytes that one request on a kept connection takes of the heap, while nothing is collected."""
        command, tree = self.interpreters["i386"], self.trees["i386"]
        with Server(command, tree, GARBAGE_HEAP, server, self.www, path, "garbage") as running:
            browser = Browser(running.port, self.question_of(path), True)
            teller = Browser(running.port, QUESTIONS[GARBAGE], True)
            # Who tells makes some, too. What the clock makes now and then falls between few.
            return self._growth(teller, browser) - self._growth(teller, None)

    def _growth(self, teller, browser):
        """Return the usual difference between what a heap holds and what it holds then, one request more behind it."""
        held = []
        for _ in range(GARBAGE_REQUESTS):
            if browser:
                browser.ask(1)
            teller.ask(1)
            held.append(int(teller.body))
        return statistics.median(after - before for before, after in zip(held, held[1:]))

    def empty(self) -> int:
        """Return the bytes of heap that an interpreter without a server uses."""
        return int(self._run("-m", "empty_app").split()[-1])

    def modules(self, *modules: str) -> tuple[dict[str, int], int]:
        """Import the modules; return {module: bytes that it alone takes}, and how many of all bytes are names'."""
        output = self._run("-m", "modules_app", *modules)
        costs = re.findall(r"^module (\S+) (\d+)", output, re.MULTILINE)
        names_bytes = int(re.findall(r"n_total_bytes=(\d+)", output)[0])
        return {name: int(cost) for name, cost in costs if int(cost)}, names_bytes

    def idle_heap(self, server: str) -> float:
        """Return the KB of heap in use while it listens and nobody has come."""
        return self.marks(server)["listening"] / 1024

    def smallest_heap(self, server: str) -> float:
        """Return the KB of the smallest heap in which it serves the JSON endpoint and the 256 KB file."""
        low, high = SMALLEST_KB, LARGEST_KB
        if not self.serves(server, high):
            raise Failed(f"{server} does not serve in {high} KB")
        while high - low > 1:
            middle = (low + high) // 2
            if self.serves(server, middle):
                high = middle
            else:
                low = middle
        return high

    def serves(self, server: str, heap_kb: int) -> bool:
        """Tell whether it serves everything with a heap of this size, byte for byte."""
        # The floor has but one answer.
        rounds = ((API,), (FILE,)) if server == "floor" else ((API, FILE),)
        try:
            for paths in rounds:
                arguments = (server, self.www, paths[0], "close")
                with Server(self.interpreters["i386"], self.trees["i386"], f"{heap_kb}k", *arguments) as running:
                    for path in paths:
                        Browser(running.port, self.question_of(path), False, SILENCE_S).ask(SERVES)
        except Failed:
            return False
        return True

    def version(self) -> str:
        """Return MicroPython's version."""
        return self._run("-c", "import sys; print('%d.%d.%d' % sys.implementation[1][:3])").strip()

    def _run(self, *args: str) -> str:
        tree = self.trees["i386"]
        done = subprocess.run(
            [*self.interpreters["i386"], "-X", f"heapsize={HEAP}", *args],
            cwd=tree,
            env={**os.environ, "MICROPYPATH": f"{tree}:.frozen"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Failed(f"{args[1]}: {done.stderr.strip()}")
        return done.stdout


def _instructions(errors: str) -> int:
    totals = re.findall(r"Collected : (\d+)", errors)
    if not totals:
        raise Failed(f"valgrind does not count: {errors[-200:].strip()}")
    return int(totals[-1])


def _system_calls(errors: str) -> int:
    # Each begins a line; the result of one that may wait has a second. The time is not asked of the system but here.
    calls = re.findall(r"^SYSCALL\[\d+,\d+\]\( *\d+\) sys_(?!clock_gettime|gettimeofday)", errors, re.MULTILINE)
    if not calls:
        raise Failed(f"valgrind does not trace: {errors[-200:].strip()}")
    return len(calls)


class Row(NamedTuple):
    """One figure of every server: its name and unit, what Limpet aims at, the method of Bench that gets it.

    `label` has its section before a colon. `aim` is None where there is none. `app` is Limpet's, where that is another
    one than "limpet"; the other servers are asked only where they have the like (`is_shared`).
    """

    label: str
    unit: str
    aim: float | None
    measure: Callable
    args: tuple = ()
    app: str = "limpet"
    is_shared: bool = False

    def servers(self) -> tuple[str, ...]:
        """Return the servers that have this figure."""
        return SERVERS if self.is_shared else SERVERS[:1]

    def of(self, bench: Bench, server: str = "limpet") -> float | None:
        """Return the figure of a server."""
        return self.measure(bench, self.app if server == "limpet" else server, *self.args)


def _kept(name, aim, question, **options):
    return Row(f"kept: {name}", "instructions", aim, Bench.instructions, (question, True), **options)


def _new(name, aim, path):
    return Row(f"new: {name}", "instructions", aim, Bench.instructions, (path,), is_shared=True)


def _calls(name, aim, *args):
    return Row(f"system calls: {name}", "calls", aim, Bench.system_calls, (API, *args), is_shared=True)


def _garbage(name, aim, path, **options):
    return Row(f"garbage: {name}", "bytes", aim, Bench.garbage, (path,), **options)


ROWS = (
    _new("JSON", 80_000, API),
    _new("4 KB page", 150_000, PAGE),
    _new("256 KB file", 800_000, FILE),
    _kept("JSON", 45_000, API, is_shared=True),
    _kept("JSON, async handler", 55_000, ASYNC),
    _kept("JSON and a status", 55_000, TUPLE),
    _kept("JSON behind a no-op hook", 55_000, API, app="hooked"),
    _kept("JSON behind all guards", 110_000, API, app="guarded"),
    _kept("4 KB page behind all guards", None, PAGE, app="guarded"),
    _kept("text", 60_000, TEXT),
    _kept("404", 120_000, MISSING),
    _kept("POST of 100 bytes of JSON", 150_000, post_of(100)),
    _kept("POST of 8,000 bytes of JSON", None, post_of(8000)),
    _kept("last of 100 patterns, new id", 150_000, ONE_OF_MANY),
    _calls("JSON, new", 8),
    _calls("JSON, kept", 4, True),
    _garbage("JSON behind all guards", 600, API, app="guarded"),
    _garbage("4 KB page", 600, PAGE),
    _garbage("text", 300, TEXT),
    Row("heap: idle, with static files", "KB", 48, Bench.idle_heap, is_shared=True),
    Row("heap: smallest for JSON and 256 KB file", "KB", None, Bench.smallest_heap, is_shared=True),
)


SECTIONS = {
    "new": "Instructions of a request, new connection each",
    "kept": "Instructions of a request, kept connection",
    "system calls": "System calls of a request",
    "garbage": "Garbage of a request, bytes",
    "heap": "Heap",
}


def measure(bench: Bench, show: Callable = lambda line: None, only_limpet: bool = False) -> list[dict]:
    """Return for each row a dict of its label, unit and aim, and each server's figure (None: it cannot do that).

    `show` is called with a line as soon as a figure is there.
    """
    rows = [{"label": row.label, "unit": row.unit, "aim": row.aim, **dict.fromkeys(SERVERS)} for row in ROWS]
    # Counts do not mind neighbours: one at a time on each processor.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        places = {
            pool.submit(row.of, bench, server): (at, server)
            for at, row in enumerate(ROWS)
            for server in (row.servers()[:1] if only_limpet else row.servers())
        }
        try:
            for job in as_completed(places):
                at, server = places[job]
                rows[at][server] = job.result()
                show(f"{rows[at]['label']}: {server} {text(job.result(), rows[at]['unit'])}")
        finally:
            for job in places:
                job.cancel()
    return rows


def bounds() -> dict[str, float]:
    """Return the most that each of Limpet's figures may be, {label of a row: bound}."""
    return json.loads(BOUNDS.read_text(encoding="utf-8"))


def lowered(old: dict[str, float], rows: list[dict]) -> dict[str, float]:
    """Return the bounds with some room above what was measured, where that is less than the old ones."""
    new = {row["label"]: _bound(row["limpet"], row["unit"]) for row in rows}
    return {label: min(bound, old.get(label, bound)) for label, bound in new.items()}


def _bound(value, unit):
    return round(value * ROOM, 1) if unit in ("KB", "calls") else round(value * ROOM)


def text(value: float | None, unit: str) -> str:
    """Return a figure as people read it."""
    if value is None:
        return "-"
    if unit in ("instructions", "bytes"):
        return f"{value:,.0f}"
    return f"{value:.1f}".replace(".0", "") + (" KB" if unit == "KB" else "")


def table(rows: list[dict]) -> str:
    """Return the figures in aligned columns, below the name of their section."""
    columns = (*SERVERS, "aim")
    cells = [["", *columns]]
    section = None
    for row in rows:
        before, _, name = row["label"].partition(": ")
        if before != section:
            section = before
            cells.append([SECTIONS.get(section, section), *[""] * len(columns)])
        cells.append([f"  {name}", *(text(row[column], row["unit"]) for column in columns)])
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = [[line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])] for line in cells]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def caption(bench: Bench) -> str:
    """Return what the figures are of."""
    requests = QUICK_REQUESTS if bench.quick else REQUESTS
    microdot = metadata.version("microdot")
    head_bytes = len(Browser(0, QUESTIONS[API], True).request())
    return f"""\
Instructions and system calls of a request with a browser's head of {head_bytes} bytes, counted by valgrind over
{requests:,} requests on MicroPython {bench.version()} (64-bit, heap of {HEAP}); memory on the same for 32 bits.
All run from .mpy ({mpy.OPTIMISATION}): Limpet with a board's {CONNECTIONS} connections, microdot {microdot}, which
keeps no connection, and the floor, which answers the same to everything without looking."""


def breakdown(bench: Bench) -> dict:
    """Return where Limpet's idle heap goes, in bytes: {"parts": {}, "modules": {}, "names": all interned names}."""
    marks, fewer = bench.marks("limpet", CONNECTIONS), bench.marks("limpet", CONNECTIONS - 1)
    each = marks["listening"] - fewer["listening"]
    modules, names = bench.modules("firmware.server.app", "firmware.server.static")
    parts = {
        "imports": marks["imports"],
        "application": marks["app"] - marks["imports"],
        "server and shared buffers": marks["listening"] - marks["app"] - CONNECTIONS * each,
        f"{CONNECTIONS} connections of {each}": CONNECTIONS * each,
    }
    return {"parts": parts, "modules": modules, "names": names}


def breakdown_text(found: dict) -> str:
    """Return the breakdown in aligned columns, what takes most first."""
    sections = ["Limpet's idle heap, bytes:", found["parts"], "Its imports, each module without what it imports:"]
    lines = []
    for section in (*sections, found["modules"]):
        if isinstance(section, str):
            lines.append(f"\n{section}")
        else:
            lines += [f"{value:8,}  {name}" for name, value in sorted(section.items(), key=lambda item: -item[1])]
    lines.append(f"{found['names']:8,}  of all that for names that the interpreter has not in ROM")
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Measure, print the table, and write the raw figures where asked to; 1 when something cannot be measured."""
    parser = argparse.ArgumentParser(
        prog="python3 -m tools bench",
        description="Measure Limpet, microdot and the floor, a fixed answer: instructions, system calls, heap.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer requests: quicker, figures within some 5 %%")
    parser.add_argument("--verbose", action="store_true", help="show also where Limpet's heap goes, module by module")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the raw figures to FILE")
    parser.add_argument("--lower", action="store_true", help="Limpet alone: lower its bounds to 5 %% above its figures")
    options = parser.parse_args(argv)
    show = functools.partial(print, file=sys.stderr, flush=True) if sys.stderr.isatty() else lambda line: None
    try:
        with tempfile.TemporaryDirectory(prefix="limpet-bench-") as folder:
            bench = Bench(Path(folder), quick=options.quick)
            rows = measure(bench, show, options.lower)
            print(f"{table(rows)}\n\n{caption(bench)}")
            result = {"caption": caption(bench), "rows": rows}
            if options.verbose or options.json:
                result["heap"] = breakdown(bench)
        if options.verbose:
            print(breakdown_text(result["heap"]))
    except (Failed, mpy.CompileError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.lower:
        new = lowered(bounds() if BOUNDS.exists() else {}, rows)
        BOUNDS.write_text(json.dumps(new, indent=2) + "\n", encoding="utf-8")
    return 0
