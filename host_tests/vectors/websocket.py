"""WebSocket frames as clients send them, and the events a server reads from them; handshakes and what answers them.

The numbers in names are those of the sections of the Autobahn test suite that check the same rule.
Every stream is fed whole, byte by byte and, where it is short, cut in two at every point; a ping behind it has to be
read unless the connection is closed by then, and no byte beside the given range may be touched.
"""

from firmware.http.errors import HTTPError
from firmware.http.websocket import (
    OP_BINARY,
    OP_CLOSE,
    OP_CONTINUATION,
    OP_PING,
    OP_PONG,
    OP_TEXT,
    Reader,
    WebSocketError,
    accept_key,
    check_handshake,
    choose_protocol,
    close_payload,
    frame_head,
)

LIMIT = 70000  # max_message_bytes where a case has none of its own
SMALL = 20  # the same in cases about it
MAX_SPLIT = 160  # streams up to this length are cut at every point
KEY = b"\x12\x9a\x00\xff"
GUARD = b"\xa5\x5a\xff\x80"


def frame(opcode, payload=b"", fin=True, rsv=0, key=KEY, extended=None):
    """Return a client's frame; `extended` is the number of bytes the length takes where it is not the right one."""
    n = len(payload)
    if extended is None:
        extended = 0 if n < 126 else 2 if n < 65536 else 8
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    second = 0x80 | (n if not extended else 126 if extended == 2 else 127)
    masked = bytearray(payload)
    for i in range(n):
        masked[i] ^= key[i & 3]
    return bytes((first, second)) + (n.to_bytes(extended, "big") if extended else b"") + key + bytes(masked)


def text(payload, fin=True):
    return frame(OP_TEXT, payload, fin)


def more(payload, fin=True):
    return frame(OP_CONTINUATION, payload, fin)


def parts(opcode, *payloads):
    """Return a message in several frames."""
    last = len(payloads) - 1
    return b"".join([frame(OP_CONTINUATION if i else opcode, payload, i == last) for i, payload in enumerate(payloads)])


def read(stream, size, limit=LIMIT, first=None, view=True):
    """Return the events of a stream fed in chunks of `size` bytes, the first one of `first` bytes."""
    reader = Reader(limit)
    events = []
    start = 0
    stop = first or size
    while start < len(stream):
        chunk = stream[start:stop]
        buffer = bytearray(GUARD + chunk + GUARD)
        i = len(GUARD)
        end = i + len(chunk)
        try:
            while i < end:
                at = reader.feed(memoryview(buffer) if view else buffer, i, end)
                assert i < at <= end, "feed went from %d to %d of %d" % (i, at, end)
                i = at
                if reader.kind == OP_CLOSE:
                    events.append((OP_CLOSE, reader.code, reader.data))
                elif reader.kind:
                    assert isinstance(reader.data, str if reader.kind == OP_TEXT else bytes)
                    events.append((reader.kind, reader.data))
        except WebSocketError as error:
            assert reader.closed and len(error.reason.encode()) < 124
            events.append(("error", error.code))
        assert buffer[: len(GUARD)] == GUARD and buffer[end:] == GUARD, "a byte beside the range was changed"
        start = stop
        stop += size
    return events


def same(got, expected, what):
    if got != expected:
        raise AssertionError("%s: got %s, expected %s" % (what, str(got)[:300], str(expected)[:300]))


def closed(events):
    return bool(events) and events[-1][0] in (OP_CLOSE, "error")


def check_stream(stream, *events, limit=LIMIT):
    """A stream of frames and its events."""
    events = list(events)
    same(read(stream, len(stream), limit), events, "whole")
    same(read(stream, len(stream), limit, None, False), events, "whole, a bytearray")
    same(read(stream, 1, limit), events, "byte by byte")
    same(read(stream, 1000, limit, None, False), events, "in chunks")
    if len(stream) <= MAX_SPLIT:
        for cut in range(1, len(stream)):
            same(read(stream, len(stream), limit, cut), events, "cut at %d" % cut)
    behind = stream + frame(OP_PING, b"behind")
    if not closed(events):
        events.append((OP_PING, b"behind"))
    same(read(behind, len(behind), limit), events, "with a ping behind")


def check_limit(stream, *events):
    """The same with a small limit."""
    check_stream(stream, *events, limit=SMALL)


def check_refused(stream, *events):
    """A stream that, behind some events, is not the protocol."""
    check_stream(stream, *events, PROTOCOL_ERROR)


def check_large(opcode, length, part):
    """A message of `length` bytes in frames of `part` bytes, then a close frame and a ping."""
    payload = b"0123456789\xc3\xa9" * (length // 12) + b"*" * (length % 12)
    frames = []
    for start in range(0, max(length, 1), part):
        frames.append(
            frame(OP_CONTINUATION if start else opcode, payload[start : start + part], start + part >= length)
        )
    stream = b"".join(frames) + frame(OP_CLOSE) + frame(OP_PING)
    events = [(opcode, str(payload, "utf-8") if opcode == OP_TEXT else payload), (OP_CLOSE, 1005, "")]
    same(read(stream, len(stream)), events, "whole")
    same(read(stream, 997, LIMIT, 3), events, "in chunks")
    same(read(stream, 1), events, "byte by byte")


def check_valid(data):
    """UTF-8 that has to be accepted, in one frame and in two, cut between any two bytes, with a ping in the cut."""
    expected = (OP_TEXT, str(data, "utf-8"))
    check_stream(text(data), expected)
    for cut in range(len(data) + 1):
        stream = parts(OP_TEXT, data[:cut], b"", data[cut:])
        same(read(stream, len(stream)), [expected], "fragments cut at %d" % cut)
        same(read(stream, 1), [expected], "fragments cut at %d, byte by byte" % cut)
        stream = text(data[:cut], False) + frame(OP_PING, b"\xff") + more(data[cut:])
        same(read(stream, len(stream)), [(OP_PING, b"\xff"), expected], "a ping at %d" % cut)


def check_wrong(wrong):
    """Text behind GREEK whose last byte is the first that no UTF-8 has there: refused at that byte, not before."""
    edited = b"edited"
    for split in (0, 1, len(GREEK)):
        data = GREEK[split:] + wrong + edited
        stream = text(GREEK[:split], False) + more(data) if split else text(data)
        cut = stream[: len(stream) - len(edited)]
        same(read(cut[:-1], len(stream)), [], "one byte less")
        same(read(cut[:-1], 1), [], "one byte less, byte by byte")
        for seen in (cut, stream):
            same(read(seen, len(stream)), [BAD_DATA], "whole")
            same(read(seen, 1), [BAD_DATA], "byte by byte")
    check_stream(frame(OP_CLOSE, b"\x03\xe8" + GREEK + wrong), BAD_DATA)


def check_unfinished(data):
    """Text that ends inside a character: refused where the message ends, not before."""
    same(read(text(data, False), 1), [], "more to come")
    same(read(text(data, False) + PING, 1), [(OP_PING, b"p")], "a ping, more to come")
    check_stream(text(data), BAD_DATA)
    check_stream(parts(OP_TEXT, data, b""), BAD_DATA)
    check_stream(frame(OP_CLOSE, b"\x03\xe8" + data), BAD_DATA)


def check_unread(stream):
    """A stream that ends inside a frame: nothing is read yet."""
    same(read(stream, len(stream)), [], "whole")
    same(read(stream, 1), [], "byte by byte")


def check_accept(key, expected):
    same(accept_key(key), expected, "accept")


def check_head(arguments, expected):
    same(frame_head(*arguments), expected, "head")


def check_close(code, reason, expected):
    same(close_payload(code, reason), expected, "payload")


def check_protocol(offered, supported, expected):
    same(choose_protocol(offered, supported), expected, "protocol")


def check_fields(changes, expected):
    """A good handshake with some fields changed (None: left out); `expected` is the key or the status."""
    fields = {
        "Host": "limpet.local",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": SAMPLE_KEY,
        "Sec-WebSocket-Version": "13",
    }
    fields.update(changes)
    try:
        got = check_handshake(fields.get)
    except HTTPError as error:
        got = error.status
        assert error.detail
        if got == 426:
            same(error.headers, {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}, "headers")
    same(got, expected, "result")


def check_key(key):
    """Sec-WebSocket-Key that has to be refused."""
    check_fields({"Sec-WebSocket-Key": key}, 400)


def check(case):
    """Check a case: (name, function, arguments...)."""
    case[1](*case[2:])


PING = frame(OP_PING, b"p")
PINGED = (OP_PING, b"p")  # its event
HELLO = text(b"Hello")
HEARD = (OP_TEXT, "Hello")  # its event
OPEN = text(b"a", False)  # a message that is not finished
CLOSE = frame(OP_CLOSE)
CLOSED = (OP_CLOSE, 1005, "")  # its event
PROTOCOL_ERROR = ("error", 1002)
BAD_DATA = ("error", 1007)
TOO_BIG = ("error", 1009)
GREEK = "κόσμε".encode()
BYTES = bytes(range(256))
SAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 1.3
SAMPLE_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

FRAMING = [
    ("rfc 5.7 text", check_stream, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", HEARD),
    ("rfc 5.7 ping", check_stream, b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", (OP_PING, b"Hello")),
    ("1.1 text of 0", check_stream, text(b""), (OP_TEXT, "")),
    ("1.1 text of 1", check_stream, text(b"*"), (OP_TEXT, "*")),
    ("1.2 binary of 0", check_stream, frame(OP_BINARY), (OP_BINARY, b"")),
    ("1.2 every byte", check_stream, frame(OP_BINARY, BYTES), (OP_BINARY, BYTES)),
    ("key of zeros", check_stream, frame(OP_BINARY, b"abcde", key=bytes(4)), (OP_BINARY, b"abcde")),
    ("another key", check_stream, HELLO + frame(OP_TEXT, b"abcde", key=b"wxyz"), HEARD, (OP_TEXT, "abcde")),
    ("three messages", check_stream, HELLO + frame(OP_BINARY, b"\xff") + HELLO, HEARD, (OP_BINARY, b"\xff"), HEARD),
    ("only a first byte", check_unread, b"\x81"),
    ("a head without its key", check_unread, HELLO[:5]),
    ("a long head without its key", check_unread, text(b"*" * 200)[:7]),
    ("a payload without its last byte", check_unread, HELLO[:-1]),
    ("a fragment", check_unread, OPEN),
    ("not masked", check_refused, b"\x81\x05Hello"),
    ("not masked, empty", check_refused, b"\x81\x00"),
    ("not masked, long", check_refused, b"\x82\x7e\x00\x80" + bytes(128)),
    ("0 in two bytes", check_refused, frame(OP_TEXT, extended=2)),
    ("125 in two bytes", check_refused, frame(OP_TEXT, b"*" * 125, extended=2)),
    ("126 in eight bytes", check_refused, frame(OP_TEXT, b"*" * 126, extended=8)),
    ("65535 in eight bytes", check_refused, b"\x82\xff\0\0\0\0\0\0\xff\xff" + KEY),
    ("length with the top bit", check_refused, b"\x82\xff\x80\0\0\0\0\1\0\0" + KEY),
    ("length of all ones", check_refused, b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" + KEY),
    ("longest length there is", check_stream, b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + KEY, TOO_BIG),
    ("length of 4 GiB", check_stream, b"\x82\xff\0\0\0\1\0\0\0\0" + KEY, TOO_BIG),
    ("length of 1 GiB", check_stream, b"\x82\xff\0\0\0\0\x40\0\0\0" + KEY, TOO_BIG),
    ("an HTTP request", check_refused, b"GET / HTTP/1.1\r\n\r\n"),
    ("as long as may be", check_limit, text(b"*" * 20), (OP_TEXT, "*" * 20)),
    ("as long as may be, twice", check_limit, text(b"*" * 20) * 2, (OP_TEXT, "*" * 20), (OP_TEXT, "*" * 20)),
    ("one byte longer", check_limit, text(b"*" * 21), TOO_BIG),
    ("one byte longer, before it came", check_limit, text(b"*" * 21)[:6], TOO_BIG),
    ("as long as may be, in parts", check_limit, parts(OP_TEXT, b"*" * 9, b"", b"*" * 11), (OP_TEXT, "*" * 20)),
    ("one byte longer, in parts", check_limit, parts(OP_BINARY, b"*" * 9, b"*" * 11, b"*"), TOO_BIG),
    ("pings do not count", check_limit, text(b"*" * 19, False) + PING + more(b"*"), PINGED, (OP_TEXT, "*" * 20)),
]
for _n in (125, 126, 127, 128, 65535, 65536):
    FRAMING.append(("1.1 text of %d" % _n, check_large, OP_TEXT, _n, _n))
    FRAMING.append(("1.2 binary of %d" % _n, check_large, OP_BINARY, _n, _n))
FRAMING.append(("5 binary of 4000 in parts of 7", check_large, OP_BINARY, 4000, 7))
FRAMING.append(("10.1 text of 65536 in parts of 1300", check_large, OP_TEXT, 65536, 1300))

CONTROL = [
    ("2.1 ping without payload", check_stream, frame(OP_PING), (OP_PING, b"")),
    ("2.3 ping, binary", check_stream, frame(OP_PING, b"\x00\xff\xfe"), (OP_PING, b"\x00\xff\xfe")),
    ("2.4 ping of 125", check_stream, frame(OP_PING, b"\xfe" * 125), (OP_PING, b"\xfe" * 125)),
    ("2.5 ping of 126", check_refused, HELLO + frame(OP_PING, b"\xfe" * 126), HEARD),
    ("2.5 pong of 126", check_refused, frame(OP_PONG, b"\xfe" * 126)),
    ("2.5 close of 65536, not yet there", check_refused, b"\x88\xff\0\0\0\0\0\1\0\0"),
    ("2.5 ping of 1 in two bytes", check_refused, frame(OP_PING, b"p", extended=2)),
    ("2.5 ping of 1 in eight bytes", check_refused, frame(OP_PING, b"p", extended=8)),
    ("2.7 pong nobody asked for", check_stream, frame(OP_PONG), (OP_PONG, b"")),
    ("2.9 pong and ping", check_stream, frame(OP_PONG, b"unasked") + PING, (OP_PONG, b"unasked"), PINGED),
    ("2.10 ten pings", check_stream, PING * 10) + (PINGED,) * 10,
    ("3.1 rsv 1", check_refused, frame(OP_TEXT, b"x", rsv=1)),
    ("3.2 rsv 2 behind a message", check_refused, HELLO + frame(OP_TEXT, b"x", rsv=2) + PING, HEARD),
    ("3.3 rsv 3", check_refused, frame(OP_TEXT, b"x", rsv=3)),
    ("3.4 rsv 4, as if compressed", check_refused, frame(OP_TEXT, b"x", rsv=4)),
    ("3.5 rsv 5, binary", check_refused, frame(OP_BINARY, b"x", rsv=5)),
    ("3.6 rsv 6, ping", check_refused, frame(OP_PING, b"x", rsv=6)),
    ("3.7 rsv 7, close", check_refused, frame(OP_CLOSE, rsv=7)),
    ("3.7 rsv in a continuation", check_refused, OPEN + frame(OP_CONTINUATION, b"y", rsv=1)),
    ("5.1 ping, more to come", check_refused, frame(OP_PING, b"p", False)),
    ("5.2 close, more to come", check_refused, frame(OP_CLOSE, b"", False)),
    ("5.1 ping in two", check_refused, parts(OP_PING, b"frag", b"ment")),
    ("5.2 pong in two", check_refused, parts(OP_PONG, b"frag", b"ment")),
    ("5.2 close in two", check_refused, parts(OP_CLOSE, b"\x03", b"\xe8")),
]
for _n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
    CONTROL.append(("4 opcode %d" % _n, check_refused, HELLO + frame(_n, b"x") + PING, HEARD))
    CONTROL.append(("4 opcode %d, empty, more to come" % _n, check_refused, frame(_n, b"", False)))
    CONTROL.append(("4 opcode %d inside a message" % _n, check_refused, OPEN + frame(_n, b"x")))

FRAGMENTS = [
    ("5.3 text in two", check_stream, parts(OP_TEXT, b"frag", b"ment"), (OP_TEXT, "fragment")),
    ("5.3 binary in three", check_stream, parts(OP_BINARY, b"\xfe", b"\0", b"\x80"), (OP_BINARY, b"\xfe\0\x80")),
    ("5.3 empty parts", check_stream, parts(OP_TEXT, b"", b"a", b"", b"b", b""), (OP_TEXT, "ab")),
    ("5.3 only empty parts", check_stream, parts(OP_BINARY, b"", b"", b""), (OP_BINARY, b"")),
    ("5.6 ping between parts", check_stream, OPEN + PING + more(b"b"), PINGED, (OP_TEXT, "ab")),
    (
        "5.6 long ping between parts",
        check_stream,
        OPEN + frame(OP_PING, BYTES[131:]) + more(b"b"),
        (OP_PING, BYTES[131:]),
        (OP_TEXT, "ab"),
    ),
    ("5.9 continuation of nothing", check_refused, more(b"x") + HELLO),
    ("5.10 continuation of nothing, empty", check_refused, more(b"")),
    ("5.12 continuation of nothing, more to come", check_refused, more(b"x", False) + HELLO),
    ("5.15 continuation behind a message", check_refused, HELLO + more(b"c", False) + HELLO, HEARD),
    ("5.18 text inside a message", check_refused, OPEN + HELLO),
    ("5.18 text inside a message, more to come", check_refused, OPEN + OPEN),
    ("5.18 binary inside a message", check_refused, OPEN + frame(OP_BINARY, b"b", False)),
    ("5.18 text behind an empty part", check_refused, frame(OP_BINARY, b"", False) + HELLO),
    (
        "5.19 five parts and two pings",
        check_stream,
        text(b"1", False) + more(b"2", False) + PING + more(b"3", False) + more(b"4", False) + PING + more(b"5"),
        PINGED,
        PINGED,
        (OP_TEXT, "12345"),
    ),
]

UTF8 = [
    ("6.1 empty text", check_valid, b""),
    ("6.2 umlauts", check_valid, "Hello-µ@ßöäüàá-UTF-8!!".encode()),
    ("6.5 greek", check_valid, GREEK),
    ("6.7 first of each length", check_valid, b"\x00 \xc2\x80 \xe0\xa0\x80 \xf0\x90\x80\x80"),
    ("6.9 last of each length", check_valid, b"\x7f \xdf\xbf \xef\xbf\xbf \xf4\x8f\xbf\xbf"),
    ("6.11 beside the surrogates", check_valid, b"\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd"),
    ("6.11 beside the planes", check_valid, b"\xf0\x9f\xbf\xbf\xf1\x80\x80\x80\xf3\xbf\xbf\xbf\xf4\x80\x80\x80"),
    ("6.22 noncharacters", check_valid, b"\xef\xbf\xbe\xef\xbf\xbf\xf0\x9f\xbf\xbe\xf4\x8f\xbf\xbf\xef\xb7\x90"),
    ("6.23 specials", check_valid, b"\xef\xbf\xb9\xef\xbf\xbc\xef\xbf\xbd\xef\xbb\xbf"),
    ("6.3 surrogate", check_wrong, b"\xed\xa0"),
    ("6.4 beyond the last", check_wrong, b"\xf4\x90"),
    ("6.8 five bytes", check_wrong, b"\xf8"),
    ("6.8 six bytes", check_wrong, b"\xfc"),
    ("6.11 F5", check_wrong, b"\xf5"),
    ("6.12 lone 80", check_wrong, b"\x80"),
    ("6.12 lone BF", check_wrong, b"\xbf"),
    ("6.12 one continuation too many", check_wrong, b"\xc3\xa9\x80"),
    ("6.13 one of two, a space", check_wrong, b"\xc2 "),
    ("6.13 one of three, a space", check_wrong, b"\xe1 "),
    ("6.13 two of three, a space", check_wrong, b"\xe1\x80 "),
    ("6.13 three of four, a space", check_wrong, b"\xf1\x80\x80 "),
    ("6.15 first bytes in a row", check_wrong, b"\xe1\xe1"),
    ("6.16 FE", check_wrong, b"\xfe"),
    ("6.16 FF", check_wrong, b"\xff"),
    ("6.17 overlong slash of two", check_wrong, b"\xc0"),
    ("6.17 overlong slash of three", check_wrong, b"\xe0\x80"),
    ("6.17 overlong slash of four", check_wrong, b"\xf0\x80"),
    ("6.18 last overlong of two", check_wrong, b"\xc1"),
    ("6.18 last overlong of three", check_wrong, b"\xe0\x9f"),
    ("6.18 last overlong of four", check_wrong, b"\xf0\x8f"),
    ("6.20 last surrogate", check_wrong, b"\xed\xbf"),
    ("6.6 ends in two", check_unfinished, b"a\xc2"),
    ("6.6 ends in three", check_unfinished, b"\xe1\x80"),
    ("6.6 ends in four", check_unfinished, b"\xf0\x90\x80"),
    ("6.6 ends in greek", check_unfinished, GREEK[:-1]),
    ("6.3 wrong in the second message", check_stream, text(GREEK) + text(b"\xff"), (OP_TEXT, "κόσμε"), BAD_DATA),
    ("6.3 binary need not be text", check_stream, parts(OP_BINARY, b"\xe1", b"\xff"), (OP_BINARY, b"\xe1\xff")),
]

CLOSING = [
    ("7.1.1 text, close", check_stream, HELLO + CLOSE, HEARD, CLOSED),
    ("7.1.2 close twice", check_stream, frame(OP_CLOSE, b"\x03\xe8") * 2, (OP_CLOSE, 1000, "")),
    ("7.1.3 close, ping", check_stream, CLOSE + PING, CLOSED),
    ("7.1.4 close, text", check_stream, CLOSE + HELLO, CLOSED),
    ("7.1.5 close inside a message", check_stream, OPEN + CLOSE + more(b"b"), CLOSED),
    ("7.1.6 close, garbage", check_stream, CLOSE + b"\xff\xff\xff\xff", CLOSED),
    ("7.3.2 close of one byte", check_refused, frame(OP_CLOSE, b"\x03")),
    ("7.3.4 reason", check_stream, frame(OP_CLOSE, b"\x03\xe8Bye"), (OP_CLOSE, 1000, "Bye")),
    ("7.3.4 reason not in ASCII", check_stream, frame(OP_CLOSE, b"\x03\xe9" + GREEK), (OP_CLOSE, 1001, "κόσμε")),
    ("7.3.5 longest", check_stream, frame(OP_CLOSE, b"\x03\xe8" + b"*" * 123), (OP_CLOSE, 1000, "*" * 123)),
    ("7.3.6 too long", check_refused, frame(OP_CLOSE, b"\x03\xe8" + b"*" * 124)),
]
for _n in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
    CLOSING.append(
        ("7.7 code %d" % _n, check_stream, frame(OP_CLOSE, _n.to_bytes(2, "big") + b"ok"), (OP_CLOSE, _n, "ok"))
    )
for _n in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 32768, 65535):
    CLOSING.append(("7.9 code %d" % _n, check_refused, frame(OP_CLOSE, _n.to_bytes(2, "big"))))

HANDSHAKES = [
    ("accept, as in the RFC", check_accept, SAMPLE_KEY, SAMPLE_ACCEPT),
    ("accept, of bytes", check_accept, SAMPLE_KEY.encode(), SAMPLE_ACCEPT),
    ("handshake", check_fields, {}, SAMPLE_KEY),
    ("handshake of Firefox", check_fields, {"Connection": "keep-alive, Upgrade"}, SAMPLE_KEY),
    ("handshake in any case", check_fields, {"Upgrade": "WebSocket", "Connection": "UPGRADE"}, SAMPLE_KEY),
    ("handshake, several protocols", check_fields, {"Upgrade": "h2c,  websocket"}, SAMPLE_KEY),
    ("handshake, no upgrade", check_fields, {"Upgrade": None}, 426),
    ("handshake, another protocol", check_fields, {"Upgrade": "h2c"}, 426),
    ("handshake, websocket in a word", check_fields, {"Upgrade": "websockets"}, 426),
    ("handshake, a plain GET", check_fields, {"Upgrade": None, "Connection": None, "Sec-WebSocket-Version": None}, 426),
    ("handshake, connection not told", check_fields, {"Connection": "keep-alive"}, 400),
    ("handshake, no connection", check_fields, {"Connection": None}, 400),
    ("handshake, version 8", check_fields, {"Sec-WebSocket-Version": "8"}, 426),
    ("handshake, no version", check_fields, {"Sec-WebSocket-Version": None}, 426),
    ("handshake, versions", check_fields, {"Sec-WebSocket-Version": "13, 8"}, 426),
    ("handshake, version 013", check_fields, {"Sec-WebSocket-Version": "013"}, 426),
    ("key missing", check_key, None),
    ("key empty", check_key, ""),
    ("key of 15 bytes", check_key, "MTIzNDU2Nzg5MDEyMzQ1"),
    ("key of 17 bytes", check_key, "MTIzNDU2Nzg5MDEyMzQ1Njc="),
    ("key of 18 bytes", check_key, "MTIzNDU2Nzg5MDEyMzQ1Njc4"),
    ("key without pads", check_key, SAMPLE_KEY[:22]),
    ("key with one pad", check_key, SAMPLE_KEY[:23]),
    ("key with three pads", check_key, SAMPLE_KEY + "="),
    ("key twice", check_key, SAMPLE_KEY + ", " + SAMPLE_KEY),
    ("key not base64", check_key, "not base64 at all, no =="),
    ("key with a byte not base64", check_key, "dGhlIHNhbXBsZSBub25j!Q=="),
    ("key not ASCII", check_key, "dGhlIHNhbXBsZSBub25jé==="),
    ("subprotocol, none offered", check_protocol, None, ("chat",), None),
    ("subprotocol, none known", check_protocol, "chat", (), None),
    ("subprotocol, empty", check_protocol, "", ("chat",), None),
    ("subprotocol, the client's first", check_protocol, "v3, v2 ,v1", ["v1", "v2"], "v2"),
    ("subprotocol, case tells", check_protocol, "Chat", ("chat",), None),
]

SENDING = [
    ("head of 0", check_head, (OP_TEXT, 0), b"\x81\x00"),
    ("head of 125", check_head, (OP_BINARY, 125), b"\x82\x7d"),
    ("head of 126", check_head, (OP_BINARY, 126), b"\x82\x7e\x00\x7e"),
    ("head of 65535", check_head, (OP_TEXT, 65535), b"\x81\x7e\xff\xff"),
    ("head of 65536", check_head, (OP_TEXT, 65536), b"\x81\x7f\0\0\0\0\0\1\0\0"),
    ("head, first part", check_head, (OP_TEXT, 3, False), b"\x01\x03"),
    ("head, last part", check_head, (OP_CONTINUATION, 3), b"\x80\x03"),
    ("close, no code", check_close, 1005, "", b""),
    ("close, code", check_close, 1000, "", b"\x03\xe8"),
    ("close, reason", check_close, 4999, "é", b"\x13\x87\xc3\xa9"),
    ("close, longest reason", check_close, 1000, "*" * 123, b"\x03\xe8" + b"*" * 123),
    ("close, reason cut", check_close, 1000, "*" * 200, b"\x03\xe8" + b"*" * 123),
    ("close, cut before a character", check_close, 1000, "*" * 122 + "é", b"\x03\xe8" + b"*" * 122),
    ("close, cut behind a character", check_close, 1000, "*" * 121 + "éa", b"\x03\xe8" + b"*" * 121 + b"\xc3\xa9"),
    ("close, cut before four bytes", check_close, 1000, "*" * 120 + "\U0001f600", b"\x03\xe8" + b"*" * 120),
]

CASES = FRAMING + CONTROL + FRAGMENTS + UTF8 + CLOSING + HANDSHAKES + SENDING
