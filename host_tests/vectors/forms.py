"""multipart/form-data under either interpreter: (name, function, argument, expected).

`form`: the argument is (boundary, body), expected are the parts as (name, filename, content type, content) or the
status of the error. `boundary` and `filename`: expected is what comes back, or a status.
"""

from firmware.features.uploads import safe_filename
from firmware.http import forms
from firmware.http.errors import HTTPError

# A form is split at every point where it is no longer than this, else at some: MicroPython is to be done in a second.
EVERY_SPLIT = 600

EPILOGUE = b"\r\nnobody reads this\n\r\n--B\r\nnor: this\r\n\r\n"

# What clients sent to a listening socket (curl 7.88, requests 2.34, httpx 0.28, aiohttp 3.14, Node 20's fetch) ...
CURL = (
    b'--------------------------ddd152345ecb448c\r\nContent-Disposition: form-data; name="title"\r\n\r\nGr'
    b'\xc3\xbc\xc3\x9fe\r\n--------------------------ddd152345ecb448c\r\nContent-Disposition: form-data; name="f"; '
    b'filename="a%22b\\c.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n'
    b'\r\n--------------------------ddd152345ecb448c\r\nContent-Disposition: form-data; name="g"; '
    b'filename="na\xc3\xafve \xc3\xa9.bin"\r\nContent-Type: application/octet-stream\r\n\r\n\x00\xff\r\n--x'
    b'\r\n--------------------------ddd152345ecb448c\r\nContent-Disposition: form-data; name="e"; filename="empty.txt"'
    b"\r\nContent-Type: text/plain\r\n\r\n"
    b'\r\n--------------------------ddd152345ecb448c\r\nContent-Disposition: form-data; name="none"\r\n\r\n'
    b"\r\n--------------------------ddd152345ecb448c--\r\n"
)
CURL_NO_NAME = (
    b"--------------------------ddd152345ecb448c\r\nContent-Disposition: form-data\r\n\r\nnoname\r\n"
    b"--------------------------ddd152345ecb448c--\r\n"
)
CURL_BACKSLASHES = (
    b'--------------------------2c4194d54b672979\r\nContent-Disposition: form-data; name="ti\\"tle"\r\n\r\nx\r\n'
    b'--------------------------2c4194d54b672979\r\nContent-Disposition: form-data; name="f"; '
    b'filename="a\\"b\\\\c.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n'
    b"\r\n--------------------------2c4194d54b672979--\r\n"
)
REQUESTS = (
    b'--028bec8fe9866f8c35836b140299aa5a\r\nContent-Disposition: form-data; name="title"\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n'
    b'--028bec8fe9866f8c35836b140299aa5a\r\nContent-Disposition: form-data; name="q%22k%0D%0A"\r\n\r\n\r\n'
    b'--028bec8fe9866f8c35836b140299aa5a\r\nContent-Disposition: form-data; name="f"; filename="a%22b\\c.txt"\r\n\r\n'
    b'hello\r\n\r\n--028bec8fe9866f8c35836b140299aa5a\r\nContent-Disposition: form-data; name="g"; '
    b'filename="na\xc3\xafve \xc3\xa9.bin"\r\nContent-Type: application/octet-stream\r\n\r\n\x00\xff\r\n--x\r\n'
    b"--028bec8fe9866f8c35836b140299aa5a--\r\n"
)
HTTPX = (
    b'--bfbf02c4f3531b00ed02833d64e6743a\r\nContent-Disposition: form-data; name="title"\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n'
    b'--bfbf02c4f3531b00ed02833d64e6743a\r\nContent-Disposition: form-data; name="q%22k%0D%0A"\r\n\r\n\r\n'
    b'--bfbf02c4f3531b00ed02833d64e6743a\r\nContent-Disposition: form-data; name="f"; filename="a%22b\\\\c.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nhello\r\n\r\n--bfbf02c4f3531b00ed02833d64e6743a--\r\n"
)
AIOHTTP = (
    b"--67c5a1dd40a943cea8980f64de127387\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b'Content-Disposition: form-data; name="title"\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n--67c5a1dd40a943cea8980f64de127387\r\n'
    b'Content-Type: application/octet-stream\r\nContent-Disposition: form-data; name="g"; '
    b'filename="na%C3%AFve%20%C3%A9.bin"\r\n\r\n\x00\xff\r\n--x\r\n--67c5a1dd40a943cea8980f64de127387--\r\n'
)
NODE = (
    b'------formdata-undici-003493833507\r\nContent-Disposition: form-data; name="title"\r\n\r\n'
    b"Gr\xc3\xbc\xc3\x9fe\r\nzwei\r\n------formdata-undici-003493833507\r\n"
    b'Content-Disposition: form-data; name="q%22k%0D%0A%"\r\n\r\n'
    b'\r\n------formdata-undici-003493833507\r\nContent-Disposition: form-data; name="f"; '
    b'filename="a%22b\\c%0A.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n'
    b"\r\n------formdata-undici-003493833507\r\n"
    b'Content-Disposition: form-data; name="none"\r\nContent-Type: application/octet-stream\r\n\r\n'
    b"\r\n------formdata-undici-003493833507--\r\n"
)
# ... and what browsers send, by the HTML standard, each with its kind of boundary.
CHROME = (
    b'------WebKitFormBoundary7MA4YWxkTrZu0gW3\r\nContent-Disposition: form-data; name="ssid"\r\n\r\nCaf\xc3\xa9\r\n'
    b'------WebKitFormBoundary7MA4YWxkTrZu0gW3\r\nContent-Disposition: form-data; name="file"; '
    b'filename="C%22D 100%.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\x00\r\n'
    b'------WebKitFormBoundary7MA4YWxkTrZu0gW3\r\nContent-Disposition: form-data; name="other"; filename=""\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW3--\r\n"
)
FIREFOX = (
    b'-----------------------------9051914041544843365972754266\r\nContent-Disposition: form-data; name="text"\r\n\r\n'
    b"line\r\n--\r\n---------------------------905191404154484336597275426\r\n"
    b'-----------------------------9051914041544843365972754266\r\nContent-Disposition: form-data; name="file"; '
    b'filename="a.html"\r\nContent-Type: text/html\r\n\r\n<!DOCTYPE html>\n\r\n'
    b"-----------------------------9051914041544843365972754266--\r\n"
)
GECKO = (
    b"------geckoformboundary9c4643397d11fd00b52a7e9c9c5d74a1\r\nContent-Disposition: form-data; "
    b'name="MAX_FILE_SIZE"\r\n\r\n100000\r\n------geckoformboundary9c4643397d11fd00b52a7e9c9c5d74a1--\r\n'
)
INTERNET_EXPLORER = (
    b'-----------------------------7d91191b100d6\r\nContent-Disposition: form-data; name="f"; '
    b'filename="C:\\tmp\\new\\\xc3\xa9.txt"\r\nContent-Type: text/plain\r\n\r\nx\r\n'
    b"-----------------------------7d91191b100d6--\r\n"
)

BIN = "application/octet-stream"
TXT = "text/plain"
NAIVE = "na\xefve \xe9.bin"

# A field of the form with boundary B, from delimiter to the end of its content.
A = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
HEAD = b"--B\r\nContent-Disposition: %s\r\n\r\nx\r\n--B--\r\n"


def one(name, disposition, field, filename=None):
    """Return the case of a form whose only part has this Content-Disposition."""
    return name, (b"B", HEAD % disposition), [(field, filename, TXT, b"x")]


def bad(name, disposition):
    """Return the case of a form that is refused for its part's Content-Disposition."""
    return name, (b"B", HEAD % disposition), 400


def content(name, data, boundary=b"B"):
    """Return the case of a form of one field with this content."""
    head = b'--%s\r\nContent-Disposition: form-data; name="a"\r\n\r\n' % boundary
    return name, (boundary, head + data + b"\r\n--" + boundary + b"--\r\n"), [("a", None, TXT, data)]


def head_of(size):
    """Return a form whose head has `size` bytes, from behind the boundary to behind the empty line."""
    start = b'\r\nContent-Disposition: form-data; name="a"\r\nX: '
    return b"--B" + start + b"x" * (size - len(start) - 4) + b"\r\n\r\ncontent\r\n--B--"


FORMS = [
    (
        "curl",
        (b"------------------------ddd152345ecb448c", CURL),
        [
            ("title", None, TXT, b"Gr\xc3\xbc\xc3\x9fe"),
            ("f", 'a"b\\c.txt', TXT, b"hello\r\n"),
            ("g", NAIVE, BIN, b"\x00\xff\r\n--x"),
            ("e", "empty.txt", TXT, b""),
            ("none", None, TXT, b""),
        ],
    ),
    ("curl_without_a_name", (b"------------------------ddd152345ecb448c", CURL_NO_NAME), 400),
    (
        "curl_with_backslashes",
        (b"------------------------2c4194d54b672979", CURL_BACKSLASHES),
        [('ti"tle', None, TXT, b"x"), ("f", 'a"b\\c.txt', TXT, b"hello\r\n")],
    ),
    (
        "requests",
        (b"028bec8fe9866f8c35836b140299aa5a", REQUESTS),
        [
            ("title", None, TXT, b"Gr\xc3\xbc\xc3\x9fe"),
            ('q"k\r\n', None, TXT, b""),
            ("f", 'a"b\\c.txt', TXT, b"hello\r\n"),
            ("g", NAIVE, BIN, b"\x00\xff\r\n--x"),
        ],
    ),
    (
        "httpx",
        (b"bfbf02c4f3531b00ed02833d64e6743a", HTTPX),
        [
            ("title", None, TXT, b"Gr\xc3\xbc\xc3\x9fe"),
            ('q"k\r\n', None, TXT, b""),
            ("f", 'a"b\\c.txt', TXT, b"hello\r\n"),
        ],
    ),
    (
        # It escapes more than the standard says; to undo that would spoil what a browser means by "100%41".
        "aiohttp",
        (b"67c5a1dd40a943cea8980f64de127387", AIOHTTP),
        [
            ("title", None, "text/plain; charset=utf-8", b"Gr\xc3\xbc\xc3\x9fe"),
            ("g", "na%C3%AFve%20%C3%A9.bin", BIN, b"\x00\xff\r\n--x"),
        ],
    ),
    (
        "node",
        (b"----formdata-undici-003493833507", NODE),
        [
            ("title", None, TXT, b"Gr\xc3\xbc\xc3\x9fe\r\nzwei"),
            ('q"k\r\n%', None, TXT, b""),
            ("f", 'a"b\\c\n.txt', TXT, b"hello\r\n"),
            ("none", None, BIN, b""),
        ],
    ),
    ("node_without_fields", (b"----formdata-undici-035880466620", b"------formdata-undici-035880466620--\r\n"), []),
    (
        "chrome",
        (b"----WebKitFormBoundary7MA4YWxkTrZu0gW3", CHROME),
        [
            ("ssid", None, TXT, b"Caf\xc3\xa9"),
            ("file", 'C"D 100%.png', "image/png", b"\x89PNG\r\n\x1a\n\x00"),
            ("other", "", BIN, b""),
        ],
    ),
    (
        "firefox",
        (b"---------------------------9051914041544843365972754266", FIREFOX),
        [
            ("text", None, TXT, b"line\r\n--\r\n---------------------------905191404154484336597275426"),
            ("file", "a.html", "text/html", b"<!DOCTYPE html>\n"),
        ],
    ),
    (
        "firefox_since_135",
        (b"----geckoformboundary9c4643397d11fd00b52a7e9c9c5d74a1", GECKO),
        [("MAX_FILE_SIZE", None, TXT, b"100000")],
    ),
    (
        "internet_explorer_path",
        (b"---------------------------7d91191b100d6", INTERNET_EXPLORER),
        [("f", "C:\\tmp\\new\\\xe9.txt", TXT, b"x")],
    ),
    # RFC 2046 5.1.1: where delimiters are.
    ("preamble", (b"B", b"This is MIME.\r\n--A\r\n--\r\n\r\n" + A + b"1\r\n--B--"), [("a", None, TXT, b"1")]),
    ("preamble_is_no_part", (b"B", b"x--B\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--B--"), []),
    ("crlf_first", (b"B", b"\r\n" + A + b"1\r\n--B--"), [("a", None, TXT, b"1")]),
    ("no_final_crlf", (b"B", A + b"1\r\n--B--"), [("a", None, TXT, b"1")]),
    ("padding", (b"B", b"--B \t \r\n" + A[5:] + b"1\r\n--B--  \t\r\n"), [("a", None, TXT, b"1")]),
    ("no_content_no_crlf", (b"B", A + b"--B--\r\n"), [("a", None, TXT, b"")]),
    ("no_content_twice", (b"B", A + A + b"\r\n--B--\r\n"), [("a", None, TXT, b"")] * 2),
    content("content_begins_like_boundary", b"--C"),
    content("content_begins_with_dash", b"-"),
    content("content_ends_with_dashes", b"x\r\n--"),
    content("content_crlf", b"\r\n"),
    content("content_crlfs", b"\r\n\r\n\r\n"),
    content("content_cr", b"\r"),
    content("content_crs", b"\r\r\r\n\r\r"),
    content("content_lf", b"\n\r\n\r"),
    content("content_lf_delimiter", b"x\n--B\ny\r--B\r\n-B\r\n--b--"),
    content("content_all_bytes", bytes(range(256))),
    content("content_half_delimiters", b"\r\n--bo\r\n--boun\r\r\n--bound\r\n\r\n--\r\n-\r\n-boundar", b"boundary"),
    content("content_nested", b"--Inner\r\nContent-Type: text/plain\r\n\r\nx\r\n--Inner--\r\n", b"Outer"),
    content("boundary_is_prefix_of_content", b"x\r\n--A\r\n--AB\r\n--ABCD", b"ABCDE"),
    content("boundary_of_dashes", b"\r\n---\r\n-----\r\n------", b"-----"),
    content("boundary_repeats", b"\r\n--ababab\r\n--ab\r\n--abababa", b"abababab"),
    content("boundary_longest", b"\r\n--" + b"x" * 69 + b"y" * 80, b"x" * 70),
    content("content_longer_than_a_step", bytes(range(255, -1, -1)) * 3),
    ("line_only_begins_like_boundary", (b"B", A + b"x\r\n--Boo\r\ny\r\n\r\n--B--\r\n"), 400),
    ("line_has_more_than_boundary", (b"B", A + b"x\r\n--B y\r\n" + A[5:] + b"\r\n--B--\r\n"), 400),
    ("one_dash_is_no_end", (b"B", A + b"x\r\n--B-\r\n" + A[5:] + b"\r\n--B--\r\n"), 400),
    ("no_end", (b"B", A + b"x"), 400),
    ("no_end_in_delimiter", (b"B", A + b"x\r\n--B"), 400),
    ("no_end_in_close_delimiter", (b"B", A + b"x\r\n--B-"), 400),
    ("no_end_in_head", (b"B", A[:20]), 400),
    ("empty", (b"B", b""), 400),
    ("other_boundary", (b"C", A + b"x\r\n--B--\r\n"), 400),
    ("lf_only", (b"B", b'--B\nContent-Disposition: form-data; name="a"\n\nx\n--B--\n'), 400),
    ("lf_in_head", (b"B", b'--B\r\nContent-Disposition: form-data; name="a"\nX: y\r\n\r\nx\r\n--B--\r\n'), 400),
    # Heads.
    ("head_of_1024", (b"B", head_of(1024)), [("a", None, TXT, b"content")]),
    ("head_of_1025", (b"B", head_of(1025)), 413),
    ("head_without_end", (b"B", b"--B\r\nX: " + b"x" * 1024 + A), 413),
    ("padding_without_end", (b"B", b"--B" + b" " * 2000), 413),
    ("parts_32", (b"B", (A + b"1\r\n") * 32 + b"--B--"), [("a", None, TXT, b"1")] * 32),
    ("parts_33", (b"B", (A + b"1\r\n") * 33 + b"--B--"), 413),
    ("empty_head", (b"B", b"--B\r\n\r\nx\r\n--B--"), 400),
    ("no_disposition", (b"B", b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n--B--"), 400),
    ("disposition_twice", (b"B", A[:-2] + A[5:] + b"x\r\n--B--"), 400),
    ("folded_field", (b"B", b'--B\r\nContent-Disposition: form-data;\r\n name="a"\r\n\r\nx\r\n--B--'), 400),
    ("folded_field_with_colon", (b"B", A[:-2] + b' filename="C:"\r\n\r\nx\r\n--B--'), 400),
    ("space_before_colon", (b"B", b'--B\r\nContent-Disposition : form-data; name="a"\r\n\r\nx\r\n--B--'), 400),
    ("no_colon", (b"B", A[:-2] + b"junk\r\n\r\nx\r\n--B--"), 400),
    ("nul_in_head", (b"B", A[:-2] + b"X: \0\r\n\r\nx\r\n--B--"), 400),
    ("cr_in_head", (b"B", A[:-2] + b"X: \r\r\n\r\nx\r\n--B--"), 400),
    ("other_fields_are_ignored", (b"B", A[:-2] + b"X:\r\nContent-ID: 9\r\n\r\nx\r\n--B--"), [("a", None, TXT, b"x")]),
    ("other_fields_twice", (b"B", A[:-2] + b"X: 1\r\nX: 2\r\n\r\nx\r\n--B--"), [("a", None, TXT, b"x")]),
    ("type_twice", (b"B", A[:-2] + b"Content-Type: a/b\r\n" * 2 + b"\r\nx\r\n--B--"), 400),
    ("cases", (b"B", b'--B\r\ncontent-DISPOSITION:Form-Data;NAME="a"\r\n\r\nx\r\n--B--'), [("a", None, TXT, b"x")]),
    ("content_type_latin_1", (b"B", A[:-2] + b"Content-Type: \xff\r\n\r\nx\r\n--B--"), 400),
    # RFC 7578 4.7
    ("transfer_8bit", (b"B", A[:-2] + b"Content-Transfer-Encoding: 8Bit\r\n\r\nx\r\n--B--"), [("a", None, TXT, b"x")]),
    ("transfer_base64", (b"B", A[:-2] + b"Content-Transfer-Encoding: base64\r\n\r\neA==\r\n--B--"), 415),
    # Content-Disposition
    one("name_empty", b'form-data; name=""', ""),
    one("name_token", b"form-data; name=a; filename=b.c", "a", "b.c"),
    one("name_with_delimiters", b'form-data; name="a;b=c, filename=d"', "a;b=c, filename=d"),
    one("name_utf_8", b'form-data; name="\xe2\x82\xac"', "\u20ac"),
    one("name_escaped", b'form-data; name="%22%0D%0A%0d%41%%"', '"\r\n%0d%41%%'),
    one("name_backslashes", b'form-data; name="\\\\\\"\\a\\\\"', '\\"\\a\\'),
    one("spaces", b'form-data ; \t name = "a" ; filename = "b" ;', "a", "b"),
    one("other_parameters", b'form-data; size=3; name="a"; x="name=b"', "a"),
    one("filename_first", b'form-data; filename="b"; name="a"', "a", "b"),
    one("filename_path", b'form-data; name="a"; filename="../../b\\c"', "a", "../../b\\c"),
    one("filename_extended", b"form-data; name=a; filename*=UTF-8''%e2%82%ac%20a%2522", "a", "\u20ac a%22"),
    one("filename_of_a_language", b"form-data; name=a; filename*=UTF-8'en-GB'a'b%20c", "a", "a'b c"),
    bad("filename_extended_without_quotes", b"form-data; name=a; filename*=utf-8b"),
    bad("filename_extended_with_one_quote", b"form-data; name=a; filename*=utf-8'b"),
    one("filename_both", b"form-data; name=a; filename=EUR; filename*=utf-8''%E2%82%AC", "a", "\u20ac"),
    one("filename_both_reversed", b"form-data; name=a; filename*=utf-8''%E2%82%AC; filename=EUR", "a", "\u20ac"),
    bad("filename_extended_latin_1", b"form-data; name=a; filename*=iso-8859-1''%a3"),
    bad("filename_extended_bad_escape", b"form-data; name=a; filename*=utf-8''%4"),
    bad("filename_extended_not_utf_8", b"form-data; name=a; filename*=utf-8''%ff"),
    bad("filename_extended_twice", b"form-data; name=a; filename*=utf-8''a; filename*=utf-8''b"),
    bad("name_missing", b"form-data"),
    bad("name_missing_but_filename", b'form-data; filename="x"'),
    bad("name_twice", b'form-data; name="a"; Name="b"'),
    bad("name_not_utf_8", b'form-data; name="\xff"'),
    bad("name_surrogate", b'form-data; name="\xed\xa0\x80"'),
    bad("name_unterminated", b'form-data; name="a'),
    bad("name_ends_with_escaped_quote", b'form-data; name="a\\"'),
    bad("name_quote_inside", b'form-data; name="a"b"'),
    bad("name_quote_inside_token", b'form-data; name=a"b'),
    bad("name_quoted_and_more", b'form-data; name="a" b'),
    bad("name_empty_quotes_and_more", b'form-data; name=""a'),
    bad("name_token_and_quotes", b'form-data; name=a""'),
    bad("parameter_without_value", b'form-data; x; name="a"'),
    bad("parameter_without_semicolon", b'form-data; name="a" filename="b"'),
    bad("parameter_is_no_token", b'form-data; x y="z"; name="a"'),
    bad("attachment", b'attachment; name="a"'),
    bad("disposition_empty", b""),
]

BOUNDARIES = [
    ("token", "multipart/form-data; boundary=----WebKitFormBoundary7MA4", b"----WebKitFormBoundary7MA4"),
    ("case", "Multipart/Form-Data; BOUNDARY=aB", b"aB"),
    ("quoted", 'multipart/form-data; boundary="a b:c"', b"a b:c"),
    ("other_parameters", 'multipart/form-data; charset=utf-8; boundary=x; y="boundary=z"', b"x"),
    ("no_space", "multipart/form-data;boundary=x;", b"x"),
    ("every_character", 'multipart/form-data; boundary="09azAZ\'()+_,-./:=?"', b"09azAZ'()+_,-./:=?"),
    ("unquoted_equals", "multipart/form-data; boundary====1==", b"===1=="),
    ("longest", "multipart/form-data; boundary=" + "x" * 70, b"x" * 70),
    ("too_long", "multipart/form-data; boundary=" + "x" * 71, 400),
    ("empty", "multipart/form-data; boundary=", 400),
    ("empty_quoted", 'multipart/form-data; boundary=""', 400),
    ("missing", "multipart/form-data", 400),
    ("missing_but_semicolon", "multipart/form-data;", 400),
    ("ends_with_space", 'multipart/form-data; boundary="a "', 400),
    ("bad_character", "multipart/form-data; boundary=a*b", 400),
    ("percent", "multipart/form-data; boundary=a%22b", 400),
    ("not_ascii", "multipart/form-data; boundary=\xe9", 400),
    ("control", 'multipart/form-data; boundary="a\r\nb"', 400),
    ("escaped", 'multipart/form-data; boundary="a\\"b"', 400),
    ("unterminated", 'multipart/form-data; boundary="a', 400),
    ("twice", "multipart/form-data; boundary=a; boundary=b", 400),
    ("no_type", "", 415),
    ("none", None, 415),
    ("mixed", "multipart/mixed; boundary=x", 415),
    ("longer_type", "multipart/form-data-x; boundary=x", 415),
    ("urlencoded", "application/x-www-form-urlencoded", 415),
    ("other_type_with_bad_parameters", 'text/plain; x; y="', 415),
]

FILENAMES = [
    ("plain", "index.html", "index.html"),
    ("spaces_inside", "my  file.txt", "my  file.txt"),
    ("unix_path", "/etc/passwd", "passwd"),
    ("parents", "../../boot.py", "boot.py"),
    ("windows_path", "C:\\tmp\\a.txt", "a.txt"),
    ("mixed_path", "a/b\\c/d.txt", "d.txt"),
    ("folder", "a/", "file"),
    ("dot", ".", "file"),
    ("dots", "..", "file"),
    ("backslash_dots", "..\\..", "file"),
    ("empty", "", "file"),
    ("spaces", "   ", "file"),
    ("hidden", ".env", "env"),
    ("hidden_by_space", " . .env", "env"),
    ("trailing", "a.txt. . ", "a.txt"),
    ("reserved", 'a<b>c:d"e|f?g*h', "a_b_c_d_e_f_g_h"),
    ("reserved_only", "???", "___"),
    ("controls", "a\0b\r\n\x1f\x7fc", "a_b____c"),
    ("unicode", "\u20ac na\xefve.txt", "\u20ac na\xefve.txt"),
    ("device", "CON", "CON"),
    ("fits", "x" * 60 + ".txt", "x" * 60 + ".txt"),
    ("too_long", "x" * 61 + ".txt", "x" * 60 + ".txt"),
    ("too_long_without_extension", "x" * 65, "x" * 64),
    ("too_long_extension", "a." + "x" * 80, "a." + "x" * 62),
    ("long_stem_long_extension", "a" * 60 + "." + "x" * 10, "a" * 60 + ".xxx"),
    ("cut_at_character", "\u20ac" * 22 + ".txt", "\u20ac" * 20 + ".txt"),
    ("cut_at_character_alone", "a" + "\u20ac" * 22, "a" + "\u20ac" * 21),
    ("cut_before_space", "x" * 59 + " y.txt", "x" * 59 + ".txt"),
    ("cut_before_dots", "x" * 60 + ".... . ....y" + "z" * 20, "x" * 60),
    ("wide_extension", "\U0001f40c" * 20 + "." + "\U0001f40c" * 9, "\U0001f40c" * 6 + "." + "\U0001f40c" * 9),
    ("very_long", "x" * 1000 + ".html", "x" * 59 + ".html"),
]

CASES = (
    [("form_" + name, "form", argument, expected) for name, argument, expected in FORMS]
    + [("boundary_" + name, "boundary", argument, expected) for name, argument, expected in BOUNDARIES]
    + [("filename_" + name, "filename", argument, expected) for name, argument, expected in FILENAMES]
)


def parse(boundary, chunks):
    """Return the parts of a form that comes in `chunks`, or the status of the error it ends with.

    Each chunk is in the same buffer: what was handed out for the one before has become invalid.
    """
    form = forms.Multipart(boundary)
    parts = []
    data = None
    buffer = bytearray(max([len(chunk) for chunk in chunks] or [0]))
    try:
        for chunk in chunks:
            buffer[: len(chunk)] = chunk
            for event, value in form.feed(memoryview(buffer)[: len(chunk)]):
                if event == forms.PART:
                    assert data is None, "a part begins inside another one"
                    part = value
                    data = bytearray()
                elif event == forms.DATA:
                    assert len(value), "no data"
                    data += value
                else:
                    assert event == forms.END and value is None
                    parts.append((part.name, part.filename, part.content_type, bytes(data)))
                    data = None
        form.close()
        assert form.done and data is None
    except HTTPError as error:
        return error.status
    return parts


def splits(body):
    """Yield lists of chunks: whole, byte by byte, cut in two at every point or, where it is long, at some."""
    yield [body]
    yield [body[i : i + 1] for i in range(len(body))]
    for at in range(1, len(body), 1 if len(body) <= EVERY_SPLIT else 41):
        yield [body[:at], b"", body[at:]]


def same(got, expected, what):
    """Raise AssertionError where they differ."""
    if got != expected:
        raise AssertionError(f"{what}: got {got!r}, expected {expected!r}")


def check(case):
    """Raise AssertionError where the case does not hold."""
    _, function, argument, expected = case
    if function == "form":
        boundary, body = argument
        for chunks in splits(body):
            same(parse(boundary, chunks), expected, f"in chunks of {[len(chunk) for chunk in chunks]}")
        if type(expected) is list:
            same(parse(boundary, [body + EPILOGUE]), expected, "with an epilogue")
            same(parse(boundary, [body, EPILOGUE, EPILOGUE]), expected, "with an epilogue on its own")
        return
    try:
        got = forms.boundary_of(argument) if function == "boundary" else safe_filename(argument)
    except HTTPError as error:
        got = error.status
    same(got, expected, function)
