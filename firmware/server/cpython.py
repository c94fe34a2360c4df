"""The laptop's half of `transport`: CPython's sockets and asyncio in MicroPython's manner. A board never loads it."""

import asyncio
import errno
import importlib
import sys
import time
import traceback
import types

# `transport`'s, which loads this.
READ = 1
WRITE = 2


def ticks_ms():
    return int(time.monotonic() * 1000)


def sleep_ms(duration_ms):
    return asyncio.sleep(duration_ms / 1000)


def run(coroutine):
    if sys.platform == "win32":
        # Windows' own default loop cannot watch a socket.
        asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
    return asyncio.run(coroutine)


def load(name):
    return importlib.import_module(name)


def print_exception(error):
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    encoding = sys.stdout.encoding or "ascii"
    print("".join(lines).encode(encoding, "backslashreplace").decode(encoding), end="")


class _Socket:
    """CPython's socket with the reading and writing of MicroPython's streams."""

    def __init__(self, sock):
        self._sock = sock
        self.fileno = sock.fileno
        self.setsockopt = sock.setsockopt
        self.close = sock.close

    def readinto(self, buffer):
        try:
            return self._sock.recv_into(buffer)
        except (BlockingIOError, InterruptedError):
            return None

    def write(self, data):
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return None


def reactor():
    return Reactor(asyncio.get_running_loop())


class Reactor:
    def __init__(self, loop):
        self._loop = loop

    def watch(self, sock, watcher, mode):
        loop = self._loop
        if mode == READ:
            loop.add_reader(sock, watcher.ready)
            # TLS reads ahead, and then nothing more may come.
            if hasattr(sock, "pending") and sock.pending():
                loop.call_soon(watcher.ready)
        else:
            loop.remove_reader(sock)
        if mode == WRITE:
            loop.add_writer(sock, watcher.ready)
        else:
            loop.remove_writer(sock)

    def renew(self):
        pass

    def soon(self, watcher):
        self._loop.call_soon(watcher.ready)


def accept(listener, tls=None):
    sock, peer = listener.accept()
    sock.setblocking(False)
    if not tls:
        return _Socket(sock), peer
    try:
        return tls.wrap(sock), peer
    except OSError:
        sock.close()
        raise OSError(errno.ECONNABORTED, "the client was quicker to leave") from None


def close_lost(peer):
    pass


def address_of(peer):
    return peer[0]


def is_pending(result):
    return type(result) is types.CoroutineType


def settled(pending):
    return pending
