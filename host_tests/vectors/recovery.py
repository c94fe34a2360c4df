"""The boot counter and what is kept over a reset, on a board made of fakes: (name, function)."""

from host_tests.fakes import esp

(board,) = esp.modules("firmware.board")
check = esp.run


def _boot(cause=esp.machine.PWRON_RESET):
    recovery = esp.boot("firmware.board.recovery", cause)
    recovery.begin()
    return recovery


def boots_are_counted():
    for count in range(1, 4):
        recovery = _boot()
        assert (recovery.boots(), recovery.safe_mode) == (count, False)


def fourth_boot_behind_three_unfinished_is_safe():
    assert [_boot().safe_mode for _ in range(6)] == [False, False, False, True, True, True]


def begin_counts_once():
    recovery = _boot()
    for _ in range(5):
        assert recovery.begin() is False
    assert recovery.boots() == 1


def finished_boot_clears_the_count():
    for _ in range(3):
        recovery = _boot()
    recovery.confirm()
    assert [_boot().safe_mode for _ in range(4)] == [False, False, False, True]


def finished_boot_in_safe_mode_is_followed_by_an_ordinary_one():
    for _ in range(4):
        recovery = _boot()
    assert recovery.safe_mode
    recovery.confirm()
    assert recovery.safe_mode  # until the next boot
    assert not _boot().safe_mode


def boot_is_finished_after_a_minute():
    recovery = _boot()
    clock = esp.virtual(board)
    task = clock.spawn(recovery.watch())
    clock.run(59900)
    assert esp.esp32.NVS("limpet").get_i32("unfinished") == 1
    clock.run(60000)
    assert esp.esp32.NVS("limpet").get_i32("unfinished") == 0
    assert task.done


def _safe_mode_until(minutes, repair):
    """Run a board in safe mode, whose `repair(recovery)` is called every five minutes; return when it is reset."""
    for _ in range(4):
        recovery = _boot()
    recovery.note_crash("before")
    clock = esp.virtual(board)
    clock.spawn(recovery.watch())
    try:
        for minute in range(5, minutes, 5):
            clock.run(60000 * minute)
            repair(recovery)
    except SystemExit as end:
        assert end.args == ("reset",)
        recovery = _boot()
        assert not recovery.safe_mode
        assert recovery.last_crash().endswith(": before")
        return clock.now_ms // 60000
    raise AssertionError("it stays")


def safe_mode_ends_when_nobody_repairs_anything():
    assert _safe_mode_until(20, lambda recovery: None) == 11


def safe_mode_lasts_while_somebody_repairs_but_no_longer_than_an_hour():
    def repair(recovery):
        recovery.repairs += 1

    assert _safe_mode_until(90, repair) == 61


def reset_of_a_boot_that_came_to_something_does_not_count():
    for _ in range(6):
        recovery = _boot()
        try:
            recovery.reset("out of memory", True)
        except SystemExit:
            pass
        assert not recovery.safe_mode


def planned_start_hands_the_sessions_over_once():
    recovery = _boot()
    assert (recovery.life, recovery.before_s) == (None, 0)
    board.uptime_s = lambda: 700
    recovery.life = "abcd"
    try:
        recovery.renew("its memory is in pieces")
    except SystemExit as end:
        assert end.args == ("soft reset",)
    board.uptime_s = lambda: 100
    recovery = _boot(esp.machine.SOFT_RESET)
    assert (recovery.life, recovery.before_s, recovery.boots()) == ("abcd", 700, 1)
    assert recovery.last_crash() is None
    try:
        recovery.renew("its memory is in pieces")
    except SystemExit:
        pass
    assert _boot(esp.machine.SOFT_RESET).before_s == 800
    # Any other start ends them.
    recovery = _boot(esp.machine.SOFT_RESET)
    assert (recovery.life, recovery.before_s) == (None, 0)


def soft_reset_does_not_count():
    for _ in range(10):
        recovery = _boot(esp.machine.SOFT_RESET)
    assert (recovery.boots(), recovery.safe_mode) == (0, False)


def soft_reset_in_safe_mode_stays_there():
    for _ in range(4):
        _boot()
    recovery = _boot(esp.machine.SOFT_RESET)
    assert (recovery.boots(), recovery.safe_mode) == (4, True)


def causes_are_told():
    causes = {1: "power on", 2: "reset", 3: "watchdog", 4: "deep sleep", 5: "soft reset", 0: "unknown", 99: "unknown"}
    for cause in causes:
        assert _boot(cause).report()["reset_cause"].startswith(causes[cause])


def full_storage_is_no_safe_mode_and_no_error():
    for _ in range(6):
        esp.esp32.writes_left = 0
        recovery = _boot()
        assert not recovery.safe_mode
        recovery.confirm()
        recovery.note_crash("x")
    assert _boot().boots() == 1


def storage_that_cannot_be_opened_is_borne():
    whole = esp.esp32.NVS
    try:
        esp.esp32.NVS = None
        recovery = _boot()
        assert (recovery.begin(), recovery.boots(), recovery.last_crash()) == (False, 0, None)
        recovery.confirm()
        recovery.note_crash("x")
        assert recovery.report()["last_crash"].endswith("x")
    finally:
        esp.esp32.NVS = whole


def crash_is_told_after_the_next_start():
    recovery = _boot()
    assert recovery.last_crash() is None
    recovery.note_crash("Traceback:\n  main.py\nValueError: wrong\n")
    for _ in range(2):
        told = recovery.last_crash()
        assert told.startswith("boot 1, after ") and told.endswith(" s: Traceback:\n  main.py\nValueError: wrong")
        recovery = _boot()
    assert recovery.report() == {
        "boots": 3,
        "reset_cause": "power on or brown-out",
        "safe_mode": False,
        "last_crash": told,
    }


def crash_is_kept_by_its_end():
    for filler in ("x", "é", "😀"):
        recovery = _boot()
        recovery.note_crash(1000 * filler + "ValueError: wrong")
        told = _boot().last_crash()
        assert told.endswith(filler + "ValueError: wrong")
        assert 396 < len(told.encode()) <= 400


def reset_keeps_its_reason():
    recovery = _boot()
    try:
        recovery.reset("no network for 600 s")
    except SystemExit as end:
        assert end.args == ("reset",)
    assert _boot(esp.machine.HARD_RESET).last_crash().endswith(" s: no network for 600 s")


CASES = [
    ("boots_are_counted", boots_are_counted),
    ("fourth_boot_behind_three_unfinished_is_safe", fourth_boot_behind_three_unfinished_is_safe),
    ("begin_counts_once", begin_counts_once),
    ("finished_boot_clears_the_count", finished_boot_clears_the_count),
    ("finished_boot_in_safe_mode", finished_boot_in_safe_mode_is_followed_by_an_ordinary_one),
    ("boot_is_finished_after_a_minute", boot_is_finished_after_a_minute),
    ("safe_mode_ends", safe_mode_ends_when_nobody_repairs_anything),
    ("safe_mode_lasts", safe_mode_lasts_while_somebody_repairs_but_no_longer_than_an_hour),
    ("reset_does_not_count", reset_of_a_boot_that_came_to_something_does_not_count),
    ("planned_start", planned_start_hands_the_sessions_over_once),
    ("soft_reset_does_not_count", soft_reset_does_not_count),
    ("soft_reset_in_safe_mode_stays_there", soft_reset_in_safe_mode_stays_there),
    ("causes_are_told", causes_are_told),
    ("full_storage", full_storage_is_no_safe_mode_and_no_error),
    ("storage_that_cannot_be_opened", storage_that_cannot_be_opened_is_borne),
    ("crash_is_told_after_the_next_start", crash_is_told_after_the_next_start),
    ("crash_is_kept_by_its_end", crash_is_kept_by_its_end),
    ("reset_keeps_its_reason", reset_keeps_its_reason),
]
