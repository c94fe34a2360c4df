"""Accepts clients into slots, evicts, refuses, sweeps deadlines, and stops in good order.

The reactor calls `ready` for every client that waits to be accepted. `serve` itself is the one sweep task: it holds
every deadline. A handler that is `async` has a task while it is awaited; there are no others.
"""

import asyncio
import gc
import time

from firmware.http.dates import format_date
from firmware.http.native import const
from firmware.http.response import JSON, Response
from firmware.server import reader, transport
from firmware.server.connection import DONE, HOLD, IDLE, NEW, POLL, WAIT, Connection
from firmware.server.limits import SWEEP_MS
from firmware.server.writer import HEAD_BYTES, OUT_BYTES

# An accept that fails for want of descriptors or memory fails again at once: wait, twice as many sweeps each time.
_MAX_BACKOFF_SWEEPS = const(8)

# Refused clients that are held for a sweep, so that closing does not reset the 503 away before it is read.
_MAX_REFUSED = const(2)

# What a refused client may have sent: some 40 KB are taken, more resets the connection as it deserves.
_MAX_DISMISS_READS = const(16)

# A clock that shows an earlier year was never set.
_FIRST_YEAR = const(2024)


class Server:
    """Serves one application on one address."""

    def __init__(self, app, name):
        limits = app.limits
        limits.settle()
        # The buffers are the largest blocks there will ever be: what the imports left is out of their way.
        gc.collect()
        self.app = self.first = app
        self.limits = limits
        self.clock = 1  # sweeps since the start
        self.live = 0  # long-lived connections
        self.requests = 0
        self.counters = {"accepted": 0, "refused": 0, "evicted": 0, "timeouts": 0, "lost": 0, "errors": 0}
        self.draining = self.hooked = False
        self.refusing = False  # everybody new, as long as memory is short
        self.reactor = None
        # One buffer for all that is sent: the beginning of a JSON answer's head, which stays, and room for one write.
        self.json_view = memoryview(bytearray(len(name) + HEAD_BYTES + OUT_BYTES))
        self.json_at = 0
        self.out_view = self.json_view[len(name) + HEAD_BYTES :]
        self.json_lengths = {}
        self.slots = [Connection(self) for _ in range(limits.connections)]
        self._name = b"Server: %s\r\n" % name.encode()
        self._socket = None
        self._tls = None
        self.is_secure = False  # whether clients come over TLS
        self._redirect = None  # on the plain port, where there is TLS
        self.redirect_socket = None
        self._refused = []
        self._accept_again = 0  # the sweep to accept at, while that fails
        self._backoff_sweeps = 1
        self._prepare()

    # -- life

    def open(self, host, port, tls=None, redirect_port=None):
        """Begin to listen, in a running event loop. Raises OSError where the address is taken or is not ours."""
        self._socket = transport.listen(host, port)
        self._tls = tls
        self.is_secure = tls is not None
        self.reactor = transport.reactor()
        if redirect_port:
            self.redirect_socket = transport.listen(host, redirect_port)
            self._redirect = tls.redirect(self, port)
            self.reactor.watch(self.redirect_socket, self._redirect, transport.READ)
        self.reactor.watch(self._socket, self, transport.READ)

    async def serve(self):
        """Serve until cancelled; leaves no socket and no task behind."""
        try:
            while self._socket:
                await transport.sleep_ms(SWEEP_MS)
                try:
                    self._sweep()
                except Exception as error:
                    # Out of memory, say, because of a handler: the deadlines have to go on.
                    gc.collect()
                    self.log_error("sweep", error)
        except asyncio.CancelledError:
            # Loaded when it is time.
            from firmware.server.drain import drain

            await drain(self)
            raise
        finally:
            self.close()

    def close(self):
        """Stop at once: close every socket, cancel every task."""
        self.stop_listening()
        for slot in self.slots:
            slot.abort()
        for _, sock in self._refused:
            sock.close()
        self.slots = self._refused = ()

    def stop_listening(self):
        """Take nobody new."""
        if self._socket:
            if not self._accept_again:
                self.reactor.watch(self._socket, self, 0)
            self._socket.close()
            self._socket = None
        if self.redirect_socket:
            self.reactor.watch(self.redirect_socket, self._redirect, 0)
            self.redirect_socket.close()
            self.redirect_socket = None

    # -- accepting

    def ready(self):
        """Accept one client; called by the reactor."""
        # A name for the error, or another `try`, would put this frame on the heap (see `response.Response`).
        try:
            self._admit()
        except Exception:
            self._fail()

    def _fail(self):
        try:
            self._back_off(MemoryError("no room for another client"))
        except MemoryError:
            pass  # nor for that: it is tried again with the next one

    def _admit(self):
        if self._tls and self._tls.is_busy(self):
            # Until the next sweep.
            self._pause(1)
            return
        client = self._accept()
        if client:
            self._backoff_sweeps = 1
            self.counters["accepted"] += 1
            self.place(client)

    def place(self, client, redirect=None):
        """Give `client`, a (socket, peer), a slot, for `redirect` to talk to where there is one; or refuse it."""
        # To ask whether an object is true is to look for two methods that it has not.
        slot = None
        if not self.refusing:
            slot = self._free_slot()
            if slot is None:
                slot = self._evict()
        if slot is None:
            self._refuse(client[0])
        else:
            slot.start(client, redirect)

    def _accept(self):
        try:
            return transport.accept(self._socket, self._tls)
        except OSError as error:
            if error.args[0] not in transport.TRY_AGAIN:
                self._back_off(error)

    def _back_off(self, error):
        """Take nobody for a while: descriptors or memory are out, and would be again at once."""
        gc.collect()
        self._pause(self._backoff_sweeps)
        self._backoff_sweeps = min(2 * self._backoff_sweeps, _MAX_BACKOFF_SWEEPS)
        self.log_error("accept", error)

    def _pause(self, sweeps):
        self.reactor.watch(self._socket, self, 0)
        self._accept_again = self.clock + sweeps

    def _free_slot(self):
        for slot in self.slots:
            if slot.sock is None:
                return slot
        return None

    def _evict(self):
        """Close the longest-idle client and return its slot, or None where nobody is idle."""
        idle = fresh = None
        for slot in self.slots:
            if slot.want is IDLE:
                if idle is None or slot.deadline < idle.deadline:
                    idle = slot
            # Who came within this sweep has not had the time to ask.
            elif slot.want is NEW and slot.deadline < self.clock + self.limits.head_sweeps:
                if fresh is None or slot.deadline < fresh.deadline:
                    fresh = slot
        slot = idle or fresh
        if slot:
            self.counters["evicted"] += 1
            slot.interrupt()
        else:
            slot = self.evict_poll()
        # A poll's answer may be more than its client takes at once.
        return slot if slot and slot.sock is None else None

    def use(self, app):
        """Serve another application from now on, under the limits of the first."""
        # A connection keeps to the one that it began with.
        self.shed()
        self.app = app
        self._prepare()

    def shed(self):
        """Close the connections that are idle, and forget what can be loaded anew: memory is short."""
        self.app.spare()
        for slot in self.slots:
            if slot.want is IDLE:
                self.counters["evicted"] += 1
                slot.interrupt()

    def is_at(self, apps):
        """Tell whether a connection is at one of these applications: an upload, a stream, a handler that waits."""
        for slot in self.slots:
            if slot.sock and slot.want not in (IDLE, NEW) and slot.router in apps:
                return True
        return False

    def evict_poll(self):
        """Let the longest-waiting long poll end now, with its connection; tell whether there was one."""
        oldest = None
        for slot in self.slots:
            if slot.want is POLL and (oldest is None or slot.deadline < oldest.deadline):
                oldest = slot
        if oldest:
            self.counters["evicted"] += 1
            oldest.request.end()
            oldest.interrupt()
        return oldest

    def _refuse(self, sock):
        self.counters["refused"] += 1
        response = Response("Busy.", 503, {"Retry-After": "1"}, "text/plain; charset=utf-8")
        try:
            sock.write(response.head(self.common, b"Connection: close\r\n") + response.body)
        except OSError:
            pass
        if len(self._refused) >= _MAX_REFUSED:
            self._dismiss()
        self._refused.append((self.clock, sock))

    def _dismiss(self):
        """Close the client that was refused first, once what it sent has been taken."""
        _, sock = self._refused.pop(0)
        try:
            for _ in range(_MAX_DISMISS_READS):
                if not sock.readinto(self.out_view):
                    break
        except OSError:
            pass
        sock.close()

    # -- the sweep

    def _sweep(self):
        """Keep every deadline, the date, and the refused."""
        self.clock += 1
        for slot in self.slots:
            if 0 < slot.deadline <= self.clock and slot.want is not DONE:
                # A long-lived one's deadline is for a sign of life, and to be idle to the end is nobody's fault.
                if slot.want not in (IDLE, WAIT, POLL, HOLD):
                    self.counters["timeouts"] += 1
                slot.deadline = 0
                slot.interrupt()
            elif slot.task:
                reader.look_for(slot)
        while self._refused and self._refused[0][0] + 1 < self.clock:
            self._dismiss()
        if 0 < self._accept_again <= self.clock:
            self.reactor.watch(self._socket, self, transport.READ)
            self._accept_again = 0
        self.reactor.renew()
        self._prepare()

    def _prepare(self):
        """Make what all responses have in common."""
        moment = time.gmtime()
        common = self._name
        if moment[0] >= _FIRST_YEAR:
            common += b"Date: " + format_date(moment) + b"\r\n"
        head = b"HTTP/1.1 200 OK\r\n" + common + b"Content-Type: " + JSON + b"\r\nContent-Length: "
        self.common = common
        self.json_at = len(head)
        self.json_view[: len(head)] = head
        hooked = self.app.has_hooks()
        if self.hooked and not hooked:
            for slot in self.slots:
                slot.hooks = None
        self.hooked = hooked

    def log_error(self, where, error):
        """Say on the console what went wrong, with its traceback."""
        self.counters["errors"] += 1
        # A console that is closed or cannot write the text must not end the connection, or worse, the slot.
        try:
            print("limpet:", where)
            transport.print_exception(error)
            if self.app.log:
                self.app.log.error("%s: %r" % (where, error))
        except Exception:
            pass
