"""Passwords: hashed as Dovecot's {ARGON2ID}, verified, and generated.

The parameters are OWASP's choice for servers (Password Storage Cheat Sheet): 19 MiB, two passes, one lane. A
login costs about 20 ms of CPU.
"""

from __future__ import annotations

import secrets

from posthouse.errors import UsageError

SCHEME = "ARGON2ID"
MEMORY_KIB, PASSES, LANES = 19456, 2, 1

# SASL PLAIN and IMAP LOGIN travel in lines, and every client and daemon has its own bound on them; all take
# this many bytes. Longer gives nothing: 1024 bytes hold far more than the 256 bits of the hash.
LONGEST = 1024

# No letters and digits that look alike or spell words.
_SIGNS = "23456789abcdefghjkmnpqrstvwxyz"
_GROUPS, _GROUP = 5, 5  # 25 signs of 30: 122 bits


def check(password: str) -> None:
    """Raise UsageError where something cannot be a password: empty, over 1024 bytes of UTF-8, or with control
    characters, which SASL PLAIN (RFC 4616) and a line-wise protocol cannot carry.
    """
    try:
        size = len(password.encode("utf-8"))
    except UnicodeEncodeError:
        raise UsageError("the password is not Unicode text", "Type it again.") from None
    if not size:
        raise UsageError("the password is empty", "Give at least one character; a dozen is better.")
    if size > LONGEST:
        raise UsageError(
            f"the password has {size} bytes",
            f"At most {LONGEST}: clients and daemons cut or refuse longer ones.",
        )
    if any(ord(char) < 32 or ord(char) == 127 for char in password):
        raise UsageError(
            "the password holds a control character or an end of line",
            "Take letters, digits, spaces and signs.",
        )


def hash(password: str) -> str:
    """Return "{ARGON2ID}$argon2id$...". UsageError where `check` says so."""
    from argon2 import PasswordHasher

    check(password)
    hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
    return "{ARGON2ID}" + hasher.hash(password)


def verify(stored: str | None, password: str) -> bool:
    """Tell whether the password has this {ARGON2ID} hash; of other schemes Dovecot is the judge: False."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    if stored is None or not stored.removeprefix("{ARGON2ID}").startswith("$argon2id$"):
        return False
    try:
        return PasswordHasher().verify(stored.removeprefix("{ARGON2ID}"), password)
    except (VerificationError, InvalidHashError):
        return False


def generate() -> str:
    """Return a strong password that can be read aloud: five groups of five, 122 bits."""
    groups = ("".join(secrets.choice(_SIGNS) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)
