"""The certificate until a real one comes: self-signed, for the host's names (`place` says where it stands)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.tls import pair, place
from posthouse.tls.pair import CHAIN, KEY

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

# CA/Browser Forum baseline 6.3.2 (2020 to 2026): Apple's clients refuse server certificates that live longer,
# self-signed ones included.
DAYS = 825
RENEW_DAYS = 60
BITS = 2048  # RSA: every mail client and server takes it, old ones that know no ECDSA included


def ensure(
    hostname: str, folder: Path = paths.TLS, *, more: Sequence[str] = (), instead: bool = False
) -> bool:
    """See that there is a certificate; True where a new one was made (and who serves it must reload).

    A new one is made where there is none, or ours is for other names, damaged, or ends within 60 days. One from
    elsewhere is left alone.

    Args:
        hostname: the host's name.
        folder: where the daemons read it.
        more: further names that it is for.
        instead: take the place of one that came by ACME or from files.

    Raises:
        PosthouseError: the folder cannot be written.
    """
    names = tuple(dict.fromkeys((hostname, *more)))
    kind = place.kind(folder)
    if kind == "self-signed" and _is_good(folder / place.CURRENT, names):
        return False
    if kind == "foreign" or (kind in ("acme", "files") and not instead):
        place.links(folder)
        return False
    key = make_key()
    place.put("self-signed", _certificate(key, names), private_bytes(key), folder)
    return True


def make_key() -> RSAPrivateKey:
    """Return a new key."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=BITS)


def private_bytes(key: RSAPrivateKey) -> bytes:
    """Return a key as PEM, without a passphrase."""
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _is_good(folder: Path, names: Sequence[str]) -> bool:
    try:
        found = pair.load(folder / CHAIN, folder / KEY)
    except PosthouseError:
        return False
    left = found.ends - datetime.now(UTC)
    return found.names == tuple(names) and left > timedelta(days=RENEW_DAYS)


def _certificate(key: RSAPrivateKey, names: Sequence[str]) -> bytes:
    """Return a certificate that clients take once they trust it (RFC 5280 section 4.2, RFC 6125)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    # ub-common-name is 64 (RFC 5280 appendix A): a longer host name stands in the SAN alone.
    hostname = names[0]
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
    made: Certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # for clients whose clock is late
        .not_valid_after(now - timedelta(hours=1) + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)
