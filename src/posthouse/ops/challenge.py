"""DNS-01 (RFC 8555 section 8.4): the record by which an authority sees that a name is ours, published and removed.

certbot has it done for each name of an order, before the authority looks and afterwards (certbot(1),
`--manual-auth-hook`). What an order leaves behind that is killed goes at the next `dns push`.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from posthouse.dns import ask
from posthouse.dns.record import Record
from posthouse.errors import PosthouseError, UsageError
from posthouse.ops import certificates, push

if TYPE_CHECKING:
    from posthouse.site.model import Site

_TTL = 60  # seconds
_SHOWN_SECONDS = 300.0  # until all name servers must show it
_AGAIN_SECONDS = 2.0


def publish(site: Site, name: str, value: str) -> None:
    """Publish it, and return when every name server of the zone shows it.

    Raises:
        UsageError: the name is none that we order for, or the value none that an authority asks for.
        PosthouseError: it was not taken, or is not shown after five minutes.
    """
    wanted = _record(site, name, value)
    push.one(site, wanted, there=True)
    until = time.monotonic() + _SHOWN_SECONDS
    while True:
        ask.forget()
        answers = ask.authoritative(wanted.name, wanted.type)
        lacks = [one for one in answers if one.failure or wanted.value not in one.values]
        if not lacks:
            return
        if time.monotonic() > until:
            why = lacks[0].failure or "does not show it"
            raise PosthouseError(f"{wanted.name} TXT was published, and {lacks[0].server} {why}")
        time.sleep(_AGAIN_SECONDS)


def remove(site: Site, name: str, value: str) -> None:
    """Remove it where we published it. Raises as `publish`."""
    push.one(site, _record(site, name, value), there=False)


def _record(site: Site, name: str, value: str) -> Record:
    """UsageError where certbot did not say it so."""
    if name not in (*certificates.names(site), *certificates.web_names(site)):
        raise UsageError(
            f"{name!r} is no name that a certificate is ordered for", "This command is certbot's."
        )
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", value):
        raise UsageError("expected SHA-256 in Base64 as certbot hands it over", "This command is certbot's.")
    return Record(
        f"_acme-challenge.{name}.", "TXT", value, "shows an authority that it is ours", "challenge", _TTL
    )
