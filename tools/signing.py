"""Signs what goes over the air, for boards that take nothing else: firmware/board/signature.py has what is signed.

`python3 -m tools cert --update` makes the key in FOLDER. Its public half is in a folder of its own, which `push` brings
to a board over the cable. The private one stays here; $LIMPET_UPDATE_KEY names it where it lies elsewhere.
"""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path

from tools import ROOT
from tools.console import Failure

FOLDER = ".board/update"
KEY = "key.pem"
PUBLIC = "board/update.pub"
BITS = 2048
EXPONENT = 65537


def make() -> dict[str, bytes]:
    """Return {file name: content} of a new key: PEM for here, its modulus for the board."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(EXPONENT, BITS)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return {
        KEY: key.private_bytes(encoding, form, serialization.NoEncryption()),
        PUBLIC: key.public_key().public_numbers().n.to_bytes(BITS // 8, "big"),
    }


def _find() -> Path | None:
    """Return where the private key is, None where there is none. Raises Failure for a name of nothing."""
    named = os.environ.get("LIMPET_UPDATE_KEY")
    path = Path(named) if named else ROOT / FOLDER / KEY
    if path.is_file():
        return path
    if named:
        raise Failure(f"$LIMPET_UPDATE_KEY names {named}, which is no file.")
    return None


def sign(manifest: str) -> dict | None:
    """Return {"signed_at", "signature"} for a manifest's SHA-256, None where there is no key. Raises Failure."""
    path = _find()
    if not path:
        return None
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise Failure(f"{path} cannot be read: {error}.") from None
    if (
        not isinstance(key, rsa.RSAPrivateKey)
        or key.key_size != BITS
        or key.public_key().public_numbers().e != EXPONENT
    ):
        raise Failure(f"{path} is no key for updates: `python3 -m tools cert --update` makes one.")
    signed_at = int(time.time())
    made = key.sign(f"limpet {manifest} {signed_at}".encode(), padding.PKCS1v15(), hashes.SHA256())
    return {"signed_at": signed_at, "signature": base64.b64encode(made).decode()}
