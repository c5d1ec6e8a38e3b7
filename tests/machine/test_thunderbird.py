"""Debian's own Thunderbird: its wizard finds the settings, and its window writes, gets, sorts and finds mail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.machine.conftest import publish
from tests.machine.server import DOMAIN, HOST, Server, awaited, letter, unique
from tests.machine.test_certificates import SITE_FILE
from tests.machine.test_learning import learned, wordy
from tests.machine.thunderbird import Thunderbird

from posthouse.lab.internet import Internet
from posthouse.lab.internet.provider import Provider

pytestmark = [pytest.mark.machine, pytest.mark.full]

PASSWORD = "three plain words"
OTHER = "other.example"
GUESSED = (f"imap.{OTHER}", f"smtp.{OTHER}")
NEVER = (
    'never = ["198.18.0.0/15", "2001:2::/48"]'  # of the tests' own site file: here somebody could be banned
)
TLS = '[tls]\nmode = "files"\ncertificate = "/etc/ssl/own.pem"\nkey = "/etc/ssl/own.key"\n[web]\nenabled = true\n'
ASK = "return window.fetch(given[0]).then(() => 'answered', () => 'refused')"
FOLDERS = {  # by Thunderbird's names for what they are, and as they are called on the server
    "Inbox": "INBOX", "SentMail": "Sent", "Drafts": "Drafts", "Junk": "Junk", "Trash": "Trash", "Archive": "Archive",
}  # fmt: skip


@pytest.fixture(scope="module")
def online(server: Server, internet: Internet) -> Iterator[Server]:
    """The server with a certificate that is believed, its web pages, and all records published."""
    if server.machine.spec.policy_rc_d is not None:
        pytest.skip("an operator's policy-rc.d is nothing to a mail program")
    before = server.machine.read(SITE_FILE)
    assert NEVER in before
    names = (f"autoconfig.{DOMAIN}", f"autodiscover.{DOMAIN}", *GUESSED)
    chain, key = internet.authority.certificate(HOST, *names)
    server.machine.write("/etc/ssl/own.pem", chain.read_bytes())
    server.machine.write("/etc/ssl/own.key", key.read_bytes(), 0o600)
    server.machine.write(SITE_FILE, f"{before.replace(NEVER, 'never = []')}\n{TLS}")
    server.posthouse("apply", "--yes")
    server.net.dns.set_zone(DOMAIN, server.posthouse("dns", "zone").stdout)
    yield server
    server.machine.write(SITE_FILE, before)
    server.posthouse("apply", "--yes")
    publish(server.net, server.machine)


@pytest.fixture(scope="module")
def provider(internet: Internet) -> Provider:
    return internet.provider("largemail.example")


@pytest.fixture(scope="module")
def thunderbird(
    online: Server, internet: Internet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Thunderbird]:
    pictures = tmp_path_factory.mktemp("thunderbird")
    made = Thunderbird(online.net, online.machine.spec.suite, internet.authority.pem, pictures)
    yield made
    made.destroy()


@dataclass(frozen=True)
class Mailbox:
    """An account here, and what is done with it in Thunderbird."""

    server: Server
    thunderbird: Thunderbird
    address: str

    def find_settings(self) -> str:
        """Give the wizard name and address; returns the page that it comes to."""
        # It waits five seconds for an answer, and here several machines share two processors: the server is awake then.
        self.thunderbird.do(ASK, f"https://autoconfig.{DOMAIN}/")
        self.thunderbird.do("await openWizard()")
        return str(self.thunderbird.do("return findSettings('Kim Example', given[0])", self.address))

    def log_in(self, password: str = PASSWORD) -> str:
        """Give the wizard the password; returns what it complains of."""
        return str(self.thunderbird.do("return logIn(given[0])", password))

    def do(self, steps: str, *given: object) -> object:
        """Take steps with the account, its `address`, and `given`."""
        return self.thunderbird.do(f"const address = given.shift();\n{steps}", self.address, *given)

    def holds(self, subject: str, folder: str) -> None:
        """Await a message in a folder on the server."""
        self.server.find(subject, self.address, folder, PASSWORD)


def new(online: Server, thunderbird: Thunderbird, domain: str = DOMAIN) -> Mailbox:
    """A new account."""
    address = f"{unique()}@{domain}"
    online.posthouse("user", "add", address, "--password-stdin", input=f"{PASSWORD}\n")
    return Mailbox(online, thunderbird, address)


def banned(mailbox: Mailbox) -> list[object]:
    """The bans that Thunderbird's machine is under."""
    machine = mailbox.thunderbird.machine
    said = (
        mailbox.server.posthouse("ban", "list", one, "--json").stdout for one in (machine.ipv4, machine.ipv6)
    )
    return [ban for one in said for ban in json.loads(one)["bans"]]


@pytest.fixture(scope="module")
def mailbox(online: Server, thunderbird: Thunderbird) -> Mailbox:
    """An account that the wizard has found and logged into, by IMAP."""
    made = new(online, thunderbird)
    assert made.find_settings() == "email-config-found"
    found = thunderbird.do("return settings()")
    assert (found["incoming"], found["outgoing"]) == (f"imap {HOST}:993", f"smtp {HOST}:465"), found
    assert "SSL/TLS" in found["details"]
    assert made.address in found["details"]
    assert made.log_in() == ""
    thunderbird.do("return finish()")
    return made


def test_certificates_are_verified(online: Server, thunderbird: Thunderbird) -> None:
    assert thunderbird.do(ASK, f"https://{HOST}/") == "answered"
    assert thunderbird.do(ASK, f"https://{online.address}/") == "refused", "no certificate is for an address"


def test_each_special_folder_is_known_for_what_it_is(mailbox: Mailbox) -> None:
    known = "return given[0].map(flag => folder(address, flag)?.URI.split('/').pop())"
    awaited(lambda: mailbox.do(known, list(FOLDERS)) == list(FOLDERS.values()), "the folders")


def test_mail_is_written_here_and_there_and_kept_in_sent(
    online: Server, mailbox: Mailbox, provider: Provider
) -> None:
    friend, subject = new(online, mailbox.thunderbird), f"written-{unique()}"
    awaited(lambda: online.sees(provider.domain, "MX"), "the server to see the provider")
    to = f"{friend.address}, ann@{provider.domain}"
    mailbox.do("await send(address, ...given)", to, subject, "Hello from here.")
    friend.holds(subject, "INBOX")
    verdict = provider.verdict(subject)
    assert (verdict.spf, verdict.dmarc, verdict.folder) == ("pass", "pass", "INBOX"), verdict
    assert all(one.valid for one in verdict.dkim)
    assert verdict.dkim
    assert (
        b"Thunderbird" not in provider.received(subject).content
    )  # nobody need know with what it was written
    mailbox.holds(subject, "Sent")
    assert mailbox.do("return (await fetched(await known(address, 'SentMail'), given[0])).isRead", subject)


def test_a_draft_is_kept_on_the_server(online: Server, mailbox: Mailbox) -> None:
    subject = f"draft-{unique()}"
    mailbox.do("await draft(address, ...given)", mailbox.address, subject, "Not yet.")
    mailbox.holds(subject, "Drafts")
    with online.imap(mailbox.address, PASSWORD) as client:
        assert sorted(name for _, _, name in client.list_folders()) == sorted(
            FOLDERS.values()
        )  # and no others


def test_new_mail_is_seen_without_being_asked_for(online: Server, mailbox: Mailbox) -> None:
    assert mailbox.do("return account(address).incomingServer.biffMinutes") == 10
    for subject in (f"first-{unique()}", f"then-{unique()}"):
        online.send(letter(to=mailbox.address, subject=subject))
        mailbox.do("await seen(await known(address, 'Inbox'), given[0])", subject)
        awaited(lambda: "IDLE" in mailbox.thunderbird.commands(), "it to wait by IDLE")
    assert "COMPRESS DEFLATE" in mailbox.thunderbird.commands()


def test_junk_and_back_teaches_the_filter(online: Server, mailbox: Mailbox) -> None:
    message = wordy(mailbox.address)
    subject = online.send(message)
    spam, ham = learned(online)
    mailbox.do("await move(await known(address, 'Inbox'), await known(address, 'Junk'), given[0])", subject)
    mailbox.holds(subject, "Junk")
    awaited(lambda: learned(online) == (spam + 1, ham), "the filter to learn spam")
    mailbox.do("await move(await known(address, 'Junk'), await known(address, 'Inbox'), given[0])", subject)
    mailbox.holds(subject, "INBOX")
    awaited(lambda: learned(online) == (spam, ham + 1), "the filter to learn ham")


def test_mail_is_found_by_its_text_and_thrown_away(online: Server, mailbox: Mailbox) -> None:
    word = unique()
    subject = f"Grüße an {word}"
    mailbox.do("await send(address, ...given)", mailbox.address, subject, f"Schöne Wörter {word} für 5 €.")
    mailbox.do("await seen(await known(address, 'Inbox'), given[0])", subject)
    found = "return search(await known(address, 'Inbox'), given[0])"
    awaited(lambda: mailbox.do(found, f"wörter {word} für") == [subject], "it to be found by its text")
    mailbox.do("await remove(await known(address, 'Inbox'), given[0])", subject)
    mailbox.holds(word, "Trash")
    assert online.count(word, mailbox.address, password=PASSWORD) == 0


def test_a_wrong_password_is_said_and_bans_nobody(online: Server, thunderbird: Thunderbird) -> None:
    made = new(online, thunderbird)
    assert made.find_settings() == "email-config-found"
    assert made.log_in("three other words") == "Authentication error."
    assert made.log_in() == ""
    thunderbird.do("return finish()")
    assert banned(made) == []


def test_pop3_is_offered_too(online: Server, thunderbird: Thunderbird) -> None:
    made, subject = new(online, thunderbird), f"popped-{unique()}"
    assert made.find_settings() == "email-config-found"
    thunderbird.do("choose('pop3')")
    found = thunderbird.do("return settings()")
    assert (found["incoming"], found["outgoing"]) == (f"pop3 {HOST}:995", f"smtp {HOST}:465"), found
    assert made.log_in() == ""
    thunderbird.do("return finish()")
    online.send(letter(to=made.address, subject=subject))
    made.holds(subject, "INBOX")
    made.do("await popped(address, given[0])", subject)


@pytest.fixture
def elsewhere(online: Server, thunderbird: Thunderbird, request: pytest.FixtureRequest) -> Iterator[Mailbox]:
    """An account of a domain that has published nothing but its MX record."""
    domain = getattr(request, "param", OTHER)
    online.posthouse("domain", "add", domain)
    online.net.dns.set_zone(domain, f"@ MX 10 {HOST}.")
    made = new(online, thunderbird, domain)
    yield made
    online.posthouse("user", "remove", made.address, "--yes")
    online.posthouse("domain", "remove", domain, "--yes")
    online.net.dns.remove_zone(domain)


def test_a_domain_without_names_of_its_own_is_found_by_its_mx(elsewhere: Mailbox) -> None:
    made, thunderbird = elsewhere, elsewhere.thunderbird
    assert made.find_settings() == "email-config-found"
    found = thunderbird.do("return settings()")
    assert (found["incoming"], found["outgoing"]) == (f"imap {HOST}:993", f"smtp {HOST}:465"), found
    assert made.address in found["details"]
    assert made.log_in() == ""
    thunderbird.do("return finish()")


@pytest.fixture
def no_web(online: Server) -> Iterator[None]:
    """No web pages."""
    before = online.machine.read(SITE_FILE)
    online.machine.write(SITE_FILE, before.replace("[web]\nenabled = true", "[web]\nenabled = false"))
    online.posthouse("apply", "--yes")
    yield
    online.machine.write(SITE_FILE, before)
    online.posthouse("apply", "--yes")


def test_without_web_pages_mail_dot_domain_is_guessed(
    online: Server, thunderbird: Thunderbird, no_web: None
) -> None:
    made, subject = new(online, thunderbird), f"guessed-{unique()}"
    assert made.find_settings() == "email-config-found"
    found = thunderbird.do("return settings()")
    assert (found["incoming"], found["outgoing"]) == (f"imap {HOST}:993", f"smtp {HOST}:465"), found
    assert (
        f"USERNAME:\n\n{made.address.partition('@')[0]}\n" in found["details"]
    )  # which serves as a login here
    assert made.log_in() == ""
    thunderbird.do("return finish()")
    made.do("await send(address, ...given)", made.address, subject, "To myself.")
    made.holds(subject, "INBOX")
    assert banned(made) == []


def test_without_web_pages_imap_dot_domain_is_guessed(elsewhere: Mailbox, no_web: None) -> None:
    made, server, thunderbird = elsewhere, elsewhere.server, elsewhere.thunderbird
    subject = f"guessed-{unique()}"
    leads = [
        f"{name}. {kind} {at}"
        for name in GUESSED
        for kind, at in (("A", server.address), ("AAAA", server.machine.ipv6))
    ]
    server.net.dns.set_zone(OTHER, [f"@ MX 10 {HOST}.", *leads])
    assert made.find_settings() == "email-config-found"
    found = thunderbird.do("return settings()")
    assert (found["incoming"], found["outgoing"]) == (f"imap {GUESSED[0]}:993", f"smtp {GUESSED[1]}:465"), (
        found
    )
    assert (
        made.log_in() == ""
    )  # the login without its domain is somebody else's, so it tries the whole address
    thunderbird.do("return finish()")
    made.do("await send(address, ...given)", made.address, subject, "To myself.")
    made.holds(subject, "INBOX")
    assert banned(made) == []


@pytest.mark.parametrize("elsewhere", ["nothing.example"], indirect=True)  # it remembers names for a while
def test_with_nothing_to_find_the_user_is_asked(elsewhere: Mailbox, no_web: None) -> None:
    assert elsewhere.find_settings() == "email-manual-incoming-form"
    said = "Thunderbird failed to find the settings for your email account."
    assert elsewhere.thunderbird.do("return said()") == said
