"""Applications that are loaded when somebody first asks for them: on a board each costs memory that others need.

One with `can_go` set is forgotten while memory is short and no connection is at it: all that its module has made is
lost, and the next who asks has it loaded anew. It must hold no native code, which never goes.
"""

import gc
import sys

from firmware.http.errors import HTTPError
from firmware.http.parser import METHODS
from firmware.server import transport


class Lazy:
    """The `app` of the module of this name, mounted at "/" of `parent`, for the paths `prefixes` and all below them."""

    def __init__(self, parent, prefixes, module):
        self._parent = parent
        self._prefixes = prefixes
        self._module = module

    def search(self, path):
        """Do as a router does; load the application where the path is its."""
        for prefix in self._prefixes:
            if path == prefix or path.startswith(prefix + "/"):
                break
        else:
            return None
        try:
            app = self._load()
        except Exception as error:
            return self._parent, self._refusal(error), ()
        app.parent = self._parent
        app.lazy_one = self
        self._parent.replace(self, app)
        root = self._parent.root()
        if root.server:
            root.begin_background(app)
        return app.search(path)

    def _load(self):
        try:
            return transport.load(self._module).app
        except MemoryError:
            # What is here for others may be had again.
            self._parent.root().spare()
            gc.collect()
            return transport.load(self._module).app

    def forget(self, app):
        """Stand again where `app` does, which this has loaded. Raises MemoryError where nothing is changed."""
        at = self._module.rfind(".")
        package, leaf = sys.modules.get(self._module[: max(at, 0)]), self._module[at + 1 :]
        self._parent.replace(app, self)
        sys.modules.pop(self._module, None)
        if hasattr(package, leaf):
            delattr(package, leaf)

    def _refusal(self, error):
        """Return the route of what cannot be loaded: out of memory, say, for now."""
        gc.collect()

        def refuse(request):
            if isinstance(error, MemoryError):
                raise HTTPError(503, "Out of memory.", {"Retry-After": "5"})
            raise error

        return dict.fromkeys(METHODS[1:], refuse)
