"""What outlasts a reset: how many boots in a row came to nothing, and why the last one ended.

A boot is finished once the server has run for a minute. After MAX_UNFINISHED in a row that were not, the next one is in
safe mode: what the user made is left out, so that it can be repaired over the network. A boot in safe mode that is
finished is followed by an ordinary one, which begins by itself when nobody asks for anything: it may have been the
power alone that failed.

A tree that came over the air is on trial until its first boot is finished and somebody has reached it: any other boot
goes back to the old one (boot.py's `switch`), and what crashes or hangs while on trial is reset for that.

Nothing here raises: a board whose non-volatile storage is broken boots without a count and without safe mode.
"""

import os

import firmware.board as board

MAX_UNFINISHED = 3

# Longer than a crash takes that comes with the first requests, or a watchdog.
FINISHED_MS = 60000

# In safe mode, without a request: whoever repairs something is not interrupted.
_SAFE_MS = 600000

# The end of a traceback, where it says what went wrong. A page of the storage has 4,000 bytes.
_CRASH_BYTES = 400

# Between two looks whether a tree on trial was asked for something.
_TRIAL_MS = 1000

# The folder that boot.py and main.py are in, without a slash. A laptop has none that anything here may change.
root = "" if board.network_time else None

# Whether this boot is in safe mode; set by `begin`.
safe_mode = False

_begun = False
_storage = None
_unfinished = 0
_boots = 0
_last_crash = None


def begin():
    """Count this boot, the first time it is called; return whether it is in safe mode.

    A soft reset does not count: somebody is at work at the prompt.
    """
    global _begun, _storage, _unfinished, _boots, safe_mode
    if _begun:
        return safe_mode
    _begun = True
    try:
        _storage = board.nvs()
        _unfinished = _number("unfinished")
        _boots = _number("boots")
        if board.reset_cause() != "soft reset":
            _unfinished += 1
            _boots += 1
            _store(unfinished=_unfinished, boots=_boots)
    except Exception as error:
        print("limpet: boots are not counted:", repr(error))
    safe_mode = _unfinished > MAX_UNFINISHED
    if safe_mode:
        print("limpet: safe mode, after %d boots that came to nothing" % (_unfinished - 1))
    return safe_mode


def confirm():
    """This boot is finished: forget those that were not, and keep the tree that it ran."""
    global _unfinished
    _end_trial()
    if _storage is None or not _unfinished:
        return
    try:
        _store(unfinished=0)
        _unfinished = 0
    except Exception as error:
        print("limpet: a finished boot is not counted:", repr(error))


async def settle(server):
    """Wait until this boot is finished, and confirm it; in safe mode, leave that when `server.requests` stand still.

    Begin this once the server listens.
    """
    await board.sleep_ms(FINISHED_MS)
    # Nobody can repair what nobody reaches: boot.py's timer ends this, where no request does.
    while not server.requests and is_on_trial():
        await board.sleep_ms(_TRIAL_MS)
    confirm()
    requests = None
    while safe_mode:
        if requests == server.requests:
            print("limpet: safe mode is over")
            board.reset()
        requests = server.requests
        await board.sleep_ms(_SAFE_MS)


def is_on_trial():
    """Tell whether the tree that runs is on trial."""
    try:
        return root is not None and bool(os.stat(root + "/.limpet/trial"))
    except OSError:
        return False


def _end_trial():
    """Keep the tree that runs; what was kept to go back goes."""
    if not is_on_trial():
        return
    home = root + "/.limpet/"
    try:
        os.remove(home + "trial")
        for name in os.listdir(home):
            if name.startswith("~"):
                os.remove(home + name)
    except OSError as error:
        print("limpet: a trial is not ended:", repr(error))


def boots():
    """Return how often the board has started, soft resets left out."""
    return _boots


def reset_cause():
    """Return in words why the board started."""
    return board.reset_cause()


def note_crash(text):
    """Keep the end of `text` for the status page, over the reset that is to follow: at once for a tree on trial."""
    global _last_crash
    when = b"boot %d, after %d s: " % (_boots, board.uptime_s())
    _last_crash = when + _tail(text.strip().encode(), _CRASH_BYTES - len(when))
    try:
        _storage.set_blob("crash", _last_crash)
        _storage.commit()
    except Exception as error:
        print("limpet: a crash is not kept:", repr(error))
    if is_on_trial():
        board.reset()


def last_crash():
    """Return why the board last had to reset itself, or None."""
    if _last_crash is None and _storage is not None:
        buffer = bytearray(_CRASH_BYTES)
        try:
            return str(buffer[: _storage.get_blob("crash", buffer)], "utf-8")
        except Exception:
            return None  # there was none
    return str(_last_crash, "utf-8") if _last_crash else None


def reset(reason):
    """Say and keep why, and start the board anew; does not return."""
    print("limpet: reset:", reason)
    note_crash(reason)
    board.reset()


def report():
    """Return what the status page tells."""
    return {"boots": _boots, "reset_cause": reset_cause(), "safe_mode": safe_mode, "last_crash": last_crash()}


def _number(key):
    try:
        return _storage.get_i32(key)
    except OSError:
        return 0  # the first time


def _store(**numbers):
    for key in numbers:
        _storage.set_i32(key, numbers[key])
    _storage.commit()


def _tail(raw, most):
    """Return the last whole characters of a text in UTF-8, `most` bytes at most."""
    if len(raw) <= most:
        return raw
    at = len(raw) - most
    while raw[at] >> 6 == 2:
        at += 1
    return raw[at:]
