"""The time of day: asked of time servers at the start and daily; and the one place that knows the epoch.

Asking blocks everybody: the answer is waited for a second at most, but the look-up of a server's name takes as long as
lwIP likes, some ten seconds for each DNS server that is silent. So: one server at a time, with a pause for everybody
between two; only while there is a network; and rarer and rarer while it fails. An address in place of a name needs no
look-up.
"""

import time

import firmware.board as board
from firmware.board import settings

# MicroPython counts from 2000 on an ESP32 and from 1970 on unix.
_EPOCH_S = 946684800 if time.gmtime(0)[0] == 2000 else 0

# 2024-01-01: a clock that shows less was never set.
_FIRST_S = 1704067200
# 2036-02-07 06:28:16, where NTP's seconds begin anew: also what a server tells that counts from its own start. In all
# of ten years that day is not believed.
_WRAP_S = 2085978496
_DAY_S = 86400

_DAY_MS = _DAY_S * 1000
# After a start the network needs some seconds; later, nobody should be kept waiting often.
_AGAIN_MS = 2000
_AGAIN_MOST_MS = 900000
# Between two servers: what waits is served.
_PAUSE_MS = 500
_OFFLINE_MS = 1000

# Which server told the time last, and what went wrong with the last that did not.
server = None
error = None


def unix_time():
    """Return the seconds since 1970, or None while the clock is not set."""
    now = int(time.time()) + _EPOCH_S
    return now if now >= _FIRST_S else None


def report():
    """Return what the status page tells."""
    return {"unix_s": unix_time(), "server": server, "error": error}


async def run(is_online=None):
    """Keep the clock right for ever; ends at once where the system does that. `is_online()`: whether to ask at all."""
    again_ms = _AGAIN_MS
    while board.network_time:
        if is_online and not is_online():
            await board.sleep_ms(_OFFLINE_MS)
        elif await synchronize():
            again_ms = _AGAIN_MS
            await board.sleep_ms(_DAY_MS)
        else:
            await board.sleep_ms(again_ms)
            again_ms = min(2 * again_ms, _AGAIN_MOST_MS)


async def synchronize():
    """Ask the servers of the settings in turn, and set the clock by the first that tells; return whether one did."""
    global server, error
    for name in settings.current["time_servers"]:
        try:
            seconds = board.network_time(name)
            if not _is_likely(seconds + _EPOCH_S):
                raise ValueError("a time that cannot be")
            board.set_clock(seconds)
        except (OSError, ValueError, IndexError) as problem:
            error = "%s: %s" % (name, problem)
            await board.sleep_ms(_PAUSE_MS)
        else:
            server = name
            error = None
            return True
    return False


def _is_likely(unix_s):
    return unix_s >= _FIRST_S and not _WRAP_S <= unix_s < _WRAP_S + _DAY_S
