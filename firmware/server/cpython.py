"""The laptop's half of `transport`: CPython's sockets and asyncio in MicroPython's manner. A board never loads it."""

import asyncio
import io
import json
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


def print_exception(error, file=None):
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    if file:
        file.write("".join(lines).encode("utf-8", "backslashreplace"))
        return
    encoding = sys.stdout.encoding or "ascii"
    print("".join(lines).encode(encoding, "backslashreplace").decode(encoding), end="")


class _Socket:
    """CPython's socket with the reading and writing of MicroPython's streams."""

    def __init__(self, sock):
        self.raw = sock
        self.fileno = sock.fileno
        self.setsockopt = sock.setsockopt
        self.close = sock.close

    def readinto(self, buffer):
        try:
            return self.raw.recv_into(buffer)
        except (BlockingIOError, InterruptedError):
            return None

    def write(self, data, size=None):
        try:
            return self.raw.send(data if size is None else memoryview(data)[:size])
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
        else:
            loop.remove_reader(sock)
        if mode == WRITE:
            loop.add_writer(sock, watcher.ready)
        else:
            loop.remove_writer(sock)

    def widen(self, count):
        pass

    def renew(self):
        pass


def begin(waiter, coroutine):
    waiter.task = asyncio.create_task(coroutine)
    # A Ctrl-C that came in the middle is told by the loop already.
    waiter.task.add_done_callback(lambda task: task.cancelled() or task.exception())


def park(waiter):
    loop = asyncio.get_running_loop()
    waiter.parked = loop.create_future()
    # TLS reads ahead, and then nothing more may come. Any other wait would be ended again and again.
    if waiter.watching == READ and hasattr(waiter.sock, "pending") and waiter.sock.pending():
        loop.call_soon(waiter.ready)
    return waiter.parked


def is_parked(waiter):
    return waiter.parked is not None and not waiter.parked.done()


def ready(waiter):
    if is_parked(waiter):
        waiter.parked.set_result(None)
    else:
        waiter.unwatch()


def wake(waiter):
    if is_parked(waiter):
        waiter.parked.set_result(None)


def new_text(size):
    return io.BytesIO()


def dump_json(value, server):
    server.text.seek(0)
    return server.text.write(json.dumps(value).encode())


def take_json(text, view):
    text.seek(0)
    text.readinto(view)


def forgive(task):
    if hasattr(task, "uncancel"):
        task.uncancel()


def accept(listener):
    sock, peer = listener.accept()
    sock.setblocking(False)
    return _Socket(sock), peer


def address_of(peer):
    return peer[0]


PENDING = types.CoroutineType


def is_pending(result):
    return type(result) is PENDING


async def settled(pending):
    while is_pending(pending):
        pending = await pending
    return pending
