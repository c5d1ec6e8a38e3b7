"""The host names that are served for a mail domain, and whose they are: pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

POLICY, AUTOCONFIG, AUTODISCOVER = "mta-sts", "autoconfig", "autodiscover"
# What matters most comes first: a certificate holds a hundred names at most.
LABELS = (POLICY, AUTOCONFIG, AUTODISCOVER)
MOST = 100  # https://letsencrypt.org/docs/rate-limits/

_WORD = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_WORD}(\.{_WORD})*")  # dot-atom, RFC 5322 section 3.2.3


def served(domains: Iterable[str]) -> tuple[str, ...]:
    """Return every name, in the order in which they matter."""
    known = sorted(domains)
    return tuple(f"{label}.{domain}" for label in LABELS for domain in known)


def address(text: str, domains: Collection[str]) -> tuple[str, str] | None:
    """Return local part and domain of an address that may be one of ours; None where it cannot be.

    Whether there is such an account is not looked at: nobody shall learn it here.
    """
    local, at, domain = text.strip().rpartition("@")
    domain = domain.lower()
    if not at or domain not in domains or len(local) > 64 or not _LOCAL.fullmatch(local):
        return None
    return local, domain
