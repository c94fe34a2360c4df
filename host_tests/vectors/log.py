"""Lines that stay one line, secrets that stay out: (name, a function's word, its argument, what it returns)."""

from firmware.features.log import MAX_LINE_BYTES, Log, escape
from firmware.features.logfeed import Lines
from firmware.features.logline import hide_secrets


def ring(size, lines):
    """Return what a log of `size` bytes holds: (first number, last number, [texts])."""
    log = Log(lambda: 7, size)
    for line in lines:
        log.info(line)
    held = Lines(log)
    return held.first, held.last, [held.value(number)["text"] for number in held.newer(0)]


def levels(level, size):
    """Return which levels are kept."""
    log = Log(lambda: 7, size, level)
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("x")
    held = Lines(log)
    return [held.value(number)["level"] for number in held.newer(0)]


def read(since, size):
    """Return what a reader of a log of 20 lines gets behind number `since`, as text."""
    log = Log(lambda: 7, size)
    for number in range(20):
        log.info("line %02d" % (number + 1))
    numbers = []
    for batch in Lines(log).answer_since(since).body:
        for line in batch.split("\n"):
            if '"lost"' in line:
                numbers.append("lost " + line[9:-1])
            elif line:
                at = line.find("line ")
                numbers.append(int(line[at + 5 : at + 7]))
    return numbers


FUNCTIONS = {
    "escape": escape,
    "query": hide_secrets,
    "ring": lambda what: ring(*what),
    "levels": lambda what: levels(*what),
    "read": lambda what: read(*what),
}

CASES = [
    ("plain", "escape", "GET /a?b=c 200", b"GET /a?b=c 200"),
    ("bytes", "escape", b"GET /", b"GET /"),
    ("number", "escape", 5, b"5"),
    ("empty", "escape", "", b""),
    ("every plain letter", "escape", "".join(chr(code) for code in range(32, 127)), bytes(range(32, 127))),
    ("line end", "escape", "a\r\nb", b"a\\x0d\\x0ab"),
    ("tab and NUL", "escape", "a\tb\0", b"a\\x09b\\x00"),
    ("terminal's escape", "escape", "\x1b[31mred", b"\\x1b[31mred"),
    ("delete", "escape", "\x7f", b"\\x7f"),
    ("C1 controls", "escape", "\x80\x9b\x9f", b"\\x80\\x9b\\x9f"),
    ("letters of others", "escape", "gr\xfc\xdf \u20ac \U0001f600", "gr\xfc\xdf \u20ac \U0001f600".encode()),
    ("line separators", "escape", "a\u2028b\u2029c", b"a\\u2028b\\u2029c"),
    ("turned text", "escape", "a\u202eb\u2066c", b"a\\u202eb\\u2066c"),
    ("text that hides", "escape", "a\u200bb\ufeff", b"a\\u200bb\\ufeff"),
    ("no UTF-8", "escape", b"a\xff\nb", "a\xff\\x0ab".encode()),
    ("cut of no UTF-8", "escape", b"\x80" * 5000, (b"\\x80" * 80)[: MAX_LINE_BYTES - 3] + b"..."),
    ("longest", "escape", "x" * MAX_LINE_BYTES, b"x" * MAX_LINE_BYTES),
    ("cut", "escape", "x" * (MAX_LINE_BYTES + 1), b"x" * (MAX_LINE_BYTES - 3) + b"..."),
    ("cut of escapes", "escape", "\n" * 5000, (b"\\x0a" * 80)[: MAX_LINE_BYTES - 3] + b"..."),
    ("cut of three bytes each", "escape", "\u20ac" * 5000, "\u20ac".encode() * 95 + b"..."),
    ("cut of four bytes each", "escape", "\U0001f600" * 5000, "\U0001f600".encode() * 71 + b"..."),
    ("query without secrets", "query", b"a=1&b=&c&=d", b"a=1&b=&c&=d"),
    ("token", "query", b"token=abc", b"token=*"),
    ("short names", "query", b"pw=a&userpw=b&otp=1&p%77=c", b"pw=*&userpw=*&otp=*&p%77=*"),
    ("any case", "query", b"TOKEN=abc&Access_Token=x", b"TOKEN=*&Access_Token=*"),
    ("encoded name", "query", b"%74%6Fken=abc", b"%74%6Fken=*"),
    ("name that cannot be decoded", "query", b"%zz=abc&%ff=x", b"%zz=*&%ff=*"),
    (
        "other words",
        "query",
        b"password=a&api_key=b&psk=c&sid=d&session=e",
        b"password=*&api_key=*&psk=*&sid=d&session=*",
    ),
    ("among others", "query", b"a=1&pin=1234&b=2", b"a=1&pin=*&b=2"),
    ("value with equals signs", "query", b"key=a=b=c", b"key=*"),
    ("empty value", "query", b"token=", b"token="),
    ("behind a semicolon", "query", b"a=1;token=abc", b"a=1&token=*"),
    ("plus", "query", b"my+token=abc", b"my+token=*"),
    ("empty ring", "ring", (100, []), (1, 0, [])),
    ("one line", "ring", (100, ["a"]), (1, 1, ["a"])),
    ("line of nothing", "ring", (100, ["", "b"]), (1, 2, ["", "b"])),
    ("full to the byte", "ring", (16, ["a", "b"]), (1, 2, ["a", "b"])),
    ("around the end", "ring", (22, ["aaaa", "bbbb", "cccc"]), (2, 3, ["bbbb", "cccc"])),
    ("length around the end", "ring", (23, ["aaaa", "bbbb", "cccc", "dd"]), (3, 4, ["cccc", "dd"])),
    ("a line for several", "ring", (20, ["a", "b", "c" * 12]), (3, 3, ["c" * 12])),
    ("a line too long for all", "ring", (20, ["a", "c" * 40]), (1, 1, ["a"])),
    ("many", "ring", (30, [str(number) for number in range(1000)]), (998, 1000, ["997", "998", "999"])),
    ("from info on", "levels", (1, 200), ["info", "warning", "error"]),
    ("all", "levels", (0, 200), ["debug", "info", "warning", "error"]),
    ("errors", "levels", (3, 200), ["error"]),
    ("read all", "read", (0, 1000), list(range(1, 21))),
    ("read what is new", "read", (18, 1000), [19, 20]),
    ("read nothing", "read", (20, 1000), []),
    ("read from before a restart", "read", (500, 1000), list(range(1, 21))),
    ("read what is left", "read", (0, 42), ["lost 17", 18, 19, 20]),
    ("read with some lost", "read", (10, 42), ["lost 7", 18, 19, 20]),
    ("read with none lost", "read", (17, 42), [18, 19, 20]),
]


def check(case):
    """Raise where something else comes back."""
    _, word, what, expected = case
    got = FUNCTIONS[word](what)
    assert got == expected, "%r" % (got,)
