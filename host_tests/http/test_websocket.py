"""WebSocket frames, without a server: against vectors, the `websockets` package and random bytes."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.streams import StreamReader

from firmware.http import websocket
from firmware.http.websocket import OP_BINARY, OP_CLOSE, OP_CONTINUATION, OP_PING, OP_PONG, OP_TEXT
from host_tests.vectors import websocket as vectors

LIMIT = 2000
CONTROL_PAYLOADS = st.binary(max_size=125)
PINGS = st.tuples(st.sampled_from([OP_PING, OP_PONG]), CONTROL_PAYLOADS)
MESSAGES = st.tuples(st.just(OP_TEXT), st.text(max_size=300)) | st.tuples(st.just(OP_BINARY), st.binary(max_size=300))
CUTS = st.lists(st.integers(0, 300), max_size=5)
# Frames, good ones more often than not, of which anything may follow anything.
FRAMES = st.builds(
    vectors.frame,
    st.sampled_from([0, 0, 1, 1, 1, 2, 2, 8, 9, 9, 10, 3, 11]),
    st.binary(max_size=140) | st.text(max_size=50).map(str.encode),
    st.booleans(),
    st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1, 4]),
    st.binary(min_size=4, max_size=4),
    st.sampled_from([None, None, None, None, 2, 8]),
)
STREAMS = st.binary(max_size=300) | st.lists(FRAMES | st.binary(max_size=3), max_size=8).map(b"".join)


class Checked:
    """A buffer that may be touched in [start, end) only, and tells when something else is."""

    def __init__(self, data, start, end):
        self.data, self.start, self.end = bytearray(data), start, end

    def inside(self, i):
        assert self.start <= i < self.end, f"{i} is outside of [{self.start}, {self.end})"
        return i

    def __getitem__(self, key):
        if isinstance(key, slice):
            assert key.step is None and self.start <= key.start <= key.stop <= self.end
            return bytearray(self.data[key])
        return self.data[self.inside(key)]

    def __setitem__(self, i, value):
        self.data[self.inside(i)] = value


def read(stream, cuts=(), limit=LIMIT):
    """Return the events of a stream fed in pieces, as the vectors write them."""
    reader = websocket.Reader(limit)
    events = []
    edges = sorted({0, len(stream)}.union(cut for cut in cuts if cut < len(stream)))
    for start, end in zip(edges, edges[1:]):
        buffer = Checked(stream[:end] + b"behind", start, end)
        i = start
        try:
            while i < end:
                at = reader.feed(buffer, i, end)
                assert i < at <= end
                i = at
                if reader.kind == OP_CLOSE:
                    events.append((OP_CLOSE, reader.code, reader.data))
                elif reader.kind:
                    events.append((reader.kind, reader.data))
        except websocket.WebSocketError as error:
            assert reader.closed
            events.append(("error", error.code))
    return events


def parse(data, mask):
    """Return the frame that `websockets` reads from `data`; `mask` tells whether a client sent it."""
    stream = StreamReader()
    stream.feed_data(data)
    try:
        next(Frame.parse(stream.read_exact, mask=mask))
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the frame is not complete")


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("websocket")


@given(st.lists(st.tuples(MESSAGES, CUTS, st.lists(PINGS, max_size=3)), max_size=4), st.lists(st.integers(0, 1500)))
def test_messages_come_back_however_they_are_fragmented_and_cut(messages, cuts):
    stream = b""
    expected = []
    for (opcode, data), fragments, pings in messages:
        payload = data.encode() if opcode == OP_TEXT else data
        edges = [0, *sorted(min(cut, len(payload)) for cut in fragments), len(payload)]
        pings = iter(pings)
        for k, (start, end) in enumerate(zip(edges, edges[1:])):
            ping = next(pings, None) if k else None
            if ping:
                stream += Frame(Opcode(ping[0]), ping[1]).serialize(mask=True)
                expected.append(ping)
            frame = Frame(Opcode(OP_CONTINUATION if k else opcode), payload[start:end], fin=k == len(edges) - 2)
            stream += frame.serialize(mask=True)
        expected.append((opcode, data))
    assert read(stream, cuts) == expected


@given(STREAMS, st.lists(st.integers(0, 400), max_size=10))
@example(b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", ())
def test_random_streams_raise_nothing_else_and_read_the_same_however_cut(stream, cuts):
    events = read(stream)
    assert read(stream, cuts) == events
    assert read(stream, range(len(stream))) == events
    assert [event[0] for event in events[:-1] if event[0] in ("error", OP_CLOSE)] == []


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536])
@pytest.mark.parametrize("opcode", [OP_CONTINUATION, OP_TEXT, OP_BINARY])
@pytest.mark.parametrize("fin", [True, False])
def test_frames_are_those_of_websockets(opcode, length, fin):
    payload = b"x" * length
    data = websocket.frame_head(opcode, length, fin) + payload
    assert data == Frame(Opcode(opcode), payload, fin).serialize(mask=False)
    assert parse(data, mask=False) == Frame(Opcode(opcode), payload, fin)


@given(st.sampled_from([1000, 1001, 1011, 3000, 4999]), st.text(max_size=200))
def test_close_payload_is_read_by_websockets_and_keeps_what_fits(code, reason):
    payload = websocket.close_payload(code, reason)
    close = Close.parse(payload)
    assert close.code == code and reason.startswith(close.reason)
    assert len(payload) <= 125
    if close.reason != reason:
        assert len(payload) + len(reason[len(close.reason)].encode()) > 125


def test_constants_are_those_of_websockets():
    for name in ("TEXT", "BINARY", "CLOSE", "PING", "PONG"):
        assert getattr(websocket, "OP_" + name) == Opcode[name]
    assert OP_CONTINUATION == Opcode.CONT
    assert websocket.CLOSE_NORMAL == CloseCode.NORMAL_CLOSURE
    assert websocket.CLOSE_GOING_AWAY == CloseCode.GOING_AWAY
    assert websocket.CLOSE_PROTOCOL_ERROR == CloseCode.PROTOCOL_ERROR
    assert websocket.CLOSE_NO_STATUS == CloseCode.NO_STATUS_RCVD
    assert websocket.CLOSE_BAD_DATA == CloseCode.INVALID_DATA
    assert websocket.CLOSE_TOO_BIG == CloseCode.MESSAGE_TOO_BIG
    assert websocket.CLOSE_INTERNAL_ERROR == CloseCode.INTERNAL_ERROR


def test_close_codes_are_those_of_websockets():
    for code in range(65536):
        payload = code.to_bytes(2, "big")
        try:
            Close.parse(payload)
            expected = [(OP_CLOSE, code, "")]
        except ProtocolError:
            expected = [("error", 1002)]
        assert read(vectors.frame(OP_CLOSE, payload)) == expected, code


@pytest.mark.parametrize("second", [0x00, 0x01, 0x7D, 0x80, 0x81, 0x82, 0xFD])
def test_first_bytes_are_refused_as_websockets_refuses_them(second):
    for first in range(256):
        data = bytes((first, second)) + (vectors.KEY if second & 0x80 else b"") + vectors.KEY * 32
        data = data[: (6 if second & 0x80 else 2) + (second & 0x7F)]
        try:
            frame = parse(data, mask=True)
            accepted = frame.opcode != OP_CLOSE or not frame.data  # in a close frame these bytes are code 0
        except ProtocolError:
            accepted = False
        opened = vectors.OPEN if first & 15 == OP_CONTINUATION else b""
        events = read(opened + data)
        assert (("error", 1002) not in events) == accepted, first


def states(data):
    """Return the state behind each byte of `data`."""
    mask = bytearray(websocket.MASK_SIZE)
    found = []
    for i in range(len(data)):
        mask[websocket.STATE] = websocket.unmask(data, i, i + 1, mask)
        found.append(mask[websocket.STATE])
    return found


def meaning(state):
    """Return what a state says: None for wrong bytes, else whether a character is unfinished."""
    return None if state == websocket.BAD else state > 0


# With one of these behind it, whatever begins some UTF-8 is UTF-8. (CPython's incremental decoder is no reference: it
# takes the first two bytes of a surrogate and refuses the third.)
TAILS = [b""] + [first + b"\x80" * n for first in (b"\x80", b"\x90", b"\xa0") for n in range(3)]


def is_utf8(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def decoded(data):
    """Return what CPython's decoder says behind each byte of `data`, as `meaning` does."""
    found = []
    for i in range(1, len(data) + 1):
        begins = any(is_utf8(data[:i] + tail) for tail in TAILS)
        found.append(not is_utf8(data[:i]) if begins else None)
    return found


# Where bounds of the second byte lie, and what is beside them.
EDGES = (0x00, 0x7F, 0x80, 0x81, 0x8F, 0x90, 0x9F, 0xA0, 0xBE, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xFF)


def test_utf8_is_wrong_from_the_very_byte_that_makes_it_so():
    for first in range(256):
        for second in range(256):
            data = bytearray((first, second))
            assert [meaning(state) for state in states(data)] == decoded(data), data
    for first in range(0xE0, 0xF5):
        for second in EDGES:
            for third in EDGES:
                for fourth in EDGES if first > 0xEF else (0x41,):
                    data = bytearray((first, second, third, fourth))
                    assert [meaning(state) for state in states(data)] == decoded(data), data


@given(st.binary(max_size=30) | st.text(max_size=15).map(str.encode), st.integers(0, 30))
def test_utf8_state_is_the_same_in_one_call_and_in_two(data, cut):
    expected = websocket.unmask(bytearray(data), 0, len(data), bytearray(websocket.MASK_SIZE))
    mask = bytearray(websocket.MASK_SIZE)
    cut = min(cut, len(data))
    mask[websocket.STATE] = websocket.unmask(bytearray(data), 0, cut, mask)
    assert websocket.unmask(bytearray(data), cut, len(data), mask) == expected


@given(st.binary(max_size=100), st.binary(min_size=4, max_size=4), st.integers(0, 100))
def test_unmask_undoes_the_mask_and_touches_nothing_else(data, key, start):
    start = min(start, len(data))
    mask = bytearray(key) + bytes((0, websocket.BAD))
    buffer = Checked(data, start, len(data))
    assert websocket.unmask(buffer, start, len(data), mask) == websocket.BAD
    expected = bytes(byte ^ key[i % 4] for i, byte in enumerate(data[start:]))
    assert buffer.data == data[:start] + expected


@given(st.text(max_size=60) | st.text(alphabet="ABCDabcd0189+/= \n", min_size=22, max_size=26))
@example("dGhlIHNhbXBsZSBub25jZQ==")
def test_key_is_sixteen_bytes_or_refused(key):
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    alphabet = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    good = len(key) == 24 and key.endswith("==") and set(key[:22]) <= alphabet
    try:
        assert websocket.check_handshake(fields.get) == key
        accepted = True
    except websocket.HTTPError as error:
        assert error.status == 400
        accepted = False
    assert accepted == good
