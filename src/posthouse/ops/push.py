"""DNS changed at the name server or provider that takes our records, so that it shows what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from posthouse import paths
from posthouse.dns import push, written
from posthouse.dns.check import passes
from posthouse.dns.push import Plan
from posthouse.dns.record import Record
from posthouse.dns.written import Written
from posthouse.errors import UsageError
from posthouse.host.lock import exclusive
from posthouse.host.secret_file import read_password

if TYPE_CHECKING:
    from posthouse.site.model import Site

Note = Callable[[str], None]
_LOCK = paths.STATE / "dns-written.lock"
_WAIT = 120.0  # seconds that one waits for another's changes


class Place(Protocol):
    """Where records are published: `dns.update.Server`, `dns.octodns.Provider`."""

    def shown(self, name: str, kind: str) -> tuple[str, ...] | None:
        """Return what stands there; None where that is another server's matter."""

    def change(self, add: Iterable[Record], remove: Iterable[Written]) -> None:
        """Make the changes, if what `shown` said is still so."""


def place(site: Site, note: Note = lambda _: None) -> Place:
    """Return the name server of `[dns.update]`, or the provider of `[dns.octodns]`.

    `note` is told what takes its time.

    Raises:
        UsageError: there is none, a secret cannot be read, or the provider does not take its settings.
        PosthouseError: octoDNS cannot be installed.
    """
    if site.dns.update is not None:
        from posthouse.dns import update

        path = Path(site.dns.update.secret_file)
        return update.Server(site.dns.update, read_password(path, "dns.update.secret_file"))
    if (table := site.dns.octodns) is not None:
        from posthouse.ops import extra

        secrets = {
            name: read_password(Path(path), f"dns.octodns.secrets.{name}")
            for name, path in table.secrets.items()
        }
        extra.octodns(note)
        from posthouse.dns import octodns

        return octodns.Provider(table, secrets)
    raise UsageError(
        "No name server or provider that takes our records is in the site file.",
        "Add [dns.update] or [dns.octodns] to it (docs/dns.md); or paste what `posthouse dns zone` prints.",
    )


def plan(site: Site, at: Place, records: Iterable[Record], stale: Callable[[Written], bool]) -> Plan:
    """Compare what the server shows with what is wanted; `stale` as in `dns.push.plan`. PosthouseError."""
    records = tuple(records)

    def spf(text: str) -> tuple[str, str, str] | None:
        return passes(site, site.domain, text)

    return push.plan(records, at.shown, written.read(), spf, stale)


def carry_out(at: Place, what: Plan) -> None:
    """Make the changes. What is added is noted before as ours: a run that is killed knows it again.

    Raises:
        PosthouseError: the server cannot be reached or refuses; said again, it goes on from there.
    """
    with exclusive(_LOCK, _WAIT):
        ours = written.read() | {Written(record.name, record.type, record.value) for record in what.add}
        written.note(ours)
        at.change(what.add, what.remove)
        written.note(ours - set(what.remove))


def one(site: Site, record: Record, *, there: bool) -> bool:
    """Publish one record, or remove it if Posthouse wrote it; tell whether that changed anything. PosthouseError."""
    at = place(site)
    found = plan(
        site,
        at,
        [record] if there else [],
        lambda old: not there and old == Written(record.name, record.type, record.value),
    )
    if not found.empty:
        carry_out(at, found)
    return not found.empty
