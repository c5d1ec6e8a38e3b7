"""`posthouse domain`: mail domains. Live at once; nothing is reloaded.

JSON of a domain: {"name", "active", "alias_of" (null: a domain of its own), "accounts", "aliases"} with the
numbers of the last two.
"""

from __future__ import annotations

import click

from posthouse import directory, paths
from posthouse.cli import _directory, _output
from posthouse.directory import addresses, domains
from posthouse.errors import UsageError


@click.group()
def domain() -> None:
    """Add, list, change and remove mail domains."""


@domain.command()
@click.argument("name")
@click.option("--alias-of", metavar="DOMAIN", help="Every address at NAME is the same address at DOMAIN.")
def add(name: str, alias_of: str | None) -> None:
    """Add a mail domain, make its DKIM key, and print the DNS records to publish."""
    from posthouse.directory import addresses
    from posthouse.dkim import keys

    site = _directory.site()
    if site is not None and addresses.domain(name) == site.hostname:
        raise UsageError(
            f"{site.hostname} is the name of this host, which cannot be a mail domain as well",
            f"Take a domain such as {site.hostname.partition('.')[2]}.",
        )
    made = directory.writing(lambda connection: domains.add(connection, name, alias_of))
    key = keys.ensure(made.name)
    _output.note(f"{made.name} is here; postmaster@, abuse@ and the report address answer at once")
    if site is not None:
        from posthouse.dns import records, show
        from posthouse.ops import certificates

        _output.note("Publish these DNS records:")
        wanted = records.of_domain(site, made.name, keys.with_twin(key), certificates.trusted(site))
        _output.emit(show.text(wanted))


@domain.command("list")
@_directory.JSON
def list_(as_json: bool) -> None:
    """List the mail domains. JSON: a list of domains."""
    found = directory.reading(domains.list)
    if as_json:
        _output.emit_json([_directory.as_dict(domain) for domain in found])
    elif found:
        rows = [
            (d.name, "active" if d.active else "disabled", d.alias_of, d.accounts, d.aliases) for d in found
        ]
        _output.emit(_output.table(rows, ("DOMAIN", "STATE", "ALIAS OF", "ACCOUNTS", "ALIASES")))
    else:
        _output.note("There are no domains; add one: posthouse domain add NAME")


@domain.command()
@click.argument("name")
@_directory.JSON
def show(name: str, as_json: bool) -> None:
    """Show a mail domain. JSON: the domain."""
    found = directory.reading(lambda connection: domains.get(connection, name))
    if as_json:
        _output.emit_json(_directory.as_dict(found))
        return
    lines = {
        "Domain": found.name,
        "State": "active" if found.active else "disabled",
        "Alias of": found.alias_of or "-",
        "Accounts": found.accounts,
        "Aliases": found.aliases,
    }
    for label, value in lines.items():
        _output.emit(f"{label + ':':<10}{value}")


@domain.command()
@click.argument("name")
@click.option(
    "--enable/--disable", "active", required=True, help="Disabled: its mail is refused, and no login works."
)
def change(name: str, active: bool) -> None:
    """Switch a mail domain on or off."""
    if not active:
        _keep_main(addresses.domain(name), "disabled")
    changed = directory.writing(lambda connection: domains.change(connection, name, active=active))
    _output.note(f"{changed.name} is {'active' if changed.active else 'disabled'}")


@domain.command()
@click.argument("name")
@_directory.YES
def remove(name: str, yes: bool) -> None:
    """Remove a mail domain that has no accounts and no aliases left. Its DKIM key is kept."""
    found = directory.reading(lambda connection: domains.get(connection, name))
    _keep_main(found.name, "removed")
    directory.reading(lambda connection: domains.check_empty(connection, found.name))
    _output.confirm(f"The domain {found.name} is removed: its mail is refused from now on.", yes)
    directory.writing(lambda connection: domains.remove(connection, found.name))
    _output.note(f"{found.name} is removed; take its DNS records away as well")


def _keep_main(name: str, what: str) -> None:
    site = _directory.site()
    if site is not None and site.domain == name:
        raise UsageError(
            f"{name} is the site's main domain, and cannot be {what}",
            f"Name another one in {paths.SITE_FILE} first, and say: posthouse apply",
        )
