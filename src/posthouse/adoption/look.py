"""Gather what the old server says of itself: the only part that asks programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posthouse.adoption import aliases, certificates, database, dovecot, opendkim, postfix
from posthouse.adoption.rows import QUERY

Ask = Callable[[list[str], str | None], str]  # a command and the user it runs as; PosthouseError


@dataclass(frozen=True)
class Found:
    """Everything that was found, unjudged. `rows`: the answer to `rows.QUERY`; empty where nobody answered."""

    root: Path
    postfix: postfix.Postfix
    parameters: frozenset[str]
    dovecot: dovecot.Dovecot
    place: database.Place | None
    rows: str
    signing: opendkim.Signing
    unix_aliases: dict[str, str]
    certificate: str | None
    units: tuple[str, ...]
    problems: tuple[str, ...]


# Services of the old server beside Postfix and Dovecot, whose work Posthouse's own daemons do.
UNITS = (
    "opendkim.service", "opendmarc.service", "spamd.service", "spamassassin.service", "spamass-milter.service",
    "saslauthd.service", "amavis.service", "postgrey.service", "postsrsd.service",
)  # fmt: skip
_FOLDERS = (
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "etc/systemd/system",
    "run/systemd/generator.late",
)


def look(root: Path, ask: Ask) -> Found:
    """Look at the machine. UsageError where it is no Postfix with Dovecot; PosthouseError from the programs."""
    mta = postfix.read(root)
    imap = dovecot.read(root, ask(["doveconf", "-n"], None))
    names = frozenset(line.partition(" =")[0] for line in ask(["postconf", "-d"], None).splitlines())
    place, problems = database.place(root, mta, imap)
    rows = ""
    if place is not None and not place.host:
        rows = ask(["psql", "-X", "-A", "-t", "-q", "-d", place.name, "-c", QUERY], "postgres")
    units = tuple(name for name in UNITS if any((root / folder / name).exists() for folder in _FOLDERS))
    return Found(
        root, mta, names, imap, place, rows, opendkim.read(root), aliases.unix(root), certificates.folder(mta),
        units, tuple(problems),
    )  # fmt: skip
