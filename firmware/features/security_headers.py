"""Security headers for pages: what a browser is not to do with them, whatever slipped into them.

    headers.protect(app)

A handler that sets one of these fields itself is left alone.
"""

from firmware.http.response import field_lines

# Content Security Policy Level 3: all of a page's parts come from this board, scripts and styles from files of their
# own, none of it inline; no plug-ins; forms lead here; nobody frames it (a click on it would not be meant for it).
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

# RFC 9110 8.3: a type is what we say, not what it looks like.
_ANY = b"X-Content-Type-Options: nosniff\r\n"

# The address of a page on a private network, and what is in it, is nobody else's business. X-Frame-Options (RFC 7034)
# is for browsers older than frame-ancestors.
_PAGE = _ANY + b"Referrer-Policy: same-origin\r\nX-Frame-Options: DENY\r\n"


def protect(app, policy=POLICY):
    """Set the fields on every response; on JSON, which is not a page, only X-Content-Type-Options.

    If a mounted application is protected, too, its own policy holds. Raises ValueError for a policy that would not stay
    one line.
    """
    app.fixed = _ANY, _PAGE + field_lines("Content-Security-Policy", policy)
    app.forget_hooks()
