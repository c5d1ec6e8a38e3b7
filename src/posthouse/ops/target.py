"""What an apply makes of the machine: the blueprint, and what lives outside of it."""

from __future__ import annotations

from pathlib import Path

from posthouse import __version__, paths
from posthouse.engine.target import Target
from posthouse.ops import confirm
from posthouse.ops.context import Context
from posthouse.ops.release import pending


def target(context: Context, why: str) -> Target:
    """Return what an apply makes of the machine. UsageError where a smart host's password cannot be read."""
    base = context.base
    reason = _another_certificate(context)
    passwords, said = _passwords(context)
    return Target(
        context.blueprint,
        base.inputs,
        why,
        base.platform,
        __version__,
        outside=(*(((paths.TLS, reason),) if reason else ()), *passwords),
        notes=(*confirm.pending_note(base.engine), *pending.notes(base), *said),
    )


def _another_certificate(context: Context) -> str | None:
    """Say why an apply would put another certificate in place; where nobody speaks of one, nothing is parsed."""
    from posthouse.tls import place

    try:
        if "tls" not in context.base.inputs.site and place.kind() not in ("acme", "files"):
            return None
    except OSError:  # not root
        return None
    from posthouse.ops import certificates

    return certificates.pending(context.site)


def _passwords(context: Context) -> tuple[tuple[tuple[Path, str], ...], tuple[str, ...]]:
    """Return what an apply makes of password files, and what is to be said of them.

    The site is parsed only where it has some.
    """
    if all(directory.path != paths.RELAY for directory in context.blueprint.directories):
        return (), ()
    from posthouse.ops import logins

    return logins.changed(context.site), logins.notes(context.site)
