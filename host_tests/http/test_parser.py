"""Request heads: the shared vectors, a second opinion, and proof that the scan stays inside of its buffers."""

import re

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware.http import parser
from firmware.http.errors import HTTPError
from firmware.server import connection, opening, receive, slot
from firmware.server.limits import Limits
from host_tests.vectors import layout
from host_tests.vectors import parser as vectors

# Long enough for every test here; vectors try the limits.
LIMITS = (4096, 64)

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*"
# RFC 9112 sections 2 to 5 once more, as one expression. Host is looked at apart.
HEAD = re.compile(
    rb"(?:\r\n)*(%s) ([\x21\x22\x24-\x7e]+) HTTP/([0-9])\.([0-9])\r\n((?:%s:%s\r\n)*)\r\n" % (TOKEN, TOKEN, VALUE)
)
HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[A-Za-z0-9._~!$&'()*+,;=:%-]*\])(?::[0-9]*)?")


class Fenced:
    """Bytes that may be read from `start` up to `end`, and not elsewhere: no negative index either."""

    def __init__(self, data, start, end):
        self.data = data
        self.range = range(start, end)

    def __getitem__(self, at):
        assert at in self.range, f"reads at {at}, outside of {self.range}"
        return self.data[at]


class FencedMarks(Fenced):
    """Marks that may be read and written up to their end, where they are no limits, and hold 16 bits."""

    def __init__(self, max_target, max_fields):
        super().__init__(parser.new_marks(max_target, max_fields), 0, layout.FIELDS + 4 * max_fields)

    def __setitem__(self, at, value):
        assert at in self.range and at > layout.MAX_FIELDS, f"writes at {at}, outside of {self.range}"
        assert 0 <= value < 0x10000
        self.data[at] = value

    def __len__(self):
        return len(self.data)


def scan(raw, start=0, end=None, limits=LIMITS):
    """Return what a scan of `raw[start:end]` gives, and its marks; nothing else is read or written on the way."""
    marks = FencedMarks(*limits)
    end = len(raw) if end is None else end
    return parser.scan(Fenced(raw, start, end), start, end, marks), marks


def reference(raw):
    """Return what RFC 9112 makes of `raw`: None, or (end, method, target, version, fields)."""
    match = HEAD.match(raw)
    if not match:
        return None
    method, target, major, minor, lines = match.groups()
    fields = [line.split(b":", 1) for line in lines.split(b"\r\n")[:-1]]
    fields = [(name, value.strip(b" \t")) for name, value in fields]
    hosts = [value for name, value in fields if name.lower() == b"host"]
    if len(hosts) != 1 and (minor != b"0" or hosts):
        return None
    if major != b"1" or (hosts and not HOST.fullmatch(hosts[0])):
        return None
    return match.end(), method, target, minor, fields


tokens = st.from_regex(TOKEN, fullmatch=True)
values = st.from_regex(VALUE, fullmatch=True)
names = st.one_of(
    tokens,
    st.sampled_from(
        [
            b"Connection",
            b"Content-Length",
            b"Transfer-Encoding",
            b"Expect",
            b"Range",
            b"If-Match",
            b"accept",
            b"X_Y",
            b"i",
        ]
    ),
)
options = st.sampled_from([b"close", b"Keep-Alive", b"upgrade", b"chunked", b"5", b", ", b",", b"\t", b"100-continue"])
fields = st.builds(
    b"%s:%s%s\r\n".__mod__,
    st.tuples(
        names, st.sampled_from([b"", b" ", b"\t "]), st.one_of(values, st.lists(options, max_size=4).map(b"".join))
    ),
)
heads = st.builds(
    b"%s%s %s HTTP/1.%s\r\n%s%s\r\n".__mod__,
    st.tuples(
        st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]),
        st.one_of(tokens, st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS"])),
        st.from_regex(rb"[\x21\x22\x24-\x7e]{1,20}", fullmatch=True),
        st.sampled_from([b"0", b"1", b"9"]),
        st.sampled_from([b"", b"Host: x\r\n", b"host:[::1]:80\r\n", b"HOST: \r\n"]),
        st.lists(fields, max_size=5).map(b"".join),
    ),
)
# Bytes that mean something in a head, so that random ones go deep.
words = [
    b"\r\n", b"\r", b"\n", b" ", b"\t", b":", b",", b"\0", b"\x7f", b"\x80", b"#", b"/", b"?", b"%41", b"*", b"GET",
    b"a", b"HTTP/1.1", b"HTTP/1.0\r\n", b"Host: x\r\n", b"Host: x", b"GET / HTTP/1.1\r\n", b"Connection: close\r\n",
    b"close", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
]  # fmt: skip
jumble = st.lists(st.sampled_from(words), max_size=20).map(b"".join)
places = st.integers(0, 100_000)


@st.composite
def damaged(draw):
    """Return a head with some of it replaced, left out or doubled."""
    raw = draw(heads)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(places) % (len(raw) + 1)
        end = at + draw(st.integers(0, 3))
        raw = raw[:at] + draw(st.one_of(st.binary(max_size=2), st.sampled_from(words))) + raw[end:]
    return raw


anything = st.one_of(heads, damaged(), jumble, st.binary(max_size=100))


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("parser")


@given(anything, anything)
@example(b"GET / HTTP/1.1\r\nHost:", b"")
@example(b"GET / HTTP/1.1\r\nConnection:", b"")
@example(b"GET / HTTP/1.1\r\nContent-Length", b"")
@example(b"OPTIONS", b" ")
@example(b"\r", b"\n")
def test_scan_reads_and_writes_nowhere_else(raw, behind):
    for end in range(len(raw) + 1):
        scan(raw + behind, 0, end)


@given(anything, st.binary(min_size=1, max_size=20), anything)
def test_scan_does_not_depend_on_where_the_head_stands(raw, before, behind):
    result, marks = scan(raw)
    moved, moved_marks = scan(before + raw + behind, len(before), len(before) + len(raw))
    assert moved == (result + len(before) if result > 0 else result)
    if result > 0:
        assert vectors.read(raw, marks) == vectors.read(before + raw, moved_marks, len(before))


@given(st.one_of(heads, damaged()), st.integers(1, 30), st.integers(1, 4))
def test_scan_keeps_its_limits(raw, max_target, max_fields):
    found = reference(raw)
    result, _ = scan(raw, limits=(max_target, max_fields))
    if result > 0:
        assert found and len(found[2]) <= max_target and len(found[4]) <= max_fields
    elif found:
        assert result == (-414 if len(found[2]) > max_target else -431)


@given(anything, anything)
def test_head_means_the_same_however_it_comes(raw, behind):
    results = [scan(raw + behind, 0, end)[0] for end in range(len(raw) + 1)]
    for before, after in zip(results, results[1:]):
        assert before == 0 or after == before
    last = results[-1]
    assert last in (-400, -505) or 0 <= last <= len(raw)
    if last:
        assert scan(raw + behind)[0] == last


@given(anything)
def test_scan_agrees_with_the_grammar(raw):
    result, marks = scan(raw)
    found = reference(raw)
    if not found:
        assert result <= 0
        return
    end, method, target, minor, fields = found
    assert result == end
    name, path, query, flags, marked = vectors.read(raw, marks)
    assert name == (method.decode() if method.decode() in parser.METHODS else "")
    assert (path, query) == target.partition(b"?")[::2]
    assert marked == fields
    lower = [field.lower() for field, _ in fields]
    given = [value.lower() for field, value in fields if field.lower() == b"connection"]
    given = [option.strip(b" \t") for value in given for option in value.split(b",")]
    assert ("1.1" in flags) == (minor != b"0")
    assert ("head" in flags) == (method == b"HEAD")
    assert ("form" in flags) == (not target.startswith(b"/"))
    assert ("escaped" in flags) == (b"%" in target.split(b"?")[0])
    for word, field in (
        ("host", b"host"),
        ("length", b"content-length"),
        ("coding", b"transfer-encoding"),
        ("expect", b"expect"),
    ):
        assert (word in flags) == (field in lower)
    for word in ("close", "keep-alive", "upgrade"):
        # Options are tokens; of what is none, nothing has to be known.
        if all(re.fullmatch(TOKEN, option) for option in given if option):
            assert (word in flags) == (word.encode() in given)
    if b"range" in lower or any(field.startswith(b"if-") for field in lower):
        assert "conditional" in flags


@given(st.one_of(heads, damaged()))
def test_h11_reads_the_same(raw):
    result, marks = scan(raw)
    if result <= 0:
        return
    _, _, _, flags, fields = vectors.read(raw, marks)
    if {"length", "coding"} & set(flags):
        return  # h11 looks at their values too
    method = raw[marks[layout.METHOD] : marks[layout.METHOD_END]]
    target = raw[marks[layout.TARGET] : marks[layout.TARGET_END]]
    client = h11.Connection(h11.SERVER)
    client.receive_data(raw[:result].lstrip(b"\r\n"))
    request = client.next_event()
    assert type(request) is h11.Request
    assert (request.method, request.target) == (method, target)
    assert request.headers.raw_items() == fields


@given(heads, anything)
def test_find_finds_every_field_and_reads_nowhere_else(raw, behind):
    result, marks = scan(raw + behind)
    if result <= 0:
        return
    buffer = Fenced(raw + behind, 0, result)
    fields = vectors.read(raw + behind, marks)[4]
    for name in {field.lower() for field, _ in fields} | {b"host", b"", b"a", b"content-length", b"x" * 50}:
        wanted = [value for field, value in fields if field.lower() == name]
        found = []
        at = parser.find(buffer, marks, name, 0)
        while at:
            found.append(raw[marks[at + 2] : marks[at + 3]])
            at = parser.find(buffer, marks, name, at)
        assert found == wanted


def test_find_scan_and_all_of_allocate_nothing(micropython):
    script = """
import micropython
from firmware.http.parser import all_of, find, hash_name, new_marks, scan
from host_tests.vectors.layout import TOKEN
good = b"GET /a?b HTTP/1.1|Host: x|Connection: close, x|Content-Length: 5|a: b|A: c||"
good = bytearray(good.replace(b"|", b"\\r\\n"))
bad = bytearray(good[:-3] + b"a b: c\\r\\n\\r\\n")
marks = new_marks(1024, 32)
name, other = b"a", b"content-length"
result = second = length = letters = number = 0  # there already: a new global would take memory
def work():
    global result, second, length, letters, number
    for end in range(len(good) + 1):
        scan(good, 0, end, marks)
        scan(bad, 0, end, marks)
    scan(bad, 0, len(bad), marks)
    result = scan(good, 0, len(good), marks)
    second = find(good, marks, name, find(good, marks, name, 0))
    length = find(good, marks, other, 0)
    letters = all_of(good, 0, 3, TOKEN)
    number = hash_name(other)
work()
result = second = length = letters = number = 0
micropython.heap_lock()
try:
    work()
finally:
    micropython.heap_unlock()
assert result == len(good) and second and length and letters and number
print("nothing")
"""
    assert micropython.run("-c", script).stdout == "nothing\n"


def test_hashes_are_those_of_their_names():
    hashes = {name: value for name, value in vars(parser).items() if name.startswith("_HASH_")}
    assert len(hashes) > 5
    for name, value in hashes.items():
        assert value == parser.hash_name(name[6:].replace("_", "-").encode()), name


def test_places_of_names_are_theirs():
    places = {name: value for name, value in vars(parser).items() if name.startswith("_AT_")}
    assert len(places) > 3
    for name, at in places.items():
        assert parser._NAMES[at:].startswith(name[4:].replace("_", "-").lower().encode() + b":"), name


def test_methods_are_in_the_order_of_their_codes():
    assert parser._METHODS.split() == [name.encode() for name in parser.METHODS[1:]] + [b"\0"]
    assert parser.METHODS[0] == ""


def test_every_flag_has_a_bit_of_its_own():
    bits = [bit for _, bit in vectors._FLAGS]
    assert sorted(bits) == [1 << at for at in range(len(bits))]


def test_what_is_not_usual_is_all_that_framing_has_to_settle():
    assert connection._USUAL == layout.MINOR_1
    assert connection._USUAL_MASK == (
        layout.MINOR_1
        | layout.NOT_ORIGIN
        | layout.CONTENT_LENGTH
        | layout.TRANSFER_ENCODING
        | layout.EXPECT
        | layout.HEAD
    )


def test_marks_have_places_of_their_own():
    places = [
        layout.MAX_TARGET, layout.MAX_FIELDS, layout.METHOD, layout.METHOD_END, layout.TARGET, layout.PATH_END,
        layout.TARGET_END, layout.METHOD_CODE, layout.FLAGS, layout.COUNT, layout.FIELDS,
    ]  # fmt: skip
    assert places == list(range(11))


def test_states_of_a_slot_are_told_apart():
    states = [slot.FREE, slot.NEW, slot.IDLE, slot.BUSY, slot.AWAITING, slot.LIVE, slot.POLL]
    assert len(set(states)) == len(states)
    assert receive.CLOSED not in [-status for status in (400, 414, 431, 503, 505)]


@pytest.mark.parametrize("name", ["head_bytes", "target_bytes", "fields"])
def test_limit_that_positions_cannot_hold_is_refused(name):
    limits = Limits()
    setattr(limits, name, 0x10000)
    with pytest.raises(ValueError, match=name):
        opening.derive(limits)


@pytest.mark.parametrize("value", [0, -1, None, "100", 1.5, True])
def test_limit_that_is_no_positive_number_is_refused(value):
    limits = Limits()
    limits.idle_ms = value
    with pytest.raises(ValueError, match="idle_ms"):
        opening.derive(limits)


def test_greatest_limits_fit_into_marks():
    limits = Limits()
    limits.head_bytes = limits.target_bytes = 0xFE00
    opening.derive(limits)
    raw = b"GET /" + b"a" * (limits.head_bytes - 40)
    raw += b" HTTP/1.0\r\na: b\r\n\r\n"
    result, marks = scan(raw, limits=(limits.target_bytes, limits.fields))
    assert result == len(raw) and raw[marks[layout.FIELDS + 2] :] == b"b\r\n\r\n"


def test_errors_of_heads_have_a_status_of_their_own():
    for status in (400, 414, 431, 505):
        assert HTTPError(status).status == status
