"""main.cf as data: parameters with their comments, and the operator's own merged over ours (postconf(5))."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from posthouse.stack.overrides import bad_override

OVERRIDE = "postfix/main.cf"

_PARAMETER = re.compile(r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_./-]*)[ \t]*=(?P<value>.*)\Z")


@dataclass(frozen=True)
class Parameter:
    """One parameter: `value` as it stands after the `=`, with its continuation lines."""

    name: str
    value: str
    comments: tuple[str, ...] = ()
    line: int = 0

    def render(self) -> str:
        """The parameter as lines of main.cf, comments first."""
        first, *rest = self.value.split("\n")
        lines = [*self.comments, f"{self.name} = {first}".rstrip(), *rest]
        return "\n".join(lines) + "\n"


def parse(text: str, name: str = OVERRIDE) -> tuple[Parameter, ...]:
    """Read main.cf: comments, `name = value`, lines that begin with white space continue the value.

    As in Postfix, empty lines and comments may stand between a parameter and its continuation.

    Raises:
        UsageError: a line is none of these, or holds a character that no parameter may hold.
    """
    found: list[Parameter] = []
    comments: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip(" \t\r")
        if any(not (char == "\t" or char.isprintable()) for char in line):
            raise bad_override(name, number, "printable text", line, "Remove what is not printable.")
        if not line:
            comments = []
        elif line.lstrip().startswith("#"):
            comments.append(line.lstrip())
        elif line[0] in " \t":
            if not found:
                raise bad_override(
                    name, number, "NAME = VALUE first", line, "Begin the parameter at the start of a line."
                )
            found[-1] = replace(found[-1], value=f"{found[-1].value}\n    {line.lstrip()}")
        elif parameter := _PARAMETER.match(line):
            value = parameter["value"].strip()
            found.append(Parameter(parameter["name"], value, tuple(comments), number))
            comments = []
        else:
            raise bad_override(name, number, "NAME = VALUE", line, "See postconf(5) for the names.")
    return tuple(found)


def merged(text: str, overrides: Mapping[str, str]) -> str:
    """Our main.cf with the operator's parameters in the place of ours, and those we do not set at the end.

    Raises:
        UsageError: the override can't be read.
    """
    own = {parameter.name: parameter for parameter in parse(overrides.get(OVERRIDE, ""))}
    if not own:
        return text
    mark = (f"# override: {OVERRIDE}",)
    head, _, _ = text.partition("\n\n")
    parts = [head + "\n"]
    for ours in parse(text[len(head) :]):
        if ours.comments:
            parts.append("\n")
        taken = own.pop(ours.name, None)
        parts.append(ours.render() if taken is None else replace(taken, comments=mark).render())
        if taken is not None and ours.comments:
            parts.append("\n")
    parts += ["\n" + replace(taken, comments=mark).render() for taken in own.values()]
    return "".join(parts)
