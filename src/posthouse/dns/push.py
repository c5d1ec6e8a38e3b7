"""What to change in DNS so that it shows what is wanted: pure, of what is wanted, what is shown, and what was written.

A record that Posthouse did not write stays as it is. Where one means what is wanted, nothing is to do; where it says
otherwise, it is in the way, and the operator hears of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from posthouse.dns.judge import SpfCheck, judge
from posthouse.dns.record import Record
from posthouse.dns.written import Written

# (name, type) -> the values there; None where this server does not answer for the name
Shown = Callable[[str, str], tuple[str, ...] | None]


@dataclass(frozen=True)
class InTheWay:
    """A wanted record, and what stands in its place that Posthouse did not write."""

    record: Record
    values: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What to add, what to remove (of our own), what cannot be done, and what is another server's matter."""

    add: tuple[Record, ...]
    remove: tuple[Written, ...]
    in_the_way: tuple[InTheWay, ...]
    elsewhere: tuple[Record, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to change."""
        return not self.add and not self.remove


def plan(
    records: Iterable[Record],
    shown: Shown,
    written: frozenset[Written],
    spf: SpfCheck,
    stale: Callable[[Written], bool],
) -> Plan:
    """Compare.

    Args:
        records: all that are wanted, or some of them.
        shown: what the server that is to be changed has now.
        written: what Posthouse wrote there.
        spf: as in `judge`.
        stale: tells of a written record, whose name and type none of `records` has, whether it is to go.
    """
    add: list[Record] = []
    remove: list[Written] = []
    in_the_way: list[InTheWay] = []
    elsewhere: list[Record] = []
    records = tuple(records)
    wanted = {(record.name, record.type) for record in records}
    ours = {record.value for record in records if record.role == "address"}
    for record in records:
        # Two may stand at one name: the keys of TLSA, in use and next.
        together = {one.value for one in records if (one.name, one.type) == (record.name, record.type)}
        values = shown(record.name, record.type)
        if values is None:
            elsewhere.append(record)
            continue
        if record.type == "CNAME" and not values and (others := _beside_cname(record, shown)):
            # No other record may stand there (RFC 1034 section 3.6.2): one that leads to the same place is fine.
            if not set(others) <= ours:
                in_the_way.append(InTheWay(record, others))
            continue
        mine = {value for value in values if Written(record.name, record.type, value) in written}
        if record.value in values:
            remove += [Written(record.name, record.type, value) for value in sorted(mine - together)]
            continue
        others = tuple(value for value in values if value not in mine | together and _competes(record, value))
        if others:
            if judge(record, values, spf).state not in ("ok", "warning"):
                in_the_way.append(InTheWay(record, others))
            continue
        remove += [Written(record.name, record.type, value) for value in sorted(mine - together)]
        add.append(record)
    for one in sorted(written):
        if (one.name, one.type) not in wanted and stale(one):
            values = shown(one.name, one.type)
            if values is not None and one.value in values:
                remove.append(one)
    return Plan(tuple(add), tuple(dict.fromkeys(remove)), tuple(in_the_way), tuple(elsewhere))


def _beside_cname(record: Record, shown: Shown) -> tuple[str, ...]:
    return tuple(value for kind in ("A", "AAAA", "TXT") for value in shown(record.name, kind) or ())


def _competes(record: Record, value: str) -> bool:
    """Whether a value at the same name says something of the same matter: a TXT may be somebody else's."""
    if record.role in ("spf", "host-spf"):
        return re.match(r"v=spf1( |$)", value, re.IGNORECASE) is not None
    if record.role == "mta-sts":
        return re.match(r"v=STSv1\s*;", value) is not None
    if record.role == "challenge":
        return False  # others may be ordering for the same name
    if record.role == "dmarc":
        return re.match(r"v\s*=\s*DMARC1", value) is not None
    return True
