"""Copies of the parser's constants, which MicroPython's compiler folds only where they are written."""

import importlib

import pytest

from firmware.http import parser, request
from host_tests.test_imports import MODULES
from host_tests.vectors import layout

# What says that it has some.
MARK = "`parser`'s "
COPIED = sorted(name for name, path in MODULES.items() if MARK in path.read_text(encoding="utf-8"))

NAMES = {name: value for name, value in vars(layout).items() if type(value) is int}


def test_copies_are_found():
    assert {"firmware.http.request", "firmware.server.connection", "firmware.features.tls"} <= set(COPIED)


@pytest.mark.parametrize("module", COPIED)
def test_copies_are_like_the_parser_s(module):
    names = vars(importlib.import_module(module))
    copies = {name: value for name, value in names.items() if name[0] == "_" and name[1:] in NAMES}
    assert copies == {name: getattr(parser, name) for name in copies} and copies


def test_names_of_the_vectors_are_the_parser_s():
    assert {name: getattr(parser, "_" + name) for name in NAMES} == NAMES


def test_what_framing_has_to_settle_is_all_that_is_not_plain():
    flags = layout.NOT_ORIGIN | layout.CONTENT_LENGTH | layout.TRANSFER_ENCODING | layout.EXPECT
    assert flags == request._UNUSUAL


def test_kinds_of_bytes_have_bits_of_their_own():
    assert [layout.TOKEN, layout.VISIBLE, layout.VALUE, layout.AUTHORITY] == [1, 2, 4, 8]
