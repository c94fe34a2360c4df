"""firmware/server/tasks.py: tasks that die, on a virtual clock and in the interpreters' own event loops."""

import json


def test_vectors_hold(interpreter):
    interpreter.run_vectors("tasks")


CODE = """
import asyncio, json
from firmware.server import tasks
tasks._WAIT_MS = 10

runs = []
cancelled = []

async def good(name):
    try:
        while True:
            runs.append(name)
            await asyncio.sleep(0.001)
    except asyncio.CancelledError:
        cancelled.append(name)
        raise

async def bad():
    runs.append("bad")
    raise ValueError("wrong")

async def once():
    runs.append("once")

async def main():
    tasks.start("good", lambda: good("good"))
    tasks.start("bad", bad)
    tasks.start("once", once)
    await asyncio.sleep(0.005)
    well = tasks.is_well()
    report = tasks.report()
    while runs.count("bad") < 3:
        await asyncio.sleep(0.001)
    tasks.start("good", lambda: good("better"))
    while runs[-1] != "better":
        await asyncio.sleep(0.001)
    first = list(cancelled)
    tasks.stop()
    await asyncio.sleep(0.02)
    count = len(runs)
    await asyncio.sleep(0.02)
    print("RESULT", json.dumps([well, report, first, cancelled, len(runs) - count, tasks.report(), tasks.is_well()]))

asyncio.run(main())
"""


BACKGROUND = """
import asyncio, json
from firmware import App
from firmware.server import tasks
tasks._WAIT_MS = 10

app = App()
told = []

class Server:
    def log_error(self, where, error):
        told.append(where)

@app.background
async def sample():
    await asyncio.sleep(10)

other = App()

@other.background
async def sample():
    raise ValueError("wrong")

app.mount("/other", other)

async def main():
    app.server = Server()
    app.begin_background(app)
    while len(told) < 2:
        await asyncio.sleep(0.001)
    report = tasks.report()
    app.end_background([other])
    left = sorted(tasks.report())
    app.end_background([app])
    print("RESULT", json.dumps([report, told, left, tasks.report()]))

asyncio.run(main())
"""


def test_background_tasks_are_counted_and_reported(interpreter):
    done = interpreter.run("-c", BACKGROUND)
    report, told, left, none_left = json.loads(done.stdout.partition("RESULT ")[2])
    assert report["sample"] == {"state": "running", "deaths": 0, "last": None}
    assert report["sample 2"]["deaths"] == 2 and report["sample 2"]["last"].startswith("ValueError('wrong'")
    assert told == 2 * ["task sample 2 died"]
    assert (left, none_left) == (["sample"], {})


def test_tasks_run_under_the_real_loop(interpreter):
    done = interpreter.run("-c", CODE)
    out, _, result = done.stdout.partition("RESULT ")
    well, report, first, cancelled, more, left, well_behind = json.loads(result)
    assert well is False
    assert report["good"] == {"state": "running", "deaths": 0, "last": None}
    assert report["once"] == {"state": "ended", "deaths": 0, "last": None}
    assert (report["bad"]["state"], report["bad"]["deaths"]) == ("waiting", 1)
    assert report["bad"]["last"].startswith("ValueError('wrong'")
    assert (first, cancelled) == (["good"], ["good", "better"])
    assert (more, left, well_behind) == (0, {}, True)
    assert out.startswith("limpet: task bad died\nTraceback (most recent call last):\n")
    assert out.count("ValueError: wrong\n") == out.count("limpet: task bad died\n") >= 3
    assert done.stderr == ""
