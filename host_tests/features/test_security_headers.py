"""Security headers: on every page, in nobody's way."""

import pytest

from firmware.features import security_headers
from host_tests.features.test_auth import client, guarded  # noqa: F401 - a fixture

PAGE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "content-security-policy": security_headers.POLICY,
}


def policy(text):
    """Return a policy as a dict of its directives."""
    return {words[0]: words[1:] for words in (part.split() for part in text.split(";"))}


@pytest.mark.parametrize("path", ["/", "/nowhere", "/form", "/static/", "/static/app.js", "/stream/2", "/%ff"])
def test_page_has_them(guarded, path):  # noqa: F811
    with client(guarded) as http:
        http.headers["Accept"] = "text/html"
        answer = http.get(path)
        assert {name: answer.headers.get(name) for name in PAGE} == PAGE
        assert http.head(path).headers["content-security-policy"] == security_headers.POLICY


@pytest.mark.parametrize("path", ["/value", "/api/session"])
def test_json_is_only_not_to_be_taken_for_a_page(guarded, path):  # noqa: F811
    with client(guarded) as http:
        found = http.get(path).headers
        assert [name for name in PAGE if name in found] == ["x-content-type-options"]


def test_page_may_have_a_policy_of_its_own(guarded):  # noqa: F811
    with client(guarded) as http:
        answer = http.get("/own-policy")
        assert answer.headers.get_list("content-security-policy") == ["default-src 'none'"]
        assert answer.headers["x-frame-options"] == "DENY"


def test_file_that_the_client_has_is_not_sent(guarded):  # noqa: F811
    with client(guarded) as http:
        first = http.get("/static/app.js")
        assert len(first.content) > 1000
        again = http.get("/static/app.js", headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304 and "content-security-policy" not in again.headers
        part = http.get("/static/app.js", headers={"Range": "bytes=1-99"})
        assert (part.status_code, part.content) == (206, first.content[1:100])
        assert part.headers["x-content-type-options"] == "nosniff"


def test_policy_allows_nothing_inline_and_nobody_else():
    rules = policy(security_headers.POLICY)
    assert rules["default-src"] == ["'self'"]
    assert rules["frame-ancestors"] == rules["object-src"] == rules["base-uri"] == ["'none'"]
    assert "unsafe" not in security_headers.POLICY and "script-src" not in rules and "*" not in security_headers.POLICY
