"""Conditions, ranges, encodings and media types."""

from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.http import accept, negotiate
from firmware.http.errors import HTTPError
from host_tests.vectors import negotiate as vectors

# Text of which every part of the syntaxes is made, often enough to meet.
PIECES = st.sampled_from(
    ["*", "/", ",", ";", "=", "q=", "q=0", "q=0.5", '"', "\\", "W/", '"a"', 'W/"a"', " ", "\t", "bytes=", "-", "0", "5"]
    + ["99", "gzip", "x-gzip", "identity", "text/html", "application/json", "text/*", "*/*", "+json", "a", "é"]
)
FIELDS = st.none() | st.text(max_size=30) | st.lists(PIECES, max_size=15).map("".join)
TAG = st.text("abc,W/ \\é", max_size=4).map(lambda opaque: f'"{opaque}"')
TAGS = st.tuples(st.sampled_from(["", "W/"]), TAG).map("".join)
CODINGS = ["gzip", "br", "identity", "*"]
WEIGHTS = st.integers(0, 1000)


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("negotiate")


@given(FIELDS, st.none() | st.just("") | TAGS, st.booleans())
def test_any_field_gives_an_answer(field, etag, weak):
    assert negotiate.etag_matches(field, etag, weak) in (True, False)
    assert negotiate.preconditions(lambda name: field, etag, "GET") in (0, 304, 412)
    assert negotiate.range_applies(field, etag) in (True, False)
    assert negotiate.accepts_gzip(field) in (True, False)
    assert accept.prefers_json(field) in (True, False)
    assert type(accept.media_type(field)) is str
    assert type(accept.parameter(field, "a")) in (str, type(None))
    for token, quality in accept.parse_quality(field):
        assert token and 0 <= quality <= 1000


@given(st.lists(TAGS, min_size=1, max_size=8), TAGS, st.booleans(), st.sampled_from([",", ", ", " ,\t", ",,"]))
def test_etag_matches_agrees_with_the_list_it_was_made_of(tags, etag, weak, joint):
    if weak:
        expected = etag[etag.index('"') :] in [tag[tag.index('"') :] for tag in tags]
    else:
        expected = etag[0] == '"' and etag in tags
    assert negotiate.etag_matches(joint.join(tags), etag, weak) is expected
    assert negotiate.etag_matches(joint.join(tags).encode(), etag, weak) is expected


@given(FIELDS | st.text("bytes=0159-, ", max_size=12).map("bytes={}".format), st.integers(0, 2000))
def test_parse_range_stays_inside(field, size):
    try:
        part = negotiate.parse_range(field, size)
    except HTTPError as error:
        assert error.status == 416
        assert error.headers == {"Content-Range": f"bytes */{size}"}
    else:
        assert part is None or 0 <= part[0] < part[1] <= size


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20))
def test_parse_range_selects_what_a_slice_does(first, last, size):
    content = bytes(range(size))
    for field, expected in (
        (f"bytes={first}-{last}", content[first : last + 1]),
        (f"bytes={first}-", content[first:]),
        (f"bytes=-{last}", content[-last:] if last else b""),
    ):
        try:
            part = negotiate.parse_range(field, size)
        except HTTPError:
            assert not expected
        else:
            assert content[part[0] : part[1]] == expected if part else first > last


@given(st.dictionaries(st.sampled_from(CODINGS), WEIGHTS, max_size=4), st.randoms(use_true_random=False))
def test_accepts_gzip_follows_the_weights(weights, random):
    names = list(weights)
    random.shuffle(names)
    field = ", ".join(f"{name};q={weights[name] / 1000:.3f}" for name in names)
    gzip = weights.get("gzip", weights.get("*", 0))
    identity = weights.get("identity", weights.get("*", 0))
    assert negotiate.accepts_gzip(field) is (gzip > 0 and gzip >= identity)
    assert dict(accept.parse_quality(field)) == weights


@given(st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", codec="utf-8"), max_size=20))
def test_parameter_undoes_quoting(value):
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    field = f'a/b; first="{quoted}"; second="x{quoted}"; third=c'
    # Beyond what a field is split into, nothing is promised.
    if field.count(";") <= 30:
        assert accept.parameter(field, "first") == value
        assert accept.parameter(field, "second") == "x" + value
        assert accept.parameter(field, "third") == "c"


@given(st.text("abc-_.", min_size=1, max_size=10), st.booleans())
def test_parameter_equals_the_standard_library(value, quoted):
    message = Message()
    message["Content-Type"] = "text/plain; x=1; Charset=" + (f'"{value}"' if quoted else value)
    assert accept.parameter(message["Content-Type"], "charset") == message.get_param("charset")
    assert accept.media_type(message["Content-Type"]) == message.get_content_type()
