"""What requests say and how responses begin: (name, kind, ...).

Kind "frame": a head, and how it is framed: an error's status, or (target, keep_alive, length, expects), length 0 for no
body and None for chunks; the Connection line follows from the version.
Kind "host": a head, and the host that it asks for (False: none), or an error's status.
Kind "field": field lines, a name, and its value as bytes (None: not there), or an error's status.
Kind "text": bytes, and the text that they are.
Kind "response": what a handler returned, and the head's lines (without Server) and body, or None for an error.
Kind "json": a value, and its JSON, or None for an error.
Kind "date": a time tuple, and its text.
"""

from array import array

from firmware.http import parser
from firmware.http.dates import format_date
from firmware.http.errors import HTTPError
from firmware.http.request import Headers, Request, field
from firmware.http.response import Response, encode_json, to_response
from firmware.http.urls import text
from host_tests.vectors import layout


def _frame(line, *expected, fields=(), version=b"1.1"):
    raw = line + b" HTTP/" + version + b"\r\nHost: x\r\n" + b"".join([one + b"\r\n" for one in fields]) + b"\r\n"
    expected = expected[0] if len(expected) == 1 else expected
    return ("frame %r %r %r" % (line, version, fields), "frame", raw, expected)


def _asked(host, target=b"/", expected=None, version=b"1.1"):
    """Return the case of whom a request asks, `host` in its Host field (None: without one)."""
    line = b"" if host is None else b"Host: " + host + b"\r\n"
    raw = b"GET " + target + b" HTTP/" + version + b"\r\nA: b\r\n" + line + b"X-Host: y\r\n\r\n"
    expected = host if expected is None else expected
    return ("whom %r %r %r" % (host, target, version), "host", raw, expected)


def _post(status, *fields, **options):
    return _frame(b"POST /", status, fields=fields, **options)


def _body(length, *fields, expects=False):
    return _frame(b"POST /", b"/", True, length, expects, fields=fields)


_CL = b"Content-Length: "
_TE = b"Transfer-Encoding: "

CASES = [
    _frame(b"GET /", b"/", True, 0, False),
    _frame(b"GET /a?b", b"/a", True, 0, False),
    _frame(b"GET /a", b"/a", False, 0, False, version=b"1.0"),
    _frame(b"GET /a", b"/a", True, 0, False, version=b"1.7"),
    _frame(b"GET /a", b"/a", True, 0, False, version=b"1.0", fields=[b"Connection: keep-alive"]),
    _frame(b"GET /a", b"/a", False, 0, False, version=b"1.0", fields=[b"Connection: keep-alive, close"]),
    _frame(b"GET /a", b"/a", False, 0, False, fields=[b"Connection: close"]),
    _frame(b"GET /a", b"/a", False, 0, False, fields=[b"Connection: keep-alive", b"Connection: close"]),
    _frame(b"HEAD /a", b"/a", True, 0, False),
    # RFC 9112 3.2.2: the target's authority is the host, whatever the field says.
    _asked(b"x"),
    _asked(b"x", b"http://y/a", b"y"),
    _asked(b"x", b"HTTPS://Y.z:8443", b"Y.z:8443"),
    _asked(b"x", b"http://[fe80::1]:80?q", b"[fe80::1]:80"),
    _asked(b"", b"http://y/", b"y"),
    _asked(b"x", b"http://y/", b"y", b"1.0"),
    _asked(None, b"/", False, b"1.0"),
    _asked(None, b"http://y/a?b", b"y", b"1.0"),
    _asked(None, b"hTTps://y:80", b"y:80", b"1.0"),
    _asked(b"[zz]", b"http://y/", 400),
    # Forms of the target.
    _frame(b"OPTIONS *", b"*", True, 0, False),
    _frame(b"GET *", 400),
    _frame(b"GET http://x", b"/", True, 0, False),
    _frame(b"GET http://x?a=b", b"/", True, 0, False),
    _frame(b"GET http://x/", b"/", True, 0, False),
    _frame(b"GET http://x/a/b?c", b"/a/b", True, 0, False),
    _frame(b"GET HTTPS://X.Y:443/a", b"/a", True, 0, False),
    _frame(b"GET http://[::1]:80/a", b"/a", True, 0, False),
    _frame(b"GET http://x//a", b"//a", True, 0, False),
    _frame(b"OPTIONS http://x", b"*", True, 0, False),
    _frame(b"OPTIONS http://x/", b"/", True, 0, False),
    _frame(b"GET http:///a", 400),
    _frame(b"GET http://", 400),
    _frame(b"GET http://?a", 400),
    _frame(b"GET http:/a", 400),
    _frame(b"GET http:a", 400),
    _frame(b"GET http://a@x/", 400),
    _frame(b"GET http://x:y/", 400),
    _frame(b"GET http://x\\y/", 400),
    _frame(b"GET http://:80/", 400),
    _frame(b"GET ws://x/", 400),
    _frame(b"GET x", 400),
    _frame(b"GET x:80", 400),
    _frame(b"GET ?", 400),
    _frame(b"GET **", 400),
    # Lengths (RFC 9112 6.3); what a length is, body.py's vectors say.
    _body(5, _CL + b"5"),
    _body(0, _CL + b"0"),
    _body(0, _CL + b"000"),
    _body(5, _CL + b"5", _CL + b"5"),
    _body(5, b"content-length:5 \t"),
    _body(10**14, _CL + b"100000000000000"),
    _frame(b"GET /", b"/", True, 5, False, fields=[_CL + b"5"]),
    _post(400, _CL + b"5", _CL + b"6"),
    _post(400, _CL),
    _post(400, _CL + b"-1"),
    _post(400, _CL + b"+1"),
    _post(400, _CL + b"1.0"),
    _post(413, _CL + b"1" * 400),
    # Codings (RFC 9112 6.1).
    _body(None, _TE + b"chunked"),
    _body(None, _TE + b"Chunked"),
    _post(501, _TE + b"gzip"),
    _post(501, _TE + b"gzip, chunked"),
    _post(501, _TE + b"gzip", _TE + b"chunked"),
    _post(501, _TE + b"chunked;a=b"),
    _post(501, _TE + b"identity"),
    _post(400, _TE + b"chunked", version=b"1.0"),
    _post(400, _TE + b"chunked", _CL + b"5"),
    _post(400, _CL + b"5", _TE + b"chunked"),
    _post(400, _CL + b"0", _TE + b"gzip"),
    _post(400, _CL, _TE + b"chunked"),
    # Expectations (RFC 9110 10.1.1).
    _body(5, _CL + b"5", b"Expect: 100-continue", expects=True),
    _body(None, _TE + b"chunked", b"Expect: 100-Continue", expects=True),
    _body(0, _CL + b"0", b"Expect: 100-continue"),
    _body(0, b"Expect: 100-continue"),
    _post(417, _CL + b"5", b"Expect: "),
    _post(417, _CL + b"5", b"Expect: x"),
    _post(417, _CL + b"5", b"Expect: 100-continue", b"Expect: x"),
    _post(400, _CL + b"x", b"Expect: 100-continue"),
    _frame(b"POST /", b"/", False, 5, False, version=b"1.0", fields=[_CL + b"5", b"Expect: 100-continue"]),
    _frame(b"POST /", b"/", False, 5, False, version=b"1.0", fields=[_CL + b"5", b"Expect: x"]),
    # Fields.
    ("field", "field", [b"A: b"], "a", b"b"),
    ("field, in other case", "field", [b"a-B: c"], "A-b", b"c"),
    ("field, not there", "field", [b"a: b"], "b", None),
    ("field, empty", "field", [b"a:"], "a", b""),
    ("field, joined", "field", [b"a: b", b"c: d", b"A: e"], "a", b"b, e"),
    ("field, joined of three", "field", [b"a: b", b"a:", b"A: e"], "a", b"b, , e"),
    ("field, cookies", "field", [b"Cookie: a=b", b"cookie: c=d"], "cookie", b"a=b; c=d"),
    ("field, single", "field", [b"Content-Type: a/b"], "content-type", b"a/b"),
    ("field, single, twice", "field", [b"Content-Type: a/b", b"content-type: a/b"], "content-type", 400),
    ("field, authorization twice", "field", [b"Authorization: a", b"authorization: b"], "Authorization", 400),
    ("field, another twice", "field", [b"Range: a", b"Range: b"], "if-range", None),
    ("field, strange name", "field", [b"a_b^c~: 1"], "A_B^C~", b"1"),
    ("field, obs-text", "field", [b"a: \xe4\x80"], "a", b"\xe4\x80"),
    # Text.
    ("text", "text", b"abc", "abc"),
    ("text, none", "text", b"", ""),
    ("text, UTF-8", "text", "äöü€😀".encode(), "äöü€😀"),
    ("text, Latin-1", "text", b"\xe4\xf6\xfc", "äöü"),
    ("text, both", "text", "ä".encode() + b"\xe4", "Ã¤ä"),
    ("text, overlong", "text", b"\xc0\xaf", "À¯"),
    ("text, surrogate", "text", b"\xed\xa0\x80", "í\xa0\x80"),
    ("text, beyond Unicode", "text", b"\xf5\x80\x80\x80", "õ\x80\x80\x80"),
    ("text, cut short", "text", b"\xe2\x82", "â\x82"),
    # Responses.
    ("response of text", "response", "ä", (200, b"text/html; charset=utf-8", b"\xc3\xa4", [])),
    ("response of bytes", "response", b"a", (200, b"application/octet-stream", b"a", [])),
    ("response of a dict", "response", {"a": None}, (200, b"application/json", b'{"a": null}', [])),
    ("response of a list", "response", [], (200, b"application/json", b"[]", [])),
    ("response of an empty dict", "response", {}, (200, b"application/json", b"{}", [])),
    ("response of nothing", "response", None, (204, None, None, [])),
    ("response of nothing, with status", "response", (None, 202), (202, None, b"", [])),
    ("response of no text", "response", "", (200, None, b"", [])),
    ("response with status", "response", ("a", 404), (404, b"text/html; charset=utf-8", b"a", [])),
    ("response 304", "response", (b"", 304), (304, None, None, [])),
    ("response with fields", "response", (b"", 200, {"A": "b"}), (200, None, b"", [b"A: b"])),
    ("response with fields, repeated", "response", (b"", 200, {"A": ["b", "c"]}), (200, None, b"", [b"A: b", b"A: c"])),
    ("response with fields, none", "response", (b"", 200, {"A": []}), (200, None, b"", [])),
    ("response with a number", "response", (b"", 200, {"A": 5}), (200, None, b"", [b"A: 5"])),
    ("response with an empty field", "response", (b"", 200, {"A": ""}), (200, None, b"", [b"A: "])),
    ("response with UTF-8", "response", (b"", 200, {"A": "ä"}), (200, None, b"", [b"A: \xc3\xa4"])),
    ("response with a type", "response", ("a", 200, {"Content-Type": "a/b"}), (200, b"a/b", b"a", [])),
    ("response with a type, lower case", "response", ("a", 200, {"content-type": "a/b"}), (200, b"a/b", b"a", [])),
    ("response of JSON with a type", "response", ([], 200, {"content-type": "a/b"}), (200, b"a/b", b"[]", [])),
    ("response with status 99", "response", ("", 99), None),
    ("response with status 100", "response", ("", 100), None),
    ("response with status 600", "response", ("", 600), None),
    ("response with status in text", "response", ("", "200"), None),
    ("response with status none", "response", ("", None), None),
    ("response of a number", "response", 5, None),
    ("response of a set", "response", {1}, None),
    ("response of too much", "response", ("", 200, {}, "a/b", 5), None),
    ("response with CR", "response", ("", 200, {"A": "b\rc"}), None),
    ("response with LF", "response", ("", 200, {"A": "b\nc"}), None),
    ("response with CR LF", "response", ("", 200, {"A": "b\r\nc: d"}), None),
    ("response with NUL", "response", ("", 200, {"A": "\x00"}), None),
    ("response with DEL", "response", ("", 200, {"A": "\x7f"}), None),
    ("response with CR LF in a list", "response", ("", 200, {"A": ["b", "\r\n"]}), None),
    ("response with CR LF in a name", "response", ("", 200, {"A\r\nB": "c"}), None),
    ("response with a space in a name", "response", ("", 200, {"A ": "c"}), None),
    ("response with a colon in a name", "response", ("", 200, {"A:": "c"}), None),
    ("response with a name in UTF-8", "response", ("", 200, {"Ä": "c"}), None),
    ("response with no name", "response", ("", 200, {"": "c"}), None),
    ("response with CR LF in the type", "response", ("a", 200, {"Content-Type": "a/b\r\nC: d"}), None),
    ("response with CR LF in the type, bytes", "response", (b"a", 200, None, b"a/b\r\nC: d"), None),
    ("response with its own length", "response", ("a", 200, {"Content-Length": "1"}), None),
    ("response with its own length, lower case", "response", ("a", 200, {"content-length": "1"}), None),
    ("response with its own coding", "response", ("a", 200, {"Transfer-Encoding": "chunked"}), None),
    ("response with its own connection", "response", ("a", 200, {"Connection": "close"}), None),
    # JSON, strict: MicroPython's encoder writes whatever there is.
    ("json", "json", {"a": [1, -2.5, True, False, None, "b"]}, b'{"a": [1, -2.5, true, false, null, "b"]}'),
    (
        "json of words in text",
        "json",
        ["nan", "<a>", "Infinity", "(", "\\nan", '"<'],
        b'["nan", "<a>", "Infinity", "(", "\\\\nan", "\\"<"]',
    ),
    ("json of a number as name", "json", {1: 2}, b'{"1": 2}'),
    ("json of a large number", "json", [10**18, -(10**18)], b"[1000000000000000000, -1000000000000000000]"),
    ("json of NaN", "json", [float("nan")], None),
    ("json of infinity", "json", {"a": float("inf")}, None),
    ("json of less than all", "json", [float("-inf")], None),
    ("json of an object", "json", [object()], None),
    ("json of a class", "json", {"a": object}, None),
    ("json of a function", "json", [len], None),
    ("json of a set", "json", [{1}], None),
    ("json of a set of text", "json", [{"a"}], None),
    ("json of an empty set", "json", [set()], None),
    ("json of a frozen set", "json", [frozenset([1])], None),
    ("json of an object in a dict", "json", {"a": {"b": [{"c": object()}]}}, None),
    ("json of a range", "json", [range(5)], None),
    ("json of a lone surrogate", "json", {"a": chr(0xD800)}, None),
    ("json of what looks like one", "json", ["\\ud800", "\\\\ud800"], b'["\\\\ud800", "\\\\\\\\ud800"]'),
    ("json of bytes that are no text", "json", ["\x00\x7f", b"\xff"], None),
    # Dates (RFC 9110 5.6.7).
    ("date", "date", (1994, 11, 6, 8, 49, 37, 6, 310), b"Sun, 06 Nov 1994 08:49:37 GMT"),
    ("date of a first of January", "date", (2027, 1, 1, 0, 0, 0, 4, 1), b"Fri, 01 Jan 2027 00:00:00 GMT"),
    ("date of a leap day", "date", (2028, 2, 29, 23, 59, 59, 1, 60), b"Tue, 29 Feb 2028 23:59:59 GMT"),
    ("date of a last of December", "date", (2030, 12, 31, 12, 0, 1, 1, 365), b"Tue, 31 Dec 2030 12:00:01 GMT"),
]

# RFC 3986 3.2.2: what may stand in brackets, and what may not.
_LITERALS = (
    b":: ::1 1:: fe80::1:2:3 FE80::aBcD 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:: ::2:3:4:5:6:7:8 ::ffff:192.168.4.1",
    b"1:2:3:4:5:6:192.168.4.1 fe80::1%25eth0 fe80::1%wlan0 v1.x vF.a:b",
)
_NO_LITERALS = (
    b"zz 1 x.y 192.168.4.1 : ::: 1:::2 ::1::2 :1 1: 1:2:3:4:5:6:7 12345:: 1:2:3:4:5:6:7:8:9 1:2:3:4::5:6:7:8 ::1.2.3",
    b"::1.2.3.256 ::1.2.3.04 ::1.2.3.4:5 1.2.3.4:: 1:2:3:4:5:6:7:1.2.3.4 ::g %eth0 v.x v1. v1x vg.x",
)
CASES += [_asked(b"[%s]:80" % host) for line in _LITERALS for host in line.split()]
CASES += [_asked(b"[%s]" % host, b"/", 400) for line in _NO_LITERALS for host in line.split()]
CASES += [_frame(b"GET http://[%s]/" % host, 400) for line in _NO_LITERALS for host in line.split()]

_COMMON = b"Server: x\r\n"


class Source:
    """What a request is a view of, as its connection is."""

    peer = again = None

    def __init__(self, raw):
        self.buffer = bytearray(raw + b"rest")
        self.view = memoryview(self.buffer)
        self.marks = array("H", parser.new_marks(1024, 32))
        end = parser.scan(self.buffer, 0, len(raw), self.marks)
        assert end == len(raw), "the head is none: %d" % end


def check(case):
    """Raise AssertionError unless the case holds."""
    kind = case[1]
    if kind == "frame":
        _check_frame(case[2], case[3])
    elif kind == "field":
        _check_field(*case[2:])
    elif kind == "host":
        _check_host(case[2], case[3])
    elif kind == "text":
        _same(text(case[2]), case[3], "bytes")
        _same(text(memoryview(case[2])), case[3], "memoryview")
        assert text(case[2]).encode().decode() == case[3], "no text"
    elif kind == "response":
        _check_response(case[2], case[3])
    elif kind == "json":
        try:
            got = encode_json(case[2])
        except (TypeError, ValueError):
            got = None
        _same(got, case[3], "JSON")
    else:
        _same(format_date(case[2]), case[3], "date")


def _check_host(raw, expected):
    request = Request(Source(raw))
    try:
        request.frame(request.slot.marks[layout.FLAGS])
    except HTTPError as error:
        _same(error.status, expected, "error")
        return
    _same(request.field(b"host"), None if expected is False else expected, "host")
    _same(request.field(b"a"), b"b", "field before")
    _same(request.field(b"x-host"), b"y", "field behind")
    names = [name for name, value in request.headers.items()]
    _same(names.count("host"), 0 if expected is False else 1, "fields of that name")


def _check_frame(raw, expected):
    source = Source(raw)
    request = Request(source)
    try:
        body = request.frame(source.marks[layout.FLAGS])
    except HTTPError as error:
        _same(error.status, expected, "error")
        return
    got = (request.target, request.keep_alive, request.length, request.expects)
    _same(got, expected, "frame")
    _same(body and body.length, expected[2] or None, "reader's length")
    assert (body is None) == (expected[2] == 0), body
    modern = b"HTTP/1.0" not in raw
    line = b"" if modern else b"Connection: keep-alive\r\n"
    _same(request.lines(), line if expected[1] else b"Connection: close\r\n", "Connection")


def _check_field(lines, name, expected):
    source = Source(b"GET / HTTP/1.0\r\n" + b"".join([line + b"\r\n" for line in lines]) + b"\r\n")
    headers = Headers(source.view, source.marks)
    if expected == 400:
        for look in (headers.get, headers.__getitem__):
            try:
                look(name)
            except HTTPError as error:
                _same(error.status, 400, "error")
            else:
                raise AssertionError("no error")
        assert name in headers
        return
    _same(field(source.view, source.marks, name.lower().encode()), expected, "field")
    _same(headers.get(name), expected if expected is None else text(expected), "get")
    _same(headers.get(name, "none"), "none" if expected is None else text(expected), "get with default")
    _same(name in headers, expected is not None, "in")
    _same(len(list(headers.items())), len(lines), "items")


def _check_response(result, expected):
    try:
        response = to_response(result)
        assert isinstance(response, Response)
        head = response.head(_COMMON, b"Connection: close\r\n")
    except (TypeError, ValueError, AttributeError):
        _same(None, expected, "error")
        return
    lines = head.split(b"\r\n")
    assert lines[-2:] == [b"", b""], head
    lines = lines[:-2]
    if expected is None:
        raise AssertionError("no error: %r" % head)
    status, kind, body, fields = expected
    assert lines[0].startswith(b"HTTP/1.1 %d " % status) and len(lines[0]) > 13, lines[0]
    wanted = [b"Server: x", b"Connection: close"] + fields
    if kind:
        wanted.append(b"Content-Type: " + kind)
    if body is not None:
        wanted.append(b"Content-Length: %d" % len(body))
        _same(response.body, body, "body")
    _same(sorted(lines[1:]), sorted(wanted), "lines")


def _same(got, want, how):
    assert got == want, "%s: got %r, not %r" % (how, got, want)
