"""What is asked of DNS; that our unbound answers is met on machines."""

from __future__ import annotations

import asyncio

import pytest

from posthouse.agent import resolver


@pytest.mark.parametrize(
    "name", ["_dmarc..example", f"{'a' * 64}.example", ".".join(["label"] * 50), "a\\999.example"]
)
def test_what_can_be_no_name_has_no_records_and_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def asked(*_: object) -> None:
        pytest.fail("it was asked for")

    monkeypatch.setattr(resolver, "asked", asked)
    assert asyncio.run(resolver.texts(name, 1.0)) == []
