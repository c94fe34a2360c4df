"""Who asks, by what is in Authorization: Basic (RFC 7617) and Bearer (RFC 6750); and by a password that was typed."""

from binascii import a2b_base64, b2a_base64

from firmware.features.signing import is_equal, sign
from firmware.http.errors import HTTPError
from firmware.http.urls import decode_text
from firmware.server import transport

_BEARER = 'Bearer realm="Limpet"'

# Who sends Basic sends the password with every request: the last clients whose password was verified need not wait for
# it again. It is kept as an HMAC by a key that never leaves the RAM.
_MAX_VERIFIED = 4
# Who keeps the password has lost it, and says so by a record with this end (see `board/config.py`).
_NOBODYS = "$" + "0" * 64
# Between two looks whether it is one's turn to be verified.
_TURN_MS = 20


class Credentials:
    """The half of an `auth.Auth` that few requests need: what is kept of it is in `kept`."""

    def __init__(self, auth, user, attempts, kept, challenge):
        self._auth = auth
        self._user = user
        self._attempts = attempts
        self._kept = kept
        self._challenge = challenge

    def by_token(self, token):
        """Return the User of a token (bytes). Raises 400, 401."""
        if not token:
            raise HTTPError(400, "There is no token.", {"WWW-Authenticate": _BEARER + ', error="invalid_request"'})
        found = self._auth.tokens and self._auth.tokens.find(token)
        if not found:
            raise HTTPError(401, "The token is not valid.", {"WWW-Authenticate": _BEARER + ', error="invalid_token"'})
        return self._user(found["name"], found["role"], "token")

    def by_password(self, request, rest):
        """Return the User of Basic's credentials (bytes), or what has to be awaited for that. Raises 400, 401, 429."""
        try:
            name, password = _credentials(rest)
        except HTTPError as error:
            if error.status == 401:
                raise HTTPError(401, error.detail, self._challenge(request)) from None
            raise
        address = request.client
        self._check(address)
        if self._is_verified(self._proof(address, name, password)):
            return self._user(name, "admin", "password")
        return self._by_verified(request, name, password)

    def _guesses(self):
        if self._attempts is None:
            from firmware.features.attempts import Attempts

            self._attempts = Attempts(table=self._kept["attempts"])
        return self._attempts

    def _check(self, address):
        """Raise 429 for an address that has to wait for what it got wrong; return it where others did.

        Whoever comes with the right password is not kept out by them. That passwords are verified one behind the other
        bounds what many addresses gain.
        """
        attempts = self._guesses()
        try:
            attempts.check(address)
        except HTTPError as error:
            if attempts.is_known(address):
                raise
            return error

    async def _by_verified(self, request, name, password):
        await self.check_password(request, name, password)
        return self._user(name, "admin", "password")

    async def check_password(self, request, name, password):
        """Raise 401 unless these are the administrator's name and password, 429 for who has been wrong too often.

        403 while there is no password, or it is lost. One is verified at a time: the others wait for their turn.
        """
        from firmware.features.passwords import verify

        attempts = self._guesses()
        address = request.client
        proof = self._proof(address, name, password)
        kept = self._kept
        queue = kept["queue"]
        turn = object()
        queue.append(turn)
        try:
            # Whoever came first is first: the owner has a turn, however many guess.
            while queue[0] is not turn:
                await transport.sleep_ms(_TURN_MS)
            record = self._auth.password()
            if record is None:
                raise HTTPError(403, "No password is set.")
            if record.endswith(_NOBODYS):
                raise HTTPError(403, "The password is lost, with all settings: by the cable they can be put right.")
            refused = self._check(address)
            if self._is_verified(proof):
                return
            # Counted before it is known: who hangs up in the middle has tried.
            attempts.charge(address)
            is_right = await verify(password, record)
            if refused and not is_right:
                raise refused
            if not is_right or not is_equal(name.encode(), b"admin"):
                raise HTTPError(401, "The name or the password is wrong.", self._challenge(request))
            attempts.clear(address)
            kept["verified"] = kept["verified"][1 - _MAX_VERIFIED :] + [proof]
        finally:
            queue.remove(turn)

    def _proof(self, address, name, password):
        # Lengths first: no text in one of them passes for another.
        texts = (address, str(self._auth.password()), name, password)
        return sign(self._kept["key"], b"".join([b"%d:%s" % (len(text.encode()), text.encode()) for text in texts]))

    def _is_verified(self, proof):
        found = False
        for known in self._kept["verified"]:
            found = is_equal(known, proof) or found
        return found


def _credentials(rest):
    """Return (name, password) as text of Basic's credentials (bytes). RFC 7617 section 2. Raises 400, 401."""
    raw = b""
    try:
        raw = a2b_base64(rest)
    except ValueError:
        pass
    # Decoding passes over what is not of the alphabet, differently here and there: what it was made of has to be it.
    if b":" in raw and b2a_base64(raw)[:-1] == rest and not _has_control(raw):
        name, _, password = raw.partition(b":")
        try:
            return decode_text(name), decode_text(password)
        except HTTPError:
            # RFC 7617 2.1: the charset is UTF-8, and these are nobody's. An old client sends another one.
            raise HTTPError(401, "The name or the password is not UTF-8.") from None
    raise HTTPError(400, "These are no credentials of Basic.")


def _has_control(raw):
    for byte in raw:
        if byte < 32 or byte == 127:
            return True
    return False
