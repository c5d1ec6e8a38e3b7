"""Mail from elsewhere is judged as its domain's owner asks, and what was found stands in its headers."""

from __future__ import annotations

from email.message import EmailMessage

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest
from tests.machine.server import HOST, USER, Server, awaited, unique

from posthouse.lab import netns
from posthouse.lab.internet import Internet, Sender

pytestmark = [pytest.mark.machine, pytest.mark.both_chains("13")]

# What a domain says of its senders (RFC 7208), and what comes of it when somebody else sends in its name.
SPF = {
    "neutral": "v=spf1 ?all",
    "softfail": "v=spf1 ~all",
    "fail": "v=spf1 -all",
    "permerror": "v=spf1 include:",
    "none": "",
}


def known(server: Server, sender: Sender) -> Sender:
    """Await that the server's resolver has every record of the domain, and forgot that there was none."""
    wanted = [(sender.domain, "MX"), (f"s1._domainkey.{sender.domain}", "TXT")]
    wanted += [(sender.domain, "TXT")] * bool(sender.spf)
    wanted += [(f"_dmarc.{sender.domain}", "TXT")] * (sender.policy is not None)
    awaited(
        lambda: all(server.sees(name, kind) for name, kind in wanted), f"the server to see {sender.domain}"
    )
    return sender


@pytest.fixture(scope="session")
def honest(internet: Internet, server: Server) -> Sender:
    """Somebody who does all he should."""
    return known(server, internet.sender(f"honest-{unique()}.example"))


def arrived(
    server: Server, sender: Sender, letter: EmailMessage, folder: str = "INBOX", **how: object
) -> EmailMessage:
    """Send and find it in the folder."""
    code, said = sender.send(server.address, USER, letter, **how)  # type: ignore[arg-type]
    assert code == 250, said
    return server.find(str(letter["Subject"]), folder=folder)


def results(message: EmailMessage) -> str:
    """The server's own Authentication-Results; there must be one such header, from nobody else."""
    (header,) = message.get_all("Authentication-Results", [])
    assert str(header).startswith(HOST)
    return " ".join(str(header).split())


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_honest_mail_passes_everything(server: Server, honest: Sender, family: str) -> None:
    letter = honest.letter(USER)
    code, said = honest.send(getattr(server.machine, family), USER, letter)
    assert code == 250, said
    message = server.find(str(letter["Subject"]))
    assert str(message["Received-SPF"]).startswith(f"pass ({HOST}:")
    assert f"client-ip={getattr(honest.host, family)};" in str(message["Received-SPF"])
    for part in ("spf=pass", "dkim=pass", "dmarc=pass"):
        assert part in results(message)


@pytest.mark.parametrize("result", sorted(SPF))
def test_each_result_of_spf_is_recorded(server: Server, internet: Internet, result: str) -> None:
    sender = internet.sender(f"{result}-{unique()}.example", spf=SPF[result], policy=None)
    known(server, sender)
    letter = sender.letter(USER)
    code, said = sender.send(server.address, USER, letter)
    assert code == 250, said
    folder = "INBOX" if server_has(server, letter) else "Junk"
    message = server.find(str(letter["Subject"]), folder=folder)
    assert str(message["Received-SPF"]).split()[0] == result
    assert f"spf={result}" in results(message)


def server_has(server: Server, letter: EmailMessage) -> bool:
    """Await it in either folder, and say whether it is INBOX."""
    subject = str(letter["Subject"])
    awaited(lambda: server.count(subject) or server.count(subject, folder="Junk"), "the letter")
    return bool(server.count(subject))


def test_a_dns_that_never_answers_is_a_temporary_error(server: Server, internet: Internet) -> None:
    domain = f"silent-{unique()}.example"
    sender = internet.sender(domain, policy=None)
    internet.net.dns.set_silent(domain, internet.net.v4(254))
    awaited(
        lambda: answer_of(server, f"x.{domain}") in (None, dns.rcode.SERVFAIL), "no answer for the domain"
    )
    letter = sender.letter(USER)
    code, said = sender.send(server.address, USER, letter)
    assert code == 250, said
    folder = "INBOX" if server_has(server, letter) else "Junk"
    message = server.find(str(letter["Subject"]), folder=folder)
    assert str(message["Received-SPF"]).split()[0] == "temperror"
    assert "spf=temperror" in results(message)


def test_spf_that_cannot_be_asked_refuses_nobody(server: Server, internet: Internet) -> None:
    """Not even where the author's domain asks for refusal of what has neither SPF nor a signature."""
    domain, dead = f"asks-{unique()}.example", f"dead-{unique()}.example"
    sender = known(server, internet.sender(domain, spf=f"v=spf1 include:{dead} -all", policy="reject"))
    internet.net.dns.set_silent(dead, internet.net.v4(254))
    awaited(lambda: answer_of(server, f"x.{dead}") in (None, dns.rcode.SERVFAIL), "no answer for the domain")
    letter = sender.letter(USER)
    code, said = sender.send(server.address, USER, letter, sign=False)
    assert code == 250, said
    folder = "INBOX" if server_has(server, letter) else "Junk"
    message = server.find(str(letter["Subject"]), folder=folder)
    assert "spf=temperror" in results(message)
    assert "dmarc=pass" not in results(message)


@pytest.mark.grounds("12-systemd-clean")
def test_a_key_that_cannot_be_asked_for_refuses_nobody(server: Server, internet: Internet) -> None:
    """Not even where the author's domain asks for refusal, and SPF speaks for somebody else."""
    author = known(server, internet.sender(f"author-{unique()}.example", policy="reject"))
    other = known(server, internet.sender(f"bounces-{unique()}.example", spf="v=spf1 +all"))
    internet.net.dns.set_silent(key := f"s1._domainkey.{author.domain}", internet.net.v4(254))
    server.service("restart", "unbound", "unbound.service")  # it had the key
    awaited(lambda: server.sees(other.domain), "the resolver")
    awaited(lambda: answer_of(server, key) in (None, dns.rcode.SERVFAIL), "no answer for the key")
    letter = author.letter(USER)
    code, said = author.send(server.address, USER, letter, envelope_sender=f"bounces@{other.domain}")
    assert code == 250, said
    folder = "INBOX" if server_has(server, letter) else "Junk"
    message = server.find(str(letter["Subject"]), folder=folder)
    assert "dmarc=temperror" in results(message)
    assert "dkim=pass" not in results(message)


def answer_of(server: Server, name: str) -> dns.rcode.Rcode | None:
    """What the server's resolver says of a name; None where it is still waiting itself."""
    with netns.entered(server.machine.namespace):
        try:
            return dns.query.udp(dns.message.make_query(name, "TXT"), "127.0.0.1", timeout=5).rcode()
        except dns.exception.Timeout:
            return None


def test_forged_verdicts_are_taken_away(server: Server, honest: Sender) -> None:
    letter = honest.letter(USER)
    letter["Authentication-Results"] = f"{HOST}; dmarc=pass header.from=paypal.example"
    letter["X-Spam-Flag"] = "NO"
    letter["X-Spam"] = "No"
    message = arrived(server, honest, letter)
    assert "paypal" not in results(message)
    assert message["X-Spam-Flag"] is None
    assert message["X-Spam"] is None


def test_a_forged_author_of_ours_is_junk_without_any_published_record(
    server: Server, internet: Internet
) -> None:
    domain = f"unpublished-{unique()}.example"
    server.posthouse("domain", "add", domain)
    forger = known(server, internet.sender(f"forger-{unique()}.example"))
    message = arrived(server, forger, forger.letter(USER, author=f"boss@{domain}"), folder="Junk")
    assert "spf=pass" in results(message)
