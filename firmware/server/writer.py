"""Writes responses: head and first body bytes in one, the rest as the client takes it.

Generators that a connection's script runs; they yield what they wait for and raise OSError where the client is gone.
"""

from firmware.http.native import const
from firmware.server import transport

WRITE = transport.WRITE
PAUSE = 3

# Two full segments of 1,440 bytes, lwIP's on the ESP32: no odd small one behind each write.
OUT_BYTES = 2880

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


def send(slot, head, response, head_only):
    """Write `head` and, if not `head_only`, the body of `response`.

    Return None where that is done, or the generator that does the rest.
    """
    body = b"" if head_only or response.length == 0 else response.body
    if type(body) is not bytes and type(body) is not bytearray:
        return _send_file(slot, head, 0, body, response.length)
    data = head + (body if len(body) <= _FIRST else memoryview(body)[:_FIRST])
    sent = slot.sock.write(data)
    if sent == len(data) and len(body) <= _FIRST:
        return None
    return _send_rest(slot, memoryview(data)[sent or 0 :], body)


def _send_rest(slot, data, body):
    if data:
        yield from push(slot, data)
    if len(body) > _FIRST:
        transport.no_delay(slot.sock)
        yield from push(slot, memoryview(body)[_FIRST:])


def send_file(slot, response, connection):
    """Return the generator that writes a response with ready-made lines and a file: its head, too, is made in place."""
    server = slot.server
    used = response.head_into(server.out_view, server.common, connection)
    return _send_file(slot, b"", used, response.body, response.length)


def _send_file(slot, head, used, file, left):
    """Write `head`, or the `used` bytes of it that stand in the buffer already, and `left` bytes of an open file.

    All goes through the server's one output buffer. It is everybody's and holds nothing over a wait: what the socket
    did not take is read again.
    """
    server = slot.server
    sock = slot.sock
    view = server.out_view
    room = len(view)
    if len(head) > room // 2:
        yield from push(slot, head)
    elif head:
        used = len(head)
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
