"""Moves the shipped site below /board/ for a project. `project` loads this, and is forgotten."""


class Shipped:
    """The present routes of an application as something to mount: there no project comes before them."""

    def __init__(self, app):
        self._literals = dict(app.literals)
        self._children = [child for _, child in app._mounts]

    def search(self, path):
        """Search as a router does."""
        found = self._literals.get(path.encode())
        for child in self._children:
            found = found or child.search(path)
        return found
