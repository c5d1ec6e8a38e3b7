"""apt's sources: to which Debian they lead (sources.list(5)).

Only the suite's name changes, in place; comments, options and the order stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from posthouse.errors import PosthouseError
from posthouse.host import files
from posthouse.host.run import run

ETC = Path("/etc/apt")


@dataclass(frozen=True)
class Source:
    """One archive that apt reads: where, which suite, who makes it ("" where it was never fetched)."""

    uri: str
    suite: str
    origin: str
    entry: str


def all() -> list[Source]:
    """Return every archive of the machine, as apt-get(8), indextargets, tells. CommandFailed."""
    line = "$(REPO_URI)|$(RELEASE)|$(ORIGIN)|$(SOURCESENTRY)"
    said = run(["apt-get", "indextargets", "--format", line, "Created-By: Packages"]).stdout
    rows = {tuple(text.split("|", 3)) for text in said.splitlines() if text.count("|") >= 3}
    return [Source(*row) for row in sorted(rows)]


def foreign(sources: Iterable[Source], suite: str) -> list[Source]:
    """Return the archives of others that are made for a suite: they must be seen to by the operator."""
    return [one for one in sources if one.origin != "Debian" and suite in one.suite]


def lists(etc: Path = ETC) -> list[Path]:
    """Return the files that name sources."""
    parts = etc / "sources.list.d"
    found = [etc / "sources.list", *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))]
    return [path for path in found if path.is_file()]


def moved(text: str, old: str, new: str) -> str:
    """Return a file of sources with another suite in it; `old-security` and the like become `new-security`."""
    pattern = re.compile(rf"(?<=\s){re.escape(old)}(?=(?:-[a-z-]+)?(?:/updates)?(?:\s|$))")
    lines = text.splitlines(keepends=True)
    return "".join(line if line.lstrip().startswith("#") else pattern.sub(new, line) for line in lines)


def move(old: str, new: str, keep: Callable[[Path, str], None], etc: Path = ETC) -> list[Path]:
    """Lead all sources to another suite; return the files that changed.

    Args:
        old: the suite that they lead to.
        new: the one that they shall lead to.
        keep: is given each file with its old text before it changes.
        etc: apt's folder.

    Raises:
        WriteFailed: a file cannot be written; those before it have changed, and the next call goes on.
        PosthouseError: one cannot be read as text.
    """
    changed = []
    for path in lists(etc):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PosthouseError(f"{path}: cannot be read: {error}") from error
        if (fresh := moved(text, old, new)) != text:
            keep(path, text)
            files.write_atomic(path, fresh.encode(), mode=path.stat().st_mode & 0o7777)
            changed.append(path)
    return changed
