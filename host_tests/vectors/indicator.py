"""The LED of a board made of fakes, on a virtual clock: (name, function)."""

from host_tests.fakes import esp

board, indicator, settings = esp.modules("firmware.board", "firmware.board.indicator", "firmware.board.settings")
check = esp.run


def _show(state, led=2, inverted=False):
    """Return a function that gives the LED's next tenths of a second as text."""
    settings.current = dict(settings.current)
    settings.current["pins"] = {"led": led, "led_inverted": inverted}
    board.led.on = False
    clock = esp.virtual(board)
    clock.now_ms = 50
    clock.spawn(indicator.run(lambda: state[0]))

    def look(count):
        shown = ""
        for _ in range(count):
            clock.run(clock.now_ms)
            shown += "#" if esp.machine.pins[led].level else "."
            clock.run(clock.now_ms + 99)
            clock.now_ms += 1
        return shown

    return look


def patterns_are_shown():
    for name in ("joining", "access_point", "serving", "error"):
        pattern = indicator.PATTERNS[name]
        assert _show([name])(2 * len(pattern)) == 2 * pattern


def patterns_differ():
    seconds = set()
    for name in indicator.PATTERNS:
        seconds.add((10 * indicator.PATTERNS[name])[:40])
    assert len(seconds) == len(indicator.PATTERNS) == 4


def change_begins_its_pattern_at_once():
    state = ["joining"]
    look = _show(state)
    assert look(3) == "##."
    state[0] = "error"
    assert look(10) == indicator.PATTERNS["error"]


def switched_on_led_is_lit_with_a_wink():
    look = _show(["serving"])
    assert look(5) == "#...."
    board.led.on = True
    assert look(40) == 35 * "#" + ".####"


def switch_does_not_disturb_the_other_patterns():
    look = _show(["joining"])
    board.led.on = True
    assert look(8) == "##..##.."


def low_level_lights_an_inverted_one():
    assert _show(["joining"], inverted=True)(4) == "..##"


def none_is_the_default():
    assert settings._schema().SCHEMA["pins"]["led"][1] is None
    settings.current = dict(settings.current)
    settings.current["pins"] = {"led": None, "led_inverted": False}
    task = esp.virtual(board).spawn(indicator.run(fail))
    task.step()
    assert task.done and not task.error and not esp.machine.pins


def pin_that_is_somebody_else_s_by_now_is_left_alone():
    settings.current = dict(settings.current)
    settings.current["pins"] = {"led": 2, "led_inverted": False}
    clock = esp.virtual(board)
    task = clock.spawn(indicator.run(lambda: "error"))
    clock.run(clock.now_ms + 250)
    settings.current = dict(settings.current)
    settings.current["pins"] = {"led": None, "led_inverted": False}
    esp.machine.pins[2].level = 7
    clock.run(clock.now_ms + 1000)
    assert task.done and not task.error and esp.machine.pins[2].level == 7


def pin_that_the_chip_has_not_is_an_error():
    for number in (24, 54, 36):  # none, none, input only
        try:
            _show(["joining"], number)(1)
        except ValueError:
            continue
        raise AssertionError(number)


def fail():
    raise AssertionError("asked")


CASES = [
    ("patterns_are_shown", patterns_are_shown),
    ("patterns_differ", patterns_differ),
    ("change_begins_its_pattern_at_once", change_begins_its_pattern_at_once),
    ("switched_on_led_is_lit_with_a_wink", switched_on_led_is_lit_with_a_wink),
    ("switch_does_not_disturb_the_other_patterns", switch_does_not_disturb_the_other_patterns),
    ("low_level_lights_an_inverted_one", low_level_lights_an_inverted_one),
    ("none_is_the_default", none_is_the_default),
    ("pin_that_is_somebody_else_s_by_now_is_left_alone", pin_that_is_somebody_else_s_by_now_is_left_alone),
    ("pin_that_the_chip_has_not_is_an_error", pin_that_the_chip_has_not_is_an_error),
]
