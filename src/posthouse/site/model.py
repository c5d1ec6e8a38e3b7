"""The site file's model: every field with its meaning, its default and its errors.

`docs/site-file.md` and `posthouse config reference` are generated from this module.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(_Table):
    """The machine's public addresses; where empty, they are found on its interfaces by `up`."""

    ipv4: str | None = Field(None, description="Public IPv4 address of this host.")
    ipv6: str | None = Field(None, description="Public IPv6 address of this host.")


class DirectoryTable(_Table):
    """Where domains, accounts and aliases live."""

    backend: Literal["sqlite", "postgresql"] = Field("sqlite", description="Kind of database.")


class Limits(_Table):
    """Bounds on size."""

    message_size: int = Field(52_428_800, ge=1_048_576, description="Largest message accepted, bytes.")
    quota: int = Field(0, ge=0, description="Bytes a mailbox may hold unless its account says; 0: no limit.")


class Spam(_Table):
    """What the filter does with what it judges."""

    junk_score: float = Field(6.0, gt=0, description="Score from which a message is filed in Junk.")
    reject_score: float | None = Field(
        None, gt=0, description="Score from which mail is refused; unset: never."
    )
    scan_size: int = Field(10_485_760, ge=1_048_576, description="Largest message scanned, bytes.")


class Dmarc(_Table):
    """The DMARC policy that our domains publish (RFC 7489 section 6.3)."""

    policy: Literal["none", "quarantine", "reject"] = Field("quarantine", description="Tag p.")
    report_to: Annotated[str, Field(description="Local part that takes aggregate reports.")] = "dmarc-reports"


class Site(_Table):
    """The whole file."""

    domain: str = Field(description="The main mail domain: the one that system mail carries.")
    hostname: str = Field(description="Fully qualified name of this host, as in its MX and PTR records.")
    postmaster: str = Field(description="The mailbox that gets mail for postmaster, abuse, root and reports.")
    filter: Literal["rspamd"] = Field("rspamd", description="The filter chain.")
    network: Network = Network()
    directory: DirectoryTable = DirectoryTable()
    limits: Limits = Limits()
    spam: Spam = Spam()
    dmarc: Dmarc = Dmarc()
