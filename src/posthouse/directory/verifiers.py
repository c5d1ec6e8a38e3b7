"""What SCRAM-SHA-256 and CRAM-MD5 need of a password: a credential of each mechanism's own, beside the ARGON2ID hash.

A SCRAM verifier is as good as a salted hash: to log in by it takes the password. What CRAM-MD5 needs is worth a
login to whoever has it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping

from posthouse.directory import accounts, old_hashes
from posthouse.directory.backend import Connection
from posthouse.directory.connect import transaction

ITERATIONS = 4096  # RFC 7677 section 4; every login costs the server only one of them


def make(password: str, mechanisms: Collection[str]) -> dict[str, str]:
    """Return a verifier for each of the mechanisms ("scram-sha-256", "cram-md5"), as Dovecot stores them."""
    makers = {"scram-sha-256": _scram, "cram-md5": old_hashes.cram_md5}
    return {name.upper(): makers[name](password) for name in mechanisms}


def put(connection: Connection, address: str, made: Mapping[str, str]) -> None:
    """Put verifiers in the place of those that an account has, after its password was set. UsageError: no account."""
    with transaction(connection):
        account = accounts.get(connection, address).address
        connection.execute("DELETE FROM verifiers WHERE userid = ?", (account,))
        connection.executemany(
            "INSERT INTO verifiers (userid, mechanism, verifier) VALUES (?, ?, ?)",
            [(account, mechanism, verifier) for mechanism, verifier in made.items()],
        )


def _scram(password: str) -> str:
    """RFC 5802 section 3, in Dovecot's form: iterations, salt, StoredKey, ServerKey (auth-scram.c)."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("utf-8"), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"{{SCRAM-SHA-256}}{ITERATIONS},{','.join(parts)}"
