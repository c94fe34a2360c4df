"""The process of a laptop that stands for a board: its signals, its restart, and who may read its files."""

import asyncio
import os
import sys

# Linux's numbers and sizes.
_SIGINT = 2
_SIGTERM = 15
_SIG_BLOCK = 0
_SIG_UNBLOCK = 1
_SIGSET_BYTES = 128
_SIGNAL_INFO_BYTES = 128

# Descriptors that a server with 64 clients may have.
_MAX_FILES = 256

# Of a folder that many write to.
_STICKY = 0o1000

# EX_TEMPFAIL of sysexits.h.
_RESET_STATUS = 75

# Longer than a server takes that gives its requests their moment.
_STOP_S = 3


def keep_private(folder):
    """Let nobody else on this machine read what is in the data's folder, and what will be."""
    if hasattr(os, "umask"):
        umask, chmod = os.umask, os.chmod
    else:
        try:
            import ffi

            libc = ffi.open(None)
            umask, chmod = libc.func("i", "umask", "i"), libc.func("i", "chmod", "si")
        except (ImportError, OSError):
            return  # not Linux
    umask(0o077)
    try:
        # Others' folders, as /tmp, are left alone.
        if not os.stat(folder)[0] & _STICKY:
            chmod(folder, 0o700)
    except OSError:
        pass  # it is made anew


def restart():
    """Start the server anew, in this process: nobody watches it as a rule."""
    try:
        if hasattr(os, "execv"):
            sys.stdout.flush()
            if sys.platform != "win32":  # where it would be another process
                os.execv(sys.executable, getattr(sys, "orig_argv", [sys.executable] + sys.argv))
        else:
            _execute()
    except (ImportError, OSError) as error:
        print("limpet: start it again: %r" % error)
    sys.exit(_RESET_STATUS)


def _execute():
    """Do that on MicroPython, on Linux."""
    import array

    import ffi
    import uctypes

    with open("/proc/self/cmdline", "rb") as file:
        words = [word + b"\0" for word in file.read().split(b"\0")[:-1]]
    pointers = array.array("L", [uctypes.addressof(word) for word in words] + [0])
    libc = ffi.open(None)
    # Sockets would stay open, and signals blocked (see `_on_signals`).
    for fd in range(3, _MAX_FILES):
        libc.func("i", "close", "i")(fd)
    libc.func("i", "sigprocmask", "ipp")(_SIG_UNBLOCK, _signals(libc, (_SIGINT, _SIGTERM)), None)
    libc.func("i", "execv", "sp")("/proc/self/exe", pointers)


def run(coroutine, start):
    """Run `coroutine` with `start` until it ends, or SIGTERM or Ctrl-C cancels it.

    A second Ctrl-C does not wait for its end.
    """
    tasks = []

    async def supervise():
        task = asyncio.create_task(coroutine)
        tasks.append(task)
        _on_signals(task)
        await task

    async def cancel():
        tasks[0].cancel()
        await asyncio.wait_for(tasks[0], _STOP_S)

    try:
        start(supervise())
    except asyncio.CancelledError:
        pass
    except KeyboardInterrupt:
        # CPython's run has cancelled its tasks on the way out, MicroPython's leaves them as they are.
        try:
            if tasks and not tasks[0].done():
                start(cancel())
        except (KeyboardInterrupt, asyncio.CancelledError, Exception):
            pass  # what was interrupted halfway may well be broken


def _on_signals(task):
    """Let SIGTERM cancel `task` where the system has a way; and SIGINT, where else it would interrupt anything."""
    loop = asyncio.get_event_loop()
    if hasattr(loop, "call_soon_threadsafe"):
        import signal

        def stop(number, frame):
            # Unlike the loop's own handlers, one that bears a second signal while the interpreter ends.
            signal.signal(number, signal.SIG_IGN)
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)

        signal.signal(signal.SIGTERM, stop)
        return
    try:
        import ffi

        libc = ffi.open(None)
        signalfd = libc.func("i", "signalfd", "ipi")
        mask = libc.func("i", "sigprocmask", "ipp")
        both, interrupt = _signals(libc, (_SIGINT, _SIGTERM)), _signals(libc, (_SIGINT,))
        fd = signalfd(-1, both, 0)
        if fd < 0 or mask(_SIG_BLOCK, both, None):
            return
    except (ImportError, OSError):
        return  # not Linux
    stream = asyncio.StreamReader(open(fd, "rb"))

    async def wait():
        await stream.read(_SIGNAL_INFO_BYTES)
        mask(_SIG_UNBLOCK, interrupt, None)
        task.cancel()

    asyncio.create_task(wait())


def _signals(libc, numbers):
    """Return a sigset_t."""
    signals = bytearray(_SIGSET_BYTES)
    libc.func("i", "sigemptyset", "p")(signals)
    add = libc.func("i", "sigaddset", "pi")
    for number in numbers:
        add(signals, number)
    return signals
