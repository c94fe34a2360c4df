"""MicroPython's `esp32` for CPython and MicroPython's unix port: the storage that survives, and the second heap.

Follows ports/esp32/esp32_nvs.c and modesp32.c of MicroPython 1.25. Where `$FAKE_BOARD` names a folder, its `nvs.json`
is the flash: it is there again for the next process, however this one ends.
"""

import gc
import json
import os
import sys
import time

try:
    import _idf  # the real growth of a heap: host_tests/heaps
except ImportError:
    _idf = None

HEAP_DATA = 4
HEAP_EXEC = 1

_FLASH = os.getenv("FAKE_BOARD")

# (total, free, largest free block, lowest free ever) of each region.
regions = [(15000, 5000, 4500, 4000), (110000, 60000, 40000, 30000)]

# After so many writes the flash takes no more; None: it always does.
writes_left = None

_flash = {}

# The chip's storage takes nothing of Python's heap. What the file here takes of it lies ready, or a board whose heap is
# full would not know how often it has started.
_RESERVE_BYTES = 2048
_reserve = bytearray(_RESERVE_BYTES)

if not hasattr(time, "ticks_ms"):
    # CPython lacks what a board has besides.
    import asyncio

    sys.implementation._machine = "Fake board with ESP32"
    time.ticks_ms = lambda: int(time.monotonic() * 1000) & 0x3FFFFFFF
    time.ticks_diff = lambda end, start: ((end - start + 0x20000000) & 0x3FFFFFFF) - 0x20000000
    time.sleep_ms = lambda ms: time.sleep(ms / 1000)
    asyncio.sleep_ms = lambda ms: asyncio.sleep(ms / 1000)
    gc.mem_free = gc.mem_alloc = lambda: 50000
    gc.threshold = lambda amount=-1: None


class NVS:
    """A namespace. What was set is there after `commit`, not before."""

    def __init__(self, namespace):
        _check_name(namespace)
        self._namespace = namespace
        self._pending = {}

    def set_i32(self, key, value):
        if not -(2**31) <= value < 2**31:
            raise OverflowError("overflow converting long int to machine word")
        self._set(key, value)

    def set_blob(self, key, value):
        self._set(key, bytes(value).hex())

    def get_i32(self, key):
        return self._get(key, int)

    def get_blob(self, key, buffer):
        value = bytes.fromhex(self._get(key, str))
        if len(value) > len(buffer):
            raise OSError(-0x110C, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(value)] = value
        return len(value)

    def erase_key(self, key):
        if key not in self._values():
            raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
        self._pending[key] = None

    def commit(self):
        global writes_left, _reserve
        if writes_left is not None:
            if not writes_left:
                raise OSError(-0x1105, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")
            writes_left -= 1
        _reserve = None
        try:
            self._write()
        finally:
            _reserve = _take_reserve()

    def _write(self):
        global _flash
        flash = _read()
        flash[self._namespace] = self._values()
        self._pending = {}
        _flash = flash
        if _FLASH:
            with open(_FLASH + "/nvs.new", "w") as file:
                file.write(json.dumps(flash))
            os.rename(_FLASH + "/nvs.new", _FLASH + "/nvs.json")

    def _set(self, key, value):
        _check_name(key)
        self._pending[key] = value

    def _get(self, key, kind):
        _check_name(key)
        value = self._values().get(key)
        # A key of the other type is as good as none.
        if type(value) is not kind:
            raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
        return value

    def _values(self):
        values = dict(_read().get(self._namespace, {}))
        values.update(self._pending)
        for key in self._pending:
            if self._pending[key] is None:
                del values[key]
        return values


def _take_reserve():
    gc.collect()
    try:
        return bytearray(_RESERVE_BYTES)
    except MemoryError:
        return None


def _read():
    if _FLASH:
        try:
            with open(_FLASH + "/nvs.json") as file:
                return json.loads(file.read())
        except OSError:
            return {}
    return dict(_flash)


def _check_name(name):
    if not 0 < len(name) < 16:
        raise OSError(-0x1109, "ESP_ERR_NVS_KEY_TOO_LONG")


def idf_heap_info(capabilities):
    return _idf.info() if _idf else list(regions)


def raw_temperature():
    return 128


def __getattr__(name):
    # Few boards have to do with it: what it takes of the heap is not the board's.
    if name != "Partition":
        raise AttributeError(name)
    import slots

    return slots.Partition


def erase():
    """Forget all, as a board that was erased."""
    global _flash, writes_left
    _flash = {}
    writes_left = None
