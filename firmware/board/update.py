"""The firmware over the air, as far as the file system goes: what is there, and the change from one tree to another.

A change is told by a staged manifest (tools/manifest.py has the files of `.limpet`, and what a journal is). `prepare`
verifies every file it names, staged or in place, copies what is to go to `~NAME`, and writes two journals: the way
there, whose last step puts the way back at `trial`. Then `commit` has the first appear, one rename: boot.py follows it,
and goes back at the next boot unless `recovery.confirm` has ended the trial. Until then nothing has changed.
"""

import errno
import hashlib
import os
import sys
from binascii import hexlify

import firmware.board as board
from firmware.board import recovery, storage
from firmware.http.errors import HTTPError
from firmware.http.urls import safe_path

HOME = "/.limpet/"
MANIFEST = HOME + "manifest"
# In the data: the public key of who signs what comes over the air, if anybody does.
OWNER_KEY = "/update.pub"

# What MicroPython starts. Who cannot be started can take nothing back.
_STARTED = ("/boot.py", "/main.py")

# Read and copied at once; and how many of these until the others have their turn: some 10 ms on a board.
_BLOCK_BYTES = 1024
_BURST = 8

# Of a list, sent at once: fewer and larger packets.
_PIECE_BYTES = 1024

# A hash, a path, a line's end: longer paths are nobody's.
_MAX_LINE_BYTES = 320
_HASH_CHARACTERS = 64

# MicroPython's errno does not name it.
_ENOSPC = getattr(errno, "ENOSPC", 28)


def home():
    """Return the staging folder, with a slash."""
    return recovery.root + HOME


def staged_name(path, digest):
    """Return what a file for `path` is called while it is staged; `digest` is its SHA-256 in hex digits."""
    return hexlify(hashlib.sha256(("%s\0%s" % (path, digest)).encode()).digest()).decode()[:16]


def state():
    """Return "switching" (a journal waits for boot.py), "trial", or None."""
    names = _names(home())
    return "switching" if "switch" in names else "trial" if "trial" in names else None


def mpy_format():
    """Return which .mpy files this interpreter takes, as MicroPython tells it, or None."""
    return getattr(sys.implementation, "_mpy", None)


def frozen():
    """Return what the image has frozen in it, {"version", "tree"}: tools/manifest.py has its hash. Or None."""
    try:
        import firmware_build
    except ImportError:
        return None
    return {"version": firmware_build.VERSION, "tree": firmware_build.TREE}


def is_signed():
    """Tell whether a tree has to be signed: `signature` has how."""
    return _kind(storage.folder + OWNER_KEY) is not None


async def digest(path):
    """Return the SHA-256 of a file in hex digits, None where there is none. Raises 409 for a folder."""
    kind = _kind(path)
    if kind is None:
        return None
    if kind:
        raise HTTPError(409, "%s is a folder." % path)
    return await _read(path, None)


async def listing():
    """Yield what is there, but the data, in bytes: lines of "SHA256 PATH", and "/ PATH" for a folder."""
    text = bytearray()
    for path, is_folder in walk():
        text.extend((await describe(path, is_folder)).encode())
        if len(text) >= _PIECE_BYTES:
            yield bytes(text)
            text = bytearray()
    yield bytes(text)


def walk():
    """Yield (path, whether it is a folder) of all that is there, but the data."""
    folders = [""]
    while folders:
        folder = folders.pop()
        for name in _names(recovery.root + folder + "/"):
            path = "%s/%s" % (folder, name)
            place = recovery.root + path
            if place == storage.folder:
                continue
            is_folder = bool(_kind(place))
            if is_folder:
                folders.append(path)
            yield path, is_folder


async def describe(path, is_folder):
    """Return the line of a listing for one path."""
    return "%s %s\n" % ("/" if is_folder else await digest(recovery.root + path), path)


def discard():
    """Throw away what is staged."""
    _remove_but(("manifest", "trial", "switch"))


async def prepare(wanted):
    """Verify the tree of the staged manifest whose SHA-256 is `wanted`, and write the journals.

    Raises 409 where something is missing or in the way, 422 for a manifest or a source that is none, 507 where the
    storage is full.
    """
    name = home() + staged_name(MANIFEST, wanted)
    if await digest(name) != wanted:
        raise HTTPError(409, "The manifest is not there.")
    remove_kept()
    there, back = None, None
    try:
        there = _Journal("~there")
        back = _Journal("~back")
        started = 0
        for path, expected in _both(_entries(name), _entries(recovery.root + MANIFEST, True)):
            if path in _STARTED and expected:
                started += 1
            await _plan(path, expected, there, back)
        if started != len(_STARTED):
            raise HTTPError(422, "A tree has %s and %s." % _STARTED)
        await _plan(MANIFEST, wanted, there, back)
        back.finish("")
        there.finish("~back %strial\n" % home())
    except BaseException as error:
        for journal in (there, back):
            if journal:
                journal.close()
        remove_kept()
        if isinstance(error, OSError) and error.errno == _ENOSPC:
            raise HTTPError(507, "There is no room left to keep the old files.")
        raise


def commit():
    """Have the journal appear: this is the moment of change."""
    os.rename(home() + "~there", home() + "switch")


class _Journal:
    """The steps of one way, written as they are found: see `tools/manifest.py` for their order."""

    def __init__(self, name):
        self._path = home() + name
        self._body = open(self._path + ".body", "w")  # noqa: SIM115 - closed by `finish` or `close`
        self._first = self._last = ""
        self.made = set()
        self.emptied = set()

    def add(self, step, path):
        line = "%s %s\n" % (step, recovery.root + path)
        if path == _STARTED[0]:
            self._first = line
        elif path in (_STARTED[1], MANIFEST):
            self._last += line
        else:
            self._body.write(line)

    def finish(self, end):
        """Write it as a whole, with `end` as its last line."""
        self._body.close()
        with open(self._path, "w") as file:
            file.write(self._first)
            for folder in sorted(self.made):
                file.write("+ %s\n" % folder)
            with open(self._path + ".body") as body:
                for line in body:
                    file.write(line)
            file.write(self._last)
            for folder in sorted(self.emptied, reverse=True):
                file.write("- %s\n" % folder)
            file.write(end)
        os.remove(self._path + ".body")

    def close(self):
        """Give up."""
        try:
            self._body.close()
        except OSError:
            pass  # there is no room for the rest


async def _plan(path, wanted, there, back):
    """Add the steps for one path, of a file that is `wanted` by its hash, or by None not any more."""
    full = recovery.root + path
    current = await digest(full)
    if wanted:
        name = staged_name(path, wanted)
        if await digest(home() + name) != wanted:
            if current == wanted:
                return
            raise HTTPError(409, "%s is not there." % path)
        if path in _STARTED:
            _check_source(path, home() + name)
        _find_parents(full, there.made, back.emptied)
        there.add(name, path)
    elif current:
        there.add("-", path)
        for folder in _parents(full):
            there.emptied.add(folder)
            back.made.add(folder)
    else:
        return
    if current is None:
        back.add("-", path)
        return
    name = "~" + staged_name(path, current)
    await _read(full, home() + name)
    back.add(name, path)


def _find_parents(path, missing, emptied):
    """Add the folders above a file that are not there yet to both sets. Raises 409 where a file is in the way."""
    for folder in _parents(path):
        kind = _kind(folder)
        if kind == 0:
            raise HTTPError(409, "%s is a file." % folder)
        if kind is None:
            missing.add(folder)
            emptied.add(folder)


def _parents(path):
    """Return the folders above a file that are below the root."""
    found = []
    at = path.find("/", len(recovery.root) + 1)
    while at > 0:
        found.append(path[:at])
        at = path.find("/", at + 1)
    return found


def _check_source(path, staged):
    """Raise 422 for what MicroPython cannot start, and for a boot.py that takes no tree back."""
    with open(staged) as file:
        text = file.read()
    try:
        compile(text, path, "exec")
    except (SyntaxError, ValueError) as error:
        raise HTTPError(422, "%s: %s" % (path, error))
    if path == _STARTED[0] and ("switch()" not in text or '"trial"' not in text):
        raise HTTPError(422, "This boot.py does not complete a change.")


def _both(new, old):
    """Yield (path, hash) of a new tree's files, and (path, None) of those that only the old one has, in order."""
    known = next(old, None)
    for path, wanted in new:
        while known and known[0] < path:
            yield known[0], None
            known = next(old, None)
        if known and known[0] == path:
            known = next(old, None)
        yield path, wanted
    while known:
        yield known[0], None
        known = next(old, None)


def _entries(name, is_lax=False):
    """Yield (path, hash) from a manifest, whose paths are in order. Raises 422; `is_lax`: what is wrong is its end."""
    last = ""
    try:
        file = open(name, "rb")  # noqa: SIM115 - closed below
    except OSError:
        return  # the first one
    with file:
        while True:
            line = file.readline(_MAX_LINE_BYTES)
            if not line:
                return
            path = _path(line)
            if path is None or path <= last:
                if is_lax:
                    return
                raise HTTPError(422, "The manifest is none.")
            last = path
            yield path, line[:_HASH_CHARACTERS].decode()


def _path(line):
    """Return the path in a line of a manifest, None for one that cannot be a tree's."""
    try:
        text = str(line, "utf-8")
    except ValueError:
        return None
    path = text[_HASH_CHARACTERS + 1 : -1]
    if text[_HASH_CHARACTERS : _HASH_CHARACTERS + 2] != " /" or text[-1] != "\n" or safe_path(path[1:]) is None:
        return None
    is_ours = (recovery.root + path).startswith(storage.folder + "/") or path.startswith(HOME)
    return None if is_ours else path


async def _read(path, copy):
    """Return the SHA-256 of a file, copied to `copy` unless that is None."""
    block = bytearray(_BLOCK_BYTES)
    view = memoryview(block)
    found = hashlib.sha256()
    turns = 0
    target = open(copy, "wb") if copy else None  # noqa: SIM115 - closed below
    try:
        with open(path, "rb") as file:
            while True:
                got = file.readinto(block)
                if not got:
                    break
                found.update(view[:got])
                if target and target.write(view[:got]) != got:
                    raise OSError(_ENOSPC)
                turns += 1
                if turns % _BURST == 0:
                    await board.sleep_ms(0)
    finally:
        if target:
            target.close()
    await board.sleep_ms(0)
    return hexlify(found.digest()).decode()


def _kind(path):
    """Return a number that is 0 for a file and not for a folder, None where there is nothing."""
    try:
        return os.stat(path)[0] & 0x4000
    except OSError:
        return None


def _names(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return ()


def remove_kept():
    """Throw away what was kept to go back, and a change that was only prepared."""
    _remove_but((), "~")


def _remove_but(kept, start=""):
    for name in _names(home()):
        if name.startswith(start) and name not in kept:
            try:
                os.remove(home() + name)
            except OSError:
                pass  # gone
