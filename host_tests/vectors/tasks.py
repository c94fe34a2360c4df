"""Tasks under supervision, on a virtual clock: (name, function)."""

from host_tests.fakes import esp

board, tasks, transport = esp.modules("firmware.board", "firmware.server.tasks", "firmware.server.transport")
check = esp.run


class Dying:
    """A task that runs for `lives[n]` ms the nth time, then dies; or returns when there are no more."""

    def __init__(self, clock, *lives):
        self.starts = []
        self._clock = clock
        self._lives = list(lives)

    async def run(self):
        self.starts.append(self._clock.now_ms)
        if self._lives:
            await transport.sleep_ms(self._lives.pop(0))
            raise OSError("life %d" % len(self.starts))


def _supervise(*lives):
    clock = esp.virtual(transport)
    dying = Dying(clock, *lives)
    supervised = tasks.Supervised(dying.run)
    clock.spawn(supervised.run("it"))
    return clock, dying, supervised


def task_that_ends_is_not_started_again():
    clock, dying, supervised = _supervise()
    clock.run(1000000)
    assert (dying.starts, supervised.state, supervised.deaths, supervised.last) == ([0], tasks.ENDED, 0, None)


def task_that_dies_is_started_again_after_a_second():
    clock, dying, supervised = _supervise(10)
    clock.run(11)
    assert (supervised.state, supervised.deaths) == (tasks.WAITING, 1)
    assert supervised.last.startswith("OSError('life 1'")
    clock.run(2000)
    assert (dying.starts, supervised.state, supervised.deaths) == ([0, 1010], tasks.ENDED, 1)


def task_that_dies_at_once_is_started_ever_more_rarely():
    clock, dying, supervised = _supervise(*(1000 * [0]))
    clock.run(3600000)
    pauses = [later - start for start, later in zip(dying.starts, dying.starts[1:])]
    assert pauses[:8] == [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]
    assert max(pauses) == 60000
    assert supervised.deaths == len(dying.starts)


def task_that_ran_well_is_started_again_soon():
    clock, dying, _ = _supervise(0, 0, 0, 0, 300000, 0)
    clock.run(1000000)
    assert dying.starts == [0, 1000, 3000, 7000, 15000, 316000, 318000]


def bad_text_and_closed_console_are_borne():
    class Odd(Exception):
        def __repr__(self):
            raise ValueError("no text")

    async def die():
        raise Odd

    clock = esp.virtual(transport)
    supervised = tasks.Supervised(die)
    clock.spawn(supervised.run("it"))
    clock.run(10000)
    assert supervised.deaths == 4


def traceback_names_the_place():
    try:
        raise OSError("somewhere")
    except OSError as error:
        text = board.traceback(error)
    assert text.startswith("Traceback (most recent call last):\n")
    assert "traceback_names_the_place" in text
    assert text.endswith("OSError: somewhere\n")


CASES = [
    ("task_that_ends_is_not_started_again", task_that_ends_is_not_started_again),
    ("task_that_dies_is_started_again_after_a_second", task_that_dies_is_started_again_after_a_second),
    ("task_that_dies_at_once", task_that_dies_at_once_is_started_ever_more_rarely),
    ("task_that_ran_well_is_started_again_soon", task_that_ran_well_is_started_again_soon),
    ("bad_text_and_closed_console_are_borne", bad_text_and_closed_console_are_borne),
    ("traceback_names_the_place", traceback_names_the_place),
]
