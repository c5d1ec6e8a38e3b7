"""`posthouse dns`: the records to publish, as a list, as zone file lines, or as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from posthouse import directory
from posthouse.cli import _directory, _output
from posthouse.dns import records
from posthouse.dns import show as as_text
from posthouse.errors import UsageError

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
def show(domain: str | None = None, as_json: bool = False) -> None:
    """Print the records to read and to paste, of one DOMAIN or of all."""
    found = _wanted(domain)
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
    """Print JSON: a list of {"name", "ttl", "type", "value", "strings" (of a TXT), "purpose"}.

    "value" of a TXT is one string; "strings" the same in pieces of at most 255 octets.
    """
    _print_json(_wanted(domain))


def _print_json(found: tuple[records.Record, ...]) -> None:
    _output.emit_json([as_text.plain(record) for record in found])


def _wanted(domain: str | None) -> tuple[records.Record, ...]:
    from posthouse.directory import domains
    from posthouse.dkim import keys

    site = _directory.site()
    if site is None:
        raise UsageError("There is no site file yet.", "Begin with: sudo posthouse up DOMAIN")
    ask: Callable[[Any], tuple[domains.Domain, ...]] = domains.list
    if domain is not None:
        ask = lambda connection: (domains.get(connection, domain),)  # noqa: E731
    names = [found.name for found in directory.reading(ask) if found.active or domain]
    if site.domain in names:  # the main one first
        names = [site.domain, *(name for name in names if name != site.domain)]
    found = keys.all()
    for name in names:
        if name not in {key.domain for key in found}:
            _output.note(f"{name} has no DKIM key yet: the agent makes it, or `posthouse up`")
    if site.network.ipv4 is None and site.network.ipv6 is None:
        _output.note("network.ipv4 and network.ipv6 are not in the site file: A, AAAA and PTR are left out")
    return records.wanted(site, names, found)
