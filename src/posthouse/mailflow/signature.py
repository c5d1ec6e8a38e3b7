"""Verify DKIM signatures with dkimpy, an implementation that is not the signer's (RFC 6376)."""

from __future__ import annotations

from collections.abc import Mapping

from posthouse.mailflow.talk import Unexpected


def verified(message: bytes, domain: str, records: Mapping[str, str]) -> str:
    """Return the selector by which a message is signed for a domain.

    `records` are the TXT records to believe, by name (`202611._domainkey.snorl.ax`): those that we publish,
    or will. Raises `Unexpected` where there is no such signature, or it does not verify.
    """
    import dkim

    def record(name: bytes, timeout: int = 5) -> bytes | None:  # noqa: ARG001
        text = records.get(name.decode("ascii", "replace").rstrip(".").lower())
        return None if text is None else text.encode()

    found: list[str] = []
    checker = dkim.DKIM(message)
    count = sum(1 for name, _ in checker.headers if name.lower() == b"dkim-signature")
    for index in range(count):
        try:
            good = checker.verify(index, dnsfunc=record)
        except dkim.DKIMException as error:
            found.append(str(error))
            continue
        signed = {name: value.decode("ascii", "replace") for name, value in checker.signature_fields.items()}
        if good and signed.get(b"d", "").lower() == domain:
            return str(signed[b"s"])
        found.append(f"d={signed.get(b'd')} s={signed.get(b's')} {'verifies' if good else 'does not verify'}")
    if not found:
        raise Unexpected(f"expected a DKIM signature of {domain}, found a message without any")
    raise Unexpected(f"expected a DKIM signature of {domain} that verifies, found: {'; '.join(found)}")
