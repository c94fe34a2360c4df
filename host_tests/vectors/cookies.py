"""Cookies, under either interpreter: (name, function, arguments, expected). `expected` is ERROR where it is refused."""

from firmware.http import cookies

ERROR = "ValueError"


def build(name, value, **options):
    """Return what `cookies.build` does, for options as a dict."""
    return cookies.build(name, value, **options)


FUNCTIONS = {"parse": cookies.parse, "get_all": cookies.get_all, "build": cookies.build}

CASES = [
    # RFC 6265 4.2.1 and 5.4: what browsers send
    ("one", "parse", (b"a=1",), [("a", "1")]),
    ("two", "parse", (b"SID=31d4d96e407aad42; lang=en-US",), [("SID", "31d4d96e407aad42"), ("lang", "en-US")]),
    ("no_field", "parse", (None,), []),
    ("empty", "parse", (b"",), []),
    ("only_separators", "parse", (b"; ;;\t;",), []),
    ("no_space_between", "parse", (b"a=1;b=2",), [("a", "1"), ("b", "2")]),
    ("white_space_around", "parse", (b" a \t=\t 1 ;\tb = 2",), [("a", "1"), ("b", "2")]),
    ("twice", "parse", (b"a=1; a=2",), [("a", "1"), ("a", "2")]),
    ("equals_in_value", "parse", (b"a=b=c==",), [("a", "b=c==")]),
    ("empty_value", "parse", (b"a=; b=",), [("a", ""), ("b", "")]),
    ("no_name", "parse", (b"=1; b=2",), [("b", "2")]),
    ("name_not_a_token", "parse", (b"a b=1; \xff=2; \xc3\xbc=3; a,b=4; c=5",), [("c", "5")]),
    ("no_equals", "parse", (b"a; b=2; c",), [("b", "2")]),
    ("quotes", "parse", (b'a="1 2"; b=""',), [("a", "1 2"), ("b", "")]),
    ("quote_alone", "parse", (b'a="; b="x; c=x"',), [("a", '"'), ("b", '"x'), ("c", 'x"')]),
    ("comma_is_no_separator", "parse", (b"a=1,b=2",), [("a", "1,b=2")]),
    ("names_have_their_case", "parse", (b"A=1; a=2",), [("A", "1"), ("a", "2")]),
    ("utf8", "parse", (b"a=gr\xc3\xbc\xc3\x9f",), [("a", "gr\xfc\xdf")]),
    ("not_utf8", "parse", (b"a=\xff\xfe",), [("a", "\xff\xfe")]),
    ("fifty", "parse", (b"a=1;" * 60,), [("a", "1")] * 50),
    ("fifty_with_empty", "parse", (b";" * 50 + b"a=1",), []),
    ("get_all_none", "get_all", (None, "a"), []),
    ("get_all_other", "get_all", (b"ab=1; b=2", "a"), []),
    ("get_all_one", "get_all", (b"b=2; a=1", "a"), ["1"]),
    ("get_all_two", "get_all", (b"a=1; b=2; a=3", "a"), ["1", "3"]),
    ("get_all_by_case", "get_all", (b"A=1; a=2", "a"), ["2"]),
    # RFC 6265 4.1.1
    ("plain", "build", ("a", "1", {}), "a=1; Path=/; HttpOnly; SameSite=Lax"),
    (
        "all",
        "build",
        ("__Secure-a", "1", {"max_age_s": 60, "path": "/x", "domain": "b.example", "secure": True, "http_only": False}),
        "__Secure-a=1; Path=/x; Domain=b.example; Max-Age=60; Secure; SameSite=Lax",
    ),
    (
        "host",
        "build",
        ("__Host-a", "1", {"secure": True, "same_site": "Strict"}),
        "__Host-a=1; Path=/; Secure; HttpOnly; SameSite=Strict",
    ),
    ("forget", "build", ("a", "", {"max_age_s": 0}), "a=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"),
    (
        "octets",
        "build",
        ("a", "!#$%&'()*+-./:<=>?@[]^_`{|}~", {"http_only": False}),
        "a=!#$%&'()*+-./:<=>?@[]^_`{|}~; Path=/; SameSite=Lax",
    ),
    ("name_empty", "build", ("", "1", {}), ERROR),
    ("name_with_equals", "build", ("a=b", "1", {}), ERROR),
    ("name_with_space", "build", ("a b", "1", {}), ERROR),
    ("name_with_line_end", "build", ("a\r\nX", "1", {}), ERROR),
    ("name_not_ascii", "build", ("\xe4", "1", {}), ERROR),
    ("value_with_semicolon", "build", ("a", "1; Domain=evil", {}), ERROR),
    ("value_with_line_end", "build", ("a", "1\r\nSet-Cookie: b=2", {}), ERROR),
    ("value_with_space", "build", ("a", "1 2", {}), ERROR),
    ("value_with_comma", "build", ("a", "1,2", {}), ERROR),
    ("value_with_quote", "build", ("a", '"1"', {}), ERROR),
    ("value_with_backslash", "build", ("a", "\\", {}), ERROR),
    ("value_with_nul", "build", ("a", "\0", {}), ERROR),
    ("value_not_ascii", "build", ("a", "\xfc", {}), ERROR),
    ("value_of_4095", "build", ("a", "x" * 4095, {}), "a=%s; Path=/; HttpOnly; SameSite=Lax" % ("x" * 4095)),
    ("value_of_4096", "build", ("a", "x" * 4096, {}), ERROR),
    ("path_with_semicolon", "build", ("a", "1", {"path": "/;x"}), ERROR),
    ("path_with_line_end", "build", ("a", "1", {"path": "/\n"}), ERROR),
    ("domain_with_line_end", "build", ("a", "1", {"domain": "b\r\nX: y"}), ERROR),
    ("same_site_unknown", "build", ("a", "1", {"same_site": "strict"}), ERROR),
    ("same_site_none_not_secure", "build", ("a", "1", {"same_site": "None"}), ERROR),
    (
        "same_site_none",
        "build",
        ("a", "1", {"same_site": "None", "secure": True}),
        "a=1; Path=/; Secure; HttpOnly; SameSite=None",
    ),
    ("host_not_secure", "build", ("__Host-a", "1", {}), ERROR),
    ("host_of_a_path", "build", ("__Host-a", "1", {"secure": True, "path": "/x"}), ERROR),
    ("host_of_a_domain", "build", ("__host-a", "1", {"secure": True, "domain": "b"}), ERROR),
    ("secure_not_secure", "build", ("__Secure-a", "1", {}), ERROR),
]


def check(case):
    """Raise AssertionError unless the case holds."""
    _, name, args, expected = case
    try:
        got = build(args[0], args[1], **args[2]) if name == "build" else FUNCTIONS[name](*args)
    except ValueError:
        got = ERROR
    assert got == expected, "got %r, not %r" % (got, expected)
