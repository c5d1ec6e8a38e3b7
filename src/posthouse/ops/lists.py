"""Block lists asked for their test entries; one that answers wrongly is switched off until it is right again.

Off means that our unbound says "not listed" of everything below it to who asks from 127.0.0.1, as both filters do; the
questions here come from another address and are answered as ever (unbound.conf(5), `view`). So nothing is restarted,
and a filter notices nothing.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from posthouse import paths
from posthouse.dns import ask
from posthouse.host.files import write_atomic
from posthouse.host.lock import exclusive
from posthouse.host.run import CommandFailed, run
from posthouse.site.model import Site
from posthouse.spam.lists import ASKED, BlockList, Said, fault, silent
from posthouse.stack.unbound import VIEW

_SOURCE = "127.0.0.2"
_SECONDS = 5.0


@dataclass(frozen=True)
class Standing:
    """How a list stands: why it is off ("": it is not), since when (Unix time), and whether the postmaster knows."""

    why: str = ""
    since: float = 0.0
    told: bool = True


@dataclass(frozen=True)
class Found:
    """When the lists were asked last, how each stands, and whether none of them answered then."""

    when: float
    lists: dict[str, Standing]
    silence: bool = False


def last() -> Found | None:
    """Return what was found last; None where they were never asked, or nobody can read it."""
    try:
        found = json.loads(paths.LISTS.read_text(encoding="utf-8"))
        standing = {zone: Standing(**one) for zone, one in found["lists"].items()}
        return Found(float(found["when"]), standing, bool(found["silence"]))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def check(site: Site, note: Callable[[str], None]) -> Found:
    """Ask every list that the site's filter asks, switch, tell the postmaster of changes, and return how they stand.

    Raises:
        PosthouseError: not root, or what was found cannot be written.
    """
    with exclusive(paths.RUN / "lists.lock", 60.0):
        asked = ASKED[site.filter]
        with ThreadPoolExecutor(len(asked)) as pool:
            said = dict(zip(asked, pool.map(_ask, asked), strict=True))
        before = last() or Found(0.0, {})
        now = time.time()
        if all(silent(one, answer) for one, answer in said.items()):
            # Rather our own network than all of them: what was found before goes on.
            found = Found(now, before.lists, silence=True)
        else:
            found = Found(now, {one.zone: _standing(one, said[one], before, now) for one in asked})
        _switch(found, note)
        return _told(site, found, note)


def _standing(one: BlockList, said: Said, before: Found, now: float) -> Standing:
    old, why = before.lists.get(one.zone, Standing()), fault(one, said)
    if bool(why) == bool(old.why):
        return Standing(why, old.since, old.told)
    return Standing(why, now, told=False)


def _switch(found: Found, note: Callable[[str], None]) -> None:
    """Have unbound keep the lists that are off from the filters: now, and after its next start."""
    off = [zone for zone, one in found.lists.items() if one.why]
    text = "".join(f'local-zone: "{zone}." always_nxdomain\n' for zone in off)
    write_atomic(paths.LISTS_OFF, f"# Written by posthouse: lists that answer wrongly.\n{text}".encode())
    every = {one.zone for asked in ASKED.values() for one in asked} | set(found.lists)
    for zone in sorted(every):
        verb = (
            ("view_local_zone", VIEW, zone, "always_nxdomain")
            if zone in off
            else (
                "view_local_zone_remove",
                VIEW,
                zone,
            )
        )
        try:
            run(["/usr/sbin/unbound-control", *verb], timeout=30)
        except CommandFailed as error:
            note(f"unbound learns of the lists at its next start: {error.message.splitlines()[0]}")
            break


def _told(site: Site, found: Found, note: Callable[[str], None]) -> Found:
    """Tell the postmaster what he does not know yet, and write down what was found."""
    new = {zone: one for zone, one in found.lists.items() if not one.told}
    if new:
        from posthouse.agent import tell

        lines = [f"  {zone} {one.why or 'answers rightly again'}" for zone, one in sorted(new.items())]
        off = sorted(zone for zone, one in new.items() if one.why)
        subject = f"block lists switched off: {', '.join(off)}" if off else "block lists are asked again"
        text = "\n".join([*lines, "", *_EXPLAINED, ""])
        try:
            asyncio.run(tell.postmaster(site.domain, subject, text))
        except (OSError, TimeoutError, EOFError) as error:
            note(f"the postmaster is told next time: {error}")
        else:
            found = Found(
                found.when,
                {zone: Standing(one.why, one.since) for zone, one in found.lists.items()},
                found.silence,
            )
    write_atomic(paths.LISTS, (json.dumps(asdict(found), indent=1) + "\n").encode())
    return found


_EXPLAINED = (
    "What a list that is off says counts nothing; mail is judged by everything else. It is asked again every day,",
    "and switched on when it is right. Now: posthouse spam lists --check",
)


def _ask(one: BlockList) -> Said:
    listed = _addresses(f"{one.listed}.{one.zone}.")
    unlisted = None if listed is None else _addresses(f"{one.unlisted}.{one.zone}.")
    # (our unbound keeps "you are not welcome" to itself, and may say nothing at all: the words beside it tell)
    words = () if listed else _answer(f"{one.listed}.{one.zone}.", "TXT")
    return Said(listed, unlisted, " ".join(words or ()))


def _addresses(name: str) -> tuple[str, ...] | None:
    return _answer(name, "A")


def _answer(name: str, kind: str) -> tuple[str, ...] | None:
    """Return what our resolver says of a name, whether the list is off or not; None where it gets no answer."""
    query = dns.message.make_query(name, kind)
    for _ in range(2):  # a datagram may be lost, and a slow list have answered meanwhile
        try:
            reply, _tcp = dns.query.udp_with_fallback(query, ask.LOCAL, timeout=_SECONDS, source=_SOURCE)
        except (dns.exception.DNSException, OSError, ValueError):
            continue
        if reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            wanted = dns.rdatatype.from_text(kind)
            return tuple(
                ask.text_of(record) for rrset in reply.answer if rrset.rdtype == wanted for record in rrset
            )[:20]
    return None
