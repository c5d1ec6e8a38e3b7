"""An order at the authority: which names it can be for, the order itself, and what a new key waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from posthouse import paths
from posthouse.dns import ask
from posthouse.errors import PosthouseError
from posthouse.ops import push
from posthouse.tls import pair
from posthouse.tls.acme import authority, keys, order
from posthouse.tls.acme import preflight as looking

if TYPE_CHECKING:
    from posthouse.site.model import Site
    from posthouse.tls.acme.tries import Tries

Note = Callable[[str], None]
_SEEN = paths.ACME / "next.seen"  # its time: since when all name servers show the next key's record


def leads_here(site: Site, name: str) -> bool:
    """Tell whether the DNS leads to this machine, as far as that can be told before the authority is asked."""
    return looking.name(site, name, ()) is None


def preflight(
    site: Site, tries: Tries, now: float, more: Sequence[str] = ()
) -> tuple[list[str], dict[str, str], dict[str, str]]:
    """Return the names that a certificate can be had for now, and the others, each with the reason.

    The last are those of `more`, which may be left out.

    Raises:
        PosthouseError: the authority cannot be reached, port 80 is taken, or who takes the records cannot be asked:
            none can be had.
    """
    identities = authority.identities(site.tls.acme_server, site.tls.acme_ca_file)
    at = push.place(site) if site.tls.challenge == "dns-01" else None
    if at is None and site.tls.webroot is None and (why := looking.port_80()) is not None:
        raise PosthouseError(why, "It is tried again by itself; at once: posthouse cert renew")
    ask.forget()
    good: list[str] = []
    bad: dict[str, str] = {}
    without: dict[str, str] = {}
    for name in dict.fromkeys((site.hostname, *site.tls.names, *more)):
        failed = without if name in more else bad
        if until := tries.waits(name, now):
            when = f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC"
            failed[name] = (
                f"it was tried several times within a day; the authority would block us: not before {when}"
            )
        elif (
            why := looking.name(site, name, identities, anywhere=bool(at) and name not in more)
        ) is not None:
            failed[name] = why
        elif at is not None and at.shown(f"_acme-challenge.{name}.", "TXT") is None:
            failed[name] = "who takes our records in [dns] does not answer for its zone"
        else:
            good.append(name)
    return good, bad, without


def certificate(
    site: Site,
    good: Sequence[str],
    key: bytes,
    tries: Tries,
    note: Note,
    worth: Callable[[Sequence[str]], bool] = lambda _: True,
) -> tuple[pair.Pair, dict[str, str]]:
    """Order a certificate for these names; where some fail at the authority, once more without those if that is worth
    it: authorities allow few equal certificates.

    Returns:
        The pair, and the names that it is not for with the authority's reason.

    Raises:
        PosthouseError: there is none, or it is not what was ordered.
    """
    refused: dict[str, str] = {}
    try:
        chain = _order(site, good, key, tries, note)
    except order.Refused as error:
        left = [name for name in good if name not in error.names]
        if not error.names or site.hostname in error.names or not left or not worth(left):
            raise
        note(f"once more without {', '.join(error.names)}")
        refused = error.names
        good = left
        chain = _order(site, good, key, tries, note)
    found = pair.parse(chain, key, "the authority's certificate", "our key")
    pair.judge(found, good, datetime.now(UTC))
    return found, refused


def _order(site: Site, names: Sequence[str], key: bytes, tries: Tries, note: Note) -> bytes:
    note(f"ordering a certificate for {', '.join(names)}")
    tries.begin(names, time.time())
    return order.certificate(site.tls, names, key, paths.ACME, note)


def new_key_waits(site: Site, key: bytes, now: float) -> str | None:
    """Say what must be published before a new key may be used; None where nothing speaks against it.

    Where no TLSA record is published nobody minds. Else the new key's must be there beside the old one, at every name
    server, for as long as others may remember that it was not (RFC 7671 section 8.1).
    """
    owner = f"_25._tcp.{site.hostname}."
    ask.forget()
    answers = ask.authoritative(owner, "TLSA")
    failed = [answer for answer in answers if answer.failure]
    if failed:
        return f"{owner} TLSA cannot be looked up: {failed[0].server} {failed[0].failure}"
    if not any(answer.values for answer in answers):
        _SEEN.unlink(missing_ok=True)
        return None
    wanted = f"3 1 1 {keys.pin(key)}"
    again = "then say it again: posthouse cert renew --new-key"
    if not all(wanted in (value.lower() for value in answer.values) for answer in answers):
        _SEEN.unlink(missing_ok=True)
        return (
            f"publish the new key's record beside the old one, and {again}\n  {owner} 3600 IN TLSA {wanted}"
        )
    if not _SEEN.exists():
        _SEEN.touch(mode=0o600)
    since = _SEEN.stat().st_mtime
    until = since + max(answer.ttl for answer in answers)
    if since <= now < until:
        when = f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M:%S} UTC"
        return f"the new key's record is there; others may remember until {when} that it was not: {again}"
    _SEEN.unlink(missing_ok=True)
    return None
