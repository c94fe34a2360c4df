"""HTTPS: the server behind TLS, and the plain port that sends everybody there. Off unless asked for.

    await app.serve("0.0.0.0", 443, tls=Context("/data/tls"), redirect_port=80)

The key and its certificate are what `python3 -m tools cert` makes: `cert.der` and `key.der` for MicroPython,
`both.pem` for CPython. Each connection costs 43 KB beyond what a plain one does (mbedTLS with buffers of 16 KB, as on a
laptop), on an ESP32 outside of MicroPython's heap; a handshake keeps the only core that serves busy, so few begin at a
time.
"""

from firmware.http.errors import HTTPError
from firmware.http.layout import FLAGS
from firmware.http.native import const
from firmware.http.parser import scan
from firmware.http.request import Request
from firmware.http.response import Response
from firmware.server import answer, reader, writer
from firmware.server.connection import NEW
from firmware.server.transport import MAX_HANDSHAKES, READ, accept, no_delay

try:
    from tls import PROTOCOL_TLS_SERVER, SSLContext

    ssl = None
except ImportError:
    import ssl

# Who has not asked for anything this long after accept was done with its handshake, and waits: a browser's spare.
_HANDSHAKE_SWEEPS = const(4)


class Context:
    """What makes a connection a secure one, with the key and certificate of `folder`. Raises OSError without them."""

    def __init__(self, folder):
        if ssl:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._context.load_cert_chain(folder + "/both.pem")
        else:
            self._context = SSLContext(PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(_read(folder + "/cert.der"), _read(folder + "/key.der"))

    def wrap(self, sock):
        """Return the socket with TLS in it; the handshake comes with the first reads."""
        # What is in it cannot be reached any more, on MicroPython.
        no_delay(sock)
        secure = self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return Secure(secure) if ssl else secure

    def is_busy(self, server):
        """Tell whether as many handshakes go on as may."""
        since = server.clock + server.limits.head_sweeps - _HANDSHAKE_SWEEPS
        return sum(slot.want is NEW and slot.deadline > since for slot in server.slots) >= MAX_HANDSHAKES

    def redirect(self, server, port):
        """Return what listens on the plain port, and sends everybody to the secure one."""
        return Redirect(server, port)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


class Secure:
    """CPython's socket with TLS, with the reading and writing of MicroPython's streams (see `transport`)."""

    def __init__(self, sock):
        self._sock = sock
        self.fileno = sock.fileno
        self.pending = sock.pending
        self.close = sock.close

    def readinto(self, buffer):
        """Return the bytes read, 0 at the end, None where nothing is there yet."""
        try:
            return self._sock.recv_into(buffer)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def write(self, data):
        """Return the bytes written, None where nothing fits."""
        try:
            return self._sock.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None


class Redirect:
    """What listens on the plain port; a connection's script for who comes there."""

    def __init__(self, server, port):
        self._server = server
        self._port = port  # of the secure one

    def ready(self):
        """Accept one client; called by the reactor."""
        server = self._server
        try:
            # The setup page has to open by itself, and phones look for it without TLS.
            server.place(accept(server.redirect_socket), self if server.app is server.first else None)
        except Exception as error:
            # It is tried again with the next one; the other port keeps the server from spinning.
            server.log_error("accept", error)

    def converse(self, slot):
        """Answer one request with 301 (RFC 9110 15.4.2), and close."""
        server = slot.server
        end = 0
        slot.deadline = server.clock + server.limits.head_sweeps
        while True:
            head_end = scan(slot.buffer, 0, end, slot.marks) if end else 0
            if head_end or end >= server.limits.head_bytes:
                break
            if end == len(slot.view) and not reader.enlarge(slot, server.limits.head_bytes, end):
                break
            got = slot.sock.readinto(slot.view[end:])
            if got == 0:
                return
            if got:
                end += got
            else:
                yield READ
        slot.end = end
        if not 0 < head_end <= server.limits.head_bytes:
            yield from answer.refuse(slot, HTTPError(-head_end if head_end < 0 else 431))
            return
        slot.request = request = Request(slot)
        try:
            request.frame(slot.marks[FLAGS])
            response = self._response(request)
        except HTTPError as error:
            yield from answer.refuse(slot, error, request)
            return
        request.end()
        yield from writer.push(slot, response.head(server.common, request.lines()))
        yield from reader.linger(slot, end > head_end)

    def _response(self, request):
        host = request.headers.get("host")
        if not host:
            # HTTP/1.0 need not name one.
            raise HTTPError(400, "Use https.")
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
