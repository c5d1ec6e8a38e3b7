"""DMARC for authors beyond ASCII: OpenDMARC asks DNS for their domain as it is written, which is not how it is there.

What it asks and what it makes of it is RFC 7489's, but that the organization's record is looked for in every domain
above the author's: nobody has one above its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from posthouse.agent import resolver
from posthouse.gate import results

_SECONDS = 1.0
_PLACES = 5
_ASKS = ("none", "quarantine", "reject")


async def judged(headers: Sequence[str], domain: str, spf: str) -> tuple[str, str]:
    """The result (pass, fail, none, temperror) and what the owner asks for, of an author's domain in A-labels.

    `headers` are those of our milters (`results`), `spf` the result of Received-SPF. Of a sample (pct) all is
    quarantined where the owner asks for refusal.
    """
    try:
        asked = await _policy(domain)
    except resolver.Unknown:
        return "temperror", "none"
    if asked is None:
        return "none", "none"
    if results.vouched(headers, domain):
        return "pass", asked
    return ("temperror", "none") if results.silent(headers, spf) else ("fail", asked)


async def _policy(domain: str) -> str | None:
    labels = domain.split(".")
    places = [".".join(labels[number:]) for number in range(max(len(labels) - 1, 1))]
    for place in [places[0], *places[1:][-_PLACES:]]:
        tags = await _record(place)
        if tags is None:
            continue
        asked = tags.get("p", "none") if place == domain else tags.get("sp", tags.get("p", "none"))
        if asked == "reject" and tags.get("pct", "100") != "100":
            return "quarantine"
        return asked if asked in _ASKS else "none"
    return None


async def _record(place: str) -> dict[str, str] | None:
    found = await resolver.texts(f"_dmarc.{place}", _SECONDS)
    texts = [text for one in found if (text := one.decode("utf-8", "replace")).lower().startswith("v=dmarc1")]
    if len(texts) != 1:
        return None
    pairs = (part.partition("=") for part in texts[0].split(";"))
    return {name.strip().lower(): value.strip().lower() for name, _, value in pairs}
