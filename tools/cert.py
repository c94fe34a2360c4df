"""Makes a key and a certificate for HTTPS: `python3 -m tools cert [NAME...]`; with --update a key for updates.

An EC P-256 key, which costs a board a tenth of what an RSA one does, and a certificate that it signs itself, so that
browsers ask once whether to trust it. Three files: `cert.der` and `key.der` for the board, `both.pem` for a laptop.
The key for updates is another one: tools/signing.py.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from pathlib import Path

from tools import ROOT, console, signing
from tools.console import Failure

DAYS = 825  # what the strictest browsers accept
NAMES = ("limpet.local", "localhost", "127.0.0.1")
FOLDER = ".board/tls"


def make(names: tuple[str, ...], days: int = DAYS) -> dict[str, bytes]:
    """Return {file name: content} of a key and its certificate for host names and addresses, the first its subject."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    # A board whose clock is a little behind has to find it valid.
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    # The older form, which mbedTLS reads in all its versions.
    sec1 = serialization.PrivateFormat.TraditionalOpenSSL
    return {
        "cert.der": certificate.public_bytes(der),
        "key.der": key.private_bytes(der, sec1, plain),
        "both.pem": key.private_bytes(pem, sec1, plain) + certificate.public_bytes(pem),
    }


def _general_name(name: str):
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        raise Failure(f"{name!r} is neither a host name in ASCII nor an IP address.") from None


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files into `folder`, for nobody else to read. Raises Failure where that cannot be."""
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
    except OSError as error:
        raise Failure(f"Cannot write to {folder}: {error.strerror}.") from None


def main(argv: list[str]) -> int:
    """Run the command; return its exit status."""
    parser = console.parser("cert", "Make a key and a certificate, so that the server can speak HTTPS.")
    parser.add_argument("names", nargs="*", metavar="NAME", default=NAMES, help=f"(default: {' '.join(NAMES)})")
    parser.add_argument("--out", metavar="DIR", type=Path, help=f"where to (default: {FOLDER}, {signing.FOLDER})")
    parser.add_argument("--days", type=int, default=DAYS, help=f"how long it is valid (default: {DAYS})")
    parser.add_argument("--update", action="store_true", help="make the key that updates over the air are signed with")
    arguments = parser.parse_args(argv)
    if not 0 < arguments.days <= 10000:
        parser.error("--days is a number from 1 to 10000")
    if arguments.update:
        return make_update_key(arguments.out or ROOT / signing.FOLDER)
    folder = arguments.out or Path(FOLDER)
    write(folder, make(tuple(arguments.names), arguments.days))
    console.say(f"{folder}: key and certificate for {', '.join(arguments.names)}, for {arguments.days} days.")
    return 0


def make_update_key(folder: Path) -> int:
    """Write a key for updates, where there is none: boards know the old one."""
    if (folder / signing.KEY).exists():
        raise Failure(
            f"{folder / signing.KEY} is there already. Boards that know it take no other: move it away first."
        )
    write(folder, signing.make())
    public = (folder / signing.PUBLIC).parent
    console.say(f"{folder}: a key for updates. `python3 -m tools push {public}` tells a board, over the cable.")
    return 0
