"""What `firmware` exports, by way of its own test client."""

import pytest

import firmware
from host_tests.vectors import api as vectors


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("api")


def test_nothing_else_is_exported():
    for name in ("nothing", "_nothing", "Answer"):
        with pytest.raises(AttributeError):
            getattr(firmware, name)


def test_import_alone_loads_nothing(interpreter):
    code = "import sys, firmware; print([name for name in sys.modules if 'firmware' in name])"
    assert interpreter.run("-c", code).stdout == "['firmware']\n"
