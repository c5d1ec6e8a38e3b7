"""What is forwarded arrives at a strict provider, what comes back finds its sender, and spam goes nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage

import pytest
from tests.arc import making
from tests.machine.server import DOMAIN, HOST, USER, Server, awaited, unique
from tests.machine.test_mail import spam

from posthouse.arc.chain import Chain
from posthouse.arc.record import Key, Name, parse
from posthouse.lab.internet import Forwarder, Internet, Provider, Sender
from posthouse.lab.internet.lookup import texts

pytestmark = [
    pytest.mark.machine,
    pytest.mark.grounds("12-systemd-clean", "13-supervisor-clean"),
    pytest.mark.both_chains("13"),
]


@dataclass
class Scene:
    """Ann writes to an alias of ours that leads on to Kim at a provider, and to a mailbox here."""

    server: Server
    internet: Internet
    provider: Provider
    ann: Sender
    home: Forwarder  # what comes back to Ann

    @property
    def one_seal_at_most(self) -> bool:
        """Whether its filter seals only where there is one seal, or none: Rspamd 3.4."""
        return self.server.filter == "rspamd" and self.server.machine.spec.suite == "bookworm"

    def alias(self, *targets: str) -> str:
        """A new alias."""
        name = f"{unique()}@{DOMAIN}"
        self.server.posthouse("alias", "add", name, *targets)
        return name

    def write(self, to: str, *, sign: bool = True) -> EmailMessage:
        """Ann writes, and it is taken."""
        letter = self.ann.letter(to)
        code, said = self.ann.send(self.server.address, to, letter, sign=sign)
        assert code == 250, said
        return letter

    def emptied(self) -> None:
        """Await that nothing is on its way any more."""
        awaited(lambda: not self.server.queue(), "the queue to be empty")

    def bounces(self, subject: str) -> list[str]:
        """The senders of what came back to Ann about a subject."""
        return [one.sender for one in self.home.taken if subject.encode() in one.content]


@pytest.fixture(scope="module")
def scene(server: Server) -> Iterator[Scene]:
    """The people, with our domain as `posthouse dns` says it."""
    server.net.dns.set_zone(DOMAIN, server.posthouse("dns", "zone", DOMAIN).stdout.splitlines())
    with Internet(server.net) as internet:
        server.machine.write("/usr/local/share/ca-certificates/simulated.crt", internet.authority.pem)
        server.run("update-ca-certificates >/dev/null 2>&1")
        provider = internet.provider(f"bigmail-{unique()}.example")
        ann = internet.sender(f"honest-{unique()}.example")
        home = internet.mailbox(ann)
        awaited(lambda: server.sees(ann.domain, "MX"), "the server to see Ann's domain")
        awaited(lambda: server.sees(provider.domain, "MX"), "the server to see the provider")
        yield Scene(server, internet, provider, ann, home)


def test_an_alias_to_another_host(scene: Scene) -> None:
    kim = f"kim@{scene.provider.domain}"
    letter = scene.write(scene.alias(kim, USER))
    came = scene.provider.received(str(letter["Subject"]))
    assert came.verdict.folder == "INBOX", came.verdict
    assert (came.verdict.spf, came.verdict.dmarc, came.verdict.arc) == ("pass", "pass", "pass")
    assert [(s.domain, s.valid) for s in came.verdict.dkim] == [(scene.ann.domain, True)]
    assert re.fullmatch(rf"SRS0=.{{8}}=..={scene.ann.domain}=ann@{DOMAIN}", came.envelope.sender)
    here = scene.server.find(str(letter["Subject"]))
    assert here["Return-Path"] == f"<ann@{scene.ann.domain}>"
    assert (here["ARC-Seal"], here["X-Loop"]) == (None, None)


def test_a_seal_is_what_an_unsigned_message_passes_by(scene: Scene) -> None:
    """SPF passed here and cannot pass there for its author; who does not trust us sends it back, once."""
    kim = f"kim@{scene.provider.domain}"
    alias = scene.alias(kim)
    scene.provider.trusted_sealers.add(DOMAIN)
    letter = scene.write(alias, sign=False)
    verdict = scene.provider.verdict(str(letter["Subject"]))
    assert (verdict.dmarc, verdict.arc, verdict.folder) == ("fail", "pass", "INBOX"), verdict

    scene.provider.trusted_sealers.clear()
    letter = scene.write(alias, sign=False)
    assert scene.provider.verdict(str(letter["Subject"])).folder == "refused"
    back = scene.home.await_taken(str(letter["Subject"]))
    assert (back.sender, back.recipient) == ("", f"ann@{scene.ann.domain}")
    scene.emptied()
    assert scene.bounces(str(letter["Subject"])) == [""]


def test_a_bounce_from_elsewhere_finds_the_sender_and_a_forged_one_nobody(scene: Scene) -> None:
    # In capitals, as some servers keep them
    letter = scene.ann.letter(to := scene.alias(f"kim@{scene.provider.domain}"))
    author = f"Ann.BIG@{scene.ann.domain}"
    assert scene.ann.send(scene.server.address, to, letter, envelope_sender=author)[0] == 250
    written = scene.provider.received(str(letter["Subject"])).envelope.sender
    postmaster = scene.internet.sender(f"mx-{unique()}.example")
    awaited(lambda: scene.server.sees(postmaster.domain, "MX"), "the server to see the other host")
    notice = postmaster.letter(written, author=f"mailer-daemon@{postmaster.domain}")
    code, said = postmaster.send(scene.server.address, written, notice, envelope_sender="")
    assert code == 250, said
    back = scene.home.await_taken(str(notice["Subject"]))
    assert (back.sender, back.recipient) == ("", author)
    local = written.rpartition("@")[0]
    # (a hash is the same in capitals)
    other = local[:5] + ("B" if local[5] in "Aa" else "A") + local[6:]
    for forged in (
        f"{other}@{DOMAIN}",
        f"SRS0=AAAAAAAA=AA={postmaster.domain}=x@{DOMAIN}",
        f"SRS1=a@{DOMAIN}",
    ):
        code, said = postmaster.send(scene.server.address, forged, notice, envelope_sender="")
        assert (code, said[:5]) == (550, "5.1.1"), said


def test_a_sender_too_long_to_be_written_anew(scene: Scene) -> None:
    sender = f"{'b' * 60}@{scene.ann.domain}"
    letter = scene.ann.letter(to := scene.alias(f"kim@{scene.provider.domain}"))
    assert scene.ann.send(scene.server.address, to, letter, envelope_sender=sender)[0] == 250
    came = scene.provider.received(str(letter["Subject"]))
    assert came.verdict.spf == "pass"
    assert len(came.envelope.sender.rpartition("@")[0]) <= 64
    notice = scene.ann.letter(came.envelope.sender)
    assert scene.ann.send(scene.server.address, came.envelope.sender, notice, envelope_sender="")[0] == 250
    assert scene.home.await_taken(str(notice["Subject"])).recipient == sender


def test_spam_stays_here(scene: Scene) -> None:
    for targets in (("kim", USER), ("kim",)):
        alias = scene.alias(*(t if "@" in t else f"{t}@{scene.provider.domain}" for t in targets))
        sent = spam(scene.server, alias)
        scene.server.send(sent)
        subject = str(sent["Subject"])
        scene.server.find(subject, folder="Junk")
        scene.emptied()
        assert scene.server.count(subject, folder="Junk") == len(targets)
        assert subject not in [one.subject for one in scene.provider.messages]
    kept = scene.server.find(subject, folder="Junk")
    assert kept["ARC-Seal"] is None
    assert kept["X-Posthouse-Not-Forwarded"] == f"to <kim@{scene.provider.domain}>: judged spam"


def test_a_postmaster_who_forwards_gets_kept_spam_once(scene: Scene) -> None:
    """What is kept for him must not set out again by an alias of his own."""
    scene.server.posthouse("alias", "add", USER, f"joe@{scene.provider.domain}")
    try:
        sent = spam(scene.server, scene.alias(f"kim@{scene.provider.domain}"))
        subject = scene.server.send(sent)
        scene.server.find(subject, folder="Junk")
        scene.emptied()
        assert scene.server.count(subject, folder="Junk") == 1
        assert subject not in [one.subject for one in scene.provider.messages]
    finally:
        scene.server.posthouse("alias", "remove", USER, "--yes")


def test_what_cannot_be_rewritten_now_waits(scene: Scene) -> None:
    alias = scene.alias(f"kim@{scene.provider.domain}")
    with scene.server.stopped("posthouse-agent", "posthouse-agent.service"):
        letter = scene.write(alias)
        awaited(lambda: any('"deferred"' in one for one in scene.server.queue()), "it to wait")
        assert str(letter["Subject"]) not in [one.subject for one in scene.provider.messages]
    awaited(lambda: scene.server.run(["postqueue", "-f"]) and not scene.server.queue(), "it to leave")
    assert scene.provider.received(str(letter["Subject"])).envelope.sender.startswith("SRS0=")


def test_spam_without_a_sender_is_filed_as_any(scene: Scene) -> None:
    """It passes where forwarded mail does, and must keep its mark."""
    sent = spam(scene.server, USER)
    scene.server.send(sent, sender="")
    assert scene.server.find(str(sent["Subject"]), folder="Junk")["Return-Path"] == "<>"


def test_a_made_up_author_of_ours_gets_no_spf_of_ours(scene: Scene) -> None:
    """Its domain asks for nothing, so that it is no spam; SPF and DMARC would pass behind our host."""
    domain = f"{unique()}.example"
    scene.server.posthouse("domain", "add", domain)
    scene.server.net.dns.set_zone(domain, ['_dmarc TXT "v=DMARC1; p=none"', f"@ MX 10 {HOST}."])
    awaited(lambda: scene.server.sees(f"_dmarc.{domain}"), "the server to see the domain's policy")
    for envelope_sender in (None, "", f"boss@{domain}"):
        to = scene.alias(f"kim@{scene.provider.domain}")
        letter = scene.ann.letter(to, author=f"boss@{domain}")
        code, said = scene.ann.send(scene.server.address, to, letter, envelope_sender=envelope_sender)
        assert code == 250, said
        kept = scene.server.find(str(letter["Subject"]), folder="Junk")
        assert kept["X-Posthouse-Not-Forwarded"].endswith(f"nothing proves that it is from {domain}")
        scene.emptied()
        assert str(letter["Subject"]) not in [one.subject for one in scene.provider.messages]


def test_seals_upon_seals_stay_whole(scene: Scene) -> None:
    """Three times through us, by hosts that change nothing. Rspamd 3.4 can add one seal to another's, not to two."""
    target = f"kim@{scene.provider.domain}"
    for _ in range(2):
        alias = scene.alias(target)
        way = scene.internet.forwarder(f"way-{unique()}.example", alias, scene.server.address)
        awaited(lambda name=way.domain: scene.server.sees(name, "MX"), "the server to see the next host")
        target = f"kim@{way.domain}"
    letter = scene.write(scene.alias(target))
    came = scene.provider.received(str(letter["Subject"]))
    found = came.verdict.dmarc, came.verdict.arc, came.verdict.folder
    assert found == ("pass", "pass", "INBOX"), came.verdict
    assert seals(came.content) == (2 if scene.one_seal_at_most else 3)
    with scene.server.net.inside():  # whoever made them, our own verifier finds what the provider's does
        assert making.status(*making.parts(came.content), ask=asked)[1] == "pass"


def test_a_chain_that_came_is_carried_on_and_a_broken_one_said_to_be(scene: Scene) -> None:
    """Made by hosts before us, the first of which changed the text; whoever comes next tells us that."""
    hosts = [f"{unique()}.example" for _ in range(3)]
    for host in hosts:
        scene.server.net.dns.set_zone(host, [f's._domainkey TXT "{making.record(host).decode()}"'])
    awaited(lambda: scene.server.sees(f"s._domainkey.{hosts[-1]}", "TXT"), "the server to see their keys")
    for footer, expected in ((b"", "pass"), (b"A footer.\r\n", "fail")):
        letter = scene.ann.letter(to := scene.alias(f"kim@{scene.provider.domain}"))
        fields, body = making.parts(letter.as_bytes().replace(b"\n", b"\r\n"))
        for host in hosts:
            fields = making.through(fields, host, body)
        content = making.message(fields, body + footer)
        assert scene.ann.send(scene.server.address, to, content)[0] == 250
        came = scene.provider.received(str(letter["Subject"]))
        assert (came.verdict.dmarc, came.verdict.arc, came.verdict.folder) == ("pass", expected, "INBOX")
        assert seals(came.content) == (3 if scene.one_seal_at_most else 4)
        if not scene.one_seal_at_most:
            (made,) = [
                one for name, one in making.parts(came.content)[0] if name == b"ARC-Seal" and b"i=4" in one
            ]
            assert f"cv={expected};".encode() in made, made
            assert f"d={DOMAIN};".encode() in made, made


def test_keys_of_others_that_nobody_answers_for_hold_up_nothing(scene: Scene) -> None:
    """Nobody knows whether their chain holds. It stays as it came, for who can ask; Rspamd calls it broken."""
    host = f"{unique()}.example"
    scene.server.net.dns.set_silent(host, scene.server.net.v4(254))
    letter = scene.ann.letter(to := scene.alias(f"kim@{scene.provider.domain}"))
    fields, body = making.parts(letter.as_bytes().replace(b"\n", b"\r\n"))
    content = making.message(making.through(fields, host, body), body)
    assert scene.ann.send(scene.server.address, to, content)[0] == 250
    came = scene.provider.received(str(letter["Subject"]))
    assert (came.verdict.dmarc, came.verdict.folder) == ("pass", "INBOX")
    assert seals(came.content) == (1 if scene.server.filter == "spamassassin" else 2)


def test_headers_in_characters_beyond_ascii(scene: Scene) -> None:
    """As they stand in the mail, unencoded: what is signed is octets."""
    letter = scene.ann.letter(to := scene.alias(f"kim@{scene.provider.domain}"))
    content = letter.as_bytes().replace(b"\n", b"\r\n")
    name = "X-Note: Grüße ☃\r\nComments: \xff\r\n".encode("latin-1", "replace") + "Keywords: ☃\r\n".encode()
    code, said = scene.ann.send(scene.server.address, to, name + content)
    assert code == 250, said
    came = scene.provider.received(str(letter["Subject"]))
    assert (came.verdict.dmarc, came.verdict.arc) == ("pass", "pass")


@pytest.mark.full
def test_a_large_one(scene: Scene) -> None:
    """Twenty million octets, on top of a seal over them."""
    host = f"{unique()}.example"
    scene.server.net.dns.set_zone(host, [f's._domainkey TXT "{making.record(host).decode()}"'])
    awaited(lambda: scene.server.sees(f"s._domainkey.{host}", "TXT"), "the server to see its key")
    letter = scene.ann.letter(to := scene.alias(f"kim@{scene.provider.domain}"))
    fields, body = making.parts(letter.as_bytes().replace(b"\n", b"\r\n"))
    body += b"a line of no great interest,  with\ttabs and spaces \r\n" * 400_000
    content = making.message(making.through(fields, host, body), body)
    assert scene.ann.send(scene.server.address, to, content)[0] == 250
    awaited(lambda: str(letter["Subject"]) in [one.subject for one in scene.provider.messages], "it", 300)
    came = scene.provider.received(str(letter["Subject"]))
    assert (came.verdict.dmarc, came.verdict.arc) == ("pass", "pass")
    assert seals(came.content) == 2


def asked(chain: Chain) -> dict[Name, Key | str]:
    """The keys of a chain, from DNS."""
    return {
        name: parse([text.encode() for text in texts(f"{name[0]}._domainkey.{name[1]}")])
        for name in chain.keys
    }


def seals(content: bytes) -> int:
    """How many seals a message has."""
    return (b"\r\n" + content.lower()).count(b"\r\narc-seal:")


def test_a_circle_ends_and_its_sender_is_told_once(scene: Scene) -> None:
    name = f"circle-{unique()}"
    alias = f"{name}@{DOMAIN}"
    other = scene.internet.forwarder(f"{name}.example", alias, scene.server.address)
    scene.server.posthouse("alias", "add", alias, USER, f"kim@{other.domain}")
    awaited(lambda: scene.server.sees(other.domain, "MX"), "the server to see the other host")
    letter = scene.write(alias)
    subject = str(letter["Subject"])
    back = scene.home.await_taken(subject)
    assert b"5.4.6" in back.content
    scene.emptied()
    assert scene.bounces(subject) == [""]
    assert len(other.taken) == 1
    assert scene.server.count(subject) == 2  # as it came, and as it came back


@pytest.fixture
def redirecting(scene: Scene) -> str:
    """A mailbox whose Sieve script sends a copy of everything to the provider."""
    name = unique()
    address, home = f"{name}@{DOMAIN}", f"/var/mail/sieve/{DOMAIN}/mails/{name}"
    scene.server.posthouse("user", "add", address, "--password-stdin", input="pw of somebody\n")
    script = f'require "copy"; redirect :copy "kim@{scene.provider.domain}";\n'
    scene.server.run(
        f"mkdir -p {home}/sieve && cat > {home}/sieve/t.sieve && ln -sf sieve/t.sieve {home}/active.sieve"
        f" && chown -R vmail:vmail /var/mail/sieve/{DOMAIN}",
        input=script,
    )
    return address


def test_what_a_sieve_script_redirects(scene: Scene, redirecting: str) -> None:
    letter = scene.write(redirecting)
    came = scene.provider.received(str(letter["Subject"]))
    assert came.verdict.folder == "INBOX", came.verdict
    assert (came.verdict.spf, came.verdict.dmarc, came.verdict.arc) == ("pass", "pass", "pass")
    assert came.envelope.sender.startswith("SRS0=")
    here = scene.server.find(str(letter["Subject"]), redirecting, password="pw of somebody")
    assert here["Return-Path"] == f"<ann@{scene.ann.domain}>"

    colleague = scene.ann.letter(redirecting, author=USER)
    scene.server.send(colleague, to=[redirecting], port=587, user=USER)
    verdict = scene.provider.verdict(str(colleague["Subject"]))
    assert (verdict.spf, verdict.dmarc, verdict.folder) == ("pass", "pass", "INBOX"), verdict

    bounce = scene.ann.letter(redirecting)
    assert scene.ann.send(scene.server.address, redirecting, bounce, envelope_sender="")[0] == 250
    came = scene.provider.received(str(bounce["Subject"]))
    assert (came.envelope.sender, came.verdict.arc) == ("", "pass")

    junk = spam(scene.server, redirecting)
    scene.server.send(junk)
    scene.server.find(str(junk["Subject"]), redirecting, folder="Junk", password="pw of somebody")
    scene.emptied()
    assert str(junk["Subject"]) not in [one.subject for one in scene.provider.messages]


def test_over_ipv6_on_both_sides(scene: Scene) -> None:
    """It comes by IPv6, and leaves by it for a host that has no other address."""
    far = scene.internet.provider(f"six-{unique()}.example")
    records = [f"@ MX 10 {far.host.name}.", f"{far.host.name}. AAAA {far.host.ipv6}"]
    scene.server.net.dns.set_zone(far.domain, records)
    awaited(lambda: scene.server.sees(far.domain, "MX"), "the server to see the other host")
    to = scene.alias(f"kim@{far.domain}")
    letter = scene.ann.letter(to)
    assert scene.ann.send(scene.server.machine.ipv6, to, letter)[0] == 250
    came = far.received(str(letter["Subject"]))
    assert came.envelope.client == scene.server.machine.ipv6
    assert (came.verdict.spf, came.verdict.dmarc) == ("pass", "pass")
