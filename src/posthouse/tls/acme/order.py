"""A certificate ordered by certbot, for a key of ours: certbot proves that each name is ours, and no more.

The key is handed over as a signing request (certbot(1), `--csr`), so it stays the same from one certificate to the
next, and what TLSA records say of it stays true. certbot keeps its account below our own folder: what the operator's
own certbot has in /etc/letsencrypt is not touched.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host import files
from posthouse.host.run import run
from posthouse.printable import printable

if TYPE_CHECKING:
    from posthouse.site.model import Tls

CERTBOT = "/usr/bin/certbot"
_SECONDS = 900.0  # the authority may take its time
_TAIL = 65_536  # bytes of certbot's log
_AGAIN = 3  # a nonce that the authority does not take back is a matter of luck (RFC 8555 section 6.5)


class Refused(PosthouseError):
    """The authority, or certbot, did not do it. `names`: those that it could not find us at, and why."""

    def __init__(self, message: str, hint: str | None = None, names: dict[str, str] | None = None) -> None:
        super().__init__(message, hint)
        self.names = names or {}


def certificate(
    tls: Tls, names: Sequence[str], key: bytes, folder: Path, note: Callable[[str], None]
) -> bytes:
    """Order a certificate for these names and this key, and return it with its chain, as PEM.

    Args:
        tls: the authority and the way to it.
        names: host names, the main one first.
        key: PEM.
        folder: certbot's account and working files, for root only.
        note: told what happens.

    Raises:
        Refused: there is none; `names` tells whose fault it was, where it was that of some names.
        PosthouseError: a file cannot be written.
    """
    work = folder / "order"
    for attempt in range(1, _AGAIN + 1):
        shutil.rmtree(work, ignore_errors=True)
        files.write_atomic(work / "request.pem", request(key, names), mode=0o600)
        done = run(_command(tls, folder, work), env=_environment(tls), check=False, timeout=_SECONDS)
        chain = work / "fullchain.pem"
        if done.returncode == 0 and chain.is_file():
            data = chain.read_bytes()
            shutil.rmtree(work, ignore_errors=True)
            return data
        said = f"{done.stdout}\n{done.stderr}"
        kind = _kind(folder / "logs/letsencrypt.log")
        if attempt < _AGAIN and kind in ("badNonce", "accountDoesNotExist"):
            if kind == "accountDoesNotExist":
                note("the authority has forgotten our account: making a new one")
                shutil.rmtree(folder / "config/accounts", ignore_errors=True)
            continue
        break
    shutil.rmtree(work, ignore_errors=True)
    found = _blamed(said, names)
    raise Refused(
        f"no certificate from {tls.acme_server}: {_reason(said)}",
        f"The certificate in use stays. certbot's log is in {folder / 'logs'}.",
        found,
    )


def request(key: bytes, names: Sequence[str]) -> bytes:
    """Return a signing request (RFC 2986) for a key and names, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    private = serialization.load_pem_private_key(key, None)
    assert isinstance(private, RSAPrivateKey)
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(private, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def _command(tls: Tls, folder: Path, work: Path) -> list[str]:
    account = ["--email", tls.email, "--no-eff-email"] if tls.email else ["--register-unsafely-without-email"]
    return [
        *(CERTBOT, "certonly", "--non-interactive", "--agree-tos", *account),
        *("--server", tls.acme_server, "--preferred-challenges", tls.challenge, *_way(tls)),
        *("--config-dir", str(folder / "config"), "--work-dir", str(folder / "work")),
        *("--logs-dir", str(folder / "logs"), "--max-log-backups", "20", "--csr", str(work / "request.pem")),
        *("--cert-path", str(work / "cert.pem"), "--chain-path", str(work / "chain.pem")),
        *("--fullchain-path", str(work / "fullchain.pem")),
    ]


def _way(tls: Tls) -> list[str]:
    """How certbot has the answer shown: by a web server, by itself, or by our command (ops/challenge.py)."""
    if tls.challenge == "dns-01":
        hook = f"{paths.COMMAND} cert challenge"
        return [
            "--manual",
            "--manual-auth-hook",
            f"{hook} publish",
            "--manual-cleanup-hook",
            f"{hook} remove",
        ]
    return ["--webroot", "--webroot-path", tls.webroot] if tls.webroot else ["--standalone"]


def _environment(tls: Tls) -> dict[str, str]:
    return {"REQUESTS_CA_BUNDLE": tls.acme_ca_file} if tls.acme_ca_file else {}


def _kind(log: Path) -> str:
    """The last kind of error (RFC 8555 section 6.7) in certbot's log of its last run; "" where there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _TAIL))
            found = re.findall(rb"urn:ietf:params:acme:error:(\w{1,40})", stream.read())
    except OSError:
        return ""
    return str(found[-1], "ascii") if found else ""


def _blamed(said: str, names: Collection[str]) -> dict[str, str]:
    """The names that certbot's report blames, each with the authority's reason."""
    found: dict[str, str] = {}
    # A block ends at an empty line or at the next name. No blank may be a line's end here: hostile ones are many.
    other = r"(?![ \t]*(?:Domain|Identifier): )"
    block = rf"^[ \t]*(?:Domain|Identifier): (\S+)\n((?:{other}[ \t]+\S.*\n)*)"
    for name, rest in re.findall(block, said, re.MULTILINE):
        if name.lower() in names:
            detail = re.search(r"Detail: (.*)", rest)
            found[name.lower()] = printable(detail[1] if detail else "the authority does not say why")
    return found


def _reason(said: str) -> str:
    """What certbot says it failed of: the line after the last that announces an error, else its last one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    dull = re.compile(
        r"Ask for help|Saving debug log|See the logfile|^Hint:|Re-run|community\.letsencrypt", re.IGNORECASE
    )
    lines = [line for line in lines if not dull.search(line)]
    details = [line.partition("Detail:")[2] for line in lines if "Detail:" in line]
    return printable((details or lines or ["certbot did not say why"])[-1])
