"""Modules that are loaded when somebody asks for them, and forgotten again: on a board each costs heap others need.

    schema = borrow("firmware.board.schema")       # goes with the last reference to it
    app.lazy(("/users",), "firmware.site.users")   # a Part: an application by its module's name

The way of a request to a Part: the router finds the Part in place of a route, (parent, part, path); the hooks that run
before a handler are the parent's; then the connection calls `part.loaded(path)`, which imports the part where there is
room for it and returns what the router would have found. So a client who is refused has nothing loaded.

A part whose application has `can_go` is forgotten while no connection is at it, as soon as memory is short; with
`one_at_a_time`, as soon as another part is asked for. All that its module has made is lost then. What it and its
requests have imported goes with it (`tidy`), but for native code, whose memory never comes back, and for a module that
says `is_kept`, since it has the state of something that is there once.
"""

import gc
import sys

from firmware.http.errors import HTTPError
from firmware.http.native import const

# Whether a part goes as soon as another one is asked for: set by who knows that the heap is small.
one_at_a_time = False
# Whether code is in the image, and not in the heap: said by who knows. What is loaded takes less then, in small pieces.
is_frozen = False

# Bytes that can be had without harm; set by who knows better than the collector. None: nobody counts (CPython).
free_bytes = getattr(gc, "mem_free", None)

# While a module is loaded, a collection for so many bytes: what is garbage lies between what stays, and has to go at
# once, or it leaves holes too small for most.
_TIDY_BYTES = const(2048)
# What an import needs in one piece, and what the request itself takes besides.
_PIECE_BYTES = const(2048)
_FROZEN_PIECE_BYTES = const(512)
_REQUEST_BYTES = const(2048)

# The most that a part was refused for want of room, 0 for none; and whether there seemed to be room for one. Who mends
# that sets them back.
refused_bytes = 0
is_in_pieces = False

_loaded = []  # the Parts that are there
_at_start = []  # names of the modules that were there before the first of them


def settled():
    """Take what is loaded now as what the start needs: all else is forgotten in time."""
    _at_start.clear()
    _at_start.extend(sys.modules)


def load(name):
    """Import a module and return it. Of an import that fails nothing is left behind."""
    return _load(name, [])


def borrow(name):
    """Import a module that nobody keeps, and return it: its heap is free again with the last reference."""
    brought = []
    module = _load(name, brought)
    if name in brought:
        _remove([name])
    _drop(brought)
    return module


def _load(name, brought):
    """Import a module; add to the list `brought` the names of those of ours that came with it."""
    usual = None
    if free_bytes is not None:
        usual = gc.threshold()
        gc.collect()
        gc.threshold(_TIDY_BYTES)
    before = list(sys.modules)
    top = name.split(".")[0]
    is_done = False
    try:
        module = __import__(name, None, None, ("app",))
        is_done = True
        return module
    finally:
        if usual is not None:
            gc.threshold(usual)
        for other in list(sys.modules):
            if other not in before and other.split(".")[0] in (top, "firmware"):
                brought.append(other)
        if not is_done:
            _remove(brought)


def tidy():
    """Forget the modules that were not there at the start, and that no part which is there has come with.

    Whoever still uses one has it as long as that takes; the next who imports it has it anew.
    """
    names = [name for name in sys.modules if name.startswith("firmware.") and name not in _at_start]
    for part in _loaded:
        names = [name for name in names if name not in part.brought]
    if _at_start:
        _drop(names)


def _drop(names):
    """Forget modules, where heap is counted, but for those that stay."""
    if free_bytes is not None:
        _remove([name for name in names if not _stays(sys.modules.get(name))])


def _stays(module):
    # Native functions are decorated with it.
    return hasattr(module, "micropython") or hasattr(module, "is_kept")


def _remove(names):
    for name in names:
        sys.modules.pop(name, None)
        at = name.rfind(".")
        package, leaf = sys.modules.get(name[: max(at, 0)]), name[at + 1 :]
        if hasattr(package, leaf):
            delattr(package, leaf)


class Part:
    """The `app` of the module of this name, mounted at "/" of `parent`, for the paths `prefixes` and all below them.

    `heap_bytes`: what it takes, with all that it imports. `app` is None while it is not loaded.
    """

    app = None
    brought = ()  # names of the modules that came with it

    def __init__(self, parent, prefixes, module, heap_bytes=0):
        self._parent = parent
        self._row = prefixes, module, heap_bytes

    def search(self, path):
        """Do as a router does; where the application is not loaded, return (parent, this, path)."""
        for prefix in self._row[0]:
            if path == prefix or path.startswith(prefix + "/"):
                break
        else:
            return None
        return self.app.search(path) if self.app else (self._parent, self, path)

    def loaded(self, path):
        """Return what the router finds once this is loaded, perhaps None.

        Raises 503 where there is no room for it, and what its import raises.
        """
        return self.load().search(path)

    def load(self):
        """Return the application, loaded where it is not yet. Raises as `loaded`."""
        if self.app is None:
            root = self._parent.root()
            if one_at_a_time:
                root.spare()
            with_room(root, self._row[2], self._import)
        return self.app

    def _import(self):
        root = self._parent.root()
        if not _at_start:
            settled()
        self.brought = []
        app = _load(self._row[1], self.brought).app
        app.parent = self._parent
        root._recent.clear()
        _loaded.append(self)
        self.app = app
        root.forget_hooks()
        if root.server:
            root.begin_background(app)

    def forget(self):
        """Be as if it had never been loaded. Raises MemoryError where nothing is changed."""
        root = self._parent.root()
        # What was searched before may lie there.
        root._recent.clear()
        apps = self.app.apps()
        self.app = None
        root.end_background(apps)
        _loaded.remove(self)
        _remove([self._row[1]])
        tidy()


def with_room(root, size, act):
    """Return what `act()` does, which needs `size` bytes; `root.spare()` has to help where those are not free.

    Raises 503 where that does not do, and what `act` raises.
    """
    try:
        _check_room(size)
        return act()
    except MemoryError:
        # What is here for others may be had again.
        root.spare()
        gc.collect()
        try:
            _check_room(size)
            return act()
        except MemoryError:
            _note_refusal(size)
            raise HTTPError(503, "Out of memory.", {"Retry-After": "5"}) from None


def _note_refusal(size):
    global refused_bytes, is_in_pieces
    gc.collect()
    refused_bytes = max(refused_bytes, size)
    is_in_pieces = is_in_pieces or has_room(size)


def has_room(size):
    """Tell whether there is room for a part of so many bytes, as far as that can be told."""
    try:
        _check_room(size)
    except MemoryError:
        return False
    return True


def _check_room(size):
    """Raise MemoryError unless so many bytes of heap are free, and enough of them in one piece."""
    if free_bytes is None or not size:
        return
    if is_frozen:
        size = size * 2 // 3
    if free_bytes() < size + _REQUEST_BYTES:
        gc.collect()
        if free_bytes() < size + _REQUEST_BYTES:
            raise MemoryError("no room for a part")
    bytearray(piece_bytes())


def piece_bytes():
    """Return how many bytes in one piece a part of the application needs."""
    return _FROZEN_PIECE_BYTES if is_frozen else _PIECE_BYTES
