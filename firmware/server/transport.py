"""What knows MicroPython's sockets and asyncio from CPython's: MicroPython's here, the laptop's in `cpython`.

A socket here never blocks. `readinto(buffer)` returns a count, 0 at the end of the stream, None where nothing is there
yet; `write(data[, size])` returns a count, which may be short, or None where nothing fits; both raise OSError.

A `Reactor` calls `ready()` of whoever watches a socket, straight from the event loop's poll. A call may come without
cause. It shares the loop with everybody's asyncio tasks.

A task may `park`: the reactor then resumes it without a task switch.
"""

import asyncio
import errno
import socket
import sys
import time

try:
    from asyncio import core

    core._io_queue  # noqa: B018 - CPython has neither
    MICROPYTHON = True
except (ImportError, AttributeError):
    MICROPYTHON = False

# How long the loop does not sleep in poll after something happened. The ESP32's poll looks once in 10 ms.
HOT_MS = 30 if sys.platform == "esp32" else 0
# Connections at once. lwIP on the ESP32 has some 10 sockets, and needs one each to listen, for DNS and for time.
MAX_CONNECTIONS = 6 if sys.platform == "esp32" else 64
# TLS handshakes at once: each takes tens of KB, and keeps the ESP32 busy.
MAX_HANDSHAKES = 1 if sys.platform == "esp32" else 16
# Clients that wait for one of these to end.
MAX_WAITING = 1 if sys.platform == "esp32" else 8
# Connections that wait for accept. asyncio's 5 drops the SYNs of a browser's burst; each costs a control block in lwIP.
BACKLOG = 8 if sys.platform == "esp32" else 128

# MicroPython's ticks wrap at this or at a multiple of it.
_TICKS_MASK = 0x3FFFFFFF

# What accept may fail with without anything being wrong: the client was quicker to leave.
TRY_AGAIN = (errno.EAGAIN, errno.ECONNABORTED)

READ = 1
WRITE = 2

# MicroPython's unix port does not name them.
_TCP = getattr(socket, "IPPROTO_TCP", 6)
_NODELAY = getattr(socket, "TCP_NODELAY", 1)


def listen(host, port):
    """Return a socket that listens on `host` (address or name) and `port`. Raises OSError where that cannot be."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # On Windows it would let a second server take a port that is in use.
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def no_delay(sock):
    """Let a second write go out before the first is acknowledged (Nagle's algorithm off)."""
    # One with TLS in it has none to set.
    if hasattr(sock, "setsockopt"):
        sock.setsockopt(_TCP, _NODELAY, 1)


def elapsed_ms(since):
    """Return the milliseconds since a `ticks_ms()` at most 12 days ago."""
    return (ticks_ms() - since) & _TICKS_MASK


if MICROPYTHON:
    import gc
    import select
    from io import BytesIO
    from json import dump
    from sys import print_exception  # noqa: F401 - for the others to import

    from firmware.server.inplace import dump_in_place

    ticks_ms = time.ticks_ms
    sleep_ms = asyncio.sleep_ms
    run = asyncio.run
    _ticks_diff = time.ticks_diff
    PENDING = GENERATOR = type((lambda: (yield))())  # PENDING: what a handler returns that has still to be awaited

    # What poll needs for one more socket, its own tables included.
    _RESERVE_BYTES = 512

    # More than the objects of a client that is accepted.
    _CLIENT_BYTES = 160

    # What suspends a task once.
    _ONCE = (None,)
    # A builtin's name is looked for in the module, then in a list of 99.
    _iter, _type, _StopIteration = iter, type, StopIteration

    def reactor():
        """Return the loop's Reactor; it is put into its place where it is not there yet."""
        if not isinstance(core._io_queue, Reactor):
            core._io_queue = Reactor(core._io_queue)
        return core._io_queue

    class Reactor(core.IOQueue):
        """asyncio's queue of waiting sockets, in its place in the running loop, with watchers beside its tasks."""

        def __init__(self, old):
            self.poller = old.poller
            self.map = old.map
            self._watchers = {}
            # Looked up once: each time takes memory, and where there is none the loop would end.
            self._watcher_of = self._watchers.get
            self._poll = old.poller.ipoll
            self._peek = core._task_queue.peek
            self._reserve = bytearray(_RESERVE_BYTES)
            self._hot = False
            self._hot_since = time.ticks_ms()

        def watch(self, sock, watcher, mode):
            """Call `watcher.ready()` when `sock` is ready as `mode` says; with 0 no more. Raises MemoryError."""
            if mode:
                if self._reserve is None:
                    self._reserve = bytearray(_RESERVE_BYTES)
                self._watchers[sock] = watcher
                mode = select.POLLIN if mode == READ else select.POLLOUT
            if not self._set(sock, mode):
                # Over an entry that was left half made poll crashes, and all with it: it has to be completed.
                self._reserve = None
                gc.collect()
                if not self._set(sock, mode):
                    raise MemoryError("no room to wait for a socket")

        def _set(self, sock, mode):
            """Have poll look at a socket, or no more; return whether there was memory for it."""
            try:
                if mode:
                    self.poller.register(sock, mode)
                else:
                    self._watchers.pop(sock, None)
                    self.poller.unregister(sock)
            except MemoryError:
                return False
            return True

        def widen(self, count):
            """Give poll's table room for so many descriptors.

            The unix port moves that table when it grows, and crashes over a socket of TLS, which has no descriptor.
            """
            if sys.platform != "esp32":
                for turn in (self.poller.register, self.poller.unregister):
                    for fd in range(count):
                        turn(fd)

        def renew(self):
            """Make the reserve anew where it was needed; called now and then."""
            if self._reserve is None:
                try:
                    self._reserve = bytearray(_RESERVE_BYTES)
                except MemoryError:
                    pass  # not yet

        def wait_io_event(self, wait_ms):
            """Serve what is ready, or becomes so within `wait_ms` (-1: at any time); asyncio's loop calls this."""
            core.cur_task = None  # none runs: whoever is called may cancel any
            if HOT_MS and wait_ms:
                self._spin(wait_ms)
            else:
                self._wait(wait_ms)

        def _wait(self, wait_ms):
            """Serve what comes until a task is due: the loop need not look at its tasks after every request."""
            poll = self._poll
            watcher_of = self._watcher_of
            look = self._peek
            first = look()
            ticks = time.ticks_ms
            while True:
                for event in poll(wait_ms):
                    watcher = watcher_of(event[0])
                    if watcher is None:
                        self._wake(event[0], event[1])
                        continue
                    task = watcher.parked
                    if task is not None and task is watcher.task:
                        # As `ready` does, without a call.
                        watcher.parked = None
                        core.cur_task = task
                        watcher.send(None)
                        core.cur_task = None
                    else:
                        watcher.ready()
                if not wait_ms or first is None or look() is not first:
                    return
                wait_ms = _ticks_diff(first.ph_key, ticks())
                if wait_ms <= 0:
                    return

        def _serve(self, event):
            # ipoll's one tuple: (socket, event).
            self._hot = True
            self._hot_since = time.ticks_ms()
            watcher = self._watcher_of(event[0])
            if watcher is None:
                self._wake(event[0], event[1])
            else:
                watcher.ready()

        def _spin(self, wait_ms):
            """Do not sleep in poll before `HOT_MS` have passed without anything to do."""
            start = now = time.ticks_ms()
            while _ticks_diff(now, self._hot_since) < HOT_MS:
                self._hot = False
                for ready in self._poll(0):
                    self._serve(ready)
                if self._hot or 0 < wait_ms <= _ticks_diff(now, start):
                    return
                now = time.ticks_ms()
            # Not to grow old: after six days without an event the difference would turn negative.
            self._hot_since = time.ticks_add(now, -HOT_MS)
            # Somebody's timer may be due within what is left.
            for ready in self._poll(max(0, wait_ms - _ticks_diff(now, start)) if wait_ms > 0 else wait_ms):
                self._serve(ready)

        def _wake(self, sock, event):
            """Wake the tasks that wait for `sock` the way of `asyncio.core`: one to read, one to write."""
            tasks = self.map.get(id(sock))
            if tasks is None:
                return
            for at, other in ((0, select.POLLOUT), (1, select.POLLIN)):
                if event & ~other and tasks[at] is not None:
                    core._task_queue.push(tasks[at])
                    tasks[at] = None
            if tasks[0] is None and tasks[1] is None:
                self._dequeue(sock)
            else:
                self.poller.modify(sock, select.POLLIN if tasks[1] is None else select.POLLOUT)

    # Before a loop begins to wait: one may look up its queue's methods only once.
    reactor()

    # Whatever has `task`, `send`, `parked`, `remove()` and `unwatch()`, such as a slot, can be a task that parks.

    def begin(waiter, coroutine):
        """Make a waiter's task; it takes its first step when the loop comes to it."""
        waiter.send = coroutine.send
        waiter.task = asyncio.create_task(coroutine)

    def park(waiter):
        """Return what to await until `ready`, `wake` or a cancellation; a task of a handler may wait, too."""
        # It takes memory, which `await` would ask for once somebody may wake a task that does not wait.
        once = _iter(_ONCE)
        task = core.cur_task
        # `Task.cancel` calls `remove` of this.
        task.data = waiter
        waiter.parked = task
        return once

    def is_parked(waiter):
        """Tell whether it waits."""
        return waiter.parked is not None

    def ready(waiter):
        """Go on at once; called by the reactor, and with a client by the listener, as a waiter's method."""
        task = waiter.parked
        if task is None:
            waiter.unwatch()
            return
        waiter.parked = None
        if task is waiter.task:
            before, core.cur_task = core.cur_task, task  # another slot's, perhaps
            waiter.send(None)
            core.cur_task = before
        else:
            core._task_queue.push(task)

    def wake(waiter):
        """Have it go on soon; for other tasks."""
        task = waiter.parked
        if task is not None:
            waiter.parked = None
            core._task_queue.push(task)

    # A BytesIO that holds so many bytes without growing.
    new_text = BytesIO

    def dump_json(value, server):
        """Write a value as JSON to the server's `text`, from its start on; return how many bytes it takes."""
        text = server.text
        text.seek(0)
        try:
            dump(value, text)
        except MemoryError:
            # It would have to grow, in one piece.
            return dump_in_place(value, server)
        return text.tell()

    def take_json(text, view):
        """Copy the JSON that was written to `text` into a view of its size."""
        text.seek(0)
        text.readinto(view)

    def forgive(task):
        """Take a cancellation back that was not let through."""

    def accept(listener):
        """Return (socket, peer) of the next connection; `peer` is for `address_of`. Raises OSError and MemoryError."""
        # Sure to be there: a client that MicroPython has no memory for is open for good, and nobody's.
        bytearray(_CLIENT_BYTES)
        sock, peer = listener.accept()
        sock.setblocking(False)
        return sock, peer

    def address_of(peer):
        """Return the peer's address as text."""
        if type(peer) is tuple:
            return peer[0]
        family, address = socket.sockaddr(peer)[:2]
        return socket.inet_ntop(family, address)

    def is_pending(result):
        """Tell whether what a handler returned has still to be awaited."""
        return _type(result) is GENERATOR

    def settled(pending):
        """Await what `is_pending`; return its result, or `Chunks` where it is a generator after all.

        The first value decides: a coroutine has none that is not None.
        """
        while _type(pending) is GENERATOR:
            value = yield from drive(pending)
            pending = value.value if _type(value) is _StopIteration else _chunks(pending, value)
        return pending

    def _chunks(source, first):
        from firmware.server.chunks import Chunks

        return Chunks(source, first)

    def drive(source, error=None):
        """Go on with a coroutine or generator, and await what it awaits.

        Return what it yields that is not None; or, where it ends, the StopIteration. `error` is thrown into it first.
        """
        while True:
            try:
                value = source.throw(error) if error else source.send(None)
            except _StopIteration as end:
                return end
            if value is not None:
                return value
            error = None
            try:
                yield
            except BaseException as thrown:
                error = thrown

else:
    from firmware.server.cpython import *  # noqa: F403 - all of the above, for the others to import
