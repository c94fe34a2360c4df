"""Cookies: what is read from clients and written to them."""

from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.http import cookies
from firmware.http.response import Response
from host_tests.vectors import cookies as vectors

NAMES = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=20)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='",;\\'), max_size=40)


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("cookies")


@given(st.lists(st.tuples(NAMES, VALUES), max_size=20))
def test_what_is_sent_comes_back(pairs):
    field = "; ".join(f"{name}={value}" for name, value in pairs).encode()
    assert cookies.parse(field) == pairs
    for wanted, _ in pairs:
        assert cookies.get_all(field, wanted) == [value for name, value in pairs if name == wanted]


@given(st.binary(max_size=300) | st.lists(st.sampled_from(b'a = ; " \t \xff ,'.split(b" "))).map(b"".join))
def test_anything_is_read(field):
    for name, value in cookies.parse(field):
        assert name
        assert ";" not in name + value and "=" not in name
        assert value in cookies.get_all(field, name)


@given(NAMES, VALUES)
def test_what_is_built_is_read_by_the_standard_library(name, value):
    if name.lower().startswith(("__host-", "__secure-")):
        return
    built = cookies.build(name, value, 60)
    first = built.split("; ")[0]
    assert cookies.parse(first.encode()) == [(name, value)]
    jar = SimpleCookie()
    jar.load(built)
    for key, morsel in jar.items():  # it takes fewer names
        assert (key, morsel.value) == (name, value)
        assert (morsel["max-age"], morsel["path"], morsel["httponly"]) == ("60", "/", True)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_nothing_that_is_built_is_more_than_one_field(name, value, path):
    try:
        built = cookies.build(name, value, path=path)
    except ValueError:
        return
    assert built.count(";") == 3 and all(" " <= char <= "~" for char in built)
    assert Response(b"", 200, {"Set-Cookie": built}).head(b"").count(b"\r\n") == 4


def test_cookies_are_added_to_a_response_beside_others():
    shared = {"Set-Cookie": "a=1"}
    for headers, expected in ((None, []), ({"X": "y"}, []), (shared, ["a=1"]), ({"Set-Cookie": ["a=1", "b=2"]}, None)):
        response = Response(b"", 200, headers)
        cookies.add(response, "c=3")
        cookies.add(response, "d=4")
        expected = ["a=1", "b=2"] if expected is None else expected
        assert response.headers["Set-Cookie"] == [*expected, "c=3", "d=4"]
    assert shared == {"Set-Cookie": "a=1"}
