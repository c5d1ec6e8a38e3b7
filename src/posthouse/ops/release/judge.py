"""What the next Debian's daemons say of the configuration that they would get, all of it at once.

A checker of Dovecot stops at its first error; so what it objects to in an override is taken out line by line, until
it has nothing more to say. Knows nothing of where the checkers run: they are asked through `Ask`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from posthouse import paths, stack
from posthouse.errors import UsageError
from posthouse.resources import Blueprint
from posthouse.site.model import Site
from posthouse.site.release import Ground, Release

# Checker's name -> what it objects to, for every checker that is red.
Ask = Callable[[Blueprint], Mapping[str, str]]

DOVECOT = "dovecot/local.conf"
_LINE = re.compile(r"/etc/dovecot/dovecot\.conf line (\d+): *(.+)")
_MOST = 100


def problems(
    site: Site, release: Release, ground: Ground, overrides: Mapping[str, str], ask: Ask
) -> list[str]:
    """Return everything that stands against a site and its overrides under another Debian; nothing: it fits."""
    plain = ask(stack.assemble(site, release, ground, {}))
    if plain:
        return [f"Posthouse's own configuration: {name}: {said}" for name, said in plain.items()]
    found: list[str] = []
    for name, text in sorted(overrides.items()):
        found += _of_override(site, release, ground, name, text, ask)
    if not found and len(overrides) > 1:  # each alone is fine: are they together?
        whole = ask(stack.assemble(site, release, ground, overrides))
        found = [f"the overrides together: {checker}: {said}" for checker, said in whole.items()]
    return found


def _of_override(site: Site, release: Release, ground: Ground, name: str, text: str, ask: Ask) -> list[str]:
    found: list[str] = []
    lines = text.splitlines()
    for _ in range(_MOST):
        try:
            blueprint = stack.assemble(site, release, ground, {name: "\n".join(lines) + "\n"})
        except UsageError as error:
            return [*found, str(error)]
        said = ask(blueprint)
        if not said:
            break
        spot = _spot(blueprint, lines, said) if name == DOVECOT else None
        if spot is None:
            found += [f"{paths.OVERRIDES / name}: {checker}: {words}" for checker, words in said.items()]
            break
        number, words = spot
        found.append(f"{paths.OVERRIDES / name}, line {number + 1}: {lines[number].strip()}: {words}")
        _take_out(lines, number)
    return found


def _spot(blueprint: Blueprint, lines: list[str], said: Mapping[str, str]) -> tuple[int, str] | None:
    """Return the line of the override (from 0) at which Dovecot stopped, and its words; None if it is not there."""
    whole = next(file.content for file in blueprint.files if file.path.name == "dovecot.conf").splitlines()
    first = whole.index(f"# override: {DOVECOT}") + 1
    # the override stands in the file without its empty first lines
    first -= next((index for index, line in enumerate(lines) if line), 0)
    for words in said.values():
        match = _LINE.search(words)
        if match:
            number = int(match[1]) - 1 - first
            if 0 <= number < len(lines) and lines[number].strip():
                return number, match[2]
    return None


def _take_out(lines: list[str], number: int) -> None:
    """Empty a line; where it opens a block, all of the block, and where it is inside of one, it alone."""
    depth = lines[number].count("{") - lines[number].count("}")
    lines[number] = "#"
    while depth > 0 and number + 1 < len(lines):
        number += 1
        depth += lines[number].count("{") - lines[number].count("}")
        lines[number] = "#"
