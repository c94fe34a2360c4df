"""HTTPS: the server behind TLS, and the plain port that sends everybody there. Off unless asked for.

    await app.serve("0.0.0.0", 443, tls=Context("/data/tls"), redirect_port=80)

The key and its certificate are what `python3 -m tools cert` makes: `cert.der` and `key.der` for MicroPython,
`both.pem` for CPython. Each connection costs 43 KB beyond what a plain one does (mbedTLS with buffers of 16 KB, as on a
laptop), on an ESP32 outside of MicroPython's heap; a handshake keeps the only core that serves busy, so few begin at a
time.
"""

from firmware.http.errors import HTTPError
from firmware.http.message import Request, Response
from firmware.http.parser import scan
from firmware.server import answer, reader, writer
from firmware.server.transport import READ, no_delay

try:
    from tls import PROTOCOL_TLS_SERVER, SSLContext

    ssl = None
except ImportError:
    import ssl


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
        self._server.ready_for(self)

    def converse(self, slot):
        """Answer one request with 301 (RFC 9110 15.4.2), and close."""
        server = slot.server
        end = 0
        slot.deadline = server.clock + server.limits.head_sweeps
        while True:
            head_end = scan(slot.buffer, 0, end, slot.marks) if end else 0
            if head_end or end >= server.limits.head_bytes:
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
        request.end()
        response = self._response(request)
        yield from writer.push(slot, response.head(server.common, request.connection()))
        yield from reader.linger(slot, end > head_end)

    def _response(self, request):
        host = request.headers.get("host") or ""
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
