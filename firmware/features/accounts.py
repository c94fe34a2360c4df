"""A password, sessions and tokens, kept in a folder. `gate` loads this for the first request that needs a log-in.

For a log-in of your own:

    sessions = accounts.sessions(app)       # a `sessions.Sessions`
"""

import json
import os
import time

from firmware.features.sessions import Sessions
from firmware.features.tokens import Tokens
from firmware.http.response import encode_json
from firmware.server.limits import SWEEP_MS

# A clock that shows an earlier year is not set.
_FIRST_YEAR = 2024
# Seconds from 1970 to 2000, where a board's clock begins.
_TO_2000_S = 946684800

_FILE = "password.json"
# Stands for a lost password: it has the form of a record, but no password matches it.
_LOST = "pbkdf2-sha256$1$00$" + "0" * 64


class Folder:
    """JSON documents in a folder, each a file: a store for `sessions` and `tokens`.

    A file is written beside the old one, and then renamed: after a power cut there is the old or the new one.
    """

    def __init__(self, path):
        self._path = path

    def load(self, name, default, is_sound=None):
        """Return the document called `name`, or `default` if there is none or it is invalid."""
        try:
            with open(self._path + "/" + name) as file:
                document = json.load(file)
        except (OSError, ValueError):
            return default
        is_right = type(document) is type(default) and (is_sound is None or is_sound(document))
        return document if is_right else default

    def has(self, name):
        """Return whether there is a document called `name`, even a damaged one."""
        try:
            return bool(os.stat(self._path + "/" + name))
        except OSError:
            return False

    def save(self, name, document):
        """Save a document. Raises OSError, and ValueError if it is not JSON; the old one stays then."""
        try:
            os.mkdir(self._path)
        except OSError:
            pass  # the folder exists, or cannot be made: then the next line fails
        path = self._path + "/" + name
        text = encode_json(document)
        with open(path + ".new", "wb") as file:
            file.write(text)
        getattr(os, "replace", os.rename)(path + ".new", path)


def unix_time():
    """Return seconds since 1970, or None while the clock is not set."""
    if time.gmtime()[0] < _FIRST_YEAR:
        return None
    return int(time.time()) + (_TO_2000_S if time.gmtime(0)[0] == 2000 else 0)


def sessions(app, folder="data"):
    """Return the Sessions of a served application; their key is kept in `folder`."""
    server = app.root().server
    return Sessions(Folder(folder), unix_time, lambda: server.clock * SWEEP_MS // 1000, server.is_secure, own_name=True)


class Account:
    """The `auth` of an application, an Auth (`kind`) with its state in `folder`."""

    def __init__(self, app, also, folder, kind):
        self._store = Folder(folder)
        self._record = self._store.load(_FILE, {}).get("record")
        if not self._record and self._store.has(_FILE):
            # The next client must not set a new one.
            print("limpet: %s cannot be used, and nobody can log in until it is removed" % _FILE)
            self._record = _LOST
        self.auth = kind(self._password, sessions(app, folder), Tokens(self._store), self._save_password)
        self.auth.log = app.root().log
        # While there is no password, the first client may set it.
        self.auth.protect(self, also, ("/api/password",))

    def before(self, hook):
        """Keep the hook that `Auth.protect` would add to an application: `ask(request)`."""
        self.ask = hook

    def _password(self):
        return self._record

    def _save_password(self, record):
        self._store.save(_FILE, {"record": record})
        self._record = record
