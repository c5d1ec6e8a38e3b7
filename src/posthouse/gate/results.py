"""What SPF, DKIM and DMARC found, read from the Authentication-Results that our own milters wrote (RFC 8601).

Those from outside are gone by then (`entrance`), and each of ours begins with its method: `HOST; dkim=pass ...`. So
whatever a sender got into a value further on is not read as another's result. Here they become one header, and the
question is answered that none of the milters answers: whether somebody writes in the name of a domain of ours that
has no DMARC record yet.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

_METHOD = re.compile(r"[^;]*;\s*([a-z]+)=")
_ASIDE = re.compile(r"\([^()]*\)|\"(?:[^\"\\]|\\.)*\"")  # comments and quoted strings
_ANGLE, _BARE, _DOMAIN = re.compile(r"<([^<>]*)>"), re.compile(r"[^\s<>;:]*@[^\s<>;:]+"), re.compile(r"@.*\w")
_SPF = re.compile(r";\s*spf=pass\s[^;]*?\bsmtp\.mailfrom=(?:[^\s;@]*@)?([^\s;]+)")
_DKIM = re.compile(r";\s*dkim=pass\s[^;]*?\bheader\.d=([^\s;]+)")
_SIGNATURE = re.compile(r";\s*dkim=(\w+)\s[^;]*?\bheader\.d=([A-Za-z0-9_.-]+)")
_UNASKED = re.compile(r"[^;]*;\s*dkim=pass\s+\(unasked\)\s+header\.d=[A-Za-z0-9.-]+\s*")
_DMARC = re.compile(r";\s*dmarc=(\w+)\s*(\([^)]*\))?[^;]*?\bheader\.from=([^\s;]+)")


def _of(method: str, headers: Sequence[str]) -> list[str]:
    return [header for header in headers if (found := _METHOD.match(header)) and found[1] == method]


def merged(hostname: str, headers: Sequence[str]) -> str:
    """One Authentication-Results of all; `headers` as they stand in the message, the newest first.

    SPF's comes last: it alone repeats what the sender said himself, which says nothing of what stands before it.
    """
    spf = _of("spf", headers)
    ordered = sorted(reversed(headers), key=lambda header: header in spf)
    # without OpenDKIM's "(2048-bit key; unprotected)", which readers that split at ; take for two results
    rests = (re.sub(r"\s*\([^()]*;[^()]*\)", "", header.partition(";")[2]) for header in ordered)
    return ";\n\t".join([hostname, *(" ".join(rest.split()).rstrip(";") for rest in rests)])


def dmarc(headers: Sequence[str]) -> tuple[str, str, str] | None:
    """The result, the policy of its owner (none, quarantine, reject) and the author's domain; None: no such header."""
    for header in _of("dmarc", headers):
        if found := _DMARC.search(header):
            asked = re.search(r"\bp=(\w+)", found[2] or "")
            return found[1].lower(), asked[1].lower() if asked else "none", found[3].lower()
    return None


def is_dmarc(header: str) -> bool:
    """Whether it says what OpenDMARC found."""
    return bool(_of("dmarc", [header]))


def corrected(headers: Sequence[str], spf: str) -> list[str]:
    """The headers with what is true of SPF and of keys: OpenDMARC is told `pass` where nobody could be asked.

    So it refuses nobody for a question that was not answered: the result is a temporary error (RFC 7489 section 6.6.2).
    SPF's is known by Received-SPF; of a key OpenDKIM says so in a header of its own (final.lua), which is left out.
    """
    told = [header for header in headers if not _UNASKED.fullmatch(header)]
    if spf != "temperror" and len(told) == len(headers):
        return told
    of_dmarc = _of("dmarc", told)
    if spf == "temperror":
        of_spf = _of("spf", told)
        told = [h.replace("spf=pass", "spf=temperror", 1) if h in of_spf else h for h in told]
    judged = dmarc(told)
    if judged is None or judged[0] != "pass" or vouched(told, judged[2]):
        return told
    return [h.replace("dmarc=pass", "dmarc=temperror", 1) if h in of_dmarc else h for h in told]


def signatures(headers: Sequence[str]) -> list[tuple[str, str]]:
    """The result and the domain of each signature that OpenDKIM looked at."""
    return [pair for header in _of("dkim", headers) for pair in _SIGNATURE.findall(_ASIDE.sub("", header))]


def verified(headers: Sequence[str]) -> bool:
    """Whether OpenDKIM says anything of signatures."""
    return bool(_of("dkim", headers))


def silent(headers: Sequence[str], spf: str) -> bool:
    """Whether a question about the sender had no answer (by headers that are `corrected`)."""
    judged = dmarc(headers)
    keys = any("dkim=temperror" in _ASIDE.sub("", header) for header in _of("dkim", headers))
    return keys or spf == "temperror" or (judged is not None and judged[0] == "temperror")


def vouched(headers: Sequence[str], domain: str) -> bool:
    """Whether SPF or a signature speaks for this domain, for one above it or one below it."""
    speaking = [
        name.lower()
        for method, pattern in (("spf", _SPF), ("dkim", _DKIM))
        for header in _of(method, headers)
        for name in pattern.findall(_ASIDE.sub("", header))
    ]
    return any(_akin(name, domain) for name in speaking)


def disowned(headers: Sequence[str], spf: str) -> bool:
    """Whether the sender's domain says "not from there", and no signature says who else it is from."""
    return spf == "fail" and not any(_DKIM.search(_ASIDE.sub("", header)) for header in _of("dkim", headers))


def hidden(values: Sequence[str]) -> bool:
    """Whether these values of From: do not name exactly one author (RFC 7489 section 6.6.1: DMARC judges none)."""
    if len(values) != 1:
        return True
    named: set[str] = set()
    for part in _ASIDE.sub("", values[0]).split(","):
        named |= {one.lower() for one in _ANGLE.findall(part) or _BARE.findall(part) if _DOMAIN.search(one)}
    return len(named) != 1


def _akin(one: str, other: str) -> bool:
    # Nobody signs for, or sends from, a public suffix; so no list of them is needed for this.
    return one == other or one.endswith("." + other) or (other.endswith("." + one) and "." in one)


def forged(headers: Sequence[str], authors: Collection[str], ours: Collection[str]) -> str | None:
    """The domain of ours, or below one, in whose name somebody else writes, where DMARC has no record to judge by."""
    judged = dmarc(headers)
    for domain in sorted(set(authors)):
        if not any(domain == own or domain.endswith("." + own) for own in ours):
            continue
        if judged is not None and judged[2] == domain and judged[0] not in ("none", "temperror"):
            continue  # the published record says what is to be done
        if not vouched(headers, domain):
            return domain
    return None
