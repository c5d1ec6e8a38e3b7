"""What dpkg knows, read from its own database (dpkg(1), deb-status(5): /var/lib/dpkg/status).

Reading the file takes a few milliseconds where starting dpkg-query takes tens: a plan observes it each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

DATABASE = Path("/var/lib/dpkg")
_DONE = ("installed", "not-installed", "config-files")
_FIELDS = ("Package", "Status", "Version", "Architecture", "Config-Version", "Provides")


@dataclass(frozen=True)
class Entry:
    """One package of dpkg's database; `configured_before`: an older version of it was once set up."""

    name: str
    architecture: str
    state: str
    version: str
    configured_before: bool
    provides: frozenset[str]


def installed(names: Iterable[str], database: Path = DATABASE) -> dict[str, str | None]:
    """Return the version of each package that is fully installed, None for every other.

    Raises:
        OSError: there is no dpkg database to read.
    """
    found: dict[str, str | None] = dict.fromkeys(names)
    for entry in entries(database):
        if entry.name in found and entry.state == "installed":
            found[entry.name] = entry.version
    return found


def unfinished(database: Path = DATABASE) -> list[Entry]:
    """Return the packages that dpkg was cut off in: neither installed nor removed."""
    return [entry for entry in entries(database) if entry.state not in _DONE]


def interrupted(database: Path = DATABASE) -> bool:
    """Answer whether dpkg has work of its own to end before it takes more."""
    return bool(unfinished(database) or _journal(database))


def entries(database: Path = DATABASE) -> Iterator[Entry]:
    """Yield every package, the newest word on each: dpkg's journal comes after its status file.

    Raises:
        OSError: there is no dpkg database to read.
    """
    found: dict[tuple[str, str], Entry] = {}  # a package can be there once an architecture
    for file in [database / "status", *_journal(database)]:
        for paragraph in file.read_text(errors="replace").split("\n\n"):
            if entry := _entry(paragraph):
                found[entry.name, entry.architecture] = entry
    yield from found.values()


def _journal(database: Path) -> list[Path]:
    folder = database / "updates"
    return sorted(path for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []


def _entry(paragraph: str) -> Entry | None:
    fields: dict[str, str] = {}
    for line in paragraph.splitlines():
        key, _, value = line.partition(": ")
        if key in _FIELDS:
            fields[key] = value
    if "Package" not in fields:
        return None
    provides = (word.split("(")[0].strip() for word in fields.get("Provides", "").split(","))
    return Entry(
        name=fields["Package"],
        architecture=fields.get("Architecture", ""),
        state=fields.get("Status", "not-installed").split()[-1],
        version=fields.get("Version", ""),
        configured_before=fields.get("Config-Version", "<none>") != "<none>",
        provides=frozenset(provides),
    )
