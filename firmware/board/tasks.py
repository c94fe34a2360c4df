"""The tasks of the board: one that dies is logged, counted, and started again after a pause.

    start("wifi", wifi.run)        # in a running event loop

One whose function returns has ended, and stays so.
"""

import asyncio

import firmware.board as board

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

    def __init__(self, function):
        self.state = RUNNING
        self.deaths = 0
        self.last = None
        self.task = None
        self._function = function

    async def run(self, name):
        """Await the function, again after each time it raises, until it returns."""
        wait_ms = _WAIT_MS
        while True:
            since = board.ticks_ms()
            self.state = RUNNING
            try:
                await self._function()
                break
            except Exception as error:
                self._died(name, error)
            if board.elapsed_ms(since) >= _STEADY_MS:
                wait_ms = _WAIT_MS
            self.state = WAITING
            await board.sleep_ms(wait_ms)
            wait_ms = min(2 * wait_ms, _WAIT_MOST_MS)
        self.state = ENDED

    def _died(self, name, error):
        self.deaths += 1
        # A console that is closed, or a heap that is full, must not end the supervision too.
        try:
            self.last = repr(error)
            print("limpet: task %s died\n%s" % (name, board.traceback(error)), end="")
        except Exception:
            pass


def start(name, function):
    """Run `await function()` as a task under supervision; one of this name that is running is cancelled."""
    if name in _tasks:
        _tasks[name].task.cancel()
    supervised = Supervised(function)
    supervised.task = asyncio.create_task(supervised.run(name))
    _tasks[name] = supervised


def end(name):
    """Cancel a task, where there is one of this name."""
    if name in _tasks:
        _tasks.pop(name).task.cancel()


def stop():
    """Cancel all of them."""
    for supervised in _tasks.values():
        supervised.task.cancel()
    _tasks.clear()


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
