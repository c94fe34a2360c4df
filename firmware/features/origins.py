"""Refuses changes by pages of other sites.

    origins.protect(app)        # no page of another site can change anything

Clients that are not browsers are let through: they have no cookies that another site could misuse (see
`http/origin.py`).
"""

from firmware.http.errors import HTTPError
from firmware.http.origin import has_token, is_foreign

# RFC 9110 9.2.1, without TRACE: methods that change nothing.
SAFE = ("GET", "HEAD", "OPTIONS")


def refuse_foreign(request, allowed=()):
    """Raise 403 for a request by a page of another origin."""
    if is_foreign(request, allowed):
        raise HTTPError(403, "Pages of other sites may not do this.")


def check_write(request, allowed=()):
    """Raise 403 if a page of another origin does more than read. A token is allowed: no browser sends one by itself."""
    if request.method not in SAFE and not has_token(request):
        refuse_foreign(request, allowed)


def protect(app, allowed=()):
    """Refuse (403) all but reading by pages of other origins, except those in `allowed`, and requests with a token."""

    @app.before
    def guard(request):
        check_write(request, allowed)
