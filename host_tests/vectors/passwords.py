"""Stretching, signing and the wait for who guesses, under either interpreter: (name, function, arguments, expected)."""

import asyncio
from binascii import hexlify

from firmware.features import passwords, signing
from firmware.features.attempts import Attempts
from firmware.http.errors import HTTPError

RECORD = "pbkdf2-sha256$3$00112233445566778899aabbccddeeff$"
GOOD = RECORD + "abe57c4b7b2dc9bbfb9e0d57d1c7b8fbb7dc4fbd2e70cbe5d0b3d6a4a1b1a6d5"


def stretch(password, salt, iterations):
    """Return PBKDF2 as this interpreter has it, and as it is written out, as hexadecimal text."""
    one = asyncio.run(passwords.stretch(password, salt, iterations))
    other = asyncio.run(passwords._stretch(password, salt, iterations))
    assert one == other
    return hexlify(one).decode()


def sign(key, data):
    """Return the HMAC as hexadecimal text."""
    assert hexlify(signing.sign(key, data)).decode() == signing.sign_hex(key, data)
    return signing.sign_hex(key, data)


def make_and_verify(password, guess, iterations):
    """Return whether `guess` is found to be the password."""
    return asyncio.run(verify_new(password, guess, iterations))


async def verify_new(password, guess, iterations):
    """Make a record, and verify a guess by it."""
    return await passwords.verify(guess, await passwords.make(password, iterations))


def verify(password, record):
    """Return whether a record is this password's."""
    return asyncio.run(passwords.verify(password, record))


def refused(password):
    """Return the status with which a new password is refused, or None."""
    try:
        asyncio.run(passwords.make(password, 1))
    except HTTPError as error:
        return error.status


def waits(*steps):
    """Return what an Attempts tells in turn: the seconds to wait or 0 for "?address", None for other steps.

    "!address" is a wrong attempt, "+address" a right one; a number goes on by as many ms.
    """
    now = [0]
    attempts = Attempts(lambda: now[0])
    told = []
    for step in steps:
        if type(step) is int:
            now[0] += step
        elif step[0] == "!":
            attempts.charge(step[1:])
        elif step[0] == "+":
            attempts.clear(step[1:])
        else:
            try:
                attempts.check(step[1:])
                told.append(0)
            except HTTPError as error:
                assert error.status == 429
                told.append(int(error.headers["Retry-After"]))
    return told


def many(count):
    """Return how long the next address waits after `count` addresses were wrong once, and how many are known."""
    attempts = Attempts(lambda: 0)
    for number in range(count):
        attempts.charge("10.0.%d.%d" % (number >> 8, number & 255))
    try:
        attempts.check("192.0.2.1")
        wait_s = 0
    except HTTPError as error:
        wait_s = int(error.headers["Retry-After"])
    return wait_s, len(attempts._table)


FUNCTIONS = {
    "stretch": stretch,
    "sign": sign,
    "verify": verify,
    "make": make_and_verify,
    "refused": refused,
    "waits": waits,
    "many": many,
    "equal": signing.is_equal,
}

CASES = [
    # RFC 7914 section 11, the first half of each; then what CPython's hashlib says
    (
        "rfc7914_1",
        "stretch",
        (b"passwd", b"salt", 1),
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc",
    ),
    (
        "rfc7914_2",
        "stretch",
        (b"Password", b"NaCl", 80000),
        "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56",
    ),
    ("empty", "stretch", (b"", b"salt", 3), "5ddf839afa2d5fb4be56e1a0f48917617559bef61ec122bfca1c7f75ac8f401d"),
    ("block", "stretch", (b"x" * 64, b"s", 101), "6d27932cd671946cc75707ebfb852dd9d358f824e24918bbff5ff20da0bcbab3"),
    (
        "more_than_a_block",
        "stretch",
        (b"x" * 65, b"s" * 70, 100),
        "439b8386296b3c5173971fb25e389e7fbe2e4609c9f7bf8a876af50aa078acd8",
    ),
    (
        "utf8",
        "stretch",
        ("grüße 🐚".encode(), bytes(range(16)), 202),
        "46d8973d6d18548d564068f3c5ea801d7692c93e0a954cde6ad5096f148fe315",
    ),
    # RFC 4231 4.2, 4.3 and 4.7
    (
        "rfc4231_1",
        "sign",
        (b"\x0b" * 20, b"Hi There"),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    ),
    (
        "rfc4231_2",
        "sign",
        (b"Jefe", b"what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        "rfc4231_6",
        "sign",
        (b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First"),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    # Records
    ("right", "make", ("correct horse", "correct horse", 150), True),
    ("wrong", "make", ("correct horse", "correct horsf", 150), False),
    ("empty_guess", "make", ("correct horse", "", 1), False),
    ("longer_guess", "make", ("correct horse", "correct horse ", 1), False),
    ("huge_guess", "make", ("correct horse", "x" * 8000, 1), False),
    ("letters_have_their_case", "make", ("correct horse", "Correct horse", 1), False),
    ("beyond_ascii", "make", ("grüße 🐚🐚", "grüße 🐚🐚", 2), True),
    ("blanks", "refused", (" " * 8,), 422),
    ("blanks_of_all_kinds", "refused", (" \t\u3000\u2003    ",), 422),
    ("blanks_within", "refused", ("  a    b",), None),
    ("nul", "refused", ("12345678\0",), 422),
    ("line_end", "refused", ("1234\n5678",), 422),
    ("delete", "refused", ("12345678\x7f",), 422),
    ("control_of_latin_1", "refused", ("12345678\x85",), 422),
    ("no_record", "verify", ("x", None), False),
    ("empty_record", "verify", ("", ""), False),
    ("other_scheme", "verify", ("x", GOOD.replace("sha256", "sha512")), False),
    ("no_salt", "verify", ("x", "pbkdf2-sha256$3$$" + "00" * 32), False),
    ("short_hash", "verify", ("x", RECORD + "00" * 31), False),
    ("no_hash", "verify", ("x", RECORD), False),
    ("not_hex", "verify", ("x", RECORD + "zz" * 32), False),
    ("no_iterations", "verify", ("x", "pbkdf2-sha256$0$00$" + "00" * 32), False),
    ("sign_before_iterations", "verify", ("x", "pbkdf2-sha256$+3$00$" + "00" * 32), False),
    ("days_of_iterations", "verify", ("x", "pbkdf2-sha256$100001$00$" + "00" * 32), False),
    ("eons_of_iterations", "verify", ("x", "pbkdf2-sha256$" + "9" * 200 + "$00$" + "00" * 32), False),
    ("one_more_part", "verify", ("x", GOOD + "$"), False),
    ("short", "refused", ("1234567",), 422),
    ("eight_characters", "refused", ("12345678",), None),
    ("eight_characters_of_more_bytes", "refused", ("äöüäöüäö",), None),
    ("long", "refused", ("x" * 256,), None),
    ("too_long", "refused", ("x" * 257,), 422),
    ("too_many_bytes", "refused", ("ä" * 129,), 422),
    # Comparison
    ("equal", "equal", (b"abc", b"abc"), True),
    ("equal_empty", "equal", (b"", b""), True),
    ("first_differs", "equal", (b"abc", b"xbc"), False),
    ("last_differs", "equal", (b"abc", b"abx"), False),
    ("one_bit_differs", "equal", (b"\x80", b"\x00"), False),
    ("differences_do_not_cancel", "equal", (b"\x01\x01", b"\x00\x00"), False),
    ("shorter", "equal", (b"ab", b"abc"), False),
    ("longer", "equal", (b"abc", b"ab"), False),
    # Guessing
    ("three_are_free", "waits", ("!a", "!a", "!a", "?a"), [0]),
    ("fourth_costs", "waits", ("!a", "!a", "!a", "!a", "?a", 1500, "?a", 499, "?a", 1, "?a"), [2, 1, 1, 0]),
    ("twice_as_long", "waits", ("!a", "!a", "!a", "!a", 2000, "!a", "?a", 4000, "!a", "?a"), [4, 8]),
    ("not_for_ever", "waits", ["!a"] * 1000 + ["?a", 299000, "?a", 1000, "?a"], [300, 1, 0]),
    ("forgotten", "waits", ["!a"] * 9 + [900001, "!a", "!a", "!a", "?a", "!a", "?a"], [0, 2]),
    ("not_forgotten_before", "waits", ["!a"] * 9 + [900000, "!a", "?a"], [128]),
    ("right_one_clears", "waits", ["!a"] * 9 + ["+a", "?a", "!a", "!a", "!a", "?a"], [0, 0]),
    ("others_do_not_wait", "waits", ["!a"] * 9 + ["?b", "!b", "?b"], [0, 0]),
    ("clock_that_wraps_holds_nobody", "waits", [1 << 30] + ["!a"] * 9 + [-(1 << 30), "?a", "!a", "?a"], [0, 0]),
    ("many_addresses_count_as_one", "many", (16 + 4,), (2, 17)),
    ("few_addresses_do_not", "many", (15,), (0, 15)),
    ("ten_thousand", "many", (10000,), (300, 17)),
]


def check(case):
    """Raise AssertionError unless the case holds."""
    _, name, args, expected = case
    got = FUNCTIONS[name](*args)
    assert got == expected, "got %r, not %r" % (got, expected)
