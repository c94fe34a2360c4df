"""The DNS responder under either interpreter: (name, query, answer); None where nothing is answered."""

import random

from firmware.board import dns

ADDRESS = "192.168.4.1"

A = b"\0\1\0\1"
AAAA = b"\0\x1c\0\1"
ANSWER = b"\xc0\x0c" + A + b"\0\0\0\x0a\0\4\xc0\xa8\4\1"
NAME = b"\7captive\5apple\3com\0"
# EDNS (RFC 6891): root, OPT, 1232 bytes, no flags, no options.
OPT = b"\0\0\x29\4\xd0\0\0\0\0\0\0"

RANDOM_PACKETS = 3000


def message(name, kind=A, flags=b"\1\0", counts=b"\0\1\0\0\0\0\0\0", rest=b"", id=b"\x12\x34"):
    """Return a message with one question."""
    return id + flags + counts + name + kind + rest


def found(name, flags=b"\x85\x80", id=b"\x12\x34"):
    """Return the answer with our address."""
    return message(name, A, flags, b"\0\1\0\1\0\0\0\0", ANSWER, id)


def empty(name, kind, flags=b"\x85\x80"):
    """Return the answer with nothing."""
    return message(name, kind, flags)


LONG = b"\x3f" + b"x" * 63
LONGEST = LONG * 3 + b"\x3d" + b"y" * 61 + b"\0"  # 255 bytes

CASES = [
    ("a", message(NAME), found(NAME)),
    ("case_is_kept", message(b"\7cApTiVe\3cOm\0"), found(b"\7cApTiVe\3cOm\0")),
    ("id_is_kept", message(NAME, id=b"\xff\0"), found(NAME, id=b"\xff\0")),
    ("no_recursion_desired", message(NAME, flags=b"\0\0"), found(NAME, b"\x84\x80")),
    ("ad_and_cd", message(NAME, flags=b"\1\x30"), found(NAME)),
    ("root", message(b"\0"), found(b"\0")),
    ("any_bytes", message(b"\4\0.\xff \0"), found(b"\4\0.\xff \0")),
    ("longest_label", message(LONG + b"\0"), found(LONG + b"\0")),
    ("longest_name", message(LONGEST), found(LONGEST)),
    ("edns", message(NAME, counts=b"\0\1\0\0\0\0\0\1", rest=OPT), found(NAME)),
    ("many_records_behind", message(NAME, counts=b"\0\1\0\0\0\0\xff\xff", rest=b"\xc0" * 400), found(NAME)),
    ("junk_behind", message(NAME, rest=b"\xff" * 200), found(NAME)),
    ("aaaa", message(NAME, AAAA), empty(NAME, AAAA)),
    ("https", message(NAME, b"\0\x41\0\1"), empty(NAME, b"\0\x41\0\1")),
    ("any", message(NAME, b"\0\xff\0\1"), empty(NAME, b"\0\xff\0\1")),
    ("ptr", message(NAME, b"\0\x0c\0\1"), empty(NAME, b"\0\x0c\0\1")),
    ("a_of_another_class", message(NAME, b"\0\1\0\3"), empty(NAME, b"\0\1\0\3")),
    ("type_257", message(NAME, b"\1\1\0\1"), empty(NAME, b"\1\1\0\1")),
    ("empty_with_edns", message(NAME, AAAA, counts=b"\0\1\0\0\0\0\0\1", rest=OPT), empty(NAME, AAAA)),
    # what is dropped
    ("nothing", b"", None),
    ("one_byte", b"\0", None),
    ("head_cut", message(NAME)[:11], None),
    ("head_alone", message(NAME)[:12], None),
    ("name_cut", message(NAME)[:16], None),
    ("name_without_end", message(NAME)[:30], None),
    ("type_cut", message(NAME)[:-3], None),
    ("class_cut", message(NAME)[:-1], None),
    ("label_beyond_the_end", message(b"\x3fabc\0"), None),
    ("response", message(NAME, flags=b"\x81\x80"), None),
    ("our_own_answer", found(NAME), None),
    ("truncated", message(NAME, flags=b"\3\0"), None),
    ("opcode_status", message(NAME, flags=b"\x10\0"), None),
    ("opcode_update", message(NAME, flags=b"\x28\0"), None),
    ("no_question", message(b"", b"", counts=bytes(8)), None),
    ("two_questions", message(NAME, counts=b"\0\2\0\0\0\0\0\0", rest=NAME + A), None),
    ("256_questions", message(NAME, counts=b"\1\0\0\0\0\0\0\0"), None),
    ("with_an_answer", message(NAME, counts=b"\0\1\0\1\0\0\0\0", rest=ANSWER), None),
    ("with_an_authority", message(NAME, counts=b"\0\1\0\0\0\1\0\0", rest=ANSWER), None),
    ("pointer_to_itself", message(b"\xc0\x0c"), None),
    ("pointer_to_the_head", message(b"\xc0\0"), None),
    ("pointer_onward", message(b"\xc0\x20", rest=NAME), None),
    ("pointers_in_a_ring", message(b"\xc0\x0e\xc0\x0c"), None),
    ("pointer_behind_a_label", message(b"\1x\xc0\x0c"), None),
    ("label_of_64", message(b"\x40" + b"x" * 64 + b"\0"), None),
    ("label_of_a_reserved_kind", message(b"\x80x\0"), None),
    ("name_of_256", message(LONG * 3 + b"\x3e" + b"y" * 62 + b"\0"), None),
    ("name_of_very_many_labels", message(b"\1x" * 200 + b"\0"), None),
    ("name_up_to_the_end", message(b"\1x" * 200, b""), None),
    ("random", None, None),
]

responder = dns.Responder(ADDRESS)


def check(case):
    """Raise AssertionError where the case does not hold."""
    name, query, expected = case
    if name == "random":
        check_random()
        return
    # A second time: the buffer holds the last answer, or that of a longer query.
    for other in (NAME, LONGEST, b"\0"):
        responder.answer(message(other))
        got = responder.answer(query)
        got = got if got is None else bytes(got)
        if got != expected:
            raise AssertionError("got %r, expected %r" % (got, expected))


def check_answer(query, answer):
    """Raise AssertionError where what `responder` says to any bytes is neither None nor sound."""
    if answer is None:
        return
    answer = bytes(answer)
    at = 12
    while query[at]:
        assert query[at] < 64, "a pointer was followed"
        at += 1 + query[at]
    end = at + 5
    assert end - 4 - 12 <= 255 and end <= len(query), "not a question"
    assert not query[2] & 0xFA and query[4:10] == b"\0\1\0\0\0\0", "not a query"
    is_a = query[end - 4 : end] == A
    head = query[:2] + bytes([0x84 | query[2] & 1, 0x80, 0, 1, 0, is_a and 1 or 0, 0, 0, 0, 0])
    assert answer == head + query[12:end] + (ANSWER if is_a else b""), "not the answer"


def check_random():
    """Answer random bytes, and damaged queries; some of both have to be answered, and some not."""
    random.seed(1035)
    answered = 0
    for _ in range(RANDOM_PACKETS):
        query = bytearray(message(NAME, (A, AAAA)[random.getrandbits(1)]))
        for _ in range(random.getrandbits(2)):
            query[random.getrandbits(8) % len(query)] = random.getrandbits(8)
        query = bytes(query[: random.getrandbits(8)])
        if not random.getrandbits(2):
            query = bytes([random.getrandbits(8) for _ in range(random.getrandbits(6))])
        answer = responder.answer(query)
        check_answer(query, answer)
        answered += answer is not None
    assert RANDOM_PACKETS // 10 < answered < RANDOM_PACKETS * 9 // 10, answered
