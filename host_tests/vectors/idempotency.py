"""Keys and what is kept of them: (name, a function's word, its arguments, what it returns)."""

from firmware.features.idempotency import KEEP_S, MAX_ANSWER_BYTES, MAX_BYTES, MAX_KEYS, Store, parse_key
from firmware.http.errors import HTTPError

SWEEPS = 2 * KEEP_S


class Request:
    """One that runs as long as it has a source."""

    slot = "connection"


def play(*steps):
    """Take steps on a store; return what each came to.

    A step is (key, fingerprint, sweep, size): size None leaves the request running, "forget" lets it come to nothing,
    "silence" ends it without a word.
    """
    store = Store()
    said = []
    for key, fingerprint, clock, size in steps:
        try:
            request = Request()
            entry, is_new = store.begin(key, fingerprint, clock, request)
        except HTTPError as error:
            said.append(error.status)
            continue
        said.append("new" if is_new else entry.answer)
        if is_new and size == "forget":
            store.forget(entry)
        elif is_new and size == "silence":
            request.slot = None
        elif is_new and size is not None:
            store.keep(entry, "answer to %s" % key, size)
    return said


def fill(count, size):
    """Return how many keys and bytes are held behind `count` answers of `size` bytes."""
    store = Store()
    for number in range(count):
        entry, _ = store.begin(number, 0, 1, Request())
        store.keep(entry, number, size)
    return store.count()


def crowd(count):
    """Return what is held with `count` requests running, and behind their answers."""
    store = Store()
    entries = [store.begin(number, 0, 1, Request())[0] for number in range(count)]
    running = store.count()
    for entry in entries:
        store.keep(entry, "x", 10)
    return running, store.count()


FUNCTIONS = {"key": parse_key, "play": play, "fill": fill, "crowd": crowd}

CASES = [
    # RFC 8941 3.3.3
    ("token in quotes", "key", (b'"abc"',), b"abc"),
    ("UUID", "key", (b'"8e03978e-40d5-43dd-bc93-6894a57f9324"',), b"8e03978e-40d5-43dd-bc93-6894a57f9324"),
    ("one letter", "key", (b'"a"',), b"a"),
    ("space", "key", (b'"a b"',), b"a b"),
    ("comma and semicolon", "key", (b'"a,b;c"',), b"a,b;c"),
    ("escaped quote", "key", (b'"a\\"b"',), b'a\\"b'),
    ("escaped backslash", "key", (b'"a\\\\"',), b"a\\\\"),
    ("both", "key", (b'"\\\\\\""',), b'\\\\\\"'),
    ("longest", "key", (b'"' + b"x" * 255 + b'"',), b"x" * 255),
    ("too long", "key", (b'"' + b"x" * 256 + b'"',), 400),
    ("empty", "key", (b"",), 400),
    ("empty string", "key", (b'""',), 400),
    ("one quote", "key", (b'"',), 400),
    ("without quotes", "key", (b"abc",), 400),
    ("UUID without quotes", "key", (b"8e03978e-40d5-43dd-bc93-6894a57f9324",), 400),
    ("open", "key", (b'"abc',), 400),
    ("unopened", "key", (b'abc"',), 400),
    ("end escaped", "key", (b'"abc\\"',), 400),
    ("quote within", "key", (b'"a"b"',), 400),
    ("quote behind a backslash's escape", "key", (b'"a\\\\"b"',), 400),
    ("escaped letter", "key", (b'"a\\b"',), 400),
    ("two strings", "key", (b'"a", "b"',), 400),
    ("parameters", "key", (b'"a";b=1',), 400),
    ("apostrophes", "key", (b"'abc'",), 400),
    ("bytes", "key", (b":YWJj:",), 400),
    ("number", "key", (b"42",), 400),
    ("tab", "key", (b'"a\tb"',), 400),
    ("not ASCII", "key", (b'"\xc3\xa4"',), 400),
    ("delete", "key", (b'"\x7f"',), 400),
    # The store
    ("replayed", "play", (("a", 1, 1, 9), ("a", 1, 1, 9)), ["new", "answer to a"]),
    ("keys do not share", "play", (("a", 1, 1, 9), ("b", 1, 1, 9), ("b", 1, 1, 9)), ["new", "new", "answer to b"]),
    ("another request", "play", (("a", 1, 1, 9), ("a", 2, 1, 9), ("a", 1, 1, 9)), ["new", 422, "answer to a"]),
    ("running", "play", (("a", 1, 1, None), ("a", 1, 1, 9)), ["new", 409]),
    ("running, another request", "play", (("a", 1, 1, None), ("a", 2, 1, 9)), ["new", 422]),
    ("came to nothing", "play", (("a", 1, 1, "forget"), ("a", 2, 1, 9), ("a", 2, 1, 9)), ["new", "new", "answer to a"]),
    (
        "ended without a word",
        "play",
        (("a", 1, 1, "silence"), ("a", 2, 1, 9), ("a", 2, 1, 9)),
        ["new", "new", "answer to a"],
    ),
    ("longest answer", "play", (("a", 1, 1, MAX_ANSWER_BYTES), ("a", 1, 1, 9)), ["new", "answer to a"]),
    ("answer too long", "play", (("a", 1, 1, MAX_ANSWER_BYTES + 1), ("a", 1, 1, 9)), ["new", 409]),
    ("just kept", "play", (("a", 1, 1, 9), ("a", 1, SWEEPS, 9)), ["new", "answer to a"]),
    ("expired", "play", (("a", 1, 1, 9), ("a", 1, SWEEPS + 1, 9)), ["new", "new"]),
    ("too long an answer expires", "play", (("a", 1, 1, 9999), ("a", 1, SWEEPS + 1, 9)), ["new", "new"]),
    ("what runs does not expire", "play", (("a", 1, 1, None), ("a", 1, SWEEPS + 1, 9)), ["new", 409]),
    ("as many keys as fit", "fill", (MAX_KEYS, 1), (MAX_KEYS, MAX_KEYS)),
    ("more keys", "fill", (MAX_KEYS + 5, 1), (MAX_KEYS, MAX_KEYS)),
    ("as many bytes as fit", "fill", (9, 1000), (MAX_BYTES // 1000, MAX_BYTES // 1000 * 1000)),
    ("too long ones", "fill", (40, 5000), (MAX_KEYS, 0)),
    ("what runs stays", "crowd", (MAX_KEYS + 8,), ((MAX_KEYS + 8, 0), (MAX_KEYS, 10 * MAX_KEYS))),
]


def check(case):
    """Raise where something else is returned; a number stands for the status that is raised."""
    _, word, arguments, expected = case
    try:
        got = FUNCTIONS[word](*arguments)
    except HTTPError as error:
        got = error.status
    assert got == expected, "%r" % (got,)
