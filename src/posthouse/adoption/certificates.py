"""The certificate that the old server shows."""

from __future__ import annotations

from pathlib import Path

from posthouse.adoption.postfix import Postfix
from posthouse.tls.pair import CHAIN, KEY


def folder(postfix: Postfix) -> str | None:
    """Return the folder of Postfix's certificate where it is laid out as certbot's; None where it is another way."""
    chain = postfix.value("smtpd_tls_chain_files").replace(",", " ").split()
    chain += [postfix.value("smtpd_tls_key_file"), postfix.value("smtpd_tls_cert_file")]
    places = {Path(name) for name in chain if name}
    parents = {place.parent for place in places}
    if {place.name for place in places} == {CHAIN, KEY} and len(parents) == 1:
        return str(parents.pop())
    return None
