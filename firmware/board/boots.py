"""How boots are counted, and a trial is ended: for `recovery`, which is given to each as `kept`."""

import os

import firmware.board as board
from firmware.board.recovery import CRASH_BYTES
from firmware.http.native import const

MAX_UNFINISHED = 3

# In the folder of the trial: it is an image's (firmware/board/image.py).
IMAGE_MARK = "~image"

# In safe mode, without a repair: whoever makes some is not interrupted. But an hour is enough for anybody.
_SAFE_MS = 600000
_SAFE_TIMES = const(6)


def begin(kept):
    """Count this boot, the first time it is called; return whether it is in safe mode.

    A soft reset does not count: somebody is at work at the prompt.
    """
    kept.begun = True
    if kept.is_on_trial(IMAGE_MARK) and not kept.is_on_trial():
        _leave_image(kept.root + "/.limpet/")
    try:
        kept.storage = board.nvs()
        kept.crash = _blob(kept.storage, "crash")
        kept.unfinished = _number(kept.storage, "unfinished")
        kept.count = _number(kept.storage, "boots")
        if board.reset_cause() != "soft reset":
            kept.unfinished += 1
            kept.count += 1
            _store(kept.storage, unfinished=kept.unfinished, boots=kept.count)
        else:
            _take_over(kept)
    except Exception as error:
        print("limpet: boots are not counted:", repr(error))
    kept.safe_mode = kept.unfinished > MAX_UNFINISHED
    if kept.safe_mode:
        print("limpet: safe mode, after %d boots that came to nothing" % (kept.unfinished - 1))


def confirm(kept):
    """This boot is finished: forget those that were not, and keep the tree that it ran."""
    if kept.is_on_trial():
        if kept.is_on_trial(IMAGE_MARK):
            _keep_image()
        _end_trial(kept.root + "/.limpet/")
    if kept.storage is None or not kept.unfinished:
        return
    try:
        _store(kept.storage, unfinished=0)
        kept.unfinished = 0
    except Exception as error:
        print("limpet: a finished boot is not counted:", repr(error))


async def watch(kept):
    """Wait until this boot is finished, and confirm it; in safe mode, leave that once nobody repairs anything.

    Begin this once the server listens.
    """
    await board.sleep_ms(kept.FINISHED_MS)
    # Nobody can repair what no administrator reaches: boot.py's timer ends this then. Who has a cable can.
    while not kept.is_reached and kept.is_on_trial() and not kept.is_on_trial("~cable"):
        await board.sleep_ms(kept.TRIAL_MS)
    confirm(kept)
    if kept.safe_mode:
        repairs = None
        for _ in range(_SAFE_TIMES):
            if repairs == kept.repairs:
                break
            repairs = kept.repairs
            await board.sleep_ms(_SAFE_MS)
        print("limpet: safe mode is over")
        board.reset()


def hand_over(kept):
    """Keep what is to go on behind a planned start."""
    if kept.storage and kept.life:
        try:
            kept.storage.set_blob("life", b"%d %s" % (kept.before_s + board.uptime_s(), kept.life.encode()))
            kept.storage.commit()
        except Exception as error:
            print("limpet: sessions end:", repr(error))


def _take_over(kept):
    """Go on with what was handed over, once."""
    raw = _blob(kept.storage, "life")
    if raw:
        before, _, life = str(raw, "utf-8").partition(" ")
        kept.before_s, kept.life = int(before), life
        kept.storage.erase_key("life")
        kept.storage.commit()


def _keep_image():
    """Have the boot loader start the image that runs from now on, unless it has been told of another one."""
    from esp32 import Partition

    try:
        if Partition(Partition.BOOT).info() == Partition(Partition.RUNNING).info():
            Partition.mark_app_valid_cancel_rollback()
    except OSError as error:
        print("limpet: the image is not kept:", repr(error))


def _leave_image(home):
    """This start has ended the trial of an image: behind a soft reset that still runs, and has to go."""
    if board.reset_cause() == "soft reset":
        board.reset()
    try:
        _forget(home)
    except OSError as error:
        print("limpet: a trial is not ended:", repr(error))


def _end_trial(home):
    """Keep the tree that runs; what was kept to go back goes."""
    try:
        os.remove(home + "trial")
        _forget(home)
    except OSError as error:
        print("limpet: a trial is not ended:", repr(error))


def _forget(home):
    """Remove what was kept to go back. An image's mark goes last: a start that finds it begins again."""
    for name in sorted(os.listdir(home), key=lambda name: name == IMAGE_MARK):
        if name.startswith("~"):
            os.remove(home + name)


def _number(storage, key):
    try:
        return storage.get_i32(key)
    except OSError:
        return 0  # the first time


def _blob(storage, key):
    buffer = bytearray(CRASH_BYTES)
    try:
        return bytes(buffer[: storage.get_blob(key, buffer)])
    except Exception:
        return None  # there was none


def _store(storage, **numbers):
    for key in numbers:
        storage.set_i32(key, numbers[key])
    storage.commit()
