"""Verify a password against hashes of schemes from before: crypt(3)'s, and Dovecot's {CRAM-MD5}.

For the agent, which makes such a hash anew at a login. crypt(3) is asked of the C library, since Python 3.13 has
no module for it any more.
"""

from __future__ import annotations

import ctypes
import hmac
import struct
from functools import lru_cache

from posthouse.directory.md5_state import state_after

CURRENT = ("{ARGON2ID}", "{SCRAM-SHA-256}")
CRYPT = frozenset(("CRYPT", "MD5-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "BLF-CRYPT", "DES-CRYPT"))


def is_old(stored: str) -> bool:
    """Tell whether a stored hash is one that is made anew at a login (queries.passdb)."""
    return not stored.startswith((*CURRENT, "$argon2id"))


def split(stored: str) -> tuple[str, str]:
    """Return scheme and hash; one without a scheme is crypt(3)'s."""
    if not stored.startswith("{"):
        return "CRYPT", stored
    scheme, _, rest = stored[1:].partition("}")
    return scheme.upper(), rest


def is_cut(stored: str) -> bool:
    """Tell whether the hash knows only the first eight characters: DES, 13 signs without a dollar (crypt(5))."""
    scheme, rest = split(stored)
    return scheme == "DES-CRYPT" or (scheme == "CRYPT" and len(rest) == 13 and "$" not in rest)


def verify(stored: str, password: str) -> bool:
    """Tell whether this is the password; False for schemes that are not known here."""
    scheme, rest = split(stored)
    secret = password.encode("utf-8")
    if b"\0" in secret:
        return False
    if scheme in CRYPT:
        found = _crypt(secret, rest.encode("ascii", "replace"))
        return found is not None and hmac.compare_digest(found, rest.encode("ascii", "replace"))
    if scheme == "CRAM-MD5":
        return hmac.compare_digest(cram_md5(password).lower(), stored.lower())
    return False


def cram_md5(password: str) -> str:
    """Return "{CRAM-MD5}...": the two inner states of HMAC-MD5 with this key (RFC 2195, Dovecot's hmac-cram-md5.c).

    That is all that a CRAM-MD5 login needs: who has it can log in by it, without the password.
    """
    key = password.encode("utf-8")
    if len(key) > 64:
        import hashlib

        key = hashlib.md5(key, usedforsecurity=False).digest()
    key = key.ljust(64, b"\0")
    outer, inner = (state_after(bytes(byte ^ pad for byte in key)) for pad in (0x5C, 0x36))
    return "{CRAM-MD5}" + struct.pack("<8I", *outer, *inner).hex()


def _crypt(secret: bytes, setting: bytes) -> bytes | None:
    library = _library()
    # crypt_r(3): `struct crypt_data` has 32768 bytes in libxcrypt, and is to be zero at first.
    found = library.crypt_r(secret, setting, ctypes.create_string_buffer(32768))
    # A failure is told by NULL or by a text that begins with an asterisk.
    return None if found is None or found.startswith(b"*") else bytes(found)


@lru_cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt_r.restype = ctypes.c_char_p
    library.crypt_r.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
    return library
