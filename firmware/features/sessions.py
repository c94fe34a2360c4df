"""Sessions: a log-in, kept in a cookie that only this board can make. A session takes no RAM.

The cookie's value is text, USER.ROLE.BASIS.ISSUED.EXPIRES.ID.SIGNATURE. The signature (HMAC-SHA256) is by a key made on
the board and kept there. It also covers the bytes to which the caller binds a session: `auth` takes the client's
address, so that a stolen cookie is useless elsewhere, and the password's record, so that all sessions end when the
password changes.

Times are Unix seconds if the clock was set when the session began (BASIS is "u"), else seconds since startup (BASIS is
the number of that start). Each session is judged by the clock with which it began: it is over after a restart, or while
the time of day is unknown.

A session that was logged out is remembered until it would expire; after that, its expiry time is. If a clock has gone
forward and comes back, no session up to that time is valid.

The cookie is SameSite=Strict: people do not reach a board by a link on another site, so Lax would have no advantage.
"""

import hashlib
import os
from binascii import hexlify, unhexlify

from firmware.features.signing import is_equal, random_hex, sign_hex
from firmware.http import cookies

# A working day; after that the password is needed again.
MAX_AGE_S = 12 * 3600
# A correction may set the clock back this far without ending sessions.
_SLACK_S = 60

_KEY_BYTES = 32
_ID_BYTES = 8
# Logged-out sessions are remembered until they would expire. If there are more than this, all sessions end.
MAX_ENDED = 8
# Our cookies are shorter than this.
_MAX_BYTES = 256
# Cookies of our name that are checked: our own, and some that another page may have planted.
_MAX_TRIES = 3

_FILE = "sessions.json"


class Session:
    """A valid session: `user` and `role` (text), `expires_s` from now, `id` (text).

    The class has no functions: a request that refers to them would keep this module from being forgotten.
    """


class Sessions:
    """Makes and reads session cookies.

    `store` keeps the key: it has `load(name, default, is_sound)` and `save(name, document)`, as `board.storage`.
    `unix_time()` returns seconds since 1970, or None while the clock is not set; `uptime_s()` seconds since the start,
    which never go back. `secure`: clients use TLS only. `kept`: a dict that outlasts this object if it is forgotten and
    made again before a restart. `own_name`: the cookie's name contains a part of the key, so that it is unique: for a
    browser, all ports of a host share their cookies, and so do all paths of a proxy.
    """

    def __init__(self, store, unix_time, uptime_s, secure=False, max_age_s=MAX_AGE_S, kept=None, own_name=False):
        self._store = store
        self._unix_time = unix_time
        self._uptime_s = uptime_s
        self._secure = secure
        self._max_age_s = max_age_s
        self._boot = (kept or {}).get("boot") or random_hex(4)
        if kept is not None:
            kept["boot"] = self._boot
        self._key = None
        self._ended = None
        # RFC 6265bis 4.1.3.2: with this prefix no other host and no page without TLS can plant a cookie.
        self._name = self.cookie = "__Host-limpet" if secure else "limpet"
        self._has_own_name = own_name

    def begin(self, user, role, bound_to):
        """Return the value of a Set-Cookie field that begins a new session.

        `user` and `role` are text without dots; `bound_to` (bytes) must be the same when the cookie is read.
        """
        unix_s = self._unix_time()
        if unix_s is not None and unix_s + self._max_age_s <= self._past_s():
            # The clock has gone back: sessions that were over must stay over, and this one must be valid.
            self._make_key()
        basis, now = (self._boot, self._uptime_s()) if unix_s is None else ("u", unix_s)
        fields = (user, role, basis, str(now), str(now + self._max_age_s), random_hex(_ID_BYTES))
        payload = ".".join(fields)
        return self._cookie(payload + "." + self._sign(payload, bound_to), self._max_age_s)

    def read(self, field, bound_to):
        """Return the valid Session of a Cookie field (bytes or None), or None."""
        if field:
            self._load()
        for value in cookies.get_all(field, self.cookie)[:_MAX_TRIES]:
            session = self._read(value, bound_to)
            if session:
                return session
        return None

    def end(self, session):
        """End a session: its cookie becomes invalid. Return whether all sessions had to end. Raises OSError."""
        past_s = self._past_s()
        ended = []
        for other in self._ended:
            if other[0] and self._left_s(other[1], other[2]) > 0:
                ended.append(other)
            elif other[1] == "u":
                past_s = max(past_s, other[2])
        if len(ended) >= MAX_ENDED:
            self.end_all()
            return True
        self._save(self._key, ([["", "u", past_s]] if past_s else []) + ended + [session.end])
        return False

    def end_all(self):
        """End all sessions by making a new key. Raises OSError."""
        self._save(os.urandom(_KEY_BYTES), [])

    def clear(self):
        """Return the value of a Set-Cookie field that makes the browser forget its cookie."""
        self._load()
        return self._cookie("", 0)

    def _cookie(self, value, max_age_s):
        return cookies.build(self.cookie, value, max_age_s, secure=self._secure, same_site="Strict")

    def _read(self, value, bound_to):
        """Return the valid Session of a cookie's value (text), or None."""
        if len(value) > _MAX_BYTES:
            return None
        payload, _, signature = value.rpartition(".")
        if not is_equal(signature.encode(), self._sign(payload, bound_to).encode()):
            return None
        user, role, basis, issued, expires, id = payload.split(".")
        issued, expires = int(issued), int(expires)
        left_s = self._left_s(basis, expires)
        # A session from the future began while the clock was wrong.
        if left_s <= 0 or left_s > expires - issued + _SLACK_S:
            return None
        for other in self._ended:
            if other[0] == id or not other[0] and other[1] == basis and other[2] >= expires:
                return None
        session = Session()
        session.user = user
        session.role = role
        session.expires_s = left_s
        session.id = id
        session.end = [id, basis, expires]
        return session

    def _past_s(self):
        """Return the latest expiry time among forgotten sessions, or 0: it is in the first entry."""
        self._load()
        return self._ended[0][2] if self._ended and not self._ended[0][0] else 0

    def _left_s(self, basis, expires):
        """Return the seconds until `expires`, 0 or less if it is over or cannot be known."""
        now = self._unix_time() if basis == "u" else self._uptime_s() if basis == self._boot else None
        return 0 if now is None else expires - now

    def _sign(self, payload, bound_to):
        self._load()
        # A signed payload contains no line end: the bound bytes cannot be moved into it.
        return sign_hex(self._key, payload.encode() + b"\n" + bound_to)

    # -- storage

    def _load(self):
        if self._key is None:
            document = {"key": ""}
            try:
                document = self._store.load(_FILE, {"key": "", "ended": []}, _is_sound)
            except OSError as error:
                print("limpet: the key of sessions cannot be read: %s" % error)
            if document["key"]:
                self._take(unhexlify(document["key"]), document["ended"])
            else:
                self._make_key()

    def _make_key(self):
        try:
            self.end_all()
        except OSError as error:
            print("limpet: the key of sessions cannot be saved, and lasts until the restart: %s" % error)

    def _take(self, key, ended):
        self._key = key
        self._ended = ended
        if self._has_own_name:
            self.cookie = "%s-%s" % (self._name, hexlify(hashlib.sha256(key).digest()[:4]).decode())

    def _save(self, key, ended):
        self._take(key, ended)
        self._store.save(_FILE, {"key": hexlify(key).decode(), "ended": ended})


def _is_sound(document):
    """Return whether a document from the storage is valid."""
    key = document.get("key")
    ended = document.get("ended")
    if type(key) is not str or len(key) != 2 * _KEY_BYTES or type(ended) is not list:
        return False
    try:
        unhexlify(key)
    except ValueError:
        return False
    for item in ended:
        if type(item) is not list or [type(part) for part in item] != [str, str, int]:
            return False
    return True
