"""Dovecot's passwd-file: `user:password:uid:gid:gecos:home:shell:extra fields` (its AuthDatabase/PasswdFile page).

uid, gid, home and shell are left behind: here all mail belongs to one user, and stands where the directory says.
Of the extra fields the quota is taken over; what else is there is told.
"""

from __future__ import annotations

import re
from collections import Counter

from posthouse.directory import addresses, passwords
from posthouse.imports import csv_file, hashes
from posthouse.imports.people import People, Person, Problems, SiteQuota, Where, twice

_KIB = ("", "k")  # Dovecot's quota_rule: storage is in KiB where it has no unit


def parse(text: str, file: str, domain: str | None = None) -> People:
    """Return the accounts; `domain` is put to user names that have none. What is wrong stands in the result."""
    problems = Problems()
    persons: list[Person] = []
    left: Counter[str] = Counter()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        person = _person(problems, Where(file, number), line, domain, left)
        if person is not None:
            persons.append(person)
    twice(problems, ((person.where, person.address) for person in persons), "the account")
    notes = [f"{file}: {name} is not taken over ({count} lines)" for name, count in sorted(left.items())]
    return People(tuple(persons), notes=tuple(notes), problems=problems.found)


def _person(
    problems: Problems, where: Where, line: str, domain: str | None, left: Counter[str]
) -> Person | None:
    user, colon, rest = line.partition(":")
    if not colon:
        problems.add(where, "expected user:password:..., found no colon")
        return None
    secret, _, rest = rest.partition(":")
    fields = (rest.split(":", 5) + [""] * 6)[:6]
    gecos, extra = fields[2].partition(",")[0].strip(), _words(fields[5])
    address = problems.catch(where, addresses.account, with_domain(user.strip(), domain))
    password, hashed = _secret(problems, where, secret)
    if "nologin" in extra or "nopassword" in extra:
        left["nologin" if "nologin" in extra else "nopassword"] += 1
        password, hashed = None, None
    quota = _quota(problems, where, extra)
    for name in extra:
        if not name.startswith(("userdb_quota", "nologin", "nopassword")):
            left[name] += 1
    realname = problems.catch(where, csv_file.name, gecos) if gecos else None
    if address is None:
        return None
    return Person(where, address, password, hashed, realname, quota)


def with_domain(user: str, domain: str | None) -> str:
    """Return user@domain for a bare user. UsageError is left to whoever reads the address."""
    return f"{user}@{domain}" if domain and user and "@" not in user else user


def _secret(problems: Problems, where: Where, text: str) -> tuple[str | None, str | None]:
    """Return password and hash; neither for what stands for "locked" in passwd(5)."""
    if not text.strip("*!x"):
        return None, None
    scheme, rest = hashes.split(text)
    if scheme is not None and scheme in hashes.CLEAR:
        problems.catch(where, passwords.check, rest)
        return rest, None
    return None, problems.catch(where, hashes.checked, text)


def _words(text: str) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in text.split())}


def _quota(problems: Problems, where: Where, extra: dict[str, str]) -> int | SiteQuota | None:
    """The quota of 2.3's quota_rule or 2.4's quota_storage_size; rules for single folders are no quota."""
    size = extra.get("userdb_quota_storage_size") or extra.get("userdb_quota_bytes")
    rule = re.fullmatch(r"\*:(storage|bytes)=(.+)", extra.get("userdb_quota_rule", ""))
    if rule is not None:
        number, unit = re.fullmatch(r"(\d*)(.*)", rule[2], re.DOTALL).groups()  # type: ignore[union-attr]
        size = f"{number}K" if rule[1] == "storage" and unit.lower() in _KIB else rule[2]
    elif extra.get("userdb_quota_rule") and size is None:
        problems.add(
            where,
            f"userdb_quota_rule: expected *:storage=SIZE or *:bytes=SIZE, found {extra['userdb_quota_rule']}",
        )
    if size is None:
        return None
    return problems.catch(where, csv_file.size, size)
