"""Security headers for pages: what a browser is not to do with them, whatever slipped into them.

    headers.protect(app)

A handler that sets one of these fields itself is left alone.
"""

from firmware.http.message import JSON

# Content Security Policy Level 3: all of a page's parts come from this board, scripts and styles from files of their
# own, none of it inline; no plug-ins; forms lead here; nobody frames it (a click on it would not be meant for it).
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

# RFC 9110 8.3: a type is what we say, not what it looks like.
_ANY = {"X-Content-Type-Options": "nosniff"}

# The address of a page on a private network, and what is in it, is nobody else's business. X-Frame-Options (RFC 7034)
# is for browsers older than frame-ancestors.
_PAGE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY"}


def protect(app, policy=POLICY):
    """Set the fields on every answer; on JSON, which is no page, only that nobody takes it for one."""
    page = dict(_PAGE)
    page["Content-Security-Policy"] = policy

    @app.after
    def harden(request, response):
        # 101 is no answer yet; with 304 the fields hold that came with what the client has (RFC 9111 4.3.4).
        if response.status == 101 or response.status == 304:
            return
        kind = response.content_type
        wanted = _ANY if kind in ((JSON,) if type(kind) is bytes else ("application/json",)) else page
        if not response.headers:
            # A dict of many responses' own is what `Response` reckons with.
            response.headers = wanted
            return
        names = [name.lower() for name in response.headers]
        fields = dict(response.headers)
        for name, value in wanted.items():
            if name.lower() not in names:
                fields[name] = value
        response.headers = fields
