"""A server's beginning: its limits are checked, its buffers and slots made, and it listens. Gone once it does."""

import gc

from firmware import NAME, VERSION
from firmware.http.native import const
from firmware.http.response import mistake
from firmware.server import respond, transport
from firmware.server.connection import run
from firmware.server.limits import OUT_BYTES, SWEEP_MS, Limits
from firmware.server.listener import Server
from firmware.server.refusal import Refused
from firmware.server.slot import SPARE, Slot

# Descriptors that a server may have beside its clients': what listens, files, a database.
_MORE_DESCRIPTORS = const(32)


def begin(app, host, port, tls, redirect_port):
    """Have `app.server` listen, in a running event loop. Raises OSError where the address is taken or is not ours."""
    app.server = server = make(app, "%s/%s" % (NAME, VERSION))
    server._socket = transport.listen(host, port)
    server._tls = tls
    server.is_secure = tls is not None
    server.reactor = transport.reactor()
    if tls:
        server.reactor.widen(len(server.slots) + _MORE_DESCRIPTORS)
    for slot in server.slots:
        transport.begin(slot, run(slot))
    if redirect_port:
        server.redirect_socket = transport.listen(host, redirect_port)
        server._redirect = tls.redirect(server, port)
    server._look_out(transport.READ)


def make(app, name):
    """Return a Server for `app`, which does not listen yet; its answers call it `name`."""
    server = Server()
    limits = app.limits
    derive(limits)
    # The buffers are the largest blocks there will ever be: what the imports left is out of their way.
    gc.collect()
    server.app = server.first = app
    server.limits = limits
    server.clock = 1  # sweeps since the start
    server.live = 0  # long-lived connections
    server.requests = 0
    server.counters = {"accepted": 0, "refused": 0, "evicted": 0, "timeouts": 0, "lost": 0, "errors": 0}
    server.draining = False
    server.waiting = []  # clients without a slot: (address, since which sweep, client, protocol)
    server.swapped = 0  # the sweep in which a new client made room for another one that holds as much
    server.is_short = False  # whether answers end their connections: somebody waits, or the server ends
    server.refusing = False  # everybody new, as long as memory is short
    server.starved = 0  # requests that failed for want of memory
    server.budget = None  # `may_accept()` and `write_bytes()`, where the system bounds both (board/budget.py)
    server.reactor = None
    # One buffer for all that is sent, and one that JSON is made in.
    server.out = bytearray(OUT_BYTES)
    server.out_view = memoryview(server.out)
    server.text = transport.new_text(respond.TEXT_BYTES)
    # A head that is longer than a slot's own buffer is read into this one, one at a time.
    server.spare = bytearray(limits.head_bytes + SPARE)
    server.spare_view = memoryview(server.spare)
    server.spare_of = None
    # Of the answer that is put into `out`: its application's fixed lines, its body's bytes.
    server.fixed = None
    server.body_bytes = 0
    server.heads = {}  # what answers begin with (see `respond.put_start`)
    server.slots = [Slot(server) for _ in range(limits.connections)]
    server._name = b"Server: %s\r\n" % name.encode()
    server._socket = None
    server._tls = None
    server.is_secure = False  # whether clients come over TLS
    server._redirect = None  # on the plain port, where there is TLS
    server.redirect_socket = None
    server.refused = Refused(server.out_view)
    server._accept_again = 0  # the sweep to accept at, while that fails
    server._backoff_sweeps = 1
    server._prepare()
    return server


def derive(limits):
    """Check the values, and count the deadlines in sweeps. Raises ValueError."""
    # For a server that begins anew this has been done, and what was derived has other names on a board.
    if not hasattr(limits, "sweep_bytes"):
        _check(limits)
    limits.long_lived = min(limits.long_lived, limits.connections - 1)
    limits.sweep_bytes = limits.rate_bytes * SWEEP_MS // 1000
    limits.head_sweeps = limits.head_ms // SWEEP_MS + 1
    limits.silence_sweeps = limits.silence_ms // SWEEP_MS + 1
    limits.ping_sweeps = limits.ping_ms // SWEEP_MS + 1
    limits.idle_sweeps = limits.idle_ms // SWEEP_MS + 1


def _check(limits):
    for name in dir(limits):
        if name[0] == "_":
            continue
        if not hasattr(Limits, name):
            raise mistake("limit", name)
        value = getattr(limits, name)
        if type(value) is not int or value < 1:
            raise mistake("value", (name, value))
        # Positions in a head are 16 bits wide.
        if value > 0xFE00 and name in ("head_bytes", "target_bytes") or value > 0x1000 and name == "fields":
            raise mistake("high", (name, value))
