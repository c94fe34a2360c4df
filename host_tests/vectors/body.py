"""What ends a body and what it holds: (name, kind, raw bytes, expected).

Kind "length": the raw value of Content-Length; expected is a number, or an error's status.
Kind "chunked": raw bytes behind a head; expected is the payload, None where more has to come, or an error's status.
Kind "sized": as chunked, for a LengthBody whose length stands before the first colon of the raw bytes.
Kind "move": how both interpreters move bytes within one buffer; raw is b"to from count".
"""

from firmware.http.body import LengthBody, content_length
from firmware.http.chunked import ChunkedBody
from firmware.http.errors import HTTPError

_BEFORE = b"#" * 3  # what stands in the buffer before the body, as a head does
_NEXT = b"5\r\nGET / HTTP/1.1\r\n\r\n"  # looks like a chunk, and is none


# A payload in which no byte that was moved to a wrong place looks right.
_DATA = bytes(range(256)) * 3


def _chunks(*sizes):
    body = b""
    at = 0
    for size in sizes:
        body += b"%x\r\n" % size + _DATA[at : at + size] + b"\r\n"
        at += size
    return body


CASES = [
    ("length", "length", b"5", 5),
    ("length zero", "length", b"0", 0),
    ("length with leading zeros", "length", b"007", 7),
    ("length 15 digits", "length", b"9" * 15, 10**15 - 1),
    ("length 16 digits", "length", b"1" + b"0" * 15, 413),
    ("length 16 digits, mostly zeros", "length", b"0" * 15 + b"5", 413),
    ("length of 400 digits", "length", b"7" * 400, 413),
    ("length repeated", "length", b"5, 5", 5),
    ("length repeated without space", "length", b"5,5", 5),
    ("length repeated with tab", "length", b"5\t, 5,\t5", 5),
    ("length differing", "length", b"5, 6", 400),
    ("length differing in the last of three", "length", b"5, 5, 6", 400),
    ("length of one value, written twofold", "length", b"5, 05", 400),
    ("length zero and another", "length", b"0, 5", 400),
    ("length empty", "length", b"", 400),
    ("length blank", "length", b" ", 400),
    ("length with empty member", "length", b"5,", 400),
    ("length with empty first member", "length", b",5", 400),
    ("length with empty middle member", "length", b"5,,5", 400),
    ("length with plus", "length", b"+5", 400),
    ("length negative", "length", b"-1", 400),
    ("length hexadecimal", "length", b"0x5", 400),
    ("length with hex digit", "length", b"5a", 400),
    ("length with exponent", "length", b"1e1", 400),
    ("length with fraction", "length", b"5.0", 400),
    ("length with underscore", "length", b"1_0", 400),
    ("length with inner space", "length", b"1 0", 400),
    ("length with semicolon", "length", b"5;", 400),
    ("length with line feed", "length", b"5\n", 400),
    ("length with vertical tab", "length", b"\x0b5", 400),
    ("length with NUL", "length", b"5\x00", 400),
    ("length in quotes", "length", b'"5"', 400),
    ("length in other digits", "length", "٥".encode(), 400),
    ("length in superscript", "length", b"\xb2", 400),
    ("sized", "sized", b"5:hello", b"hello"),
    ("sized, incomplete", "sized", b"6:hello", None),
    ("sized, one byte", "sized", b"1:\n", b"\n"),
    ("sized, line ends inside", "sized", b"8:0\r\n\r\n\r\n\x00", b"0\r\n\r\n\r\n\x00"),
    ("empty", "chunked", b"0\r\n\r\n", b""),
    ("zeros", "chunked", b"000\r\n\r\n", b""),
    ("one chunk", "chunked", b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    ("two chunks", "chunked", b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n", b"hello, world"),
    ("two digits", "chunked", b"1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n", b"abcdefghijklmnopqrstuvwxyz"),
    ("upper case", "chunked", b"1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n", b"abcdefghijklmnopqrstuvwxyz"),
    ("every digit", "chunked", _chunks(1, 10, 15, 16, 2, 9, 171, 205, 239) + b"0\r\n\r\n", _DATA[:668]),
    ("eight digits", "chunked", b"00000005\r\nhello\r\n00000000\r\n\r\n", b"hello"),
    ("chunk of line ends", "chunked", b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n"),
    ("binary chunk", "chunked", b"4\r\n\x00\xff\r\n\r\n0\r\n\r\n", b"\x00\xff\r\n"),
    ("shrinking chunks", "chunked", _chunks(40, 3, 17, 1, 1) + b"0\r\n\r\n", _DATA[:62]),
    ("chunks of one byte", "chunked", _chunks(*[1] * 200) + b"0\r\n\r\n", _DATA[:200]),
    ("padded chunks of one byte", "chunked", b"00000001\r\nd\r\n" * 100 + b"0\r\n\r\n", b"d" * 100),
    # What stands there is only the beginning.
    ("nothing yet", "chunked", b"", None),
    ("size alone", "chunked", b"5", None),
    ("size, half a line end", "chunked", b"5\r", None),
    ("size line alone", "chunked", b"5\r\n", None),
    ("half a chunk", "chunked", b"5\r\nhel", None),
    ("chunk without its end", "chunked", b"5\r\nhello", None),
    ("chunk with half its end", "chunked", b"5\r\nhello\r", None),
    ("chunk without a last one", "chunked", b"5\r\nhello\r\n", None),
    ("last chunk without trailers", "chunked", b"0\r\n", None),
    ("last chunk, half an empty line", "chunked", b"0\r\n\r", None),
    ("trailers without an empty line", "chunked", b"0\r\na: b\r\n", None),
    ("greatest chunk", "chunked", b"7FFFFFFF\r\nx", None),
    ("greatest padded chunk", "chunked", b"0FFFFFFF\r\nx", None),
    # Sizes.
    ("size missing", "chunked", b"\r\n\r\n", 400),
    ("size missing in the middle", "chunked", b"1\r\na\r\n\r\n0\r\n\r\n", 400),
    ("size with prefix", "chunked", b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    ("size with plus", "chunked", b"+5\r\nhello\r\n0\r\n\r\n", 400),
    ("size negative", "chunked", b"-1\r\nhello\r\n0\r\n\r\n", 400),
    ("size with space before", "chunked", b" 5\r\nhello\r\n0\r\n\r\n", 400),
    ("size with tab before", "chunked", b"\t5\r\nhello\r\n0\r\n\r\n", 400),
    ("size with space behind", "chunked", b"5 \r\nhello\r\n0\r\n\r\n", 400),
    ("size with space inside", "chunked", b"1 0\r\n", 400),
    ("size with underscore", "chunked", b"1_0\r\n", 400),
    ("size with comma", "chunked", b"5,5\r\nhello\r\n0\r\n\r\n", 400),
    ("size with point", "chunked", b"5.\r\nhello\r\n0\r\n\r\n", 400),
    ("size with colon", "chunked", b"5:\r\nhello\r\n0\r\n\r\n", 400),
    ("size like an exponent is hexadecimal", "chunked", b"1e1\r\n" + b"d" * 481 + b"\r\n0\r\n\r\n", b"d" * 481),
    ("size with letter behind f", "chunked", b"g\r\n", 400),
    ("size with at sign", "chunked", b"@\r\n", 400),
    ("size with grave accent", "chunked", b"`\r\n", 400),
    ("size with slash", "chunked", b"/\r\n", 400),
    ("size with NUL", "chunked", b"5\x00\r\nhello\r\n0\r\n\r\n", 400),
    ("size with high digit", "chunked", b"\xb5\r\nhello\r\n0\r\n\r\n", 400),
    ("size in quotes", "chunked", b'"5"\r\nhello\r\n0\r\n\r\n', 400),
    ("size of nine digits", "chunked", b"000000005\r\nhello\r\n0\r\n\r\n", 413),
    ("size of 17 digits, mostly zeros", "chunked", b"00000000000000005\r\nhello\r\n0\r\n\r\n", 413),
    ("size beyond 31 bits", "chunked", b"80000000\r\nx", 413),
    ("size of 32 bits", "chunked", b"FFFFFFFF\r\nx", 413),
    ("size beyond 32 bits", "chunked", b"100000005\r\nhello\r\n0\r\n\r\n", 413),
    ("size beyond 64 bits", "chunked", b"10000000000000005\r\nhello\r\n0\r\n\r\n", 413),
    ("second size beyond 31 bits", "chunked", b"1\r\na\r\nfffffffe\r\nx", 413),
    ("second size of eight digits", "chunked", b"00000001\r\na\r\n00000001\r\nb\r\n00000000\r\n\r\n", b"ab"),
    # Line ends.
    ("size, bare LF", "chunked", b"5\nhello\r\n0\r\n\r\n", 400),
    ("size, bare CR", "chunked", b"5\rhello\r\n0\r\n\r\n", 400),
    ("size, CR CR LF", "chunked", b"5\r\r\nhello\r\n0\r\n\r\n", 400),
    ("size, LF CR", "chunked", b"5\n\rhello\r\n0\r\n\r\n", 400),
    ("chunk, bare LF", "chunked", b"5\r\nhello\n0\r\n\r\n", 400),
    ("chunk, bare CR", "chunked", b"5\r\nhello\r0\r\n\r\n", 400),
    ("chunk, no line end", "chunked", b"5\r\nhello0\r\n\r\n", 400),
    ("chunk longer than its size", "chunked", b"4\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk shorter than its size", "chunked", b"6\r\nhello\r\n0\r\n\r\n", 400),
    ("empty line between chunks", "chunked", b"5\r\nhello\r\n\r\n0\r\n\r\n", 400),
    ("last chunk, bare LF", "chunked", b"0\n\r\n", 400),
    ("last chunk, two bare LFs", "chunked", b"0\n\n", 400),
    ("last chunk, bare LF at the end", "chunked", b"0\r\n\n", 400),
    ("last chunk, bare CR at the end", "chunked", b"0\r\n\rX", 400),
    ("last chunk, CR CR LF at the end", "chunked", b"0\r\n\r\r\n", 400),
    ("last chunk with space", "chunked", b"0 \r\n\r\n", 400),
    ("last chunk, then a space", "chunked", b"0\r\n \r\n", 400),
    # Extensions.
    ("extension", "chunked", b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
    ("extension without value", "chunked", b"5;a\r\nhello\r\n0;b\r\n\r\n", b"hello"),
    ("extensions", "chunked", b"5;a;b=1;c=d\r\nhello\r\n0\r\n\r\n", b"hello"),
    ("extension with spaces", "chunked", b"5 \t; a\t = b\r\nhello\r\n0\r\n\r\n", b"hello"),
    ("extension, quoted", "chunked", b'5;a="x;y: \xe4 \\"z\\\\ {}"\r\nhello\r\n0\r\n\r\n', b"hello"),
    ("extension, a signature", "chunked", b"1;chunk-signature=" + b"0f" * 32 + b"\r\na\r\n0\r\n\r\n", b"a"),
    ("extension without name", "chunked", b"5;\r\nhello\r\n0\r\n\r\n", 400),
    ("extension of spaces", "chunked", b"5; \r\nhello\r\n0\r\n\r\n", 400),
    ("extension with value alone", "chunked", b"5;=b\r\nhello\r\n0\r\n\r\n", 400),
    ("extension without semicolon", "chunked", b"5 a=b\r\nhello\r\n0\r\n\r\n", 400),
    ("extension, bare LF", "chunked", b"5;a\nhello\r\n0\r\n\r\n", 400),
    ("extension, bare LF before the line end", "chunked", b"2;\n\r\nab\r\n0\r\n\r\n", 400),
    ("extension, bare CR", "chunked", b"5;a\rhello\r\n0\r\n\r\n", 400),
    ("extension, bare CR inside", "chunked", b"5;a\rb\r\nhello\r\n0\r\n\r\n", 400),
    ("extension, quoted line end", "chunked", b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n', 400),
    ("extension, quoted bare LF", "chunked", b'5;a="\n"\r\nhello\r\n0\r\n\r\n', 400),
    ("extension with NUL", "chunked", b"5;a=\x00\r\nhello\r\n0\r\n\r\n", 400),
    ("extension with DEL", "chunked", b"5;a=\x7f\r\nhello\r\n0\r\n\r\n", 400),
    # Trailers.
    ("trailer", "chunked", b"0\r\nName: value\r\n\r\n", b""),
    ("trailers", "chunked", b'1\r\na\r\n0\r\na:\r\nB-c: \xe4\t x\r\nDigest:y;z="1"\r\n\r\n', b"a"),
    ("trailer called like a size", "chunked", b"0\r\nabc5:1\r\n\r\n", b""),
    ("trailer that would smuggle", "chunked", b"0\r\nContent-Length: 5\r\n\r\n", b""),
    ("trailer without colon", "chunked", b"0\r\nName\r\n\r\n", 400),
    ("trailer without name", "chunked", b"0\r\n: value\r\n\r\n", 400),
    ("trailer with space before the colon", "chunked", b"0\r\nName : value\r\n\r\n", 400),
    ("trailer with space inside the name", "chunked", b"0\r\nGET / HTTP/1.1\r\n\r\n", 400),
    ("trailer with slash in the name", "chunked", b"0\r\na/b: value\r\n\r\n", 400),
    ("trailer with semicolon in the name", "chunked", b"0\r\na;b: value\r\n\r\n", 400),
    ("trailer with high byte in the name", "chunked", b"0\r\n\xe4: value\r\n\r\n", 400),
    ("trailer, folded", "chunked", b"0\r\na: b\r\n c\r\n\r\n", 400),
    ("trailer, folded with tab", "chunked", b"0\r\na: b\r\n\tc\r\n\r\n", 400),
    ("trailer, bare LF", "chunked", b"0\r\na: b\n\r\n", 400),
    ("trailer, bare CR", "chunked", b"0\r\na: b\rc: d\r\n\r\n", 400),
    ("trailer with NUL", "chunked", b"0\r\na: \x00\r\n\r\n", 400),
    ("trailer with DEL", "chunked", b"0\r\na: \x7f\r\n\r\n", 400),
    # Framing without end.
    ("long extension", "chunked", b"1;" + b"a" * 1000 + b"\r\nb\r\n0\r\n\r\n", b"b"),
    ("too long an extension", "chunked", b"1;" + b"a" * 1021 + b"\r\nb\r\n0\r\n\r\n", 400),
    ("endless extension", "chunked", b"1;" + b"a" * 1100, 400),
    ("too long an extension for its chunk", "chunked", (b"8;" + b"a" * 76 + b"\r\n12345678\r\n") * 100, 400),
    ("long trailers", "chunked", b"0\r\n" + b"a: b\r\n" * 169 + b"\r\n", b""),
    ("too long trailers", "chunked", b"0\r\n" + b"a: b\r\n" * 170 + b"\r\n", 400),
    ("endless trailers", "chunked", b"0\r\n" + b"a: b\r\n" * 180, 400),
    ("long trailers behind a payload", "chunked", b"1\r\na\r\n0\r\n" + b"a: b\r\n" * 170 + b"\r\n", b"a"),
    ("move down", "move", b"2 5 9", None),
    ("move down by one", "move", b"0 1 31", None),
    ("move up", "move", b"5 2 9", None),
    ("move up by one", "move", b"1 0 31", None),
    ("move without overlap", "move", b"0 16 16", None),
    ("move nothing", "move", b"4 9 0", None),
]


def feed(body, pieces, behind=b""):
    """Feed a body's reader `pieces` in turn, the last with `behind` behind it, as a connection does.

    Return (payload, how many bytes of the last piece and `behind` are left), or an error's status.
    """
    payload = bytearray()
    left = 0
    for at, piece in enumerate(pieces):
        if at == len(pieces) - 1:
            piece = piece + behind
        buffer = bytearray(_BEFORE + piece)
        start, end = len(_BEFORE), len(buffer)
        try:
            data_end, consumed = body.decode(buffer, start, end)
        except HTTPError as error:
            return error.status
        assert start <= data_end <= consumed <= end, (start, data_end, consumed, end)
        assert len(buffer) == end and buffer[:start] == _BEFORE, "it wrote before the body"
        assert buffer[consumed:] == piece[len(piece) - (end - consumed) :], "it changed what is not the body's"
        assert body.done or consumed == end, "it held bytes back"
        payload.extend(memoryview(buffer)[start:data_end])
        left = end - consumed
        if body.done and at < len(pieces) - 1:
            left += sum([len(rest) for rest in pieces[at + 1 :]]) + len(behind)
            break
    return bytes(payload), left


def check(case):
    """Raise AssertionError unless the case holds, however its bytes come."""
    _, kind, raw, expected = case
    if kind == "length":
        try:
            result = content_length(raw)
        except HTTPError as error:
            result = error.status
        _same(result, expected, "content_length")
    elif kind == "move":
        _check_move(*[int(number) for number in raw.split(b" ")])
    else:
        length = None
        if kind == "sized":
            colon = raw.find(b":")
            length = int(raw[:colon])
            raw = raw[colon + 1 :]
        _check_stream(length, raw, expected)


def _check_stream(length, raw, expected):
    status = type(expected) is int
    payload = None if status else expected
    if expected is None:
        payload = _feed(length, [raw])[0]
    want = expected if status else (payload, 0)
    _same(_feed(length, [raw]), want, "whole")
    _same(_feed(length, [raw[at : at + 1] for at in range(len(raw))]), want, "byte by byte")
    # Every split of what is short; of what is long those around its ends.
    for at in range(len(raw)):
        if len(raw) < 100 or at < 20 or at > len(raw) - 20:
            _same(_feed(length, [raw[:at], raw[at:]]), want, "split at %d" % at)
    if expected is None:
        assert not _reader(length, raw).done, "done before its end"
    elif not status:
        assert _reader(length, raw).done, "not done"
        for behind in (b"\r", b"\r\n", b"\x00", _NEXT):
            want = (payload, len(behind))
            _same(_feed(length, [raw], behind), want, "with bytes behind")
            _same(_feed(length, [raw[:-1], raw[-1:]], behind), want, "last byte with bytes behind")
        again = _reader(length, raw)
        _same(again.decode(bytearray(_NEXT), 2, len(_NEXT)), (2, 2), "fed when done")


def _reader(length, raw):
    body = ChunkedBody() if length is None else LengthBody(length)
    assert body.length == length, body.length
    assert body.done == (length == 0), "done at once"
    feed(body, [raw])
    return body


def _feed(length, pieces, behind=b""):
    return feed(ChunkedBody() if length is None else LengthBody(length), pieces, behind)


def _check_move(to, start, count):
    # What `ChunkedBody.decode` relies on: source and target of one slice assignment may overlap.
    original = bytes(range(32))
    want = original[:to] + original[start : start + count] + original[to + count :]
    buffer = bytearray(original)
    view = memoryview(buffer)
    view[to : to + count] = view[start : start + count]
    _same(bytes(buffer), want, "through a view")
    buffer = bytearray(original)
    buffer[to : to + count] = memoryview(buffer)[start : start + count]
    _same(bytes(buffer), want, "in a bytearray")


def _same(got, want, how):
    assert got == want, "%s: got %r, not %r" % (how, got, want)
