"""Where the shipped site is beside a project: see `project`, which loads this, and goes."""


class Shipped:
    """What an application has now, as something to mount: no project is before it there."""

    def __init__(self, app):
        self._literals = dict(app.literals)
        self._children = [child for _, child in app._mounts]

    def search(self, path):
        """Do as a router does."""
        found = self._literals.get(path.encode())
        for child in self._children:
            found = found or child.search(path)
        return found
