"""Answers a request once it is known how: hooks, errors, and the response on its way.

Generators that a connection's script runs; they yield what they wait for. The one place where an error becomes a
response.
"""

import gc

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.response import NO_BODY, STREAM, Response, to_response
from firmware.server import reader, writer
from firmware.server.transport import is_pending

# `layout`'s place in marks, folded by the compiler only where it is written, and the method's number; a test compares.
_METHOD_CODE = const(7)
_HEAD_CODE = const(2)

# Errors of heads that leave bytes on their way.
_MORE_TO_COME = (413, 414, 417, 431, 501)


def send(slot, found, request, response, body):
    """Send a response, once the hooks have seen it."""
    server = slot.server
    hooks = slot.hooks
    if hooks and hooks[1]:
        response = yield from _after(slot, found, request, response, hooks[1])
    if server.draining:
        request.end()
    if (
        body is not None
        and not body.done
        and (request.expects or not 0 < (request.length or 0) <= server.limits.body_bytes)
    ):
        request.end()
    try:
        # What is looked for twice is a local: each look costs as much as a short call.
        length = response.length
        if length == STREAM:
            response = yield from _send_live(slot, found, request, response)
            length = response.length
        if length is not None and response.lines and not response.headers and type(response.body) is not bytes:
            head = response.head(server.common, request.lines())
            yield from writer.send_file(slot, head, response.body, length)
            response.sent = length
        elif length != STREAM:
            status = response.status
            head_only = slot.marks[_METHOD_CODE] == _HEAD_CODE or status in NO_BODY
            more = request.lines()
            if status == 426:
                # RFC 9110 7.8: what is about one connection is named there.
                more += b"Connection: upgrade\r\n"
            try:
                rest = writer.prepare(slot, response, more, head_only)
            except Exception as error:
                # Its head: nothing has been sent.
                response.close()
                response = yield from failure(slot, found, request, error)
                head_only = slot.marks[_METHOD_CODE] == _HEAD_CODE
                rest = writer.prepare(slot, response, request.lines(), head_only)
            if type(rest) is int:
                # JSON, of so many bytes with its head, in everybody's buffer.
                sent = slot.sock.write(server.json_view[:rest])
                if sent != rest:
                    yield from writer.push(slot, bytes(server.json_view[sent or 0 : rest]))
            else:
                yield from rest
            if hooks:
                response.sent = 0 if head_only else len(response.body) if response.length is None else response.length
    finally:
        if type(response.body) is not bytes:
            response.close()
        if hooks and hooks[2]:
            yield from _done(slot, request, response, hooks[2])


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
                if not response.is_brief:
                    live.enter(server)
                    has_place = True
                slot.deadline = 0
                yield body.prime()
                is_wanted = response.status != 204
            has_body = response.status == 101 or response.status not in NO_BODY
            head = response.head(server.common, body.lines() if has_body else request.lines())
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


def _done(slot, request, response, hooks):
    """Call the hooks; a generator in form only, whose frame is not one that is freed (see `response.Response`)."""
    for hook in hooks:
        try:
            hook(request, response)
        except Exception as error:
            slot.server.log_error("done hook", error)
    yield from ()


def settle(slot, result):
    """Await what a handler or hook returned, if that is still to come."""
    if is_pending(result):
        slot.deadline = 0
        result = yield result
    if type(result) is not Response and hasattr(result, "poll"):
        slot.deadline = 0
        result = yield from result.poll(slot)
    return result


def _after(slot, found, request, response, hooks):
    for hook in hooks:
        try:
            result = hook(request, response)
            if result is not None:
                result = yield from settle(slot, result)
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
            slot.server.app.spare()
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
    try:
        return _plain_page(error, request)
    except MemoryError:
        gc.collect()
        return Response(b"", error.status, error.headers)


def _plain_page(error, request):
    # Loaded when there is something wrong.
    from firmware.server.errorpage import respond

    return respond(error, request)


def refuse(slot, error, request=None):
    """Answer what could not be framed: nobody knows where a next request would start."""
    server = slot.server
    more = b"Connection: close\r\n"
    if request and server.app.id_of:
        server.app.id_of(request)
    response = _plain_page(error, request)
    if request and server.hooked:
        response = yield from _after(slot, None, request, response, server.app.hooks()[1])
        more = request.answer_lines + more
    data = response.head(server.common, more)
    if request is None or request.method != "HEAD":
        data += response.body
        response.sent = len(response.body)
    try:
        yield from writer.push(slot, data)
    finally:
        if server.hooked:
            yield from _done(slot, request, response, server.app.hooks()[2])
    yield from reader.linger(slot, error.status in _MORE_TO_COME)
