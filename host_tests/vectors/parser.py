"""What a request head is: (name, kind, ...).

Kind "head": raw bytes, and what `scan` finds in them: a negative status, 0 where more has to come, or (method, path,
query, flags, fields), flags as words, fields as in the head. Two numbers behind them are limits: of the target's
bytes, of the fields.
Kind "bytes": what stands before and behind one byte of a head, and which bytes may be there (as bytes); all others
are a 400.
Kind "find": raw fields, a name, and the values that `find` finds.
Kind "clash": a name; others with the same hash are not taken for it.
"""

from array import array

from firmware.http import parser
from firmware.http.parser import METHODS, all_of, find, hash_name, scan
from host_tests.vectors import layout
from host_tests.vectors.layout import COUNT, FIELDS, METHOD_CODE

# In the order of parser.py. MINOR_1 and HOST are what nearly every head has.
_FLAGS = (
    ("1.1", layout.MINOR_1),
    ("escaped", layout.ESCAPED),
    ("form", layout.NOT_ORIGIN),
    ("host", layout.HOST),
    ("length", layout.CONTENT_LENGTH),
    ("coding", layout.TRANSFER_ENCODING),
    ("expect", layout.EXPECT),
    ("close", layout.CLOSE),
    ("keep-alive", layout.KEEP_ALIVE),
    ("upgrade", layout.UPGRADE),
    ("head", layout.HEAD),
    ("conditional", layout.CONDITIONAL),
)

_DIGITS = b"0123456789"
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TOKEN = _LETTERS + _DIGITS + b"!#$%&'*+-.^_`|~"
_VISIBLE = bytes(range(0x21, 0x7F))
_VALUE = _VISIBLE + b" \t" + bytes(range(0x80, 0x100))
_REG_NAME = _LETTERS + _DIGITS + b"-._~!$&'()*+,;="
_TARGET = _VISIBLE.replace(b"#", b"")

_HOST = (b"Host", b"x")


def _get(fields, flags="1.1 host", target=b"/"):
    """Return a head with these field lines behind Host, and what is found in it; a value stands for itself trimmed."""
    raw = b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n"
    found = [_HOST]
    for line in fields:
        raw += line + b"\r\n"
        colon = line.find(b":")
        found.append((line[:colon], line[colon + 1 :].strip(b" \t")))
    return "head", raw + b"\r\n", ("GET", target, b"", flags, found)


def _host(value, valid=True):
    raw = b"GET / HTTP/1.1\r\nHost:" + value + b"\r\n\r\n"
    found = ("GET", b"/", b"", "1.1 host", [(b"Host", value.strip(b" \t"))])
    return "host " + repr(value), "head", raw, found if valid else -400


def _line(line, expected=-400):
    """Return a case: a head without fields but for Host behind a request line."""
    name = "line " + repr(line)
    if type(expected) is tuple:
        expected = expected + ([_HOST],)
    return name, "head", line + b"\r\nHost: x\r\n\r\n", expected


def _fields(lines, expected=-400):
    """Return a case: what may not stand behind a request line and Host."""
    return "fields " + repr(lines), "head", b"GET / HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n", expected


CASES = [
    # Request lines that are fine.
    _line(b"GET / HTTP/1.1", ("GET", b"/", b"", "1.1 host")),
    _line(b"GET / HTTP/1.0", ("GET", b"/", b"", "host")),
    _line(b"GET / HTTP/1.2", ("GET", b"/", b"", "1.1 host")),
    _line(b"GET / HTTP/1.9", ("GET", b"/", b"", "1.1 host")),
    _line(b"HEAD / HTTP/1.1", ("HEAD", b"/", b"", "1.1 host head")),
    _line(b"POST / HTTP/1.1", ("POST", b"/", b"", "1.1 host")),
    _line(b"PUT / HTTP/1.1", ("PUT", b"/", b"", "1.1 host")),
    _line(b"PATCH / HTTP/1.1", ("PATCH", b"/", b"", "1.1 host")),
    _line(b"DELETE / HTTP/1.1", ("DELETE", b"/", b"", "1.1 host")),
    _line(b"OPTIONS / HTTP/1.1", ("OPTIONS", b"/", b"", "1.1 host")),
    _line(b"OPTIONS * HTTP/1.1", ("OPTIONS", b"*", b"", "1.1 host form")),
    # Methods are case-sensitive, and known ones in whole.
    _line(b"get / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"Get / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"head / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"G / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"GE / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"GETS / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"GET, / HTTP/1.1"),
    _line(b"XGET / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"PU / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"POSTPUT / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"PATCHES / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"OPTION / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"OPTIONSS / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"TRACE / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"M-SEARCH * HTTP/1.1", ("", b"*", b"", "1.1 host form")),
    _line(b"!#$%&'*+-.^_`|~09 / HTTP/1.1", ("", b"/", b"", "1.1 host")),
    _line(b"CONNECT x:443 HTTP/1.1", ("", b"x:443", b"", "1.1 host form")),
    # Targets.
    _line(b"GET /a/b.html HTTP/1.1", ("GET", b"/a/b.html", b"", "1.1 host")),
    _line(b"GET /? HTTP/1.1", ("GET", b"/", b"", "1.1 host")),
    _line(b"GET /?a=b HTTP/1.1", ("GET", b"/", b"a=b", "1.1 host")),
    _line(b"GET /a?b?c=/d HTTP/1.1", ("GET", b"/a", b"b?c=/d", "1.1 host")),
    _line(b"GET /a%20b HTTP/1.1", ("GET", b"/a%20b", b"", "1.1 host escaped")),
    _line(b"GET /%?b HTTP/1.1", ("GET", b"/%", b"b", "1.1 host escaped")),
    _line(b"GET /a?b=%20 HTTP/1.1", ("GET", b"/a", b"b=%20", "1.1 host")),
    _line(b"GET //a HTTP/1.1", ("GET", b"//a", b"", "1.1 host")),
    _line(b"GET ? HTTP/1.1", ("GET", b"", b"", "1.1 host form")),
    _line(b"GET ?a=%41 HTTP/1.1", ("GET", b"", b"a=%41", "1.1 host form")),
    _line(b"GET http://x/a?b HTTP/1.1", ("GET", b"http://x/a", b"b", "1.1 host form")),
    _line(b"GET http://x%41/a HTTP/1.1", ("GET", b"http://x%41/a", b"", "1.1 host form escaped")),
    _line(b'GET /"<>\\^`{|} HTTP/1.1', ("GET", b'/"<>\\^`{|}', b"", "1.1 host")),
    _line(b"GET /a#b HTTP/1.1"),
    _line(b"GET /?a#b HTTP/1.1"),
    _line(b"GET # HTTP/1.1"),
    _line("GET /ä HTTP/1.1".encode()),
    # Request lines that are none.
    _line(b""),
    _line(b"GET"),
    _line(b"GET "),
    _line(b"GET /"),
    _line(b"GET / "),
    _line(b"GET  HTTP/1.1"),
    _line(b" GET / HTTP/1.1"),
    _line(b"\tGET / HTTP/1.1"),
    _line(b"GET\t/ HTTP/1.1"),
    _line(b"GET  / HTTP/1.1"),
    _line(b"GET /  HTTP/1.1"),
    _line(b"GET /\tHTTP/1.1"),
    _line(b"GET / a HTTP/1.1"),
    _line(b"GET / HTTP/1.1 "),
    _line(b"GET / HTTP/1.1\t"),
    _line(b"GET / HTTP/1.1x"),
    _line(b"GET / HTTP/1."),
    _line(b"GET / HTTP/1"),
    _line(b"GET / HTTP/"),
    _line(b"GET / HTTP"),
    _line(b"GET / HTTP/.1"),
    _line(b"GET / HTTP/11"),
    _line(b"GET / HTTP/1,1"),
    _line(b"GET / HTTP/1.10"),
    _line(b"GET / HTTP/11.1"),
    _line(b"GET / HTTP/01.1"),
    _line(b"GET / HTTP/1.a"),
    _line(b"GET / HTTP/a.1"),
    _line(b"GET / HTTP/-1.1"),
    _line(b"GET / HTTP/+1.1"),
    _line(b"GET / http/1.1"),
    _line(b"GET / Http/1.1"),
    _line(b"GET / HTTPS/1.1"),
    _line(b"GET / HTTP 1.1"),
    _line(b"GET / XTTP/1.1"),
    _line(b"GET\x00/ HTTP/1.1"),
    _line(b"GET /\x00 HTTP/1.1"),
    _line(b"GET / HTTP/1.1\x00"),
    _line(b"GET / HTTP/2.0", -505),
    _line(b"GET / HTTP/0.9", -505),
    _line(b"GET / HTTP/3.1", -505),
    _line(b"GET / HTTP/9.9", -505),
    ("line of HTTP/2's preface", "head", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", -505),
    ("line of HTTP/0.9", "head", b"GET /\r\n", -400),
    ("line of a response", "head", b"HTTP/1.1 200 OK\r\n\r\n", -400),
    ("line of TLS", "head", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", -400),
    ("line, bare LF", "head", b"GET / HTTP/1.1\nHost: x\r\n\r\n", -400),
    ("line, bare CR", "head", b"GET / HTTP/1.1\rHost: x\r\n\r\n", -400),
    ("line, CR CR LF", "head", b"GET / HTTP/1.1\r\r\nHost: x\r\n\r\n", -400),
    ("line, LF CR", "head", b"GET / HTTP/1.1\n\rHost: x\r\n\r\n", -400),
    ("line, broken", "head", b"GET /\r\n HTTP/1.1\r\nHost: x\r\n\r\n", -400),
    # RFC 9112 2.2: empty lines before.
    ("empty line before", "head", b"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", ("GET", b"/", b"", "1.1 host", [_HOST])),
    ("empty lines before", "head", b"\r\n" * 9 + b"G / HTTP/1.0\r\n\r\n", ("", b"/", b"", "", [])),
    ("empty lines, no more", "head", b"\r\n\r\n\r\n", 0),
    ("nothing", "head", b"", 0),
    ("LF before", "head", b"\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", -400),
    ("CR before", "head", b"\rGET / HTTP/1.1\r\nHost: x\r\n\r\n", -400),
    ("CR CR LF before", "head", b"\r\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", -400),
    ("space before", "head", b"\r\n GET / HTTP/1.1\r\nHost: x\r\n\r\n", -400),
    # Heads of few fields.
    ("no field, 1.0", "head", b"GET / HTTP/1.0\r\n\r\n", ("GET", b"/", b"", "", [])),
    ("no field, 1.1", "head", b"GET / HTTP/1.1\r\n\r\n", -400),
    ("no Host", "head", b"GET / HTTP/1.1\r\nHos: x\r\nHostx: x\r\nX-Host: x\r\n\r\n", -400),
    ("no Host, 1.0", "head", b"GET / HTTP/1.0\r\na: b\r\n\r\n", ("GET", b"/", b"", "", [(b"a", b"b")])),
    ("no field's first line", "head", b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", -400),
    ("no line end behind", "head", b"GET / HTTP/1.1\r\nHost: x\r\n", 0),
    ("half a line end behind", "head", b"GET / HTTP/1.1\r\nHost: x\r\n\r", 0),
    ("CR and another behind", "head", b"GET / HTTP/1.1\r\nHost: x\r\n\rX", -400),
    ("CR CR LF behind", "head", b"GET / HTTP/1.1\r\nHost: x\r\n\r\r\n", -400),
    ("LF behind", "head", b"GET / HTTP/1.1\r\nHost: x\r\n\n", -400),
    # RFC 9112 3.2 and RFC 3986 3.2.2.
    _host(b" x"),
    _host(b"x"),
    _host(b"\t x \t"),
    _host(b""),
    _host(b"  "),
    _host(b" limpet.local:8080"),
    _host(b" 192.168.4.1"),
    _host(b" 192.168.4.1:80"),
    _host(b" [::1]"),
    _host(b" [::1]:80"),
    _host(b" [fe80::1:2:3]:"),
    _host(b" a_b-c~d!$&'()*+,;="),
    _host(b" %41.example"),
    _host(b" x:"),
    _host(b" a b", False),
    _host(b" a, b c", False),
    _host(b" a/b", False),
    _host(b" http://a", False),
    _host(b" user@a", False),
    _host(b" a?b", False),
    _host(b" a#b", False),
    _host(b" a\\b", False),
    _host(b' "a"', False),
    _host(b" <a>", False),
    _host(b" a\tb", False),
    _host(b" \xe4", False),
    _host(b" a:b", False),
    _host(b" a:80:80", False),
    _host(b" ::1", False),
    _host(b" [::1", False),
    _host(b" ::1]", False),
    _host(b" a[b]", False),
    ("host twice", "head", b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", -400),
    ("host twice, in other case", "head", b"GET / HTTP/1.1\r\nhost: x\r\na: b\r\nHOST: y\r\n\r\n", -400),
    ("host twice, 1.0", "head", b"GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n", -400),
    ("host twice, one empty", "head", b"GET / HTTP/1.1\r\nHost:\r\nHost: x\r\n\r\n", -400),
    ("host not valid, 1.0", "head", b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", -400),
    (
        "host last",
        "head",
        b"G / HTTP/1.1\r\na:b\r\nhOsT:x\r\n\r\n",
        ("", b"/", b"", "1.1 host", [(b"a", b"b"), (b"hOsT", b"x")]),
    ),
    # Fields that are fine.
    ("field without space",) + _get([b"a:b"]),
    ("field with spaces",) + _get([b"a: \t b c\t \t"]),
    ("field empty",) + _get([b"a:", b"b: ", b"c:\t \t"]),
    ("field of one letter",) + _get([b"i:f", b"r:a"]),
    ("field with colons",) + _get([b"a: b:c::", b"d::"]),
    ("field with obs-text",) + _get([b"a: \xe4\xf6\xfc\x80\xff"]),
    ("field with quotes",) + _get([b'a: "b, \\" c"; d']),
    ("field of strange letters",) + _get([b"!#$%&'*+-.^_`|~: 1", b"_:2", b"0:3"]),
    ("field repeated",) + _get([b"a: b", b"A: c", b"a: b"]),
    ("fields of all lengths",) + _get([b"n" * n + b": " + b"v" * n for n in range(1, 14)]),
    ("fields of many kinds",)
    + _get([b"Connecti: close", b"Content-Lengt: 5", b"Content-Lengthy: 5", b"xContent-Length: 5", b"-: chunked"]),
    # Fields that are not.
    _fields(b"a : b\r\n"),
    _fields(b"a\t: b\r\n"),
    _fields(b" a: b\r\n"),
    _fields(b"\ta: b\r\n"),
    _fields(b"a: b\r\n c\r\n"),
    _fields(b"a: b\r\n\tc\r\n"),
    _fields(b"a: b\r\n \r\n"),
    _fields(b"a: b\r\n : c\r\n"),
    _fields(b"a:\r\n b\r\n"),
    _fields(b"a\r\n"),
    _fields(b"a\r\n: b\r\n"),
    _fields(b": b\r\n"),
    _fields(b":\r\n"),
    _fields(b"a b: c\r\n"),
    _fields(b"a/b: c\r\n"),
    _fields(b"a(b): c\r\n"),
    _fields(b'"a": c\r\n'),
    _fields(b"a,b: c\r\n"),
    _fields(b"a;b: c\r\n"),
    _fields(b"a@b: c\r\n"),
    _fields(b"a\x00b: c\r\n"),
    _fields(b"\xe4: c\r\n"),
    _fields(b"a: b\nc: d\r\n"),
    _fields(b"a: b\rc: d\r\n"),
    _fields(b"a: b\r\r\n"),
    _fields(b"a: b\n\r\n"),
    _fields(b"a: b\n\n"),
    _fields(b"a: b\x00c\r\n"),
    _fields(b"a: \x00\r\n"),
    _fields(b"a:\x00b\r\n"),
    _fields(b"a: b\x7f\r\n"),
    _fields(b"a: b\x0b\r\n"),
    _fields(b"a: b\x0cc\r\n"),
    _fields(b"a: \x1b[31m\r\n"),
    _fields(b"a: \x08\r\n"),
    _fields(b"GET / HTTP/1.1\r\n"),
    # What flags say.
    ("flag length",) + _get([b"Content-Length: 5"], "1.1 host length"),
    ("flag length in other case",) + _get([b"cONTENT-lENGTH:5"], "1.1 host length"),
    ("flag length twice",) + _get([b"Content-Length: 5", b"Content-Length: 6"], "1.1 host length"),
    ("flag length of nothing",) + _get([b"Content-Length:"], "1.1 host length"),
    ("flag coding",) + _get([b"Transfer-Encoding: chunked"], "1.1 host coding"),
    ("flag coding in other case",) + _get([b"TRANSFER-ENCODING: x"], "1.1 host coding"),
    ("flags length, coding",) + _get([b"Content-Length: 5", b"transfer-encoding: chunked"], "1.1 host length coding"),
    ("flag expect",) + _get([b"Expect: 100-continue"], "1.1 host expect"),
    ("flag expect of anything",) + _get([b"expect: x"], "1.1 host expect"),
    ("flag close",) + _get([b"Connection: close"], "1.1 host close"),
    ("flag close in other case",) + _get([b"CONNECTION: Close"], "1.1 host close"),
    ("flag keep-alive",) + _get([b"Connection: keep-alive"], "1.1 host keep-alive"),
    ("flag keep-alive in other case",) + _get([b"connection:Keep-Alive"], "1.1 host keep-alive"),
    ("flag upgrade",) + _get([b"Connection: Upgrade", b"Upgrade: websocket"], "1.1 host upgrade"),
    ("flags of a list",) + _get([b"Connection: keep-alive, Upgrade"], "1.1 host keep-alive upgrade"),
    ("flags of a tight list",) + _get([b"Connection: a,close,b"], "1.1 host close"),
    ("flags of a loose list",) + _get([b"Connection: , ,\tclose\t ,, x"], "1.1 host close"),
    ("flags of two lines",) + _get([b"Connection: keep-alive", b"Connection: close"], "1.1 host close keep-alive"),
    ("flags of all three",) + _get([b"connection: upgrade,close,keep-alive"], "1.1 host close keep-alive upgrade"),
    ("no flag of an empty list",) + _get([b"Connection:", b"Connection: ,,"]),
    ("no flag of others",) + _get([b"Connection: closed, clos, xclose, keepalive, upgrades, TE"]),
    ("no flag of another field",) + _get([b"Proxy-Connection: close", b"Keep-Alive: close", b"Connections: close"]),
    ("no flag of a value",) + _get([b"a: Content-Length: 5", b"b: Transfer-Encoding: chunked"]),
    ("flag range",) + _get([b"Range: bytes=0-"], "1.1 host conditional"),
    ("flag range in other case",) + _get([b"RANGE: bytes=0-"], "1.1 host conditional"),
    ("flag if-none-match",) + _get([b"If-None-Match: *"], "1.1 host conditional"),
    ("flag if-match",) + _get([b"if-match: *"], "1.1 host conditional"),
    ("flag if-range",) + _get([b"IF-RANGE: x"], "1.1 host conditional"),
    ("flag if-modified-since",) + _get([b"If-Modified-Since: x"], "1.1 host conditional"),
    ("no flag of a browser's",)
    + _get(
        [
            b"Connection: keep-alive",
            b"Cache-Control: max-age=0",
            b"Upgrade-Insecure-Requests: 1",
            b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Safari/537.36",
            b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
            b"Referer: http://192.168.4.1/",
            b"Accept-Encoding: gzip, deflate",
            b"Accept-Language: en-US,en;q=0.9,de;q=0.8",
            b"Cookie: a=b; c=d",
        ],
        "1.1 host keep-alive",
        b"/index.html",
    ),
    # Limits, each at its very border.
    ("target at the limit", "head", b"GET /2345678 HTTP/1.0\r\n\r\n", ("GET", b"/2345678", b"", "", []), 8, 1),
    ("target beyond the limit", "head", b"GET /23456789 HTTP/1.0\r\n\r\n", -414, 8, 1),
    ("target beyond the limit, no end", "head", b"GET /23456789", -414, 8, 1),
    ("target at the limit, no end", "head", b"GET /2345678", 0, 8, 1),
    ("target and query at the limit", "head", b"GET /2?4567 HTTP/1.0\r\n\r\n", ("GET", b"/2", b"4567", "", []), 7, 1),
    ("target and query beyond the limit", "head", b"GET /2?4567 HTTP/1.0\r\n\r\n", -414, 6, 1),
    ("target at 1024", "head", b"GET /" + b"a" * 1023 + b" HTTP/1.0\r\n\r\n", ("GET", b"/" + b"a" * 1023, b"", "", [])),
    ("target at 1025", "head", b"GET /" + b"a" * 1024 + b" HTTP/1.0\r\n\r\n", -414),
    (
        "fields at the limit",
        "head",
        b"G / HTTP/1.0\r\na:b\r\nc:d\r\n\r\n",
        ("", b"/", b"", "", [(b"a", b"b"), (b"c", b"d")]),
        8,
        2,
    ),
    ("fields beyond the limit", "head", b"G / HTTP/1.0\r\na:b\r\nc:d\r\ne:f\r\n\r\n", -431, 8, 2),
    ("fields beyond the limit, no end", "head", b"G / HTTP/1.0\r\na:b\r\nc:d\r\ne", -431, 8, 2),
    ("fields at 32", "head", b"G / HTTP/1.0\r\n" + b"a:b\r\n" * 32 + b"\r\n", ("", b"/", b"", "", [(b"a", b"b")] * 32)),
    ("fields at 33", "head", b"G / HTTP/1.0\r\n" + b"a:b\r\n" * 33 + b"\r\n", -431),
    ("method of any length", "head", b"G" * 300 + b" / HTTP/1.0\r\n\r\n", ("", b"/", b"", "", [])),
    ("value of any length",) + _get([b"a: " + b"v" * 700]),
    ("name of any length",) + _get([b"n" * 700 + b": v"]),
    # Each byte in each place.
    ("first byte of a method", "bytes", b"", b"GET / HTTP/1.0\r\n\r\n", _TOKEN),
    ("byte within a method", "bytes", b"GE", b"T / HTTP/1.0\r\n\r\n", _TOKEN),
    ("last byte of a method", "bytes", b"GET", b" / HTTP/1.0\r\n\r\n", _TOKEN),
    ("first byte of a target", "bytes", b"GET ", b"/ HTTP/1.0\r\n\r\n", _TARGET),
    ("byte within a target", "bytes", b"GET /a", b"b HTTP/1.0\r\n\r\n", _TARGET),
    ("byte within a query", "bytes", b"GET /a?b", b"c HTTP/1.0\r\n\r\n", _TARGET),
    ("last byte of a target", "bytes", b"GET /a", b" HTTP/1.0\r\n\r\n", _TARGET),
    ("minor version", "bytes", b"GET / HTTP/1.", b"\r\nHost: x\r\n\r\n", _DIGITS),
    ("byte behind the version", "bytes", b"GET / HTTP/1.0", b"\nHost: x\r\n\r\n", b"\r"),
    ("byte behind the version's CR", "bytes", b"GET / HTTP/1.0\r", b"Host: x\r\n\r\n", b"\n"),
    ("first byte of a name", "bytes", b"GET / HTTP/1.0\r\n", b"a: b\r\n\r\n", _TOKEN),
    ("byte within a name", "bytes", b"GET / HTTP/1.0\r\na", b"b: c\r\n\r\n", _TOKEN + b":"),
    ("last byte of a name", "bytes", b"GET / HTTP/1.0\r\na", b": b\r\n\r\n", _TOKEN + b":"),
    ("first byte of a value", "bytes", b"GET / HTTP/1.0\r\na:", b"b\r\n\r\n", _VALUE),
    ("byte behind a value's space", "bytes", b"GET / HTTP/1.0\r\na: ", b"b\r\n\r\n", _VALUE),
    ("second byte of a value", "bytes", b"GET / HTTP/1.0\r\na: b", b"cdefgh\r\n\r\n", _VALUE),
    ("third byte of a value", "bytes", b"GET / HTTP/1.0\r\na: bc", b"defgh\r\n\r\n", _VALUE),
    ("fourth byte of a value", "bytes", b"GET / HTTP/1.0\r\na: bcd", b"efgh\r\n\r\n", _VALUE),
    ("fifth byte of a value", "bytes", b"GET / HTTP/1.0\r\na: bcde", b"fgh\r\n\r\n", _VALUE),
    ("last byte of a value", "bytes", b"GET / HTTP/1.0\r\na: b", b"\r\n\r\n", _VALUE),
    ("byte behind a value", "bytes", b"GET / HTTP/1.0\r\na: b", b"\n\r\n", b"\r"),
    ("byte behind a value's CR", "bytes", b"GET / HTTP/1.0\r\na: b\r", b"\r\n", b"\n"),
    ("byte behind a last CR", "bytes", b"GET / HTTP/1.0\r\na: b\r\n\r", b"", b"\n"),
    ("byte within a host", "bytes", b"GET / HTTP/1.1\r\nHost: a", b"1\r\n\r\n", _REG_NAME + b":%"),
    # `find`, whose names are in lower case.
    ("find", "find", [b"a: 1", b"b: 2"], b"b", [b"2"]),
    ("find nothing", "find", [b"a: 1", b"b: 2"], b"c", []),
    ("find nothing in nothing", "find", [], b"a", []),
    ("find in upper case", "find", [b"ABC-D: 1"], b"abc-d", [b"1"]),
    ("find the first and the last", "find", [b"a: 1", b"b: 2", b"a: 3"], b"a", [b"1", b"3"]),
    ("find all", "find", [b"a:1", b"A:2", b"a: ", b"A: 4"], b"a", [b"1", b"2", b"", b"4"]),
    ("find no prefix", "find", [b"ab: 1", b"a: 2", b"abc: 3"], b"ab", [b"1"]),
    ("find nothing longer", "find", [b"ab: 1"], b"abc", []),
    ("find nothing shorter", "find", [b"ab: 1"], b"a", []),
    ("find no empty name", "find", [b"a: 1"], b"", []),
    ("find no value", "find", [b"a: b: 1"], b"b", []),
    ("find nothing beyond a colon", "find", [b"a: b: 1"], b"a: b", []),
    ("find with an underscore", "find", [b"x-y: 1", b"X_Y: 2"], b"x_y", [b"2"]),
    ("find with a caret", "find", [b"x~y: 1", b"x^y: 2"], b"x^y", [b"2"]),
    ("find with a tilde", "find", [b"x^y: 1", b"x~y: 2"], b"x~y", [b"2"]),
    ("find each token", "tokens"),
    # Names with the hash of those that framing depends on.
    ("clash with host", "clash", b"host"),
    ("clash with connection", "clash", b"connection"),
    ("clash with content-length", "clash", b"content-length"),
    ("clash with transfer-encoding", "clash", b"transfer-encoding"),
    ("clash with expect", "clash", b"expect"),
    ("clash with accept", "clash", b"accept"),
    # What `all_of` knows.
    ("kinds of bytes", "kinds"),
]

_CANARY = 0xBEEF
_BEFORE = b"GET /before HTTP/1.1\r\n"


def new_marks(max_target, max_fields):
    """Return marks as the parser makes them, with something behind that nobody may touch."""
    marks = parser.new_marks(max_target, max_fields)
    assert len(marks) == FIELDS + 4 * max_fields, len(marks)
    return array("H", list(marks) + [_CANARY] * 8)


def read(buffer, marks, start=0):
    """Return what a scan found: (method, path, query, flags, fields), each position checked; a query has no "?"."""
    at = [marks[place] - start for place in range(2, 7)]
    raw = bytes(buffer[start:])
    method, method_end, target, path_end, target_end = at
    assert 0 <= method < method_end < target <= path_end <= target_end < len(raw), at
    assert target == method_end + 1, at
    name = raw[method:method_end].decode()
    code = marks[METHOD_CODE]
    assert (METHODS[code] == name) if code else (name not in METHODS), (code, name)
    fields = []
    before = target_end
    for field in range(FIELDS, FIELDS + 4 * marks[COUNT], 4):
        begin, value, end = marks[field + 1] - start, marks[field + 2] - start, marks[field + 3] - start
        assert before < begin < value <= end < len(raw), (before, begin, value, end)
        name = raw[begin : raw.find(b":", begin)]
        assert marks[field] == hash_name(name), (name, marks[field])
        fields.append((name, raw[value:end]))
        before = end
    query = raw[path_end + 1 : target_end] if path_end < target_end else b""
    words = [word for word, bit in _FLAGS if marks[layout.FLAGS] & bit]
    assert sum([bit for word, bit in _FLAGS if word in words]) == marks[layout.FLAGS], marks[layout.FLAGS]
    return METHODS[code], raw[target:path_end], query, words, fields


def check(case):
    """Raise AssertionError unless the case holds, however its bytes come."""
    kind = case[1]
    if kind == "head":
        _check_head(*case[2:])
    elif kind == "bytes":
        _check_bytes(*case[2:])
    elif kind == "find":
        _same(_find_all(*case[2:4]), case[4], "found")
    elif kind == "tokens":
        _check_tokens()
    elif kind == "clash":
        _check_clash(case[2])
    else:
        _check_kinds()


def _check_head(raw, expected, max_target=1024, max_fields=32):
    found = type(expected) is tuple
    status = len(raw) if found else expected
    size = len(raw)
    whole = None
    # What stands around the head is none of it, however it looks.
    for before, behind in (
        (b"", b""),
        (_BEFORE, b""),
        (b"", b"\r\n\r\n"),
        (b"#", b"GET / HTTP/1.1\r\nHost: y\r\n\r\n"),
    ):
        buffer = bytearray(before + raw + behind)
        marks = new_marks(max_target, max_fields)
        start = len(before)
        result = scan(buffer, start, start + size, marks)
        _same(result, status + start if found else status, "scan between %r and %r" % (before, behind))
        assert buffer == before + raw + behind, "it wrote into the buffer"
        _check_marks(marks, max_target, max_fields)
        if found:
            method, path, query, flags, fields = read(buffer, marks, start)
            _same((method, path, query, fields), expected[:3] + (expected[4],), "read")
            _same(sorted(flags), sorted(expected[3].split()), "flags")
            if whole:
                _same([place - start for place in marks[2:7]], whole, "positions")
            whole = [place - start for place in marks[2:7]]
    if status:
        # Bytes behind change nothing, for whom they are taken to belong to the head.
        for behind in (b"\r", b"\n", b"\x00", b"a: b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
            buffer = bytearray(raw + behind)
            _same(scan(buffer, 0, len(buffer), new_marks(max_target, max_fields)), status, "scan with %r" % behind)
    buffer = bytearray(raw)
    marks = new_marks(max_target, max_fields)
    failed = 0
    for end in range(size):
        if size > 400 and 40 < end < size - 40 and end % 17:
            continue
        result = scan(buffer, 0, end, marks)
        if failed:
            _same(result, failed, "scan of the first %d" % end)
        elif result:
            _same(result, status if not found else 0, "scan of the first %d" % end)
            failed = result
    _check_marks(marks, max_target, max_fields)


def _check_marks(marks, max_target, max_fields):
    _same((marks[0], marks[1]), (max_target, max_fields), "limits")
    for at in range(FIELDS + 4 * max_fields, len(marks)):
        _same(marks[at], _CANARY, "behind the marks")


def _check_bytes(before, behind, allowed):
    marks = new_marks(1024, 32)
    allowed = set(allowed)
    for code in range(256):
        raw = bytearray(before + bytes([code]) + behind)
        # More behind it: a byte that ends something early must not make what follows its rest.
        result = scan(raw + b"a: b\r\n\r\n", 0, len(raw) + 8, marks)
        wanted = len(raw) if code in allowed else -400
        _same(result, wanted, "byte %d" % code)
        if result > 0:
            read(raw, marks)


def _find_all(lines, name):
    raw = bytearray(b"GET / HTTP/1.0\r\n" + b"".join([line + b"\r\n" for line in lines]) + b"\r\n")
    marks = new_marks(8, len(lines))
    _same(scan(raw, 0, len(raw), marks), len(raw), "scan")
    values = []
    at = 0
    while True:
        at = find(raw, marks, name, at)
        if not at:
            return values
        values.append(bytes(raw[marks[at + 2] : marks[at + 3]]))
        assert len(values) <= len(lines), "it finds for ever"


def _check_tokens():
    names = [b"a%cb" % code for code in sorted(_TOKEN)]
    lines = [name + b":" + name for name in names]
    for name in names:
        wanted = [line[4:] for line in lines if line[:3].lower() == name.lower()]
        _same(_find_all(lines, name.lower()), wanted, "found")


def clashes(name):
    """Return some names with the hash of `name`: prefixes of three letters, ends, the whole."""
    wanted = hash_name(name)
    found = []
    for prefix in (b"x-", name[:-1], name, b"a" * (len(name) - 3)):
        for number in range(100000):
            start = prefix + b"%x" % number
            last = (wanted - hash_name(start) * 31) & 0xFFFF
            if 0x61 <= last <= 0x7A:
                found.append(start + bytes([last]))
                break
    assert len(found) == 4, found
    return found


def _check_clash(name):
    others = clashes(name)
    lines = []
    for other in others:
        assert hash_name(other) == hash_name(name) and other != name, other
        lines.append(other + b": chunked")
        _same(_find_all([other + b": 1"], name), [], "found")
        _same(_find_all([other + b": 1", name + b": 2", other + b": 3"], name), [b"2"], "found")
        _same(_find_all([name + b": 1", other + b": 2"], other), [b"2"], "found")
    _check_head(*_get(lines)[1:])
    if name == b"host":
        raw = b"GET / HTTP/1.1\r\n" + others[0] + b": x\r\n\r\n"
        _check_head(raw, -400)


def _check_kinds():
    for kind, allowed in ((layout.TOKEN, _TOKEN), (layout.VALUE, _VALUE), (layout.AUTHORITY, _REG_NAME + b"%")):
        allowed = set(allowed)
        for code in range(256):
            raw = bytes([code])
            _same(bool(all_of(raw, 0, 1, kind)), code in allowed, "kind %d, byte %d" % (kind, code))
            _same(bool(all_of(b"aa" + raw + b"a", 0, 4, kind)), code in allowed, "kind %d, byte %d" % (kind, code))
        assert all_of(b"\x00\x00", 1, 1, kind)
        assert all_of(b"\x00a\x00", 1, 2, kind)


def _same(got, want, how):
    assert got == want, "%s: got %r, not %r" % (how, got, want)
