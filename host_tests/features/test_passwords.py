"""Passwords: stretching, records, and the wait for who guesses."""

import asyncio
import hashlib
import hmac
import os
import re
import shutil
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.features import passwords, signing
from firmware.features.attempts import Attempts
from firmware.http.errors import HTTPError
from host_tests.conftest import CI
from host_tests.vectors import passwords as vectors
from tools import ROOT, interpreters

# Guesses of equal length: wrong at once, wrong at last, right.
GUESSES = ("Xorrect horse", "correct horsX", "correct horse")

# An iteration, as the module counts: how many of them take half a second on a board was reckoned from it.
ITERATION_INSTRUCTIONS = 24_600


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("passwords")


@given(st.binary(max_size=150), st.binary(max_size=150))
def test_signature_is_the_standard_library_s(key, data):
    assert signing.sign(key, data) == hmac.new(key, data, hashlib.sha256).digest()


@given(st.binary(max_size=80), st.binary(max_size=80), st.integers(1, 250))
def test_stretching_is_the_standard_library_s(password, salt, iterations):
    wanted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
    assert asyncio.run(passwords._stretch(password, salt, iterations)) == wanted


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_comparison_is_right(one, other):
    assert signing.is_equal(one, other) == (one == other)
    assert signing.is_equal(one, bytes(one))


@given(st.text(max_size=100) | st.lists(st.sampled_from(["pbkdf2-sha256", "$", "3", "00", "é"])).map("".join))
def test_junk_is_nobody_s_record(record):
    assert asyncio.run(passwords.verify("password", record)) is False


def test_records_differ_for_equal_passwords():
    one, other = (asyncio.run(passwords.make("correct horse", 2)) for _ in range(2))
    assert one != other
    assert re.fullmatch(r"pbkdf2-sha256\$2\$[0-9a-f]{32}\$[0-9a-f]{64}", one)
    assert re.match(r"pbkdf2-sha256\$5000\$", asyncio.run(passwords.make("correct horse")))


def test_record_is_what_the_settings_take():
    from firmware.board.schema import _check_hash

    assert _check_hash(asyncio.run(passwords.make("correct horse", 2))) is None


def test_others_have_their_turn_while_it_takes(micropython):
    code = (
        "import asyncio\n"
        "from firmware.features import passwords\n"
        "async def main():\n"
        "    turns = [0]\n"
        "    async def count():\n"
        "        while True:\n"
        "            turns[0] += 1\n"
        "            await asyncio.sleep_ms(0)\n"
        "    task = asyncio.create_task(count())\n"
        "    await passwords.make('correct horse')\n"
        "    print(turns[0])\n"
        "asyncio.run(main())\n"
    )
    # Some 10 ms on a board each.
    assert int(micropython.run("-c", code).stdout) >= 5000 // 100


def test_stretching_leaves_the_heap_where_it_was(micropython):
    code = (
        "import asyncio, gc\n"
        "from firmware.features import passwords\n"
        "def used():\n"
        "    gc.collect()\n"
        "    return gc.mem_alloc()\n"
        "async def main():\n"
        "    record = await passwords.make('correct horse', 200)\n"
        "    before = used()\n"
        "    for _ in range(20):\n"
        "        assert await passwords.verify('correct horse', record)\n"
        "        assert not await passwords.verify('wrong horse', record)\n"
        "    print(used() - before)\n"
        "asyncio.run(main())\n"
    )
    assert int(micropython.run("-c", code, heapsize="96k").stdout) < 512


# -- what its time tells


def counted(code: str, *args: str) -> int:
    """Return the instructions of MicroPython that runs `code`."""
    if not shutil.which("valgrind"):
        if CI:
            pytest.fail("no valgrind", pytrace=False)
        pytest.skip("no valgrind")
    command, reason = interpreters.locate("amd64")
    if not command:
        if CI:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    # Garbage is not collected: how long that takes depends on what chance left on the stack.
    argv = [*interpreters.callgrind_command(command), "-X", "heapsize=16m", "-c", code, *args]
    environment = {**os.environ, "MICROPYPATH": f"{ROOT}:.frozen"}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return int(re.findall(r"Collected : (\d+)", done.stderr)[-1])


COMPARE = """
import sys
from firmware.features.signing import is_equal
known = b'correct horse' * 3
guess = %r * 3
for _ in range(2000):
    is_equal(known, guess)
"""


def test_comparison_takes_the_same_for_every_guess():
    counts = [counted(COMPARE % guess.encode()) for guess in GUESSES]
    # All of 39 bytes are looked at, 2,000 times: a comparison that ends early would be a million apart.
    assert max(counts) - min(counts) < 2000, counts


VERIFY = """
import asyncio
from firmware.features import passwords
record = "pbkdf2-sha256$%d$00$%s"
asyncio.run(passwords.verify(%r, record))
"""


def test_verification_takes_the_same_for_every_guess():
    digest = hashlib.pbkdf2_hmac("sha256", GUESSES[2].encode(), b"\0", 200).hex()
    counts = [counted(VERIFY % (200, digest, guess)) for guess in GUESSES]
    # The turns of others between are by the clock: the same but for a look at it.
    assert max(counts) - min(counts) < 0.002 * min(counts), counts


def test_iteration_costs_what_was_reckoned_with():
    few, many = (counted(VERIFY % (iterations, "00" * 32, "guess")) for iterations in (200, 1200))
    assert (many - few) / 1000 == pytest.approx(ITERATION_INSTRUCTIONS, rel=0.2)


def test_attempts_take_turns_by_their_own_clock():
    attempts = Attempts()
    for _ in range(4):
        attempts.check("a")
        attempts.charge("a")
    started = time.monotonic()
    with pytest.raises(HTTPError) as refused:
        attempts.check("a")
    assert refused.value.status == 429 and time.monotonic() - started < 2
