"""Whom CAA records allow (RFC 8659): pure. Their values are a stranger's."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

_TAG = re.compile(r'(\d{1,3}) ([A-Za-z0-9]{1,15}) "(.*)"')
_CRITICAL = 128  # RFC 8659 section 4.1
# Whom CAA records name (RFC 8659 section 4.2), by the host of the directory, where that is well known.
_KNOWN = {
    "acme-v02.api.letsencrypt.org": "letsencrypt.org",
    "acme-staging-v02.api.letsencrypt.org": "letsencrypt.org",
    "dv.acme-v02.api.pki.goog": "pki.goog",
    "acme.zerossl.com": "sectigo.com",
    "api.buypass.com": "buypass.com",
}


def identity(url: str) -> str | None:
    """Return the name by which CAA records allow the authority at a URL; None where it is not known."""
    return _KNOWN.get(urlsplit(url).hostname or "")


def forbidden(values: Collection[str], owner: str, identities: Collection[str]) -> str | None:
    """Return how a set of CAA records forbids it; None where it does not, or where that is not known."""
    allowed: list[str] = []
    for value in values:
        found = _TAG.fullmatch(value)
        if found is None:
            return f"the CAA records of {owner} cannot be read: {value[:80]}"
        flags, tag, text = int(found[1]), found[2].lower(), found[3]
        if tag == "issue":
            allowed.append(text.partition(";")[0].strip().lower())
        elif flags & _CRITICAL and tag not in ("issuewild", "iodef"):
            return f'the CAA records of {owner} demand "{tag}", which not every authority knows'
    if not allowed:
        return None
    if not any(allowed):
        return f"the CAA records of {owner} allow no authority at all"
    if identities and not set(allowed) & set(identities):
        return f"the CAA records of {owner} allow {', '.join(filter(None, allowed))} only"
    return None
