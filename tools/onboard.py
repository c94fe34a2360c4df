# tools/board.py runs this on a board. No docstrings: every byte goes over the line.
# ruff: noqa: SIM115
import binascii
import os
import sys


def _about():
    about = sys.implementation
    return "%d.%d.%d" % tuple(about[1][:3]), about._machine, getattr(about, "_mpy", 0)


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
