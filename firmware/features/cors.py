"""CORS (WHATWG Fetch 3.2): which pages of other origins may read answers, and ask with more than a plain form could.

    cors.allow(app, ["https://dashboard.example"])

It gives no leave to do anything: who asks still has to say who it is. A page of another origin does that with a token
(Bearer); the session's cookie is not sent from there at all.
"""

from firmware.http.response import Response, field_lines

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_HEADERS = "Authorization, Content-Type"
# Browsers keep the outcome of a preflight for this long: as long as Chromium does at most.
_MAX_AGE_S = 7200

_VARY = b"Vary: Origin\r\n"
_ORIGIN = "Access-Control-Allow-Origin"


def allow(app, origins, credentials=False, headers=_HEADERS, expose="", max_age_s=_MAX_AGE_S):
    """Let pages of `origins` read what `app` answers.

    `origins`: a list of text as browsers write it ("https://example.org:8443"), or "*" for all of them; `credentials`:
    with cookies and Basic; `headers`: what they may send; `expose`: what they may read besides the usual. Where a
    mounted application allows something, too, that holds. Raises ValueError for all origins with credentials, for an
    origin that no browser would send, and for what would not stay one field line.
    """
    is_open = origins == "*"
    if is_open and credentials:
        raise ValueError("credentials for all origins")
    for origin in () if is_open else origins:
        if "://" not in origin or origin.lower() != origin or origin.count("/") != 2:
            raise ValueError("not an origin: %r" % origin)
    common = field_lines("Access-Control-Allow-Credentials", "true") if credentials else b""
    if expose:
        common += field_lines("Access-Control-Expose-Headers", expose)
    lines = {origin: field_lines(_ORIGIN, origin) + common for origin in (("*",) if is_open else origins)}

    def granted(request):
        origin = request.headers.get("origin")
        return None if origin is None else lines.get("*" if is_open else origin)

    @app.before
    def preflight(request):
        """Answer whether a request may be sent."""
        if request.method != "OPTIONS" or "access-control-request-method" not in request.headers:
            return None
        if not granted(request):
            return None
        fields = {"Access-Control-Allow-Methods": _METHODS, "Access-Control-Max-Age": str(max_age_s)}
        if headers:
            fields["Access-Control-Allow-Headers"] = headers
        return Response(None, 204, fields)

    @app.after
    def grant(request, response):
        """Say who may read this, and that it depends on who asks."""
        told = request.answer_lines
        if not is_open and _VARY not in told:
            # RFC 9110 12.5.5.
            request.answer_lines += _VARY
        found = granted(request)
        if found and (_ORIGIN + ": ").encode() not in told:
            request.answer_lines += found
