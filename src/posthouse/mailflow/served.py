"""Which protocols Dovecot serves: an override may take some away, and then nobody shall miss them."""

from __future__ import annotations

import re

from posthouse.errors import PosthouseError
from posthouse.host.run import run

_LINE = re.compile(r"^protocols\s*=(.*)$", re.MULTILINE)
ALL = frozenset({"imap", "pop3", "lmtp", "sieve"})


def protocols() -> frozenset[str]:
    """Return Dovecot's setting `protocols`; where that cannot be read, all that Posthouse sets."""
    try:
        # (without -h: to that, Dovecot 2.4 says that several settings have this name)
        return parse(run(["/usr/bin/doveconf", "protocols"], timeout=30).stdout) or ALL
    except PosthouseError:
        return ALL


def parse(text: str) -> frozenset[str]:
    """Return the protocols in what doveconf(1) prints: `protocols = imap pop3`."""
    return frozenset(word for line in _LINE.findall(text) for word in line.split())
