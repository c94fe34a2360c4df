"""What the server bounds, each with its default and reason; `app.limits.NAME = value` before serving sets it."""

from firmware.server import transport

# The buffer that all is sent from: two full segments of 1,440 bytes, lwIP's on the ESP32, and no odd small one behind.
OUT_BYTES = 2880

# One task looks at every deadline this often: a deadline is late by at most as much.
SWEEP_MS = 500


class Limits:
    """The limits of one server."""

    # lwIP on an ESP32 has some 10 sockets (see `transport`).
    connections = transport.MAX_CONNECTIONS
    # Clients beside these that wait for one of them. lwIP has 10 sockets: one listens, two tell refused clients why.
    waiting = transport.MAX_WAITING
    # Of these, for streams, WebSockets, Server-Sent Events and long polls; the others are kept for ordinary requests. A
    # page with its live connection open needs two more to load quickly.
    long_lived = transport.MAX_CONNECTIONS * 2 // 3
    # Longer targets are attacks or forms that should have been POSTs.
    target_bytes = 1024
    # A browser's head has 400 to 800 bytes; with a cookie or two it fits twice.
    head_bytes = 2048
    # Browsers send 10 to 20; each costs 8 bytes a slot.
    fields = 32
    # What is held for `request.body`: JSON and small forms. Anything longer is streamed by its handler.
    body_bytes = 8192
    # From accept, or from a request's first byte, to the end of its head: a slow phone needs 2 s.
    head_ms = 5000
    # Silence within a body, or from a reader that takes nothing.
    silence_ms = 10000
    # A second, of a body or an answer: where slots are out, clients that are slower make room. Any link has more.
    rate_bytes = 4096
    # Idle keep-alive: a page's follow-up requests come within this; a tab left open costs a slot no longer.
    idle_ms = 5000
    # Of a WebSocket that says nothing: it is asked whether it is still there, and has as long again to answer.
    ping_ms = 20000
    # Of a WebSocket's message, which is held as a whole.
    message_bytes = 4096
    # On one connection: everybody gets a new slot from time to time.
    requests = 100
