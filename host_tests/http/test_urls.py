"""Percent-decoding, paths and query strings."""

import posixpath
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.http import escapes, query, urls
from firmware.http.errors import HTTPError
from host_tests.vectors import urls as vectors

# Bytes of which every part of the syntax is made, often enough to meet.
PIECES = st.sampled_from(
    [b"%", b"%2", b"%41", b"%C3%A9", b"%zz", b"%00", b"&", b"=", b"+", b";", b"/", b".", b"a", b"\xc3\xa9", b"\xff"]
)
RAW = st.binary(max_size=40) | st.lists(PIECES, max_size=12).map(b"".join)
PATHS = st.text(max_size=20) | st.lists(
    st.sampled_from(["a", "b.c", "..", ".", "/", "//", "\\", ":", "\0", "\x7f", " ", "é", "%2e", "~"]), max_size=8
).map("".join)


def outcome(function, *arguments):
    """Return what `function` returns, or None where it raises a 400; nothing else may be raised."""
    try:
        return function(*arguments)
    except HTTPError as error:
        assert error.status == 400
        return None


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("urls")


@given(RAW)
def test_unquote_equals_the_standard_library_where_escapes_are_good(raw):
    decoded = outcome(escapes.unquote, raw)
    if decoded is not None:
        assert decoded == unquote_to_bytes(raw)


@given(st.binary(max_size=40))
def test_unquote_undoes_any_escaping(raw):
    assert escapes.unquote(quote(raw).encode()) == raw
    assert escapes.unquote(b"".join(b"%%%02x" % byte for byte in raw)) == raw


@given(RAW)
def test_decode_text_equals_the_standard_decoder(raw):
    try:
        expected = raw.decode("utf-8")
    except UnicodeDecodeError:
        expected = None
    assert outcome(urls.decode_text, raw) == expected


@given(RAW)
def test_decode_path_never_has_controls(raw):
    path = outcome(urls.decode_path, raw)
    if path is not None:
        assert path.encode() == unquote_to_bytes(raw)
        assert not any(char < " " or char == "\x7f" for char in path)


@given(RAW)
def test_parse_query_equals_the_standard_library_where_both_accept(raw):
    args = outcome(query.parse_query, raw)
    if args is not None and raw.isascii():
        assert list(args.items()) == parse_qsl(raw.decode(), keep_blank_values=True)


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=query.MAX_PAIRS))
def test_args_agree_with_the_pairs_that_were_sent(pairs):
    sent = "&".join(quote(name, safe="") + "=" + quote(value, safe="") for name, value in pairs)
    args = query.parse_query(sent.encode())
    assert list(args.items()) == pairs
    assert list(args) == [name for name, _ in pairs]
    assert len(args) == len(pairs)
    for name, _ in pairs:
        values = [value for key, value in pairs if key == name]
        assert args.get_all(name) == values
        assert args[name] == args.get(name) == values[0]
        assert name in args


@given(st.text(max_size=20))
def test_args_take_as_int_only_what_is_plain_digits(value):
    got = outcome(query.Args([("n", value)]).get, "n", None, int)
    if got is not None:
        assert value.isascii() and value.lstrip("-").isdigit() and int(value) == got


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_args_take_every_int_of_18_digits(number):
    assert query.Args([("n", str(number))]).get("n", type=int) == number


def test_args_let_other_errors_of_a_type_through():
    def broken(text):
        raise RuntimeError(text)

    with pytest.raises(RuntimeError):
        query.Args([("n", "1")]).get("n", type=broken)


@given(PATHS)
def test_safe_path_stays_below_its_folder(path):
    safe = urls.safe_path(path)
    assert safe is None or safe is path
    if safe:
        joined = posixpath.normpath(posixpath.join("/root", safe))
        assert joined == "/root/" + safe.rstrip("/")
        assert not any(segment.startswith(".") for segment in safe.split("/"))
        assert not any(char < " " or char in "\\:\x7f" for char in safe)


@given(st.lists(st.text("abcXYZ019-_~ é", min_size=1, max_size=5), max_size=4), st.booleans())
def test_safe_path_takes_every_plain_path(segments, folder):
    path = "/".join(segments) + ("/" if folder and segments else "")
    assert urls.safe_path(path) == path


@given(st.text())
def test_quote_equals_the_standard_library(text):
    assert escapes.quote(text) == quote(text)
    assert urls.decode_text(escapes.unquote(escapes.quote(text).encode())) == text
