"""JSON texts: the shared vectors, CPython's json module as a reference, and an index that never leaves the buffer."""

import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from firmware.http import jsontext
from firmware.http.errors import HTTPError
from host_tests.vectors import jsontext as vectors

LONGEST = jsontext._MAX_NUMBER_BYTES

strings = st.text(max_size=8)
integers = st.integers() | st.integers(-(10 ** (LONGEST - 1)) + 1, 10**LONGEST - 1)
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | strings
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(strings, inner, max_size=5), max_leaves=20
)
texts = st.builds(
    lambda value, ascii, indent: json.dumps(value, ensure_ascii=ascii, indent=indent).encode(),
    values,
    st.booleans(),
    st.sampled_from([None, 0, 2]),
)

# Pieces that bring a random text near to a valid one.
PIECES = [bytes([code]) for code in range(256)]
PIECES += [b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b" ", b"\n", b"0", b"1", b"-", b"+", b".", b"e", b"E"] * 8
PIECES += [b"true", b"false", b"null", b'"a"', b'"a":', b"[]", b"{}", b"1.5", b"-0", b"1e5", b"e999", b"NaN"] * 4
PIECES += [b"\\u00e4", b"\\ud83d", b"\\ude00", b"\\ud83d\\ude00"] * 4
PIECES += [b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xc3\xa4", b"\xe2\x82", b"\xef\xbb\xbf"] * 4
PIECES += [b"[" * 31, b"]" * 31, b"9" * 299, b'{"":' * 16]
pieces = st.sampled_from(PIECES)


@st.composite
def mutated(draw):
    """Return a valid text with a few pieces of it replaced, removed or added."""
    text = draw(texts)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.just(b"") | pieces) + text[at + draw(st.integers(0, 2)) :]
    return text


anything = mutated() | st.binary(max_size=40) | st.lists(pieces, max_size=12).map(b"".join)


class Pairs(list):
    """An object with all its names, also equal ones."""


def depth_of(value):
    if not isinstance(value, list):
        return 0
    members = [member for _, member in value] if isinstance(value, Pairs) else value
    return 1 + max(map(depth_of, members), default=0)


def reference(raw):
    """Return (value,) or None as CPython's parser and this module's own rules have it."""
    numbers = [""]

    def keep(literal):
        numbers.append(literal)
        return 0 if len(literal) > LONGEST else int(literal)

    def refuse(literal):
        raise ValueError(literal)

    try:
        text = raw.decode("utf-8")
        pairs = json.loads(
            text,
            object_pairs_hook=Pairs,
            parse_int=keep,
            parse_float=lambda literal: numbers.append(literal) or 0,
            parse_constant=refuse,
        )
        # The same names and strings, if they can be encoded.
        json.dumps(pairs, ensure_ascii=False).encode()
    except ValueError:
        return None
    if depth_of(pairs) > jsontext.MAX_DEPTH or max(map(len, numbers)) > LONGEST:
        return None
    value = json.loads(text)
    return (value,) if finite(value) else None


def finite(value):
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def loaded(raw):
    try:
        return (jsontext.loads(raw),)
    except HTTPError as error:
        assert error.status == 400
        assert "at byte" in error.detail or "too great" in error.detail
        return None


class Checked:
    """A buffer that has no index but its own, no negative ones either."""

    def __init__(self, raw):
        self.raw = raw

    def __getitem__(self, index):
        assert isinstance(index, int)
        assert 0 <= index < len(self.raw), index
        return self.raw[index]


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("jsontext")


LOCKED = """
import micropython
from firmware.http import jsontext

def main():
    valid = b'{"name": ["\\u00e4\\ud83d\\ude00\\xc3\\xa4", -1.5e3, 0, true, null, ' + b"[" * 30 + b"]" * 30 + b"]}"
    texts = (valid, valid * 2, b"[" * 99, b'"\\xff"', b"1" * 999, b"")
    results = [None] * len(texts)
    allocated = False
    micropython.heap_lock()
    try:
        try:
            bytearray(100)
            allocated = True
        except MemoryError:
            pass
        for i in range(len(texts)):
            results[i] = jsontext.check(texts[i], 0, len(texts[i]))
    finally:
        micropython.heap_unlock()
    print(allocated, [result >= 0 for result in results])

main()
"""


def test_check_allocates_nothing_on_micropython(micropython):
    assert micropython.run("-c", LOCKED).stdout.strip() == "False [True, False, False, False, False, False]"


@given(values, st.booleans(), st.sampled_from([None, 0, 2]))
def test_what_json_dumps_writes_is_read(value, ascii, indent):
    assert jsontext.loads(json.dumps(value, ensure_ascii=ascii, indent=indent).encode()) == value


@settings(max_examples=1000)
@given(anything)
@example(b'{"a":1e999,"a":1}')
@example(b'"\\ud83d"')
@example(b"1e" + b"0" * 400)
def test_verdict_and_value_are_the_reference_ones(raw):
    assert loaded(raw) == reference(raw)


@settings(max_examples=1000)
@given(anything, st.binary(max_size=3), st.binary(max_size=3))
def test_no_index_leaves_the_text(raw, before, behind):
    buffer = Checked(raw)
    result = jsontext.check(buffer, 0, len(raw))
    assert result < 0 or result < 4
    # What stands around it is not looked at.
    start, end = len(before), len(before) + len(raw)
    inside = jsontext.check(before + raw + behind, start, end)
    assert inside == (result if result >= 0 else result - 4 * start)


def test_tables_have_the_form_that_the_code_expects():
    table = jsontext._TABLE
    kinds = table[:128]
    columns = jsontext._COLUMNS
    following = table[128 : 128 + columns * (jsontext._EXPONENT - jsontext._VALUE + 1)]
    assert max(kinds) - ord("A") < columns
    assert set(following) <= set(range(jsontext._VALUE, jsontext._EXPONENT + 1)) | set(b"_squnewoc")
    assert len(following) % columns == 0
    characters = table[128 + len(following) : jsontext._WORDS]
    assert len(characters) == 7 * 4 + 64
    assert max(characters) == 8
    assert 128 + len(following) + 28 == jsontext._LEADS + 0xC0
    assert 128 + len(following) == jsontext._UTF8 + 4
    assert table[jsontext._WORDS :] == b"true\0false\0null\0"


def test_every_character_is_read_and_no_other_bytes():
    for first in range(0x80, 0x100):
        for second in range(0x7F, 0xC1):
            for rest in (b"", b"\x80", b"\xbf\xbf", b"\x80\xbf\x80"):
                raw = bytes([first, second]) + rest
                try:
                    raw.decode("utf-8")
                    valid = True
                except UnicodeDecodeError:
                    valid = False
                assert (jsontext.check(b'"%s"' % raw, 0, len(raw) + 2) >= 0) == valid, raw
