"""The DNS of a network: a signed root, any number of zones below it, and a resolver that knows no other.

`nsd` answers for the root and all zones at `NAMES4`/`NAMES6`, to which the gateway also bends every query
for an address outside, so that a recursing resolver in a machine works as it would anywhere. For machines
without one, `unbound` resolves at `RESOLVER4`/`RESOLVER6`, validates, and remembers nothing.

Zones are what callers give plus SOA, NS, delegations and signatures. A change is in force when the call
returns (for those who ask anew: a resolver inside a machine remembers for as long as the TTL says).
"""

import json
import re
import time
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

import dns.dnssec
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdataset
import dns.rdatatype
import dns.reversename
import dns.zone
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from posthouse.lab import anchor, netns
from posthouse.lab.errors import LabError, call
from posthouse.lab.lock import locked
from posthouse.lab.paths import NAMES4, NAMES6, RESOLVER4
from posthouse.lab.wait import until

# Our name servers' own name, in the root zone itself: no zone that a test might want.
_SERVER = "ns.lab-names.net."
_REVERSE = ("18.198.in-addr.arpa.", "19.198.in-addr.arpa.", "0.0.0.0.2.0.0.0.1.0.0.2.ip6.arpa.")
_SILENT = "nobody answers for this zone"
_ELSEWHERE = "another server answers for this zone"
_UNSIGNED = "this zone is not signed"
_ROOT = f"""
. 86400 NS a.root-servers.net.
a.root-servers.net. 86400 A 198.41.0.4
a.root-servers.net. 86400 AAAA 2001:503:ba3e::2:30
{_SERVER} 86400 A {NAMES4}
{_SERVER} 86400 AAAA {NAMES6}
"""


class Names:
    """The zones of one network; `Network.dns`."""

    def __init__(self, folder: Path, gateway: str) -> None:
        self.folder = folder / "dns"
        self._gateway = gateway
        self._state = self.folder / "zones.json"

    # -- what callers want ----------------------------------------------------------------------------

    def set_zone(self, origin: str, records: str | Iterable[str], *, signed: bool = True) -> None:
        """Put a zone in place, instead of the one of this name that may be there.

        Args:
            origin: the zone's name, e.g. "snorl.ax"; delegated by the nearest zone above, or the root.
            records: lines of a master file (RFC 1035, section 5). Relative names are below `origin`, the
                TTL is 60 s where none is given; SOA and NS are added unless they are there.
            signed: whether its answers can be validated.

        Raises:
            LabError: the records cannot be read.
        """
        text = records if isinstance(records, str) else "\n".join(records)
        if not signed:
            text = f"; {_UNSIGNED}\n{text}"
        name = _name(origin).to_text()
        _parse(name, text)
        self._change(zones={name: text})

    def set_silent(self, origin: str, address: str) -> None:
        """Delegate a zone to a name server at an address that answers nothing, instead of what may be there."""
        server = f"ns.{_name(origin).to_text()}"
        kind = "AAAA" if ":" in address else "A"
        self.set_zone(origin, [f"; {_SILENT}", f"@ NS {server}", f"{server} {kind} {address}"])

    def delegate(self, origin: str, addresses: Iterable[str]) -> None:
        """Delegate a zone, unsigned, to a name server elsewhere, ns.ORIGIN, instead of what may be there."""
        server = f"ns.{_name(origin).to_text()}"
        glue = [f"{server} {'AAAA' if ':' in address else 'A'} {address}" for address in addresses]
        self.set_zone(origin, [f"; {_ELSEWHERE}", f"@ NS {server}", *glue])

    def remove_zone(self, origin: str) -> None:
        """Remove a zone and its delegation: its names do not exist any more."""
        self._change(zones={_name(origin).to_text(): None})

    def set_reverse(self, names: dict[str, str | None]) -> None:
        """Let addresses of the lab's ranges have these reverse names, or none."""
        self._change(ptr={str(ip_address(address)): name for address, name in names.items()})

    def set_ptr(self, address: str, name: str | None) -> None:
        """Let one address have this reverse name, or none."""
        self.set_reverse({address: name})

    def zones(self) -> dict[str, str]:
        """What was given to `set_zone`, by absolute name."""
        return dict(self._load()["zones"])

    def lookup(self, name: str, kind: str = "A") -> tuple[list[str], bool]:
        """Ask the network's resolver: the records' texts, sorted, and whether the answer was validated (AD).

        No such name and no such record are both an empty list.

        Raises:
            LabError: the resolver failed, or gave no answer.
        """
        query = dns.message.make_query(_name(name), kind, want_dnssec=True)
        try:
            with netns.entered(self._gateway):
                answer, _ = dns.query.udp_with_fallback(query, RESOLVER4, timeout=10)
        except (dns.exception.DNSException, OSError) as error:
            raise LabError(f"no answer for {name} {kind}: {error}") from error
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise LabError(f"the answer for {name} {kind} is {dns.rcode.to_text(answer.rcode())}")
        assert isinstance(answer, dns.message.QueryMessage)
        records = answer.resolve_chaining().answer
        return sorted(record.to_text() for record in records or []), bool(answer.flags & dns.flags.AD)

    # -- how it comes about ---------------------------------------------------------------------------

    def _load(self) -> dict[str, dict[str, str]]:
        empty: dict[str, dict[str, str]] = {"zones": {}, "ptr": {}}
        return json.loads(self._state.read_text()) if self._state.exists() else empty

    def _change(self, **changes: dict[str, str | None]) -> None:
        with locked(self.folder / "lock"):
            state = self._load()
            for table, entries in changes.items():
                for key, value in entries.items():
                    if value is None:
                        state[table].pop(key, None)
                    else:
                        state[table][key] = value
            self._state.write_text(json.dumps(state, indent=1))
            serial = self.write()
            call(["nsd-control", "-c", self.folder / "nsd.conf", "reconfig"])
            call(["nsd-control", "-c", self.folder / "nsd.conf", "reload"])
            until(lambda: self._serial() >= serial, 20, "the name server to load its zones")

    def _serial(self) -> int:
        try:
            records, _ = self.lookup(".", "SOA")
        except LabError:
            return 0
        return int(records[0].split()[2]) if records else 0

    def write(self) -> int:
        """Write all zones, signed, and the list of them for nsd; returns the serial of the root."""
        state = self._load()
        before = self.folder / "serial"
        serial = max(int(time.time()), int(before.read_text()) + 1 if before.exists() else 0)
        before.write_text(str(serial))
        texts = dict(state["zones"])
        for origin in _REVERSE:
            own = [ip for ip in state["ptr"] if _reverse(ip).is_subdomain(dns.name.from_text(origin))]
            lines = [f"{_reverse(ip)} PTR {dns.name.from_text(state['ptr'][ip])}" for ip in own]
            texts.setdefault(origin, "\n".join(lines))
        zones = {name: _parse(name, text) for name, text in {**texts, ".": _ROOT}.items()}
        for name, zone in zones.items():
            _complete(zone, serial)
            if name != ".":
                signed = not any(mark in texts[name] for mark in (_ELSEWHERE, _UNSIGNED))
                _delegate(zone, zones, signed=signed)
        listing = ""
        for name, zone in zones.items():
            if any(mark in texts.get(name, "") for mark in (_SILENT, _ELSEWHERE)):
                continue
            if _UNSIGNED not in texts.get(name, ""):
                _sign(zone)
            file = self.folder / f"zone-{quote(name, safe='')}"
            file.write_text(zone.to_text(want_origin=True, relativize=False))
            listing += f'zone:\n  name: "{name}"\n  zonefile: "{file}"\n'
        (self.folder / "zones.conf").write_text(listing)
        return serial


def _reverse(address: str) -> dns.name.Name:
    return dns.reversename.from_address(address)


def _parse(origin: str, text: str) -> dns.zone.Zone:
    try:
        return dns.zone.from_text(
            f"$TTL 60\n{text}\n", origin, relativize=False, check_origin=False, allow_include=False
        )
    except (dns.exception.DNSException, KeyError, ValueError) as error:
        where = re.sub(r"^<string>:(\d+)", lambda found: f"near line {int(found[1]) - 1}", str(error))
        raise LabError(f"records of zone {origin!r} cannot be read: {where}") from error


def _name(text: str) -> dns.name.Name:
    try:
        return dns.name.from_text(text)
    except dns.exception.DNSException as error:
        raise LabError(f"{text!r} is not a domain name: {error}") from error


def _complete(zone: dns.zone.Zone, serial: int) -> None:
    apex = zone.origin
    assert apex is not None
    if zone.get_rdataset(apex, "NS") is None:
        zone.replace_rdataset(apex, dns.rdataset.from_text("IN", "NS", 60, _SERVER))
    if zone.get_rdataset(apex, "SOA") is None:
        soa = f"{_SERVER} hostmaster.lab-names.net. {serial} 3600 600 86400 5"
        zone.replace_rdataset(apex, dns.rdataset.from_text("IN", "SOA", 60, soa))


def _delegate(zone: dns.zone.Zone, zones: dict[str, dns.zone.Zone], *, signed: bool) -> None:
    """Enter NS of a zone, and DS where it is signed, in the nearest zone above it."""
    apex = zone.origin
    assert apex is not None
    above = apex.parent()
    while above.to_text() not in zones:
        above = above.parent()
    servers = zone.get_rdataset(apex, "NS")
    assert servers is not None
    zones[above.to_text()].replace_rdataset(apex, dns.rdataset.from_rdata(60, *servers))
    for server in (record.target for record in servers):
        for kind in ("A", "AAAA"):
            if server.is_subdomain(apex) and (glue := zone.get_rdataset(server, kind)) is not None:
                zones[above.to_text()].replace_rdataset(server, dns.rdataset.from_rdata(60, *glue))
    if signed:
        zones[above.to_text()].replace_rdataset(apex, dns.rdataset.from_rdata(60, anchor.ds(apex)))


def _sign(zone: dns.zone.Zone) -> None:
    keys: list[tuple[dns.dnssec.PrivateKey, DNSKEY]] = [(anchor.private_key(), anchor.dnskey())]
    begin = time.time() - 3600
    dns.dnssec.sign_zone(zone, keys=keys, inception=begin, expiration=begin + 90 * 86400)
