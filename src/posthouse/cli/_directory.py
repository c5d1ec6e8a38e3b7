"""What the commands about domains, accounts and aliases share."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from posthouse import paths
from posthouse.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from posthouse.site.model import Site

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
YES = click.option("--yes", is_flag=True, help="Do not ask.")
DOMAIN = click.option("--domain", metavar="NAME", help="Only those of this domain.")


def site() -> Site | None:
    """Return the site, or None where there is no site file yet. UsageError where it is wrong."""
    if not paths.SITE_FILE.exists():
        return None
    from posthouse.site import load

    return load.load()


def says(table: str, key: str) -> bool:
    """Tell whether the site file has a word about a key, or cannot be read to tell.

    To read a site file as a whole takes a tenth of a second, which `user add` need not take for what is not there.
    """
    import tomllib

    try:
        with paths.SITE_FILE.open("rb") as file:
            found = tomllib.load(file).get(table, {})
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return not isinstance(found, dict) or key in found


def verifiers(password: str) -> dict[str, str]:
    """Return what the mechanisms that the site offers need of a password. UsageError where the site is wrong."""
    from posthouse.directory import verifiers as of

    return of.make(password, mechanisms())


def mechanisms() -> list[str]:
    """Return the mechanisms beside PLAIN and LOGIN that the site offers. UsageError where the site is wrong."""
    wanted = site() if says("auth", "mechanisms") else None
    return [] if wanted is None else [*wanted.auth.mechanisms]


def as_dict(value: DataclassInstance) -> dict[str, Any]:
    """Return a dataclass as JSON shows it."""
    return asdict(value)


def size(text: str | None) -> int | None:
    """Return bytes for "5G", "500 MB", "0"; None for None or "site". UsageError for anything else."""
    if text is None or text == "site":
        return None
    from posthouse.site import names

    try:
        return names.size(text)
    except ValueError as error:
        raise UsageError(
            f"quota: {error}", 'Write 5G, 500M, 0 for no limit, or "site" for the site\'s.'
        ) from error


def shown_size(quota: int | None) -> str:
    """Return a quota as text."""
    if quota is None:
        return "site"
    if quota == 0:
        return "none"
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if quota % 2**power == 0:
            return f"{quota >> power} {unit}"
    return f"{quota} B"
