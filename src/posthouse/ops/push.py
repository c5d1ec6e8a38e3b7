"""DNS changed at the name server that takes updates, so that it shows what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from posthouse.dns import push, written
from posthouse.dns.check import passes
from posthouse.dns.push import Plan
from posthouse.dns.records import Record
from posthouse.dns.written import Written
from posthouse.errors import UsageError
from posthouse.host.secret_file import read_password

if TYPE_CHECKING:
    from posthouse.dns.update import Server
    from posthouse.site.model import Site


def server(site: Site) -> Server:
    """Return the name server of `[dns.update]`. UsageError where there is none, or its secret cannot be read."""
    from posthouse.dns import update

    if site.dns.update is None:
        raise UsageError(
            "No name server that takes updates is in the site file.",
            "Add [dns.update] to it (posthouse config reference); or paste what `posthouse dns zone` prints.",
        )
    path = Path(site.dns.update.secret_file)
    return update.Server(site.dns.update, read_password(path, "dns.update.secret_file"))


def plan(site: Site, at: Server, records: Iterable[Record], stale: Callable[[Written], bool]) -> Plan:
    """Compare what the server shows with what is wanted; `stale` as in `dns.push.plan`. PosthouseError."""
    records = tuple(records)

    def spf(text: str) -> tuple[str, str, str] | None:
        return passes(site, site.domain, text)

    return push.plan(records, at.shown, written.read(), spf, stale)


def carry_out(at: Server, what: Plan) -> None:
    """Make the changes. What is added is noted before as ours: a run that is killed knows it again.

    Raises:
        PosthouseError: the server cannot be reached or refuses; said again, it goes on from there.
    """
    ours = written.read() | {Written(record.name, record.type, record.value) for record in what.add}
    written.note(ours)
    at.change(what.add, what.remove)
    written.note(ours - set(what.remove))


def one(site: Site, record: Record, *, there: bool) -> bool:
    """Publish one record, or remove it if Posthouse wrote it; tell whether that changed anything. PosthouseError."""
    at = server(site)
    found = plan(
        site,
        at,
        [record] if there else [],
        lambda old: not there and old == Written(record.name, record.type, record.value),
    )
    if not found.empty:
        carry_out(at, found)
    return not found.empty
