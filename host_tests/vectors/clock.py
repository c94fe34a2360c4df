"""The clock of a board made of fakes, which counts from 2000, and of a laptop: (name, function)."""

from host_tests.fakes import esp, esptime

TIME = esptime.install()

import ntptime  # noqa: E402

import firmware.board as board  # noqa: E402
from firmware.board import hardware, settings  # noqa: E402

# 2026-02-28 23:59:58 UTC: the next day but one begins a month.
NOW = 1772323198

SERVERS = ["a.example", "b.example", "c.example"]


def _start(*servers, names=SERVERS):
    """Return the module after a start, and a virtual clock."""
    settings.current = dict(settings.current)
    settings.current["time_servers"] = list(names)
    ntptime.servers.clear()
    ntptime.asked.clear()
    for name, answer in zip(names, servers):
        ntptime.servers[name] = answer
    TIME.now_s = 20
    esp.machine.rtc = None
    hardware.time = TIME
    return esp.fresh("firmware.board.clock"), esp.virtual(board)


def _asked():
    return [name for name, _ in ntptime.asked]


def check(case):
    esp.erase()
    case[1]()


def unset_clock_is_no_time():
    clock, _ = _start()
    assert clock.unix_time() is None
    assert clock.report() == {"unix_s": None, "server": None, "error": None}


def epoch_of_the_board_is_added():
    clock, _ = _start()
    TIME.now_s = 757382400  # 2024-01-01 on a board
    assert clock.unix_time() == 1704067200
    TIME.now_s -= 1
    assert clock.unix_time() is None


def epoch_of_unix_is_left_alone():
    clock, _ = _start()
    clock._EPOCH_S = 0
    TIME.now_s = NOW
    assert clock.unix_time() == NOW


def first_server_sets_the_clock():
    clock, virtual = _start(NOW)
    virtual.spawn(clock.run())
    virtual.run(0)
    assert esp.machine.rtc == (2026, 2, 28, 5, 23, 59, 58, 0)
    assert clock.report() == {"unix_s": NOW, "server": "a.example", "error": None}
    assert ntptime.asked == [("a.example", 1)]  # second that everybody may be kept waiting


def leap_day_is_set():
    clock, virtual = _start(1835481599)  # 2028-02-29 23:59:59
    virtual.spawn(clock.run())
    virtual.run(0)
    assert esp.machine.rtc[:3] == (2028, 2, 29)
    assert clock.unix_time() == 1835481599


def next_servers_are_asked_in_turn():
    clock, virtual = _start(OSError(-202), OSError(116), NOW)
    virtual.spawn(clock.run())
    virtual.run(0)
    assert _asked() == ["a.example"]
    assert clock.report()["error"].startswith("a.example: ")
    virtual.run(499)
    assert _asked() == ["a.example"]  # the others are served between two
    virtual.run(1000)
    assert _asked() == SERVERS
    assert clock.report() == {"unix_s": NOW, "server": "c.example", "error": None}


def wrong_answers_are_no_time():
    # Long before, just before, where NTP's seconds wrap, too short a packet.
    for wrong in (0, 1704067199, 2085978496, 2085978496 + 86399, ValueError("buffer too small"), IndexError("x")):
        clock, virtual = _start(wrong, NOW)
        virtual.spawn(clock.run())
        virtual.run(1000)
        assert clock.report() == {"unix_s": NOW, "server": "b.example", "error": None}


def time_behind_the_wrap_is_believed():
    clock, virtual = _start(2085978496 + 86400)
    virtual.spawn(clock.run())
    virtual.run(0)
    assert clock.unix_time() == 2085978496 + 86400


def clock_is_set_daily():
    clock, virtual = _start(NOW)
    virtual.spawn(clock.run())
    virtual.run(86400000 - 1)
    assert len(_asked()) == 1
    virtual.run(10 * 86400000)
    assert len(_asked()) == 11


def silent_servers_are_asked_ever_more_rarely():
    clock, virtual = _start()
    virtual.spawn(clock.run())
    virtual.run(60000)
    in_a_minute = len(_asked()) // 3
    virtual.run(86400000)
    in_a_day = len(_asked()) // 3
    assert 4 <= in_a_minute <= 6
    assert 90 < in_a_day < 110
    ntptime.servers["b.example"] = NOW
    virtual.run(86400000 + 902000)
    assert clock.unix_time() == NOW


def back_off_begins_anew_after_success():
    clock, virtual = _start(NOW)
    virtual.spawn(clock.run())
    virtual.run(1000)
    ntptime.servers.clear()
    virtual.run(86400000 + 10000)
    ntptime.servers["a.example"] = NOW + 5
    virtual.run(86400000 + 20000)
    assert clock.unix_time() == NOW + 5


def nobody_is_asked_without_a_network():
    clock, virtual = _start(NOW)
    links = []
    virtual.spawn(clock.run(lambda: bool(links)))
    virtual.run(3600000)
    assert _asked() == []
    links.append(1)
    virtual.run(3601000)
    assert clock.unix_time() == NOW


def no_server_is_no_error():
    clock, virtual = _start(names=[])
    virtual.spawn(clock.run())
    virtual.run(86400000)
    assert _asked() == []


def other_errors_reach_who_supervises():
    clock, virtual = _start(MemoryError())
    virtual.spawn(clock.run())
    try:
        virtual.run(1000)
    except MemoryError:
        return
    raise AssertionError("nobody hears of it")


def laptop_needs_no_server():
    clock, virtual = _start(NOW)
    whole = board.network_time
    try:
        board.network_time = None
        task = virtual.spawn(clock.run())
        virtual.run(0)
        assert task.done and not _asked()
    finally:
        board.network_time = whole


CASES = [
    ("unset_clock_is_no_time", unset_clock_is_no_time),
    ("epoch_of_the_board_is_added", epoch_of_the_board_is_added),
    ("epoch_of_unix_is_left_alone", epoch_of_unix_is_left_alone),
    ("first_server_sets_the_clock", first_server_sets_the_clock),
    ("leap_day_is_set", leap_day_is_set),
    ("next_servers_are_asked_in_turn", next_servers_are_asked_in_turn),
    ("wrong_answers_are_no_time", wrong_answers_are_no_time),
    ("time_behind_the_wrap_is_believed", time_behind_the_wrap_is_believed),
    ("clock_is_set_daily", clock_is_set_daily),
    ("silent_servers_are_asked_ever_more_rarely", silent_servers_are_asked_ever_more_rarely),
    ("back_off_begins_anew_after_success", back_off_begins_anew_after_success),
    ("nobody_is_asked_without_a_network", nobody_is_asked_without_a_network),
    ("no_server_is_no_error", no_server_is_no_error),
    ("other_errors_reach_who_supervises", other_errors_reach_who_supervises),
    ("laptop_needs_no_server", laptop_needs_no_server),
]
