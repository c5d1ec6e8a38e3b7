"""The certificate until a real one comes: self-signed, for the host's name.

`fullchain.pem` and `privkey.pem` are what every daemon reads. Both lead through the link `current` to a
folder with a matching pair, so that one rename changes certificate and key together. A `current` that leads
anywhere but to a folder made here belongs to somebody else, and is left alone.
"""

from __future__ import annotations

import os
import secrets
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from posthouse import paths
from posthouse.errors import PosthouseError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

# CA/Browser Forum baseline 6.3.2 (2020 to 2026): Apple's clients refuse server certificates that live longer,
# self-signed ones included.
DAYS = 825
RENEW_DAYS = 60
BITS = 2048  # RSA: every mail client and server takes it, old ones that know no ECDSA included
CHAIN, KEY, CURRENT = "fullchain.pem", "privkey.pem", "current"
_OURS = "self-signed-"


def ensure(hostname: str, folder: Path = paths.TLS) -> bool:
    """See that there is a certificate; True where a new one was made (and who serves it must reload).

    A new one is made where there is none, or ours is for another name, damaged, or ends within 60 days.

    Raises:
        PosthouseError: the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        current = folder / CURRENT
        link(folder / CHAIN, f"{CURRENT}/{CHAIN}")
        link(folder / KEY, f"{CURRENT}/{KEY}")
        if current.is_symlink():
            target = os.readlink(current)  # noqa: PTH115 - the text itself tells whose it is
            if not target.startswith(_OURS) or _is_good(current, hostname):
                return False
        fresh = f"{_OURS}{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(4)}"
        _make(folder / fresh, hostname)
        link(current, fresh, replace=True)
        for old in folder.glob(f"{_OURS}*"):
            if old.name != fresh:
                shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise PosthouseError(f"{error.filename or folder}: {error.strerror}", "run this as root") from error
    return True


def link(path: Path, target: str, *, replace: bool = False) -> None:
    """Make a symlink atomically; one that is there already stays unless it is to be replaced."""
    if not replace and (path.is_symlink() or path.exists()):
        return
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)


def _is_good(pair: Path, hostname: str) -> bool:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate = x509.load_pem_x509_certificate((pair / CHAIN).read_bytes())
        key = load_pem_private_key((pair / KEY).read_bytes(), None)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound, FileNotFoundError):
        return False
    return (
        key.public_key() == certificate.public_key()
        and names.get_values_for_type(x509.DNSName) == [hostname]
        and certificate.not_valid_after_utc - datetime.now(UTC) > timedelta(days=RENEW_DAYS)
    )


def _make(pair: Path, hostname: str) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    pair.mkdir(mode=0o700)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(pair / KEY, private)
    _write(pair / CHAIN, _certificate(key, hostname).public_bytes(serialization.Encoding.PEM))
    handle = os.open(pair, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _certificate(key: RSAPrivateKey, hostname: str) -> Certificate:
    """Return a certificate that clients take once they trust it (RFC 5280 section 4.2, RFC 6125)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    # ub-common-name is 64 (RFC 5280 appendix A): a longer host name stands in the SAN alone.
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, hostname)] if len(hostname) <= 64 else []
    name = x509.Name(subject or [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Posthouse")])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=False,  # whoever trusts it trusts this host, and no certificate that its key signs
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # for clients whose clock is late
        .not_valid_after(now - timedelta(hours=1) + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
