"""What guards the site besides, where there is room: forgotten once it is attached, but for what that takes."""

import firmware.board as board
from firmware.features import ratelimit, requestid
from firmware.features.log import Log

# A page with its parts and a burst of clicks; ten a second for who goes on.
_PER_MINUTE = 600
_BURST = 120


def attach(app):
    """Put them before an application; return its log."""
    requestid.attach(app)
    log = Log(board.uptime_s)
    log.attach(app)
    if board.network_time:
        # A laptop answers whom it likes as often as it can.
        ratelimit.limit(app, _PER_MINUTE, _BURST)
    return log
