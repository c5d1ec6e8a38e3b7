"""The lab's own DNS root: one key for every network of this host, made once and kept.

The public half stands where Debian's `dns-root-data` puts that of the real root, in every base tree (with
a diversion, so that installing the package changes nothing): a resolver that was never told of the lab
validates its answers. Everything is signed with this one ECDSA P-256 key (RFC 6605).
"""

from pathlib import Path

import dns.dnssec
import dns.dnssectypes
import dns.name
import dns.rdata
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from posthouse.lab.lock import locked
from posthouse.lab.paths import CACHE

_FILE = CACHE / "dns" / "key.pem"
# root.hints is left out: real addresses of root servers lead to the lab's name server as well.
DIVERTED = ("/usr/share/dns/root.key", "/usr/share/dns/root.ds")


def private_key() -> ec.EllipticCurvePrivateKey:
    """The key of the root and of all zones, made at its first use."""
    with locked(_FILE.with_suffix(".lock")):
        if not _FILE.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
            partial = _FILE.with_suffix(".new")
            partial.touch(0o600)
            partial.write_bytes(made.private_bytes(*form, serialization.NoEncryption()))
            partial.rename(_FILE)
    key = serialization.load_pem_private_key(_FILE.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def dnskey() -> DNSKEY:
    """The DNSKEY record (flags 257) of every zone."""
    public = private_key().public_key()
    return dns.dnssec.make_dnskey(public, dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257)


def ds(zone: dns.name.Name) -> DS:
    """The DS record by which its parent vouches for a zone."""
    return dns.dnssec.make_ds(zone, dnskey(), "SHA256")


def files() -> dict[str, bytes]:
    """The files of `dns-root-data` for this root, by path inside a machine."""
    key, digest = DIVERTED
    return {
        key.lstrip("/"): f". 172800 IN DNSKEY {dnskey()}\n".encode(),
        digest.lstrip("/"): f". IN DS {ds(dns.name.root)}\n".encode(),
    }


def write_root_key(path: Path) -> None:
    """Write the trust anchor for a resolver of the lab's own."""
    path.write_bytes(files()["usr/share/dns/root.key"])
