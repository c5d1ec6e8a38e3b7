"""Postfix's virtual alias file (virtual(5), postmap(1)): `address  target, target...`, domains by a line of their own.

A line that begins with white space goes on with the one before; `#` begins a comment where it is the first sign.
What has no place in the directory is refused with its line: regular expressions, commands, files, addresses
at a domain that lead to the same names at another (that is a domain alias), targets without a domain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from posthouse.directory import addresses
from posthouse.imports.passwd_file import with_domain
from posthouse.imports.people import Forward, People, Problems, Where


def parse(text: str, file: str, domain: str | None = None) -> People:
    """Return aliases and domains; `domain` is put to names that have none. What is wrong stands in the result."""
    problems = Problems()
    forwards: list[Forward] = []
    domains: list[tuple[Where, str]] = []
    for number, line in _logical(text, file, problems):
        where = Where(file, number)
        key, _, rest = line.partition(" ")
        if key.startswith("/") or key in ("if", "endif"):
            problems.add(where, "a table of regular expressions cannot be taken in; write the addresses out")
        elif "@" not in line and "." in key:
            name = problems.catch(where, addresses.domain, key)
            if name is not None:
                domains.append((where, name))
        else:
            forwards += _forwards(problems, where, with_domain(key, domain), rest, domain)
    return People(forwards=tuple(forwards), domains=tuple(domains), problems=problems.found)


def _logical(text: str, file: str, problems: Problems) -> Iterator[tuple[int, str]]:
    """Lines as postmap(1) joins them, each with the number of its first one, one space between words."""
    number, parts = 0, list[str]()
    for count, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace():
            if parts:
                parts.append(line)
            else:
                problems.add(Where(file, count), "it goes on with a line before, and there is none")
            continue
        if parts:
            yield number, " ".join(" ".join(parts).split())
        number, parts = count, [line]
    if parts:
        yield number, " ".join(" ".join(parts).split())


def _forwards(problems: Problems, where: Where, key: str, rest: str, domain: str | None) -> Iterator[Forward]:
    address = problems.catch(where, addresses.alias, key)
    targets = [word for word in re.split(r"[\s,]+", rest) if word]
    if not targets:
        problems.add(where, f"{key} has no target")
    for word in targets:
        if word.startswith("@"):
            problems.add(
                where,
                f"{key} {word} sends each name of a domain to the same name at another: "
                f"posthouse domain add {key.lstrip('@')} --alias-of {word[1:]}",
            )
        elif word.startswith(("|", "/", ":", '"', "\\")):
            problems.add(where, f"{word}: only addresses can be targets, no commands, files or lists")
        elif "@" not in word and domain is None:
            problems.add(where, f"{word} has no domain; --domain NAME gives one to all such names")
        else:
            target = problems.catch(where, addresses.target, with_domain(word, domain))
            if address is not None and target is not None and target != address:
                yield Forward(where, address, target)
