"""Accepts clients into slots, evicts, refuses, sweeps deadlines, and stops in good order.

The reactor calls `ready` for every client that waits to be accepted. Each slot is a task that is made at the start;
`serve` itself is the one sweep task, which keeps every deadline.
"""

import asyncio
import gc
import time

from firmware.http.dates import format_date
from firmware.http.native import const
from firmware.server import overload, transport
from firmware.server.connection import run
from firmware.server.limits import SWEEP_MS
from firmware.server.receive import look_for
from firmware.server.refusal import drop
from firmware.server.slot import (
    AWAITING,
    FREE,
    IDLE,
    LIVE,
    NEW,
    POLL,
    SLOW,
    Lost,
    Slot,
    close,
    detach,
    expire,
    seat,
    timeout,
)

# An accept that fails for want of descriptors or memory fails again at once: wait, twice as many sweeps each time.
_MAX_BACKOFF_SWEEPS = const(8)

# How long requests under way may take to end when the server is told to stop.
_DRAIN_MS = const(2000)
_DRAIN_STEP_MS = const(50)

# A clock that shows an earlier year was never set.
_FIRST_YEAR = const(2024)


class Server:
    """Serves one application on one address."""

    # Made, with all that it has, by `opening`.
    task = parked = None  # it is no task: the reactor calls `ready`

    # -- life

    async def serve(self):
        """Serve until cancelled; leaves no socket and no task behind."""
        try:
            while self._socket:
                await transport.sleep_ms(SWEEP_MS)
                try:
                    self.sweep()
                except Exception as error:
                    # Out of memory, say, because of a handler: the deadlines have to go on.
                    gc.collect()
                    self.log_error("sweep", error)
        except asyncio.CancelledError:
            self.stop_listening()
            await self._drain()
            raise
        finally:
            self.close()

    async def _drain(self):
        """Give requests under way a moment to be answered."""
        self.draining = self.is_short = True
        while self.waiting:
            overload.refuse(self, 0)
        for slot in self.slots:
            if slot.state in (NEW, IDLE, LIVE, POLL):
                expire(slot, timeout())
            if slot.request is not None:
                slot.request.end()
        for _ in range(_DRAIN_MS // _DRAIN_STEP_MS):
            if not any(slot.sock for slot in self.slots):
                return
            await transport.sleep_ms(_DRAIN_STEP_MS)
        for slot in self.slots:
            close(slot)
        # What was cancelled has a turn to end in order.
        await transport.sleep_ms(_DRAIN_STEP_MS)

    def close(self):
        """Stop at once: close every socket, end every task."""
        self.stop_listening()
        for slot in self.slots:
            close(slot)
        self.refused.close()
        for entry in self.waiting:
            entry[2][0].close()
        self.slots = self.waiting = ()

    def stop_listening(self):
        """Take nobody new, for good."""
        # Room to end in good order, however full the heap is.
        self.spare_of, self.spare, self.spare_view = self, None, None
        if self._socket:
            if not self._accept_again:
                self._look_out(0)
            self._socket.close()
            self._socket = None
        if self.redirect_socket:
            self.redirect_socket.close()
            self.redirect_socket = None

    def _look_out(self, mode):
        """Have the reactor look for new clients, or with 0 no more."""
        self.reactor.watch(self._socket, self, mode)
        if self.redirect_socket:
            self.reactor.watch(self.redirect_socket, self._redirect, mode)

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
            self._try_again()
        except Exception:
            # No memory, not even to say so.
            self.starved += 1
            self._pause(1)

    def _try_again(self):
        gc.collect()
        try:
            self._admit()
        except Exception as error:
            self.back_off(error)

    def _admit(self):
        self.admit(self._socket, self._tls)

    def admit(self, sock, protocol):
        """Accept a client of a listening socket, for `protocol` to converse with, None for plain HTTP."""
        if self.budget is not None and not self.budget.may_accept():
            # It stays in the backlog; who is idle goes meanwhile, or is slow.
            self.shed()
            overload.thin(self)
            self._pause(1)
            return
        client = transport.accept(sock)
        self._backoff_sweeps = 1
        self.counters["accepted"] += 1
        self.place(client, protocol)

    def place(self, client, protocol):
        """Give `client`, a (socket, peer), a slot; or have it wait for one, or refuse it."""
        try:
            self._place(client, protocol)
        except:  # noqa: E722 - with a name its frame would be on the heap
            drop(client)
            raise

    def _place(self, client, protocol):
        slot = None if self.refusing else self._free_slot()
        if slot is not None:
            seat(slot, client, protocol)
        elif self.refusing:
            self.refuse(client, protocol)
        else:
            overload.enqueue(self, client, protocol)

    def _free_slot(self):
        for slot in self.slots:
            if slot.state == FREE:
                if slot.task is None:
                    # A KeyboardInterrupt ended it, and somebody went on all the same.
                    transport.begin(slot, run(slot))
                return slot
        return None

    def back_off(self, error):
        """Take nobody for a while, unless the client left: descriptors or memory are out, and would be again."""
        if isinstance(error, OSError) and error.args[0] in transport.TRY_AGAIN:
            return
        gc.collect()
        self._pause(self._backoff_sweeps)
        self._backoff_sweeps = min(2 * self._backoff_sweeps, _MAX_BACKOFF_SWEEPS)
        self.log_error("accept", error)

    def _pause(self, sweeps):
        self._look_out(0)
        self._accept_again = self.clock + sweeps

    def evict(self, slot):
        """Let what a slot waits for end now, with its connection."""
        self.counters["evicted"] += 1
        if slot.request is not None:
            slot.request.end()
        expire(slot, timeout())

    def evict_poll(self):
        """Let the longest-waiting long poll end now, with its connection; tell whether there was one."""
        polls = [slot for slot in self.slots if slot.state == POLL and slot.cause is None]
        if polls:
            self.evict(min(polls, key=lambda slot: slot.deadline))
        return len(polls) > 0

    def use(self, app):
        """Serve another application from now on, under the limits of the first."""
        # A request keeps to the one that it began with.
        self.shed()
        self.app = app
        self._prepare()

    def shed(self):
        """Close the connections that are idle, and forget what can be loaded anew: memory is short."""
        self.app.spare()
        for slot in self.slots:
            if slot.state == IDLE and slot.cause is None:
                self.evict(slot)

    def make_room(self):
        """Forget what can be loaded anew: something needs a larger piece of memory than there is."""
        self.app.spare()
        gc.collect()

    def is_at(self, apps):
        """Tell whether a connection is at one of these applications: an upload, a stream, a handler that waits."""
        for slot in self.slots:
            if slot.state not in (FREE, IDLE, NEW) and slot.app in apps:
                return True
        return False

    def refuse(self, client, protocol):
        """Refuse a client, a (socket, peer), with 503; but say nothing where TLS would come first."""
        self.counters["refused"] += 1
        if protocol is not None and protocol is self._tls:
            client[0].close()
            return
        drop(client)
        self.refused.sweep(self.clock)

    # -- the sweep

    def sweep(self):
        """Keep every deadline, the date, and the refused."""
        self.clock += 1
        for at, slot in enumerate(self.slots):
            try:
                if 0 < slot.deadline <= self.clock:
                    self._expire(at, slot)
                elif slot.state == AWAITING:
                    look_for(slot)
                elif slot.state == SLOW or slot.slow:
                    overload.weigh(slot)
            except Exception as error:
                # Out of memory, say: the other slots' deadlines have to be kept, and this one's the next time.
                self.log_error("sweep", error)
        self.refused.sweep(self.clock)
        if 0 < self._accept_again <= self.clock:
            self._look_out(transport.READ)
            self._accept_again = 0
        if self.waiting:
            overload.look(self)
        if self._tls:
            self._tls.look(self)
        self.reactor.renew()
        self._prepare()

    def _expire(self, at, slot):
        """A slot's deadline has passed."""
        if slot.cause is not None:
            # It was told, and what it awaits goes on all the same: it may, but not in this place.
            fresh = Slot(self)
            detach(slot)
            self.slots[at] = fresh
            transport.begin(fresh, run(fresh))
            return
        # A long-lived one's deadline is for a sign of life, and to be idle to the end is nobody's fault.
        if slot.state not in (IDLE, LIVE, POLL):
            self.counters["timeouts"] += 1
        # Nothing that is awaited has a deadline, unless its client has gone.
        expire(slot, Lost() if slot.state == AWAITING else timeout())

    def _prepare(self):
        """Make what all responses have in common."""
        moment = time.gmtime()
        common = self._name
        if moment[0] >= _FIRST_YEAR:
            common += b"Date: " + format_date(moment) + b"\r\n"
        self.common = common
        self.heads.clear()

    def log_error(self, where, error):
        """Say on the console what went wrong, with its traceback."""
        self.counters["errors"] += 1
        if isinstance(error, MemoryError):
            self.starved += 1
        # A console that is closed or cannot write the text must not end the connection, or worse, the slot.
        try:
            print("limpet:", where)
            transport.print_exception(error)
            if self.app.log:
                self.app.log.error("%s: %r" % (where, error))
        except Exception:
            pass
