"""Password hashes as Dovecot takes them: "{SCHEME}...", or bare as crypt(3) and argon2 write them.

Nothing is verified but the outside: whether a scheme is known, and whether the hash has its shape. A cut hash
would be an account that nobody can enter, and nobody would know why.
"""

from __future__ import annotations

import re

from posthouse.errors import UsageError

# `doveadm pw -l` of Dovecot 2.3 and 2.4 in Debian, without those that are no hash
_KNOWN = """ARGON2 ARGON2I ARGON2ID BLF-CRYPT CRAM-MD5 CRYPT DES-CRYPT DIGEST-MD5 HMAC-MD5 LDAP-MD5 MD5 MD5-CRYPT
    PBKDF2 PLAIN-MD4 PLAIN-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SHA SHA1 SHA256 SHA256-CRYPT SHA512 SHA512-CRYPT SMD5 SSHA
    SSHA256 SSHA512"""
SCHEMES = frozenset(_KNOWN.split())
CLEAR = frozenset(("PLAIN", "CLEAR", "CLEARTEXT"))
# what Dovecot 2.4 refuses unless auth_allow_weak_schemes says otherwise (tried with `doveadm auth test`)
WEAK = frozenset(("DES-CRYPT", "HMAC-MD5", "LDAP-MD5", "MD5", "MD5-CRYPT", "PLAIN-MD4", "PLAIN-MD5", "SMD5"))
_ENCODINGS = ("", ".B64", ".BASE64", ".HEX")
_SHAPES = {
    "ARGON2ID": r"\$argon2id\$.+\$.+\$.+",
    "ARGON2I": r"\$argon2i\$.+\$.+\$.+",
    "BLF-CRYPT": r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}",
    "MD5-CRYPT": r"\$1\$[^$]{0,8}\$[./A-Za-z0-9]{22}",
    "SHA256-CRYPT": r"\$5\$(rounds=\d+\$)?[^$]{0,16}\$[./A-Za-z0-9]{43}",
    "SHA512-CRYPT": r"\$6\$(rounds=\d+\$)?[^$]{0,16}\$[./A-Za-z0-9]{86}",
    "DES-CRYPT": r"[./A-Za-z0-9]{13}",
    "YESCRYPT": r"\$(y|gy|7)\$.+\$.+",
}
_CRYPT = ("BLF-CRYPT", "MD5-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "DES-CRYPT", "YESCRYPT")


def checked(text: str) -> str:
    """Return a hash with its {SCHEME}. UsageError where it is none that can log in."""
    scheme, rest = split(text)
    if scheme is None:
        for name in ("ARGON2ID", "ARGON2I"):
            if re.fullmatch(_SHAPES[name], rest):
                return f"{{{name}}}{rest}"
        if not any(re.fullmatch(_SHAPES[name], rest) for name in _CRYPT):
            raise UsageError(
                "this is no password hash",
                "Write {SCHEME}hash; a password itself belongs into the column password.",
            )
        return "{CRYPT}" + rest
    if scheme.partition(".")[0] in CLEAR:
        raise UsageError(
            f"{{{scheme}}} is a password itself, not a hash",
            "Put it into the column password, without {...}.",
        )
    bare, dot, encoding = scheme.partition(".")
    if bare not in SCHEMES or dot + encoding not in _ENCODINGS:
        raise UsageError(
            f"{{{scheme}}} is no scheme that Dovecot knows", "`doveadm pw -l` lists those that it does."
        )
    shapes = _CRYPT if bare == "CRYPT" else (bare,) if bare in _SHAPES and not dot else ()
    if shapes and not any(re.fullmatch(_SHAPES[name], rest) for name in shapes):
        raise UsageError(
            f"the hash behind {{{scheme}}} is not whole", "Copy it again, to its last character."
        )
    if not rest.isascii() or any(not "!" <= char <= "~" for char in rest):
        raise UsageError("the hash holds a space or a character beyond ASCII", "Copy it again.")
    return f"{{{scheme}}}{rest}"


def is_weak(text: str) -> bool:
    """Tell whether Debian 13's Dovecot lets nobody in by this hash."""
    scheme, rest = split(text)
    bare = (scheme or "CRYPT").partition(".")[0]
    if bare == "CRYPT":
        return any(re.fullmatch(_SHAPES[name], rest) for name in ("DES-CRYPT", "MD5-CRYPT"))
    return bare in WEAK


def split(text: str) -> tuple[str | None, str]:
    """Return the scheme in upper case (None: there is none) and what stands behind it."""
    found = re.fullmatch(r"\{([A-Za-z0-9.-]+)\}(.+)", text, re.DOTALL)
    return (found[1].upper(), found[2]) if found else (None, text)
