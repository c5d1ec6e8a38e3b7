"""/etc/aliases and the sender map (aliases(5), smtpd_sender_login_maps in postconf(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ALIASES = "etc/aliases"


def unix(root: Path) -> dict[str, str]:
    """Return /etc/aliases as pairs; empty where it is not there."""
    found: dict[str, str] = {}
    name = ""
    for line in _text(root / ALIASES).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line[0] in " \t":
            found[name] = f"{found.get(name, '')} {line.strip()}"
        else:
            name, _, value = line.partition(":")
            name = name.strip().strip('"').lower()
            found[name] = value.strip()
    return found


def senders(root: Path, place: str, domain: str) -> Iterator[tuple[str, str]]:
    """Yield (address, login) of a sender map; a login without a domain is one of `domain`."""
    for line in _text(root / place.lstrip("/")).splitlines():
        words = line.split(None, 1)
        if len(words) == 2 and not line.startswith(("#", " ", "\t")):
            for login in re.split(r"[,\s]+", words[1].strip()):
                if login:
                    yield words[0].lower(), login.lower() if "@" in login else f"{login}@{domain}".lower()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
