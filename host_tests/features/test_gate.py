"""Guards in one line, on both interpreters, alone and below the shipped site's."""

import pytest

from host_tests.vectors import gate as vectors

# A project's application below the site's guards, while nobody has set a password.
BELOW_THE_SITE = """
import firmware.board as board
from firmware.board import settings
from firmware.features import auth
from firmware.site import entrance
from firmware import App
from firmware.testing import TestClient
from host_tests.vectors.gate import SECRET, ABROAD, application, bearer

root, scripts, pages, inner = App(), application(), application(), application()
entrance.attach(root)
auth.token(scripts, SECRET, reads=False)
auth.protect(pages, also=("/pages/private",))
scripts.mount("/inner", inner)
root.mount("/scripts", scripts)
root.mount("/pages", pages)
with TestClient(root, address=ABROAD) as client:
    paths = "/scripts/x", "/scripts/inner/x", "/pages/x", "/nothing"
    for headers in ({}, bearer(SECRET)):
        print([client.put(path, headers=headers).status for path in paths])
    print([client.get(path).status for path in ("/scripts/x", "/pages/x", "/pages/private/x", "/pages/api/session")])
"""


@pytest.mark.parametrize("case", vectors.CASES, ids=lambda case: case[0])
def test_vector_holds(case):
    vectors.check(case)


def test_vectors_hold_on_micropython(micropython):
    micropython.run_vectors("gate")


def test_guard_of_an_applications_own_is_asked_in_place_of_the_sites(interpreter):
    told = interpreter.run("-c", BELOW_THE_SITE).stdout.splitlines()
    assert [line for line in told if line[0] == "["] == [
        "[401, 401, 403, 403]",
        "[200, 200, 403, 403]",
        "[200, 200, 403, 404]",
    ]
