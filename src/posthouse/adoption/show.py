"""The adoption for the reader, above the plan of files and services."""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.adoption.fate import ORDER
from posthouse.adoption.translate import Adoption

_HEADS = {
    "a field": "become fields of the site file",
    "an override": "are carried into /etc/posthouse/overrides",
    "kept": "stay as they are",
    "dropped": "are dropped",
    "built in": "are done by Posthouse itself",
}


def text(adoption: Adoption) -> str:
    """Return what is taken over and what becomes of every setting, without a last newline."""
    rows = adoption.rows
    parts = [
        f"This server becomes a Posthouse server for {', '.join(rows.domains)}; its name is {adoption.hostname}.\n"
        f"{_count(len(rows.users), 'account')} and {_count(len(rows.aliases), 'alias line')} of the database"
        f" {adoption.database}; postmaster {adoption.postmaster}; all mail, flags and folders where they are."
    ]
    parts += [_list("Good to know", adoption.notes)]
    parts += [_list("In the directory", rows.changes)]
    parts += [
        _list("Keys that go on signing", [f"{key.selector}._domainkey.{key.domain}" for key in adoption.keys])
    ]
    parts += [
        _list("Who may send as what (grants)", [f"{who} as {address}" for address, who in adoption.grants])
    ]
    for becomes in ORDER:
        fates = [fate for fate in adoption.fates if fate.becomes == becomes]
        said = [f"{fate.where}: {fate.name}: {fate.why}" for fate in fates]
        parts.append(_list(f"Settings that {_HEADS[becomes]}", said))
    parts.append(
        "The site file:\n\n" + "\n".join(f"    {line}".rstrip() for line in adoption.site.splitlines())
    )
    for name, own in adoption.overrides.items():
        parts.append(
            f"overrides/{name}:\n\n" + "\n".join(f"    {line}".rstrip() for line in own.splitlines())
        )
    return "\n\n".join(part for part in parts if part)


def problems(adoption: Adoption) -> str:
    """Return what is in the way."""
    return "\n".join(f"  - {problem}" for problem in adoption.problems)


def _list(head: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{head}:", *(f"  {line}" for line in lines)]) if lines else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
