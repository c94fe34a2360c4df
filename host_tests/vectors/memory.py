"""Housekeeping of a board made of fakes, on a virtual clock: (name, function)."""

import gc

from host_tests.fakes import esp

board, memory, recovery, settings = esp.modules(
    "firmware.board", "firmware.board.memory", "firmware.board.recovery", "firmware.board.settings"
)
check = esp.run

MUCH = 50000


class Server:
    """What housekeeping knows of a server."""

    def __init__(self):
        self.requests = 0
        self.refusing = False
        self.sheds = 0

    def shed(self):
        self.sheds += 1


class Heaps:
    """Both heaps as a test likes them; collecting garbage turns it into free bytes."""

    def __init__(self, free=MUCH, used=MUCH, garbage=0, idf_free=MUCH, idf_largest=MUCH):
        self.free = free
        self.used = used
        self.garbage = garbage
        self.idf_free = idf_free
        self.idf_largest = idf_largest
        self.collections = 0
        board.heap = lambda: {"free": self.free, "used": self.used + self.garbage}
        board.idf_heap = lambda: {"free": self.idf_free, "largest": self.idf_largest, "lowest": 0}
        memory.gc = self

    def threshold(self, amount):
        self.amount = amount

    def collect(self):
        self.collections += 1
        self.free += self.garbage
        self.garbage = 0

    def waste(self, amount):
        self.free -= amount
        self.garbage += amount


def _keep(heaps, **changes):
    settings.current = dict(settings.current)
    settings.current.update({"watchdog_s": 0})
    settings.current.update(changes)
    server = Server()
    clock = esp.virtual(board)
    clock.spawn(memory.watch(server))
    clock.run(500)
    return server, clock


def threshold_is_set():
    heaps = Heaps()
    _keep(heaps)
    assert heaps.amount == 2 * MUCH // 4


def garbage_is_collected_at_a_quiet_moment():
    heaps = Heaps()
    server, clock = _keep(heaps)
    heaps.waste(10000)
    server.requests += 1
    clock.run(1500)
    assert heaps.collections == 0
    clock.run(2500)
    assert heaps.collections == 1
    assert memory.report() == {"step": memory.WELL, "lowest": MUCH}


def little_garbage_is_left_alone():
    heaps = Heaps()
    _, clock = _keep(heaps)
    heaps.waste(5000)
    clock.run(60000)
    assert heaps.collections == 0


def garbage_is_not_lack():
    heaps = Heaps(garbage=MUCH, free=1000)
    server, clock = _keep(heaps)
    clock.run(60000)
    assert (server.sheds, server.refusing, heaps.collections) == (0, False, 1)


def _steps(make_low, make_well):
    heaps = Heaps()
    server, clock = _keep(heaps)
    make_low(heaps)
    clock.run(1500)
    assert (server.sheds, server.refusing, memory.keeper.step) == (1, False, memory.SHEDDING)
    clock.run(2500)
    assert (server.sheds, server.refusing, memory.keeper.step) == (2, True, memory.REFUSING)
    clock.run(20500)
    assert (server.sheds, server.refusing) == (20, True)
    make_well(heaps)
    clock.run(21500)
    assert (server.sheds, server.refusing, memory.keeper.step) == (20, False, memory.WELL)
    # The count until the reset begins anew.
    make_low(heaps)
    clock.run(50500)
    assert server.refusing


def full_heap_sheds_then_refuses_then_recovers():
    def low(heaps):
        heaps.free = 3000  # a sixteenth of this heap is 6250, and half of that 3125

    def well(heaps):
        heaps.free = 9400

    _steps(low, well)


def heap_that_is_only_low_goes_on():
    heaps = Heaps()
    server, clock = _keep(heaps)
    heaps.free = 6000
    # Others may come, for as long as that is.
    clock.run(100500)
    assert (server.sheds, server.refusing, memory.keeper.step) == (100, False, memory.SHEDDING)
    heaps.free = 3000
    clock.run(101500)
    assert server.refusing
    # What is a little more is not enough, what is half as much more is.
    heaps.free = 4600
    clock.run(110500)
    assert server.refusing
    heaps.free = 4700
    clock.run(111500)
    assert (server.refusing, memory.keeper.step) == (False, memory.SHEDDING)
    clock.run(200500)
    assert memory.keeper.step == memory.SHEDDING
    heaps.free = 9400
    clock.run(201500)
    assert (server.sheds, memory.keeper.step) == (200, memory.WELL)


def full_second_heap_sheds_then_refuses_then_recovers():
    def low(heaps):
        heaps.idf_free = 12287

    def well(heaps):
        heaps.idf_free = 18432

    _steps(low, well)


def second_heap_in_pieces_sheds_then_refuses_then_recovers():
    def low(heaps):
        heaps.idf_largest = 4095

    def well(heaps):
        heaps.idf_largest = 6144

    _steps(low, well)


def little_more_is_not_well_again():
    heaps = Heaps(idf_free=12000)
    server, clock = _keep(heaps)
    clock.run(5500)
    heaps.idf_free = 18000
    clock.run(10500)
    assert server.refusing


def low_for_half_a_minute_resets():
    heaps = Heaps(idf_free=1000)
    recovery.begin()
    _, clock = _keep(heaps)
    clock.run(29500)
    try:
        clock.run(30500)
    except SystemExit as end:
        assert end.args == ("reset",)
        assert "out of memory: " in recovery.last_crash()
        return
    raise AssertionError("it goes on")


def reset_that_has_no_memory_for_its_reason_resets():
    heaps = Heaps(idf_free=1000)
    _, clock = _keep(heaps)
    whole = recovery.reset
    try:
        recovery.reset = fail
        clock.run(31500)
    except SystemExit as end:
        assert end.args == ("reset",)
        return
    finally:
        recovery.reset = whole
    raise AssertionError("it goes on")


def fail(reason):
    raise MemoryError


def large_heap_is_looked_at_rarely():
    heaps = Heaps(free=4000000)
    looks = []
    _, clock = _keep(heaps, watchdog_s=30)
    whole = board.idf_heap
    board.idf_heap = lambda: looks.append(clock.now_ms) or whole()
    clock.run(100000)
    assert 5 <= len(looks) <= 10
    assert esp.machine.watchdog.fed >= 100


def laptop_without_such_heaps_is_well():
    heaps = Heaps(free=None, garbage=0)
    board.heap = lambda: {"free": None, "used": None}
    board.idf_heap = lambda: None
    server, clock = _keep(heaps)
    clock.run(60000)
    assert (server.sheds, server.refusing, heaps.collections) == (0, False, 0)


def watchdog_is_off_until_asked_for():
    _, clock = _keep(Heaps())
    clock.run(60000)
    assert esp.machine.watchdog is None


def watchdog_is_fed_from_the_loop():
    _, clock = _keep(Heaps(), watchdog_s=30)
    clock.run(60000)
    assert esp.machine.watchdog.timeout == 30000
    assert 59 <= esp.machine.watchdog.fed <= 62
    # A loop that hangs feeds nobody.
    fed = esp.machine.watchdog.fed
    clock.now_ms += 3600000
    clock.run(clock.now_ms)
    assert esp.machine.watchdog.fed == fed + 1


def prompt_has_an_hour_before_the_watchdog_bites():
    [hardware] = esp.modules("firmware.board.hardware")

    def stop(coroutine):
        raise KeyboardInterrupt

    _keep(Heaps(), watchdog_s=30)
    assert esp.machine.watchdog.timeout == 30000
    hardware.run(None, stop)
    assert esp.machine.watchdog.timeout == 3600000


def prompt_without_a_watchdog_gets_none():
    hardware = esp.fresh("firmware.board.hardware")

    def stop(coroutine):
        raise KeyboardInterrupt

    hardware.run(None, stop)
    assert esp.machine.watchdog is None


def heaps_of_the_board_are_read():
    """The module over what `esp32.idf_heap_info` and this interpreter's own heap tell."""
    memory.gc = gc
    hardware = esp.fresh("firmware.board.hardware")
    assert hardware.idf_heap() == {"free": 65000, "largest": 40000, "lowest": 34000}
    assert hardware.heap()["free"] > 0 and hardware.heap()["used"] > 0
    board.heap, board.idf_heap = hardware.heap, hardware.idf_heap
    server, clock = _keep(None)
    esp.esp32.regions[1] = (110000, 3000, 2000, 1000)
    clock.run(3 * 1000 * memory.keeper.turns)
    assert server.refusing


CASES = [
    ("threshold_is_set", threshold_is_set),
    ("garbage_is_collected_at_a_quiet_moment", garbage_is_collected_at_a_quiet_moment),
    ("little_garbage_is_left_alone", little_garbage_is_left_alone),
    ("garbage_is_not_lack", garbage_is_not_lack),
    ("full_heap", full_heap_sheds_then_refuses_then_recovers),
    ("heap_that_is_only_low_goes_on", heap_that_is_only_low_goes_on),
    ("full_second_heap", full_second_heap_sheds_then_refuses_then_recovers),
    ("second_heap_in_pieces", second_heap_in_pieces_sheds_then_refuses_then_recovers),
    ("little_more_is_not_well_again", little_more_is_not_well_again),
    ("low_for_half_a_minute_resets", low_for_half_a_minute_resets),
    ("reset_without_memory", reset_that_has_no_memory_for_its_reason_resets),
    ("large_heap_is_looked_at_rarely", large_heap_is_looked_at_rarely),
    ("laptop_without_such_heaps_is_well", laptop_without_such_heaps_is_well),
    ("watchdog_is_off_until_asked_for", watchdog_is_off_until_asked_for),
    ("watchdog_is_fed_from_the_loop", watchdog_is_fed_from_the_loop),
    ("prompt_has_an_hour", prompt_has_an_hour_before_the_watchdog_bites),
    ("prompt_without_a_watchdog", prompt_without_a_watchdog_gets_none),
    ("heaps_of_the_board_are_read", heaps_of_the_board_are_read),
]
