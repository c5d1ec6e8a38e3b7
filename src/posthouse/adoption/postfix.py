"""main.cf and master.cf as they are found (postconf(5), master(5))."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from posthouse.errors import UsageError
from posthouse.stack.postfix import main_cf, master_cf

MAIN, MASTER = "etc/postfix/main.cf", "etc/postfix/master.cf"
_REFERENCE = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|\(([A-Za-z0-9_]+)\)|([A-Za-z0-9_]+))")
_TABLE = re.compile(r"(?:proxy:)?([a-z]+):(\S+)")


@dataclass(frozen=True)
class Postfix:
    """`parameters`: what main.cf sets, as written; `services`: master.cf's, each with its own lines."""

    parameters: Mapping[str, str]
    services: Sequence[master_cf.Service]

    def value(self, name: str, default: str = "") -> str:
        """Return a parameter on one line, with the parameters that it names put in."""
        text = self.parameters.get(name, default)
        for _ in range(8):  # deeper than anybody writes, and an end to circles
            text = _REFERENCE.sub(lambda found: self.parameters.get(_name(found), found[0]), text)
        return " ".join(text.split())

    def tables(self, name: str) -> list[tuple[str, str]]:
        """Return the tables of a parameter: type and place ("pgsql", "/etc/postfix/virtual.cf")."""
        return [(kind, place) for kind, place in _TABLE.findall(self.value(name).replace(",", " "))]


def read(root: Path) -> Postfix:
    """Read both files. UsageError where one is not there, or cannot be read as what it is."""
    found = main_cf.parse(_text(root / MAIN), "/" + MAIN)
    return Postfix(
        {item.name: item.value for item in found}, master_cf.parse(_text(root / MASTER), "/" + MASTER)
    )


def options(service: master_cf.Service) -> dict[str, str]:
    """Return the `-o NAME=VALUE` of a service."""
    words = " ".join(service.lines)
    return dict(re.findall(r"-o\s+([A-Za-z0-9_-]+)=(\S*)", words))


def program(service: master_cf.Service) -> str:
    """Return the program that a service runs: smtpd, pipe ..."""
    return service.lines[0].split()[7]


def _name(found: re.Match[str]) -> str:
    return found[1] or found[2] or found[3]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"{path}: not there; --adopt takes over a Postfix that is set up",
            "On a machine without a mail server, leave --adopt out.",
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: expected UTF-8 text", f"Look at byte {error.start}.") from error
