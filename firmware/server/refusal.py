"""Refusals that stand ready, for where there is no memory, or no slot, to make one; and the clients who got one.

Nothing here takes memory but `Refused` once, at the start.
"""

from firmware.http.native import const

# Refresh: a browser whose page this was to be comes again by itself.
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n"
    b"Retry-After: 1\r\nRefresh: 2\r\nConnection: close\r\n\r\nBusy."
)
_BODY_BYTES = const(5)
# Where `read_head` found no request.
_BAD_HEAD = const(-400)
_BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

# What a refused client may have sent: some 40 KB are taken, more resets the connection as it deserves.
_MAX_READS = const(16)


_dropped = None


def drop(client):
    """Refuse a client, a (socket, peer); `Refused` closes it in a while."""
    global _dropped
    if _dropped is not None:
        _dropped.close()
    _dropped = client[0]
    try:
        _dropped.write(BUSY)
    except OSError:
        pass


def say_busy(slot):
    """Answer a slot's client where there is no memory for more than what stands ready."""
    if slot.sock is None or _has_answer(slot, slot.request):
        return
    try:
        _write(slot, slot.request)
        slot.unwatch()
        slot.server.refused.hold(slot.sock, slot.server.clock)
        slot.sock = None
    except Exception:
        pass  # the client is gone


def _has_answer(slot, request):
    # A request without a slot is the previous one.
    return slot.begun is (slot if request is None or request.slot is None else request)


def _write(slot, request):
    answer = _BAD if slot.head_end == _BAD_HEAD else BUSY
    size = len(answer)
    if answer is BUSY and request is not None and request.method == "HEAD":
        size -= _BODY_BYTES
    slot.write(answer, size)


def _end(sock, view):
    try:
        _read_away(sock, view)
    except OSError:
        pass
    sock.close()


def _read_away(sock, view):
    for _ in range(_MAX_READS):
        if not sock.readinto(view):
            return


class Refused:
    """The two clients who were refused last: closing them at once would reset the answer away before it is read."""

    def __init__(self, view):
        self._view = view  # what they still send goes here
        self._socks = [None, None]
        self._since = [0, 0]

    def hold(self, sock, clock):
        """Close the client for a refusal in a while."""
        self._close(0)
        self._socks[0], self._since[0] = self._socks[1], self._since[1]
        self._socks[1], self._since[1] = sock, clock

    def sweep(self, clock):
        """Close those whose time has come; take who was dropped."""
        global _dropped
        if _dropped is not None:
            self.hold(_dropped, clock)
            _dropped = None
        for at in (0, 1):
            if self._since[at] + 1 < clock:
                self._close(at)

    def close(self):
        """Close all."""
        self._close(0)
        self._close(1)

    def _close(self, at):
        if self._socks[at] is not None:
            _end(self._socks[at], self._view)
            self._socks[at] = None
