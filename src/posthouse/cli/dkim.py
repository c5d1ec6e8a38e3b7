"""`posthouse dkim`: the keys of each domain, and their change. Live at the next message; nothing is reloaded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from posthouse import directory
from posthouse.cli import _directory, _output
from posthouse.errors import PosthouseError, UsageError

if TYPE_CHECKING:
    from posthouse.dkim.rotation import Step
    from posthouse.site.model import Site

_WAITS = 3


@click.group()
def dkim() -> None:
    """List DKIM keys, and take domains to new ones."""


@dkim.command("list")
@_directory.JSON
def list_(as_json: bool) -> None:
    """List the keys of all domains.

    JSON: a list of {"domain", "selector", "algorithm" (rsa or ed25519), "state", "until" (of a retired one, else
    null)}; state is signs, next or retired.
    """
    found = _keys()
    if as_json:
        _output.emit_json(found)
    elif found:
        rows = [(one["domain"], one["selector"], one["algorithm"], _words(one)) for one in found]
        _output.emit(_output.table(rows, ("DOMAIN", "SELECTOR", "KEY", "STATE")))
    else:
        _output.note(
            "No domain has a key; the agent makes one for each that is added: posthouse domain add NAME"
        )


@dkim.command()
@click.argument("domain", required=False)
@_directory.YES
@click.option("--abandon", is_flag=True, help="Give up a new key that does not sign yet.")
@click.option(
    "--due", is_flag=True, help="Every domain that is under way or due: what is said each day by itself."
)
def rotate(domain: str | None, yes: bool, abandon: bool, due: bool) -> int:
    """Take DOMAIN, or the main domain, to a new DKIM key; said again, go on where it stands.

    A new key is made and its record shown; when all name servers show it and nobody can remember that it was not
    there, it signs; the old one stays published until mail that it signed has arrived; then it is withdrawn.

    Exit status 3 while it waits for the DNS.
    """
    _output.require_root()
    from posthouse.dkim import rotation
    from posthouse.ops import rotate as ops

    site = _directory.site()
    if site is None:
        raise UsageError("There is no site file yet.", "Begin with: sudo posthouse up DOMAIN")
    if due:
        return _due(site)
    name = _name(domain or site.domain)
    if abandon:
        done = rotation.abandon(name)
        _output.emit(f"{name}: the new key is gone" if done else f"{name}: there was no new key")
        return 0
    if not ops.under_way(name):
        _output.confirm(f"{name} gets a new DKIM key, whose record must be published before it signs.", yes)
    steps = ops.rotate(site, name, anew=True)
    for step in steps:
        _output.emit(_said(name, step))
    return _WAITS if steps and steps[-1].stage in ("publish", "remember", "withdraw") else 0


def _due(site: Site) -> int:
    """Take all on that are due; one that cannot go on keeps no other back. Exit status 1 where any could not."""
    from posthouse.directory import domains
    from posthouse.ops import rotate as ops

    failed = 0
    for domain in directory.reading(domains.list):
        try:
            if ops.due(site, domain.name):
                for step in ops.rotate(site, domain.name, anew=not ops.under_way(domain.name)):
                    _output.emit(_said(domain.name, step))
        except PosthouseError as error:
            _output.note(f"{domain.name}: {error}")
            failed = 1
    return failed


def _name(domain: str) -> str:
    from posthouse.directory import domains

    return directory.reading(lambda connection: domains.get(connection, domain)).name


def _said(domain: str, step: Step) -> str:
    from posthouse.dns.record import Record

    key = step.key
    if key is None:
        return f"{domain}: nothing is under way"
    wanted = [
        Record(f"{one.selector}._domainkey.{domain}.", "TXT", one.public_record, "", "dkim")
        for one in step.both
    ]
    again = f"posthouse dkim rotate {domain}"
    if step.stage == "publish":
        why = f"\n  {step.detail}" if step.detail and step.detail != "missing" else ""
        lines = "".join(f"  {record.zone_line}\n" for record in wanted)
        return (
            f"{domain}: publish the record of the new key {key.selector}; the old one goes on signing{why}\n"
            f"{lines}  then say: {again}"
        )
    if step.stage == "remember":
        return (
            f"{domain}: all name servers show {key.selector}; others may remember until {_time(step.until)} that"
            f" it was not there\n  then say: {again}"
        )
    if step.stage == "switched":
        return f"{domain}: signs with {key.selector} from now on; the old record must stay until {_time(step.until)}"
    if step.stage == "draining":
        until = _time(step.until)
        return f"{domain}: mail signed with {key.selector} may be on its way until {until}; leave its record"
    if step.stage == "withdraw":
        names = " and ".join(f"{record.name} TXT" for record in wanted)
        return f"{domain}: remove the record {names}, nobody needs it\n  then say: {again}"
    return f"{domain}: {key.selector} is withdrawn"


def _keys() -> list[dict[str, Any]]:
    from posthouse.dkim import keys, rotation

    under_way = rotation.rotations()
    signing = {(key.domain, key.selector) for key in keys.all()}
    found: list[dict[str, Any]] = []
    for key in rotation.published():
        until = next(
            (
                old.until
                for old in under_way.get(key.domain, rotation.Rotation()).retired
                if key.selector in (old.selector, old.selector + keys.TWIN)
            ),
            None,
        )
        state = "next" if until is None else "retired"
        state = "signs" if (key.domain, key.selector) in signing else state
        one = {"domain": key.domain, "selector": key.selector, "algorithm": key.algorithm}
        found.append({**one, "state": state, "until": until})
    return sorted(found, key=lambda one: (one["domain"], one["selector"]))


def _words(one: dict[str, Any]) -> str:
    if one["state"] == "next":
        return f"next; waits for its record: posthouse dkim rotate {one['domain']}"
    if one["state"] == "retired":
        return f"retired; its record stays until {_time(one['until'])}"
    return "signs"


def _time(when: float | None) -> str:
    return datetime.fromtimestamp(when or 0.0, UTC).strftime("%Y-%m-%d %H:%M UTC")
