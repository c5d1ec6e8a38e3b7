"""How the certificate stands: in words, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from posthouse import paths
from posthouse.ops import certificates
from posthouse.tls import place

if TYPE_CHECKING:
    from posthouse.site.model import Site
    from posthouse.tls.pair import Pair

State = Literal["ok", "warning", "failure", "unknown"]
Line = tuple[State, str, str]  # state, what is seen, what to do
SOON = timedelta(days=14)
END = f"printf '\\n[tls]\\nmode = \"acme\"\\n' >>{paths.SITE_FILE} && posthouse apply"
_AGAIN = "posthouse cert renew"


def look(site: Site, text: str) -> Iterator[Line]:
    """Yield what is to say of the certificate, the worst first. OSError: not root.

    Args:
        site: whose certificate it is.
        text: its file, for the line that ends a self-signed one.
    """
    present = certificates.in_use()
    if present is None:
        yield "failure", "there is none, or it cannot be read", "posthouse apply"
        return
    yield from judged(site, present, text, datetime.now(UTC))
    if wrong := certificates.looked_at(site):
        mend = "postfix reload; doveadm reload"
        yield "failure", f"not what is served: {'; '.join(wrong[:3])}", mend


def judged(site: Site, present: Pair, text: str, now: datetime) -> Iterator[Line]:
    """Yield what the pair in use says of itself, and what came of the last order; pure but for the latter."""
    left = present.ends - now
    days = f"{left.days} days left"
    lacking = [name for name in certificates.names(site) if not present.covers(name)]
    last = certificates.TRIES.last() if site.tls.kind == "acme" else None
    mend = _AGAIN if site.tls.kind == "acme" else "posthouse apply"
    wants_new = site.tls.kind != "self-signed" and place.kind() != site.tls.kind
    if left < timedelta(0):
        yield "failure", f"EXPIRED on {present.ends:%Y-%m-%d}: mail programs refuse it", mend
    elif site.hostname in lacking:
        known = ", ".join(present.names) or "no name"
        yield "failure", f"it is for {known}, not for {site.hostname}", mend
    elif present.self_signed:
        waits = " until the authority issues one" if site.tls.kind == "acme" else ""
        ends = mend if site.tls.kind == "acme" else _ending(site, text)
        yield "warning", f"SELF-SIGNED{waits}: mail programs will warn of it; {days}", ends
    elif left < min(SOON, (present.ends - present.begins) / 4):
        yield "warning", f"{days}: it was not renewed", mend
    elif lacking:
        yield "warning", f"{days}; not for {', '.join(lacking)}", mend
    else:
        yield "ok", f"{days}, {site.tls.kind}, for {', '.join(present.names)}", ""
    if wants_new and not present.self_signed:
        yield "warning", f'it is not yet the one that mode = "{site.tls.kind}" asks for', mend
    if last is not None and not last.ok:
        when = datetime.fromtimestamp(last.when, UTC)
        why = "; ".join(f"{name}: {reason}" if name else reason for name, reason in last.said.items())
        yield "warning", f"the last order, {when:%Y-%m-%d %H:%M} UTC: {why}", mend


def _ending(site: Site, text: str) -> str:
    """The exact line that ends a self-signed certificate, where the file has no [tls] yet."""
    if site.tls.kind != "self-signed":
        return "posthouse apply"
    return f'mode = "acme" below [tls] in {paths.SITE_FILE}, then posthouse apply' if "[tls]" in text else END
