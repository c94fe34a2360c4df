"""Tokens for scripts, and the credentials of Basic."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.features import tokens
from firmware.features.credentials import _credentials
from firmware.http.errors import HTTPError
from host_tests.vectors import tokens as vectors
from host_tests.vectors.sessions import Store

TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30)


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("tokens")


@given(st.text(max_size=40), st.text(max_size=10) | st.sampled_from(tokens.ROLES))
def test_names_and_roles_are_plain_or_refused(name, role):
    made = tokens.Tokens(Store())
    try:
        token = made.make(name, role)
    except HTTPError as error:
        assert error.status == 422
        return
    assert name.isascii() and name.replace("-", "").replace("_", "a").isalnum() or not name.strip("-_")
    assert role in tokens.ROLES
    assert made.find(token.encode())["name"] == name


@given(st.binary(max_size=60))
def test_random_bytes_are_no_token(guess):
    made = tokens.Tokens(Store())
    made.make("a", "admin")
    assert made.find(guess) is None


@given(TEXTS.filter(lambda text: ":" not in text), TEXTS)
def test_credentials_come_back(name, password):
    assert _credentials(base64.b64encode(f"{name}:{password}".encode())) == (name, password)


@given(st.binary(max_size=60) | st.text("YWRtaW46eA=+/-_ ", max_size=20).map(str.encode))
def test_random_credentials_are_taken_or_refused(raw):
    try:
        name, password = _credentials(raw)
    except HTTPError as error:
        assert error.status in (400, 401)
        return
    assert base64.b64decode(raw, validate=True).decode() == f"{name}:{password}"
