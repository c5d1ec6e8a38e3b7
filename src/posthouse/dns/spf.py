"""What a receiver's SPF library (pyspf) makes of a published record, for mail from one of our addresses (RFC 7208)."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.dns import ask


@dataclass(frozen=True)
class Verdict:
    """`result` is RFC 7208's word (section 2.6), `why` the library's explanation."""

    result: str
    why: str


def verdict(text: str, domain: str, address: str, host: str) -> Verdict:
    """Judge mail of `domain` from `address` by a record's text; what it includes is looked up by our unbound."""
    import spf

    spf.DNSLookup = _lookup
    query = spf.query(i=address, s=f"postmaster@{domain.rstrip('.')}", h=host.rstrip("."))
    try:
        result, _, why = query.check(spf=text)
    except Exception as error:  # the library's own errors have no common base, and the record is a stranger's
        return Verdict("permerror", f"cannot be read: {error}"[:200])
    if result == "permerror" and query.perm_error is not None:
        why = str(query.perm_error)
    return Verdict(result, why)


def _lookup(
    name: str,
    kind: str,
    strict: bool = True,  # noqa: ARG001  (pyspf's own interface)
    timeout: float = 20,  # noqa: ARG001
) -> list[tuple[tuple[str, str], object]]:
    import spf

    answer = ask.of(ask.LOCAL, name, kind)
    if answer.failure:
        raise spf.TempError(f"DNS: {name} {kind} {answer.failure}")
    if kind in ("TXT", "SPF"):
        return [((name, kind), (value.encode(),)) for value in answer.values]
    if kind == "MX":
        pairs = [value.split() for value in answer.values]
        return [((name, kind), (int(preference), host.rstrip("."))) for preference, host in pairs]
    return [((name, kind), value.rstrip(".")) for value in answer.values]
