"""Answers a request once it is known how: hooks, errors, and the response on its way.

Generators that a connection's script runs; they yield what they wait for. The one place where an error becomes a
response.
"""

import gc

from firmware.http.errors import HTTPError
from firmware.http.message import NO_BODY, STREAM, Response, to_response
from firmware.server import reader, writer
from firmware.server.transport import is_pending

# Errors of heads that leave bytes on their way.
_MORE_TO_COME = (413, 414, 417, 431, 501)


def send(slot, found, request, response, body):
    """Send a response, once the hooks have seen it."""
    server = slot.server
    if server.hooked:
        response = yield from _after(slot, found, request, response)
    if server.draining:
        request.end()
    if body and not body.done and (request.expects or not 0 < (request.length or 0) <= server.limits.body_bytes):
        request.end()
    try:
        if response.length == STREAM:
            response = yield from _send_live(slot, found, request, response)
        if response.lines and not response.headers and type(response.body) is not bytes:
            yield from writer.send_file(slot, response, request.connection())
            response.sent = response.length
        elif response.length != STREAM:
            response = yield from _send_whole(slot, found, request, response)
    finally:
        response.close()
        if server.hooked:
            _done(slot, found, request, response)


def _send_whole(slot, found, request, response):
    """Send a response whose length is known. Return it, or the one sent because of an error."""
    common = slot.server.common
    head_only = request.method == "HEAD" or response.status in NO_BODY
    try:
        # RFC 9110 7.8: what is about one connection is named there.
        option = b"upgrade" if response.status == 426 else b""
        head = response.head(common, request.connection(option))
    except Exception as error:
        response.close()
        response = yield from failure(slot, found, request, error)
        head = response.head(common, request.connection())
        head_only = request.method == "HEAD"
    rest = writer.send(slot, head, response, head_only)
    if rest:
        yield from rest
    if head_only:
        response.sent = 0
    else:
        response.sent = len(response.body) if response.length is None else response.length
    return response


def _send_live(slot, found, request, response):
    """Send a response that goes on for long (see `live`). Return it, or the one to send because of an error."""
    from firmware.server import live

    server = slot.server
    has_place = False
    try:
        try:
            body = live.body_of(response, request)
            is_wanted = response.status == 101 or (request.method != "HEAD" and response.status not in NO_BODY)
            if is_wanted:
                live.enter(server)
                has_place = True
                slot.deadline = 0
                yield body.prime()
                is_wanted = response.status != 204
            has_body = response.status == 101 or response.status not in NO_BODY
            head = response.head(server.common, body.lines() if has_body else request.connection())
        except reader.Lost:
            raise
        except Exception as error:
            yield from _discard(slot, response)
            return (yield from failure(slot, found, request, error))
        if is_wanted:
            yield from body.run(slot, head)
            response.sent = body.sent
            if server.draining:
                request.end()
        else:
            yield from _discard(slot, response)
            yield from writer.push(slot, head)
            response.sent = 0
    finally:
        if has_place:
            live.leave(server)
    return response


def _done(slot, found, request, response):
    for hook in _app(slot, found).hooks("done"):
        try:
            hook(request, response)
        except Exception as error:
            slot.server.log_error("done hook", error)


def settle(slot, result):
    """Await what a handler or hook returned, if that is still to come."""
    if is_pending(result):
        slot.deadline = 0
        result = yield result
    if type(result) is not Response and hasattr(result, "poll"):
        slot.deadline = 0
        result = yield from result.poll(slot)
    return result


def before(slot, found, request):
    """Return the first answer of a hook, or None."""
    try:
        for hook in _app(slot, found).hooks("before"):
            result = yield from settle(slot, hook(request))
            if result is not None:
                return result
    except reader.Lost:
        raise
    except Exception as error:
        return (yield from failure(slot, found, request, error))
    return None


def _after(slot, found, request, response):
    for hook in _app(slot, found).hooks("after"):
        try:
            result = yield from settle(slot, hook(request, response))
            if result is not None and result is not response:
                yield from _discard(slot, response)
                response = to_response(result)
        except reader.Lost:
            raise
        except Exception as error:
            yield from _discard(slot, response)
            response = yield from failure(slot, found, request, error)
    return response


def _discard(slot, response):
    """Close what a response that is not sent would have read from."""
    if hasattr(response.body, "end"):
        try:
            yield response.body.end()
        except Exception as error:
            slot.server.log_error("a generator's end", error)
    else:
        response.close()


def _app(slot, found):
    return found[0] if found else slot.server.app


def failure(slot, found, request, error):
    """Return the response to an error: the application's page for its status, or the plain one."""
    if not isinstance(error, HTTPError):
        slot.server.log_error("%s %s" % (request.method, request.target), error)
        if isinstance(error, MemoryError):
            gc.collect()
            error = HTTPError(503, "Out of memory.", {"Retry-After": "1"})
        else:
            error = HTTPError(500)
    page = _app(slot, found).error_page(error.status)
    if page:
        try:
            result = yield from settle(slot, page(request, error))
            response = to_response(result)
            if response.status == 200:
                response.status = error.status
            for name, value in (error.headers or {}).items():
                response.set_header(name, value)
            return response
        except reader.Lost:
            raise
        except Exception as second:
            slot.server.log_error("error page", second)
    return _plain_page(error, request)


def _plain_page(error, request):
    # Loaded when there is something wrong.
    from firmware.server.errorpage import respond

    return respond(error, request)


def refuse(slot, error, request=None):
    """Answer what could not be framed: nobody knows where a next request would start."""
    if request and slot.server.app.id_of:
        slot.server.app.id_of(request)
    response = _plain_page(error, request)
    if request and slot.server.hooked:
        response = yield from _after(slot, None, request, response)
    data = response.head(slot.server.common, b"Connection: close\r\n")
    if request is None or request.method != "HEAD":
        data += response.body
        response.sent = len(response.body)
    try:
        yield from writer.push(slot, data)
    finally:
        if slot.server.hooked:
            _done(slot, None, request, response)
    yield from reader.linger(slot, error.status in _MORE_TO_COME)
