"""Errors of the site's endpoints, as JSON whatever is accepted: {"error": {"status", "reason", "detail", ...}}."""

from firmware.http.errors import reason

_STATUSES = (400, 401, 403, 404, 405, 409, 412, 413, 415, 421, 422, 429, 500, 501, 503, 507)


def problem(status, detail, fields=None, request=None):
    """Return what an error's body is; `fields` tells what is wrong with each member, the request has the id."""
    error = {"status": status, "reason": reason(status).decode(), "detail": detail}
    if fields:
        error["fields"] = fields
    if request and request.id:
        error["request_id"] = request.id
    return {"error": error}


def explain(app):
    """Have the errors of an application explained like that."""

    def page(request, error):
        return problem(error.status, error.detail, getattr(error, "fields", None), request)

    for status in _STATUSES:
        app.error(status)(page)
