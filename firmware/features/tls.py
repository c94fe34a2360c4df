"""HTTPS: the server behind TLS, and a plain port that redirects to it. Off by default.

    await app.serve("0.0.0.0", 443, tls=Context("/data/tls"), redirect_port=80)

`python3 -m tools cert` makes the key and its certificate: `cert.der` and `key.der` for MicroPython, `both.pem` for
CPython. Each connection costs 43 KB more than a plain one (mbedTLS with buffers of 16 KB, as on a laptop), on an ESP32
outside of MicroPython's heap, and a handshake occupies the only core that serves. So a client is accepted like a plain
one, and costs nothing until it sends something; a board then makes one handshake at a time.
"""

from firmware.http.errors import HTTPError
from firmware.http.native import const
from firmware.http.request import Request
from firmware.http.response import Response
from firmware.server.connection import converse, refuse
from firmware.server.overload import GRACE_SWEEPS, count
from firmware.server.receive import CLOSED, linger, read_head
from firmware.server.slot import NEW, READ, push, wait
from firmware.server.transport import MAX_HANDSHAKES, no_delay

try:
    from tls import PROTOCOL_TLS_SERVER, SSLContext

    ssl = None
except ImportError:
    import ssl

# `parser`'s place in marks, folded by the compiler only where it is written; a test compares.
_FLAGS = const(8)


# A handshake's time if only clients of the same address wait, or of an address with more slots.
_PATIENCE_SWEEPS = const(10)


class Context:
    """Makes connections secure with the key and certificate in `folder`. Raises OSError if there are none."""

    def __init__(self, folder):
        self._shaking = {}  # slots with a handshake in progress: the sweep in which it began
        self._waiting = []  # slots whose clients wait for their handshake
        if ssl:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._context.load_cert_chain(folder + "/both.pem")
        else:
            self._context = SSLContext(PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(_read(folder + "/cert.der"), _read(folder + "/key.der"))

    async def converse(self, slot):
        """Shake hands with a client, and serve it."""
        sock = slot.sock
        await wait(slot, READ, NEW)
        try:
            if len(self._shaking) < MAX_HANDSHAKES:
                self._begin(slot)
            else:
                self._waiting.append(slot)
                await wait(slot, 0, NEW)
            self._wrap(slot)
            await converse(slot)
        except OSError:
            # A failed handshake leaves this open on MicroPython: the TLS socket keeps the plain one.
            sock.close()
            raise
        finally:
            if slot in self._waiting:
                self._waiting.remove(slot)
            self._end(slot)

    def _begin(self, slot):
        self._shaking[slot] = slot.server.clock

    def _end(self, slot):
        """End a slot's handshake: the address with the fewest slots is next."""
        if self._shaking.pop(slot, None) and self._waiting:
            following = self._following(slot.server)
            self._waiting.remove(following)
            self._begin(following)
            following.wake()

    def _following(self, server):
        # First come, first served, in the order of `overload.choose`.
        best = best_key = None
        try:
            counts = count(server)
            for slot in server.slots:
                if slot in self._waiting:
                    key = (counts[slot.address()], slot.deadline)
                    if best is None or key < best_key:
                        best, best_key = slot, key
        except MemoryError:
            pass
        return best or self._waiting[0]

    def _wrap(self, slot):
        """Wrap a slot's socket in TLS; the first reads make the handshake."""
        slot.unwatch()
        sock = slot.sock
        # On MicroPython the wrapped socket can no longer be reached.
        no_delay(sock)
        sock = self._context.wrap_socket(sock.raw if ssl else sock, server_side=True, do_handshake_on_connect=False)
        slot.sock = secure = Secure(sock) if ssl else sock

        def read(buffer):
            got = secure.readinto(buffer)
            if got is not None:
                slot.read = secure.readinto
                self._end(slot)
            return got

        slot.read = read
        if slot.server.budget is None:
            slot.write = secure.write

    def look(self, server):
        """End a handshake that takes long while others wait; each sweep calls this."""
        if not self._waiting:
            return
        counts = count(server)
        for slot, since in self._shaking.items():
            took = server.clock - since
            if slot.cause is None and took >= GRACE_SWEEPS:
                mine = slot.address()
                for other in self._waiting:
                    address = other.address()
                    if took >= _PATIENCE_SWEEPS or address != mine and counts[address] <= counts[mine]:
                        server.evict(slot)
                        break

    def redirect(self, server, port):
        """Return the listener of the plain port, which redirects to the secure one."""
        return Redirect(server, port)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


class Secure:
    """CPython's TLS socket, with the read and write of MicroPython's streams (see `transport`)."""

    def __init__(self, sock):
        self._sock = sock
        self.fileno = sock.fileno
        self.pending = sock.pending
        self.close = sock.close

    def readinto(self, buffer):
        """Return the number of bytes read, 0 at the end, None if nothing is there yet."""
        try:
            return self._sock.recv_into(buffer)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def write(self, data, size=None):
        """Return the number of bytes written, None if nothing fits."""
        try:
            return self._sock.send(data if size is None else memoryview(data)[:size])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None


class Redirect:
    """Listens on the plain port, and redirects its clients."""

    task = parked = None  # not a task: the reactor calls `ready`

    def __init__(self, server, port):
        self._server = server
        self._port = port  # the secure port

    def ready(self):
        """Accept one client; called by the reactor."""
        server = self._server
        try:
            # Phones look for the setup page without TLS, so it is served here.
            server.admit(server.redirect_socket, self if server.app is server.first else None)
        except Exception as error:
            server.back_off(error)

    async def converse(self, slot):
        """Answer one request with 301 (RFC 9110 15.4.2), and close."""
        head_end = read_head(slot)
        while not head_end:
            # As on the secure port: this client makes room for a new one.
            await wait(slot, READ, NEW)
            head_end = read_head(slot)
        if head_end < 0:
            if head_end != CLOSED:
                await refuse(slot, None, HTTPError(-head_end))
            return
        slot.request = request = Request(slot)
        try:
            request.frame(slot.marks[_FLAGS])
            response = self._response(request)
        except HTTPError as error:
            await refuse(slot, request, error)
            return
        request.end()
        await push(slot, response.head(slot.server.common, request.lines()))
        await linger(slot, slot.end > head_end)

    def _response(self, request):
        host = request.headers.get("host")
        if not host:
            # HTTP/1.0 requests need no Host.
            raise HTTPError(400, "Use https.")
        # The guard of hosts, if there is one: no redirect to a name that is not ours.
        check = getattr(self._server.first, "check_host", None)
        if check:
            check(request)
        colon = host.rfind(":")
        if colon > host.rfind("]"):
            host = host[:colon]
        if self._port != 443:
            host += ":%d" % self._port
        target = request.target
        if target[:1] != b"/":
            target = b"/"
        query = request.query
        return Response(
            b"", 301, {"Location": "https://%s%s%s" % (host, target.decode(), "?" + query.decode() if query else "")}
        )
