"""Checks the credentials in Authorization, Basic (RFC 7617) and Bearer (RFC 6750), and typed passwords."""

from binascii import a2b_base64, b2a_base64

from firmware.features.signing import is_equal, sign
from firmware.http.errors import HTTPError
from firmware.http.urls import decode_text
from firmware.server import transport

_BEARER = 'Bearer realm="Limpet"'

# A client that uses Basic sends the password with each request. The last verified passwords are remembered, as an HMAC
# with a key that never leaves the RAM, so that these clients need not wait again.
_MAX_VERIFIED = 4
# A record with this end says that the stored password was lost (see `board/config.py`).
_NOBODYS = "$" + "0" * 64
# Between two checks whether it is this request's turn to be verified.
_TURN_MS = 20


class Credentials:
    """The part of an `auth.Auth` that few requests need. Its state is in `kept`."""

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
        """Return the User of Basic credentials (bytes), or something to await for that. Raises 400, 401, 429."""
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
        """Raise 429 for an address that must wait because of its own attempts; return it if only others must wait.

        Other addresses cannot keep out a client with the right password. Passwords are verified one after the other,
        which bounds the advantage of many addresses.
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
        """Check the administrator's name and password. Raises 401 for wrong ones, 429 after too many attempts.

        Raises 403 while there is no password, or it is lost. One is verified at a time: other requests wait for their
        turn.
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
            # First come, first served: the owner gets a turn, however many attackers there are.
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
            # Counted before the result: a client that disconnects has used its attempt.
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
        # Lengths first: so no two different inputs look the same.
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
    # The interpreters ignore invalid characters differently: encode the result again, and compare.
    if b":" in raw and b2a_base64(raw)[:-1] == rest and not _has_control(raw):
        name, _, password = raw.partition(b":")
        try:
            return decode_text(name), decode_text(password)
        except HTTPError:
            # RFC 7617 2.1: the charset is UTF-8. An old client may send another: those are no valid credentials.
            raise HTTPError(401, "The name or the password is not UTF-8.") from None
    raise HTTPError(400, "These are no credentials of Basic.")


def _has_control(raw):
    for byte in raw:
        if byte < 32 or byte == 127:
            return True
    return False
