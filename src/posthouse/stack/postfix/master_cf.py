"""master.cf as data: services by name and type, the operator's own in the place of ours (master(5))."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from posthouse.stack.overrides import bad_override

OVERRIDE = "postfix/master.cf"

_TYPES = frozenset({"inet", "unix", "unix-dgram", "fifo", "pass"})
_FIELDS = "name, type, private, unpriv, chroot, wakeup, maxproc, command"


@dataclass(frozen=True)
class Service:
    """One service: its line, and the lines that continue it."""

    name: str
    type: str
    lines: tuple[str, ...]
    number: int

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same service as another."""
        return self.name, self.type


def parse(text: str, name: str = OVERRIDE) -> tuple[Service, ...]:
    """Read the services of master.cf; comments and empty lines count for nothing.

    Raises:
        UsageError: a line has not the eight fields of a service, or continues nothing.
    """
    found: list[Service] = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip(" \t\r")
        if any(not (char == "\t" or char.isprintable()) for char in line):
            raise bad_override(name, number, "printable text", line, "Remove what is not printable.")
        if not line or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t":
            if not found:
                raise bad_override(
                    name, number, "a service first", line, "Begin a service at the start of a line."
                )
            last = found[-1]
            found[-1] = Service(last.name, last.type, (*last.lines, "    " + line.lstrip()), last.number)
            continue
        fields = line.split()
        if len(fields) < 8 or fields[1] not in _TYPES:
            raise bad_override(name, number, "a service", line, f"Its fields are {_FIELDS}: see master(5).")
        found.append(Service(fields[0], fields[1], (line,), number))
    return tuple(found)


def origins(text: str) -> tuple[tuple[str, str], ...]:
    """ "NAME/TYPE" of every service of a rendered master.cf, with the comment above it."""
    found: dict[str, str] = {}
    reasons: list[str] = []
    comment_ended = True
    for line in text.split("\n"):
        if line.startswith("#"):
            reasons = [line[1:].strip()] if comment_ended else [*reasons, line[1:].strip()]
            comment_ended = False
        elif line and line[0] not in " \t":
            name, type_, *_ = line.split()
            found[f"{name}/{type_}"] = " ".join(reasons)
            comment_ended = True
        elif not line:
            reasons, comment_ended = [], True
    return tuple(found.items())


def merged(text: str, overrides: Mapping[str, str]) -> str:
    """Our master.cf, with each of the operator's services in the place of ours of that name and type.

    Raises:
        UsageError: the override can't be read.
    """
    own = {service.key: service for service in parse(overrides.get(OVERRIDE, ""))}
    if not own:
        return text
    kept: list[str] = []
    dropping = False
    for line in text.split("\n"):
        if line.startswith("#") or not line:
            dropping = False
            kept.append(line)
        elif line[0] not in " \t":
            fields = line.split()
            dropping = (fields[0], fields[1]) in own
            if not dropping:
                kept.append(line)
        elif not dropping:
            kept.append(line)
    lines = [f"# override: {OVERRIDE}"]
    for service in own.values():
        lines += service.lines
    return "\n".join(kept).rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"
