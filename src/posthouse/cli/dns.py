"""`posthouse dns`: the records to publish, as a list, as zone file lines, or as JSON; and whether they are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from posthouse import directory
from posthouse.cli import _directory, _output
from posthouse.dns import records
from posthouse.dns import show as as_text
from posthouse.dns.record import Record
from posthouse.errors import UsageError

if TYPE_CHECKING:
    from posthouse.dns.check import Finding
    from posthouse.dns.push import Plan
    from posthouse.site.model import Site

_COLOURS = {"ok": "green", "warning": "yellow", "missing": "red", "wrong": "red", "unknown": "dim"}
_DOMAIN = click.argument("domain", required=False)


@click.group(invoke_without_command=True)
@click.pass_context
def dns(context: click.Context) -> None:
    """Show the DNS records to publish."""
    if context.invoked_subcommand is None:
        context.invoke(show)


@dns.command()
@_DOMAIN
@_directory.JSON
@click.option("--adsp", is_flag=True, help="ADSP records too: historic (RFC 5617), replaced by DMARC.")
def show(domain: str | None = None, as_json: bool = False, adsp: bool = False) -> None:
    """Print the records to read and to paste, of one DOMAIN or of all."""
    found = _wanted(domain)
    if adsp:
        names = [record.name.rstrip(".") for record in found if record.role == "mx"]
        found += tuple(records.historic(name) for name in names)
    if as_json:
        _print_json(found)
    else:
        _output.emit(as_text.text(found))


@dns.command()
@_DOMAIN
def zone(domain: str | None) -> None:
    """Print zone file lines: absolute owner and TTL first, no SOA or NS, the PTR as a comment."""
    for record in _wanted(domain):
        _output.emit(record.zone_line)


@dns.command("json")
@_DOMAIN
def json_(domain: str | None) -> None:
    """Print JSON: a list of {"name", "ttl", "type", "value", "strings" (of a TXT), "purpose", "level"}.

    "value" of a TXT is one string; "strings" the same in pieces of at most 255 octets.
    """
    _print_json(_wanted(domain))


@dns.command()
@_DOMAIN
@_directory.JSON
def check(domain: str | None, as_json: bool) -> int:
    """Compare what is published with what is wanted, by meaning: at the name servers of each domain and at the
    resolvers of the site file.

    Exit status 0 when all that is required is right, else 1. JSON: {"ok", "records": [{"name", "ttl", "type",
    "value", "strings" (of a TXT), "purpose", "level", "state", "detail"}]}; level is required, recommended or
    cosmetic; state is ok, warning, missing, wrong or unknown.
    """
    from posthouse.dns import check as checking

    wanted = _wanted(domain)
    found = checking.look(_site(), wanted)
    fine = checking.fine(found)
    if as_json:
        _output.emit_json({"ok": fine, "records": [finding.as_json() for finding in found]})
    else:
        _output.emit(_findings(found))
    return 0 if fine else 1


@dns.command()
@_DOMAIN
@_directory.YES
def push(domain: str | None, yes: bool) -> int:
    """Publish the records at the name server of [dns.update] or the provider of [dns.octodns], of one DOMAIN or of all.

    Shows each change first. A record that Posthouse did not write is never changed or removed.

    Exit status 0 when all that this server answers for is as it should be, else 1.
    """
    _output.require_root()
    from posthouse.ops import push as ops

    site = _site()
    at = ops.place(site, _output.note)
    wanted = _wanted(domain)
    found = ops.plan(site, at, wanted, lambda old: domain is None or f".{old.name}".endswith(f".{domain}."))
    _output.emit(_changes(found))
    if not found.empty:
        _output.confirm("These changes are made in DNS.", yes)
        ops.carry_out(at, found)
        _output.emit("Published.")
    return 1 if found.in_the_way else 0


def _changes(found: Plan) -> str:
    lines = [_output.style(f"- {old.name} {old.type} {old.value}", "red") for old in found.remove]
    lines += [_output.style(f"+ {record.zone_line}", "green") for record in found.add]
    for way in found.in_the_way:
        lines.append(f"! {way.record.name} {way.record.type}: posthouse did not write what stands there:")
        lines += [f"    {value}" for value in way.values]
        lines.append(f"    remove it, or make it mean: {way.record.presentation}")
    if found.elsewhere:
        names = ", ".join(f"{record.name} {record.type}" for record in found.elsewhere)
        lines.append(f"Not taken there: {names}")
    if found.empty and not found.in_the_way:
        lines.append("Nothing to change: all of it is there.")
    return "\n".join(lines)


def _findings(found: tuple[Finding, ...]) -> str:
    lines = []
    for finding in found:
        record = finding.record
        word = finding.state if finding.state in ("ok", "unknown") else finding.state.upper()
        head = f"{_output.style(word.ljust(7), _COLOURS[finding.state])}  {record.name} {record.type}"
        lines.append(head if record.level == "required" else f"{head}  ({record.level})")
        lines += [f"         {detail}" for detail in finding.detail.split("; ") if detail]
        if finding.state in ("missing", "wrong"):
            lines.append(f"         publish: {record.zone_line.removeprefix('; ')}")
        if finding.state in ("missing", "wrong") and record.role == "reverse":
            lines.append("         it is set by whoever gave you the address, in his own pages")
    bad = [finding for finding in found if finding.state not in ("ok", "warning")]
    required = sum(finding.record.level == "required" for finding in bad)
    lines.append("")
    if not bad:
        lines.append("All records are there.")
    else:
        lines.append(
            f"{len(bad)} of {len(found)} records are not as they should be; {required} of them are required."
        )
    return "\n".join(lines)


def _print_json(found: tuple[Record, ...]) -> None:
    _output.emit_json([as_text.plain(record) for record in found])


def _site() -> Site:
    site = _directory.site()
    if site is None:
        raise UsageError("There is no site file yet.", "Begin with: sudo posthouse up DOMAIN")
    return site


def _wanted(domain: str | None) -> tuple[Record, ...]:
    from posthouse.directory import domains
    from posthouse.dkim import rotation

    site = _site()
    ask: Callable[[Any], tuple[domains.Domain, ...]] = domains.list
    if domain is not None:
        ask = lambda connection: (domains.get(connection, domain),)  # noqa: E731
    names = [found.name for found in directory.reading(ask) if found.active or domain]
    if site.domain in names:  # the main one first
        names = [site.domain, *(name for name in names if name != site.domain)]
    found = rotation.published()
    for name in names:
        if name not in {key.domain for key in found}:
            _output.note(f"{name} has no DKIM key yet: the agent makes it, or `posthouse up`")
    if site.network.ipv4 is None and site.network.ipv6 is None:
        _output.note("network.ipv4 and network.ipv6 are not in the site file: A, AAAA and PTR are left out")
    from posthouse.ops import certificates

    return records.wanted(site, names, found, certificates.pins(site), certificates.trusted(site))
