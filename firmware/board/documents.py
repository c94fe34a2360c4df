"""How a small JSON document is read and written: for `storage`, which loads this for a moment.

A document is written beside (`NAME.new`), flushed, then renamed over the old one: after a cut there is the old one or
the new one. What cannot be read is set aside as `NAME.bad` for who wants to repair it.
"""

import errno
import os

from firmware.http.errors import HTTPError
from firmware.http.jsontext import check, loads
from firmware.http.response import encode_json

# RFC 8259 8.1: a reader may pass over it, and editors put it in front.
_MARK = b"\xef\xbb\xbf"

# What is written at once, with a member of an object.
_PIECE_BYTES = 128

# Twice what a hundred users take. To read more might cost a board the memory that Wi-Fi needs.
_MAX_BYTES = 65536


def use(path):
    """Make a folder where it is missing. Raises OSError where there can be none."""
    _make(path)
    os.listdir(path)


def load(path, default, is_sound=None):
    """Return the document at `path`, or `default`.

    One that is no JSON, has another type than `default`, or for which `is_sound(document)` is not true, is set aside,
    and a line on the console says so. Raises OSError and MemoryError, which are no fault of the file's: it stays.
    """
    _remove(path + ".new")
    try:
        if os.stat(path)[6] > _MAX_BYTES:
            raise HTTPError(413, "it has more than %d bytes" % _MAX_BYTES)
        with open(path, "rb") as file:
            raw = file.read()
        if raw[:3] == _MARK:
            raw = raw[3:]
        # MicroPython's own takes much for JSON that is none.
        document = loads(raw)
        if type(document) is type(default) and (is_sound is None or is_sound(document)):
            return document
        reason = "it holds something else"
    except HTTPError as error:
        reason = error.detail
    except OSError as error:
        if error.errno == errno.ENOENT:
            return default
        if error.errno != errno.EISDIR:
            raise
        reason = error
    print("limpet: %s cannot be used and is kept as %s.bad: %s" % (path, path, reason))
    try:
        _replace(path, path + ".bad")
    except OSError:
        pass  # then it stays until the next save
    return default


def save(path, document):
    """Write `document` to `path`. Raises OSError, and ValueError or TypeError for what `load` would not take.

    The old one stays as it was then.
    """
    new = path + ".new"
    _make(path[: path.rfind("/")])
    try:
        with open(new, "wb") as file:
            size = 0
            for piece in _pieces(document):
                size += len(piece)
                file.write(piece)
                if size > _MAX_BYTES:
                    raise ValueError("longer than %d bytes" % _MAX_BYTES)
            # On MicroPython this brings it to the flash, on CPython only to the system.
            file.flush()
            if hasattr(os, "fsync"):
                os.fsync(file.fileno())
        _replace(new, path)
    except Exception:
        _remove(new)
        raise


def _pieces(document):
    """Yield the JSON of a document, of an object in pieces: a full heap has no place for all of it."""
    if type(document) is not dict or not document:
        yield _checked(document)
        return
    text = b"{"
    for name in document:
        if len(text) > _PIECE_BYTES:
            yield text
            text = b""
        text += _checked({name: document[name]})[1:-1] + b", "
    yield text[:-2] + b"}"


def _checked(value):
    text = encode_json(value)
    if check(text, 0, len(text)) < 0:
        raise ValueError("nested too deep, or with too long a number")
    return text


def _replace(old, new):
    """Rename over what is there, which Windows' `rename` does not, and see to it that the new name lasts."""
    getattr(os, "replace", os.rename)(old, new)
    if hasattr(os, "O_DIRECTORY"):
        fd = os.open(new[: new.rfind("/")], os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


def _make(path):
    """Make a folder and those above it; one that cannot be made shows when it is used."""
    at = 0
    while at >= 0:
        at = path.find("/", at + 1)
        try:
            os.mkdir(path if at < 0 else path[:at])
        except OSError:
            pass
