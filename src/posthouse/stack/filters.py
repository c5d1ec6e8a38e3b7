"""The filter chains that a site can choose: what Postfix has to know of each.

Both file by the same header (`X-Spam: Yes`, dovecot/before.sieve) and sign with the same keys. Whichever is chosen,
one of its parts that is away means "try again later".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posthouse import paths
from posthouse.site.model import Filter, Site


@dataclass(frozen=True)
class PolicyService:
    """A program that Postfix asks for SPF, at a socket below its spool."""

    socket: str
    program: Path
    settings: Path


@dataclass(frozen=True)
class Chain:
    """Milters in their order: `judges` for mail from elsewhere, `signers` for our users' mail; the units behind them.

    `outgoing`: for what they submit, after the agent: signs, judges, and holds spam. `sealers`: for what is forwarded
    (ARC). `spf`: what says what SPF finds, where that is none of the milters.
    """

    judges: tuple[Path, ...]
    signers: tuple[Path, ...]
    outgoing: tuple[Path, ...]
    units: tuple[str, ...]
    sealers: tuple[Path, ...] = ()
    spf: PolicyService | None = None


POLICYD_SPF = PolicyService(
    "private/policyd-spf",
    Path("/etc/postfix-policyd-spf-python/posthouse"),
    Path("/etc/postfix-policyd-spf-python/policyd-spf.conf"),
)
CHAINS: dict[Filter, Chain] = {
    "rspamd": Chain(
        (paths.RSPAMD_MILTER,),
        (paths.RSPAMD_MILTER,),
        (paths.RSPAMD_MILTER, paths.AGENT_OUTGOING),
        ("rspamd.service",),
        (paths.RSPAMD_MILTER,),
    ),
    "spamassassin": Chain(
        (paths.GATE_ENTRANCE, paths.OPENDKIM_MILTER, paths.OPENDMARC_MILTER, paths.GATE_VERDICT),
        (paths.OPENDKIM_MILTER,),
        (paths.OPENDKIM_MILTER, paths.GATE_OUTGOING, paths.AGENT_OUTGOING),
        ("opendkim.service", "opendmarc.service", "spamd.service", "posthouse-gate.service"),
        (paths.AGENT_SEALING,),
        spf=POLICYD_SPF,
    ),
}
# of every chain: who comes before them need not know which one is chosen
UNITS = tuple(unit for chain in CHAINS.values() for unit in chain.units)


def chosen(site: Site) -> Chain:
    """The chain of this site."""
    return CHAINS[site.filter]
