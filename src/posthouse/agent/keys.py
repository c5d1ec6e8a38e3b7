"""See that every domain has a DKIM key, made the moment it is missing.

Which domains have one is read from `selectors.map` (`DOMAIN SELECTOR` a line), the table that the filter signs
by; it is renamed into place when it changes, so its stat tells whether to read it again. A key is made in
a child process: the library for it is three times as large as the whole agent.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

SECONDS = 60.0


class KeyNotMade(Exception):
    """A domain has no key, and making one failed; the message says why."""


class Keys:
    """The domains that can sign."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._selectors: dict[str, str] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._lock = asyncio.Lock()

    def has(self, domain: str) -> bool:
        """Tell whether a domain (lower case) has a key that the filter will use."""
        selector = self._selector(domain)
        return selector is not None and (self.folder / f"{domain}.{selector}.key").exists()

    def signing(self, domain: str) -> tuple[str, bytes]:
        """Return the selector that a domain (lower case) signs with now, and that key. KeyNotMade, OSError."""
        selector = self._selector(domain)
        if selector is None:
            raise KeyNotMade(f"{domain}: {self.folder}/selectors.map does not name its key")
        return selector, (self.folder / f"{domain}.{selector}.key").read_bytes()

    def _selector(self, domain: str) -> str | None:
        path = self.folder / "selectors.map"
        try:
            stat = path.stat()
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if stamp != self._stamp:
                lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
                self._selectors = {words[0]: words[1] for words in lines if len(words) == 2}
                self._stamp = stamp
        except OSError:
            self._selectors, self._stamp = {}, None
        return self._selectors.get(domain)

    async def ensure(self, domain: str) -> None:
        """Make a domain's key if it has none. Raises `KeyNotMade`."""
        if self.has(domain):
            return
        async with self._lock:
            if self.has(domain):
                return
            await self._make(domain)
            if not self.has(domain):
                raise KeyNotMade(f"{domain}: made, but {self.folder}/selectors.map does not name it")

    async def _make(self, domain: str) -> None:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "posthouse.agent.make_key", domain, str(self.folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(SECONDS):
                _, said = await child.communicate()
        except TimeoutError:
            said = b"it took too long"
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode:
            raise KeyNotMade(f"{domain}: {said.decode(errors='replace').strip()[-500:]}")
