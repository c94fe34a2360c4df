"""What was written for microdot runs after one changed import."""

import pytest

from host_tests.vectors import microdot as vectors


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("microdot")
