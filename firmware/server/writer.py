"""Writes responses: head and first body bytes in one, the rest as the client takes it.

Generators that a connection's script runs; they yield what they wait for and raise OSError where the client is gone.
"""

from firmware.http.native import const
from firmware.http.response import JSON
from firmware.server import transport

WRITE = transport.WRITE
PAUSE = 3

# Two full segments of 1,440 bytes, lwIP's on the ESP32: no odd small one behind each write.
OUT_BYTES = 2880

# What a JSON answer's head begins with, date and all, but for the server's name.
HEAD_BYTES = 112

# Body bytes that are copied behind the head for one write: a segment less a head. Beyond it copying costs more.
_FIRST = const(1024)

# Files are sent this many buffers at a time, then the others have their turn.
_BURST = const(8)


def push(slot, data):
    """Write all of `data`, which nobody may change meanwhile."""
    server = slot.server
    while True:
        sent = slot.sock.write(data)
        if sent == len(data):
            slot.deadline = 0
            return
        if sent:
            data = memoryview(data)[sent:]
        slot.deadline = server.clock + server.limits.silence_sweeps
        yield WRITE


def prepare(slot, response, lines, head_only):
    """Make a response's head with `lines` of the request's, and what sends it and, if not `head_only`, the body.

    The body's length is known. Return the generator that does, or how many bytes of `server.json_view` are to be sent
    at once. Nothing is sent yet. Raises ValueError and TypeError for what cannot be sent.
    """
    if response.content_type is JSON and response.status == 200 and not response.headers and not head_only:
        stop = _put_json(slot.server, response, lines)
        if stop:
            return stop
    head = response.head(slot.server.common, lines)
    if head_only or response.length == 0:
        return push(slot, head)
    if type(response.body) is bytes or type(response.body) is bytearray:
        return _send_bytes(slot, head, response.body)
    return send_file(slot, head, response.body, response.length)


def _put_json(server, response, lines):
    """Put JSON behind the beginning of its head, which stands ready; return the length, 0 where there is no room."""
    if type(response.body) is not bytes:
        return 0
    end = b"%d\r\n%s\r\n" % (len(response.body), lines)
    at = server.json_at
    stop = at + len(end)
    if stop + len(response.body) > len(server.json_view):
        return 0
    server.json_view[at:stop] = end
    at = stop + len(response.body)
    server.json_view[stop:at] = response.body
    return at


def _send_bytes(slot, head, body):
    first = min(len(body), _FIRST)
    try:
        head += body if first == len(body) else memoryview(body)[:first]
    except MemoryError:
        first = 0  # no room for both in one piece
    yield from push(slot, head)
    if len(body) > first:
        transport.no_delay(slot.sock)
        yield from push(slot, memoryview(body)[first:])


def send_file(slot, head, file, left):
    """Write a head, and `left` bytes of an open file.

    All goes through the server's one output buffer. It is everybody's and holds nothing over a wait: what the socket
    did not take is read again.
    """
    server = slot.server
    sock = slot.sock
    view = server.out_view
    room = len(view)
    used = len(head)
    if used > room // 2:
        yield from push(slot, head)
        used = 0
    else:
        view[:used] = head
    bursts = 0
    while left:
        take = min(left, room - used)
        part = view[: used + take]
        if file.readinto(part[used:] if used else part) != take:
            raise OSError("the file became shorter")
        sent = sock.write(part)
        if sent is None and used:
            # TLS has taken all of this to send it later, and is to be given the same again.
            yield from push(slot, bytes(part))
            sent = used + take
        sent = sent or 0
        if sent < used:
            yield from push(slot, bytes(view[sent:used]))
            sent = used
        sent -= used
        used = 0
        left -= sent
        if not bursts and left:
            transport.no_delay(sock)
        bursts += 1
        if sent < take:
            file.seek(sent - take, 1)
            slot.deadline = server.clock + server.limits.silence_sweeps
            yield WRITE
        elif bursts % _BURST == 0:
            slot.deadline = 0
            yield PAUSE
    slot.deadline = 0
