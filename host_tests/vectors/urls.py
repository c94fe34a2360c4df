"""Percent-decoding, paths and query strings, under either interpreter: (name, function, arguments, expected).

`expected` is what comes back, or the status of the HTTPError that is raised, as (ERROR, status).
"""

from firmware.http import escapes, query, urls
from firmware.http.errors import HTTPError

ERROR = "HTTPError"
BAD = (ERROR, 400)


def pairs(raw):
    """Return the pairs of a query."""
    return list(query.parse_query(raw).items())


def first(raw, name):
    """Return args[name]."""
    return query.parse_query(raw)[name]


def get(raw, *arguments):
    """Return args.get(...)."""
    return query.parse_query(raw).get(*arguments)


def get_all(raw, name):
    """Return args.get_all(name)."""
    return query.parse_query(raw).get_all(name)


def shape(raw, name):
    """Return (whether `name` is there, how many pairs, the names)."""
    args = query.parse_query(raw)
    return name in args, len(args), list(args)


def tenth(text):
    """Convert as a user's own function does."""
    if not text:
        raise ValueError("empty")
    return float(text) / 10


FUNCTIONS = {
    "unquote": escapes.unquote,
    "decode_text": urls.decode_text,
    "decode_path": urls.decode_path,
    "safe_path": urls.safe_path,
    "quote": escapes.quote,
    "query": pairs,
    "first": first,
    "get": get,
    "get_all": get_all,
    "shape": shape,
}

CASES = [
    # RFC 3986 2.1
    ("unquote nothing", "unquote", (b"",), b""),
    ("unquote plain", "unquote", (b"/a/b.html",), b"/a/b.html"),
    ("unquote one", "unquote", (b"a%20b",), b"a b"),
    ("unquote lower and upper digits", "unquote", (b"%2f%2F%aB",), b"//\xab"),
    ("unquote whole", "unquote", (b"%41",), b"A"),
    ("unquote neighbours", "unquote", (b"%41%42C%43",), b"ABCC"),
    ("unquote at the ends", "unquote", (b"%41-%42",), b"A-B"),
    ("unquote zero", "unquote", (b"%00",), b"\0"),
    ("unquote keeps plus", "unquote", (b"a+b",), b"a+b"),
    ("unquote once", "unquote", (b"%2541",), b"%41"),
    ("unquote percent", "unquote", (b"100%25",), b"100%"),
    ("unquote no digits", "unquote", (b"%",), BAD),
    ("unquote no digits behind text", "unquote", (b"100%",), BAD),
    ("unquote one digit", "unquote", (b"%4",), BAD),
    ("unquote not digits", "unquote", (b"%zz",), BAD),
    ("unquote second not a digit", "unquote", (b"%4g",), BAD),
    ("unquote sign", "unquote", (b"%+4",), BAD),
    ("unquote minus", "unquote", (b"%-1",), BAD),
    ("unquote space in front", "unquote", (b"% 4",), BAD),
    ("unquote space behind", "unquote", (b"%4 ",), BAD),
    ("unquote two spaces", "unquote", (b"%  a",), BAD),
    ("unquote white space", "unquote", (b"%\t a",), BAD),
    ("unquote one white space", "unquote", (b"%\n",), BAD),
    ("unquote underscore", "unquote", (b"%4_1",), BAD),
    ("unquote prefix", "unquote", (b"%0x41",), BAD),
    ("unquote percent behind percent", "unquote", (b"%%41",), BAD),
    ("unquote digit then percent", "unquote", (b"%4%41",), BAD),
    ("unquote unicode escape", "unquote", (b"%u0041",), BAD),
    ("unquote bad behind good", "unquote", (b"%41%4",), BAD),
    ("unquote digits beyond ascii", "unquote", (b"%\xd9\xa1",), BAD),
    # RFC 3629
    ("text nothing", "decode_text", (b"",), ""),
    ("text of ascii", "decode_text", (b"a~\x7f\0",), "a~\x7f\0"),
    ("text of two bytes", "decode_text", (b"\xc3\xa9",), "\u00e9"),
    ("text of three bytes", "decode_text", (b"\xe2\x82\xac",), "\u20ac"),
    ("text of four bytes", "decode_text", (b"\xf0\x9f\x90\x9a",), "\U0001f41a"),
    ("text of all", "decode_text", (b"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9az",), "a\u00e9\u20ac\U0001f41az"),
    ("text first of two", "decode_text", (b"\xc2\x80",), "\x80"),
    ("text last of two", "decode_text", (b"\xdf\xbf",), "\u07ff"),
    ("text first of three", "decode_text", (b"\xe0\xa0\x80",), "\u0800"),
    ("text last below surrogates", "decode_text", (b"\xed\x9f\xbf",), "\ud7ff"),
    ("text first above surrogates", "decode_text", (b"\xee\x80\x80",), "\ue000"),
    ("text last of three", "decode_text", (b"\xef\xbf\xbf",), "\uffff"),
    ("text first of four", "decode_text", (b"\xf0\x90\x80\x80",), "\U00010000"),
    ("text last", "decode_text", (b"\xf4\x8f\xbf\xbf",), "\U0010ffff"),
    ("text byte order mark stays", "decode_text", (b"\xef\xbb\xbfa",), "\ufeffa"),
    ("text latin-1", "decode_text", (b"caf\xe9",), BAD),
    ("text stray continuation", "decode_text", (b"\x80",), BAD),
    ("text stray continuation behind", "decode_text", (b"\xc3\xa9\xa9",), BAD),
    ("text cut in two", "decode_text", (b"a\xc3",), BAD),
    ("text cut in three", "decode_text", (b"\xe2\x82",), BAD),
    ("text cut in four", "decode_text", (b"\xf0\x9f\x90",), BAD),
    ("text cut inside", "decode_text", (b"\xe2\x82a",), BAD),
    ("text overlong slash", "decode_text", (b"\xc0\xaf",), BAD),
    ("text overlong slash among others", "decode_text", (b"..\xc0\xaf..",), BAD),
    ("text overlong dot of three", "decode_text", (b"\xe0\x80\xae",), BAD),
    ("text overlong dot of four", "decode_text", (b"\xf0\x80\x80\xae",), BAD),
    ("text overlong nul", "decode_text", (b"\xc0\x80",), BAD),
    ("text overlong c1", "decode_text", (b"\xc1\xbf",), BAD),
    ("text overlong e0", "decode_text", (b"\xe0\x9f\xbf",), BAD),
    ("text overlong f0", "decode_text", (b"\xf0\x8f\xbf\xbf",), BAD),
    ("text first surrogate", "decode_text", (b"\xed\xa0\x80",), BAD),
    ("text last surrogate", "decode_text", (b"\xed\xbf\xbf",), BAD),
    ("text surrogate pair", "decode_text", (b"\xed\xa0\xbd\xed\xb0\x9a",), BAD),
    ("text beyond", "decode_text", (b"\xf4\x90\x80\x80",), BAD),
    ("text far beyond", "decode_text", (b"\xf7\xbf\xbf\xbf",), BAD),
    ("text of five", "decode_text", (b"\xf8\x88\x80\x80\x80",), BAD),
    ("text of six", "decode_text", (b"\xfc\x84\x80\x80\x80\x80",), BAD),
    ("text fe", "decode_text", (b"\xfe",), BAD),
    ("text ff", "decode_text", (b"\xff\xff",), BAD),
    # paths
    ("path root", "decode_path", (b"/",), "/"),
    ("path plain", "decode_path", (b"/index.html",), "/index.html"),
    ("path space", "decode_path", (b"/my%20page",), "/my page"),
    ("path plus stays", "decode_path", (b"/a+b",), "/a+b"),
    ("path utf-8", "decode_path", (b"/caf%C3%A9",), "/caf\u00e9"),
    ("path raw utf-8", "decode_path", (b"/caf\xc3\xa9",), "/caf\u00e9"),
    ("path once", "decode_path", (b"/%252e%252e/",), "/%2e%2e/"),
    ("path dots", "decode_path", (b"/%2e%2E/%2e",), "/../."),
    ("path slash", "decode_path", (b"/a%2Fb",), "/a/b"),
    ("path question mark", "decode_path", (b"/a%3Fb",), "/a?b"),
    ("path bad escape", "decode_path", (b"/%zz",), BAD),
    ("path latin-1", "decode_path", (b"/caf%E9",), BAD),
    ("path overlong", "decode_path", (b"/..%c0%af",), BAD),
    ("path surrogate", "decode_path", (b"/%ED%A0%80",), BAD),
    ("path nul", "decode_path", (b"/index.html%00.png",), BAD),
    ("path raw nul", "decode_path", (b"/\0",), BAD),
    ("path line feed", "decode_path", (b"/a%0Ab",), BAD),
    ("path return", "decode_path", (b"/a%0d",), BAD),
    ("path tab", "decode_path", (b"/%09",), BAD),
    ("path last control", "decode_path", (b"/%1F",), BAD),
    ("path delete", "decode_path", (b"/%7f",), BAD),
    # below a static mount
    ("safe folder itself", "safe_path", ("",), ""),
    ("safe file", "safe_path", ("index.html",), "index.html"),
    ("safe below", "safe_path", ("css/site.v2.css",), "css/site.v2.css"),
    ("safe folder", "safe_path", ("docs/",), "docs/"),
    ("safe folder below", "safe_path", ("docs/old/",), "docs/old/"),
    ("safe space", "safe_path", ("my page.html",), "my page.html"),
    ("safe unicode", "safe_path", ("caf\u00e9/\U0001f41a",), "caf\u00e9/\U0001f41a"),
    ("safe dots inside", "safe_path", ("a..b/c...",), "a..b/c..."),
    ("safe dot behind", "safe_path", ("a./b",), "a./b"),
    ("safe percent", "safe_path", ("%2e%2e/a",), "%2e%2e/a"),
    ("safe tilde", "safe_path", ("~root",), "~root"),
    ("safe parent", "safe_path", ("..",), None),
    ("safe parent in front", "safe_path", ("../secret",), None),
    ("safe parent inside", "safe_path", ("a/../b",), None),
    ("safe parent behind", "safe_path", ("a/..",), None),
    ("safe parent with slash", "safe_path", ("a/../",), None),
    ("safe here", "safe_path", (".",), None),
    ("safe here in front", "safe_path", ("./a",), None),
    ("safe here inside", "safe_path", ("a/./b",), None),
    ("safe here behind", "safe_path", ("a/.",), None),
    ("safe three dots", "safe_path", ("...",), None),
    ("safe hidden", "safe_path", (".git/config",), None),
    ("safe hidden below", "safe_path", ("a/.env",), None),
    ("safe absolute", "safe_path", ("/etc/passwd",), None),
    ("safe slash", "safe_path", ("/",), None),
    ("safe host", "safe_path", ("//host/share",), None),
    ("safe doubled slash", "safe_path", ("a//b",), None),
    ("safe doubled slash behind", "safe_path", ("a//",), None),
    ("safe backslash", "safe_path", ("..\\secret",), None),
    ("safe backslash inside", "safe_path", ("a\\b",), None),
    ("safe backslashes", "safe_path", ("\\\\host\\share",), None),
    ("safe drive", "safe_path", ("C:/secret",), None),
    ("safe drive relative", "safe_path", ("C:secret",), None),
    ("safe stream", "safe_path", ("a/index.html::$DATA",), None),
    ("safe nul", "safe_path", ("a\0",), None),
    ("safe line feed", "safe_path", ("a\nb",), None),
    ("safe last control", "safe_path", ("a\x1f",), None),
    ("safe delete", "safe_path", ("a\x7fb",), None),
    # Location
    ("quote nothing", "quote", ("",), ""),
    ("quote plain", "quote", ("/docs/A-z_0.9~",), "/docs/A-z_0.9~"),
    ("quote space", "quote", ("/a b",), "/a%20b"),
    ("quote percent", "quote", ("/100%",), "/100%25"),
    ("quote delimiters", "quote", ("/?#[]@:!$&'()*+,;=",), "/%3F%23%5B%5D%40%3A%21%24%26%27%28%29%2A%2B%2C%3B%3D"),
    ("quote others", "quote", ('"<>\\^`{|}',), "%22%3C%3E%5C%5E%60%7B%7C%7D"),
    ("quote lines", "quote", ("/\r\nSet-Cookie: a",), "/%0D%0ASet-Cookie%3A%20a"),
    ("quote ends of ascii", "quote", ("\0\x7f",), "%00%7F"),
    ("quote unicode", "quote", ("/caf\u00e9\U0001f41a",), "/caf%C3%A9%F0%9F%90%9A"),
    ("quote letter of latin-1 as byte", "quote", ("\u00aa\u0661",), "%C2%AA%D9%A1"),
    # WHATWG URL 5.1
    ("query nothing", "query", (b"",), []),
    ("query one", "query", (b"a=1",), [("a", "1")]),
    ("query order", "query", (b"b=2&a=1&c=3",), [("b", "2"), ("a", "1"), ("c", "3")]),
    ("query twice", "query", (b"a=1&b=2&a=3",), [("a", "1"), ("b", "2"), ("a", "3")]),
    ("query no value", "query", (b"a",), [("a", "")]),
    ("query no value in front", "query", (b"a&b=1",), [("a", ""), ("b", "1")]),
    ("query no value in front, escaped", "query", (b"a&b=%31",), [("a", ""), ("b", "1")]),
    ("query latin-1 not escaped", "query", (b"a=\xe9",), BAD),
    ("query empty value", "query", (b"a=",), [("a", "")]),
    ("query no name", "query", (b"=1",), [("", "1")]),
    ("query neither", "query", (b"=",), [("", "")]),
    ("query equals in value", "query", (b"a=b=c",), [("a", "b=c")]),
    ("query equals doubled", "query", (b"a==",), [("a", "=")]),
    ("query empty pairs", "query", (b"&&a=1&&b=2&",), [("a", "1"), ("b", "2")]),
    ("query only separators", "query", (b"&&&",), []),
    ("query semicolon", "query", (b"a=1;b=2",), [("a", "1;b=2")]),
    ("query question mark", "query", (b"?a=1",), [("?a", "1")]),
    ("query plus", "query", (b"a+b=c+d",), [("a b", "c d")]),
    ("query escaped plus", "query", (b"a=1%2B1",), [("a", "1+1")]),
    ("query escaped separators", "query", (b"a%3Db=c%26d",), [("a=b", "c&d")]),
    ("query once", "query", (b"a=%2526",), [("a", "%26")]),
    ("query utf-8", "query", (b"%C3%A9=%e2%82%ac",), [("\u00e9", "\u20ac")]),
    ("query raw utf-8", "query", (b"a=\xc3\xa9",), [("a", "\u00e9")]),
    ("query nul", "query", (b"a=%00",), [("a", "\0")]),
    ("query lines", "query", (b"a=1%0D%0A2",), [("a", "1\r\n2")]),
    ("query bad escape in name", "query", (b"%=1",), BAD),
    ("query bad escape in value", "query", (b"a=%zz",), BAD),
    ("query escape cut by separator", "query", (b"a=%4&b=1",), BAD),
    ("query escape of a plus", "query", (b"a=%+4",), BAD),
    ("query escape of two pluses", "query", (b"a=%++",), BAD),
    ("query latin-1", "query", (b"a=%E9",), BAD),
    ("query overlong", "query", (b"a=%C0%AF",), BAD),
    ("query character over two pairs", "query", (b"a=%C3&%A9=1",), BAD),
    ("query bad behind good", "query", (b"a=1&b=%",), BAD),
    ("query as many as may be", "query", (b"&".join([b"a=1"] * 64),), [("a", "1")] * 64),
    ("query as many and separators", "query", (b"&&".join([b"a=1"] * 64) + b"&",), [("a", "1")] * 64),
    ("query one more", "query", (b"&".join([b"a=1"] * 65),), BAD),
    ("query many separators", "query", (b"&" * 2000 + b"a",), [("a", "")]),
    # Args
    ("first of one", "first", (b"a=1", "a"), "1"),
    ("first of two", "first", (b"a=1&a=2", "a"), "1"),
    ("first empty", "first", (b"a", "a"), ""),
    ("first missing", "first", (b"a=1", "b"), BAD),
    ("first of none", "first", (b"", "a"), BAD),
    ("first in other case", "first", (b"A=1", "a"), BAD),
    ("get there", "get", (b"a=1&a=2", "a"), "1"),
    ("get missing", "get", (b"a=1", "b"), None),
    ("get default", "get", (b"a=1", "b", "x"), "x"),
    ("get default unused", "get", (b"a=", "a", "x"), ""),
    ("get default is not converted", "get", (b"", "a", "x", int), "x"),
    ("get default none with type", "get", (b"", "a", None, int), None),
    ("get int", "get", (b"n=42", "n", None, int), 42),
    ("get int zeros", "get", (b"n=007", "n", None, int), 7),
    ("get int negative", "get", (b"n=-42", "n", None, int), -42),
    ("get int minus zero", "get", (b"n=-0", "n", None, int), 0),
    ("get int longest", "get", (b"n=" + b"9" * 18, "n", None, int), 999999999999999999),
    ("get int longest negative", "get", (b"n=-" + b"9" * 18, "n", None, int), -999999999999999999),
    ("get int too long", "get", (b"n=1" + b"0" * 18, "n", None, int), BAD),
    ("get int too long zeros", "get", (b"n=" + b"0" * 19, "n", None, int), BAD),
    ("get int empty", "get", (b"n=", "n", 5, int), BAD),
    ("get int no value", "get", (b"n", "n", 5, int), BAD),
    ("get int minus", "get", (b"n=-", "n", 5, int), BAD),
    ("get int two minus", "get", (b"n=--1", "n", 5, int), BAD),
    ("get int plus", "get", (b"n=%2B5", "n", 5, int), BAD),
    ("get int space in front", "get", (b"n=+5", "n", 5, int), BAD),
    ("get int space behind", "get", (b"n=5+", "n", 5, int), BAD),
    ("get int space behind minus", "get", (b"n=-+5", "n", 5, int), BAD),
    ("get int line feed", "get", (b"n=5%0A", "n", 5, int), BAD),
    ("get int underscore", "get", (b"n=1_0", "n", 5, int), BAD),
    ("get int prefix", "get", (b"n=0x10", "n", 5, int), BAD),
    ("get int fraction", "get", (b"n=1.0", "n", 5, int), BAD),
    ("get int exponent", "get", (b"n=1e3", "n", 5, int), BAD),
    ("get int word", "get", (b"n=ten", "n", 5, int), BAD),
    ("get int arabic digits", "get", (b"n=%D9%A1", "n", 5, int), BAD),
    ("get int superscript", "get", (b"n=%C2%B2", "n", 5, int), BAD),
    ("get int of the first", "get", (b"n=1&n=x", "n", 5, int), 1),
    ("get own type", "get", (b"n=5", "n", None, tenth), 0.5),
    ("get own type failing", "get", (b"n=", "n", None, tenth), BAD),
    ("get float failing", "get", (b"n=x", "n", None, float), BAD),
    ("get str", "get", (b"n=x", "n", None, str), "x"),
    ("get all of none", "get_all", (b"a=1", "b"), []),
    ("get all of two", "get_all", (b"a=1&b=2&a=3&a", "a"), ["1", "3", ""]),
    ("shape of nothing", "shape", (b"", "a"), (False, 0, [])),
    ("shape of two", "shape", (b"b=1&a=2", "a"), (True, 2, ["b", "a"])),
    ("shape of a name twice", "shape", (b"a=1&b=2&a=3", "a"), (True, 3, ["a", "b", "a"])),
    ("shape counts names, not values", "shape", (b"a=b", "b"), (False, 1, ["a"])),
]


def check(case):
    """Raise AssertionError where the function does not do what the case says."""
    function, arguments, expected = case[1:]
    try:
        got = FUNCTIONS[function](*arguments)
    except HTTPError as error:
        got = (ERROR, error.status)
        assert error.detail[-1:] == ".", "no sentence: %r" % error.detail
    assert type(got) is type(expected) and got == expected, "got %r, expected %r" % (got, expected)
