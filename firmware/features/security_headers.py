"""Security headers for pages: what a browser is not to do with them, whatever slipped into them.

    headers.protect(app)

A handler that sets one of these fields itself is left alone.
"""

from firmware.http.response import JSON, field_lines

# Content Security Policy Level 3: all of a page's parts come from this board, scripts and styles from files of their
# own, none of it inline; no plug-ins; forms lead here; nobody frames it (a click on it would not be meant for it).
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

# RFC 9110 8.3: a type is what we say, not what it looks like.
_ANY = b"X-Content-Type-Options: nosniff\r\n"

# The address of a page on a private network, and what is in it, is nobody else's business. X-Frame-Options (RFC 7034)
# is for browsers older than frame-ancestors.
_PAGE = _ANY + b"Referrer-Policy: same-origin\r\nX-Frame-Options: DENY\r\n"


def protect(app, policy=POLICY):
    """Set the fields on every answer; on JSON, which is no page, only that nobody takes it for one.

    Raises ValueError for a policy that would not stay one line.
    """
    page = _PAGE + field_lines("Content-Security-Policy", policy)

    @app.after
    def harden(request, response):
        # 101 is no answer yet; with 304 the fields hold that came with what the client has (RFC 9111 4.3.4).
        status = response.status
        if status == 101 or status == 304:
            return
        lines = request.answer_lines
        # Where a mounted application is protected, too, its policy holds.
        if _ANY not in lines:
            kind = response.content_type
            is_json = kind is JSON or kind == (JSON if type(kind) is bytes else "application/json")
            request.answer_lines = lines + (_ANY if is_json else page)
