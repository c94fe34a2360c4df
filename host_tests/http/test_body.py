"""Body framing: the shared vectors, random chunkings and splits, random bytes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware.http import body, chunked, parser
from firmware.http.errors import HTTPError
from host_tests.vectors import body as vectors
from host_tests.vectors import layout

TOKEN_BYTES = bytes(code for code in range(256) if parser.all_of(bytes([code]), 0, 1, layout.TOKEN))
VALUE_BYTES = bytes(code for code in range(256) if parser.all_of(bytes([code]), 0, 1, layout.VALUE))


def bytes_of(allowed, min_size=0, max_size=8):
    return st.lists(st.sampled_from(list(allowed)), min_size=min_size, max_size=max_size).map(bytes)


tokens = bytes_of(TOKEN_BYTES, 1)
values = bytes_of(VALUE_BYTES)
extensions = st.builds(b"%s;%s%s%s".__mod__, st.tuples(bytes_of(b" \t", 0, 2), bytes_of(b" \t", 0, 2), tokens, values))
trailers = st.builds(b"%s:%s\r\n".__mod__, st.tuples(tokens, values))
sizes = st.tuples(st.integers(0, 3), st.booleans())


@st.composite
def encoded(draw):
    """Return (payload, its chunked encoding), in any form that the grammar allows."""
    chunks = draw(st.lists(st.binary(min_size=1, max_size=300), max_size=8))
    raw = b""
    for chunk in [*chunks, b""]:
        zeros, upper = draw(sizes)
        size = b"0" * zeros + b"%x" % len(chunk)
        raw += (size.upper() if upper else size) + b"".join(draw(st.lists(extensions, max_size=2))) + b"\r\n"
        if chunk:
            raw += chunk + b"\r\n"
    raw += b"".join(draw(st.lists(trailers, max_size=3))) + b"\r\n"
    return b"".join(chunks), raw


def split(raw, cuts):
    """Return `raw` in pieces, cut at the positions `cuts` (any integers)."""
    edges = sorted({0, len(raw), *(cut % (len(raw) + 1) for cut in cuts)})
    return [raw[start:end] for start, end in zip(edges, edges[1:])]


cuts = st.lists(st.integers(0, 10_000), max_size=10)
# Bytes that mean something in framing, so that random ones go deep.
words = [b"\r\n", b"\r", b"\n", b"0", b"1", b"a", b"F", b";", b":", b" ", b"\t", b'"', b"\0", b"\x80", b"xy"]
framing = st.lists(st.sampled_from(words)).map(b"".join)


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("body")


def test_kinds_of_bytes_agree_with_the_parser():
    kinds = {code: chr(chunked._KINDS[code]) for code in range(128)}
    assert bytes(code for code in kinds if kinds[code] in "56") == TOKEN_BYTES
    assert bytes(code for code in kinds if kinds[code] in "234567") == bytes(c for c in VALUE_BYTES if c < 128)
    assert bytes(code for code in kinds if kinds[code] == "5") == b"0123456789ABCDEFabcdef"
    assert [kinds[code] for code in b"\r\n \t;:"] == list("012234")


def test_table_leads_to_states_that_exist():
    rows = len(chunked._NEXT) // 9
    assert len(chunked._NEXT) == rows * 9
    letters = {chr(chunked._BEGIN + row) for row in range(rows)}
    assert set(map(chr, chunked._NEXT)) <= letters | {".", "@", "$"}


@given(encoded(), cuts, st.binary(max_size=40))
def test_chunked_body_is_given_back_however_it_is_split(case, cuts, behind):
    payload, raw = case
    reader = chunked.ChunkedBody()
    assert vectors.feed(reader, split(raw, cuts), behind) == (payload, len(behind))
    assert reader.done


@given(encoded(), st.integers(0, 10_000), cuts)
def test_chunked_body_cut_short_is_not_done(case, length, cuts):
    payload, raw = case
    raw = raw[: length % len(raw)]
    reader = chunked.ChunkedBody()
    got, left = vectors.feed(reader, split(raw, cuts) or [b""])
    assert not reader.done
    assert left == 0
    assert payload.startswith(got)


@given(st.binary(max_size=300), cuts, st.binary(max_size=40))
def test_body_of_known_length_is_given_back_however_it_is_split(payload, cuts, behind):
    reader = body.LengthBody(len(payload))
    assert reader.done == (not payload)
    assert vectors.feed(reader, split(payload, cuts) or [b""], behind) == (payload, len(behind))
    assert reader.done


@given(st.one_of(st.binary(max_size=200), framing), cuts)
@example(b"80000000\r\n", [])
def test_random_bytes_have_the_same_meaning_however_they_are_split(raw, cuts):
    whole = chunked.ChunkedBody()
    expected = vectors.feed(whole, [raw])
    pieces = split(raw, cuts) or [b""]
    parts = chunked.ChunkedBody()
    assert vectors.feed(parts, pieces) == expected
    assert parts.done == whole.done
    if not isinstance(expected, int):
        assert len(expected[0]) + expected[1] <= len(raw)


@given(encoded(), st.integers(0, 10_000), st.binary(max_size=3))
def test_damaged_body_raises_nothing_else(case, at, damage):
    _, raw = case
    at %= len(raw)
    raw = raw[:at] + damage + raw[at + len(damage) :]
    result = vectors.feed(chunked.ChunkedBody(), [raw])
    if isinstance(result, int):
        assert result in (400, 413)
    else:
        assert len(result[0]) + result[1] <= len(raw)


@given(encoded(), st.integers(0, 10_000), st.binary(max_size=40))
def test_nothing_outside_of_the_given_range_matters(case, end, behind):
    _, raw = case
    end %= len(raw) + 1
    results = []
    for rest in (b"", behind):
        buffer = bytearray(b"##" + raw[:end] + rest)
        data_end, consumed = chunked.ChunkedBody().decode(buffer, 2, 2 + end)
        results.append((data_end, consumed, buffer[:data_end]))
        assert buffer[2 + end :] == rest
    assert results[0] == results[1]


@given(st.one_of(st.binary(max_size=30), st.text(alphabet="0123456789, \t+-_xe", max_size=20).map(str.encode)))
def test_content_length_is_one_number_or_an_error(raw):
    members = [member.strip(b" \t") for member in raw.split(b",")]
    valid = len(set(members)) == 1 and members[0] and not members[0].strip(b"0123456789")
    try:
        result = body.content_length(raw)
    except HTTPError as error:
        assert error.status == (413 if valid else 400)
        assert not valid or len(members[0]) > 15
    else:
        assert valid
        assert result == int(members[0])
