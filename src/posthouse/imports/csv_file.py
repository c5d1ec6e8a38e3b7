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

import csv
import io
import re

from posthouse.directory import addresses, passwords
from posthouse.errors import UsageError
from posthouse.imports import hashes
from posthouse.imports.people import SITE, People, Person, Problems, SiteQuota, Where, twice

COLUMNS = ("address", "password", "password_hash", "realname", "quota", "active", "aliases")
_ALSO = {"name": "realname", "email": "address", "alias": "aliases"}
_YES = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_LONGEST_CELL = 2**20


def parse(text: str, file: str, separator: str | None = None) -> People:
    """Return the accounts of a table, and what is wrong with it. UsageError where it is no table."""
    hint, text, first = _hint(text)
    separator = separator or hint or _separator(text)
    rows = _rows(text, file, separator, first)
    if not rows:
        raise UsageError(
            f"{file}: no header line", f"Its first line names the columns: {', '.join(COLUMNS)}."
        )
    columns = _header(file, *rows[0])
    problems = Problems()
    persons: list[Person] = []
    for line, cells in rows[1:]:
        where = Where(file, line)
        if len(cells) != len(columns):
            quotes = "; a cell with the separator in it, such as an argon2 hash, stands in quotes"
            more = quotes if len(cells) > len(columns) else ""
            problems.add(where, f"expected {len(columns)} cells, found {len(cells)}{more}")
            continue
        person = _person(problems, where, dict(zip(columns, cells, strict=True)))
        if person is not None:
            persons.append(person)
    twice(problems, ((person.where, person.address) for person in persons), "the account")
    return People(tuple(persons), problems=problems.found)


def _hint(text: str) -> tuple[str | None, str, int]:
    """Take off the line "sep=;" that some spreadsheets write and read; return it, the rest, its first line."""
    found = re.match(r'"?sep=(.)"?\r?\n', text)
    return (found[1], text[found.end() :], 2) if found else (None, text, 1)


def _separator(text: str) -> str:
    header = text.partition("\n")[0]
    return max((",", ";", "\t"), key=header.count)


def _rows(text: str, file: str, separator: str, first: int) -> list[tuple[int, list[str]]]:
    """Rows that are not empty, each with the number of its first line."""
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows, line = [], first
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((line, cells))
            line = reader.line_num + first
    except csv.Error as error:
        raise UsageError(
            f"{file}:{line}: this is no CSV: {error}",
            'A cell with a quote in it is written "like ""this""", and its last quote ends it.',
        ) from error
    return rows


def _header(file: str, line: int, cells: list[str]) -> list[str]:
    names = [cell.strip().lower().replace(" ", "_") for cell in cells]
    columns = [_ALSO.get(name, name) for name in names]
    unknown = [name or "(empty)" for name in columns if name not in COLUMNS]
    double = sorted({name for name in columns if columns.count(name) > 1})
    for what, found in (("unknown columns", unknown), ("columns twice", double)):
        if found:
            raise UsageError(f"{file}:{line}: {what}: {', '.join(found)}", f"Known are {', '.join(COLUMNS)}.")
    if "address" not in columns:
        raise UsageError(
            f"{file}:{line}: no column address in the header", f"Known are {', '.join(COLUMNS)}."
        )
    return columns


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
