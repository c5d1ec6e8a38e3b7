"""See that every domain of the directory has its DKIM key: when one appears, and again where that failed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable

from posthouse.agent.keys import KeyNotMade

# Until a key that could not be made is tried again, unless something changes or mail needs it.
RETRY_LOOKS = 60

log = logging.getLogger("posthouse.agent")


class Domains:
    """The domains' keys, looked at once a second."""

    def __init__(self, ensure_key: Callable[[str], Awaitable[None]]) -> None:
        self._ensure_key = ensure_key
        self._looks = 0  # since a key could not be made; 0: none is missing

    def due(self, changed: bool) -> bool:
        """Count a look, and tell whether the domains are to be asked for."""
        self._looks += self._looks > 0
        return changed or self._looks > RETRY_LOOKS

    async def see_to(self, domains: Iterable[str]) -> None:
        """Make the keys that are missing."""
        self._looks = 0
        for domain in domains:
            try:
                await self._ensure_key(domain)
            except KeyNotMade as error:
                self._looks = 1
                log.error("a DKIM key is missing: %s", error)
