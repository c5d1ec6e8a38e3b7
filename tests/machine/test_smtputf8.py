"""Addresses beyond ASCII (RFC 6531, 6532): they come in, are judged, go on, go out, and nothing is lost by them."""

from __future__ import annotations

import email.policy
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import format_datetime, localtime

import pytest
from tests.machine.server import DOMAIN, PASSWORD, USER, Server, awaited, unique
from tests.machine.test_extensions import answer, dialogue, say
from tests.machine.test_mail import spam
from tests.machine.test_vacation import literal, managesieve

from posthouse.lab.internet import Forwarder, Internet, Provider, Sender
from posthouse.lab.internet.sender import deliver

pytestmark = [
    pytest.mark.machine,
    pytest.mark.grounds("12-systemd-clean"),
    pytest.mark.both_chains("13"),
]


def written(author: str, to: str, body: str = "Grüße aus Köln.\r\n") -> tuple[str, bytes]:
    """A letter with a raw header, and what is found of its subject."""
    mark = unique()
    head = [
        f"From: Jörg Ü <{author}>",
        f"To: {to}",
        f"Subject: Grüße {mark}",
        f"Date: {format_datetime(localtime())}",
        f"Message-ID: <{uuid.uuid4().hex}@client.example>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    ]
    return mark, ("\r\n".join(head) + "\r\n\r\n" + body).encode()


@dataclass
class Scene:
    """Jörg, at a domain beyond ASCII; a provider that offers SMTPUTF8, and one that does not."""

    server: Server
    internet: Internet
    sender: Sender
    home: Forwarder  # what comes back to him
    wide: Provider
    narrow: Provider

    @property
    def joerg(self) -> str:
        """His address, as he writes it."""
        return "jörg@" + self.sender.domain.encode().decode("idna")

    @property
    def keeps_senders(self) -> bool:
        """Dovecot 2.3 takes a sender beyond ASCII for none."""
        return self.server.machine.spec.suite != "bookworm"

    def write(self, to: str, **how: object) -> tuple[str, bytes]:
        """He writes, and it is taken."""
        mark, content = written(self.joerg, to)
        code, said = self.send(to, content, **how)
        assert code == 250, said
        return mark, content

    def send(self, to: str, content: bytes, envelope_sender: str | None = None) -> tuple[int, str]:
        """Signed, where there is anything; what the answer was."""
        return self.sender.send(
            self.server.address,
            to,
            content,
            envelope_sender=self.joerg if envelope_sender is None else envelope_sender,
            sign=bool(content),
            smtputf8=True,
        )

    def alias(self, *targets: str) -> str:
        name = f"{unique()}@{DOMAIN}"
        self.server.posthouse("alias", "add", name, *targets)
        return name

    def user(self, script: str = "") -> str:
        """A new mailbox, with a Sieve script."""
        name = f"{unique()}@{DOMAIN}"
        self.server.posthouse("user", "add", name, "--password-stdin", input=PASSWORD + "\n")
        if script:
            with managesieve(self.server, name) as session:
                assert session.say(f'PUTSCRIPT "mine" {literal(script)}').startswith("OK")
                assert session.say('SETACTIVE "mine"\r\n').startswith("OK")
        return name

    def raw(self, mark: str, user: str = USER, folder: str = "INBOX") -> bytes:
        """The message in a mailbox, octet by octet."""
        found: list[bytes] = []

        def look() -> bool:
            with self.server.imap(user, folder=folder) as client:
                for number in client.search(["SUBJECT", f"Grüße {mark}"], charset="UTF-8"):
                    found.append(client.fetch([number], ["ENVELOPE", "BODY.PEEK[]"])[number][b"BODY[]"])
            return bool(found)

        awaited(look, f"{mark} in {folder} of {user}")
        return found[0]


@pytest.fixture(scope="module")
def scene(server: Server) -> Iterator[Scene]:
    """The people, with our domain as `posthouse dns` says it."""
    server.net.dns.set_zone(DOMAIN, server.posthouse("dns", "zone", DOMAIN).stdout.splitlines())
    with Internet(server.net) as internet:
        server.machine.write("/usr/local/share/ca-certificates/simulated.crt", internet.authority.pem)
        server.run("update-ca-certificates >/dev/null 2>&1")
        sender = internet.sender(f"bücher{unique()}.example".encode("idna").decode())
        home = internet.mailbox(sender, smtputf8=True)
        wide = internet.provider(f"wide-{unique()}.example", smtputf8=True)
        narrow = internet.provider(f"narrow-{unique()}.example")
        for domain in (sender.domain, wide.domain, narrow.domain):
            awaited(lambda name=domain: server.sees(name, "MX"), f"the server to see {domain}")
        yield Scene(server, internet, sender, home, wide, narrow)


def header(raw: bytes, name: str) -> bytes:
    """A header field as it stands."""
    match = re.search(rb"(?m)^" + name.encode() + rb":.*\r\n(?:[ \t].*\r\n)*", raw)
    assert match is not None, raw
    return match[0]


def assert_whole(raw: bytes, content: bytes) -> None:
    """Each header field and the body are what they were."""
    head, _, body = content.partition(b"\r\n\r\n")
    assert raw.partition(b"\r\n\r\n")[2] == body
    for line in head.split(b"\r\n"):
        assert b"\r\n" + line + b"\r\n" in raw


def results(raw: bytes) -> str:
    """What was found of the sender."""
    return " ".join(header(raw, "Authentication-Results").decode().split())


def test_it_arrives_whole_and_judged(scene: Scene) -> None:
    mark, content = scene.write(USER)
    raw = scene.raw(mark)
    assert_whole(raw, content)
    back = scene.joerg if scene.keeps_senders else ""
    assert header(raw, "Return-Path") == f"Return-Path: <{back}>\r\n".encode()
    domain = scene.sender.domain
    told = results(raw)
    assert re.search(rf"dkim=pass [^;]*header\.d={domain}", told), told
    assert re.search(rf"spf=pass [^;]*smtp\.mailfrom=([^@;]*@)?{domain}", told), told
    assert re.search(rf"dmarc=pass [^;]*header\.from={domain}", told), told
    assert header(raw, "Received-SPF").startswith(b"Received-SPF: pass")
    assert b"with UTF8SMTP" in raw


def test_nobody_else_says_who_the_sender_is(scene: Scene) -> None:
    """X-Posthouse-Sender is ours: from outside it is taken away, and SPF is not asked for who stands in it."""
    for sender in ("", f"ann@{scene.sender.domain}"):
        mark, content = written(f"ann@{scene.sender.domain}", USER)
        forged = (
            "X-Posthouse-Sender: jörg@bücher.example\r\nX-Posthouse-Sender: joe@victim.example\r\n".encode()
        )
        code, said = scene.send(USER, forged + content, envelope_sender=sender)
        assert code == 250, said
        raw = scene.raw(mark)
        for told in (b"X-Posthouse-Sender", b"xn--bcher-kva.example", b"victim.example"):
            assert told not in raw


def test_dmarc_knows_the_domain_in_both_forms(scene: Scene) -> None:
    """It asks for p=reject, in its A-label's record: a signature alone is enough, and nothing at all is not."""
    stranger = scene.internet.sender(f"{unique()}.example", policy=None)
    awaited(lambda: scene.server.sees(stranger.domain, "MX"), "the server to see the stranger")
    mark, content = written(scene.joerg, USER)
    sent = scene.sender.signed(content)
    where = stranger.host, scene.server.address, f"x@{stranger.domain}", USER
    code, said = deliver(*where, sent, smtputf8=True)
    assert code == 250, said
    assert "dmarc=pass" in results(scene.raw(mark))
    _, content = written(scene.joerg, USER)
    code, said = deliver(*where, content, smtputf8=True)
    assert code in (550, 554), said
    assert said.startswith("5.7.1"), said


def test_spam_goes_to_junk(scene: Scene) -> None:
    sent = spam(scene.server, USER)
    raw = sent.as_bytes().replace(b"From: somebody@elsewhere.example", f"From: <{scene.joerg}>".encode())
    code, said = scene.send(USER, raw)
    assert code == 250, said
    scene.server.find(str(sent["Subject"]), folder="Junk")


def test_recipients_here_are_ascii(scene: Scene) -> None:
    """Tables fold letters: the Kelvin sign to k, ß to ss. Dovecot would refuse later what passed by that."""
    scene.server.posthouse("alias", "add", f"strasse-kim@{DOMAIN}", USER)
    for local in ("jörg", "straße-kim", "strasse-\u212aim", "strasse-kım"):
        code, said = scene.send(f"{local}@{DOMAIN}", b"")
        assert (code, said[:5]) == (550, "5.1.1"), said
    scene.server.posthouse("alias", "remove", f"strasse-kim@{DOMAIN}", "--yes")
    code, said = scene.send(f"{USER.partition('@')[0]}@{DOMAIN.replace('s', 'ſ', 1)}", b"")
    assert code in (550, 554), said


@pytest.mark.parametrize(
    "address",
    ["jö\u0085rg", "jö\u2028rg", "jö\u2029rg", "jö\u202erg", "jö\u200brg", "jö\ufeffrg"],
    ids=lambda text: f"{ord(text[2]):04x}",
)
def test_what_is_not_seen_is_no_part_of_an_address(scene: Scene, address: str) -> None:
    for sender, to in ((address + scene.joerg[4:], USER), (scene.joerg, f"{address}@{DOMAIN}")):
        code, said = scene.send(to, b"", envelope_sender=sender)
        assert 500 <= code < 560, (code, said)


def test_what_is_no_utf8_and_what_is_not_declared(scene: Scene) -> None:
    valid = scene.joerg.encode()
    for address in (
        b"j\xf6rg@a.example",
        b"j\xc0\xaerg@a.example",
        b"j\xed\xa0\x80@a.example",
        b"\xf4\x90\x80\x80@a.example",
    ):
        with dialogue(scene.server) as stream:
            say(stream, b"MAIL FROM:<" + address + b"> SMTPUTF8\r\n")
            assert answer(stream)[:1] == "5"
            say(stream, b"MAIL FROM:<" + valid + b"> SMTPUTF8\r\nRCPT TO:<" + address + b">\r\n")
            assert [answer(stream)[:1] for _ in range(2)] == ["2", "5"]
    for sender, to in (
        (valid, USER.encode()),
        ("jörg@a.example".encode(), USER.encode()),
        (b"a@a.example", valid),
    ):
        with dialogue(scene.server) as stream:
            say(stream, b"MAIL FROM:<" + sender + b">\r\nRCPT TO:<" + to + b">\r\nQUIT\r\n")
            assert "5" in {answer(stream)[:1] for _ in range(2)}


def test_an_alias_to_another_host(scene: Scene) -> None:
    """The new sender is ASCII, so that it needs nothing of the other host; the header stays what it is."""
    for provider in (scene.wide, scene.narrow):
        mark, content = scene.write(scene.alias(f"kim@{provider.domain}", USER))
        came = provider.received(f"Grüße {mark}")
        assert came.verdict.folder == "INBOX", came.verdict
        assert (came.verdict.spf, came.verdict.dmarc, came.verdict.arc) == ("pass", "pass", "pass")
        assert came.envelope.smtputf8 is provider.smtputf8
        assert came.envelope.sender.isascii()
        assert came.envelope.sender.startswith("SRS0=")
        assert_whole(came.content, content)
        assert b"SRS0" not in header(scene.raw(mark), "Return-Path")

    postmaster = scene.internet.sender(f"mx-{unique()}.example")
    awaited(lambda: scene.server.sees(postmaster.domain, "MX"), "the server to see the other host")
    mark, content = written(f"mailer-daemon@{postmaster.domain}", came.envelope.sender)
    ways = postmaster.host, scene.server.address, "", came.envelope.sender, postmaster.signed(content)
    code, said = deliver(*ways)
    assert code == 250, said
    back = scene.home.await_taken(mark)
    assert (back.sender, back.recipient) == ("", scene.joerg)


def test_what_is_refused_behind_an_alias_comes_back(scene: Scene) -> None:
    scene.wide.unknown.add("gone")
    mark, _ = scene.write(scene.alias(f"gone@{scene.wide.domain}"))
    back = scene.home.await_taken(mark)
    assert (back.sender, back.recipient) == ("", scene.joerg)
    assert b"message/global-delivery-status" in back.content  # RFC 6533


def test_what_sieve_makes_of_it(scene: Scene) -> None:
    copy = f'require ["copy", "vacation"]; redirect :copy "kim@{scene.wide.domain}";'
    away = f'vacation :days 7 :handle "{unique()}" "Back on Monday.";'
    user = scene.user(f"{copy}\r\n{away}\r\n")
    mark, content = scene.write(user)
    assert_whole(scene.raw(mark, user), content)
    came = scene.wide.received(f"Grüße {mark}")
    assert_whole(came.content, content)
    assert (came.verdict.dmarc, came.verdict.arc) == ("pass", "pass"), came.verdict
    assert came.envelope.sender.startswith("SRS0=")
    assert came.envelope.sender.isascii()
    assert b"X-Posthouse" not in came.content
    if scene.keeps_senders:
        assert scene.home.await_taken("Back on Monday.").recipient == scene.joerg
    awaited(lambda: not scene.server.queue(), "the queue to be empty")


def submit(scene: Scene, *to: str, sender: str = USER, author: str | None = None) -> str:
    """A user of ours writes."""
    mark, content = written(author or sender, ", ".join(to))
    with scene.server.smtp(587, USER) as client:
        client.ehlo()
        client.sendmail(sender, list(to), content, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    return mark


def test_a_user_writes_to_such_an_address(scene: Scene) -> None:
    colleague = scene.user()
    mark = submit(scene, f"jörg@{scene.wide.domain}", scene.joerg, colleague)
    came = scene.wide.received(f"Grüße {mark}")
    assert came.envelope.recipients == (f"jörg@{scene.wide.domain}",)
    assert came.envelope.smtputf8
    assert (came.verdict.spf, came.verdict.dmarc, came.verdict.folder) == ("pass", "pass", "INBOX")
    assert DOMAIN in {one.domain for one in came.verdict.dkim if one.valid}
    assert scene.home.await_taken(mark).recipient == scene.joerg
    scene.raw(mark, colleague)


def test_where_it_cannot_be_sent_the_user_is_told(scene: Scene) -> None:
    mark = submit(scene, f"jörg@{scene.narrow.domain}")
    bounces: list[EmailMessage] = []

    def look() -> bool:
        with scene.server.imap(folder="INBOX") as client:
            for number in client.search(["TEXT", mark]):
                raw = client.fetch([number], ["BODY.PEEK[]"])[number][b"BODY[]"]
                bounces.append(BytesParser(policy=email.policy.default).parsebytes(raw))  # type: ignore[arg-type]
        return bool(bounces)

    awaited(look, "the bounce")
    assert bounces[0].get_content_type() == "multipart/report"
    assert b"SMTPUTF8 is required, but was not offered" in bounces[0].as_bytes()
    assert mark not in "".join(one.subject for one in scene.narrow.messages)


def test_nobody_writes_as_somebody_else_by_a_letter_that_looks_alike(scene: Scene) -> None:
    local, _, domain = USER.partition("@")
    for address in (
        f"uſer@{domain}",
        f"{local}@{domain.replace('s', 'ſ', 1)}",
        f"ａdmin@{domain}",
        f"u\u0308ser@{domain}",
    ):
        with scene.server.smtp(587, USER) as client:
            client.ehlo()
            code, said = client.mail(address, ["SMTPUTF8"])
            if code == 250:
                code, said = client.rcpt(f"kim@{scene.wide.domain}")
            assert code in (550, 553), said
        with scene.server.smtp(587, USER) as client:
            client.ehlo()
            _, content = written(address, f"kim@{scene.wide.domain}")
            client.mail(USER, ["SMTPUTF8", "BODY=8BITMIME"])
            assert client.rcpt(f"kim@{scene.wide.domain}")[0] == 250
            code, said = client.data(content)
            assert code == 550, said


def test_local_programs_go_on_as_ever(scene: Scene) -> None:
    """Raw UTF-8 in a header, which no program of today declares: to a host without SMTPUTF8, and to a mailbox here."""
    for to, found in (
        (f"kim@{scene.narrow.domain}", lambda mark: scene.narrow.received(f"Grüße {mark}").content),
        (USER, scene.raw),
    ):
        mark, content = written(f"root@{DOMAIN}", to)
        scene.server.run(["sendmail", "-i", "-t"], input=content.decode().replace("\r\n", "\n"))
        assert f"Grüße {mark}".encode() in found(mark)


def test_it_is_shown_while_it_waits(scene: Scene) -> None:
    away = scene.internet.host(f"mx.away-{unique()}.example")
    domain = away.name.partition(".")[2]
    scene.server.net.dns.set_zone(domain, [f"@ MX 10 {away.name}.", f"{away.name}. A {away.ipv4}"])
    awaited(lambda: scene.server.sees(domain, "MX"), "the server to see the host")
    submit(scene, f"jörg@{domain}")
    awaited(lambda: any("deferred" in one and domain in one for one in scene.server.queue()), "it to wait")
    listed = scene.server.posthouse("queue", "list").stdout
    assert f"jörg@{domain}" in listed, listed
    number = next(
        one.split('"queue_id": "')[1].split('"')[0] for one in scene.server.queue() if domain in one
    )
    assert "jörg" in scene.server.posthouse("queue", "show", number).stdout
    scene.server.run(["postsuper", "-d", number])
