"""The access point's DNS server: whatever a phone looks up, it finds this board, and so the setup page opens by itself.

    await dns.serve("192.168.4.1", 53, "192.168.4.1")   # until cancelled

`Responder` is the protocol (RFC 1035), bytes in and bytes out; `serve` moves them. A query for an A record is answered
with our address, one for anything else with NOERROR and nothing: the name is there, so nobody looks elsewhere. What is
no plain query for one name gets no answer at all.
"""

import asyncio
import errno
import socket

try:
    from asyncio import core

    core._io_queue  # noqa: B018 - CPython has neither
    _MICROPYTHON = True
except (ImportError, AttributeError):
    _MICROPYTHON = False

# RFC 1035 2.3.4: a datagram without EDNS, and a name, with all its length bytes.
_MAX_MESSAGE = 512
_MAX_NAME = 255
# Two bits above it make a length byte a pointer (RFC 1035 4.1.4). Before a lone question there is no name to point to.
_MAX_LABEL = 63
_HEAD = 12

# Short, for it is a lie that must not go home with the phone; 0 would have it ask again for each connection.
_TTL_S = 10

# Queries answered in a row: as many as a phone has when it joins, and not so many that a flood keeps others waiting.
_MAX_IN_A_ROW = 8
# After an error of the socket that may last, as when the heap is full or the access point is gone.
_PAUSE_S = 0.2


class Responder:
    """Answers one query after the other, all in one buffer. `address`: IPv4, as text."""

    def __init__(self, address):
        # Name (a pointer to the question's), type A, class IN, time to live, length, data. RFC 1035 4.1.3.
        rest = [0, 0, 0, _TTL_S, 0, 4] + [int(part) for part in address.split(".")]
        self._record = b"\xc0\x0c\0\1\0\1" + bytes(rest)
        self._buffer = bytearray(_HEAD + _MAX_NAME + 4 + len(self._record))
        self._view = memoryview(self._buffer)

    def answer(self, query):
        """Return the answer to `query` (bytes), a view that is valid until the next call, or None: say nothing.

        No bytes make it raise anything. Records behind the question are not looked at: an answer without EDNS tells
        that we have none.
        """
        end = _question_end(query)
        if not end:
            return None
        out = self._buffer
        out[:end] = query[:end]
        # RFC 1035 4.1.1: response, authoritative, RD as it came; RA, or some clients take us for useless; NOERROR.
        out[2] = 0x84 | query[2] & 1
        out[3] = 0x80
        out[7] = out[10] = out[11] = 0
        if query[end - 4 : end] == b"\0\1\0\1":
            out[7] = 1
            start = end
            end += len(self._record)
            out[start:end] = self._record
        return self._view[:end]


def _question_end(query):
    """Return where the only question of a standard query ends, or 0 where this is no such query. RFC 1035 4.1."""
    # Not a response, opcode 0, not truncated; one question, no records that only an answer has.
    if len(query) < _HEAD or query[2] & 0xFA or query[4:10] != b"\0\1\0\0\0\0":
        return 0
    at = _HEAD
    while at < len(query) and query[at]:
        if query[at] > _MAX_LABEL:
            return 0
        at += 1 + query[at]
    end = at + 5
    return end if at < _HEAD + _MAX_NAME and end <= len(query) else 0


async def serve(address, port=53, host="0.0.0.0"):
    """Answer with `address` all who ask at `host` and `port`, until cancelled. Raises OSError where that is taken.

    Bear in mind that others may be asked at 0.0.0.0 too: give the access point's own address where there are several.
    """
    responder = Responder(address)
    family, kind, protocol, _, own = socket.getaddrinfo(host, port, 0, socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.bind(own)
        while True:
            await _readable(sock)
            if not _answer_some(sock, responder):
                await asyncio.sleep(_PAUSE_S)
    finally:
        sock.close()


def _answer_some(sock, responder):
    """Answer what is there, up to _MAX_IN_A_ROW. Return whether the socket is well."""
    for _ in range(_MAX_IN_A_ROW):
        try:
            # MicroPython has no way to read into a buffer and be told the sender; this is the one allocation.
            query, sender = sock.recvfrom(_MAX_MESSAGE)
            answer = responder.answer(query)
        except OSError as error:
            return error.errno == errno.EAGAIN
        except MemoryError:
            return False
        if answer is not None:
            try:
                sock.sendto(answer, sender)
            except OSError:
                pass  # a client that is gone, or a network that is full: it will ask again
    return True


if _MICROPYTHON:

    def _readable(sock):
        """Wait until there is something to read."""
        yield core._io_queue.queue_read(sock)

else:

    async def _readable(sock):
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        loop.add_reader(sock, event.set)
        try:
            await event.wait()
        finally:
            loop.remove_reader(sock)
