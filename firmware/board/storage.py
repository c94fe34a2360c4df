"""Small JSON documents that survive a power cut, below one folder. `documents` has how, and is loaded for moments.

    from firmware.board import storage

    plants = storage.load("plants.json", {"basil": 3})
    storage.save("plants.json", plants)

Below `storage.folder` an application keeps what it writes: documents, uploads. On a board that is /data, which no
deploy touches; with `tools serve greenhouse` it is greenhouse/.board; in a test (TestClient) the folder one is in. The
board's own documents are there, too: `config.json`, `tokens.json` and the like are taken.
"""

from firmware.server import loader

folder = "."


def _documents():
    return loader.borrow("firmware.board.documents")


def use(path):
    """Keep documents below the folder `path`, made where it is missing. Raises OSError where there can be none."""
    global folder
    _documents().use(path)
    folder = path


def load(path, default, is_sound=None):
    """Return the document at `path`, or `default`.

    One that is no JSON, has another type than `default`, or for which `is_sound(document)` is not true, is set aside,
    and a line on the console says so. Raises OSError and MemoryError, which are no fault of the file's: it stays.
    """
    return _documents().load(folder + "/" + path, default, is_sound)


def save(path, document):
    """Write `document` to `path`. Raises OSError, and ValueError or TypeError for what `load` would not take.

    The old one stays as it was then.
    """
    _documents().save(folder + "/" + path, document)
