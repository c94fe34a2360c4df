"""Tasks beside the requests, under supervision: one that dies is told, counted, and started again after a pause.

    start("wifi", wifi.run)        # in a running event loop

One whose function returns has ended, and stays so. An application's `background` tasks are among them.
"""

import asyncio

from firmware.server import transport

# A task that dies at once would again: wait, twice as long each time.
_WAIT_MS = 1000
_WAIT_MOST_MS = 60000
# One that has run for this long dies of something new.
_STEADY_MS = 300000

RUNNING = "running"
WAITING = "waiting"  # to be started again
ENDED = "ended"

_tasks = {}


class Supervised:
    """A task by its name: `state`, how many `deaths`, the `last` of them in a line."""

    def __init__(self, function, log_error=None):
        self.state = RUNNING
        self.deaths = 0
        self.last = None
        self.task = None
        self._function = function
        self._log_error = log_error or _print

    async def run(self, name):
        """Await the function, again after each time it raises, until it returns."""
        wait_ms = _WAIT_MS
        while True:
            since = transport.ticks_ms()
            self.state = RUNNING
            try:
                await self._function()
                break
            except Exception as error:
                self._died(name, error)
            if transport.elapsed_ms(since) >= _STEADY_MS:
                wait_ms = _WAIT_MS
            self.state = WAITING
            await transport.sleep_ms(wait_ms)
            wait_ms = min(2 * wait_ms, _WAIT_MOST_MS)
        self.state = ENDED
        self._function = None  # with all that it holds

    def _died(self, name, error):
        self.deaths += 1
        # A console that is closed, or a heap that is full, must not end the supervision too.
        try:
            self.last = repr(error)
            self._log_error("task %s died" % name, error)
        except Exception:
            pass


def start(name, function, log_error=None):
    """Run `await function()` as a task under supervision; a running one of this name is cancelled.

    `log_error(where, error)` is called for each death, with the server's own `log_error`, say; by default the console
    has the traceback.
    """
    end(name)
    supervised = Supervised(function, log_error)
    supervised.task = asyncio.create_task(supervised.run(name))
    _tasks[name] = supervised


def start_all(functions, log_error):
    """Start functions under their own names, with a number behind one that is in use; return the names."""
    names = []
    for function in functions:
        name = own = getattr(function, "__name__", "task")
        number = 1
        while name in _tasks:
            number += 1
            name = "%s %d" % (own, number)
        start(name, function, log_error)
        names.append(name)
    return names


def end(name):
    """Cancel a task, where there is one of this name."""
    if name in _tasks:
        _tasks.pop(name).task.cancel()


async def outlive(serving):
    """Await the server's end, and end all tasks with it."""
    try:
        await serving
    finally:
        stop()


def stop():
    """Cancel all of them."""
    for name in list(_tasks):
        end(name)


def is_well():
    """Tell whether none waits to be started again."""
    for supervised in _tasks.values():
        if supervised.state is WAITING:
            return False
    return True


def report():
    """Return what the status page tells, by name: {"state", "deaths", "last"}."""
    found = {}
    for name in _tasks:
        task = _tasks[name]
        found[name] = {"state": task.state, "deaths": task.deaths, "last": task.last}
    return found


def _print(where, error):
    print("limpet:", where)
    transport.print_exception(error)
