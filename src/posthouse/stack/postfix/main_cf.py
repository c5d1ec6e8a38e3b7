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
    """One parameter: `value` as it stands after the `=`, with its continuation lines.

    `comments` are those of its block: all parameters up to the next empty line share them.
    """

    name: str
    value: str
    comments: tuple[str, ...] = ()
    line: int = 0

    def render(self) -> str:
        """The parameter as lines of main.cf, without its comments."""
        first, *rest = self.value.split("\n")
        return "\n".join([f"{self.name} = {first}".rstrip(), *rest]) + "\n"


def parse(text: str, name: str = OVERRIDE) -> tuple[Parameter, ...]:
    """Read main.cf: comments, `name = value`, lines that begin with white space continue the value.

    As in Postfix, empty lines and comments may stand between a parameter and its continuation.

    Raises:
        UsageError: a line is none of these, or holds a character that no parameter may hold.
    """
    found: list[Parameter] = []
    comments: list[str] = []
    block_begun = False
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip(" \t\r")
        if any(not (char == "\t" or char.isprintable()) for char in line):
            raise bad_override(name, number, "printable text", line, "Remove what is not printable.")
        if not line:
            comments, block_begun = [], False
        elif line.lstrip().startswith("#"):
            comments = [line.lstrip()] if block_begun else [*comments, line.lstrip()]
            block_begun = False
        elif line[0] in " \t":
            if not found:
                raise bad_override(
                    name, number, "NAME = VALUE first", line, "Begin the parameter at the start of a line."
                )
            found[-1] = replace(found[-1], value=f"{found[-1].value}\n    {line.lstrip()}")
        elif parameter := _PARAMETER.match(line):
            value = parameter["value"].strip()
            found.append(Parameter(parameter["name"], value, tuple(comments), number))
            block_begun = True
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
    wanted = [
        replace(own.pop(ours.name), comments=mark) if ours.name in own else ours
        for ours in parse(text[len(head) :])
    ]
    wanted += [replace(taken, comments=mark) for taken in own.values()]
    lines, block = [head + "\n"], None
    for parameter in wanted:
        if parameter.comments != block:
            block = parameter.comments
            lines += ["\n", *(comment + "\n" for comment in block)]
        lines.append(parameter.render())
    return "".join(lines)


def origins(text: str) -> tuple[tuple[str, str], ...]:
    """Every parameter of a rendered main.cf, with the comment of its block."""
    return tuple(
        (parameter.name, " ".join(comment.lstrip("# ") for comment in parameter.comments))
        for parameter in parse(text)
    )
