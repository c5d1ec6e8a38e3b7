"""Questions to our own unbound, which validates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dns.message

ADDRESS = "127.0.0.1"


class Unknown(Exception):
    """No answer: neither yes nor no."""


async def asked(name: str, kind: str, seconds: float) -> dns.message.Message:
    """Ask for records and return the answer, which may be that there are none. Unknown."""
    # Here and not above: the library is as large as half the agent, and few ask for this.
    import dns.asyncquery
    import dns.exception
    import dns.message

    try:
        query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
        query.flags |= 0x20
        reply, _ = await dns.asyncquery.udp_with_fallback(query, ADDRESS, timeout=seconds)
    except (dns.exception.DNSException, OSError, EOFError) as error:
        raise Unknown(f"{name} {kind}: {type(error).__name__}") from error
    if reply.rcode() not in (0, 3):
        raise Unknown(f"{name} {kind}: DNS answers {int(reply.rcode())}")
    return reply


async def texts(name: str, seconds: float) -> list[bytes]:
    """Return the TXT records of a name, each put together from its strings; none of what can be no name. Unknown."""
    import dns.exception
    import dns.name

    try:
        dns.name.from_text(name)
    except dns.exception.DNSException:
        return []
    reply = await asked(name, "TXT", seconds)
    return [b"".join(one.strings) for rrset in reply.answer if rrset.rdtype == 16 for one in rrset]
