"""Tell Postfix how mail to a domain must be sent: a socketmap service for smtp_tls_policy_maps (smtp(8)).

A domain whose signed zones have TLSA records for a host that takes its mail is left to DANE, which Postfix judges by
itself, and MTA-STS must not override that (RFC 8461 section 2). For any other, what the resolver of MTA-STS policies
says. Where one of both cannot be asked nobody can tell that there is no policy, and mail waits.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from posthouse import paths
from posthouse.agent import resolver
from posthouse.agent.idn import a_labels
from posthouse.agent.netstrings import MAX_QUESTION, read, written
from posthouse.agent.resolver import Unknown
from posthouse.agent.socketmap import SocketMap

if TYPE_CHECKING:
    import dns.message

_SECONDS = 10.0
_HOSTS = 10  # of a domain at most

log = logging.getLogger("posthouse.agent")


class TlsPolicy(SocketMap):
    """The map of how a domain must be reached."""

    def __init__(self, path: Path, daemon: tuple[str, int] = paths.MTA_STS) -> None:
        super().__init__(path)
        self.daemon = daemon

    async def answer(self, question: str) -> str:
        """Answer `MAP DOMAIN`. A parent domain, or a host that was named as such, has no policy of its own."""
        domain = a_labels(question.partition(" ")[2])
        if not domain or domain[0] in ".[" or ":" in domain:
            return "NOTFOUND "
        try:
            return "OK dane" if await speaks_dane(domain) else await self._policy(domain)
        except (Unknown, OSError, EOFError, ValueError, TimeoutError) as error:
            log.warning("how mail to %s must be sent cannot be told now: %s", domain, error)
            return "TEMP it cannot be told now how this domain is to be reached"

    async def _policy(self, domain: str) -> str:
        async with asyncio.timeout(3 * _SECONDS):
            reader, writer = await asyncio.open_connection(*self.daemon)
            try:
                writer.write(written(f"postfix {domain}"))
                await writer.drain()
                return await read(reader, 8 * MAX_QUESTION)
            finally:
                writer.close()


async def speaks_dane(domain: str) -> bool:
    """Tell whether DANE governs mail to a domain (RFC 7672 section 2.2): its MX records and a TLSA record are secure.

    Raises Unknown.
    """
    found = await _asked(domain, "MX")
    if not _secure(found):
        return False
    hosts = sorted({str(one.exchange) for rrset in found.answer for one in rrset if one.rdtype == 15})
    for host in hosts[:_HOSTS] or [domain]:
        tlsa = await _asked(f"_25._tcp.{host}", "TLSA")
        if _secure(tlsa) and any(rrset.rdtype == 52 for rrset in tlsa.answer):
            return True
    return False


def _secure(reply: dns.message.Message) -> bool:
    return bool(reply.flags & 0x20)  # AD, RFC 4035 section 3.2.3


async def _asked(name: str, kind: str) -> dns.message.Message:
    return await resolver.asked(name, kind, _SECONDS)
