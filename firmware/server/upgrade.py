"""The handshake of a WebSocket (RFC 6455 section 4): loaded by the first that comes."""

from firmware.http import websocket
from firmware.http.errors import HTTPError
from firmware.http.origin import has_token, is_foreign
from firmware.http.response import Response
from firmware.server.websocket import WebSocket


def upgrade(request, handler, protocols, origins, params):
    """Open a WebSocket for `handler`: return the response.

    Raises 426 or 400 for what is no handshake, 403 for a page of somebody else's, 405 for HEAD.
    """
    if request.method != "GET":
        raise HTTPError(405, "A WebSocket begins with GET.", {"Allow": "GET, OPTIONS"})
    get = request.headers.get
    # RFC 9110 7.8: an upgrade that HTTP/1.0 asks for is not there.
    key = websocket.check_handshake(get if request.is_http_1_1() else _no_field)
    if not has_token(request) and is_foreign(request, origins):
        raise HTTPError(403, "Pages from there may not connect.")
    headers = {"Upgrade": "websocket", "Sec-WebSocket-Accept": websocket.accept_key(key)}
    protocol = websocket.choose_protocol(get("sec-websocket-protocol"), protocols)
    if protocol:
        headers["Sec-WebSocket-Protocol"] = protocol
    socket = WebSocket(request, protocol)
    socket.handler = lambda: handler(request, socket, **params)
    return Response(socket, 101, headers)


def _no_field(name):
    return None
