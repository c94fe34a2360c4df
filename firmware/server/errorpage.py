"""The plain error response: a small HTML page, or JSON for who asks for JSON."""

from firmware.http.errors import reason
from firmware.http.response import HTML, JSON, Response

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%d %s</title>
<h1>%s</h1>
<p>%s</p>
%s</html>
"""

_LINE = "<p><small>Request %s</small></p>\n"


def respond(error, request):
    """Return the Response for an HTTPError; `request` is None where there is no telling. Its `id`, if any, is told."""
    phrase = reason(error.status).decode()
    accept = request and request.headers.get("accept")
    id = request and request.id
    if accept and _wants_json(accept):
        content = {"error": {"status": error.status, "reason": phrase, "detail": error.detail}}
        if id:
            content["error"]["request_id"] = id
        response = Response(content, error.status, content_type=JSON)
    else:
        page = _PAGE % (error.status, phrase, phrase, _escape(error.detail), _LINE % _escape(id) if id else "")
        response = Response(page, error.status, content_type=HTML)
    if error.headers:
        for name, value in error.headers.items():
            response.set_header(name, value)
    return response


def _wants_json(accept):
    from firmware.http.accept import prefers_json

    return prefers_json(accept)


def _escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
