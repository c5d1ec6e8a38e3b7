"""DMARC of authors beyond ASCII, counted by hand; that DNS is asked for it is met on machines."""

from __future__ import annotations

import asyncio

import pytest

from posthouse.agent import resolver
from posthouse.gate import beyond

AUTHOR = "mail.xn--bcher-kva.example"
NOBODY = ["mail.snorl.ax; spf=none smtp.mailfrom=elsewhere.example"]
SPF = ["mail.snorl.ax; spf=pass smtp.mailfrom=xn--bcher-kva.example"]
DKIM = ["mail.snorl.ax; dkim=pass header.d=xn--bcher-kva.example header.s=s1"]


@pytest.mark.parametrize(
    ("place", "record", "headers", "found"),
    [
        ("mail.xn--bcher-kva.example", "v=DMARC1; p=reject", NOBODY, ("fail", "reject")),
        ("mail.xn--bcher-kva.example", "v=DMARC1; p=reject", SPF, ("pass", "reject")),
        ("mail.xn--bcher-kva.example", "v=DMARC1; p=reject", DKIM, ("pass", "reject")),
        ("mail.xn--bcher-kva.example", "v=DMARC1; p=reject; pct=20", NOBODY, ("fail", "quarantine")),
        ("mail.xn--bcher-kva.example", "v=DMARC1; p=nonsense", NOBODY, ("fail", "none")),
        ("xn--bcher-kva.example", "v=DMARC1; p=reject; sp=quarantine", NOBODY, ("fail", "quarantine")),
        ("xn--bcher-kva.example", "v=DMARC1; p=reject", NOBODY, ("fail", "reject")),
        ("example", "v=DMARC1; p=reject", NOBODY, ("none", "none")),
        ("mail.xn--bcher-kva.example", "v=spf1 -all", NOBODY, ("none", "none")),
        ("mail.xn--bcher-kva.example", None, NOBODY, ("temperror", "none")),
    ],
)
def test_what_a_record_makes_of_a_message(
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    record: str | None,
    headers: list[str],
    found: tuple[str, str],
) -> None:
    async def texts(name: str, _seconds: float) -> list[bytes]:
        if record is None:
            raise resolver.Unknown(name)
        return [record.encode()] if name == f"_dmarc.{place}" else []

    monkeypatch.setattr(resolver, "texts", texts)
    assert asyncio.run(beyond.judged(headers, AUTHOR, "none")) == found


def test_where_spf_had_no_answer_nothing_is_said_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def texts(_name: str, _seconds: float) -> list[bytes]:
        return [b"v=DMARC1; p=reject"]

    monkeypatch.setattr(resolver, "texts", texts)
    assert asyncio.run(beyond.judged(NOBODY, AUTHOR, "temperror")) == ("temperror", "none")
