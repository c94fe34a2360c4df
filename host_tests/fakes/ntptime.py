"""MicroPython's `ntptime`, with servers that a test scripts; for CPython and MicroPython's unix port.

A server has a time, or an error:

    ntptime.servers["pool.ntp.org"] = 1700000000         # Unix seconds that it tells,
    ntptime.servers["pool.ntp.org"] = OSError(116)       # or what asking it raises
"""

import time as _time

host = "pool.ntp.org"
timeout = 1

# A name that nobody resolves: getaddrinfo's error on a board.
servers = {}
asked = []

_DELTA = 946684800 if _time.gmtime(0)[0] == 2000 else 0


def time():
    asked.append((host, timeout))
    answer = servers.get(host, OSError(-202))
    if isinstance(answer, Exception):
        raise answer
    return answer - _DELTA


def settime():
    raise AssertionError("nobody checks the time that this sets")
