"""CORS (WHATWG Fetch 3.2): which pages of other origins may read responses, and send more than a plain form can.

    cors.allow(app, ["https://dashboard.example"])

This grants no rights: a request still needs credentials. A page of another origin sends a token (Bearer); the browser
does not send the session's cookie from there.
"""

from firmware.http.response import Response, field_lines

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_HEADERS = "Authorization, Content-Type"
# Browsers keep the result of a preflight for this long: the most that Chromium allows.
_MAX_AGE_S = 7200

_VARY = b"Vary: Origin\r\n"
_ORIGIN = "Access-Control-Allow-Origin"


def allow(app, origins, credentials=False, headers=_HEADERS, expose="", max_age_s=_MAX_AGE_S):
    """Let pages of `origins` read the responses of `app`.

    `origins`: a list of text as browsers write it ("https://example.org:8443"), or "*" for all; `credentials`: allow
    cookies and Basic; `headers`: fields that they may send; `expose`: fields that they may read besides the usual ones.
    A mounted application's own rules have priority. Raises ValueError for all origins with credentials, for an origin
    that no browser would send, and for text that would not stay one field line.
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
        """Answer a preflight: whether the request itself may be sent."""
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
        """Add which origin may read this response, and that this depends on the request's origin."""
        told = request.answer_lines
        if not is_open and _VARY not in told:
            # RFC 9110 12.5.5.
            request.answer_lines += _VARY
        found = granted(request)
        if found and (_ORIGIN + ": ").encode() not in told:
            request.answer_lines += found
