"""A table of accounts, as every spreadsheet saves one (RFC 4180): comma, semicolon or tab, a header line first.

Columns, in any order; an empty cell says nothing:

    address        user@domain; the only one that must be there
    password       in clear, to be hashed here
    password_hash  with its {SCHEME}; a bare argon2 or crypt(3) hash is taken too
    realname       the person's name
    quota          5G, 500M; 0: no limit; site: the site's
    active         yes or no
    aliases        further addresses of this account, with spaces or commas between
"""

from __future__ import annotations

import re

from posthouse.directory import addresses, passwords
from posthouse.errors import UsageError
from posthouse.imports import hashes, table
from posthouse.imports.people import SITE, People, Person, Problems, SiteQuota, Where, twice

COLUMNS = ("address", "password", "password_hash", "realname", "quota", "active", "aliases")
_ALSO = {"name": "realname", "email": "address", "alias": "aliases"}
_YES = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def parse(text: str, file: str, separator: str | None = None) -> People:
    """Return the accounts of a table, and what is wrong with it. UsageError where it is no table."""
    problems = Problems()
    cells = table.rows(text, file, problems, COLUMNS, ("address",), _ALSO, separator)
    found = (_person(problems, where, row) for where, row in cells)
    persons = tuple(person for person in found if person is not None)
    twice(problems, ((person.where, person.address) for person in persons), "the account")
    return People(persons, problems=problems.found)


def _person(problems: Problems, where: Where, cells: dict[str, str]) -> Person | None:
    password = cells.pop("password", "") or None  # a space may be part of it
    values = {name: cell.strip() for name, cell in cells.items()}
    address = problems.catch(where, addresses.account, values["address"])
    given = values.get("password_hash")
    hashed = problems.catch(where, hashes.checked, given) if given else None
    if password is not None:
        problems.catch(where, passwords.check, password)
        if given:
            problems.add(where, "both a password and a password_hash")
    quota = problems.catch(where, size, values["quota"]) if values.get("quota") else None
    realname = values.get("realname") or None
    if realname is not None:
        problems.catch(where, name, realname)
    active = None
    if values.get("active"):
        active = _YES.get(values["active"].lower())
        if active is None:
            problems.add(where, f"active: expected yes or no, found {values['active']!r}")
    aliases = tuple(
        alias
        for word in re.split(r"[\s,;]+", values.get("aliases", ""))
        if word and (alias := problems.catch(where, addresses.alias, word)) is not None
    )
    if address is None:
        return None
    return Person(where, address, password, hashed, realname, quota, active, tuple(dict.fromkeys(aliases)))


def size(text: str) -> int | SiteQuota:
    """Return bytes for "5G"; SITE for "site". UsageError for anything else."""
    from posthouse.site import names

    if text.lower() == "site":
        return SITE
    if text.lower() in ("none", "unlimited"):
        return 0
    try:
        found = names.size(text)
    except ValueError as error:
        raise UsageError(f"quota: {error}") from error
    if not 0 <= found < 2**63:
        raise UsageError(f"quota: {found} is not a number of bytes")
    return found


def name(text: str) -> str:
    """Return a person's name. UsageError where the directory would not take it."""
    if len(text) > 255 or any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise UsageError("realname: over 255 characters, or with a control character in it")
    return text
