"""What is JSON and what is not: (name, text, expected).

`expected` is (value,) for a valid text, the position of the error for another, None for a number too great. ("deep",)
stands for a value too deep to be compared. Where there is a heap to lock, the native pass runs under
`micropython.heap_lock()`: it must not allocate.
"""

try:
    import micropython
except ImportError:
    micropython = None

from firmware.http import jsontext
from firmware.http.errors import HTTPError

_DEEP = jsontext.MAX_DEPTH

CASES = [
    # Values alone.
    ("null", b"null", (None,)),
    ("true", b"true", (True,)),
    ("false", b"false", (False,)),
    ("zero", b"0", (0,)),
    ("minus zero", b"-0", (0,)),
    ("digit", b"7", (7,)),
    ("digits", b"1234567890", (1234567890,)),
    ("negative", b"-42", (-42,)),
    ("beyond 31 bits", b"2147483648", (2147483648,)),
    ("beyond 64 bits", b"-18446744073709551617", (-18446744073709551617,)),
    ("fraction", b"0.5", (0.5,)),
    ("negative fraction", b"-2.25", (-2.25,)),
    ("fraction with zeros", b"10.50", (10.5,)),
    ("exponent", b"1e3", (1000.0,)),
    ("capital exponent", b"1E3", (1000.0,)),
    ("exponent with plus", b"25e+1", (250.0,)),
    ("exponent with minus", b"25e-2", (0.25,)),
    ("exponent with leading zeros", b"5e-01", (0.5,)),
    ("zero with exponent", b"0e7", (0.0,)),
    ("fraction and exponent", b"-0.125E+1", (-1.25,)),
    ("vanishing number", b"1e-999", (0.0,)),
    ("empty string", b'""', ("",)),
    ("string", b'"hello"', ("hello",)),
    ("string of what matters outside", b'"[]{},:\'/ true 1"', ("[]{},:'/ true 1",)),
    ("string with DEL", b'"\x7f"', ("\x7f",)),
    ("empty array", b"[]", ([],)),
    ("empty array with space", b"[ \r\n\t]", ([],)),
    ("empty object", b"{}", ({},)),
    ("empty object with space", b"{ \r\n\t}", ({},)),
    # Escapes.
    ("short escapes", b'"\\"\\\\\\/\\b\\f\\n\\r\\t"', ('"\\/\b\f\n\r\t',)),
    ("escaped NUL", b'"a\\u0000b"', ("a\0b",)),
    ("escaped letters", b'"\\u0041\\u00e4\\u00E4\\u20ac"', ("A\xe4\xe4\u20ac",)),
    ("every hex digit", b'"\\u1234\\u5678\\u9aBc\\uAbCd\\ueEfF"', ("\u1234\u5678\u9abc\uabcd\ueeff",)),
    ("around the surrogates", b'"\\ud7ff\\ue000\\uD000\\uffff"', ("\ud7ff\ue000\ud000\uffff",)),
    ("escaped backslash before u", b'"\\\\ud83d \\\\\\u0041"', ("\\ud83d \\A",)),
    ("pair", b'"\\ud83d\\ude00"', ("\U0001f600",)),
    ("pair in capitals", b'"\\uD83D\\uDE00"', ("\U0001f600",)),
    ("first pair", b'"\\ud800\\udc00"', ("\U00010000",)),
    ("last pair", b'"\\udbff\\udfff"', ("\U0010ffff",)),
    ("pairs among others", b'"a\\n\\ud83d\\ude00\\\\ud83d\\ud83d\\ude01z\\""', ('a\n\U0001f600\\ud83d\U0001f601z"',)),
    ("pair in a name", b'{"\\ud83d\\ude00": [1e1]}', ({"\U0001f600": [10.0]},)),
    ("pair behind an escaped backslash", b'"\\\\\\ud83d\\ude00"', ("\\\U0001f600",)),
    # Characters.
    ("two bytes", b'"\xc2\x80\xdf\xbf"', ("\x80\u07ff",)),
    ("three bytes", b'"\xe0\xa0\x80\xe1\x80\x80\xec\xbf\xbf"', ("\u0800\u1000\ucfff",)),
    ("behind the surrogates", b'"\xee\x80\x80\xef\xbf\xbf"', ("\ue000\uffff",)),
    ("before the surrogates", b'"\xed\x80\x80\xed\x9f\xbf"', ("\ud000\ud7ff",)),
    ("four bytes", b'"\xf0\x90\x80\x80\xf1\x80\x80\x80\xf3\xbf\xbf\xbf"', ("\U00010000\U00040000\U000fffff",)),
    ("last character", b'"\xf4\x8f\xbf\xbf"', ("\U0010ffff",)),
    ("mark of byte order inside", b'"\xef\xbb\xbf"', ("\ufeff",)),
    ("noncharacter", b'"\xef\xbf\xbe"', ("\ufffe",)),
    ("line separator", b'"\xe2\x80\xa8"', ("\u2028",)),
    ("non-ASCII name", b'{"\xc3\xa4": "\xf0\x9f\x98\x80"}', ({"\xe4": "\U0001f600"},)),
    # Containers.
    ("array", b"[1,2,3]", ([1, 2, 3],)),
    ("array of everything", b'[null,true,false,0,-1.5,"",[],{}]', ([None, True, False, 0, -1.5, "", [], {}],)),
    ("array of one", b"[[]]", ([[]],)),
    ("object", b'{"a":1}', ({"a": 1},)),
    ("object with empty name", b'{"":0}', ({"": 0},)),
    ("object of everything", b'{"a":null,"b":[{}],"c":{"d":"e"}}', ({"a": None, "b": [{}], "c": {"d": "e"}},)),
    ("object, last of equal names", b'{"a":1,"b":2,"a":3}', ({"a": 3, "b": 2},)),
    ("space everywhere", b'\t{ "a" :\n[ 1\r,\n"b" , { } ] , "c" : null } \r\n', ({"a": [1, "b", {}], "c": None},)),
    ("mixed ends", b'[{"a":[{"b":[]}]},[{}]]', ([{"a": [{"b": []}]}, [{}]],)),
    # Limits.
    ("deepest array", b"[" * _DEEP + b"]" * _DEEP, ("deep",)),
    ("deepest object", b'{"a":' * (_DEEP - 1) + b"{}" + b"}" * (_DEEP - 1), ("deep",)),
    ("deepest mixture", b'[{"a":' * (_DEEP // 2) + b"0" + b"}]" * (_DEEP // 2), ("deep",)),
    ("deepest mixture, object outside", b'{"a":[' * (_DEEP // 2) + b"0" + b"]}" * (_DEEP // 2), ("deep",)),
    ("deepest array twice", b"[" + (b"[" * (_DEEP - 1) + b"]" * (_DEEP - 1) + b",") * 2 + b"0]", ("deep",)),
    ("wide array", b"[" + b"[]," * 100 + b"{}]", ([[]] * 100 + [{}],)),
    ("too deep an array", b"[" * (_DEEP + 1) + b"]" * (_DEEP + 1), _DEEP),
    ("too deep an object", b'{"a":' * _DEEP + b"{}" + b"}" * _DEEP, 5 * _DEEP),
    ("too deep at the end", b"[" * (_DEEP + 1), _DEEP),
    ("bottomless", b"[" * 100000, _DEEP),
    ("bottomless objects", b'{"":' * 10000, 4 * _DEEP),
    ("deepest object, wrong end", b'{"a":[' * (_DEEP // 2) + b"0" + b"]]", 6 * (_DEEP // 2) + 2),
    ("long integer", b"9" * 300, (10**300 - 1,)),
    ("long negative integer", b"-" + b"1" * 299, (-(10**299 // 9),)),
    ("long fraction", b"0.5" + b"0" * 297, (0.5,)),
    ("too long an integer", b"9" * 301, 0),
    ("too long an integer inside", b"[" + b"1" * 301 + b"]", 1),
    ("much too long an integer", b"9" * 8000, 0),
    ("too long a fraction", b"[0, 0." + b"0" * 300 + b"]", 4),
    ("too long an exponent", b"1e" + b"0" * 300, 0),
    ("too long a number, then an error", b"1" * 301 + b"x", 0),
    ("infinity", b"1e999", None),
    ("negative infinity", b"-1e999", None),
    ("too long by its exponent", b"9" * 298 + b".0e9", 0),
    ("infinity inside", b'[{"a":[0,{"b":1E+999}]}]', None),
    ("infinity by digits and exponent", b"9" * 200 + b"e200", None),
    ("infinity behind finite ones", b"[1e1,2e2,3e400]", None),
    ("no infinity in a string", b'["1e999",1e1]', (["1e999", 10.0],)),
    # Nothing, or too little.
    ("nothing", b"", 0),
    ("space", b" ", 1),
    ("line end", b"\r\n", 2),
    ("half a word", b"tru", 3),
    ("half a false", b"fals", 4),
    ("half a null", b"n", 1),
    ("open string", b'"', 1),
    ("open string with text", b'"abc', 4),
    ("open string with backslash", b'"\\', 2),
    ("open string with escaped quote", b'"\\"', 3),
    ("open string with half an escape", b'"\\u12', 5),
    ("open string with half a character", b'"\xe2\x82', 3),
    ("open array", b"[", 1),
    ("open array with value", b"[1", 2),
    ("open array with comma", b"[1,", 3),
    ("open arrays", b"[[]", 3),
    ("open object", b"{", 1),
    ("open object with name", b'{"a"', 4),
    ("open object with colon", b'{"a":', 5),
    ("open object with value", b'{"a":1', 6),
    ("open object with comma", b'{"a":1,', 7),
    ("minus alone", b"-", 1),
    ("open fraction", b"1.", 2),
    ("open exponent", b"1e", 2),
    ("open exponent with sign", b"1e+", 3),
    # Too much.
    ("two values", b"1 2", 2),
    ("two strings", b'"a""b"', 3),
    ("two objects", b"{}{}", 2),
    ("two lines", b"{}\n{}", 3),
    ("comma behind", b"1,", 1),
    ("comma before", b",1", 0),
    ("bracket behind", b"[]]", 2),
    ("brace behind", b"{}}", 2),
    ("NUL behind", b"1\0", 1),
    ("semicolon behind", b"[];", 2),
    ("word and more", b"nullx", 4),
    ("word and digit", b"true1", 4),
    # Containers that are not.
    ("trailing comma", b"[1,]", 3),
    ("leading comma", b"[,1]", 1),
    ("two commas", b"[1,,2]", 3),
    ("comma alone", b"[,]", 1),
    ("missing comma", b"[1 2]", 3),
    ("missing comma between strings", b'["a" "b"]', 5),
    ("missing comma between arrays", b"[[][]]", 3),
    ("colon in array", b'["a":1]', 4),
    ("array closed by brace", b"[1}", 2),
    ("empty array closed by brace", b"[}", 1),
    ("object closed by bracket", b'{"a":1]', 6),
    ("empty object closed by bracket", b"{]", 1),
    ("crossed", b'[{"a":1]}', 7),
    ("closing alone", b"]", 0),
    ("closing brace alone", b"}", 0),
    ("object, trailing comma", b'{"a":1,}', 7),
    ("object, leading comma", b'{,"a":1}', 1),
    ("object, two commas", b'{"a":1,,"b":2}', 7),
    ("object, missing colon", b'{"a" 1}', 5),
    ("object, two colons", b'{"a"::1}', 5),
    ("object, comma for colon", b'{"a",1}', 4),
    ("object, missing value", b'{"a":}', 5),
    ("object, missing value and colon", b'{"a"}', 4),
    ("object, missing comma", b'{"a":1 "b":2}', 7),
    ("object, missing name", b"{:1}", 1),
    ("object, number as name", b"{1:1}", 1),
    ("object, word as name", b"{true:1}", 1),
    ("object, bare name", b"{a:1}", 1),
    ("object, second name a number", b'{"a":1,2:3}', 7),
    ("object, array as name", b"{[]:1}", 1),
    ("object, object as name", b"{{}:1}", 1),
    ("object, name in single quotes", b"{'a':1}", 1),
    ("object, value like a name", b'{"a":b}', 5),
    ("object, three parts", b'{"a":"b":"c"}', 8),
    # Numbers that are not.
    ("plus", b"+1", 0),
    ("leading zero", b"01", 1),
    ("two zeros", b"00", 1),
    ("leading zero, negative", b"-01", 2),
    ("leading zero before a fraction", b"00.5", 1),
    ("two minuses", b"--1", 1),
    ("minus and space", b"- 1", 1),
    ("minus and point", b"-.5", 1),
    ("minus and letter", b"-a", 1),
    ("no digit before the point", b".5", 0),
    ("no digit behind the point", b"[1.]", 3),
    ("no digit between point and exponent", b"1.e5", 2),
    ("no digit in the exponent", b"[1e]", 3),
    ("no digit behind the exponent's sign", b"[1e+]", 4),
    ("two signs", b"1e+-1", 3),
    ("two points", b"1.2.3", 3),
    ("fraction in the exponent", b"1e1.5", 3),
    ("two exponents", b"1e1e1", 3),
    ("minus inside", b"1-1", 1),
    ("minus behind", b"1-", 1),
    ("hexadecimal", b"0x1F", 1),
    ("octal", b"0o7", 1),
    ("separators", b"1_000", 1),
    ("space inside", b"[1 000]", 3),
    ("comma inside", b"1,5", 1),
    ("letter behind", b"12a", 2),
    ("suffix", b"1n", 1),
    ("full-width digit", b"\xef\xbc\x91", 0),
    ("not a number", b"NaN", 0),
    ("infinity by name", b"Infinity", 0),
    ("negative infinity by name", b"-Infinity", 1),
    ("NaN inside", b"[NaN]", 1),
    # Words that are not.
    ("capital", b"True", 0),
    ("capital inside", b"nUll", 1),
    ("None", b"None", 0),
    ("undefined", b"undefined", 0),
    ("nul", b"[nul]", 4),
    ("tru", b"[tru]", 4),
    ("falsy", b"falsy", 4),
    ("nil", b"nil", 1),
    ("word cut by NUL", b"tru\0", 3),
    ("no word", b"word", 0),
    # Strings that are not.
    ("single quotes", b"'a'", 0),
    ("line end inside", b'"a\nb"', 2),
    ("carriage return inside", b'"a\rb"', 2),
    ("tab inside", b'"a\tb"', 2),
    ("NUL inside", b'"a\0b"', 2),
    ("control character inside", b'"a\x1fb"', 2),
    ("control character in a name", b'{"a\x01":1}', 3),
    ("unknown escape", b'"\\a"', 2),
    ("escaped single quote", b'"\\\'"', 2),
    ("escaped digit", b'"\\0"', 2),
    ("escaped x", b'"\\x41"', 2),
    ("escaped v", b'"\\v"', 2),
    ("escaped capital", b'"\\N"', 2),
    ("escaped capital U", b'"\\U0041"', 2),
    ("escaped line end", b'"\\\n"', 2),
    ("escaped space", b'"\\ "', 2),
    ("escaped NUL byte", b'"\\\0"', 2),
    ("escaped non-ASCII", b'"\\\xc3\xa4"', 2),
    ("three hex digits", b'"\\u004"', 6),
    ("no hex digit", b'"\\uG000"', 3),
    ("no second hex digit", b'"\\u0g00"', 4),
    ("no third hex digit", b'"\\u00@0"', 5),
    ("no fourth hex digit", b'"\\u000`"', 6),
    ("space for a hex digit", b'"\\u00 0"', 5),
    ("slash for a hex digit", b'"\\u00/0"', 5),
    ("colon for a hex digit", b'"\\u00:0"', 5),
    ("control for a hex digit", b'"\\u00\x110"', 5),
    ("non-ASCII for a hex digit", b'"\\u00\xc3\xa9"', 5),
    ("braces for hex digits", b'"\\u{41}"', 3),
    ("lone high surrogate", b'"\\ud83d"', 1),
    ("lone low surrogate", b'"\\ude00"', 1),
    ("lone high surrogate, then text", b'"a\\ud83dxxxxxx"', 2),
    ("lone high surrogate, then an escape", b'"\\ud83d\\n\\u0041"', 1),
    ("lone high surrogate, then another letter", b'"\\ud83d\\u0041"', 1),
    ("two high surrogates", b'"\\ud83d\\ud83d"', 1),
    ("two high surrogates, one low", b'"\\ud83d\\ud83d\\ude00"', 1),
    ("pair the wrong way round", b'"\\ude00\\ud83d"', 1),
    ("two low surrogates", b'"\\ud83d\\ude00\\ude00"', 13),
    ("pair in two strings", b'["\\ud83d","\\ude00"]', 2),
    ("high surrogate, escaped backslash", b'"\\ud83d\\\\ude00"', 1),
    ("lone surrogate in a name", b'{"\\udfff":1}', 2),
    ("high surrogate, half an escape", b'"\\ud83d\\ude"', 11),
    # Not UTF-8.
    ("continuation alone", b'"\x80"', 1),
    ("last continuation alone", b'"\xbf"', 1),
    ("continuation too many", b'"\xc3\xa4\xa4"', 3),
    ("continuation missing", b'"\xc3"', 2),
    ("second continuation missing", b'"\xe2\x82"', 3),
    ("third continuation missing", b'"\xf0\x9f\x98"', 4),
    ("lead for a continuation", b'"\xe2\xc3\xa4"', 2),
    ("Latin-1", b'"\xe4 "', 2),
    ("overlong slash", b'"\xc0\xaf"', 1),
    ("overlong NUL", b'"\xc0\x80"', 1),
    ("overlong letter", b'"\xc1\x81"', 1),
    ("overlong in three", b'"\xe0\x9f\xbf"', 2),
    ("overlong in four", b'"\xf0\x8f\xbf\xbf"', 2),
    ("surrogate in bytes", b'"\xed\xa0\x80"', 2),
    ("pair in bytes", b'"\xed\xa0\xbd\xed\xb8\x80"', 2),
    ("last surrogate in bytes", b'"\xed\xbf\xbf"', 2),
    ("beyond the last character", b'"\xf4\x90\x80\x80"', 2),
    ("lead F5", b'"\xf5\x80\x80\x80"', 1),
    ("lead F8", b'"\xf8\x88\x80\x80\x80"', 1),
    ("lead FE", b'"\xfe"', 1),
    ("lead FF", b'"\xff"', 1),
    ("not UTF-8 in a name", b'{"\xff":1}', 2),
    ("not UTF-8 outside", b"\xff", 0),
    ("continuation outside", b"\x80", 0),
    ("non-ASCII outside", b"[\xc3\xa4]", 1),
    # What is no space, and other dialects.
    ("mark of byte order", b"\xef\xbb\xbf{}", 0),
    ("UTF-16", b'\xff\xfe"\0a\0"\0', 0),
    ("UTF-16 without mark", b"1\0", 1),
    ("form feed", b"[\x0c]", 1),
    ("vertical tab", b"\x0b1", 0),
    ("no-break space", b"\xc2\xa01", 0),
    ("zero-width space", b"[\xe2\x80\x8b]", 1),
    ("DEL outside", b"[\x7f]", 1),
    ("comment", b"[1,/* 2 */3]", 3),
    ("line comment", b"1 // one", 2),
    ("hash comment", b"# one\n1", 0),
    ("parentheses", b"(1)", 0),
    ("angle brackets", b"<a/>", 0),
    ("backslash outside", b"[\\n]", 1),
    ("escaped name outside", b'\\"a"', 0),
    ("tuple", b'("a",)', 0),
    ("star", b"[*]", 1),
    ("equals sign", b'{"a"=1}', 4),
    ("form", b"a=1&b=2", 0),
    ("prefix against hijacking", b")]}',\n{}", 0),
]

# In plain Python a run of all cases would take long if every text were cut everywhere.
_MAX_CUT = 120


def check(case):
    """Raise AssertionError unless the case holds."""
    _, text, expected = case
    if type(expected) is not tuple:
        _expect_error(text, expected)
        _expect_error(bytearray(text), expected)
        return
    value = expected[0]
    _expect(text, value)
    _expect(bytearray(text), value)
    _expect(b" \t\r\n" + text + b"\n ", value)
    if value != "deep":
        _expect(b"[" + text + b",0]", [value, 0])
        _expect(b'{"a":' + text + b"}", {"a": value})
    # What ends by itself is not valid before its end.
    if text[:1] in (b"[", b"{", b'"', b"t", b"f", b"n") and len(text) < _MAX_CUT:
        for at in range(len(text)):
            assert _check(text[:at]) < 0, "accepted up to %d" % at


def _expect(text, value):
    found = _check(text)
    assert found >= 0, "refused: %d" % found
    got = jsontext.loads(text)
    if value != "deep":
        assert _same(got, value), "got %r, not %r" % (got, value)


def _same(one, other):
    # Strings by their bytes: an interpreter might hold what is no UTF-8.
    if type(one) is str:
        return type(other) is str and one.encode() == other.encode()
    return type(one) is type(other) and one == other


def _expect_error(text, at):
    try:
        got = jsontext.loads(text)
    except HTTPError as error:
        assert error.status == 400, error.status
        detail = error.detail
        if at is None:
            assert detail == "The body's JSON has too great a number.", detail
        else:
            assert detail.endswith(" at byte %d." % at), "got %r, not %d" % (detail, at)
            assert ("it ends too early" in detail) == (at == len(text)), detail
        return
    raise AssertionError("got %r, not an error" % (got,))


def _check(text):
    lock = getattr(micropython, "heap_lock", None)
    length = len(text)
    if not lock:
        return jsontext.check(text, 0, length)
    lock()
    try:
        found = jsontext.check(text, 0, length)
    finally:
        micropython.heap_unlock()
    return found
