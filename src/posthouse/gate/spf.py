"""What policyd-spf found, read from the header that it had Postfix prepend, and told in two headers of ours.

It writes `Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=...; ...` (policyd-spf(1)); where it cannot
be asked or fails, the result is temperror.
"""

from __future__ import annotations

import re

from posthouse.gate.client import Client, plain, quoted

# the words of RFC 7208 section 2.6, and ours
RESULTS = {
    "pass": "is permitted to send for",
    "fail": "is not permitted to send for",
    "softfail": "is probably not permitted to send for",
    "neutral": "is neither permitted nor denied by",
    "none": "is not spoken of by",
    "permerror": "cannot be judged: unreadable record of",
    "temperror": "cannot be judged: no answer for",
}
SILENT = "cannot be judged: nothing answers for"  # opendkim/setup.lua reads it
_FOUND = re.compile(r"\s*(?P<result>[A-Za-z]+)\b.*\bidentity=(?P<identity>[a-z]+);", re.DOTALL)


def result(header: str | None, client: Client) -> str:
    """The result for the envelope sender in the words of RFC 7208, by policyd-spf's header."""
    found = _FOUND.match(header or "")
    if found is None or found["result"].lower() not in RESULTS:
        return "temperror"
    if client.sender and found["identity"] != "mailfrom":
        return "none"  # it told of the client's own name instead
    return found["result"].lower()


def silent(header: str | None) -> bool:
    """Whether none of policyd-spf's questions had an answer, by its header (our addition to it)."""
    return (header or "").lstrip().startswith("Temperror (mailfrom, silent)")


def received_spf(hostname: str, found: str, client: Client, silent: bool = False) -> str:
    """The value of Received-SPF (RFC 7208 section 9.1)."""
    comment = f"{hostname}: {client.address} {SILENT if silent else RESULTS[found]} {plain(client.domain)}"
    return (
        f"{found} ({comment}) client-ip={client.address};"
        f" envelope-from={quoted(client.identity)}; helo={quoted(client.helo)}; identity=mailfrom;"
    )


def authentication_result(found: str, client: Client) -> str:
    """The part of Authentication-Results (RFC 8601 section 2.7.2); OpenDMARC compares it with the domain alone."""
    return f"spf={found} smtp.mailfrom={plain(client.domain)}"
