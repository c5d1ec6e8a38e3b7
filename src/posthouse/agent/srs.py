"""Write the sender of a forwarded message anew, so that SPF passes and a bounce finds back; nothing here does I/O.

The Sender Rewriting Scheme by Meng Weng Wong and Shevek ("guarded", as in Mail::SRS and libsrs2):

    ann@honest.example        SRS0=HASH=DAY=honest.example=ann@ours
    SRS0=...@other.example    SRS1=HASH=other.example==...@ours       other.example wrote the first one
    SRS1=...@second.example   SRS1=HASH=other.example==...@ours       a chain never grows longer than that

HASH is HMAC-SHA1 over all that follows it, in base64; letters count the same in both cases, as mail servers do
not agree on them. DAY is two letters. An address that would be longer than RFC 5321 section 4.5.3.1.1 lets a
local part be, or has other characters in it than an atom, is kept by `posthouse.agent.long_senders` instead.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

HASH_LENGTH = 8  # of base64; the usual 4 could be guessed
MAX_AGE = 21  # days in which a bounce is taken; a message waits for five at most (RFC 5321 section 4.5.4.1)
MAX_LOCAL = 64
KEPT = "kept-"  # the local part, at our own domain, that stands for a sender that was kept
_DAYS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_WRITTEN = re.compile(r"(srs[01])[=+-]", re.IGNORECASE)
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


class Forged(ValueError):
    """An address that looks like ours, and was not written by us, or too long ago; the message says which."""


class Kept(Protocol):
    """Where senders are kept that do not fit into an address."""

    def put(self, sender: str) -> str:
        """Keep a sender and return its token."""

    def get(self, token: str) -> str | None:
        """Return the sender of a token."""


@dataclass(frozen=True)
class Srs:
    """Rewrites for `domain`. The first of `secrets` signs, all of them verify; `day` counts from 1970."""

    domain: str
    secrets: Sequence[bytes]
    day: Callable[[], int]
    kept: Kept

    def forward(self, sender: str) -> str:
        """The address in whose name `sender` (neither empty nor ours) is forwarded."""
        local, _, domain = sender.rpartition("@")
        if _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain):
            written = self._written(local, domain)
            if len(written) <= MAX_LOCAL:
                return f"{written}@{self.domain}"
        return f"{self._srs0(KEPT + self.kept.put(sender), self.domain)}@{self.domain}"

    def reverse(self, address: str) -> str:
        """The sender for whom an address of ours was written. Raises Forged."""
        local, _, domain = address.rpartition("@")
        kind = _WRITTEN.match(local)
        if kind is None or domain.lower() != self.domain:
            raise Forged("this is no forwarded sender's address")
        rest = local[kind.end() :]
        if kind[1] in ("SRS1", "srs1"):
            given, host, tail = _parts(rest, 3)
            self._verify(given, host, tail)
            return f"SRS0{tail}@{host}"
        given, stamp, host, user = _parts(rest, 4)
        self._verify(given, stamp, host, user)
        self._in_time(stamp)
        if host.lower() != self.domain:
            return f"{user}@{host}"
        if (sender := self.kept.get(user.lower().removeprefix(KEPT))) is None:
            raise Forged("its sender is no longer known")
        return sender

    def _written(self, local: str, domain: str) -> str:
        if (kind := _WRITTEN.match(local)) is None:
            return self._srs0(local, domain)
        if kind[1] in ("SRS0", "srs0"):
            host, tail = domain, local[4:]
        else:
            _, host, tail = (*local[5:].split("=", 2), "", "")[:3]
        if not host or not tail:
            return self._srs0(local, domain)
        return f"SRS1={_hash(self.secrets[0], host, tail)}={host}={tail}"

    def _srs0(self, local: str, domain: str) -> str:
        day = self.day()
        stamp = _DAYS[day >> 5 & 31] + _DAYS[day & 31]
        return f"SRS0={_hash(self.secrets[0], stamp, domain, local)}={stamp}={domain}={local}"

    def _verify(self, given: str, *what: str) -> None:
        right = [_hash(secret, *what).lower().encode() for secret in self.secrets]
        if not any(hmac.compare_digest(given.lower().encode(), one) for one in right):
            raise Forged("this forwarded sender's address was not written here")

    def _in_time(self, stamp: str) -> None:
        high, low = (_DAYS.index(letter) for letter in stamp.upper())  # the hash vouches for the letters
        if (self.day() - (high << 5 | low)) % 1024 > MAX_AGE:
            raise Forged(f"this forwarded sender's address is older than {MAX_AGE} days")


def _parts(text: str, count: int) -> list[str]:
    parts = text.split("=", count - 1)
    if len(parts) != count or not text.isascii():
        raise Forged("this forwarded sender's address is not complete")
    return parts


def _hash(secret: bytes, *what: str) -> str:
    digest = hmac.digest(secret, "".join(what).lower().encode(), "sha1")
    return base64.b64encode(digest)[:HASH_LENGTH].decode()
