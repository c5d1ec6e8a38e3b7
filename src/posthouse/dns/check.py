"""Every wanted record against what is published: all servers that answer for it, and the resolvers that others use."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from posthouse.dns import ask, show
from posthouse.dns import spf as receiver
from posthouse.dns.judge import STATES, Judgement, State, beside, judge, leads_here
from posthouse.dns.record import Record

if TYPE_CHECKING:
    from posthouse.site.model import Site

_TOGETHER = 16  # records looked at at once


@dataclass(frozen=True)
class Finding:
    """What is published in place of one record; `detail` says what is not as it should be, "" where all is."""

    record: Record
    state: State
    detail: str

    def as_json(self) -> dict[str, Any]:
        """Return the record as `dns json` shows it, with `state` and `detail`."""
        return {**show.plain(self.record), "state": self.state, "detail": self.detail}


def look(site: Site, records: Iterable[Record]) -> tuple[Finding, ...]:
    """Check records; a server that does not answer delays by seconds, and fails nothing."""
    ask.forget()
    with ThreadPoolExecutor(_TOGETHER) as pool:
        return tuple(pool.map(lambda record: _look(site, record), records))


def fine(findings: Iterable[Finding]) -> bool:
    """Tell whether all that is required was seen to be right."""
    return all(found.state in ("ok", "warning") for found in findings if found.record.level == "required")


def _look(site: Site, record: Record) -> Finding:
    if record.role == "web-name" and (site.network.ipv4 or site.network.ipv6):
        return _look_where(site, record)
    found = _look_at(site, record)
    if record.role == "mta-sts" and found.state == "ok":
        answers = ask.authoritative(record.name.partition(".")[2], "MX")
        values = tuple({value for answer in answers for value in answer.values})
        judged = beside(values, site.mail_exchangers, site.web.mta_sts)
        return Finding(record, judged.state, judged.detail)
    return found


def _look_where(site: Site, record: Record) -> Finding:
    """A name that must lead here: by a CNAME as it is wanted, or by addresses."""
    answers = [answer for kind in ("A", "AAAA") for answer in ask.authoritative(record.name, kind)]
    said = "; ".join(f"{answer.server} {answer.failure}" for answer in answers if answer.failure)
    if all(answer.failure for answer in answers):
        return Finding(record, "unknown", said)
    ours = {str(ip_address(one)) for one in (site.network.ipv4, site.network.ipv6) if one is not None}
    shown = tuple(sorted({value for answer in answers for value in answer.values}))
    judged = leads_here(record, shown, ours)
    return Finding(record, judged.state, "; ".join(filter(None, (judged.detail, said))))


def _look_at(site: Site, record: Record) -> Finding:
    own = ask.authoritative(record.name, record.type)
    judged = [(answer, _judged(site, record, answer)) for answer in own]
    answered = [(answer, judgement) for answer, judgement in judged if not answer.failure]
    if not answered:
        return Finding(record, "unknown", "; ".join(_said(answer, judgement) for answer, judgement in judged))
    if record.role == "tlsa" and all(judgement.state == "missing" for _, judgement in answered):
        # Never recommended where nobody would believe it (RFC 7672 section 2.2).
        signed = ask.is_signed(record.name)
        if not signed:
            unsure = "it is not known whether the zone is signed (DNSSEC)"
            unsigned = "not needed: the zone is not signed (DNSSEC), so nobody looks for it"
            return Finding(record, "ok", unsigned if signed is False else unsure)
    worst = max((judgement for _, judgement in answered), key=lambda judgement: STATES.index(judgement.state))
    agreed = all(judgement == worst for _, judgement in answered)
    if agreed:
        details = [worst.detail]
    else:
        details = [_said(answer, judgement) for answer, judgement in answered if judgement.state != "ok"]
    details += [_said(answer, judgement) for answer, judgement in judged if answer.failure]
    state = worst.state
    if state in ("ok", "warning"):
        for address in site.dns.resolvers:
            answer = ask.of(address, record.name, record.type)
            judgement = _judged(site, record, answer)
            if answer.failure:
                details.append(f"unknown what {address} shows: it {answer.failure}")
            elif judgement.state != "ok" and judgement != worst:
                state = "warning"
                details.append(f"{address} does not show it yet")
    return Finding(record, state, "; ".join(detail for detail in details if detail))


def _judged(site: Site, record: Record, answer: ask.Answer) -> Judgement:
    if answer.failure:
        return Judgement("unknown", answer.failure)

    return judge(record, answer.values, lambda text: passes(site, record.name, text))


def passes(site: Site, name: str, text: str) -> tuple[str, str, str] | None:
    """Return the first of our addresses that an SPF record at a name does not pass, its result and why; else None."""
    for address in (site.network.ipv4, site.network.ipv6):
        if address is not None:
            verdict = receiver.verdict(text, name, address, site.hostname)
            if verdict.result != "pass":
                return address, verdict.result, verdict.why
    return None


def _said(answer: ask.Answer, judgement: Judgement) -> str:
    if answer.failure:
        return f"{answer.server} {answer.failure}"
    return f"{answer.server}: {judgement.detail or judgement.state}"
