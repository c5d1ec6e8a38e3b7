"""Certificates of an authority that the tests are."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass
class Root:
    """A root and what it signs."""

    called: str = "Test Root"
    private: ec.EllipticCurvePrivateKey = field(default_factory=key)

    def sign(
        self,
        public: ec.EllipticCurvePublicKey,
        subject: str,
        names: tuple[str, ...] = (),
        days: tuple[float, float] = (-1.0, 90.0),
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name(self.called))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
        )
        if names:
            listed = x509.SubjectAlternativeName([x509.DNSName(one) for one in names])
            builder = builder.add_extension(listed, critical=False)
        else:
            builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        return builder.sign(self.private, hashes.SHA256())

    @property
    def certificate(self) -> x509.Certificate:
        return self.sign(self.private.public_key(), self.called)


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(PEM) for one in certificates)


def pair(*names: str, days: tuple[float, float] = (-1.0, 90.0)) -> tuple[bytes, bytes]:
    """A chain of a server's certificate and its root, and the key."""
    root, private = Root(), key()
    leaf = root.sign(private.public_key(), names[0], names, days)
    return pem(leaf, root.certificate), key_pem(private)
