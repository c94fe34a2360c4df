"""The pins of a board made of fakes: (name, function)."""

from host_tests.fakes import esp

board, pins, settings, errors, chip_module = esp.modules(
    "firmware.board",
    "firmware.board.pins",
    "firmware.board.settings",
    "firmware.http.errors",
    "firmware.board.chip",
)
machine = esp.machine

FAN = {"number": 4, "name": "Fan", "mode": "pwm", "frequency_hz": 25000, "inverted": False}
PUMP = {"number": 5, "name": "Pump", "mode": "output", "frequency_hz": 1000, "inverted": False}
DOOR = {"number": 12, "name": "Door", "mode": "input_pull_up", "frequency_hz": 1000, "inverted": False}


def check(case):
    _use()
    pins.opened()
    esp.run(case)


def _use(*rows):
    settings.current = dict(settings.current)
    settings.current["pins"] = {"led": None, "led_inverted": False, "gpio": list(rows)}


def _but(row, **members):
    row = dict(row)
    row.update(members)
    return row


def _refused(status, number, value):
    try:
        pins.find(number).set(value)
    except errors.HTTPError as error:
        assert error.status == status, error.status
        return error.detail
    raise AssertionError("taken")


def none_is_opened_unasked():
    _use(FAN, PUMP, DOOR)
    assert not machine.pins


def all_are_opened_and_begin_off():
    _use(FAN, PUMP, DOOR)
    assert [pin.row["name"] for pin in pins.opened()] == ["Fan", "Pump", "Door"]
    assert (machine.PWM.open[4].freq, machine.PWM.open[4].duty) == (25000, 0)
    assert (machine.pins[5].mode, machine.pins[5].level) == (machine.Pin.OUT, 0)
    assert (machine.pins[12].mode, machine.pins[12].level) == (machine.Pin.IN, 1)
    assert pins.values() == {"4": 0, "5": 0, "12": 1}


def report_has_all():
    _use(PUMP)
    report = {"number": 5, "name": "Pump", "mode": "output", "value": 0, "error": None}
    assert pins.find(5).report() == report


def output_is_set():
    _use(PUMP)
    for value in (1, 0, 1):
        pins.find(5).set(value)
        assert machine.pins[5].level == value and pins.values() == {"5": value}


def inverted_output_is_off_at_a_high_level():
    _use(_but(PUMP, inverted=True))
    assert pins.values() == {"5": 0} and machine.pins[5].level == 1
    pins.find(5).set(1)
    assert pins.values() == {"5": 1} and machine.pins[5].level == 0


def pwm_has_its_duty():
    _use(FAN)
    for percent, duty in ((100, 65535), (50, 32768), (7.5, 4915), (0, 0)):
        pins.find(4).set(percent)
        assert machine.PWM.open[4].duty == duty and pins.values() == {"4": percent}


def inverted_pwm_has_the_rest():
    _use(_but(FAN, inverted=True))
    assert machine.PWM.open.get(4) is None and pins.values() == {"4": 0}
    assert machine.PWM.open[4].duty == 65535
    pins.find(4).set(100)
    assert machine.PWM.open[4].duty == 0


def input_is_read():
    _use(DOOR, _but(DOOR, number=13, mode="input"), _but(DOOR, number=14, inverted=True))
    assert pins.values() == {"12": 1, "13": 0, "14": 0}
    machine.pins[12].level = 0
    machine.pins[14].level = 0
    assert pins.values() == {"12": 0, "13": 0, "14": 1}


def values_are_one_dict_while_nothing_changes():
    _use(DOOR)
    first = pins.values()
    assert pins.values() is first
    machine.pins[12].level = 0
    assert pins.values() is not first and first == {"12": 1}


def wrong_values_are_refused():
    _use(PUMP, FAN)
    for value in (2, -1, 0.5, 1.0, True, "1", None, [1], {}):
        assert "0 or 1" in _refused(422, 5, value)
    for value in (100.5, -0.1, 101, True, "50", None, float("nan"), float("inf")):
        assert "percent" in _refused(422, 4, value)
    assert pins.values() == {"5": 0, "4": 0}


def input_cannot_be_set():
    _use(DOOR)
    assert _refused(409, 12, 1) == "This pin is an input."


def unknown_pin_is_not_found():
    _use(DOOR)
    assert "no pin 13" in _refused(404, 13, 1)


def pin_that_the_chip_has_not_is_told_and_the_others_work():
    _use(_but(PUMP, number=54), _but(PUMP, number=36), _but(FAN, number=39), PUMP)
    reports = [pin.report() for pin in pins.opened()]
    assert [report["error"] for report in reports] == [
        "The chip does not do this: invalid pin.",
        "The chip does not do this: pin can only be input.",
        "The chip does not do this: %s." % OSError(-258, "ESP_ERR_INVALID_ARG"),
        None,
    ]
    assert pins.values() == {"54": None, "36": None, "39": None, "5": 0}
    assert "invalid pin" in _refused(409, 54, 1)
    pins.find(5).set(1)


def output_is_what_it_was_set_to_whatever_its_load_does():
    _use(PUMP)
    pins.find(5).set(1)
    machine.pins[5].level = 0
    assert pins.values() == {"5": 1}


def flash_is_nobody_s():
    name = chip_module._board
    chips = (
        ("ESP32", 6),
        ("ESP32-PICO-D4", 11),
        ("ESP32-PICO-D4", 16),
        ("ESP32S3", 26),
        ("ESP32-S2FN4R2", 32),
        ("ESP32C3", 12),
        ("ESP32C6", 25),
    )
    try:
        for chip, number in chips:
            chip_module._board = "A board with " + chip
            _use()
            pins.opened()
            _use(_but(PUMP, number=number))
            assert "the flash" in pins.opened()[0].error, chip
            assert number not in machine.pins, chip
        chip_module._board = "A board with ESP32C3"
        _use(_but(PUMP, number=6))
        assert pins.values() == {"6": 0}
    finally:
        chip_module._board = name


def version_tells_of_other_pins():
    _use(PUMP)
    pins.opened()
    before = pins.version
    pins.find(5).set(1)
    pins.values()
    assert pins.version == before
    _use(dict(PUMP))
    pins.values()
    assert pins.version == before
    _use(_but(PUMP, name="Heater"))
    # Another name is no reason to switch it off.
    assert pins.values() == {"5": 1} and pins.find(5).report()["name"] == "Heater"
    assert pins.version != before


def changed_settings_change_the_pins_that_changed():
    _use(FAN, PUMP)
    pins.find(4).set(40)
    pins.find(5).set(1)
    kept = pins.find(5)
    _use(dict(PUMP), _but(FAN, frequency_hz=50), DOOR)
    assert pins.values() == {"5": 1, "4": 0, "12": 1}
    assert pins.find(5) is kept and machine.PWM.open[4].freq == 50
    _use()
    assert pins.values() == {}
    assert not machine.PWM.open and machine.pins[5].mode == machine.Pin.IN


def channel_is_free_for_the_next():
    machine.PWM.channels = 1
    try:
        _use(FAN)
        pins.find(4).set(1)
        _use(_but(FAN, number=13))
        assert pins.values() == {"13": 0}
        _use(FAN, _but(FAN, number=13))
        assert "out of PWM channels" in pins.opened()[0].error
        # What could not be opened is tried again.
        _use(FAN)
        assert pins.values() == {"4": 0}
    finally:
        machine.PWM.channels = 16


CASES = [
    (function.__name__, function)
    for function in (
        none_is_opened_unasked,
        all_are_opened_and_begin_off,
        report_has_all,
        output_is_set,
        inverted_output_is_off_at_a_high_level,
        pwm_has_its_duty,
        inverted_pwm_has_the_rest,
        input_is_read,
        values_are_one_dict_while_nothing_changes,
        wrong_values_are_refused,
        input_cannot_be_set,
        unknown_pin_is_not_found,
        pin_that_the_chip_has_not_is_told_and_the_others_work,
        output_is_what_it_was_set_to_whatever_its_load_does,
        flash_is_nobody_s,
        version_tells_of_other_pins,
        changed_settings_change_the_pins_that_changed,
        channel_is_free_for_the_next,
    )
]
