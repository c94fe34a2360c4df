"""The one way out: what a handler returned becomes a response on the socket.

`respond` puts head and body into the server's one buffer and writes once. What is left then, a short write, a file, a
stream, is a coroutine that it returns, for the connection to await at once: until its first wait the buffer is its own.
"""

from firmware.http.native import const
from firmware.http.response import (
    HTML,
    JSON,
    NO_BODY,
    STREAM,
    Response,
    fixed_lines,
    is_plain,
    put_length,
    put_parts,
    status_line,
    to_response,
)
from firmware.server import transport
from firmware.server.limits import OUT_BYTES
from firmware.server.pieces import Pieces
from firmware.server.slot import AWAITING, BUSY, finish, push, push_parts, writable
from firmware.server.transport import dump_json, is_pending, settled, take_json

# JSON up to this many bytes is made in a buffer of its own: there is room for it behind a head.
MAX_JSON = const(2560)
# What JSON is made in at first; it grows to what is asked for.
TEXT_BYTES = const(256)
# Up to this many bytes it is kept whole for hooks, beyond in `Pieces`.
MAX_WHOLE = const(512)

# Room for a head, up to its length, with the longest JSON.
_MAX_HEAD = const(290)

# Added to a status, which is less, these are the keys of `server.heads`: for HTML, and for JSON with fixed lines.
_HTML = const(1048576)
_FIXED = const(2097152)
_MAX_HEADS = const(4)

# Files are sent this many buffers at a time, then the others have their turn.
_BURST = const(8)

# A builtin's name is looked for in the module, then in a list of 99.
_type, _dict, _list, _tuple, _str, _bytes, _len = type, dict, list, tuple, str, bytes, len

# Functions on a request's way have at most 11 names, stack slots and (three each) `try`. With more, their frame is on
# the heap, and the allocator then searches all garbage again from there. A test counts.


def respond(slot, request, result):
    """Send what a handler returned. Return None once the socket has all of it, else a coroutine that does the rest.

    Raises OSError or Lost where the client is gone, TypeError and ValueError for what cannot be sent, what hooks raise.
    """
    hooks = slot.app.chain or slot.app.hooks()
    if not hooks[1]:
        slot.server.fixed = hooks[3]
        rest = put_value(slot.server, request, result)
        if rest:
            if hooks[2]:
                slot.response = Response(b"", result[1] if _type(result) is _tuple else 200)
            return write(slot, request, rest, slot.server.body_bytes)
    if _type(result) is _tuple:
        result = with_json(slot.server, result)
    elif hooks[1] and (_type(result) is _dict or _type(result) is _list):
        result = to_json(slot.server, result)
    else:
        result = to_response(result)
    slot.response = result
    if hooks[1]:
        rest = run_hooks(slot, request, hooks[1], 0)
        if rest is not None:
            return rest
    return send(slot, request, result)


def run_hooks(slot, request, after, at):
    """Call the `after` hooks from number `at` on; return None, or the coroutine that does what is left to do."""
    while at < _len(after):
        other = after[at](request, slot.response)
        at += 1
        if other is not None:
            return respond_later(slot, request, at, other)
    return None


async def respond_later(slot, request, at, other):
    """Go on with what an `after` hook has returned, then with the hooks from number `at` on."""
    if is_pending(other):
        other = await awaited(slot, other)
    if other is not None and other is not slot.response:
        await discard(slot)
        slot.response = to_response(other)
    rest = run_hooks(slot, request, slot.app.hooks()[1], at)
    if rest is None:
        rest = send(slot, request, slot.response)
    if rest is not None:
        await rest


async def awaited(slot, pending):
    """Await what a hook or an error page returned; return its result. The client may go meanwhile: the sweep looks."""
    slot.state = AWAITING
    slot.deadline = 0
    try:
        return await settled(pending)
    finally:
        slot.state = BUSY
        slot.deadline = 0


def send(slot, request, response):
    """Send a response that the hooks have seen. Returns and raises as `respond`."""
    if request.reader is not None and is_endless(request, slot.server.limits):
        request.end()
    slot.server.fixed = (slot.app.chain or slot.app.hooks())[3]
    if response.length is None and not response.headers and request.method != "HEAD":
        stop = put_plain(slot.server, response, request.answer_lines + request.connection_line)
        if stop:
            size = _len(response.body)
            return write(slot, request, stop, size)
    if response.length == STREAM:
        from firmware.server.stream import send_live

        return send_live(slot, request, response)
    stop = put_head(slot.server, request, response)
    size = 0 if request.method == "HEAD" else response.size()
    if not stop or size and (response.length is not None or stop + size > OUT_BYTES):
        return send_rest(slot, request, stop, size)
    if size:
        slot.server.out_view[stop : stop + size] = response.body
    return write(slot, request, stop + size, size)


def put_plain(server, response, lines):
    """Put a Response of JSON or HTML without fields of its own into the buffer; return its end, 0 for another one."""
    if response.content_type is JSON:
        return put_text(server, response.status, lines, response.body)
    if response.content_type is HTML and server.fixed is None:  # a page's fixed lines are too long to be kept
        return put_text(server, response.status + _HTML, lines, response.body)
    return 0


def put_value(server, request, value):
    """Put the answer for JSON or text, or (that, status), into the buffer; return its end, 0 where that cannot be."""
    status = 200
    if _type(value) is _tuple:
        if _len(value) != 2 or _type(value[1]) is not _type(status):
            return 0
        value, status = value
    if request.method == "HEAD" or request.reader is not None and not request.reader.done:
        return 0
    if _type(value) is _dict or _type(value) is _list:
        return put_json(server, status, request.answer_lines + request.connection_line, value)
    if _type(value) is _str and server.fixed is None:
        return put_text(server, status + _HTML, request.answer_lines + request.connection_line, value.encode())
    return 0


def put_json(server, kind, lines, value):
    """Put an answer of JSON into the buffer; return its end, 0 where that cannot be."""
    size = dump_json(value, server)
    at = size <= MAX_JSON and put_start(server, kind, lines)
    if not at:
        # What it has grown to is wanted by others.
        server.text = transport.new_text(TEXT_BYTES)
        return 0
    server.body_bytes = size
    at = put_length(server.out, at, size)
    size += at
    take_json(server.text, server.out_view[at:size])
    # What is no JSON after all, or may not be, is looked at once more by `encode_json`.
    return size if is_plain(server.out, at, size) == 1 else 0


def put_text(server, kind, lines, body):
    """Put an answer with a body (bytes) into the buffer; return its end, 0 where that cannot be."""
    at = 0 < _len(body) <= MAX_JSON and put_start(server, kind, lines)
    if at:
        server.body_bytes = _len(body)
        at = put_length(server.out, at, _len(body))
        server.out_view[at : at + _len(body)] = body
        at += _len(body)
    return at


def put_start(server, kind, lines):
    """Put a head up to its length, with field lines; return its end, 0 where it is long or the status has no body."""
    if server.fixed is not None:
        kind += _FIXED
    head = server.heads.get(kind) or make_start(server, kind)
    at = _len(head)
    server.out_view[:at] = head
    if lines and at:
        head = at
        at += _len(lines)
        if at > _MAX_HEAD:
            return 0
        server.out_view[head:at] = lines
    return at


def make_start(server, kind):
    """Return how the heads of a kind begin; b"" if its status has no body. Raises ValueError for an invalid status."""
    is_fixed = server.fixed is not None
    # No bit tells the kind of an invalid status below 0.
    type = HTML if kind > _HTML // 2 and not is_fixed else JSON
    status = kind - (_FIXED if is_fixed else _HTML if type is HTML else 0)
    head = status_line(status), server.common, type, server.fixed[0] if is_fixed else b""
    head = b"" if status in NO_BODY else b"%s%sContent-Type: %s\r\n%s" % head
    if len(server.heads) >= _MAX_HEADS:
        server.heads.clear()
    server.heads[kind] = head
    return head


def to_json(server, value):
    """Return the Response for JSON that hooks are to see: in pieces, for a heap without a larger block."""
    size = dump_json(value, server)
    if size > MAX_JSON:
        server.text = transport.new_text(TEXT_BYTES)
        return to_response(value)
    view = server.out_view[:size]
    take_json(server.text, view)
    if is_plain(server.out, 0, size) != 1:
        return to_response(value)
    if size <= MAX_WHOLE:
        return Response(_bytes(view), 200, None, JSON)
    return Pieces(view)


def with_json(server, result):
    """Do as `to_json` for (JSON, status), (JSON, fields) or (JSON, status, fields), and as `to_response` for others."""
    if not result or _type(result[0]) is not _dict and _type(result[0]) is not _list:
        return to_response(result)
    response = to_json(server, result[0])
    other = to_response((b"",) + result[1:])
    response.status, response.headers = other.status, other.headers
    if other.content_type is not None:
        response.content_type = other.content_type
    return response


def put_head(server, request, response):
    """Put a head into the buffer; return its end, 0 where it is longer."""
    if response.length and not response.lines and not getattr(response, "pieces", None):
        if _type(response.body) is _bytes and response.body:
            # A hook has put bytes in place of a file.
            response.length = None
    return put_parts(server.out, response.parts(server.common, request.lines(), fixed_lines(server.fixed, response)))


def is_endless(request, limits):
    """Tell whether what is left of a request's body is not worth reading away."""
    return not request.reader.done and (request.expects or not 0 < (request.length or 0) <= limits.body_bytes)


def write(slot, request, stop, size):
    """Write the buffer up to `stop`, a whole answer with `size` bytes of body. Returns and raises as `respond`."""
    slot.begun = request
    sent = slot.write(slot.server.out, stop)
    if sent != stop:
        return write_rest(slot, sent or 0, stop, size)
    if slot.response is not None:
        finish(slot, size)
    return None


async def write_rest(slot, sent, stop, size):
    """Write what the socket did not take: a copy, since the buffer is everybody's."""
    await push(slot, bytes(slot.server.out_view[sent:stop]))
    if slot.response is not None:
        finish(slot, size)


async def send_rest(slot, request, at, size):
    """Send what the buffer cannot hold: a long head, a long body, a file. The head is in the buffer, up to `at`."""
    slot.begun = request
    response = slot.response
    if not at:
        fixed = fixed_lines(slot.app.hooks()[3], response)
        await push_parts(slot, response.parts(slot.server.common, request.lines(), fixed))
    if response.length is not None and size:
        await send_file(slot, at, response if getattr(response, "pieces", None) else response.body, size)
    elif size:
        await send_bytes(slot, at, memoryview(response.body)[:size])
    finish(slot, size)


async def send_bytes(slot, at, body):
    """Write the buffer up to `at` with as much of the body as there is room for, and the rest."""
    if at:
        view = slot.server.out_view
        first = min(OUT_BYTES - at, len(body))
        view[at : at + first] = body[:first]
        sent = slot.write(view[: at + first]) or 0
        if slot.server.is_secure and sent < at + first:
            # TLS is to be given the same again.
            await push(slot, bytes(view[sent : at + first]))
            sent = at + first
        elif sent < at:
            await push(slot, bytes(view[sent:at]))
            sent = at
        body = body[sent - at :]
    if len(body):
        transport.no_delay(slot.sock)
        await push(slot, body)


async def send_file(slot, used, file, left):
    """Write the buffer up to `used`, and `left` bytes of an open file.

    All goes through the server's one buffer. It is everybody's and holds nothing over a wait: what the socket did not
    take is read again. Raises OSError where the file became shorter.
    """
    view = slot.server.out_view
    if used > OUT_BYTES // 2:
        await push(slot, bytes(view[:used]))
        used = 0
    bursts = 0
    has_waited = False
    while left:
        take = left if left < OUT_BYTES - used else OUT_BYTES - used
        part = view if used + take == OUT_BYTES else view[: used + take]
        if file.readinto(part[used:] if used else part) != take:
            raise OSError("the file became shorter")
        sent = slot.write(part)
        if sent is None and used and slot.server.is_secure:
            # TLS has taken all of this to send it later, and is to be given the same again.
            await push(slot, bytes(part))
            sent = used + take
        sent = sent or 0
        if sent < used:
            await push(slot, bytes(view[sent:used]))
            sent = used
        sent -= used
        used = 0
        left -= sent
        slot.moved += sent
        if not bursts and left:
            transport.no_delay(slot.sock)
        bursts += 1
        if sent < take:
            file.seek(sent - take, 1)
            slot.deadline = 0
            if not has_waited:
                # What the socket takes at first tells nothing of the client's rate.
                slot.moved = 0
                has_waited = True
            await writable(slot)
        elif bursts % _BURST == 0:
            slot.deadline = 0
            await transport.sleep_ms(0)
    slot.deadline = 0


async def discard(slot):
    """Close what a response that is not sent would have read from."""
    response, slot.response = slot.response, None
    if response is not None:
        if response.length == STREAM and hasattr(response.body, "end"):
            try:
                await response.body.end()
            except Exception as error:
                slot.server.log_error("a generator's end", error)
        else:
            response.close()
