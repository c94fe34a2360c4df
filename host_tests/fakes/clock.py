"""A clock that stands still until everybody waits, and what waits on it: the same on CPython and MicroPython.

    clock = Clock()
    task = clock.spawn(coroutine())      # it may await clock.sleep_ms(ms) and nothing else
    clock.at(5000, function)             # at 5 s
    clock.run(60000)                     # until a minute has passed

`clock.now_ms` counts from 0; whoever blocks moves it on.
"""

# MicroPython's ticks on a 32-bit board wrap at this; a minute after the start, so that every test sees it happen.
TICKS_PERIOD = 1 << 30
START_TICKS = TICKS_PERIOD - 60000


class Task:
    """A running coroutine: `done`, then `result` or the exception `error`."""

    def __init__(self, coroutine, due_ms):
        self.coroutine = coroutine
        self.due_ms = due_ms
        self.done = False
        self.result = self.error = None

    def step(self):
        try:
            self.due_ms = self.coroutine.send(None)
        except StopIteration as stop:
            self.done, self.result = True, stop.value
        except Exception as error:
            self.done, self.error = True, error


class Call:
    """A function called once."""

    def __init__(self, function, due_ms):
        self.function = function
        self.due_ms = due_ms
        self.done = False

    def step(self):
        self.done = True
        self.function()


class Sleep:
    """What is awaited: yields the time to wake up at, once."""

    def __init__(self, due_ms):
        self.due_ms = due_ms

    def __iter__(self):
        return self

    __await__ = __iter__

    def __next__(self):
        if self.due_ms is None:
            raise StopIteration
        due_ms, self.due_ms = self.due_ms, None
        return due_ms


class Clock:
    def __init__(self):
        self.now_ms = 0
        self.waiting = []

    def ticks_ms(self):
        return (START_TICKS + self.now_ms) % TICKS_PERIOD

    def sleep_ms(self, ms):
        return Sleep(self.now_ms + ms)

    def spawn(self, coroutine):
        task = Task(coroutine, self.now_ms)
        self.waiting.append(task)
        return task

    def at(self, due_ms, function):
        self.waiting.append(Call(function, due_ms))

    def run(self, until_ms):
        """Run what waits, in order of time, until `until_ms`. Raises what a task raises."""
        while self.waiting:
            next_one = self.waiting[0]
            for one in self.waiting:
                if one.due_ms < next_one.due_ms:
                    next_one = one
            if next_one.due_ms > until_ms:
                break
            self.now_ms = max(self.now_ms, next_one.due_ms)
            next_one.step()
            if next_one.done:
                self.waiting.remove(next_one)
                if getattr(next_one, "error", None):
                    raise next_one.error
        self.now_ms = max(self.now_ms, until_ms)
