"""Nothing that a stranger sends makes this server write to somebody else, and nothing goes round in circles."""

from __future__ import annotations

import smtplib
import uuid
from contextlib import suppress
from email.utils import formatdate

import pytest
from tests.machine.server import DOMAIN, HOST, PASSWORD, STRANGER, USER, Server, awaited, letter, unique

from posthouse.lab.internet import Internet, Provider

pytestmark = [pytest.mark.machine, pytest.mark.grounds("13-systemd-policy", "12-supervisor-policy")]


@pytest.fixture(scope="session")
def victim(server: Server, internet: Internet) -> Provider:
    """Somebody whose address is used as a forged sender, and who would get what is written back."""
    provider = internet.provider(f"victim-{unique()}.example")
    awaited(lambda: server.sees(provider.domain, "MX"), "the server to see the victim's domain")
    return provider


def quiet(server: Server, victim: Provider) -> None:
    """See that nothing is on its way to the victim, and nothing came."""
    server.find(server.send(letter()))
    assert not [line for line in server.queue() if victim.domain in line]
    assert victim.messages == []


def code_of(server: Server, message: bytes, sender: str, to: str) -> int:
    """The code of the first answer that was not good; 250 where there was none."""
    with server.smtp() as client:
        client.ehlo()
        code, _ = client.mail(sender)
        assert code == 250
        code, _ = client.rcpt(to)
        return code if code != 250 else client.data(message)[0]


def test_a_forged_sender_hears_nothing_of_unknown_recipients(server: Server, victim: Provider) -> None:
    sender = f"anybody@{victim.domain}"
    assert code_of(server, letter().as_bytes(), sender, f"nobody-here@{DOMAIN}") == 550
    assert code_of(server, letter().as_bytes(), sender, f"nobody-here+x@{DOMAIN}") == 550
    assert code_of(server, letter().as_bytes(), "", f"nobody-here@{DOMAIN}") == 550
    quiet(server, victim)


def test_a_script_cannot_send_back_what_it_does_not_like(server: Server) -> None:
    """`reject` and `ereject` (RFC 5429) are no extensions here; a script that wants one leaves its mail in INBOX."""
    address = f"picky-{unique()}@{DOMAIN}"
    server.posthouse("user", "add", address, "--password-stdin", input=PASSWORD + "\n")
    home = f"/var/mail/sieve/{DOMAIN}/mails/{address.partition('@')[0]}"
    for word in ("reject", "ereject"):
        server.run(f"mkdir -p {home}/sieve && chown -R vmail: /var/mail/sieve/{DOMAIN}")
        script = f'require "{word}";\n{word} "I do not want this.";\n'
        server.run(f"cat > {home}/sieve/x.sieve && chown vmail: {home}/sieve/x.sieve", input=script)
        server.run(f"ln -sfn sieve/x.sieve {home}/active.sieve && chown -h vmail: {home}/active.sieve")
        sent = letter(to=address)
        server.send(sent, to=[address])
        server.find(str(sent["Subject"]), address)
    assert not [line for line in server.queue() if STRANGER in line]


def test_what_has_gone_through_too_many_hands_is_refused(server: Server, victim: Provider) -> None:
    hops = "".join(f"Received: from a{n}.example by b.example; {formatdate()}\r\n" for n in range(60))
    assert code_of(server, hops.encode() + letter().as_bytes(), f"anybody@{victim.domain}", USER) == 554
    quiet(server, victim)


def test_mail_that_would_come_back_to_us_ends_with_its_author(server: Server, internet: Internet) -> None:
    """A domain elsewhere whose MX is this server: nobody outside may send there, and our user is told."""
    domain = f"loop-{unique()}.example"
    internet.net.dns.set_zone(domain, [f"@ MX 10 {HOST}."])
    awaited(lambda: server.sees(domain, "MX"), "the server to see the domain")
    assert code_of(server, letter().as_bytes(), STRANGER, f"kim@{domain}") == 554
    sent = letter(USER, f"kim@{domain}")
    with server.smtp(587, USER) as client:
        client.sendmail(USER, [f"kim@{domain}"], sent.as_bytes())
    awaited(lambda: _told(server, str(sent["Subject"])), "the report to its author")
    awaited(lambda: not [line for line in server.queue() if domain in line], "an empty queue")


def _told(server: Server, subject: str) -> bool:
    with server.imap(folder="INBOX") as client:
        return bool(client.search(["SUBJECT", "Undelivered Mail", "TEXT", subject]))


def test_one_host_alone_cannot_take_every_place(server: Server, internet: Internet) -> None:
    """No wait and no question for a first-comer, but a bound on connections: 50 of one address (anvil(8))."""
    greedy = internet.host(f"greedy-{unique()}.example")
    lines = []
    try:
        refused = b""
        while not refused and len(lines) < 60:
            lines.append(greedy.connect(server.address, 25))
            greeting = lines[-1].recv(200)
            refused = greeting if greeting[:3] != b"220" else b""
        assert refused.startswith(b"421"), refused
        assert len(lines) > 40
        server.find(server.send(letter()))
    finally:
        for line in lines:
            line.close()


def test_who_guesses_names_is_slowed_and_cut_off(server: Server) -> None:
    answers: list[int] = []
    with server.smtp() as client, suppress(smtplib.SMTPServerDisconnected):
        client.ehlo()
        client.mail(STRANGER)
        while len(answers) < 30:
            answers.append(client.rcpt(f"{uuid.uuid4().hex}@{DOMAIN}")[0])
    assert 10 <= len(answers) <= 25
    assert set(answers) <= {550, 421}
