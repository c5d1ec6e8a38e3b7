"""Without a verdict nothing passes; with one, what it says is done. At the other end of the socket stands what each
test needs, good or bad: the real spamd is met on machines."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from posthouse.agent import wire
from posthouse.gate.verdict import Session, Settings

HEADERS = b"X-Spam-Status: %s, score=%s required=3.0 tests=NONE\r\nSubject: x\r\n\r\n"
HEAD = b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: %s ; %s / 3.0\r\n\r\n"


def answer(spam: bool, score: bytes) -> bytes:
    """What spamd says."""
    headers = HEADERS % (b"Yes" if spam else b"No", score)
    return HEAD % (len(headers), b"True" if spam else b"False", score) + headers


HAM, SPAM = answer(False, b"0.1"), answer(True, b"9.5")
RESULTS = "mail.snorl.ax; spf=pass smtp.mailfrom=elsewhere.example"
NONE = "mail.snorl.ax; dmarc=none (p=none dis=none) header.from=ours.example"


class Told:
    """What a message came to: the answer, the headers inserted, and what spamd was given."""

    def __init__(self, answer: bytes, given: bytes) -> None:
        self.headers: dict[str, str] = {}
        self.given = given
        self.reply = ""
        self.removed = answer.count(b"Authentication-Results\0\0")
        while answer:
            (length,) = struct.unpack("!I", answer[:4])
            command, data = answer[4:5], answer[5 : 4 + length]
            answer = answer[4 + length :]
            if command == b"i":
                name, value = data[4:].split(b"\0")[:2]
                self.headers[name.decode()] = value.decode()
            elif command == b"y":
                self.reply = data.rstrip(b"\0").decode()


def judged(
    tmp_path: Path,
    says: bytes | None,
    body: bytes = b"hello\r\n",
    headers: tuple[tuple[str, str], ...] = (("From", "a@elsewhere.example"),),
    session: type[Session] = Session,
    **settings: object,
) -> Told:
    """Send a message through a session whose spamd says this; None: there is no spamd."""
    values = {"hostname": "mail.snorl.ax", "policy": "quarantine", "scan": 4096, "refuse": None, **settings}
    path = tmp_path / "spamd.sock"
    given = bytearray()

    async def spamd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        given.extend(await reader.read())
        writer.write(says or b"")
        writer.close()

    async def talk() -> bytes:
        if says is not None:
            await asyncio.start_unix_server(spamd, path)
        ours: Callable[[], set[str]] = lambda: {"ours.example"}  # noqa: E731
        talking = session(Settings(**values, spamd=path, ours=ours))  # type: ignore[arg-type]
        await talking.answer(wire.HELO, b"h.example\0")
        await talking.answer(wire.MAIL, b"<a@elsewhere.example>\0")
        last = b""
        for name, value in headers:
            last = await talking.answer(wire.HEADER, name.encode() + b"\0" + value.encode() + b"\0")
            if last:
                return last
        for command, data in (
            (wire.END_OF_HEADERS, b""),
            *((wire.BODY, body[at : at + 1000]) for at in range(0, len(body), 1000)),
            (wire.END, b""),
        ):
            last = await talking.answer(command, data)
            if last[4:5] == b"y":
                break
        await talking.close()
        return last

    answer = asyncio.run(talk())
    return Told(answer, bytes(given))


def test_ham_gets_its_report_and_spam_its_mark(tmp_path: Path) -> None:
    ham = judged(
        tmp_path, HAM, headers=(("Authentication-Results", RESULTS), ("From", "a@elsewhere.example"))
    )
    assert (ham.reply, ham.headers.get("X-Spam")) == ("", None)
    assert ham.headers["X-Spam-Status"].startswith("No, ")
    assert (
        ham.headers["Authentication-Results"] == "mail.snorl.ax;\n\tspf=pass smtp.mailfrom=elsewhere.example"
    )
    assert b"X-Posthouse-Finding: nothing\n" in ham.given
    assert judged(tmp_path, SPAM).headers["X-Spam"] == "Yes"


@pytest.mark.parametrize("says", [None, b"", b"nonsense\r\n\r\n", HAM[:60], b"\0" * 3_000_000])
def test_no_verdict_is_try_again_later(tmp_path: Path, says: bytes | None) -> None:
    assert judged(tmp_path, says).reply.startswith("451 ")


def test_nothing_is_refused_on_points_unless_the_site_says_so(tmp_path: Path) -> None:
    assert judged(tmp_path, SPAM).reply == ""
    assert judged(tmp_path, SPAM, refuse=9.6).reply == ""
    assert judged(tmp_path, SPAM, refuse=9.5).reply.startswith("554 5.7.1 ")


def test_of_a_large_message_the_beginning_is_scanned(tmp_path: Path) -> None:
    told = judged(tmp_path, HAM, body=b"x" * 100_000)
    assert told.headers["X-Spam-Status"].startswith("No, ")
    assert 4000 < len(told.given) < 5000


def test_somebody_else_in_our_name_is_found(tmp_path: Path) -> None:
    headers = (
        ("Authentication-Results", NONE),
        ("From", "boss@ours.example"),
        ("X-Posthouse-Finding", "nothing"),
    )
    told = judged(tmp_path, HAM, headers=headers)
    assert told.given.count(b"X-Posthouse-Finding:") == 1
    assert b"X-Posthouse-Finding: forged\n" in told.given
    assert judged(tmp_path, HAM, headers=headers, policy="reject").reply.startswith("550 5.7.1 ours.example ")
    assert b"Finding: nothing\n" in judged(tmp_path, HAM, headers=headers, policy="none").given


def test_what_the_owner_asks_for_is_told(tmp_path: Path) -> None:
    failed = "mail.snorl.ax; dmarc=fail (p=quarantine dis=none) header.from=bank.example"
    told = judged(tmp_path, HAM, headers=(("Authentication-Results", failed), ("From", "a@bank.example")))
    assert b"X-Posthouse-Finding: quarantine\n" in told.given


def test_what_signatures_are_worth_is_told(tmp_path: Path) -> None:
    """SpamAssassin's plugin reads it (stack/spamassassin/posthouse.pm)."""
    signed = "mail.snorl.ax; dkim=pass (2048-bit key; unprotected) header.d=a.example header.s=s"
    headers = (
        ("Authentication-Results", signed),
        ("DKIM-Signature", "v=1"),
        ("From", "a@a.example"),
        ("X-Posthouse-Signatures", "pass/evil.example"),
    )
    told = judged(tmp_path, HAM, headers=headers)
    assert told.given.count(b"X-Posthouse-Signatures:") == 1
    assert b"X-Posthouse-Finding: nothing\nX-Posthouse-Signatures: pass/a.example\n" in told.given


def test_a_signature_that_nobody_looked_at_is_a_temporary_error(tmp_path: Path) -> None:
    unasked = "mail.snorl.ax; dkim=pass (unasked) header.d=a.example"
    passed = "mail.snorl.ax; dmarc=pass (p=reject dis=none) header.from=a.example"
    headers = (
        ("Authentication-Results", passed),
        ("Authentication-Results", unasked),
        ("DKIM-Signature", "v=1"),
        ("From", "a@a.example"),
    )
    told = judged(tmp_path, HAM, headers=headers)
    assert b"X-Posthouse-Finding: silent\nX-Posthouse-Signatures: \n" in told.given
    found = told.headers["Authentication-Results"]
    assert "dkim=temperror" in found
    assert "dmarc=temperror" in found
    assert "pass" not in found
    assert told.removed == 2  # both go; one of ours is put there
