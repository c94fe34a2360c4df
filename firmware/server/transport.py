"""What knows MicroPython's sockets and asyncio from CPython's: MicroPython's here, the laptop's in `cpython`.

A socket here never blocks. `readinto(buffer)` returns a count, 0 at the end of the stream, None where nothing is there
yet; `write(data)` returns a count, which may be short, or None where nothing fits; both raise OSError.

`Reactor` calls `ready()` of who watches a socket, straight from the event loop's poll: no task switch a request. A call
may come without cause. It shares the loop with everybody's asyncio tasks.
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
MAX_HANDSHAKES = 2 if sys.platform == "esp32" else 16
# Connections that wait for accept. asyncio's 5 drops the SYNs of a browser's burst; each costs a control block in lwIP.
BACKLOG = 8 if sys.platform == "esp32" else 128

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


if MICROPYTHON:
    import gc
    import select
    from sys import print_exception  # noqa: F401 - for the others to import

    ticks_ms = time.ticks_ms
    sleep_ms = asyncio.sleep_ms
    run = asyncio.run
    _ticks_diff = time.ticks_diff
    GENERATOR = type((lambda: (yield))())

    # Bytes that are allocated between two collections while a module is loaded.
    _TIDY_BYTES = 2048
    # What poll needs for one more socket, its own tables included.
    _RESERVE_BYTES = 512

    def load(name):
        """Import a module of a package and return it.

        What that leaves lies between what stays, and has to go at once, or it leaves holes too small for most.
        """
        usual = gc.threshold()
        gc.collect()
        gc.threshold(_TIDY_BYTES)
        try:
            return __import__(name, None, None, ("app",))
        finally:
            gc.threshold(usual)

    def reactor():
        """Return the running loop's Reactor."""
        if not isinstance(core._io_queue, Reactor):
            core._io_queue = Reactor(core._io_queue)
        return core._io_queue

    class Reactor(core.IOQueue):
        """asyncio's queue of waiting sockets, put in its place in the running loop, with watchers beside its tasks."""

        def __init__(self, old):
            self.poller = old.poller
            self.map = old.map
            self._watchers = {}
            self._reserve = bytearray(_RESERVE_BYTES)
            self._soon = []
            self._hot = False
            self._hot_since = time.ticks_ms()

        def watch(self, sock, watcher, mode):
            """Call `watcher.ready()` when `sock` can be read, or written, as `mode` says; with mode 0 no more."""
            if mode:
                if self._reserve is None:
                    # Where there is none to be had nothing is begun.
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

        def renew(self):
            """Make the reserve anew where it was needed; called now and then."""
            if self._reserve is None:
                try:
                    self._reserve = bytearray(_RESERVE_BYTES)
                except MemoryError:
                    pass  # not yet

        def soon(self, watcher):
            """Call `watcher.ready()` once, after the others had their turn."""
            self._soon.append(watcher)

        def wait_io_event(self, wait_ms):
            """Serve what is ready, or becomes so within `wait_ms` (-1: at any time); asyncio's loop calls this."""
            if self._soon:
                self._go_on()
            elif HOT_MS and wait_ms:
                self._spin(wait_ms)
            else:
                for ready in self.poller.ipoll(wait_ms):
                    self._serve(ready)

        def _serve(self, ready):
            # `ready` is ipoll's one tuple: (socket, event).
            if HOT_MS:
                self._hot = True
                self._hot_since = time.ticks_ms()
            # No task runs: a handler may cancel any.
            core.cur_task = None
            sock = ready[0]
            if sock in self._watchers:
                self._watchers[sock].ready()
            elif id(sock) in self.map:
                self._wake(self.map[id(sock)], sock, ready[1])

        def _go_on(self):
            soon, self._soon = self._soon, []
            for ready in self.poller.ipoll(0):
                self._serve(ready)
            core.cur_task = None
            for watcher in soon:
                watcher.ready()

        def _spin(self, wait_ms):
            """Do not sleep in poll before `HOT_MS` have passed without anything to do."""
            start = now = time.ticks_ms()
            while _ticks_diff(now, self._hot_since) < HOT_MS:
                self._hot = False
                for ready in self.poller.ipoll(0):
                    self._serve(ready)
                if self._hot or 0 < wait_ms <= _ticks_diff(now, start):
                    return
                now = time.ticks_ms()
            # Not to grow old: after six days without an event the difference would turn negative.
            self._hot_since = time.ticks_add(now, -HOT_MS)
            # Somebody's timer may be due within what is left.
            for ready in self.poller.ipoll(max(0, wait_ms - _ticks_diff(now, start)) if wait_ms > 0 else wait_ms):
                self._serve(ready)

        def _wake(self, tasks, sock, event):
            """Wake the tasks that wait for `sock` the way of `asyncio.core`: one to read, one to write."""
            for at, other in ((0, select.POLLOUT), (1, select.POLLIN)):
                if event & ~other and tasks[at] is not None:
                    core._task_queue.push(tasks[at])
                    tasks[at] = None
            if tasks[0] is None and tasks[1] is None:
                self._dequeue(sock)
            else:
                self.poller.modify(sock, select.POLLIN if tasks[1] is None else select.POLLOUT)

    def accept(listener, tls=None):
        """Return (socket, peer) of the next connection; `peer` is for `address_of`, `tls` makes it a secure one."""
        sock, peer = listener.accept()
        sock.setblocking(False)
        return _secure(sock, peer, tls) if tls else (sock, peer)

    def _secure(sock, peer, tls):
        try:
            return tls.wrap(sock), (address_of(peer), 0, sock)
        except BaseException:
            sock.close()
            raise

    def close_lost(peer):
        """Close what a failed TLS handshake leaves open: its socket then keeps the one below."""
        if type(peer) is tuple and len(peer) == 3:
            peer[2].close()

    def address_of(peer):
        """Return the peer's address as text."""
        if type(peer) is tuple:
            return peer[0]
        family, address = socket.sockaddr(peer)[:2]
        return socket.inet_ntop(family, address)

    def is_pending(result):
        """Tell whether what a handler returned has still to be awaited."""
        return type(result) is GENERATOR

    def settled(pending):
        """Await `pending`; return its result, or `Chunks` where it is a generator after all, which looks the same."""
        value = yield from drive(pending)
        if type(value) is StopIteration:
            return value.value
        from firmware.server.chunks import Chunks

        return Chunks(pending, value)

    def drive(source, error=None):
        """Go on with a coroutine or generator, and await what it awaits.

        Return what it yields that is not None; or, where it ends, the StopIteration. `error` is thrown into it first.
        """
        while True:
            try:
                value = source.throw(error) if error else source.send(None)
            except StopIteration as end:
                return end
            if value is not None:
                return value
            error = None
            try:
                yield
            except BaseException as thrown:
                error = thrown

else:
    from firmware.server.cpython import (  # noqa: F401 - for the others to import
        Reactor,
        accept,
        address_of,
        close_lost,
        is_pending,
        load,
        print_exception,
        reactor,
        run,
        settled,
        sleep_ms,
        ticks_ms,
    )
