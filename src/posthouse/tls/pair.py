"""A certificate with its chain and its key, read and judged before a daemon gets to see it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from posthouse.errors import PosthouseError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

CHAIN, KEY = "fullchain.pem", "privkey.pem"
_LARGEST = 262_144  # bytes of a file; a chain of ten certificates has 30,000
_LONGEST = 10  # certificates in a chain


@dataclass(frozen=True)
class Pair:
    """Both files' bytes, and what they say.

    `digest`: SHA-256 of the certificate, as a server shows it. `pin`: SHA-256 of its public key, in hexadecimal digits:
    what a TLSA record "3 1 1" holds (RFC 6698 section 2.1). `self_signed`: nobody else vouches for it.
    """

    chain: bytes
    key: bytes
    names: tuple[str, ...]
    begins: datetime
    ends: datetime
    issuer: str
    digest: str
    pin: str
    self_signed: bool

    def covers(self, name: str) -> bool:
        """Tell whether the certificate is for a host name (RFC 6125 section 6.4; `*` is a whole first label)."""
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names


def load(chain: Path, key: Path) -> Pair:
    """Read a pair from two files.

    Raises:
        PosthouseError: a file cannot be read, is no PEM, or they do not belong together.
    """
    return parse(_read(chain), _read(key), str(chain), str(key))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise PosthouseError(f"{path}: {error.strerror}") from error
    if len(data) > _LARGEST:
        raise PosthouseError(f"{path}: expected a certificate or a key, found more than {_LARGEST} bytes")
    return data


def parse(chain: bytes, key: bytes, chain_name: str = CHAIN, key_name: str = KEY) -> Pair:
    """Read a pair; the names stand in the errors. PosthouseError where it is none."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization

    try:
        private = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PosthouseError(f"{key_name}: expected a key in PEM form, without a passphrase") from error
    try:
        certificates = x509.load_pem_x509_certificates(chain)
        leaf = certificates[0]
        public = leaf.public_key()
        names = _names(leaf)
        issuer = leaf.issuer.rfc4514_string()
        begins, ends, own = leaf.not_valid_before_utc, leaf.not_valid_after_utc, leaf.issuer == leaf.subject
    except Exception as error:  # what is wrong in a certificate has errors without a common base
        why = " ".join(str(error).split())[:200]
        raise PosthouseError(f"{chain_name}: expected certificates in PEM form ({why})") from error
    if private.public_key() != public:
        raise PosthouseError(f"{key_name} is not the key of the first certificate in {chain_name}")
    _in_order(certificates, chain_name)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return Pair(
        chain,
        key,
        names,
        begins,
        ends,
        issuer,
        leaf.fingerprint(hashes.SHA256()).hex(),
        hashlib.sha256(public.public_bytes(serialization.Encoding.DER, form)).hexdigest(),
        own,
    )


def _names(leaf: Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in found.get_values_for_type(x509.DNSName))


def _in_order(certificates: list[Certificate], name: str) -> None:
    """Each certificate must be signed by the next one: RFC 8446 section 4.4.2 forgives it, old clients do not."""
    if len(certificates) > _LONGEST:
        raise PosthouseError(f"{name}: expected at most {_LONGEST} certificates, found {len(certificates)}")
    for number, (one, above) in enumerate(pairwise(certificates), 1):
        try:
            one.verify_directly_issued_by(above)
        except Exception as error:  # each kind of key has errors of its own
            raise PosthouseError(
                f"{name}: the chain is not in order: certificate {number} is not signed by certificate {number + 1}",
                "Put the server's certificate first, then the one that signed it, and so on.",
            ) from error


def judge(pair: Pair, names: Iterable[str], now: datetime) -> None:
    """See that a pair may be shown for these host names.

    Raises:
        PosthouseError: it has expired or not begun, or is not for one of the names.
    """
    if now > pair.ends:
        raise PosthouseError(f"the certificate expired on {pair.ends:%Y-%m-%d %H:%M} UTC")
    if now < pair.begins:
        raise PosthouseError(
            f"the certificate counts from {pair.begins:%Y-%m-%d %H:%M} UTC only; is the clock right?"
        )
    lacking = [name for name in names if not pair.covers(name)]
    if lacking:
        known = ", ".join(pair.names) or "no name"
        raise PosthouseError(f"the certificate is for {known}, and not for {', '.join(lacking)}")
