"""Applications that are loaded when somebody first asks for them: on a board each costs memory that others need."""

import gc

from firmware.http.errors import HTTPError
from firmware.http.parser import METHODS


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
            app = __import__(self._module, None, None, ("app",)).app
        except Exception as error:
            return self._parent, self._refusal(error), None
        self._parent.replace(self, app)
        return app.search(path)

    def _refusal(self, error):
        """Return the route of what cannot be loaded: out of memory, say, for now."""
        gc.collect()

        def refuse(request):
            if isinstance(error, MemoryError):
                raise HTTPError(503, "Out of memory.", {"Retry-After": "5"})
            raise error

        return dict.fromkeys(METHODS[1:], refuse)
