"""The settings: one document, `config.json`, and a copy of the last good one.

`current` is always whole and valid (`schema.py` has the table), and never changed in place: read it anew where a change
shall be seen. Secrets are in it; who shows settings to anybody takes `public()`. How they are read and kept is in
`config`, which is loaded for moments, as the table is with its 6 KB.
"""

from firmware.server import loader


def _schema():
    """Return the table's module."""
    return loader.borrow("firmware.board.schema")


def _config():
    return loader.borrow("firmware.board.config")


current = _schema().read({}, None, {})


def load():
    """Read the settings, and return them.

    A file that is broken or gone is replaced by the last good copy; without one there are the defaults, with a password
    that nobody has (`config.LOST`) where there was a file. The console says so. Never raises.
    """
    global current
    current = _config().load(current, _schema())
    return current


def replace(document):
    """Take a whole document as the settings, and save it; return it. A secret given as true stays as it is.

    Raises 422 with `fields`, {"networks.0.password": what is wrong with it}; OSError where it cannot be saved. Nothing
    has changed then.
    """
    global current
    config = _config()
    current = config.replace(document, current, _schema())
    config.keep(current)
    return current


def change(**members):
    """Replace some members, as a whole each: `change(networks=[...])`. Raises what `replace` does."""
    document = dict(current)
    document.update(members)
    return replace(document)


def note(**members):
    """Replace some members by values that are made by this program and so are known to be right. Raises OSError."""
    global current
    document = dict(current)
    document.update(members)
    config = _config()
    current = config.save(document)
    config.keep(current)


def public():
    """Return the settings to show and to keep elsewhere: a secret is true where there is one, else false."""
    return _schema().public(current)
