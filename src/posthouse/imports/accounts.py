"""Compare a list of people with the directory, say what would happen, and do it: all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial

from posthouse.directory import Connection, addresses, bulk
from posthouse.errors import UsageError
from posthouse.imports import webs
from posthouse.imports.people import Forward, People, Person, Problems, SiteQuota

Advance = Callable[[int], None]


class Existing(Enum):
    """What becomes of an account that is here already."""

    REFUSE = "refuse"
    SKIP = "skip"
    UPDATE = "update"


@dataclass(frozen=True)
class Policy:
    """What is wanted, and what the site knows of names.

    `builtin`: local parts that exist at every domain; `local`: names of this host, where no alias may lead.
    """

    existing: Existing = Existing.REFUSE
    add_domains: bool = False
    builtin: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    hostname: str | None = None
    postmaster: str | None = None


@dataclass(frozen=True)
class Hashed:
    """What is kept of a password: its hash, and what each further mechanism that the site offers needs of it."""

    password: str
    verifiers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What an import does. `change` and `add` are in the file's order, `aliases` are rows that are new."""

    domains: tuple[str, ...]
    add: tuple[Person, ...]
    change: tuple[Person, ...]
    skipped: tuple[str, ...]
    unchanged: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...]

    @property
    def to_hash(self) -> tuple[Person, ...]:
        """Who has a password that must be hashed."""
        return tuple(person for person in (*self.add, *self.change) if person.password is not None)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.domains or self.add or self.change or self.aliases)

    def as_dict(self) -> dict[str, list[object]]:
        """Return it as JSON shows it, without passwords."""
        return {
            "domains": [*self.domains],
            "added": [person.address for person in self.add],
            "changed": [person.address for person in self.change],
            "skipped": [*self.skipped],
            "unchanged": [*self.unchanged],
            "aliases": [{"address": address, "target": target} for address, target in self.aliases],
        }


def plan(connection: Connection, people: People, policy: Policy) -> Plan:
    """Return what importing these people does to the directory.

    Raises:
        UsageError: everything that stands against it, each with its line.
    """
    known, problems = bulk.known(connection), Problems(people.problems)
    domains = _domains(people, known, policy, problems)
    add, change, skipped, unchanged = [], [], [], []
    for person in people.persons:
        found = known.accounts.get(person.address)
        _check_account(person, found, known, policy, problems)
        if found is None:
            add.append(person)
        elif policy.existing is Existing.SKIP:
            skipped.append(person.address)
        elif person.password is None and _row(person, found, {}) == found:
            unchanged.append(person.address)
        else:
            change.append(person)
    ours = known.domains | dict.fromkeys(domains)
    accounts = {*known.accounts, *(person.address for person in add)}
    forwards = [
        forward
        for forward in _forwards(people, frozenset(skipped))
        if forward.target not in known.aliases.get(forward.address, ())
    ]
    web = webs.Web(ours, frozenset(accounts), known.aliases, policy.builtin, policy.local)
    webs.check(web, forwards, problems)
    problems.raise_any()
    aliases = tuple(dict.fromkeys((forward.address, forward.target) for forward in forwards))
    return Plan(domains, tuple(add), tuple(change), tuple(skipped), tuple(unchanged), aliases)


def carry_out(
    connection: Connection, people: People, policy: Policy, shown: Plan, hashes: Mapping[str, Hashed]
) -> None:
    """Do what was planned, inside the caller's transaction. `hashes`: by address, of `shown.to_hash`.

    Raises:
        UsageError: the directory was changed since; nothing is done then.
    """
    if plan(connection, people, policy) != shown:
        raise UsageError("the directory was changed in between; nothing was imported", "Say the same again.")
    here = bulk.known(connection).accounts if shown.change else {}
    bulk.add_domains(connection, shown.domains)
    bulk.add_accounts(
        connection, ((p.address, _row(p, bulk.Row(None, None, None, True), hashes)) for p in shown.add)
    )
    bulk.change_accounts(connection, ((p.address, _row(p, here[p.address], hashes)) for p in shown.change))
    bulk.put_verifiers(
        connection, {person.address: hashes[person.address].verifiers for person in shown.to_hash}
    )
    bulk.add_aliases(connection, shown.aliases)


def hash_passwords(
    people: tuple[Person, ...], mechanisms: Collection[str], advance: Advance
) -> dict[str, Hashed]:
    """Hash everybody's password over all cores (argon2 lets go of Python's lock), and return it by address.

    `mechanisms`: as `directory.verifiers.make` has them.
    """
    import os
    from concurrent.futures import ThreadPoolExecutor, as_completed

    from posthouse.directory import passwords, verifiers

    def hashed(password: str) -> Hashed:
        return Hashed(passwords.hash(password), verifiers.make(password, mechanisms))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        asked = {pool.submit(hashed, person.password or ""): person.address for person in people}
        try:
            found = {}
            for done in as_completed(asked):
                found[asked[done]] = done.result()
                advance(1)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return found


def _row(person: Person, before: bulk.Row, hashes: Mapping[str, Hashed]) -> bulk.Row:
    made = hashes.get(person.address)
    own = person.password_hash if made is None else made.password
    row = replace(before, password=own or before.password)
    if person.realname is not None:
        row = replace(row, realname=person.realname)
    if person.quota is not None:
        row = replace(row, quota=None if isinstance(person.quota, SiteQuota) else person.quota)
    return row if person.active is None else replace(row, active=person.active)


def _domains(people: People, known: bulk.Known, policy: Policy, problems: Problems) -> tuple[str, ...]:
    """The domains to add; a problem for each line that needs one which may not be added."""
    wanted = [(person.where, addresses.split(person.address)[1]) for person in people.persons]
    wanted += [(forward.where, addresses.split(forward.address)[1]) for forward in people.forwards]
    wanted += [
        (person.where, addresses.split(alias)[1]) for person in people.persons for alias in person.aliases
    ]
    new: dict[str, None] = {}
    for where, name in (*people.domains, *wanted):
        if name in known.domains or name in new:
            continue
        if name == policy.hostname:
            problems.add(where, f"{name} is the name of this host, which cannot be a mail domain as well")
        elif policy.add_domains:
            new[name] = None
        else:
            problems.add(
                where, f"the domain {name} is not here: posthouse domain add {name}, or --add-domains"
            )
    return tuple(new)


def _check_account(
    person: Person, found: bulk.Row | None, known: bulk.Known, policy: Policy, problems: Problems
) -> None:
    say = partial(problems.add, person.where)
    local, name = addresses.split(person.address)
    alias_of = known.domains.get(name)
    if alias_of is not None:
        say(f"{name} is an alias of {alias_of} and has no accounts of its own: write {local}@{alias_of}")
    if found is None:
        return
    if policy.existing is Existing.REFUSE:
        say(
            f"the account {person.address} is here already; --skip-existing or --update says what becomes of it"
        )
    if found.system:
        say(f"the account {person.address} is Posthouse's own")
    if person.active is False and person.address == policy.postmaster:
        say(f"{person.address} is the site's postmaster, and cannot be disabled")


def _forwards(people: People, skipped: frozenset[str]) -> Iterator[Forward]:
    for person in people.persons:
        if person.address not in skipped:
            for alias in person.aliases:
                if alias != person.address:
                    yield Forward(person.where, alias, person.address)
    yield from people.forwards
