"""What the milter of forwarded mail says, against a real directory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.agent.peer import Peer
from tests.agent.test_srs import srs

from posthouse.agent.forwarding import LOOP, TRY_LATER, Forwarder, Session
from posthouse.agent.senders import Directory
from posthouse.agent.server import Server
from posthouse.errors import PosthouseError

KIM = "kim@bigmail.example"
RESULTS = ("Authentication-Results", "mail.snorl.ax;\n\tdkim=pass header.d=honest.example;\n\tdmarc=pass")
ANN = ("From", "Ann <ann@honest.example>")
Edits = list[tuple[bytes, bytes]]


def judged(
    people: Directory,
    tmp_path: Path,
    *headers: tuple[str, str],
    sender: str = "ann@honest.example",
    to: str = KIM,
) -> tuple[str, Edits]:
    """What the milter answers at the end of a message, and its edits before that."""

    async def ask() -> tuple[str, Edits]:
        server = Server(lambda: Session(Forwarder(people, srs())), tmp_path / "s")
        await server.start()
        try:
            peer = Peer(*await asyncio.open_unix_connection(server.path))
            await peer.negotiate()
            assert await peer.helo("smtpd") == ""
            assert await peer.mail(sender) == ""
            for one in to.split():
                assert await peer.recipient(one) == ""
            return await peer.end(headers)
        finally:
            await server.stop()

    return asyncio.run(ask())


def new_sender(edits: Edits) -> str | None:
    """The envelope sender among the edits."""
    return next((data.rstrip(b"\0").decode().strip("<>") for command, data in edits if command == b"e"), None)


def kept_for(edits: Edits) -> str | None:
    """The recipient that took the other's place."""
    changed = {command: data.rstrip(b"\0").decode().strip("<>") for command, data in edits}
    return changed.get(b"+") if changed.get(b"-") == KIM else None


def test_a_sender_elsewhere_is_written_anew(people: Directory, tmp_path: Path) -> None:
    said, edits = judged(people, tmp_path, RESULTS, ANN)
    assert said == ""
    assert new_sender(edits) == srs().forward("ann@honest.example")
    assert kept_for(edits) is None


@pytest.mark.parametrize(
    "sender", ["", "user@snorl.ax", "root@mail.snorl.ax", "x@LOCALHOST", "x@localhost.lan"]
)
def test_nobody_and_ours_stay(people: Directory, tmp_path: Path, sender: str) -> None:
    said, edits = judged(people, tmp_path, ANN, sender=sender)
    assert (said, new_sender(edits)) == ("", None)


@pytest.mark.parametrize("to", ["user@snorl.ax", "root@mail.snorl.ax", "root@localhost"])
def test_what_stays_here_stays_as_it_is(people: Directory, tmp_path: Path, to: str) -> None:
    for headers in ((ANN,), (ANN, ("X-Spam", "Yes"))):
        assert judged(people, tmp_path, *headers, to=to) == ("", [])


def test_spam_is_kept_for_the_postmaster(people: Directory, tmp_path: Path) -> None:
    said, edits = judged(people, tmp_path, ("X-Spam", "Yes"), ANN)
    assert (said, kept_for(edits), new_sender(edits)) == ("", "user@snorl.ax", None)
    assert any(
        b"X-Posthouse-Not-Forwarded\0to <kim@bigmail.example>: judged spam" in data for _, data in edits
    )


@pytest.mark.parametrize(
    ("found", "author", "goes"),
    [
        ("mail.snorl.ax; dmarc=fail reason=x header.from=snorl.ax", "user@snorl.ax", False),
        ("mail.snorl.ax; spf=pass smtp.mailfrom=evil.example; dmarc=none", "user@snorl.ax", False),
        ("mail.snorl.ax; dkim=pass header.d=evil.example; dmarc=none", "user@snorl.ax", False),
        ("mail.snorl.ax; dkim=pass header.d=snorl.ax.evil.example; dmarc=none", "user@snorl.ax", False),
        ("mail.snorl.ax; dkim=fail header.d=snorl.ax; dmarc=none", "user@snorl.ax", False),
        ("mail.snorl.ax;\n\tdkim=pass header.d=snorl.ax\n\theader.s=x; dmarc=none", "user@snorl.ax", True),
        ("mail.snorl.ax; dmarc=pass (policy=none) header.from=snorl.ax; spf=none", "user@snorl.ax", True),
        ("mail.snorl.ax; dmarc=pass header.from=evil.example", "user@snorl.ax, x@evil.example", False),
        ("mail.snorl.ax; dmarc=none", '"user@SNORL.ax" <x@evil.example>', True),
        ("mail.snorl.ax; dmarc=none", "user@snorl.ax <x@evil.example>", False),
        ("mail.snorl.ax; dmarc=none", "x@evil.example, user@snorl.ax", False),
        ("mail.snorl.ax; dmarc=none", "user@\n snorl.ax", False),
        ("mail.snorl.ax; dmarc=none", "x@evil.example", True),
        # in the sender's own address, out of its quotes
        (
            'mail.snorl.ax; spf=pass smtp.mailfrom="x\\\\";dmarc=pass header.from=snorl.ax @evil.example"; dmarc=none',
            "user@snorl.ax",
            False,
        ),
        (
            'mail.snorl.ax; spf=pass smtp.mailfrom="x\\\\";dkim=pass header.d=snorl.ax @evil.example"; dmarc=none',
            "user@snorl.ax",
            False,
        ),
        # somebody else's results say nothing; without any of ours it is our own users' mail
        ("mx.evil.example; dmarc=pass", "user@snorl.ax", True),
    ],
)
def test_an_author_of_ours_must_be_proven(
    people: Directory, tmp_path: Path, found: str, author: str, goes: bool
) -> None:
    for sender in ("x@evil.example", "", "user@snorl.ax"):
        headers = ("Authentication-Results", found), ("From", author)
        said, edits = judged(people, tmp_path, *headers, sender=sender)
        assert said == ""
        assert kept_for(edits) == (None if goes else "user@snorl.ax")
        assert goes or (b"i", b"\0\0\0\0X-Spam\0Yes\0") in edits


def test_only_the_first_of_our_results_counts(people: Directory, tmp_path: Path) -> None:
    ours, forged = "mail.snorl.ax; dmarc=fail", "mail.snorl.ax; dmarc=pass"
    headers = [("Authentication-Results", one) for one in ("other.example; dmarc=pass", ours, forged)]
    _, edits = judged(people, tmp_path, *headers, ("From", "user@snorl.ax"))
    assert kept_for(edits) == "user@snorl.ax"


def test_a_circle_ends(people: Directory, tmp_path: Path) -> None:
    _, edits = judged(people, tmp_path, ANN)
    (mark,) = [data for command, data in edits if command == b"i" and b"X-Loop" in data]
    value = mark[4:].split(b"\0")[1].decode()
    assert judged(people, tmp_path, ("X-Loop", value), ANN) == (LOOP, [])
    assert judged(people, tmp_path, ("X-Loop", value), ANN, to=KIM.upper()) == (LOOP, [])
    for other in ("joe@bigmail.example", "ann@honest.example"):
        assert judged(people, tmp_path, ("X-Loop", value), ANN, to=other)[0] == ""
    assert judged(people, tmp_path, ("X-Loop", "made-up@snorl.ax"), ANN)[0] == ""


def test_what_cannot_be_judged_waits(people: Directory, tmp_path: Path) -> None:
    assert judged(people, tmp_path, ANN, to=f"{KIM} joe@bigmail.example") == (TRY_LATER, [])

    def away() -> None:
        raise PosthouseError("the directory is away")

    lost = Directory(away, people.hostname, people.main_domain, people.names)  # type: ignore[arg-type]
    assert judged(lost, tmp_path, ANN) == (TRY_LATER, [])


def test_a_sender_beyond_ascii_becomes_one_of_ours_that_is_ascii(people: Directory, tmp_path: Path) -> None:
    _, edits = judged(people, tmp_path, RESULTS, ANN, sender="jörg@bücher.example")
    written = new_sender(edits)
    assert written is not None
    assert written.isascii()


@pytest.mark.parametrize("author", ["kim@ｓｎｏｒｌ.ａｘ", "Kim <jörg@ſnorl.ax>"])
def test_a_domain_of_ours_in_other_letters_is_ours(people: Directory, tmp_path: Path, author: str) -> None:
    _, edits = judged(people, tmp_path, RESULTS, ("From", author))
    assert kept_for(edits) is not None


def test_a_redirected_message_keeps_the_sender_that_dovecot_did_not_take(
    people: Directory, tmp_path: Path
) -> None:
    told = ("X-Posthouse-Sender", "j%C3%B6rg@b%C3%BCcher.example")
    redirected = ("X-Sieve-Redirected-From", "kim@snorl.ax")
    _, edits = judged(people, tmp_path, redirected, told, RESULTS, ANN, sender="")
    assert (new_sender(edits) or "").startswith("SRS0=")
    assert any(command == b"m" and b"X-Posthouse-Sender" in data for command, data in edits)
    assert new_sender(judged(people, tmp_path, told, RESULTS, ANN, sender="")[1]) is None
    assert new_sender(judged(people, tmp_path, redirected, RESULTS, ANN, sender="")[1]) is None
