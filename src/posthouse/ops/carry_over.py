"""What a taken-over server hands on once the users and folders of ours are there: DKIM keys and grants.

It waits in one file, which goes when all of it is done.
"""

from __future__ import annotations

import json
from pathlib import Path

from posthouse import paths
from posthouse.errors import PosthouseError

PENDING = paths.STATE / "adoption.json"


def keys() -> None:
    """Import the DKIM keys, before any could be made. PosthouseError where one cannot be read or written."""
    from posthouse.dkim import keys as dkim

    for domain, selector, path in _pending().get("keys", ()):
        try:
            dkim.take_over(domain, selector, Path(path).read_bytes())
        except OSError as error:
            raise PosthouseError(f"{path}: {error.strerror}", f"the key of {domain} is needed") from error


def grants() -> None:
    """Give every login what the sender map gave it. PosthouseError where the directory does not take it."""
    from posthouse import directory
    from posthouse.directory import Connection
    from posthouse.directory import grants as granted

    wanted = _pending().get("grants", ())
    if wanted:

        def have(connection: Connection) -> None:
            for address, login in wanted:
                granted.add(connection, login, address)

        directory.writing(have)
    PENDING.unlink(missing_ok=True)


def _pending() -> dict[str, list[list[str]]]:
    try:
        found: dict[str, list[list[str]]] = json.loads(PENDING.read_bytes())
    except FileNotFoundError:
        return {}
    return found
