"""The MTA-STS policy (RFC 8461 section 3.2) and its record: pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

PATH = "/.well-known/mta-sts.txt"


def text(mode: str, hosts: Iterable[str], seconds: int) -> str:
    """Return the policy: the mode, the hosts that take mail for the domain, and for how long senders keep it."""
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {host}" for host in hosts), f"max_age: {seconds}"]
    return "".join(f"{line}\r\n" for line in lines)


def record(policy: str) -> str:
    """Return the TXT record of a policy (section 3.1); its id is another exactly where the policy is another."""
    return f"v=STSv1; id={hashlib.sha256(policy.encode()).hexdigest()[:32]}"
