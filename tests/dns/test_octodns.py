"""Records pushed through octoDNS, here into its zone files: nobody else's records, and in the end what is wanted."""

from __future__ import annotations

from pathlib import Path

import octodns.provider.yaml
import octodns.record.txt
import pytest
import yaml

from posthouse.dns import push
from posthouse.dns.octodns import Provider
from posthouse.dns.push import Plan
from posthouse.dns.record import Record
from posthouse.dns.written import Written
from posthouse.errors import PosthouseError, UsageError
from posthouse.site.octodns import Octodns

FILES = "octodns.provider.yaml.YamlProvider"
KEY = "v=DKIM1; k=rsa; p=" + "Ab+/" * 98
WANTED = (
    Record("snorl.ax.", "MX", "10 mail.snorl.ax.", "", "mx"),
    Record("snorl.ax.", "TXT", "v=spf1 mx -all", "", "spf"),
    Record("mail.snorl.ax.", "A", "198.51.100.7", "", "address"),
    Record("202611._domainkey.snorl.ax.", "TXT", KEY, "", "dkim"),
    Record("_imaps._tcp.snorl.ax.", "SRV", "0 1 993 mail.snorl.ax.", "", "srv"),
    Record("_25._tcp.mail.snorl.ax.", "TLSA", f"3 1 1 {'ab' * 32}", "", "tlsa"),
    Record("mail.snorl.ax.", "CAA", '0 issue "letsencrypt.org"', "", "caa"),
    Record("mta-sts.snorl.ax.", "CNAME", "mail.snorl.ax.", "", "web-name"),
)
THERE = """\
---
? ''
: - type: NS
    values: [ns1.elsewhere.example., ns2.elsewhere.example.]
  - ttl: 7
    type: TXT
    value: 'a word of somebody else\\; 1'
www:
  ttl: 60
  type: A
  value: 192.0.2.1
"""


class Zone:
    """A zone file of octoDNS."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "snorl.ax.yaml"
        self.path.write_text(THERE)

    def provider(self, *zones: str) -> Provider:
        settings = {"directory": str(self.folder), "escaped_semicolons": True}
        return Provider(Octodns.model_construct(provider=FILES, zones=list(zones), settings=settings), {})

    def plan(self, at: Provider, written: frozenset[Written], records: tuple[Record, ...] = WANTED) -> Plan:
        return push.plan(records, at.shown, written, lambda _: None, lambda _: True)

    @property
    def content(self) -> dict[str, object]:
        return dict(yaml.safe_load(self.path.read_text()))


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    return Zone(tmp_path)


def ours(records: tuple[Record, ...]) -> frozenset[Written]:
    return frozenset(Written(one.name, one.type, one.value) for one in records)


def test_all_comes_there_and_nothing_else_is_touched(zone: Zone) -> None:
    before = zone.content
    at = zone.provider()
    found = zone.plan(at, frozenset())
    assert (found.add, found.remove, found.in_the_way) == (WANTED, (), ())
    at.change(found.add, found.remove)

    fresh = zone.provider()
    for record in WANTED:
        assert record.value in (fresh.shown(record.name, record.type) or ())
    assert zone.plan(fresh, ours(WANTED)).empty
    after = zone.content
    assert after["www"] == before["www"]
    apex = {one["type"]: one for one in after[""]}  # type: ignore[attr-defined]
    assert apex["NS"]["values"] == ["ns1.elsewhere.example.", "ns2.elsewhere.example."]
    assert "a word of somebody else\\; 1" in apex["TXT"]["values"]
    assert apex["TXT"]["ttl"] == 7  # which is theirs too

    fresh.change((), ours(WANTED))
    assert zone.content == before


def test_what_another_hand_wrote_is_in_the_way(zone: Zone) -> None:
    mx = Record("snorl.ax.", "MX", "5 elsewhere.example.", "", "mx")
    zone.provider().change([mx], ())
    found = zone.plan(zone.provider(), frozenset())
    assert [way.values for way in found.in_the_way] == [("5 elsewhere.example.",)]
    assert WANTED[0] not in found.add
    assert zone.plan(zone.provider(), ours((mx,))).remove == tuple(ours((mx,)))


@pytest.mark.parametrize(
    ("old", "new"),
    [("192.0.2.1", "192.0.2.2"), ("word", "line")],
    ids=["elsewhere", "in the same place"],
)
def test_what_changed_since_it_was_looked_at_is_not_undone(zone: Zone, old: str, new: str) -> None:
    at = zone.provider()
    found = zone.plan(at, frozenset())
    changed = THERE.replace(old, new)
    assert changed != THERE
    zone.path.write_text(changed)
    with pytest.raises(PosthouseError, match=r"nothing was changed in snorl\.ax") as error:
        at.change(found.add, found.remove)
    assert "say the same again" in str(error.value)
    assert zone.path.read_text() == changed


def test_what_it_does_not_hold_is_left_alone(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    at = zone.provider()
    assert at.shown("7.100.51.198.in-addr.arpa.", "PTR") is None
    assert at.shown("snorl.ax.example.", "TXT") is None
    assert zone.provider("gone.example").shown("gone.example.", "TXT") is None
    monkeypatch.setattr(octodns.provider.yaml.YamlProvider, "SUPPORTS", {"TXT"})
    assert at.shown("snorl.ax.", "MX") is None  # the module has no such type


@pytest.mark.parametrize(
    "value", ["caf\xe9 \x1b[31m", '"', "\\", "\\;", "x" * 600, "a\tb", "\\226\\128\\174"]
)
def test_whatever_others_wrote_stays(zone: Zone, value: str) -> None:
    records = {"": {"type": "TXT", "value": value}}
    zone.path.write_text(yaml.safe_dump(records))
    at = zone.provider()
    found = zone.plan(at, frozenset(), WANTED[:2])
    assert all(char.isprintable() for text in at.shown("snorl.ax.", "TXT") or () for char in text)
    if value == '"':  # for octoDNS an empty one, which it would leave out
        with pytest.raises(PosthouseError, match="would lose a value"):
            at.change(found.add, found.remove)
        assert yaml.safe_load(zone.path.read_text()) == records
        return
    at.change(found.add, found.remove)
    (texts,) = [one for one in zone.content[""] if one["type"] == "TXT"]  # type: ignore[attr-defined]
    assert "v=spf1 mx -all" in texts["values"]
    before = octodns.record.txt.TxtValue.process([value])[0]
    assert before in texts["values"]


def test_no_such_module_and_settings_that_it_does_not_take(zone: Zone) -> None:
    with pytest.raises(UsageError, match=r"there is no octodns_nowhere\.Provider here"):
        Provider(Octodns(provider="octodns_nowhere.Provider"), {})
    with pytest.raises(UsageError, match="does not take these settings") as error:
        Provider(Octodns.model_construct(provider=FILES, settings={"nonsense": 1}), {})
    assert "\n" not in error.value.message


def test_what_a_module_raises_is_said_without_secrets_and_foreign_bytes(
    zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> bool:
        raise RuntimeError("401 for https://api.example/?key=s3cret \x1b[31mred\nand more")

    monkeypatch.setattr(octodns.provider.yaml.YamlProvider, "populate", fails)
    table = Octodns.model_construct(provider=FILES, zones=["snorl.ax"], settings={})
    at = Provider(table, {"directory": "s3cret"})
    with pytest.raises(PosthouseError, match=r"could not say what is in snorl.ax") as error:
        at.shown("snorl.ax.", "TXT")
    assert "s3cret" not in str(error.value)
    assert "key=(secret) [31mred and more" in error.value.message
