"""Housekeeping of a board made of fakes, on a virtual clock: (name, function)."""

import gc
import sys

from host_tests.fakes import esp

board, budget, memory, recovery, settings = esp.modules(
    *("firmware.board", "firmware.board.budget", "firmware.board.memory", "firmware.board.recovery"),
    "firmware.board.settings",
)
loader = memory.loader
check = esp.run

MUCH = 50000


class Slot:
    sock = None


class Server:
    """What housekeeping knows of a server."""

    def __init__(self):
        self.requests = 0
        self.starved = 0
        self.budget = None
        self.refusing = False
        self.sheds = 0
        self.slots = [Slot()]

    def shed(self):
        self.sheds += 1

    def close(self):
        self.slots = ()


class Reserve:
    """What `board.hold` returns."""

    def __init__(self, heaps, size, before):
        self.heaps = heaps
        self.size = size
        self.before = before
        heaps.idf_free -= size
        heaps.idf_largest = max(before, heaps.idf_largest - size - before)

    def release(self):
        self.heaps.idf_free += self.size
        self.heaps.idf_largest += self.size
        self.heaps.held = None


class Heaps:
    """Both heaps as a test likes them; collecting garbage turns it into free bytes. `held`: the reserve in the second.

    The second is in so many pieces, unless a test asks for one, that Python's heap cannot take too much of it.
    """

    def __init__(self, free=MUCH, used=MUCH, garbage=0, idf_free=MUCH, idf_largest=20000):
        self.free = free
        self.used = used
        self.garbage = garbage
        self.idf_free = idf_free
        self.idf_largest = idf_largest
        self.collections = 0
        self.held = None
        board.hold = self.hold
        board.heap = lambda: {"free": self.free, "used": self.used + self.garbage}
        board.idf_heap = lambda: {"free": self.idf_free, "largest": self.idf_largest, "lowest": 0}
        memory.gc = self

    def threshold(self, amount):
        self.amount = amount

    def collect(self):
        self.collections += 1
        self.free += self.garbage
        self.garbage = 0

    def hold(self, size, before):
        self.held = Reserve(self, size, before)
        return self.held

    def leave(self, free):
        """Have so much of it used that `free` bytes are left."""
        self.used += self.free - free
        self.free = free

    def waste(self, amount):
        self.free -= amount
        self.garbage += amount


def _keep(heaps, **changes):
    settings.current = dict(settings.current)
    settings.current.update({"watchdog_s": 0})
    settings.current.update(changes)
    server = Server()
    clock = esp.virtual(board)
    budget.begin()
    clock.spawn(memory.Keeper(server).run())
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
    # Behind a quarter of a minute of peace the count until the reset begins anew.
    clock.run(37500)
    make_low(heaps)
    clock.run(61500)
    assert server.refusing


def full_heap_sheds_then_refuses_then_recovers():
    def low(heaps):
        heaps.leave(6000)  # an eighth of this heap is 12500; what counts is 12288, and half of that 6144

    def well(heaps):
        heaps.leave(18500)

    _steps(low, well)


def heap_that_is_only_low_goes_on():
    heaps = Heaps()
    server, clock = _keep(heaps)
    heaps.leave(12000)
    # Others may come, for as long as that is.
    clock.run(100500)
    assert (server.sheds, server.refusing, memory.keeper.step) == (100, False, memory.SHEDDING)
    heaps.leave(6000)
    clock.run(101500)
    assert server.refusing
    # What is a little more is not enough, what is half as much more is.
    heaps.leave(9100)
    clock.run(110500)
    assert server.refusing
    heaps.leave(9300)
    clock.run(111500)
    assert (server.refusing, memory.keeper.step) == (False, memory.SHEDDING)
    clock.run(200500)
    assert memory.keeper.step == memory.SHEDDING
    heaps.leave(18500)
    clock.run(201500)
    assert (server.sheds, memory.keeper.step) == (200, memory.WELL)


def heap_that_may_double_is_not_low():
    heaps = Heaps(free=54000, used=3300, idf_free=90000, idf_largest=90000)
    server, clock = _keep(heaps)
    heaps.leave(200)
    clock.run(20500)
    assert (server.sheds, memory.keeper.step) == (0, memory.WELL)


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
    clock.run(24500)
    try:
        clock.run(25500)
    except SystemExit as end:
        assert end.args == ("reset",)
        assert "out of memory: " in recovery.last_crash()
        return
    raise AssertionError("it goes on")


def low_at_every_second_look_resets_within_a_minute():
    heaps = Heaps()
    recovery.begin()
    _, clock = _keep(heaps)
    try:
        for second in range(1, 60, 2):
            heaps.leave(6000)
            clock.run(1000 * second + 500)
            heaps.leave(9300)
            clock.run(1000 * second + 1500)
    except SystemExit as end:
        assert end.args == ("reset",)
        return
    raise AssertionError("it goes on")


def low_now_and_then_does_not_reset():
    """As a stranger might bring it about: the board serves well in between."""
    heaps = Heaps()
    _, clock = _keep(heaps)
    for minute in range(60):
        heaps.leave(6000)
        clock.run(10000 * minute + 1500)
        heaps.leave(18500)
        clock.run(10000 * minute + 10500)
    assert memory.keeper.step == memory.WELL


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


def fail(*reason):
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


# -- requests that fail


class Memory:
    """What Python can have in one piece: `memory._is_there`."""

    def __init__(self, largest=MUCH):
        self.largest = largest
        self.whole = memory._is_there

    def __enter__(self):
        memory._is_there = lambda size: size <= self.largest

    def __exit__(self, *error):
        memory._is_there = self.whole


def request_that_failed_sheds_and_is_told():
    server, clock = _keep(Heaps())
    assert memory.problem() is None
    server.starved += 1
    server.requests += 1
    clock.run(1500)
    assert (server.sheds, memory.keeper.step, memory.problem()) == (1, memory.SHEDDING, "requests fail")
    clock.run(2500)
    assert (server.sheds, memory.keeper.step, memory.problem()) == (1, memory.WELL, "requests fail")
    clock.run(17500)
    assert memory.problem() is None


def heap_in_pieces_refuses_and_resets():
    heaps = Heaps()
    recovery.begin()
    server, clock = _keep(heaps)
    with Memory(largest=1000):
        clock.run(5500)
        assert memory.keeper.step == memory.WELL  # nobody has asked for more
        try:
            for second in range(60):
                server.starved += 1
                server.requests += 1
                clock.run(5500 + 1000 * second)
                assert second < 3 or server.refusing
        except SystemExit:
            return
    raise AssertionError("it goes on")


def heap_that_is_low_and_in_pieces_refuses():
    heaps = Heaps()
    server, clock = _keep(heaps)
    heaps.leave(10000)
    with Memory(largest=300):
        clock.run(2500)
        assert server.refusing


def board_whose_requests_fail_for_half_a_minute_resets():
    """Although there seems to be memory; and although somebody asks for something small now and then."""
    recovery.begin()
    server, clock = _keep(Heaps())
    try:
        for second in range(0, 60, 10):
            server.starved += 1
            server.requests += 2
            clock.run(1500 + 1000 * second)
    except SystemExit:
        assert 25 <= clock.now_ms // 1000 <= 51
        return
    raise AssertionError("it goes on")


def one_page_that_fails_among_many_does_not_reset():
    server, clock = _keep(Heaps())
    for second in range(300):
        server.starved += 1
        server.requests += 3
        clock.run(1500 + 1000 * second)
    assert not server.refusing


def look_without_memory_refuses_and_resets():
    """Each look fails, as it may in a heap that is full: the keeper goes on, and counts."""
    recovery.begin()
    server, clock = _keep(Heaps())

    def idf_heap():
        raise MemoryError

    board.idf_heap = idf_heap
    clock.run(2500)
    assert server.refusing and memory.problem() == "requests fail"
    clock.run(24500)
    try:
        clock.run(33500)
    except SystemExit:
        return
    raise AssertionError("it goes on")


def board_that_is_small_serves_as_well_as_it_can():
    """What it has behind its start is all that there will ever be."""
    server, clock = _keep(Heaps(free=5000, used=120000))
    clock.run(100500)
    assert (server.sheds, server.refusing, memory.keeper.step) == (0, False, memory.WELL)


def reset_of_a_board_that_has_answered_is_no_failed_boot():
    for requests, unfinished in ((9, 0), (0, 1)):
        recovery.begun = False
        recovery.storage = None
        esp.esp32.erase()
        recovery.begin()
        heaps = Heaps()
        server, clock = _keep(heaps)
        server.requests = requests
        heaps.leave(1000)
        try:
            clock.run(40500)
        except SystemExit:
            assert esp.esp32.NVS("limpet").get_i32("unfinished") == unfinished
            continue
        raise AssertionError("it goes on")


def heap_in_pieces_is_renewed_when_nobody_is_there():
    def life(refused, uptime_s, has_client=False, is_in_pieces=False, **heap):
        recovery.begin()
        server, clock = _keep(Heaps(**heap))
        board.uptime_s = lambda: uptime_s
        if has_client:
            server.slots[0].sock = server
        loader.refused_bytes = refused
        loader.is_in_pieces = is_in_pieces
        loader.free_bytes = lambda: 5000
        try:
            clock.run(40500)
        except SystemExit as end:
            assert end.args == ("soft reset",) and 29000 <= clock.now_ms <= 31000
            return True
        finally:
            loader.free_bytes = free_bytes
            refused, loader.refused_bytes, loader.is_in_pieces = loader.refused_bytes, 0, False
            Slot.sock = None
        return refused

    free_bytes = loader.free_bytes
    assert life(8000, 700) is True
    # Not often, not with a client, not where it would not help.
    assert life(8000, 500) == life(8000, 700, has_client=True) == 8000
    assert life(60000, 700) == 60000
    # What was refused has room by now; or seems to, and has not.
    assert life(2000, 700) == 0
    assert life(2000, 700, is_in_pieces=True) is True


# -- the budget


def laptop_has_no_budget():
    Heaps()
    board.idf_heap = lambda: None
    server, _ = _keep(None)
    assert server.budget is None


def _budget(heaps):
    server, clock = _keep(heaps)
    return server.budget, clock


def clients_are_taken_while_the_system_keeps_its_floor():
    heaps = Heaps(idf_free=28000, idf_largest=10000)
    allowed, _ = _budget(heaps)
    assert allowed.may_accept()
    heaps.idf_free = 8192 + 6144
    assert allowed.may_accept()
    heaps.idf_free -= 1
    assert not allowed.may_accept()


def bytes_in_flight_follow_what_is_left():
    heaps = Heaps(idf_free=28000, idf_largest=10000)
    allowed, clock = _budget(heaps)
    clock.now_ms += 21
    assert allowed.write_bytes() == 5744
    # What was allowed is taken for used, twice, until it is counted anew.
    heaps.idf_free -= 2 * 5744
    assert allowed.write_bytes() == (28000 - 2 * 5744 - 8192 - 6144) // 2
    heaps.idf_free = 8192 + 6144 + 2 * 512
    assert allowed.write_bytes() == 512
    heaps.idf_free -= 1
    assert allowed.write_bytes() == 0
    heaps.idf_free = 28000
    assert allowed.write_bytes() == 5744


def nothing_asked_for_brings_the_system_below_its_floor():
    """Whatever is asked for: each byte that is handed over takes two, each client 6 KB, until they come back."""
    heaps = Heaps(idf_free=38500, idf_largest=36864)
    allowed, clock = _budget(heaps)
    lowest = heaps.idf_free
    for step in range(500):
        if step % 3 == 0 and allowed.may_accept():
            heaps.idf_free -= 6144
        else:
            heaps.idf_free -= 2 * allowed.write_bytes()
        lowest = min(lowest, heaps.idf_free)
        if step % 11 == 10:
            heaps.idf_free = 38500 - (heaps.held.size if heaps.held else 0)
            clock.now_ms += 30
    assert 8192 <= lowest < 16384
    assert heaps.held


def larger_system_keeps_more():
    heaps = Heaps(idf_free=50000)
    allowed, _ = _budget(heaps)
    heaps.idf_free = 50000 - 26624 + 6144
    assert allowed.may_accept()
    heaps.idf_free -= 1
    assert not allowed.may_accept()


def reserve_lies_where_growth_would_take_all():
    heaps = Heaps(free=32000, used=80000, idf_free=38500, idf_largest=36864)
    _keep(heaps)
    assert (heaps.held.size, heaps.held.before) == (12288, 12288)
    # Before the heap has doubled there is room for that in front of it.
    heaps = Heaps(free=54880, used=2464, idf_free=96392, idf_largest=94208)
    _keep(heaps)
    assert (heaps.held.size, heaps.held.before) == (12288, 57344 + 12288)
    # Where it leaves enough, or the heap only doubles, none is needed; where all is too little none is taken.
    for free, largest, used in ((50000, 20000, 100000), (120000, 60000, 20000), (20000, 20000, 80000)):
        heaps = Heaps(free=32000, used=used, idf_free=free, idf_largest=largest)
        _keep(heaps)
        assert heaps.held is None, (free, largest)


def reserve_is_given_back_when_the_system_is_short_and_taken_again():
    heaps = Heaps(free=32000, used=80000, idf_free=38500, idf_largest=36864)
    server, clock = _keep(heaps)
    used = heaps.idf_free - 8000
    heaps.idf_free -= used
    assert not server.budget.may_accept()
    assert heaps.held is None and heaps.idf_free == 8000 + 12288
    heaps.idf_free += used
    clock.run(30500)
    assert heaps.held is None
    clock.run(70500)
    assert heaps.held


def reserve_is_laid_anew_behind_a_growth_and_given_back_behind_the_next():
    heaps = Heaps(free=32000, used=80000, idf_free=38500, idf_largest=36864)
    server, clock = _keep(heaps)
    heaps.free += 12288
    heaps.idf_free -= 12288
    heaps.idf_largest = 12288
    clock.run(1500)
    assert 4096 <= heaps.held.size < 12288 and heaps.idf_free >= 16384 and server.budget.may_accept()
    assert memory.keeper.step == memory.WELL
    # One that takes too much.
    heaps.free += 10000
    heaps.idf_free = 2000
    heaps.idf_largest = 1000
    size = heaps.held.size
    clock.run(2500)
    assert heaps.held is None and heaps.idf_free == 2000 + size and not server.budget.may_accept()


def heap_of_the_system_that_is_just_enough_is_no_lack():
    """What Python's heap is short of does not make it harder to please."""
    heaps = Heaps(idf_free=14000)
    server, clock = _keep(heaps)
    heaps.leave(10000)
    clock.run(60500)
    assert memory.keeper.step == memory.SHEDDING and not server.refusing


def reserve_that_cannot_be_taken_is_done_without():
    heaps = Heaps(free=32000, used=80000, idf_free=38500, idf_largest=36864)

    def fail(size, before):
        raise OSError("can't create thread")

    board.hold = fail
    server, _ = _keep(heaps)
    assert server.budget.may_accept()


def stopped_server_leaves_no_reserve():
    heaps = Heaps(free=32000, used=80000, idf_free=38500, idf_largest=36864)
    _, clock = _keep(heaps)
    assert heaps.held
    clock.waiting[0].coroutine.close()
    assert heaps.held is None


def reserve_is_the_stack_of_a_thread_that_waits():
    hardware = esp.fresh("firmware.board.hardware")
    threads = esp.Threads()
    whole = sys.modules.get("_thread")
    sys.modules["_thread"] = threads
    try:
        reserve = hardware.hold(12000, 8000)
        assert threads.stacks == [12000]
        reserve.release()
        assert threads.stacks == []
        threads.most = 9000
        try:
            hardware.hold(12000, 8000)
        except OSError:
            assert (threads.stacks, threads.size) == ([], 0)
            return
    finally:
        sys.modules["_thread"] = whole
    raise AssertionError("it has none")


def few_clients_are_taken_where_the_system_is_small():
    for idf_free, free, used, most in (
        (38500, 32000, 80000, 4),  # stock, its heap doubled
        (96392, 54000, 2600, 4),  # and before that
        (50000, 60000, 98000, 4),  # an image of one's own
        (120000, 100000, 110000, 6),
    ):
        Heaps(free=free, used=used, idf_free=idf_free)
        budget.begin()
        assert budget.connections(6) == most, idf_free
        assert budget.connections(3) == 3
    board.idf_heap = lambda: None
    budget.begin()
    assert budget.connections(64) == 64


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
    ("look_without_memory_refuses_and_resets", look_without_memory_refuses_and_resets),
    ("board_that_is_small", board_that_is_small_serves_as_well_as_it_can),
    ("reset_of_a_board_that_has_answered", reset_of_a_board_that_has_answered_is_no_failed_boot),
    ("heap_in_pieces_is_renewed", heap_in_pieces_is_renewed_when_nobody_is_there),
    ("threshold_is_set", threshold_is_set),
    ("garbage_is_collected_at_a_quiet_moment", garbage_is_collected_at_a_quiet_moment),
    ("little_garbage_is_left_alone", little_garbage_is_left_alone),
    ("garbage_is_not_lack", garbage_is_not_lack),
    ("full_heap", full_heap_sheds_then_refuses_then_recovers),
    ("heap_that_is_only_low_goes_on", heap_that_is_only_low_goes_on),
    ("heap_that_may_double", heap_that_may_double_is_not_low),
    ("full_second_heap", full_second_heap_sheds_then_refuses_then_recovers),
    ("second_heap_in_pieces", second_heap_in_pieces_sheds_then_refuses_then_recovers),
    ("little_more_is_not_well_again", little_more_is_not_well_again),
    ("low_for_half_a_minute_resets", low_for_half_a_minute_resets),
    ("low_at_every_second_look", low_at_every_second_look_resets_within_a_minute),
    ("low_now_and_then_does_not_reset", low_now_and_then_does_not_reset),
    ("reset_without_memory", reset_that_has_no_memory_for_its_reason_resets),
    ("large_heap_is_looked_at_rarely", large_heap_is_looked_at_rarely),
    ("laptop_without_such_heaps_is_well", laptop_without_such_heaps_is_well),
    ("watchdog_is_off_until_asked_for", watchdog_is_off_until_asked_for),
    ("watchdog_is_fed_from_the_loop", watchdog_is_fed_from_the_loop),
    ("prompt_has_an_hour", prompt_has_an_hour_before_the_watchdog_bites),
    ("prompt_without_a_watchdog", prompt_without_a_watchdog_gets_none),
    ("few_clients", few_clients_are_taken_where_the_system_is_small),
    ("heaps_of_the_board_are_read", heaps_of_the_board_are_read),
    ("request_that_failed_sheds_and_is_told", request_that_failed_sheds_and_is_told),
    ("heap_in_pieces_refuses_and_resets", heap_in_pieces_refuses_and_resets),
    ("heap_that_is_low_and_in_pieces_refuses", heap_that_is_low_and_in_pieces_refuses),
    ("board_whose_requests_fail_for_half_a_minute_resets", board_whose_requests_fail_for_half_a_minute_resets),
    ("one_page_that_fails_among_many_does_not_reset", one_page_that_fails_among_many_does_not_reset),
    ("laptop_has_no_budget", laptop_has_no_budget),
    ("clients_are_taken_while_the_system_keeps_its_floor", clients_are_taken_while_the_system_keeps_its_floor),
    ("bytes_in_flight_follow_what_is_left", bytes_in_flight_follow_what_is_left),
    ("nothing_asked_for_brings_the_system_below_its_floor", nothing_asked_for_brings_the_system_below_its_floor),
    ("larger_system_keeps_more", larger_system_keeps_more),
    ("reserve_lies_where_growth_would_take_all", reserve_lies_where_growth_would_take_all),
    ("reserve_is_given_back_when_the_system_is", reserve_is_given_back_when_the_system_is_short_and_taken_again),
    ("reserve_is_laid_anew", reserve_is_laid_anew_behind_a_growth_and_given_back_behind_the_next),
    ("just_enough", heap_of_the_system_that_is_just_enough_is_no_lack),
    ("reserve_that_cannot_be_taken_is_done_without", reserve_that_cannot_be_taken_is_done_without),
    ("stopped_server_leaves_no_reserve", stopped_server_leaves_no_reserve),
    ("reserve_is_the_stack_of_a_thread_that_waits", reserve_is_the_stack_of_a_thread_that_waits),
]
