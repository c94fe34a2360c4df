"""firmware/http/validator.py: documents checked by a table; a random one is whole or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.http.errors import HTTPError
from firmware.http.validator import check
from host_tests.vectors import validator as vectors

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c", "l", "n", ""]), inner),
    max_leaves=12,
)


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("validator")


@given(VALUES)
def test_random_document_is_whole_or_refused(document):
    try:
        found = check(vectors.DEEP, document)
    except HTTPError as error:
        assert error.status == 422 and error.detail
        assert error.fields is None or all(error.fields.values())
        return
    # What was read is whole: reading it again changes nothing.
    assert check(vectors.DEEP, found) == found
    assert type(found["a"]["b"]["c"]) is int
