"""The rows of the directory as they are found, and as Posthouse's schema takes them.

What differs only in form (capital letters, a missing {SCHEME}, several targets in one row) is said anew and
listed; what cannot be said at all is a problem, and stops the adoption before anything is touched.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posthouse import paths
from posthouse.directory import addresses
from posthouse.errors import UsageError

# One answer of one query: the whole directory as JSON.
QUERY = """SELECT json_build_object(
    'transport', (SELECT coalesce(json_agg(t), '[]') FROM (SELECT domain, transport FROM transport) t),
    'users', (SELECT coalesce(json_agg(u), '[]')
        FROM (SELECT userid, password, realname, uid, gid, home, mail FROM users) u),
    'virtual', (SELECT coalesce(json_agg(v), '[]') FROM (SELECT address, userid FROM virtual) v))"""


@dataclass(frozen=True)
class User:
    """A row of `users`; `was`: its userid as found. `home` is below the store."""

    userid: str
    password: str | None
    realname: str | None
    home: str | None
    mail: str | None
    was: str


@dataclass(frozen=True)
class Rows:
    """The whole directory in normal form.

    `changes` say what is not as it was found, `problems` what has no normal form.
    """

    domains: tuple[str, ...] = ()
    users: tuple[User, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()
    changes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def accounts(self) -> frozenset[str]:
        """Return the logins."""
        return frozenset(user.userid for user in self.users)


@dataclass
class _Notes:
    changes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def normal(text: str, scheme: str, domain: str) -> Rows:
    """Read the answer of `QUERY`.

    Args:
        text: the answer.
        scheme: of the hashes that are stored without one.
        domain: of targets that are stored without one.
    """
    raw = json.loads(text)
    notes = _Notes()
    domains = tuple(dict.fromkeys(_domain(row, notes) for row in raw["transport"]))
    users = tuple(_user(row, scheme, notes) for row in raw["users"])
    for userid in sorted({user.userid for user in users if sum(u.userid == user.userid for u in users) > 1}):
        notes.problems.append(f"users: several rows are {userid}, but for capital letters; keep one")
    known = set(domains)
    for user in users:
        if addresses.split(user.userid)[1] not in known:
            notes.problems.append(
                f"users: the domain of {user.userid} is not in transport; add it, or remove the row"
            )
    aliases = []
    for row in raw["virtual"]:
        for address, target in _aliases(row, domain, notes):
            if addresses.split(address)[1] not in known:
                notes.problems.append(
                    f"virtual: the domain of {address} is not in transport; add it, or remove the row"
                )
            aliases.append((address, target))
    return Rows(
        domains,
        users,
        tuple(dict.fromkeys(aliases)),
        tuple(notes.changes),
        tuple(notes.problems),
    )


def _domain(row: dict[str, Any], notes: _Notes) -> str:
    found = row["domain"]
    if row["transport"] not in ("virtual:", "virtual"):
        notes.problems.append(
            f"transport: {found} goes to {row['transport']!r}; Posthouse serves only domains of its own (virtual:)"
        )
    return _said(found, addresses.domain, f"transport: {found}", notes)


def _user(row: dict[str, Any], scheme: str, notes: _Notes) -> User:
    was = row["userid"]
    userid = _said(was, addresses.account, f"users: {was}", notes)
    password = _password(row["password"], scheme)
    if password != row["password"]:
        mark = "{" + scheme + "}"
        notes.changes.append(
            f"users: {userid}: the hash gets its {mark} in front, which was only in Dovecot's file"
        )
    if password is not None and not re.fullmatch(r"(\{[^{}]+\}[!-~]+|[!-z|}~][!-~]*)", password):
        notes.problems.append(f"users: {userid}: the password is no printable hash")
    for name in ("uid", "gid"):
        if row[name] != paths.STORE_UID:
            notes.changes.append(
                f"users: {userid}: {name} {row[name]} becomes {paths.STORE_UID}, the store's"
            )
    return User(userid, password, row["realname"], _home(userid, row["home"], notes), row["mail"], was)


def _password(stored: str | None, scheme: str) -> str | None:
    """Return a hash with its scheme; crypt(3) hashes say themselves what they are."""
    if not stored:
        return None
    return stored if stored.startswith(("{", "$")) or scheme == "CRYPT" else f"{{{scheme}}}{stored}"


_HOME = re.compile(r"[a-z0-9_][a-z0-9._-]*(/[a-z0-9_][a-z0-9._-]*)+")


def _home(userid: str, home: str | None, notes: _Notes) -> str | None:
    if not home:
        return None
    path = home.rstrip("/")
    if path.startswith(f"{paths.STORE}/"):
        path = path[len(str(paths.STORE)) + 1 :]
        notes.changes.append(f"users: {userid}: home {home} is written as {path}, below the store")
    if path.startswith("/") or ".." in Path(path).parts:
        notes.problems.append(f"users: {userid}: home {home} is outside of {paths.STORE}; move it there")
    elif not _HOME.fullmatch(path):
        notes.problems.append(
            f"users: {userid}: home {home}: expected a path of lower-case letters, digits and . _ - below"
            f" {paths.STORE}, such as snorl.ax/mails/user; rename the folder, and say so in the row"
        )
    return path


def _aliases(row: dict[str, Any], domain: str, notes: _Notes) -> list[tuple[str, str]]:
    where = f"virtual: {row['address']}"
    address = _said(row["address"], addresses.alias, where, notes)
    targets = [word for word in re.split(r"[,\s]+", row["userid"]) if word]
    if len(targets) > 1:
        notes.changes.append(f"{where}: its {len(targets)} targets become a row each")
    found = []
    for target in targets:
        full = target if "@" in target else f"{target}@{domain}"
        if full != target:
            notes.changes.append(f"{where}: the target {target} is written as {full}")
        found.append((address, _said(full, addresses.target, f"{where}: target", notes)))
    return found


def _said(text: str, check: Any, where: str, notes: _Notes) -> str:
    """Return the normal form, with a note where it is another, and a problem where there is none."""
    try:
        said = str(check(text))
    except UsageError as error:
        notes.problems.append(f"{where}: {error.message}")
        return text
    if said != text:
        notes.changes.append(f"{where}: {text} is written as {said}")
    return said
