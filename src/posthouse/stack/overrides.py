"""The operator's own settings: where they lie, and what is wrong with them when they cannot be read.

`overrides` everywhere in `stack` maps a path below /etc/posthouse/overrides ("postfix/main.cf") to the
file's text.
"""

from __future__ import annotations

from collections.abc import Mapping

from posthouse import paths
from posthouse.errors import UsageError


def bad_override(name: str, line: int, expected: str, found: str, hint: str) -> UsageError:
    """The error for line number `line` of the override `name`."""
    return UsageError(f"{paths.OVERRIDES / name}, line {line}: expected {expected}, found {found!r}", hint)


def appended(text: str, overrides: Mapping[str, str], name: str) -> str:
    """`text` with the override `name` at its end, where settings said again win."""
    own = overrides.get(name, "").strip("\n")
    return f"{text.rstrip()}\n\n# override: {name}\n{own}\n" if own.strip() else text


def below(overrides: Mapping[str, str], folder: str) -> dict[str, str]:
    """The overrides directly in `folder`, by file name.

    Raises:
        UsageError: a file lies deeper than that, where no daemon would read it.
    """
    found = {}
    for name, text in sorted(overrides.items()):
        if name.startswith(folder + "/"):
            rest = name[len(folder) + 1 :]
            if "/" in rest or rest.startswith("."):
                raise UsageError(
                    f"{paths.OVERRIDES / name}: expected a file directly in {paths.OVERRIDES / folder}",
                    "Move it there, or remove it.",
                )
            found[rest] = text
    return found
