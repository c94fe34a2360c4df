"""The board's first second: a way in for who has locked themselves out; the end of a deployment; where the firmware is;
memory for the radio, before anything else takes it; who installed it and knows its network; the count of boots.

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
_BUTTONS = {"C2": 9, "C3": 9, "C5": 28, "C6": 9}

# A start, the network joined, a minute of serving, with room: what has not come up by then hangs.
_TRIAL_MS = 240000

# What `esp_wifi_init` and joining take of the system's heap, and what TCP needs there with four clients.
_RADIO_BYTES = 47 * 1024
_SYSTEM_BYTES = 48 * 1024
# A chip with PSRAM has more in one piece than any other has in all.
_PSRAM_BYTES = 1024 * 1024
# How long a board that cannot start its radio lets its message be read.
_READ_MS = 3000

# A board that was installed from a browser has the first (tools/installer.py), and once it is set up the second.
_MARK = "/data/improv"
_SETTINGS = "/data/config.json"

# What was deployed and waits to be put in place (tools/manifest.py).
_HOME = "/.limpet/"


def hush():
    """Have Ctrl-C interrupt nothing before `ask_cable` listens, on a board that waits for its network from there.

    What the page that installed it sends has Ctrl-C's byte in it, and may come at any time.
    """
    global _is_new
    import machine

    try:
        os.stat(_MARK)
    except OSError:
        return
    if machine.reset_cause() == machine.SOFT_RESET:
        return
    import json

    import micropython

    micropython.kbd_intr(-1)
    try:
        with open(_SETTINGS) as file:
            _is_new = not json.load(file).get("networks")
    except OSError:
        _is_new = True
    finally:
        micropython.kbd_intr(-1 if _is_new else 3)


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

    It is followed from its beginning each time, however far it was before the power went. It says how far it is, which
    `tools deploy` waits for, and a Ctrl-C does not interrupt it: what is cut off here would stay a mix until the next
    start.
    """
    try:
        names = os.listdir(_HOME)
    except OSError:
        return  # nothing was ever deployed
    if "switch" not in names:
        if "trial" not in names:
            return
        os.rename(_HOME + "trial", _HOME + "switch")
    import micropython

    micropython.kbd_intr(-1)
    try:
        _follow(_HOME + "switch")
    finally:
        micropython.kbd_intr(-1 if _is_new else 3)
    print("limpet: changed over")


def _follow(path):
    """Take every step of a journal, which goes with the last."""
    with open(path) as journal:
        steps = sum(1 for _ in journal)
    step = 0
    with open(path) as journal:
        for line in journal:
            step += 1
            print("limpet: changing over, %d of %d" % (step, steps))
            name, place = line.rstrip("\n").split(" ", 1)
            try:
                if name == "-":
                    os.remove(place)
                elif name == "+":
                    os.mkdir(place)
                else:
                    os.rename(_HOME + name, place)
            except OSError as error:
                # ENOENT, EEXIST: done before. ENOTEMPTY: others have files in that folder.
                if error.errno not in (2, 17, 39):
                    raise
    os.remove(path)


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


def divide():
    """Fix how much memory Python has, where the system has more than it needs: before the radio takes its share.

    MicroPython doubles its heap when that is full. The next time it takes the largest block that the system has left,
    whole, and Wi-Fi and TCP starve. So the second area is made now, as large as it may be for good. Where that is less
    than doubling gives, as on a stock image for the ESP32, doubling does as well.
    """
    global _area
    import gc

    import esp32
    import machine

    radio = _RADIO_BYTES
    if machine.reset_cause() == machine.SOFT_RESET:
        # It leaves the radio as it was: on, as a rule.
        power_radio()
        radio = 0
    regions = esp32.idf_heap_info(esp32.HEAP_DATA)
    largest = max(region[2] for region in regions)
    size = min(sum(region[1] for region in regions) - radio - _SYSTEM_BYTES, largest)
    # `mem_free` counts that block, too: it could still be had.
    if size <= gc.mem_alloc() + gc.mem_free() - largest or largest > _PSRAM_BYTES:
        return
    # An area has 13/512 more than the object it is made for (py/gc.c, `gc_try_add_heap`).
    _area = [None] * (size * 512 // 525 // 4)
    # An area without a used block behind its first is given back. So the list stays, and all but its beginning goes: a
    # list halves its room when it pops, while that is more than twice what it holds.
    del _area[100:]
    for _ in range(16):
        _area.pop()


def power_radio():
    """Switch the radio on while its driver can still have 46 KB, or have the board start anew.

    A driver that failed for want of memory stays half initialised: only a reset mends that.
    """
    global _is_deaf
    try:
        import network
    except ImportError:
        return
    try:
        network.WLAN(network.STA_IF).active(True)
    except (MemoryError, OSError, RuntimeError) as error:
        # ESP_ERR_NO_MEM has no name of its own there. ENOMEM is 12.
        if not isinstance(error, MemoryError) and "0x0101" not in str(error) and error.args[0] != 12:
            raise
        print("limpet: there is not enough memory for the radio: the board starts anew")
        time.sleep_ms(_READ_MS)
        _is_deaf = True


def ask_cable():
    """Let the page that installed this board tell it its network, while it knows none. Raises KeyboardInterrupt."""
    if not _is_new or _is_deaf:
        return
    import micropython

    try:
        from firmware.server import loader

        loader.borrow("firmware.board.improv").listen()
    finally:
        micropython.kbd_intr(3)


def count():
    """Count this boot: main.py asks `recovery` whether it is in safe mode."""
    from firmware.board import recovery

    recovery.begin()


_is_deaf = _is_new = False
for _step in (hush, rescue, switch, find, watch, divide, power_radio, ask_cable, count):
    try:
        _step()
    except KeyboardInterrupt:
        print("limpet: the prompt, as asked for")
        raise
    except BaseException as _error:  # SystemExit too: it would start the board anew, for ever
        print("limpet: boot.py:", repr(_error))

if _is_deaf:
    import machine

    machine.reset()

# main.py shares these names, and has no use for them: their 4 KB are free from here on.
for _step in ("hush", "rescue", "switch", "find", "watch", "divide", "power_radio", "ask_cable", "count"):
    globals().pop(_step)
for _step in ("_follow", "_judge", "_MARK", "_SETTINGS", "_is_new", "_step"):
    globals().pop(_step)
