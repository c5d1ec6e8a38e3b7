"""Domains beyond ASCII in the form that DNS, signatures and the directory have: A-labels, `xn--...` (RFC 5890)."""

from __future__ import annotations

import unicodedata


def a_labels(domain: str) -> str:
    """Return a domain, lower case, each label beyond ASCII as its A-label.

    Mapped as Unicode TR 46 has it, not transitional (a ß stays one), which Postfix and browsers do; what is no
    valid name comes out as one that nobody has.
    """
    if domain.isascii():
        return domain.lower()
    mapped = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", domain).lower())
    return ".".join(_label(label) for label in mapped.replace("\u3002", ".").split("."))


def _label(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode", "replace").decode("ascii")
