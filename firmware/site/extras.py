"""The guards for which a small board has no room. Forgotten once they are attached."""

import firmware.board as board
from firmware.features import ratelimit, requestid
from firmware.features.log import Log

# Enough for a page with its parts and a burst of clicks; then ten a second.
_PER_MINUTE = 600
_BURST = 120


def attach(app):
    """Put these guards before an application; return its log."""
    requestid.attach(app)
    log = Log(board.uptime_s)
    log.attach(app)
    if board.network_time:
        # On a laptop requests are not limited.
        ratelimit.limit(app, _PER_MINUTE, _BURST)
    return log
