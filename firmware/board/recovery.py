"""What outlasts a reset: how many boots in a row came to nothing, and why the last one ended.

A boot is finished once the server has run for a minute. After MAX_UNFINISHED in a row that were not, the next one is in
safe mode: what the user made is left out, so that it can be repaired over the network. A boot in safe mode that is
finished is followed by an ordinary one, which begins by itself when nobody asks for anything: it may have been the
power alone that failed.

A tree that came over the air is on trial until its first boot is finished and who deploys has reached it; that others
ask for something tells nothing of how it can be repaired. Any other boot goes back to the old one (boot.py's `switch`),
and what crashes or hangs while on trial is reset for that.

Nothing here raises: a board whose non-volatile storage is broken boots without a count and without safe mode.

How boots are counted is in `boots`, which is loaded for that: after a minute it is needed no more.
"""

import os
import sys

import firmware.board as board
from firmware.server import loader

# Longer than a crash takes that comes with the first requests, or a watchdog.
FINISHED_MS = 60000

# Between two looks whether a tree on trial was reached.
TRIAL_MS = 1000

# The folder that boot.py and main.py are in, without a slash. A laptop has none that anything here may change.
root = "" if board.network_time else None

# Whether this boot is in safe mode; set by `begin`.
safe_mode = False

# Whether an administrator has come to the update's endpoint, over which this tree can be replaced.
is_reached = False

# How often somebody has changed something in safe mode.
repairs = 0

# What goes on behind a planned start: sessions that began by this board's clock of seconds since its start. `life` is
# its name, text, and `before_s` what it had counted.
life = None
before_s = 0

# The end of a traceback, where it says what went wrong. A page of the storage has 4,000 bytes.
CRASH_BYTES = 400

# For `boots`: whether `begin` was called, the non-volatile storage, and what is in it.
begun = False
storage = None
unfinished = 0
count = 0
crash = None

_this = sys.modules[__name__]


def _boots():
    return loader.borrow("firmware.board.boots")


def begin():
    """Count this boot, the first time it is called; return whether it is in safe mode.

    A soft reset does not count: somebody is at work at the prompt.
    """
    if not begun:
        _boots().begin(_this)
    return safe_mode


def confirm():
    """This boot is finished: forget those that were not, and keep the tree that it ran."""
    _boots().confirm(_this)


def watch():
    """Wait until this boot is finished, and confirm it; in safe mode, leave that once nobody repairs anything.

    To be awaited, from when the server listens.
    """
    return _boots().watch(_this)


def is_on_trial(name="trial"):
    """Tell whether the tree that runs is on trial; "~cable": whether it came by the cable."""
    try:
        return root is not None and bool(os.stat(root + "/.limpet/" + name))
    except OSError:
        return False


def boots():
    """Return how often the board has started, soft resets left out."""
    return count


def note_crash(text):
    """Keep the end of `text` for the status page, over the reset that is to follow: at once for a tree on trial."""
    global crash
    when = b"boot %d, after %d s: " % (count, board.uptime_s())
    crash = when + _tail(text.strip().encode(), CRASH_BYTES - len(when))
    try:
        storage.set_blob("crash", crash)
        storage.commit()
    except Exception as error:
        print("limpet: a crash is not kept:", repr(error))
    if is_on_trial():
        board.reset()


def last_crash():
    """Return why the board last had to reset itself, or None."""
    return str(crash, "utf-8") if crash else None


def reset(reason, is_finished=False):
    """Say and keep why, and start the board anew; does not return. `is_finished`: this boot came to something."""
    print("limpet: reset:", reason)
    note_crash(reason)
    if is_finished:
        confirm()
    board.reset()


def renew(reason):
    """Start the board anew at a quiet moment: Wi-Fi stays up, and sessions go on; does not return."""
    print("limpet: starts anew:", reason)
    _boots().hand_over(_this)
    board.soft_reset()


def report():
    """Return what the status page tells."""
    cause = board.reset_cause()
    return {"boots": count, "reset_cause": cause, "safe_mode": safe_mode, "last_crash": last_crash()}


def _tail(raw, most):
    """Return the last whole characters of a text in UTF-8, `most` bytes at most."""
    if len(raw) <= most:
        return raw
    at = len(raw) - most
    while raw[at] >> 6 == 2:
        at += 1
    return raw[at:]
