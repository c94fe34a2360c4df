"""What may be a request's id, under either interpreter: (name, bytes, whether it may)."""

from firmware.features.requestid import is_valid

CASES = [
    ("one letter", b"a", True),
    ("UUID", b"8e03978e-40d5-43dd-bc93-6894a57f9324", True),
    ("trace of a load balancer", b"Root=1-67891233-abcdef012345678912345678", True),
    ("base64", b"aGVsbG8+/w==", True),
    ("all that is safe", b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.", True),
    ("all other that is safe", b"_~+/=:@", True),
    ("longest", b"x" * 64, True),
    ("too long", b"x" * 65, False),
    ("empty", b"", False),
    ("space", b"a b", False),
    ("space around", b" a ", False),
    ("two", b"a, b", False),
    ("line end", b"a\r\nX: b", False),
    ("NUL", b"a\0b", False),
    ("escape", b"a\x1b[31mb", False),
    ("quote", b'a"b', False),
    ("apostrophe", b"a'b", False),
    ("markup", b"<b>", False),
    ("ampersand", b"a&b", False),
    ("backslash", b"a\\b", False),
    ("percent", b"%0a", False),
    ("not ASCII", b"\xc3\xa4", False),
    ("not UTF-8", b"\xff", False),
]


def check(case):
    """Raise where something else is found."""
    assert is_valid(case[1]) is case[2]
