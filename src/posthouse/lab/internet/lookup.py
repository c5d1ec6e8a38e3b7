"""Questions to the network's DNS from inside it, in the form that each checking library wants."""

from __future__ import annotations

from collections.abc import Callable

import dns.exception
import dns.resolver

from posthouse.lab.paths import RESOLVER4


class Unanswered(Exception):
    """The DNS gave no answer, which is neither yes nor no."""


def _resolver() -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [RESOLVER4]
    resolver.lifetime = 6.0
    return resolver


def ask(name: str, kind: str) -> list[str]:
    """The records' texts; none where there is no such name or record. Unanswered.

    The calling thread must be inside the network (`netns.entered`).
    """
    try:
        return [record.to_text() for record in _resolver().resolve(name, kind)]
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise Unanswered(f"{name} {kind}: {error}") from error


def texts(name: str) -> list[str]:
    """TXT records, each put together from its strings. Unanswered."""
    try:
        found = _resolver().resolve(name, "TXT")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise Unanswered(f"{name} TXT: {error}") from error
    return [b"".join(record.strings).decode("ascii", "replace") for record in found]


def for_dkim(name: bytes | str, timeout: int = 5) -> bytes | None:
    """dkimpy's `dnsfunc`: the one TXT record of a name."""
    del timeout
    found = texts(name.decode() if isinstance(name, bytes) else name)
    return found[0].encode() if found else None


def for_spf(temporary: type[Exception]) -> Callable[..., list[tuple[tuple[str, str], object]]]:
    """pyspf's `DNSLookup`; `temporary` is its own error for an answer that did not come."""

    def look(
        name: str, kind: str, strict: bool = True, timeout: float = 20
    ) -> list[tuple[tuple[str, str], object]]:
        del strict, timeout
        try:
            if kind == "TXT":
                return [((name, kind), (text.encode(),)) for text in texts(name)]
            found = ask(name, kind)
        except Unanswered as error:
            raise temporary(f"DNS {error}") from error
        if kind == "MX":
            pairs = [text.split() for text in found]
            return [((name, kind), (int(preference), host.rstrip("."))) for preference, host in pairs]
        return [((name, kind), text.rstrip(".")) for text in found]

    return look
