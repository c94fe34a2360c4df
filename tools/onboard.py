# tools/board.py runs this on a board. No docstrings: every byte goes over the line.
# ruff: noqa: SIM115
import binascii
import os
import sys


def _about():
    about = sys.implementation
    return "%d.%d.%d" % tuple(about[1][:3]), about._machine, getattr(about, "_mpy", 0)


def _memory():
    import gc

    gc.collect()
    heaps = gc.mem_alloc(), gc.mem_free()
    try:
        import esp32

        regions = esp32.idf_heap_info(esp32.HEAP_DATA)
    except ImportError:
        return heaps
    try:
        import network

        is_on = network.WLAN(network.STA_IF).active()
    except (ImportError, OSError, RuntimeError):
        is_on = False
    return heaps + (sum(region[1] for region in regions), max(region[2] for region in regions), is_on)


def _kind(path):
    try:
        return os.stat(path)[0] & 0x4000
    except OSError:
        return None


def _hash(*paths):
    import hashlib

    block = bytearray(1024)
    view = memoryview(block)
    for path in paths:
        kind = _kind(path)
        if kind != 0:
            print("-" if kind is None else "/")
            continue
        state = hashlib.sha256()
        with open(path, "rb") as file:
            got = file.readinto(block)
            while got:
                state.update(view[:got])
                got = file.readinto(block)
        print(binascii.hexlify(state.digest()).decode())


def _walk(folder):
    for entry in os.ilistdir(folder or "/"):
        path = folder + "/" + entry[0]
        if entry[1] == 0x4000:
            print(0, repr(path + "/"))
            _walk(path)
        else:
            print(os.stat(path)[6], repr(path))


def _copy(path, target):
    block = bytearray(1024)
    view = memoryview(block)
    with open(path, "rb") as file, open(target, "wb") as copy:
        got = file.readinto(block)
        while got:
            copy.write(view[:got])
            got = file.readinto(block)


def _put(data, packed, path, is_last):
    global _file
    if path:
        _file = open(path, "wb")
    data = binascii.a2b_base64(data)
    if packed:
        import io

        import deflate

        data = deflate.DeflateIO(io.BytesIO(data), deflate.ZLIB).read()
    _file.write(data)
    if is_last:
        _file.close()
