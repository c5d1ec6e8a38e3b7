"""Write a new site file, for a person to read and edit."""

from __future__ import annotations

import json
from collections.abc import Sequence

from posthouse.site.model import JUNK_SCORES, Filter

_FILE = """\
# What this machine's mail service is. Edit it, look at `posthouse plan`, then `posthouse apply`.
# `posthouse config reference` explains every key; `posthouse config check` finds mistakes.
# Domains, accounts and aliases are not here: see `posthouse domain`, `user` and `alias`.

# The main mail domain: the one that system mail carries.
domain = {domain}

# The full name of this host, as in its MX and PTR records.
hostname = {hostname}

# The mailbox that gets mail for postmaster, abuse, root and reports.
postmaster = {postmaster}

# What judges mail from elsewhere and signs ours: "rspamd", or "spamassassin" (docs/filters.md).
{filter}

[network]
# The public addresses that this host sends from and is reached at.
{ipv4}
{ipv6}

[directory]
# Where domains, accounts and aliases live; `posthouse directory move` changes it on a live server.
{backend}

[limits]
{message_size}
# quota = 0                 # what a mailbox may hold unless its account says; 0: no limit

[spam]
# junk_score = {junk_score}          # from here on a message is filed in Junk
# reject_score = 15.0       # from here on mail is refused; unset: never

[bans]
# Addresses and networks that are never banned, such as yours.
{never}

[dmarc]
# policy = "quarantine"     # none, quarantine or reject: what we ask others to do with mail that fails
"""


def new_file(
    domain: str,
    hostname: str,
    postmaster: str,
    ipv4: str | None = None,
    ipv6: str | None = None,
    backend: str = "sqlite",
    *,
    filter: Filter = "rspamd",
    message_size: int | None = None,
    never: Sequence[str] = (),
    tables: str = "",
) -> str:
    """Return the text of a site file that says only what has no default, with hints at the rest.

    `never`: addresses that are never banned. `tables`: further tables, as TOML.
    """
    # A TOML basic string takes every escape that JSON writes for names without control characters.
    return _FILE.format(
        domain=json.dumps(domain),
        hostname=json.dumps(hostname),
        postmaster=json.dumps(postmaster),
        filter='# filter = "rspamd"' if filter == "rspamd" else f'filter = "{filter}"',
        junk_score=JUNK_SCORES[filter],
        backend='# backend = "sqlite"' if backend == "sqlite" else f'backend = "{backend}"',
        ipv4=f'ipv4 = "{ipv4}"' if ipv4 else '# ipv4 = "192.0.2.1"',
        ipv6=f'ipv6 = "{ipv6}"' if ipv6 else '# ipv6 = "2001:db8::1"',
        never=f"never = {json.dumps(list(never))}" if never else '# never = ["192.0.2.7"]',
        message_size=f"message_size = {message_size}   # bytes; the largest message accepted"
        if message_size
        else '# message_size = "50 MiB"   # the largest message accepted',
    ) + (f"\n{tables}" if tables else "")
