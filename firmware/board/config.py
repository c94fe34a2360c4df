"""How the settings are read and kept: for `settings`, which loads this for a moment."""

import os

from firmware.board import storage

_FILE = "config.json"
_GOOD = "config.good.json"

# The record of a password that is lost with its settings. It has the form of one, but no password has it.
LOST = "pbkdf2-sha256$1$00$" + "0" * 64


def load(current, schema):
    """Return the settings that are kept, or `current` where there are none.

    Where files were there and none can be used, the password is LOST: whoever comes next must not set a new one.
    """
    document = _load(_FILE, current, schema)
    good = _load(_GOOD, current, schema)
    if document is None and good is None:
        for name in (_FILE, _GOOD, _FILE + ".bad", _GOOD + ".bad"):
            if _is_there(name):
                print("limpet: no settings can be used, and nobody can log in: write a config.json, or remove " + name)
                return dict(current, admin=LOST)
        return current
    kept = good if document is None else document
    if document != good:
        if document is None:
            print("limpet: the last good settings are used")
        name = _FILE if document is None else _GOOD
        # What could not be read for want of memory, say, may be right.
        if document and good or not _is_there(name):
            _save_quietly(name, kept)
    return kept


def replace(document, current, schema):
    """Return a whole document as the settings, saved. Raises 422 with `fields`, OSError."""
    return save(_read(document, current, schema))


def save(document):
    """Save what is known to be right, and return it. Raises OSError."""
    storage.save(_FILE, document)
    return document


def keep(current):
    """Keep these settings as the last good ones."""
    _save_quietly(_GOOD, current)


def _load(name, current, schema):
    """Return the settings in a file, or None."""
    nothing = {}
    read = []

    def is_sound(document):
        # An empty one was never saved by this.
        if document:
            read.append(_read(document, current, schema, True))
        return bool(read)

    try:
        storage.load(name, nothing, is_sound)
    except (MemoryError, OSError) as error:
        print("limpet: %s cannot be read: %r" % (name, error))
    return read[0] if read else None


def _is_there(name):
    try:
        return bool(os.stat("%s/%s" % (storage.folder, name)))
    except OSError:
        return False


def _read(document, current, schema, is_lax=False):
    wrong = {}
    read = schema.read(document, current, wrong, is_lax)
    if wrong:
        raise schema.validator.refusal(schema.SCHEMA, document, wrong)
    return read


def _save_quietly(name, document):
    try:
        storage.save(name, document)
    except OSError as error:
        print("limpet: %s cannot be saved: %s" % (name, error))
