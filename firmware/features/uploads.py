"""Writes files of any size from clients straight to the storage. `multipart` reads files in forms.

    @app.put("/files/<name>", stream=True)
    async def put(request, name):
        await uploads.save(request.stream(), "/data/" + uploads.safe_filename(name), 100000)

A file is first written under another name, which is not served, and renamed when it is complete. A client that vanishes
leaves nothing; a power cut may leave the hidden file, which `clean` removes at the next start.
"""

import errno
import os

from firmware.http.errors import HTTPError

_PREFIX = ".upload-"
# MicroPython's errno does not name it.
_ENOSPC = getattr(errno, "ENOSPC", 28)

# littlefs allows 255; this leaves room for folders before it and for a line on a page.
_MAX_FILENAME_BYTES = 64
# Characters, up to 4 bytes each, dot included: a longer extension is only text after a dot.
_MAX_EXTENSION = 10

_count = 0


async def save(source, path, max_bytes):
    """Write what `source`, an asynchronous iterator, yields to the file `path`, all of it or nothing; return its size.

    Raises 413 for more than `max_bytes`, 507 if the storage is full, and the exceptions of `source` and the storage.
    """
    global _count
    _count += 1
    beside = "%s%s%d" % (path[: path.rfind("/") + 1], _PREFIX, _count)
    size = 0
    try:
        with open(beside, "wb") as file:
            async for data in source:
                size += len(data)
                if size > max_bytes:
                    raise HTTPError(413, "A file may have %d bytes here." % max_bytes)
                if file.write(data) != len(data):
                    raise OSError(_ENOSPC)
        getattr(os, "replace", os.rename)(beside, path)
    except OSError as error:
        _remove(beside)
        if error.errno == _ENOSPC:
            raise HTTPError(507, "There is no room left for this file.")
        raise
    except BaseException:
        # Also for a cancelled task: the client has gone, or the server stops.
        _remove(beside)
        raise
    return size


def clean(folder):
    """Remove unfinished files in `folder` and below, left by a power cut; call it before serving."""
    for name in _names(folder):
        path = "%s/%s" % (folder, name)
        if name.startswith(_PREFIX):
            _remove(path)
        else:
            clean(path)


def _names(folder):
    """Yield the names in a folder, one at a time if possible: there may be many."""
    try:
        if hasattr(os, "ilistdir"):
            for entry in os.ilistdir(folder):
                yield entry[0]
        else:
            yield from os.listdir(folder)
    except OSError:
        pass  # a file, or missing


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


def safe_filename(name):
    """Return the text `name` as a valid file name: no folders, no reserved characters, not hidden, not empty.

    At most 64 bytes of UTF-8; a name that is cut keeps its extension. Two names may become the same.
    """
    name = name.replace("\\", "/")
    name = name[name.rfind("/") + 1 :]
    # Control characters, and characters that FAT and Windows reserve.
    for code in bytes(range(32)) + b'\x7f<>:"|?*':
        name = name.replace(chr(code), "_")
    name = name.strip(". ")
    dot = name.rfind(".")
    if dot < 0 or len(name) - dot > _MAX_EXTENSION:
        dot = len(name)
    stem = name[:dot][:_MAX_FILENAME_BYTES]
    while len((stem + name[dot:]).encode()) > _MAX_FILENAME_BYTES:
        stem = stem[:-1]
    return stem.rstrip(". ") + name[dot:] or "file"
