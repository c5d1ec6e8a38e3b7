"""A seal of ours: the three fields that we add to what came (RFC 8617 section 5.1)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from posthouse.arc.canonical import Field, chosen, relaxed
from posthouse.arc.chain import MOST, Chain

Status = Literal["none", "pass", "fail"]
# RFC 6376 section 5.4.1, and the signatures that came (RFC 8617 section 4.1.2).
SIGNED = frozenset(
    b"from reply-to sender subject date message-id to cc resent-date resent-from resent-to resent-cc in-reply-to "
    b"references mime-version content-type content-transfer-encoding list-id list-help list-unsubscribe "
    b"list-unsubscribe-post list-subscribe list-post list-owner list-archive dkim-signature".split()
)
_WIDTH = 70
_BAD = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")


class NotSealed(Exception):
    """No seal may, or can, be added; the message says why."""


@dataclass(frozen=True)
class Sealer:
    """In whose name: `sign` makes the signature of a SHA-256 digest with the key at SELECTOR._domainkey.DOMAIN."""

    hostname: str
    domain: str
    selector: str
    sign: Callable[[bytes], bytes]


def may_follow(chain: Chain) -> int:
    """The number of the set that follows a chain. NotSealed where none may, or where nobody could say which."""
    if chain.ended:
        raise NotSealed("a host before us has sealed that the chain is broken")
    if chain.number >= MOST:
        raise NotSealed(f"it has {chain.number} seals, and the most are {MOST}")
    if not chain.number and chain.broken:
        raise NotSealed(f"the chain it came with cannot be read: {chain.broken}")
    return chain.number + 1


def sealed(
    sealer: Sealer,
    fields: Sequence[Field],
    body: bytes,
    chain: Chain,
    status: Status,
    results: str,
    now: int,
) -> list[Field]:
    """The fields to put above all others, the lowest first.

    Args:
        body: the digest of the body in its relaxed form.
        status: of the chain that came.
        results: what was found when the message came, without our own name before it ("none" for nothing).
        now: Unix time.

    Raises:
        NotSealed: as `may_follow`.
    """
    number = may_follow(chain)
    found = " ".join(_BAD.sub(" ", results).split()).rstrip("; ")
    said = "" if found.lower() in ("", "none") else f"; {found}"
    value = f" i={number}; {sealer.hostname}; arc={status}{said}"
    ours = (b"ARC-Authentication-Results", _folded(value, " ").encode("utf-8", "replace"))

    counts = Counter(field[0].strip().lower() for field in fields)
    names = [name for name in sorted(SIGNED & counts.keys()) for _ in range(counts[name])]
    names.append(b"from")  # once more than there are: nobody may add one
    start = f"i={number}; a=rsa-sha256; c=relaxed/relaxed; d={sealer.domain}; s={sealer.selector}; t={now}"
    listed = _folded(":".join(name.decode() for name in names), ":")
    hashed = base64.b64encode(body).decode()
    signature = _signed(
        sealer,
        b"ARC-Message-Signature",
        f" {start};\r\n\th={listed};\r\n\tbh={hashed};\r\n\tb=",
        [relaxed(field) for field in chosen(fields, names)],
    )
    before: list[Field] = []
    if status != "fail":  # section 5.1.2: else over this set alone
        before = [field for one in chain.sets for field in (one.results, one.signature, one.seal)]
    start = f"i={number}; a=rsa-sha256; cv={status}; d={sealer.domain}; s={sealer.selector}; t={now}"
    seal = _signed(
        sealer, b"ARC-Seal", f" {start};\r\n\tb=", [relaxed(field) for field in (*before, ours, signature)]
    )
    return [ours, signature, seal]


def _signed(sealer: Sealer, name: bytes, start: str, above: Sequence[bytes]) -> Field:
    value = start.encode()
    text = b"\r\n".join([*above, relaxed((name, value))])
    made = base64.b64encode(sealer.sign(hashlib.sha256(text).digest())).decode()
    lines = [made[at : at + _WIDTH] for at in range(0, len(made), _WIDTH)]
    return name, value + "\r\n\t ".join(lines).encode()


def _folded(text: str, after: str) -> str:
    """Fold a text behind a mark where a line grows too long."""
    lines = [""]
    for part in re.split(f"(?<={after})", text):
        if lines[-1] and len(lines[-1]) + len(part) > _WIDTH:
            lines.append("")
        lines[-1] += part
    return "\r\n\t".join(line.rstrip() for line in lines)
