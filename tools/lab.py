"""Runs the acceptance list on a board and writes a report that can be sent in: `python3 -m tools lab`.

The board is plugged in (`--port`), or serves at `--host ADDRESS`, or both: what one way cannot do is said to be not
tried, and why. The steps are in tools/steps.py. The report is Markdown, for the issue form of boards, with the same as
JSON beside it.
"""

from __future__ import annotations

import datetime
import json
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools import console, ports, steps
from tools.console import Failure
from tools.steps import STEPS, Lab, Skipped

PASSED, FAILED, NOT_TRIED = "passed", "failed", "not tried"
STYLES = {PASSED: "green", FAILED: "red", NOT_TRIED: "yellow"}

MINUTES = 10
# More than any board answers in that time.
MOST_REQUESTS = 1_000_000
FORM = ".github/ISSUE_TEMPLATE/board.yml"
# Of what went wrong.
SHOWN_CHARACTERS = 1500


class Outcome(NamedTuple):
    """How a step went: PASSED, FAILED or NOT_TRIED, why, its figures {name: value}, and what it took in seconds."""

    name: str
    result: str
    why: str
    figures: dict
    seconds: float


def run(lab: Lab) -> Iterator[Outcome]:
    """Take each step and yield how it went; what fails keeps none of the others from being tried, Ctrl-C does."""
    is_stopped = False
    for name, step in STEPS.items():
        if is_stopped:
            yield Outcome(name, NOT_TRIED, "stopped", {}, 0)
            continue
        console.note(f"{name}: {step.__doc__}")
        begun = time.monotonic()
        result, why, figures = PASSED, "", {}
        try:
            figures = step(lab)
        except Skipped as skipped:
            result, why = NOT_TRIED, str(skipped)
        except KeyboardInterrupt:  # what is known by then is told all the same
            result, why, is_stopped = NOT_TRIED, "stopped", True
        except (Exception, SystemExit) as error:  # a report that tells it is worth more than none
            result, why = FAILED, f"{error}" if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
        yield Outcome(name, result, why[:SHOWN_CHARACTERS], figures, round(time.monotonic() - begun, 1))


def report(lab: Lab, outcomes: list[Outcome]) -> dict:
    """Return all that is known, for JSON."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "tree": steps.tree(),
        "laptop": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "way": " and ".join(way for way, value in (("cable", lab.port), ("network", lab.is_reachable)) if value),
        "steps": [outcome._asdict() for outcome in outcomes],
        "doctor": lab.findings,
    }


def markdown(told: dict) -> str:
    """Return the report for people."""
    counts = [sum(step["result"] == result for step in told["steps"]) for result in STYLES]
    lines = [
        "# Report of a board",
        "",
        f"{told['date']}, tree {told['tree']}, over the {told['way'] or 'air'}, from {told['laptop']}.",
        "{} steps passed, {} failed, {} were not tried.".format(*counts),
        "",
        "| step | result | seconds | figures |",
        "|---|---|---|---|",
    ]
    for step in told["steps"]:
        figures = "; ".join(f"{name}: {_cell(value)}" for name, value in step["figures"].items())
        result = step["result"] + (f": {step['why']}" if step["why"] else "")
        lines.append(f"| {step['name']} | {_cell(result)} | {step['seconds']} | {figures} |")
    if told["doctor"]:
        lines += ["", "What `doctor` says:", "", "| what | how it is |", "|---|---|"]
        lines += [f"| {one['name']} | {_cell(one['line'])} |" for one in told["doctor"]]
    return "\n".join(lines) + "\n"


def _cell(value) -> str:
    """Return a value as a table's cell can hold it."""
    if isinstance(value, dict):
        value = ", ".join(f"{name} {each}" for name, each in value.items())
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = console.parser(
        "lab",
        "Run the acceptance list on a board, and write a report that can be sent in.",
        "$LIMPET_PASSWORD is the board's; without it what needs a log-in is not tried. The board gets the tree that is"
        " here, starts anew, and has its LED blink; a file comes and goes.",
    )
    parser.add_argument("--port", help='serial port, socket://HOST:PORT, or "auto", the only board (without --host)')
    parser.add_argument("--host", metavar="ADDRESS", help="a board that serves: http://limpet.local")
    parser.add_argument("--out", metavar="FILE", type=Path, default=Path("lab.md"), help="the report (default: lab.md)")
    parser.add_argument("--requests", metavar="N", type=int, default=MOST_REQUESTS, help="end the soak sooner")
    parser.add_argument("--cut-link", action="store_true", help="wait while you switch the access point off and on")
    options = parser.parse_args(argv)
    if options.requests < 1:
        parser.error("--requests is a number from 1 on")
    # Said now, not after a quarter of an hour.
    if options.out.suffix == ".json" or options.out.is_dir() or not options.out.parent.is_dir():
        parser.error("--out is a file for Markdown in a folder that is there; the JSON goes beside it, as .json")
    port = ports.choose(options.port or "auto") if options.port or not options.host else None
    outcomes = []
    with Lab(port, options.host, options.requests, MINUTES * 60, options.cut_link) as lab:
        for outcome in run(lab):
            outcomes.append(outcome)
            console.say(f"{outcome.result:10}{outcome.name:12} {outcome.why}".rstrip(), STYLES[outcome.result])
        told = report(lab, outcomes)
    options.out.write_text(markdown(told), encoding="utf-8")
    data = options.out.with_suffix(".json")
    data.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    console.say(f"The report is in {options.out} and {data}: send it in with the form {FORM}.")
    failed = [outcome.name for outcome in outcomes if outcome.result == FAILED]
    if failed:
        raise Failure(f"Not passed: {', '.join(failed)}.")
    return 0
