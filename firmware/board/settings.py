"""The settings: one document, `config.json`, and a copy of the last good one.

`current` is always whole and valid (`schema.py` has the table), and never changed in place: read it anew where a change
shall be seen. Secrets are in it; who shows settings to anybody takes `public()`.
"""

import firmware.board as board
from firmware.board import storage
from firmware.http.errors import HTTPError

_FILE = "config.json"
_GOOD = "config.good.json"


def _schema():
    """Return the table's module: its 6 KB of heap are needed for moments only."""
    return board.borrow("firmware.board.schema")


current = _schema().read({}, None, {})


def load():
    """Read the settings, and return them.

    A file that is broken or gone is replaced by the last good copy; without one there are the defaults. The console
    says so. Never raises.
    """
    global current
    schema = _schema()
    document = _load(_FILE, schema)
    good = _load(_GOOD, schema)
    if document is None and good is None:
        return current
    current = good if document is None else document
    if document != good:
        if document is None:
            print("limpet: the last good settings are used")
        _save_quietly(_FILE if document is None else _GOOD)
    return current


def replace(document):
    """Take a whole document as the settings, and save it; return it. A secret given as true stays as it is.

    Raises 422 with `fields`, {"networks.0.password": what is wrong with it}; OSError where it cannot be saved. Nothing
    has changed then.
    """
    global current
    read = _read(document, _schema())
    storage.save(_FILE, read)
    current = read
    _save_quietly(_GOOD)
    return read


def change(**members):
    """Replace some members, as a whole each: `change(networks=[...])`. Raises what `replace` does."""
    document = dict(current)
    document.update(members)
    return replace(document)


def public():
    """Return the settings to show and to keep elsewhere: a secret is true where there is one, else false."""
    return _schema().public(current)


def _load(name, schema):
    """Return the settings in a file, or None."""
    nothing = {}
    read = []
    try:
        storage.load(name, nothing, lambda document: read.append(_read(document, schema, True)) is None)
    except MemoryError:
        print("limpet: %s does not fit the memory" % name)
    return read[0] if read else None


def _read(document, schema, is_lax=False):
    wrong = {}
    read = schema.read(document, current, wrong, is_lax)
    if not wrong:
        return read
    paths = sorted(wrong)
    more = "" if len(paths) == 1 else " (And %d more.)" % (len(paths) - 1)
    error = HTTPError(422, "Something is wrong with %s: %s%s" % (paths[0], wrong[paths[0]], more))
    error.fields = wrong
    raise error


def _save_quietly(name):
    try:
        storage.save(name, current)
    except OSError as error:
        print("limpet: %s cannot be saved: %s" % (name, error))
