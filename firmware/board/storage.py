"""Small JSON documents that survive a power cut, below one folder.

A document is written beside (`NAME.new`), flushed, then renamed over the old one: after a cut there is the old one or
the new one. What cannot be read is set aside as `NAME.bad` for who wants to repair it.
"""

import errno
import json
import os

from firmware.http.errors import HTTPError
from firmware.http.jsontext import loads

folder = "."


def use(path):
    """Keep documents below the folder `path`, made where it is missing. Raises OSError where there can be none."""
    global folder
    _make(path)
    os.listdir(path)
    folder = path


def load(path, default, is_sound=None):
    """Return the document at `path`, or `default`.

    One that cannot be read, has another type than `default`, or for which `is_sound(document)` is not true, is set
    aside, and a line on the console says so.
    """
    path = folder + "/" + path
    _remove(path + ".new")
    try:
        with open(path, "rb") as file:
            document = loads(file.read())
        if type(document) is type(default) and (is_sound is None or is_sound(document)):
            return document
        reason = "it holds something else"
    except HTTPError as error:
        reason = error.detail
    except OSError as error:
        if error.errno == errno.ENOENT:
            return default
        reason = error
    print("limpet: %s cannot be used and is kept as %s.bad: %s" % (path, path, reason))
    try:
        _replace(path, path + ".bad")
    except OSError:
        pass  # then it stays until the next save
    return default


def save(path, document):
    """Write `document` (what JSON can hold) to `path`. Raises OSError; the old one stays as it was then."""
    path = folder + "/" + path
    new = path + ".new"
    text = json.dumps(document)
    _make(path[: path.rfind("/")])
    try:
        with open(new, "w") as file:
            file.write(text)
            # On MicroPython this brings it to the flash, on CPython only to the system.
            file.flush()
            if hasattr(os, "fsync"):
                os.fsync(file.fileno())
        _replace(new, path)
    except OSError:
        _remove(new)
        raise


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
