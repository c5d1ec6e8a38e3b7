"""DKIM keys rotated: each domain taken as far as DNS and the clock allow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from posthouse.dkim import keys, rotation
from posthouse.dkim.rotation import Seen, Step
from posthouse.dns import ask, records
from posthouse.dns.judge import judge
from posthouse.dns.record import TTL, Record

if TYPE_CHECKING:
    from posthouse.site.model import Site

_STEPS = 10  # of one domain in one run at most


def rotate(site: Site, domain: str, anew: bool) -> tuple[Step, ...]:
    """Take a domain on, and return the steps, the last of them where it waits or ends.

    Args:
        site: whose DNS settings are looked at.
        domain: a mail domain with a key.
        anew: begin where nothing is under way; else the only step is "settled".

    Raises:
        PosthouseError: a file cannot be read or written, the domain has no key, or the name server that takes
            updates does not.
    """
    ask.forget()
    steps: list[Step] = []
    asked = False
    for _ in range(_STEPS):
        step = rotation.advance(domain, lambda key: _look(site, key), time.time)
        if step.stage == "settled" and anew and not steps:
            rotation.begin(domain)
            anew = False
            continue
        if step.stage == "settled" and steps:
            break
        if step.stage in ("publish", "withdraw") and step.key is not None and not asked:
            asked = True
            there = step.stage == "publish"
            if any([_published(site, key, there=there) for key in step.both]):  # each of them is to be tried
                continue
        steps.append(step)
        if step.stage not in ("switched", "withdrawn"):
            break
    return tuple(steps)


def due(site: Site, domain: str) -> bool:
    """Tell whether a domain is to be taken on without anybody asking: under way, or its key old enough.

    PosthouseError where the keys cannot be read.
    """
    if under_way(domain):
        return True
    signing = keys.signing(domain)
    key = keys.one(domain, signing) if signing else None
    if key is None or site.dkim.rotate_days is None:
        return False
    return time.time() - key.path.stat().st_mtime >= site.dkim.rotate_days * 86_400.0


def _published(site: Site, key: keys.Key, *, there: bool) -> bool:
    """Publish a key's record, or remove it, where the site file names who takes it.

    True where that changed anything: it is looked at anew then.
    """
    if not site.dns.pushed:
        return False
    from posthouse.ops import push

    if push.one(site, _record(site, key), there=there):
        ask.forget()
        return True
    return False


def _record(site: Site, key: keys.Key) -> Record:
    return next(one for one in records.of_domain(site, key.domain, [key]) if one.role == "dkim")


def under_way(domain: str) -> bool:
    """Tell whether a rotation of the domain is not at its end. PosthouseError."""
    return domain in rotation.rotations()


def _look(site: Site, key: keys.Key) -> Seen:
    """What the domain's own servers show of a key, and the resolvers of the site file where they can be reached."""
    wanted = _record(site, key)
    states, said = set(), []
    for answer in ask.authoritative(wanted.name, wanted.type):
        if answer.failure:
            states.add("unknown")
            said.append(f"{answer.server} {answer.failure}")
            continue
        judgement = judge(wanted, answer.values, _no_spf)
        states.add("ok" if judgement.state == "warning" else judgement.state)
        if judgement.state not in ("ok", "warning"):
            said.append(f"{answer.server}: {judgement.detail or judgement.state}")
    if states != {"ok"}:
        return Seen(False if states == {"missing"} else None, "; ".join(said))
    for address in site.dns.resolvers:
        answer = ask.of(address, wanted.name, wanted.type)
        if not answer.failure and judge(wanted, answer.values, _no_spf).state not in ("ok", "warning"):
            return Seen(None, f"{address} does not show it yet")
    return Seen(True, remembered=_remembered(wanted))


def _remembered(wanted: Record) -> float:
    try:
        longest = ask.forgotten_after(wanted.name)
    except ask.Failed:
        longest = float(TTL)
    return max(longest, *(float(answer.ttl) for answer in ask.authoritative(wanted.name, wanted.type)))


_no_spf: Callable[[str], None] = lambda _: None  # noqa: E731  (no SPF record is judged here)
