"""What the milter that seals says, as Postfix speaks to it."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from tests.agent.peer import Peer
from tests.agent.test_srs import srs
from tests.arc import making

from posthouse import bounds
from posthouse.agent.forwarding import Forwarder
from posthouse.agent.keys import Keys
from posthouse.agent.resolver import Unknown
from posthouse.agent.sealing import TRY_LATER, Service, Session
from posthouse.agent.senders import Directory
from posthouse.agent.server import Server
from posthouse.arc.canonical import Field

KIM = "kim@bigmail.example"
RESULTS = (
    b"Authentication-Results",
    b" mail.snorl.ax;\r\n\tdmarc=pass header.from=honest.example;\r\n\tspf=pass",
)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """The folder of keys, with that of the main domain."""
    folder = tmp_path / "dkim"
    folder.mkdir()
    (folder / "selectors.map").write_text("other.example x\nsnorl.ax s\n")
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "snorl.ax.s.key").write_bytes(making.private("snorl.ax").private_bytes(*form))
    return Keys(folder)


@dataclass
class Desk:
    """The milter, and what DNS answers."""

    service: Service
    path: Path
    asked: list[str] = field(default_factory=list)

    def mark(self, recipient: str = KIM) -> Field:
        """What the milter before ours adds."""
        return b"X-Loop", f" {self.service.forwarder.mark(recipient)}".encode()

    def say(
        self, fields: Sequence[Field], body: bytes = making.BODY, to: str = KIM
    ) -> tuple[str, list[Field]]:
        """What the milter answers at the end of a message, and the fields above those that came after it."""
        return asyncio.run(self._say(fields, body, to))

    async def _say(self, fields: Sequence[Field], body: bytes, to: str) -> tuple[str, list[Field]]:
        server = Server(lambda: Session(self.service), self.path)
        await server.start()
        try:
            peer = Peer(*await asyncio.open_unix_connection(server.path))
            agreed = struct.unpack("!III", (await peer.negotiate())[:12])[2]
            assert agreed & 0x100000  # values with their spaces
            assert not agreed & 0x10  # and bodies
            await peer.helo("smtpd")
            await peer.mail("SRS0=x@snorl.ax")
            for one in to.split():
                await peer.recipient(one)
            for name, value in fields:
                peer.send(b"L", name + b"\0" + value.replace(b"\r\n", b"\n") + b"\0")
            for at in range(0, len(body), 65_535):
                peer.send(b"B", body[at : at + 65_535])
                command, _ = await peer.packet()
                if command == b"s":
                    break
                assert command == b"c"
            said, edits = await peer.end([])
        finally:
            await server.stop()
        above: list[Field] = []
        for command, data in edits:
            assert (command, data[:4]) == (b"i", b"\0\0\0\0")
            name, value, _ = data[4:].split(b"\0")
            above.insert(0, (name, value.replace(b"\n", b"\r\n")))
        return said, [*above, *fields]


@pytest.fixture
def desk(people: Directory, keys: Keys, tmp_path: Path) -> Desk:
    """The milter, with a DNS in which every domain has its key at selector `s`."""

    async def texts(name: str, seconds: float) -> list[bytes]:
        made.asked.append(name)
        return [making.record(name.rstrip(".").partition("._domainkey.")[2])]

    made = Desk(Service(Forwarder(people, srs()), keys, texts), tmp_path / "s")
    return made


def test_what_goes_on_is_sealed(desk: Desk) -> None:
    said, fields = desk.say([desk.mark(), RESULTS, *making.FIELDS])
    assert said == ""
    assert making.judged(fields) == "pass"
    assert [name for name, _ in fields[:3]] == [
        b"ARC-Seal",
        b"ARC-Message-Signature",
        b"ARC-Authentication-Results",
    ]
    assert b" ".join(fields[2][1].split()) == (
        b"i=1; mail.snorl.ax; arc=none; dmarc=pass header.from=honest.example; spf=pass"
    )
    assert desk.asked == []


def test_on_top_of_others(desk: Desk) -> None:
    came = making.through(making.through(making.FIELDS, "one.example"), "two.example")
    _, fields = desk.say([desk.mark(), RESULTS, *came])
    assert making.judged(fields) == "pass"
    assert b"i=3; a=rsa-sha256; cv=pass; d=snorl.ax; s=s;" in fields[0][1]
    assert sorted(desk.asked) == ["s._domainkey.one.example.", "s._domainkey.two.example."]


def test_a_broken_chain_says_so_once(desk: Desk) -> None:
    came = making.through(making.FIELDS, "one.example")
    _, fields = desk.say([desk.mark(), *came], making.BODY + b"footer\r\n")
    assert b"cv=fail" in fields[0][1]
    again = [desk.mark(), *fields]
    assert desk.say(again, making.BODY + b"footer\r\n") == ("", again)


@pytest.mark.parametrize("what", ["no mark", "somebody else's", "a made-up one", "spam", "two recipients"])
def test_what_does_not_go_on_is_not(desk: Desk, what: str) -> None:
    more: list[Field] = {
        "no mark": [],
        "somebody else's": [desk.mark("joe@bigmail.example")],
        "a made-up one": [(b"X-Loop", b" made-up@snorl.ax")],
        "spam": [desk.mark(), (b"x-spam", b" Yes")],
        "two recipients": [desk.mark()],
    }[what]
    fields = [*more, RESULTS, *making.FIELDS]
    to = f"{KIM} joe@bigmail.example" if what == "two recipients" else KIM
    assert desk.say(fields, to=to) == ("", fields)


@pytest.mark.parametrize("body", [b"", b"x" * 200_000, b"\r\n" * 200_000, b"a \r\n" * 60_000])
def test_any_size_in_pieces(desk: Desk, body: bytes) -> None:
    came = making.through(making.FIELDS, "one.example", body)
    _, fields = desk.say([desk.mark(), *came], body)
    assert making.judged(fields, body) == "pass"


def test_only_our_own_results_and_of_these_the_first(desk: Desk) -> None:
    others = [(b"Authentication-Results", b" mx.evil.example; dmarc=pass"), (b"AUTHENTICATION-RESULTS", b"x")]
    forged = (b"Authentication-Results", b" mail.snorl.ax; dkim=pass")
    _, fields = desk.say([desk.mark(), *others, RESULTS, forged, *making.FIELDS])
    assert b"dmarc=pass" in fields[2][1]
    assert b"dkim" not in fields[2][1]
    _, fields = desk.say([desk.mark(), *others, *making.FIELDS])
    assert fields[2][1] == b" i=1; mail.snorl.ax; arc=none"


def test_characters_beyond_ascii(desk: Desk) -> None:
    results = (
        b"Authentication-Results",
        " mail.snorl.ax; spf=pass smtp.mailfrom=jörg@ö.example".encode(),
    )
    more = [(b"Cc", b" \xff\xfe"), (b"From", " Jörg <jörg@ö.example>".encode())]
    _, fields = desk.say([desk.mark(), results, *more, *making.FIELDS])
    assert making.judged(fields) == "pass"
    assert "jörg@ö.example".encode() in fields[2][1]


def test_without_our_own_key_it_waits(desk: Desk, keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    fields = [desk.mark(), RESULTS, *making.FIELDS]
    path = keys.folder / "snorl.ax.s.key"
    whole = path.read_bytes()
    for text in (b"", b"nonsense", None):
        path.unlink() if text is None else path.write_bytes(text)
        assert desk.say(fields) == (TRY_LATER, fields)
    (keys.folder / "selectors.map").write_text("")
    assert desk.say(fields) == (TRY_LATER, fields)
    assert all("cannot seal a message" in one.message for one in caplog.records)
    path.write_bytes(whole)
    (keys.folder / "selectors.map").write_text("snorl.ax s\n")
    assert making.judged(desk.say(fields)[1]) == "pass"


def test_a_new_selector_signs_from_the_next_message_on(desk: Desk, keys: Keys) -> None:
    fields = [desk.mark(), *making.FIELDS]
    assert b"s=s;" in desk.say(fields)[1][0][1]
    (keys.folder / "snorl.ax.t.key").write_bytes((keys.folder / "snorl.ax.s.key").read_bytes())
    (keys.folder / "new").write_text("snorl.ax t\n")
    (keys.folder / "new").replace(keys.folder / "selectors.map")
    assert b"s=t;" in desk.say(fields)[1][0][1]


@pytest.mark.parametrize(
    "trouble", [Unknown("no answer"), TimeoutError(), RuntimeError("a bug"), UnicodeError()]
)
def test_where_others_keys_cannot_be_asked_for_it_goes_as_it_is(
    people: Directory, keys: Keys, tmp_path: Path, caplog: pytest.LogCaptureFixture, trouble: Exception
) -> None:
    async def texts(name: str, seconds: float) -> list[bytes]:
        raise trouble

    desk = Desk(Service(Forwarder(people, srs()), keys, texts), tmp_path / "s")
    fields = [desk.mark(), RESULTS, *making.through(making.FIELDS, "one.example")]
    assert desk.say(fields) == ("", fields)
    (line,) = caplog.records
    assert line.message.startswith(f"forwarded to {KIM} without a seal: ")
    assert line.exc_info is None


def test_a_dns_that_never_answers_is_not_waited_for(
    people: Directory, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def texts(name: str, seconds: float) -> list[bytes]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr("posthouse.agent.sealing.SECONDS", 0.05)
    desk = Desk(Service(Forwarder(people, srs()), keys, texts), tmp_path / "s")
    fields = [desk.mark(), *making.through(making.FIELDS, "one.example")]
    assert desk.say(fields) == ("", fields)


@pytest.mark.parametrize("domain", ["", "a..b", "*.example", "x" * 300 + ".example", "a b.example"])
def test_names_that_are_none_are_not_asked_for(desk: Desk, domain: str) -> None:
    came = [
        (name, value.replace(b"d=one.example", b"d=" + domain.encode()))
        for name, value in making.through(making.FIELDS, "one.example")
    ]
    _, fields = desk.say([desk.mark(), *came])
    assert b"cv=fail" in fields[0][1]
    assert desk.asked == []


def test_a_domain_beyond_ascii_is_asked_for_as_dns_has_it(desk: Desk) -> None:
    came = making.through(making.FIELDS, "ö.example")
    desk.say([desk.mark(), *came])
    assert desk.asked == ["s._domainkey.xn--nda.example."]


def test_more_header_than_anybody_takes(desk: Desk) -> None:
    many = [(b"X-Many", b" " + b"x" * 60_000)] * (2 * bounds.HEADER // 60_000 + 1)
    fields = [desk.mark(), *many, *making.FIELDS]
    assert desk.say(fields) == ("", fields)


def test_a_bug_while_it_passes_does_not_hold_it_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(fields: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("posthouse.arc.chain.read", broken)
    fields = [desk.mark(), *making.FIELDS]
    assert desk.say(fields) == ("", fields)
    assert [one.message for one in caplog.records if one.levelno == logging.ERROR] == [
        f"forwarded to {KIM} without a seal: RuntimeError: a bug"
    ]
