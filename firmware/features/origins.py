"""Whose page asks: writes from other sites.

    origins.protect(app)        # no page of another site changes anything

What is no browser is let through: it has no cookies of others to misuse (see `http/origin.py`).
"""

from firmware.http.errors import HTTPError
from firmware.http.origin import has_token, is_foreign

# RFC 9110 9.2.1, but for TRACE: what changes nothing.
SAFE = ("GET", "HEAD", "OPTIONS")


def refuse_foreign(request, allowed=()):
    """Raise 403 where a page of another origin asks."""
    if is_foreign(request, allowed):
        raise HTTPError(403, "Pages of other sites may not do this.")


def check_write(request, allowed=()):
    """Raise 403 where a page of another origin does anything but read, and has no token, which no browser sends."""
    if request.method not in SAFE and not has_token(request):
        refuse_foreign(request, allowed)


def protect(app, allowed=()):
    """Let no page of another origin, but for those in `allowed`, do anything but read: 403. Who has a token may try."""

    @app.before
    def guard(request):
        check_write(request, allowed)
