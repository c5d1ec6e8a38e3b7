"""What to change in DNS: nobody else's records, and in the end what is wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.dns import push
from posthouse.dns.push import Plan
from posthouse.dns.record import Record
from posthouse.dns.written import Written

MX = Record("snorl.ax.", "MX", "10 mail.snorl.ax.", "", "mx")
SPF = Record("snorl.ax.", "TXT", "v=spf1 mx -all", "", "spf")
A = Record("mail.snorl.ax.", "A", "198.51.100.7", "", "address")
WANTED = (MX, SPF, A)
WORDS = ("v=spf1 mx -all", "v=spf1 ip4:192.0.2.1 -all", "a word of somebody else", "v=spf1 +all")
VALUES = {
    ("snorl.ax.", "MX"): ("10 mail.snorl.ax.", "5 mail.snorl.ax.", "5 elsewhere.example."),
    ("snorl.ax.", "TXT"): WORDS,
    ("mail.snorl.ax.", "A"): ("198.51.100.7", "192.0.2.1"),
    ("old._domainkey.snorl.ax.", "TXT"): ("v=DKIM1; p=AAAA",),
}


def no_spf(text: str) -> tuple[str, str, str] | None:
    return None if "mx" in text else ("198.51.100.7", "fail", "")


def plan(zone: dict[tuple[str, str], set[str]], written: frozenset[Written]) -> Plan:
    def shown(name: str, kind: str) -> tuple[str, ...]:
        return tuple(sorted(zone.get((name, kind), ())))

    return push.plan(WANTED, shown, written, no_spf, lambda _: True)


def carried_out(zone: dict[tuple[str, str], set[str]], found: Plan) -> dict[tuple[str, str], set[str]]:
    after = {place: set(values) for place, values in zone.items()}
    for old in found.remove:
        after[old.name, old.type].remove(old.value)
    for record in found.add:
        after.setdefault((record.name, record.type), set()).add(record.value)
    return after


places = st.fixed_dictionaries({place: st.sets(st.sampled_from(values)) for place, values in VALUES.items()})
ours = st.frozensets(
    st.sampled_from([Written(*place, value) for place, values in VALUES.items() for value in values])
)


@given(places, ours)
def test_whatever_stands_there(zone: dict[tuple[str, str], set[str]], written: frozenset[Written]) -> None:
    found = plan(zone, written)
    after = carried_out(zone, found)
    for place, values in zone.items():
        others = {value for value in values if Written(*place, value) not in written}
        assert others <= after[place]  # what others wrote is there, whatever happens
    now = (written | {Written(one.name, one.type, one.value) for one in found.add}) - set(found.remove)
    again = plan(after, frozenset(now))
    assert again.empty  # once is enough
    assert again.in_the_way == found.in_the_way
    blocked = {way.record for way in found.in_the_way}
    for record in WANTED:
        if record not in blocked:
            values = after.get((record.name, record.type), set())
            judged = push.judge(record, tuple(sorted(values)), no_spf)
            assert judged.state in ("ok", "warning") or record.value in values


def test_an_empty_zone_gets_all() -> None:
    assert plan({}, frozenset()) == Plan(WANTED, (), (), ())


def test_what_is_ours_and_not_wanted_any_more_goes() -> None:
    old = Written("old._domainkey.snorl.ax.", "TXT", "v=DKIM1; p=AAAA")
    zone = {(old.name, old.type): {old.value}}
    assert plan(zone, frozenset({old})).remove == (old,)
    assert plan(zone, frozenset()).remove == ()


def test_what_another_server_answers_for_is_said() -> None:
    found = push.plan(WANTED, lambda _name, _kind: None, frozenset(), no_spf, lambda _: True)
    assert found.elsewhere == WANTED
    assert found.empty


@pytest.mark.parametrize("text", ["[1]", "{", '["a"]', "7"])
def test_a_broken_note_is_told(tmp_path: object, text: str) -> None:
    from pathlib import Path

    from posthouse.dns import written
    from posthouse.errors import PosthouseError

    path = Path(str(tmp_path)) / "written.json"
    assert written.read(path) == frozenset()
    path.write_text(text)
    with pytest.raises(PosthouseError, match="expected what posthouse wrote"):
        written.read(path)


def test_a_cname_is_not_put_beside_other_records() -> None:
    name = Record("mta-sts.snorl.ax.", "CNAME", "mail.snorl.ax.", "", "web-name")

    def found(zone: dict[tuple[str, str], tuple[str, ...]]) -> Plan:
        return push.plan((A, name), lambda *at: zone.get(at, ()), frozenset(), no_spf, lambda _: True)

    there = {("mail.snorl.ax.", "A"): (A.value,)}
    assert found(there).add == (name,)
    assert found({**there, ("mta-sts.snorl.ax.", "A"): (A.value,)}) == Plan((), (), (), ())
    (way,) = found({**there, ("mta-sts.snorl.ax.", "A"): ("192.0.2.1",)}).in_the_way
    assert way.values == ("192.0.2.1",)
    assert not found({**there, ("mta-sts.snorl.ax.", "A"): ("192.0.2.1",)}).add
