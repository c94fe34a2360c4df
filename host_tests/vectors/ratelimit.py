"""Token buckets, under either interpreter: (name, (per_minute, burst, clients), takes).

A take is (address, sweep, whether there was a token, tokens left, seconds until one more).
"""

from firmware.features.ratelimit import Buckets

CASES = [
    (
        "a new client has the burst",
        (60, 3, 4),
        [("a", 1, 1, 2, 1), ("a", 1, 1, 1, 1), ("a", 1, 1, 0, 1), ("a", 1, 0, 0, 1)],
    ),
    (
        "a refusal takes nothing",
        (60, 1, 4),
        [("a", 1, 1, 0, 1), ("a", 1, 0, 0, 1), ("a", 2, 0, 0, 1), ("a", 3, 1, 0, 1)],
    ),
    ("half a token is none", (60, 1, 4), [("a", 1, 1, 0, 1), ("a", 2, 0, 0, 1)]),
    (
        "tokens come back evenly",
        (6, 2, 4),
        [("a", 1, 1, 1, 10), ("a", 1, 1, 0, 10), ("a", 11, 0, 0, 5), ("a", 21, 1, 0, 10)],
    ),
    ("parts are not lost", (50, 2, 4), [("a", 1, 1, 1, 2), ("a", 2, 1, 0, 1), ("a", 3, 0, 0, 1), ("a", 4, 1, 0, 1)]),
    (
        "a bucket does not overflow",
        (60, 2, 4),
        [("a", 1, 1, 1, 1), ("a", 1000000000, 1, 1, 1), ("a", 1000000000, 1, 0, 1)],
    ),
    ("one a minute", (1, 1, 4), [("a", 1, 1, 0, 60), ("a", 120, 0, 0, 1), ("a", 121, 1, 0, 60)]),
    ("the fastest", (60000, 10000, 1), [("a", 1, 1, 9999, 1), ("a", 1, 1, 9998, 1), ("a", 2, 1, 9999, 1)]),
    ("the slowest", (1, 10000, 1), [("a", 1, 1, 9999, 60), ("a", 121, 1, 9999, 60), ("a", 122, 1, 9998, 60)]),
    ("clients do not share", (60, 1, 2), [("a", 1, 1, 0, 1), ("b", 1, 1, 0, 1), ("a", 1, 0, 0, 1), ("b", 1, 0, 0, 1)]),
    (
        "the longest unseen gives way",
        (1, 1, 2),
        [
            ("a", 1, 1, 0, 60),
            ("b", 2, 1, 0, 60),
            ("a", 3, 0, 0, 59),
            ("c", 4, 1, 0, 60),
            ("a", 5, 0, 0, 58),
            ("b", 6, 1, 0, 60),
        ],
    ),
    ("a table of one", (1, 1, 1), [("a", 1, 1, 0, 60), ("b", 1, 1, 0, 60), ("a", 1, 1, 0, 60), ("a", 1, 0, 0, 60)]),
    ("not a rate", (0, 1, 1), None),
    ("not a burst", (1, 0, 1), None),
    ("no table", (1, 1, 0), None),
    ("too fast", (60001, 1, 1), None),
    ("too many at once", (1, 10001, 1), None),
]


def check(case):
    """Raise where a bucket does something else."""
    name, sizes, takes = case
    try:
        buckets = Buckets("name", *sizes)
    except ValueError:
        assert takes is None
        return
    for address, clock, has_token, left, wait_s in takes:
        at = buckets.take(address, clock)
        got = (
            1 if at >= 0 else 0,
            int(buckets.tell(max(at, -1 - at)).split(b"r=")[1].split(b";")[0]),
            buckets.wait_s(max(at, -1 - at)),
        )
        assert got == (has_token, left, wait_s), "%s at %d: %s" % (address, clock, got)
