"""Requests and responses without a socket: the shared vectors, and what hypothesis thinks of."""

import email.utils
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.http import dates, errors, parser
from firmware.http import request as requests
from firmware.http import response as responses
from firmware.http.errors import HTTPError
from firmware.http.reasons import REASONS
from host_tests.http.test_parser import Fenced, heads, tokens, values
from host_tests.servers import FIELD
from host_tests.vectors import layout
from host_tests.vectors import message as vectors

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())
trees = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("message")


@given(st.lists(st.tuples(tokens, values), max_size=8), st.binary(max_size=20))
def test_fields_are_found_as_they_were_sent(fields, name):
    raw = b"GET / HTTP/1.0\r\n" + b"".join(b"%s: %s\r\n" % field for field in fields) + b"\r\n"
    found, marks = len(raw), parser.new_marks(1024, 8)
    lower = [name.lower() for name, _ in fields]
    if lower.count(b"host") or parser.scan(bytearray(raw), 0, found, marks) < 0:
        return
    found = requests.Headers(memoryview(raw), marks)
    items = [(name.decode().lower(), requests.text(value.strip(b" \t"))) for name, value in fields]
    assert list(found.items()) == items
    for name, _ in fields:
        same = [value.strip(b" \t") for other, value in fields if other.lower() == name.lower()]
        try:
            got = found.get(name.decode())
        except HTTPError as error:
            assert error.status == 400 and len(same) > 1
        else:
            assert got == requests.text((b"; " if name.lower() == b"cookie" else b", ").join(same))


@given(st.one_of(heads, st.builds(b"%s%s".__mod__, st.tuples(heads, st.binary()))))
def test_framing_is_settled_or_refused(raw):
    marks = parser.new_marks(1024, 32)
    end = parser.scan(bytearray(raw), 0, len(raw), marks)
    if end <= 0:
        return
    source = type("Source", (), {"view": memoryview(raw), "marks": marks, "peer": None, "again": None})()
    request = requests.Request(source)
    try:
        body = request.frame(marks[layout.FLAGS])
    except HTTPError as error:
        assert error.status in (400, 413, 417, 501)
        return
    assert request.target[:1] in (b"/", b"*") or request.method not in parser.METHODS
    assert (body is None) == (request.length == 0)
    assert request.lines() in (b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n")
    for look in ("path", "args"):
        try:
            getattr(request, look)
        except HTTPError as error:
            assert error.status == 400


@given(st.binary(max_size=20))
def test_text_is_always_text(raw):
    got = requests.text(raw)
    try:
        assert got == raw.decode()
    except UnicodeDecodeError:
        assert got == raw.decode("latin-1")


@given(
    st.one_of(st.text(), st.binary(), st.integers(), st.none(), trees),
    st.one_of(st.integers(-1, 1000), st.none(), st.text()),
    st.one_of(
        st.none(), st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.lists(st.text()))), st.text()
    ),
)
def test_response_is_well_formed_or_an_error(body, status, headers):
    try:
        response = responses.to_response((body, status, headers))
        head = response.head(b"Server: x\r\n", b"Connection: close\r\n")
    except (TypeError, ValueError, AttributeError):
        return
    line, *lines = head.decode("latin-1").split("\r\n")[:-2]
    assert line[:9] == "HTTP/1.1 " and 101 <= int(line[9:12]) <= 599 and line[12] == " " and line[13:].isprintable()
    names = []
    for one in lines:
        match = FIELD.fullmatch(one)
        assert match, one
        names.append(match.group(1).lower())
    for name in ("content-length", "content-type", "connection", "server", "transfer-encoding", "date"):
        assert names.count(name) <= 1
    assert len(names) >= 2


@given(trees)
def test_json_is_what_json_is(value):
    try:
        wanted = json.dumps(value, allow_nan=False).encode()
    except ValueError:
        with pytest.raises(ValueError):
            responses.encode_json(value)
    else:
        assert responses.encode_json(value) == wanted


@given(st.one_of(st.binary(max_size=40), trees.map(json.dumps).map(str.encode)), st.binary(max_size=5))
def test_json_check_reads_nowhere_else(raw, behind):
    if not hasattr(responses, "is_plain"):
        return
    responses.is_plain(Fenced(raw + behind, 0, len(raw)), 0, len(raw))


@given(st.integers(0, 4_000_000_000))
def test_date_is_that_of_the_library(moment):
    assert dates.format_date(time.gmtime(moment)).decode() == email.utils.formatdate(moment, usegmt=True)


def test_request_that_is_over_shows_nothing():
    source = vectors.Source(b"GET /a?b HTTP/1.1\r\nHost: x\r\nCookie: secret\r\n\r\n")
    request = requests.Request(source)
    assert request.headers.get("cookie") == "secret"
    request.slot = None
    with pytest.raises(AttributeError):
        request.headers.get("cookie")
    with pytest.raises(AttributeError):
        request.query  # noqa: B018


def test_host_of_an_absolute_target_counts_for_a_head_that_came_before():
    source = vectors.Source(b"GET http://a.b/ HTTP/1.1\r\nHost: [::1]\r\n\r\n")
    source.again = (0, None, None, None, b"http://a.b/", {})
    request = requests.Request(source)
    assert request.field(b"host") == b"[::1]"
    request.frame(source.marks[layout.FLAGS])
    assert (request.field(b"host"), request.target) == (b"a.b", b"/")


def test_json_is_parsed_once():
    source = vectors.Source(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\r\n")
    request = requests.Request(source)
    request.body = b"[null]"
    assert request.json is request.json
    request = requests.Request(source)
    request.body = b"null"
    assert request.json is None
    assert request.json is None


def test_everyday_phrases_are_the_registry_s():
    lines = errors._EVERYDAY.split(b"\n")[:-1]
    assert lines and set(lines) <= set(REASONS.split(b"\n"))
