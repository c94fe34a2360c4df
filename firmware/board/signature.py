"""Whose a tree over the air is: the owner's signature of its manifest, checked with the owner's public key.

RSA of 2048 bits, RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2.2), exponent 65537. The key is the modulus, most
significant byte first: `update.pub` in the data, where only the cable puts it. Without one, whatever an administrator
sends is taken. `python3 -m tools cert --update` makes the pair, `deploy` signs.

What is signed is b"limpet MANIFEST TIME": the SHA-256 of the manifest in hex digits, and when it was signed, in Unix
seconds. What was signed before the last tree that was taken is refused: an old tree, with its mistakes, comes back only
where the owner signs it anew.
"""

from binascii import a2b_base64
from hashlib import sha256

from firmware.board import storage, update
from firmware.http.errors import HTTPError
from firmware.http.native import const

_TAKEN = "update.json"

_ENOENT = const(2)
_BYTES = const(256)
_SQUARES = const(16)  # 65537 is 2 to the power of 16, and one
# A padded SHA-256, up to the hash itself (RFC 8017 9.2).
_PADDED = b"\0\1" + b"\xff" * 202 + b"\0\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\0\x04\x20"


def check(manifest, signed_at, signature):
    """Return what `keep` is to be told, once it is sure that the owner has signed a tree. `signature`: base64.

    None where there is no key. Raises 403 for another signature or none, 409 for one from before the last tree, 503 for
    a broken key.
    """
    key = _key()
    if key is None:
        return None
    if not _is_signed(key, b"limpet %s %d" % (manifest.encode(), signed_at), signature):
        raise HTTPError(403, "This board takes what its owner has signed, and this is not.")
    if signed_at < _taken()["signed_at"]:
        raise HTTPError(409, "This was signed before the last tree that came here. Sign it anew: deploy it again.")
    return signed_at


def keep(signed_at):
    """Have nothing taken from now on that was signed before. Raises OSError."""
    if signed_at is not None:
        storage.save(_TAKEN, {"signed_at": signed_at})


def _key():
    try:
        with open(storage.folder + update.OWNER_KEY, "rb") as file:
            key = file.read(_BYTES + 1)
    except OSError as error:
        if error.args[0] == _ENOENT:
            return None
        raise
    if len(key) != _BYTES:
        raise HTTPError(503, "The key for updates is broken: put it there anew, over the cable.")
    return key


def _taken():
    return storage.load(_TAKEN, {"signed_at": 0}, lambda document: type(document.get("signed_at")) is int)


def _is_signed(key, text, signature):
    try:
        raw = a2b_base64(signature.encode())
    except ValueError:
        return False
    modulus = int.from_bytes(key, "big")
    value = root = int.from_bytes(raw, "big")
    if len(raw) != _BYTES or root >= modulus:
        return False
    for _ in range(_SQUARES):
        value = value * value % modulus
    value = value * root % modulus
    return value.to_bytes(_BYTES, "big") == _PADDED + sha256(text).digest()
