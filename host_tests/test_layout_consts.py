"""Copies of the layout's constants, which MicroPython's compiler folds only where they are written."""

import pytest

from firmware.features import logline
from firmware.http import framing, layout, parser, request, response
from firmware.server import answer, connection


@pytest.mark.parametrize("module", [answer, connection, framing, logline, parser, request, response])
def test_copies_of_constants_are_like_the_layout_s(module):
    copies = {name: value for name, value in vars(module).items() if name[0] == "_" and type(value) is int}
    copies = {name: value for name, value in copies.items() if hasattr(layout, name[1:])}
    assert copies
    for name, value in copies.items():
        assert value == getattr(layout, name[1:]), name


def test_what_framing_has_to_settle_is_all_that_is_not_plain():
    flags = layout.NOT_ORIGIN | layout.CONTENT_LENGTH | layout.TRANSFER_ENCODING | layout.EXPECT
    assert flags == request._UNUSUAL


def test_kinds_of_bytes_have_bits_of_their_own():
    kinds = [layout.TOKEN, parser._VISIBLE, layout.VALUE, layout.AUTHORITY]
    assert kinds == [1, 2, 4, 8]


def test_method_that_gets_no_body_is_head():
    assert parser.METHODS[answer._HEAD_CODE] == "HEAD"
