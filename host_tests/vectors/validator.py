"""Documents, the tables they are checked by, what comes of them, and what is wrong by its path; what errors say."""

from firmware.http.errors import HTTPError
from firmware.http.validator import REQUIRED, read
from firmware.http.validator import check as checked

# What is read is not compared.
ANY = ...


def even(value, least=0):
    """Return what is wrong with what is no even number."""
    return None if type(value) is int and value % 2 == 0 and value >= least else "This is even."


LED = {"on": bool}
USER = {"name": (str, REQUIRED, 1, 8), "age": (int, None, 0, 150), "tags": ([str], [], 2)}
DEEP = {"a": {"b": {"c": (int, 7)}}, "l": ([{"n": int}], [], 3, "n")}

NUMBER = "Must be a whole number from 0 to 150."
NEEDED = "This is required."
UNKNOWN = "There is no such member."

READS = [
    ("bool", LED, {"on": True}, {"on": True}, {}),
    ("bool_that_is_a_number", LED, {"on": 1}, None, {"on": "Must be true or false."}),
    ("bool_null", LED, {"on": None}, None, {"on": "Must be true or false."}),
    ("missing", LED, {}, None, {"on": NEEDED}),
    ("unknown", LED, {"on": True, "off": False}, None, {"off": UNKNOWN}),
    ("empty_name", LED, {"on": True, "": False}, None, {"": UNKNOWN}),
    ("list_for_an_object", LED, [True], None, {"": "Must be an object."}),
    ("null_for_an_object", LED, None, None, {"": "Must be an object."}),
    ("defaults", USER, {"name": "Ann"}, {"name": "Ann", "age": None, "tags": []}, {}),
    ("all", USER, {"name": "A", "age": 150, "tags": ["x", "y"]}, {"name": "A", "age": 150, "tags": ["x", "y"]}, {}),
    ("null_where_it_may_be", USER, {"name": "A", "age": None}, {"name": "A", "age": None, "tags": []}, {}),
    ("null_where_it_may_not", USER, {"name": "A", "tags": None}, None, {"tags": "Must be a list of at most 2."}),
    ("text_too_short", USER, {"name": ""}, None, {"name": "Must have 1 to 8 characters."}),
    ("text_too_long", USER, {"name": 9 * "x"}, None, {"name": "Must have 1 to 8 characters."}),
    ("text_is_counted_in_characters", {"n": (str, "", 0, 2)}, {"n": "äö"}, {"n": "äö"}, {}),
    ("number_for_text", USER, {"name": 1}, None, {"name": "Must be text."}),
    ("number_too_low", USER, {"name": "A", "age": -1}, None, {"age": NUMBER}),
    ("number_too_high", USER, {"name": "A", "age": 151}, None, {"age": NUMBER}),
    ("float_for_int", USER, {"name": "A", "age": 1.0}, None, {"age": NUMBER}),
    ("bool_for_int", USER, {"name": "A", "age": True}, None, {"age": NUMBER}),
    ("int_of_any_size", {"n": int}, {"n": -(10**12)}, {"n": -(10**12)}, {}),
    ("text_for_int", {"n": int}, {"n": "1"}, None, {"n": "Must be a whole number."}),
    ("float", {"n": float}, {"n": 1.5}, {"n": 1.5}, {}),
    ("int_for_float", {"n": float}, {"n": 2}, {"n": 2}, {}),
    ("bool_for_float", {"n": float}, {"n": True}, None, {"n": "Must be a number."}),
    ("float_out_of_range", {"n": (float, 0, 0, 1)}, {"n": 1.25}, None, {"n": "Must be a number from 0 to 1."}),
    ("list", {"l": [int]}, {"l": [1, 2]}, {"l": [1, 2]}, {}),
    ("list_of_any_length", {"l": [int]}, {"l": {}}, None, {"l": "Must be a list."}),
    ("list_too_long", USER, {"name": "A", "tags": ["a", "b", "c"]}, None, {"tags": "Must be a list of at most 2."}),
    ("item", USER, {"name": "A", "tags": ["a", 2]}, None, {"tags.1": "Must be text."}),
    ("whole_document_a_list", [LED], [{"on": True}, {"on": 2}], None, {"1.on": "Must be true or false."}),
    ("deep_defaults", DEEP, {}, {"a": {"b": {"c": 7}}, "l": []}, {}),
    ("deep", DEEP, {"a": {"b": {"c": 1}}, "l": [{"n": 1}]}, {"a": {"b": {"c": 1}}, "l": [{"n": 1}]}, {}),
    ("deep_wrong", DEEP, {"a": {"b": {"c": "x"}}}, None, {"a.b.c": "Must be a whole number."}),
    ("deep_unknown", DEEP, {"a": {"x": 1}}, None, {"a.x": UNKNOWN}),
    ("deep_null", DEEP, {"a": {"b": None}}, None, {"a.b": "Must be an object."}),
    ("twice", DEEP, {"l": [{"n": 1}, {"n": 2}, {"n": 1}]}, None, {"l.2.n": "This is in the list already."}),
    ("one_and_true_are_two", {"l": ([{"n": None}], [], 2, "n")}, {"l": [{"n": 1}, {"n": True}]}, ANY, {}),
    ("item_without_its_name", DEEP, {"l": [{}, {}]}, None, {"l.0.n": NEEDED, "l.1.n": NEEDED}),
    ("item_that_is_none", DEEP, {"l": [3]}, None, {"l.0": "Must be an object."}),
    ("anything", {"v": None}, {"v": [1, {"a": None}]}, {"v": [1, {"a": None}]}, {}),
    ("anything_that_is_missing", {"v": None}, {}, None, {"v": NEEDED}),
    ("object_or_null", {"o": (LED, None)}, {"o": None}, {"o": None}, {}),
    ("object_or_null_left_out", {"o": (LED, None)}, {}, {"o": None}, {}),
    ("object_or_null_wrong", {"o": (LED, None)}, {"o": {}}, None, {"o.on": NEEDED}),
    ("function", {"n": even}, {"n": 4}, {"n": 4}, {}),
    ("function_says_no", {"n": even}, {"n": 3}, None, {"n": "This is even."}),
    ("function_with_parameters", {"n": (even, 8, 6)}, {"n": 4}, None, {"n": "This is even."}),
    ("function_left_out", {"n": (even, 8, 6)}, {}, {"n": 8}, {}),
    (
        "many",
        USER,
        {"name": 1, "age": "x", "more": 0},
        None,
        {"name": "Must be text.", "age": NUMBER, "more": UNKNOWN},
    ),
]


def check_read(case):
    _, schema, document, expected, wrong = case
    found = {}
    whole_one = read(schema, document, found)
    assert found == wrong, found
    if not wrong:
        assert expected is ANY or whole_one == expected, whole_one
        assert checked(schema, document) == whole_one
        return
    try:
        checked(schema, document)
    except HTTPError as error:
        # The document itself has no name.
        assert (error.status, error.fields) == (422, None if "" in wrong else wrong)
    else:
        raise AssertionError("it is taken")


DETAILS = [
    (LED, [], "Send a JSON object."),
    ([LED], {}, "Must be a list."),
    (LED, {"on": 2}, "Something is wrong with on: Must be true or false."),
    (LED, {}, "Something is wrong with on: This is required. Send a JSON object of: on."),
    (LED, {"on": True, "x": 1}, "Something is wrong with x: There is no such member. Send a JSON object of: on."),
    (USER, {"name": 1, "age": 0.5}, "Something is wrong with age: %s (And 1 more.)" % NUMBER),
    (DEEP, {"a": {"x": 1}}, "Something is wrong with a.x: There is no such member."),
]


def check_detail(case):
    schema, document, expected = case
    try:
        checked(schema, document)
    except HTTPError as error:
        assert error.detail == expected, error.detail
    else:
        raise AssertionError("it is taken")


def check_rest(case):
    """Look at what is passed over, and that defaults are not shared."""
    wrong = {}
    document = {"x": 1, "a": {"y": 2, "b": {"c": 3}}, "l": [{"n": 1, "z": 0}]}
    assert read(DEEP, document, wrong, "", None) == {"a": {"b": {"c": 3}}, "l": [{"n": 1}]} and not wrong
    read(LED, {"x": 1}, wrong, "led", "No.")
    assert wrong == {"led.x": "No.", "led.on": NEEDED}
    checked(DEEP, {})["l"].append(1)
    assert checked(DEEP, {})["l"] == []


def check(case):
    """Raise AssertionError unless the case holds."""
    case[1](case[2])


CASES = [("read " + case[0], check_read, case) for case in READS]
CASES += [("detail %d" % at, check_detail, DETAILS[at]) for at in range(len(DETAILS))]
CASES += [("rest", check_rest, None)]
