"""Tells of each request whether it is answered straight from the event loop's poll. MicroPython only.

Words: "cached" runs it in a loop that looks up its queues' methods once, before it begins, as one of MicroPython's may
come to do; "app.run" and "transport.run" start it another way than `asyncio.run` does.
"""

import asyncio
import time
from asyncio import core

from firmware import App
from firmware.server import transport
from host_tests.apps import start

app = App()
in_poll = False
poll = transport.Reactor.wait_io_event


def wait_io_event(self, wait_ms):
    global in_poll
    in_poll = True
    poll(self, wait_ms)
    in_poll = False


transport.Reactor.wait_io_event = wait_io_event


def run_until_complete(main_task):
    """Do what asyncio's does, but for what an error in a task is told to."""
    peek, pop, wait = core._task_queue.peek, core._task_queue.pop, core._io_queue.wait_io_event
    while True:
        wait_ms = 1
        while wait_ms > 0:
            task = peek()
            wait_ms = max(0, time.ticks_diff(task.ph_key, time.ticks_ms())) if task else -1
            wait(wait_ms)
            if wait_ms < 0:
                wait_ms = 1
        task = core.cur_task = pop()
        try:
            error = task.data
            if error:
                task.data = None
                task.coro.throw(error)
            else:
                task.coro.send(None)
        except (asyncio.CancelledError, Exception) as ended:
            if task is main_task:
                if isinstance(ended, StopIteration):
                    return ended.value
                raise
            while task.state and task.state is not True and task.state.peek():
                core._task_queue.push(task.state.pop())
            task.state = False
            task.data = ended


if "cached" in start.words():
    core.run_until_complete = run_until_complete


@app.get("/plain")
def plain(request):
    return {"in_poll": in_poll}


@app.get("/async")
async def later(request):
    return {"in_poll": in_poll}


@app.get("/awaiting")
async def awaiting(request):
    await asyncio.sleep(0)
    return {"in_poll": in_poll}


@app.post("/body")
def body(request):
    return {"in_poll": in_poll, "size": len(request.body)}


if "app.run" in start.words():
    start.set_limits(app)
    app.run(start.option("host"), int(start.option("port")))
elif "transport.run" in start.words():
    transport.run(start.serve(app))
else:
    start.run(app)
