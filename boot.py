"""The board's first second: a way in for who has locked themselves out; the end of a deployment; where the firmware is;
the count of boots.

Nothing here fails: whatever goes wrong, main.py runs. Only who asks for the prompt gets it, with Ctrl-C or the BOOT
button: a KeyboardInterrupt that leaves this file keeps MicroPython from running main.py. Not held while the power
comes on: that starts the chip's own loader.
"""

import os
import time

# Long enough for a hand at the keyboard, and what everybody else waits.
_WINDOW_MS = 1000
_STEP_MS = 20

# Where the BOOT button is, by the chip; else GPIO 0.
_BUTTONS = {"C3": 9, "C6": 9}

# A start, the network joined, a minute of serving, with room: what has not come up by then hangs.
_TRIAL_MS = 240000

# What was deployed and waits to be put in place (tools/manifest.py).
_HOME = "/.limpet/"


def rescue():
    """Wait a moment for Ctrl-C or the button. Raises KeyboardInterrupt."""
    import machine

    if machine.reset_cause() == machine.SOFT_RESET:
        return  # from the prompt
    # "... with ESP32C3", and some boards say "... with ESP32-C3FH4".
    chip = os.uname()[4].split("ESP32")[-1].replace("-", "") if hasattr(os, "uname") else ""
    button = machine.Pin(_BUTTONS.get(chip[:2], 0), machine.Pin.IN, machine.Pin.PULL_UP)
    print("limpet: Ctrl-C or BOOT for the prompt")
    for _ in range(_WINDOW_MS // _STEP_MS):
        if not button.value():
            raise KeyboardInterrupt("BOOT")
        time.sleep_ms(_STEP_MS)


def switch():
    """Put a deployment in place, or take back one whose trial came to nothing: follow the journal to its end.

    It is followed from its beginning each time, however far it was before the power went.
    """
    try:
        names = os.listdir(_HOME)
    except OSError:
        return  # nothing was ever deployed
    if "switch" not in names:
        if "trial" not in names:
            return
        os.rename(_HOME + "trial", _HOME + "switch")
    with open(_HOME + "switch") as journal:
        for line in journal:
            name, path = line.rstrip("\n").split(" ", 1)
            try:
                if name == "-":
                    os.remove(path)
                elif name == "+":
                    os.mkdir(path)
                else:
                    os.rename(_HOME + name, path)
            except OSError as error:
                # ENOENT, EEXIST: done before. ENOTEMPTY: others have files in that folder.
                if error.errno not in (2, 17, 39):
                    raise
    os.remove(_HOME + "switch")


def find():
    """Take the firmware from the image, where it is frozen into that: then the folder here has its pages alone."""
    import sys

    for name in ("__init__.mpy", "__init__.py"):
        try:
            os.stat("/firmware/" + name)
            return
        except OSError:
            pass
    sys.path.insert(0, ".frozen")


def watch():
    """Reset the board in a while if a tree is still on trial then: `switch` goes back to the old one.

    `recovery.confirm` ends a trial. A prompt, or Python that goes round for ever, lets the timer's function run.
    """
    try:
        os.stat(_HOME + "trial")
    except OSError:
        return
    import machine

    machine.Timer(0).init(mode=machine.Timer.ONE_SHOT, period=_TRIAL_MS, callback=_judge)


def _judge(timer):
    # Names of its own: main.py shares this file's.
    import os

    import machine

    if "trial" in os.listdir(_HOME):
        machine.reset()


def count():
    """Count this boot: main.py asks `recovery` whether it is in safe mode."""
    from firmware.board import recovery

    recovery.begin()


for _step in (rescue, switch, find, watch, count):
    try:
        _step()
    except KeyboardInterrupt:
        print("limpet: the prompt, as asked for")
        raise
    except BaseException as _error:  # SystemExit too: it would start the board anew, for ever
        print("limpet: boot.py:", repr(_error))
