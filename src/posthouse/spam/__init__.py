"""What the filter learned, what it wrote about a message, and teaching it: one small interface, one file a chain."""

from __future__ import annotations

from posthouse.spam.model import Filter


def chosen(name: str) -> Filter:
    """Return the chain of this name, as the site file's `filter` has it. KeyError: there is none."""
    from posthouse.spam import rspamd, spamassassin

    chains: dict[str, Filter] = {"rspamd": rspamd.Rspamd(), "spamassassin": spamassassin.SpamAssassin()}
    return chains[name]
