"""How a domain is to be reached: DANE before MTA-STS, and no answer is never "no policy"."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dns.message
import pytest

from posthouse.agent import tls_policy
from posthouse.agent.netstrings import answered, read, written
from posthouse.agent.tls_policy import TlsPolicy, Unknown, speaks_dane

STS = "OK secure match=mx.far.example servername=hostname"


async def _resolver(question: str) -> str:
    return STS if question == "postfix far.example" else "NOTFOUND "


def said(monkeypatch: pytest.MonkeyPatch, question: str, dane: bool | None, *, down: bool = False) -> str:
    """What the service answers where DANE speaks, does not, or cannot be asked (None)."""

    async def speaks(_: str) -> bool:
        if dane is None:
            raise Unknown("SERVFAIL")
        return dane

    async def ask() -> str:
        server = await asyncio.start_server(
            lambda reader, writer: answered(reader, writer, _resolver), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        if down:
            server.close()
        answer = await TlsPolicy(Path("unused"), ("127.0.0.1", port)).answer(question)
        server.close()
        return answer

    monkeypatch.setattr(tls_policy, "speaks_dane", speaks)
    return asyncio.run(ask())


def test_dane_comes_before_mta_sts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, "policy far.example", dane=True) == "OK dane"
    assert said(monkeypatch, "policy Far.Example", dane=False) == STS
    assert said(monkeypatch, "policy near.example", dane=False) == "NOTFOUND "
    assert said(monkeypatch, "policy ｆａｒ.example", dane=False) == STS


def test_no_answer_is_not_no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, "policy far.example", dane=None).startswith("TEMP ")
    assert said(monkeypatch, "policy far.example", dane=False, down=True).startswith("TEMP ")
    assert said(monkeypatch, "policy far.example", dane=True, down=True) == "OK dane"


@pytest.mark.parametrize(
    "name", ["", ".example", "[mx.far.example]", "[mx.far.example]:587", "far.example:25"]
)
def test_what_is_no_domain_has_no_policy(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert said(monkeypatch, f"policy {name}", dane=None) == "NOTFOUND "


MX = "far.example. 60 IN MX 10 mx.far.example."
TLSA = f"_25._tcp.mx.far.example. 60 IN TLSA 3 1 1 {'ab' * 32}"


@pytest.mark.parametrize(
    ("mx", "tlsa", "expected"),
    [
        (("AD", MX), ("AD", TLSA), True),
        (("", MX), ("AD", TLSA), False),  # who can forge the MX records could name a host of his own
        (("AD", MX), ("", TLSA), False),
        (("AD", MX), ("AD", ""), False),
    ],
)
def test_only_what_is_signed_throughout_is_dane(
    monkeypatch: pytest.MonkeyPatch, mx: tuple[str, str], tlsa: tuple[str, str], expected: bool
) -> None:
    async def asked(_: str, kind: str) -> dns.message.Message:
        flags, record = mx if kind == "MX" else tlsa
        return dns.message.from_text(f"flags QR RD RA {flags}\n;ANSWER\n{record}\n")

    monkeypatch.setattr(tls_policy, "_asked", asked)
    assert asyncio.run(speaks_dane("far.example")) is expected


@pytest.mark.parametrize("octets", [b"5:hello", b"x:", b"9999999:", b"-1:,", b""])
def test_what_is_no_netstring_is_told(octets: bytes) -> None:
    async def one() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(octets)
        reader.feed_eof()
        await read(reader, 100)

    with pytest.raises((ValueError, EOFError)):
        asyncio.run(one())
    assert written("hello") == b"5:hello,"
