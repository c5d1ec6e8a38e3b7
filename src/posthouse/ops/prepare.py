"""What lives on its own and is never rolled back: made before the services are touched.

The directory and its schema, the certificate until a real one comes, a DKIM key for every domain, and
/etc/aliases, the operator's own file, which Debian 13's Postfix no longer brings.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from posthouse import paths
from posthouse.host import files
from posthouse.ops import carry_over
from posthouse.ops.context import Context

ALIASES = Path("/etc/aliases")
TWO_SIGNATURES = (
    "rspamd",
)  # the chains whose signer has two keys for a message: OpenDKIM 2.11 has one algorithm


def prepare(context: Context) -> list[Path]:
    """Make what is missing; return the paths that changed and that services must read again.

    Raises:
        PosthouseError: the directory, a key or the certificate cannot be made.
    """
    from posthouse import directory
    from posthouse.directory import domains
    from posthouse.dkim import keys
    from posthouse.ops import certificates, database, kept, logins

    if not ALIASES.exists():
        files.write_atomic(
            ALIASES, b"# Mail to users of this machine: aliases(5). Without a line it is root's.\n"
        )
    kept.take_over()
    database.ensure(context.site, context.base.release, context.base.ground, context.engine.note)
    keys.regroup()
    keys.with_twins(context.site.filter in TWO_SIGNATURES)
    carry_over.keys()
    carry_over.grants()
    # The main domain's key comes before the filter, which looks for changes only of a map that it found.
    for name in {context.site.domain, *(domain.name for domain in directory.reading(domains.list))}:
        with suppress(keys.KeyLost):  # mail of that domain waits, the rest goes on; `status` says so
            keys.ensure(name)
    renewed = [paths.TLS] if certificates.ensure(context.site) else []
    return [*renewed, *logins.ensure(context.site)]
