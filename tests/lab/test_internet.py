"""The simulated internet does what its hosts are for, among themselves."""

from __future__ import annotations

import email
import email.policy
import smtplib
import ssl
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import pytest

from posthouse.lab import Network, netns
from posthouse.lab.internet import Habit, Internet, Provider, Sender, as_a_list, tampered
from posthouse.lab.internet.verdict import sealed

DOMAIN = "bigmail.example"
TO = f"kim@{DOMAIN}"


@pytest.fixture(scope="module")
def internet(lab_net: Network) -> Iterator[Internet]:
    with Internet(lab_net) as internet:
        yield internet


@pytest.fixture(scope="module")
def provider(internet: Internet) -> Provider:
    return internet.provider(DOMAIN)


@pytest.fixture(scope="module")
def honest(internet: Internet) -> Sender:
    return internet.sender("honest.example")


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_an_honest_letter_reaches_the_inbox(provider: Provider, honest: Sender, family: str) -> None:
    letter = honest.letter(TO)
    code, said = honest.send(getattr(provider.host, family), TO, letter)
    assert code == 250, said
    verdict = provider.verdict(str(letter["Subject"]))
    assert (verdict.spf, verdict.dmarc, verdict.arc, verdict.ptr, verdict.helo) == (
        "pass", "pass", "none", "pass", "pass",
    )  # fmt: skip
    assert [(s.domain, s.selector, s.valid) for s in verdict.dkim] == [("honest.example", "s1", True)]
    assert verdict.tls == "TLSv1.3"
    assert verdict.folder == "INBOX"
    assert str(verdict) in said


def test_a_changed_body_breaks_the_signature(provider: Provider, honest: Sender) -> None:
    letter = honest.letter(TO)
    honest.send(provider.host.ipv4, TO, letter, tampered=True)
    verdict = provider.verdict(str(letter["Subject"]))
    assert [s.valid for s in verdict.dkim] == [False]
    assert (verdict.spf, verdict.dmarc) == ("pass", "pass")


@pytest.mark.parametrize(
    ("change", "valid", "folder"),
    [(bytes, True, "INBOX"), (tampered, False, "refused"), (as_a_list, False, "refused")],
)
def test_what_happens_on_the_way(
    provider: Provider,
    honest: Sender,
    internet: Internet,
    change: Callable[[bytes], bytes],
    valid: bool,
    folder: str,
) -> None:
    name = f"way-{change.__name__.replace('_', '-')}.example"
    forwarder = internet.forwarder(name, TO, provider.host.ipv4, change)
    letter = honest.letter(f"anybody@{name}")
    before = len(provider.messages)
    assert honest.send(forwarder.host.ipv4, f"anybody@{name}", letter)[0] == 250
    assert forwarder.taken[0].sender == "ann@honest.example"
    (came,) = provider.messages[before:]
    verdict = came.verdict
    assert (verdict.spf, [s.valid for s in verdict.dkim], verdict.folder) == ("fail", [valid], folder)
    assert forwarder.answers[0][0] == (250 if folder == "INBOX" else 550)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        (["i=1; mx.example; dkim=none; dmarc=pass (p=none) header.from=a.example"], True),
        (["i=1; mx.example; spf=pass;\r\n\tdmarc=pass; dkim=none"], True),
        (["i=1; mx.example; dmarc=fail header.from=a.example"], False),
        (["i=2; mx.example; dmarc=fail", "i=1; other.example; dmarc=pass"], False),
        (["i=1; other.example; dmarc=fail", "i=2; mx.example; dmarc=pass"], True),
        (["i=1; mx.example; x-dmarc=pass"], False),
        ([], False),
    ],
)
def test_a_seal_must_say_that_dmarc_passed(headers: list[str], says: bool) -> None:
    text = "".join(f"ARC-Authentication-Results: {one}\r\n" for one in headers) + "\r\nx\r\n"
    parsed = email.message_from_string(text, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert sealed(parsed, "dmarc=pass") is says


def test_a_forged_author_is_refused(provider: Provider, honest: Sender, internet: Internet) -> None:
    forger = internet.sender("forger.example")
    code, said = forger.send(provider.host.ipv4, TO, forger.letter(TO, author="ann@honest.example"))
    assert code == 550
    assert "dmarc=fail" in said
    assert "p=reject" in said


@pytest.mark.parametrize(("policy", "folder"), [("none", "Junk"), ("quarantine", "Junk"), (None, "INBOX")])
def test_the_author_s_policy_decides(
    provider: Provider, internet: Internet, policy: str | None, folder: str
) -> None:
    meek = internet.sender(f"{policy or 'without'}.example", policy=policy)
    letter = honest_from(internet, meek)
    internet_forger(internet).send(provider.host.ipv4, TO, letter, sign=False)
    assert provider.verdict(subject_of(letter)).folder == folder


def internet_forger(internet: Internet) -> Sender:
    return internet.sender("passing.example")


def honest_from(internet: Internet, author: Sender) -> bytes:
    return author.letter(TO).as_bytes().replace(b"\n", b"\r\n")


def subject_of(letter: bytes) -> str:
    return next(line[9:].decode() for line in letter.split(b"\r\n") if line.lower().startswith(b"subject: "))


def test_who_has_no_reverse_name_is_refused(provider: Provider, internet: Internet) -> None:
    nameless = internet.sender("nameless.example")
    internet.net.dns.set_reverse({nameless.host.ipv4: None})
    code, said = nameless.send(provider.host.ipv4, TO)
    assert code == 550
    assert "ptr=fail" in said


def test_mail_in_the_clear_is_doubted(provider: Provider, honest: Sender) -> None:
    letter = honest.letter(TO)
    honest.send(provider.host.ipv4, TO, letter, tls=False)
    verdict = provider.verdict(str(letter["Subject"]))
    assert (verdict.tls, verdict.folder) == (None, "Junk")


def test_unknown_recipients_are_refused(provider: Provider, honest: Sender) -> None:
    assert honest.send(provider.host.ipv4, "kim@elsewhere.example")[0] == 550


def test_block_lists_have_their_habits(internet: Internet) -> None:
    listed = internet.host("spammer.example")
    blocklist = internet.blocklist("list.example")
    blocklist.add(listed.ipv4, listed.ipv6, "bad.example")
    reverse4 = ".".join(reversed(listed.ipv4.split(".")))

    def answers(name: str) -> list[str]:
        return internet.net.dns.lookup(f"{name}.list.example")[0]

    assert answers(reverse4) == answers("bad.example") == answers("2.0.0.127") == ["127.0.0.2"]
    assert answers("1.0.0.127") == []
    blocklist.turn(Habit.LIES)
    assert answers("1.0.0.127") == ["127.0.0.2"]
    blocklist.turn(Habit.REFUSES)
    assert answers(reverse4) == ["127.255.255.254"]


def test_a_relay_takes_mail_after_a_login_only(internet: Internet) -> None:
    relay = internet.relay("smtp.relay.example", {"kim": "right"})
    trusting = ssl.create_default_context(cadata=internet.authority.pem)
    with netns.entered(internet.net.gateway):
        client = smtplib.SMTP(relay.host.ipv4, 587, timeout=30)
    with client:
        client._host = "smtp.relay.example"  # type: ignore[attr-defined] # the name that TLS checks
        client.starttls(context=trusting)
        client.ehlo()
        assert client.mail("kim@snorl.ax")[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("kim", "wrong")
        client.login("kim", "right")
        client.sendmail("kim@snorl.ax", ["ann@elsewhere.example"], "Subject: by relay\r\n\r\nGood day\r\n")
    assert [(login, sender) for login, sender, *_ in relay.taken] == [("kim", "kim@snorl.ax")]
