"""Tokens for scripts: each has a name and a role and can be revoked. Stored as a hash, shown once.

A token is 160 random bits and cannot be guessed: one round of SHA-256 is enough, and attempts need no delay.
"""

import hashlib
from binascii import hexlify

from firmware.features import ROLES
from firmware.features.signing import is_equal, random_hex
from firmware.http.errors import HTTPError

# Each is compared with a client's token, and takes some 200 bytes.
MAX_TOKENS = 16
MAX_NAME = 32

# The prefix shows what it is, if it turns up in a log or a repository by mistake.
_PREFIX = "limpet_"
_SECRET_BYTES = 20

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

_FILE = "tokens.json"


class Tokens:
    """The tokens in a `store`; it has `load(name, default, is_sound)` and `save(name, document)`: `board.storage`."""

    def __init__(self, store):
        self._store = store
        self._all = None

    def list(self):
        """Return the tokens, the oldest first, as dicts of "name" and "role"."""
        return [{"name": token["name"], "role": token["role"]} for token in self._load()]

    def make(self, name, role):
        """Make a token; return its text, which is not stored.

        Raises 422 for an invalid name or role, 409 for a used name or too many tokens, OSError if it cannot be saved.
        """
        if not is_name(name):
            raise HTTPError(422, "A name has 1 to %d letters, digits, hyphens and underscores." % MAX_NAME)
        if role not in ROLES:
            raise HTTPError(422, "A role is one of: %s." % ", ".join(ROLES))
        tokens = self._load()
        if self._find(name) >= 0:
            raise HTTPError(409, "There is a token of this name.")
        if len(tokens) >= MAX_TOKENS:
            raise HTTPError(409, "There are %d tokens already, and no more fit." % MAX_TOKENS)
        token = _PREFIX + random_hex(_SECRET_BYTES)
        record = {"name": name, "role": role, "hash": hexlify(_hash(token.encode())).decode()}
        self._adopt(tokens + [record])
        return token

    def revoke(self, name):
        """Delete a token. Raises 404 for an unknown name, OSError if the change cannot be saved."""
        at = self._find(name)
        if at < 0:
            raise HTTPError(404, "There is no token of this name.")
        tokens = self._load()
        self._adopt(tokens[:at] + tokens[at + 1 :])

    def find(self, token):
        """Return the record ({"name", "role", ...}) of a token (bytes), or None."""
        found = None
        digest = hexlify(_hash(token))
        # All are compared: the time must not reveal which one was close.
        for record in self._load():
            if is_equal(digest, record["hash"].encode()):
                found = record
        return found

    def _load(self):
        if self._all is None:
            self._all = self._store.load(_FILE, {"tokens": []}, _is_sound)["tokens"]
        return self._all

    def _adopt(self, tokens):
        self._store.save(_FILE, {"tokens": tokens})
        self._all = tokens

    def _find(self, name):
        for at, record in enumerate(self._load()):
            if record["name"] == name:
                return at
        return -1


def is_name(name):
    """Return whether this is a valid name of a token or user: safe in a path, a cookie and a log."""
    if type(name) is not str or not 0 < len(name) <= MAX_NAME:
        return False
    for letter in name:
        if letter not in _LETTERS:
            return False
    return True


def _hash(token):
    return hashlib.sha256(token).digest()


def _is_sound(document):
    tokens = document.get("tokens")
    if type(tokens) is not list or len(tokens) > MAX_TOKENS:
        return False
    for token in tokens:
        if type(token) is not dict or not is_name(token.get("name")) or token.get("role") not in ROLES:
            return False
        digest = token.get("hash")
        if type(digest) is not str or len(digest) != 64:
            return False
    return True
