"""Forged verdicts are taken away, and what SPF found is told, by the header above the mark and no other."""

from __future__ import annotations

import asyncio
import re
import struct

import pytest

from posthouse.agent import wire
from posthouse.gate import entrance, spf
from posthouse.gate.client import Client

PASS = "Pass (mailfrom) identity=mailfrom; client-ip=198.18.0.7; helo=h.example; envelope-from=a@b.example; receiver=x"


def edits(*headers: tuple[str, str], sender: str = "a@b.example") -> list[tuple[bytes, bytes]]:
    """What the session answers to a message with these headers, as (command, data)."""
    session = entrance.Session("mail.snorl.ax")

    def said(command: bytes, data: bytes) -> bytes:
        return asyncio.run(session.answer(command, data))

    said(wire.HELO, b"h.example\0")
    said(wire.MACRO, wire.MAIL + b"{client_addr}\x00198.18.0.7\0{client_name}\0h.example\0")
    said(wire.MAIL, f"<{sender}>\0".encode())
    for name, value in headers:
        said(wire.HEADER, name.encode() + b"\0" + value.encode() + b"\0")
    answer = said(wire.END, b"")
    packets = []
    while answer:
        (length,) = struct.unpack("!I", answer[:4])
        packets.append((answer[4:5], answer[5 : 4 + length]))
        answer = answer[4 + length :]
    assert packets.pop() == (b"c", b"")
    return packets


def told(packets: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers that are inserted."""
    inserted = (data[4:].split(b"\0") for command, data in packets if command == b"i")
    return {parts[0].decode(): parts[1].decode() for parts in inserted}


def removed(packets: list[tuple[bytes, bytes]]) -> list[tuple[str, int]]:
    """The headers that are taken away, by name and number."""
    return [
        (data[4:].split(b"\0")[0].decode(), struct.unpack("!I", data[:4])[0])
        for command, data in packets
        if command == b"m"
    ]


def test_what_policyd_spf_found_is_told_in_both_headers() -> None:
    found = told(edits(("Received-SPF", PASS), (entrance.MARK, "here"), ("Subject", "x")))
    assert found["Received-SPF"].startswith(
        "pass (mail.snorl.ax: 198.18.0.7 is permitted to send for b.example)"
    )
    assert "client-ip=198.18.0.7;" in found["Received-SPF"]
    assert found["Authentication-Results"] == "mail.snorl.ax;\n\tspf=pass smtp.mailfrom=b.example"


def test_a_domain_that_answers_nothing_is_told_from_one_that_answers_in_part() -> None:
    """OpenDKIM's script waits for the first no more (opendkim/setup.lua)."""
    for said, expected in (("(mailfrom, silent)", "nothing answers for"), ("(mailfrom)", "no answer for")):
        header = f"Temperror {said} identity=mailfrom; client-ip=198.18.0.7;"
        found = told(edits(("Received-SPF", header), (entrance.MARK, "here")))
        assert found["Received-SPF"].startswith(
            f"temperror (mail.snorl.ax: 198.18.0.7 cannot be judged: {expected} b.example)"
        )
        assert "spf=pass" in found["Authentication-Results"]  # for OpenDMARC (results.corrected)


@pytest.mark.parametrize(
    "headers",
    [
        [(entrance.MARK, "here"), ("Received-SPF", PASS)],
        [("Received-SPF", PASS)],  # without a mark nothing says whose it is
        [(entrance.MARK, "here"), ("Received-SPF", PASS), (entrance.MARK, "here")],
        [("Received-SPF", "gibberish"), (entrance.MARK, "here"), ("Received-SPF", PASS)],
    ],
)
def test_a_client_s_own_header_is_not_believed(headers: list[tuple[str, str]]) -> None:
    packets = edits(*headers)
    assert told(packets)["Received-SPF"].startswith("temperror (")
    assert ("received-spf", 1) in removed(packets)


def test_forged_verdicts_go_whatever_their_spelling() -> None:
    packets = edits(
        (entrance.MARK, "here"),
        ("AUTHENTICATION-results", "mail.snorl.ax; dmarc=pass"),
        ("Authentication-Results ", "other.example; dmarc=pass"),
        ("X-Spam", "No"),
        ("x-spam-status", "No"),
        ("X-Posthouse-Finding", "nothing"),
        ("X-Spa", "stays"),
    )
    assert removed(packets) == [
        (entrance.MARK.lower(), 1),
        ("authentication-results", 2),
        ("authentication-results", 1),
        ("x-spam", 1),
        ("x-spam-status", 1),
        ("x-posthouse-finding", 1),
    ]


def test_what_is_found_of_the_client_s_name_says_nothing_of_a_sender() -> None:
    helo = PASS.replace("mailfrom", "helo")
    assert "spf=none" in told(edits(("Received-SPF", helo), (entrance.MARK, "")))["Authentication-Results"]
    null = told(edits(("Received-SPF", helo), (entrance.MARK, ""), sender=""))
    assert null["Authentication-Results"].endswith("spf=pass smtp.mailfrom=h.example")


def test_a_client_cannot_write_into_the_headers() -> None:
    client = Client(
        helo="x; dmarc=pass\n header.from=y", address="198.18.0.7", sender='"a; spf=pass"@b;c.example'
    )
    received = spf.received_spf("h", "fail", client)
    assert "\n" not in received
    assert "pass" not in re.sub(r'"[^"]*"', "", received)
    result = spf.authentication_result("fail", client)
    assert result == "spf=fail smtp.mailfrom=b?c.example"


def test_an_ipv6_address_is_told_without_its_tag() -> None:
    client = Client()
    client.take(wire.MAIL, b"<a@b.example>\0", {"client_addr": "IPv6:2001:db8::1"})
    assert "client-ip=2001:db8::1;" in spf.received_spf("h", "pass", client)
