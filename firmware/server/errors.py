"""An error becomes a response, here and nowhere else: the application's page for it, or the plain one.

The plain one is JSON: {"error": {"status", "reason", "detail", "fields"?, "request_id"?}}; `fields` tells what is wrong
with each member of a document. A client that asks for HTML (Accept), as browsers do, gets a small page instead, unless
the application says `json_errors = True`, or is mounted below one that does.
"""

import gc

from firmware.http.errors import HTTPError, reason
from firmware.http.request import text
from firmware.http.response import HTML, Response, checked_status, put_parts, to_response
from firmware.server.respond import awaited, discard, respond, run_hooks, send, write
from firmware.server.slot import Lost, finish_lost
from firmware.server.transport import is_pending

_BUSY = {"Retry-After": "1"}

# The field Accept of the last error, and what it meant: most have the same.
_last_accept = _last_is_json = None

# Of Linux and of an ESP32: EFBIG, ENOSPC, EDQUOT; EPERM, EACCES, EROFS.
_FULL = (27, 28, 122, 132)
_READ_ONLY = (1, 13, 30)

# Content-Type has the charset. An answer is to need no more than 256 bytes in one piece. These are bytes: MicroPython
# looks for each new text among all names that there are. They are joined: `%` takes five times as long.
_START = b'<!doctype html>\n<html lang=en><meta name=viewport content="width=device-width">\n<title>'
_END = b"<p><a href=/>Home</a>\n"

_LINE = b"<p><small>Request %s</small></p>\n"

# Status, detail and page of the last error, up to the request's id: most errors are the same.
_last_page = None, None, b""


def fail(slot, request, error):
    """Answer with an error: by the application's page for its status, or the plain one. Returns as `respond`.

    Raises Lost where the client is gone, or has begun to get another answer.
    """
    if isinstance(error, Lost):
        raise error
    if slot.begun is request:
        return give_up(slot, error)
    if slot.app is None:
        slot.app = slot.server.app
    hooks = slot.app.chain or slot.app.hooks()
    if hooks[4] is not None:
        hooks[4](request)
    page = page_for(slot.app, error)
    if page is None and not (isinstance(error, HTTPError) and has_status(error)):
        error = logged(slot, error)
        page = page_for(slot.app, error)
    if page is not None or slot.response is not None or hooks[1]:
        return fail_later(slot, request, error, page)
    slot.response = response = plain_page(slot, error)
    return send(slot, request, response)


def has_status(error):
    """Tell whether an HTTPError has a status that can be sent; say so where it has not."""
    try:
        return checked_status(error.status)
    except ValueError as mistake:
        print("limpet:", mistake)
        return False


def give_up(slot, error):
    """An error came behind an answer, or in the middle of it, where the missing rest tells the client: raises Lost."""
    if isinstance(error, Lost):
        raise error
    response = slot.response
    if response is None or response.sent is None:
        if not isinstance(error, (OSError, HTTPError)):
            slot.server.log_error("response", error)
        raise Lost
    slot.server.log_error("done hook", error)
    finish_lost(slot)


def page_for(app, error):
    """Return the application's page for an error, or that of one around it: for its status, else for its class.

    None for the plain one, and where memory is short.
    """
    status = error.status if isinstance(error, HTTPError) else None
    # A truth test of an application would look for two methods that it has not.
    while app is not None and not isinstance(error, MemoryError):
        page = app.error_pages.get(status)
        if page is not None:
            return page
        found = None
        for kind in app.error_pages:
            # The class that is nearest to the error's own.
            if type(kind) is not int and isinstance(error, kind) and (found is None or issubclass(kind, found)):
                found = kind
        if found is not None:
            return app.error_pages[found]
        app = None if app.json_errors else app.parent
    return None


def logged(slot, error):
    """Say on the console what a handler has raised; return the HTTPError for it."""
    request = slot.request
    slot.server.log_error("%s %s" % (request.method, request.target), error)
    found = as_http(slot.server, error)
    if found.status == 500:
        try:
            from firmware.server.laptop import trace

            found.trace = trace(request, error)
        except ImportError:
            pass  # a board has no such file
    return found


def as_http(server, error):
    """Return the HTTPError for what else was raised."""
    if isinstance(error, MemoryError):
        gc.collect()
        server.app.spare()
        return HTTPError(503, "Out of memory.", _BUSY)
    if isinstance(error, OSError) and error.args:
        if error.args[0] in _FULL:
            return HTTPError(507, "There is no room left in the storage.")
        if error.args[0] in _READ_ONLY:
            return HTTPError(503, "The storage cannot be read or written.")
    return HTTPError(500)


async def fail_later(slot, request, error, page):
    """Answer with an error where something has to be ended or awaited first, or hooks may fail in turn."""
    has_failed = slot.response is not None
    await discard(slot)
    response = None
    if page is not None and not request.has_failed:
        request.has_failed = True
        response = await make_page(slot, request, error, page)
    if response is None:
        response = plain_page(slot, error if isinstance(error, HTTPError) else logged(slot, error))
    slot.response = response
    try:
        rest = None if has_failed else run_hooks(slot, request, slot.app.hooks()[1], 0)
        if rest is None:
            rest = send(slot, request, slot.response)
        if rest is not None:
            await rest
    except Exception as second:
        if slot.begun is request or isinstance(second, Lost):
            raise
        slot.server.log_error("error page or after hook", second)
        await discard(slot)
        if not isinstance(second, HTTPError):
            # It is the server's fault; where memory was short the client may come again.
            second = as_http(slot.server, second)
        slot.response = plain_page(slot, second)
        rest = send(slot, request, slot.response)
        if rest is not None:
            await rest


async def make_page(slot, request, error, page):
    """Return the response that an application has for an error, or None where that fails."""
    try:
        result = page(request, error)
        if is_pending(result):
            result = await awaited(slot, result)
        response = to_response(result)
        if response.status == 200:
            response.status = getattr(error, "status", 500)
        for name, value in (getattr(error, "headers", None) or {}).items():
            response.set_header(name, value)
        return response
    except Lost:
        raise
    except Exception as second:
        slot.server.log_error("error page", second)
        return None


def plain_page(slot, error):
    """Return the plain response to an error; without its words where there is no memory for them."""
    try:
        return make_plain(error, slot.request, slot.app)
    except MemoryError:
        return wordless(error)


def wordless(error):
    """Return what is left of an error where memory is short."""
    gc.collect()
    return Response(b"", error.status, error.headers)


async def refuse(slot, request, error):
    """Answer what could not be framed, before the connection is closed; `request` is None where no head was read."""
    server = slot.server
    slot.request = request
    # No route was looked for: the slot may still name the previous request's application.
    slot.app = server.app
    if request is not None and slot.app.id_of:
        slot.app.id_of(request)
    response = plain_page(slot, error)
    if request is not None:
        rest = respond(slot, request, response)
        if rest is not None:
            await rest
        return
    slot.response = response
    # Not in one piece of memory: it may be what there is none of.
    stop = put_parts(server.out, response.parts(server.common, b"Connection: close\r\n"))
    size = len(response.body)
    server.out_view[stop : stop + size] = response.body
    rest = write(slot, slot, stop + size, size)
    if rest is not None:
        await rest


def make_plain(error, request, app=None):
    """Return the Response for an HTTPError.

    `request` is None where the head could not be read; its `id`, if any, is told. `app`: the application whose route
    was found, or the outermost one.
    """
    id = None if request is None else request.raw_id
    response = _document(error, id) if _is_json(request, app) else _page(error, id)
    if error.headers:
        for name, value in error.headers.items():
            response.set_header(name, value)
    return response


def _page(error, id):
    global _last_page
    if _last_page[0] != error.status or _last_page[1] != error.detail:
        _last_page = error.status, error.detail, _page_start(error, reason(error.status))
    line = _LINE % id if id else b""
    if error.trace:
        line += b"<pre>%s</pre>\n" % _escaped(error.trace)
    return Response(_last_page[2] + line + _END, error.status, None, HTML)


def _page_start(error, phrase):
    parts = [_START, b"%d " % error.status, phrase, b"</title>\n<h1>", phrase]
    parts += b"</h1>\n<p>", _escaped(error.detail), b"\n"
    return b"".join(parts)


def _document(error, id):
    told = {"status": error.status, "reason": reason(error.status).decode(), "detail": error.detail}
    if error.fields:
        told["fields"] = error.fields
    if id:
        told["request_id"] = id.decode()
    return Response({"error": told}, error.status)


def _escaped(text):
    raw = text.encode()
    if b"&" in raw or b"<" in raw or b">" in raw or b'"' in raw or b"'" in raw:
        return escape(text).encode()
    return raw


def _is_json(request, app):
    # A truth test of an application or a request would look for two methods that neither has.
    while app is not None:
        if app.json_errors:
            return True
        app = app.parent
    if request is None:
        return False
    global _last_accept, _last_is_json
    accept = request.field(b"accept") or b""
    if accept != _last_accept:
        _last_is_json = _prefers_json(accept.lower())
        _last_accept = accept
    return _last_is_json


def _prefers_json(accept):
    if b"text/html" not in accept and b"text/*" not in accept:
        return True
    # Browsers name neither: no text has to be made of it.
    if b"json" not in accept and b"application/*" not in accept:
        return False
    from firmware.http.accept import prefers_json

    return prefers_json(text(accept))


def escape(text):
    """Return text as HTML means it, also within quotes."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#39;")
