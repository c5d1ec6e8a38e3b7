"""Which of the packages that Posthouse brought nothing else on the machine needs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posthouse import paths
from posthouse.host import files
from posthouse.host.packages import brought
from posthouse.host.run import run

_STATES = Path("/var/lib/apt/extended_states")
_COPY = paths.RUN / "extended_states"
_OPTIONS = ("-o", f"Dir::State::extended_states={_COPY}")
# PostgreSQL's packages keep themselves from being removed so: /etc/apt/apt.conf.d/01autoremove-postgresql.
_NOTHING_EVER = paths.RUN / "autoremove.conf"
# Who recommends or suggests a package works without it, as before it came.
_STRICT = (
    "-o",
    "APT::AutoRemove::RecommendsImportant=false",
    "-o",
    "APT::AutoRemove::SuggestsImportant=false",
)


@dataclass(frozen=True)
class Removable:
    """Names as NAME:ARCHITECTURE; `needed`: brought, and by now something of the operator's depends on them."""

    goes: tuple[str, ...]
    needed: tuple[str, ...]


def removable(keep: Callable[[str], bool]) -> Removable | None:
    """Ask apt what could go if all that was brought counted as automatically installed; None: no account was kept.

    Args:
        keep: tells of a name whether it stays in any case, and what it depends on with it.

    Raises:
        CommandFailed: apt cannot say; packages are half-installed, mostly.
    """
    ours = brought.packages()
    if ours is None:
        return None
    loose = sorted(name for name in ours if not keep(name))
    text = _STATES.read_text() if _STATES.exists() else ""
    for name in loose:
        package, _, architecture = name.partition(":")
        text += f"\nPackage: {package}\nArchitecture: {architecture}\nAuto-Installed: 1\n"
    paths.RUN.mkdir(parents=True, exist_ok=True)
    files.write_atomic(_COPY, text.encode())
    files.write_atomic(_NOTHING_EVER, b"#clear APT::NeverAutoRemove;\n")
    try:
        options = ("--config-file", str(_NOTHING_EVER), "--simulate", *_OPTIONS, *_STRICT)
        said = run(["apt-get", *options, "autoremove"]).stdout
    finally:
        files.remove(_COPY)
        files.remove(_NOTHING_EVER)
    removed = {name.partition(":")[0] for name in re.findall(r"^(?:Remv|Purg) (\S+)", said, re.MULTILINE)}
    goes = tuple(name for name in loose if name.partition(":")[0] in removed)
    return Removable(goes, tuple(name for name in loose if name not in goes))
