"""What becomes of a hand-made server, on paper."""

from __future__ import annotations

import tomllib

import pytest
from tests.adoption.conftest import CRAM, Server

from posthouse.adoption import database, show
from posthouse.adoption.translate import Adoption
from posthouse.site import load


def fate(adoption: Adoption, name: str) -> str:
    """What becomes of the setting of this name."""
    return next(fate.becomes for fate in adoption.fates if fate.name == name)


def test_everything_has_its_place(server: Server) -> None:
    adoption = server.adoption()
    assert adoption.problems == ()
    site = load.parse(adoption.site, "posthouse.toml")
    assert (site.hostname, site.postmaster) == ("mail.snorl.ax", "user@snorl.ax")
    assert site.limits.message_size == 31457280
    assert site.directory.backend == "postgresql"
    # An override would offer it, and nobody could judge by it.
    assert site.auth.mechanisms == ["cram-md5"]
    assert "auth_mechanisms" not in adoption.overrides["dovecot/local.conf"]
    assert site.tls.folder == "/etc/letsencrypt/live/snorl.ax"
    assert site.earlier.quiet_units == ["opendkim.service"]
    assert [(key.domain, key.selector) for key in adoption.keys] == [("snorl.ax", "202611")]
    assert adoption.grants == (("kim@snorl.ax", "user@snorl.ax"), ("user3@snorl.ax", "user@snorl.ax"))


def test_every_setting_is_told(server: Server) -> None:
    adoption = server.adoption()
    named = {fate.name for fate in adoption.fates}
    text = (server.root / "etc/postfix/main.cf").read_text()
    for line in text.splitlines():
        if line[:1].isalpha():
            assert line.partition(" =")[0] in named, line
    for name in ("spamassassin/unix", "2525/inet", "policyd-spf/unix", "auth_mechanisms", "keytable"):
        assert name in named
    assert tomllib.loads(adoption.site)
    assert "user@elsewhere.example" in show.text(adoption)


def test_no_password_of_the_old_server_is_shown(server: Server) -> None:
    text = show.text(server.adoption())
    assert CRAM not in text
    assert "secret" not in text


def test_what_has_no_field_becomes_an_override(server: Server) -> None:
    main = server.adoption().overrides["postfix/main.cf"]
    assert "header_checks = regexp:/etc/postfix/header_checks\n" in main
    assert "smtp_tls_security_level = encrypt\n" in main
    assert "smtp_sasl_password_maps" not in main
    assert "policyd" not in main
    assert "mynetworks" not in main


def test_a_submission_port_of_their_own_keeps_our_checks(server: Server) -> None:
    master = server.adoption().overrides["postfix/master.cf"]
    service = master[master.index("2525") :].partition("\nspamassassin")[0]
    assert "smtpd_milters=$posthouse_agent,$posthouse_outgoing" in service
    assert "subcleanup" not in master


def test_queued_mail_finds_the_filter_that_it_names(server: Server) -> None:
    overrides = server.adoption().overrides
    assert "spamassassin unix - - y - - lmtp\n" in overrides["postfix/master.cf"]
    assert "default_filter_nexthop = unix:private/dovecot-lmtp\n" in overrides["postfix/main.cf"]


def test_rows_get_their_normal_form_and_it_is_told(server: Server) -> None:
    rows = server.adoption().rows
    assert {user.userid: user.password for user in rows.users}["user3@snorl.ax"] == "{CRAM-MD5}" + CRAM
    assert [target for address, target in rows.aliases if address == "team@snorl.ax"] == [
        "user@snorl.ax",
        "user2@snorl.ax",
        "somebody@snorl.ax",
    ]
    said = "\n".join(rows.changes)
    for word in ("user3@snorl.ax", "Team@snorl.ax", "User2@snorl.ax", "somebody", "3 targets"):
        assert word in said


def test_a_foreign_uid_is_the_stores_and_told(server: Server) -> None:
    server.rows["users"][0]["uid"] = 1000
    assert any("uid 1000" in change for change in server.adoption().rows.changes)


def test_old_hashes_are_allowed_where_dovecot_would_refuse_them(server: Server) -> None:
    server.rows["users"][0]["password"] = "{PLAIN-MD5}0123"
    own = server.adoption().overrides["dovecot/local.conf"]
    assert ("auth_allow_weak_schemes = yes" in own) == (server.debian == 13)


def test_a_quote_in_a_value_stays_a_value() -> None:
    assert database.literal("a'; DROP TABLE users; --") == "'a''; DROP TABLE users; --'"


@pytest.mark.parametrize(
    ("path", "old", "new", "said"),
    [
        ("etc/postfix/main.cf", "pgsql:/etc/postfix/virtual.cf", "ldap:/etc/postfix/virtual.cf", "ldap:"),
        ("etc/postfix/main.cf", "localhost.$mydomain,", "localhost.$mydomain, $mydomain,", "mydestination"),
        ("etc/postfix/main.cf", "/var/mail/vhosts", "/srv/mail", "/srv/mail"),
        ("etc/postfix/main.cf", "biff = no", "relay_domains = other.example", "relay_domains"),
        ("etc/postfix/virtual.cf", "hosts = localhost", "hosts = db.example", "db.example"),
        ("etc/postfix/virtual.cf", "dbname = mails", "dbname = others", "expected one PostgreSQL database"),
        ("etc/opendkim/key.table", "example.private", "other.private", "not there"),
    ],
)
def test_what_cannot_be_taken_over_is_a_problem_in_plain_words(
    server: Server, path: str, old: str, new: str, said: str
) -> None:
    server.edit(path, old, new)
    assert said in "\n".join(server.adoption().problems)


def test_a_store_of_another_format_is_a_problem(server: Server) -> None:
    server.doveconf = server.doveconf.replace("maildir", "mdbox")
    assert any("mdbox" in problem for problem in server.adoption().problems)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("maildir:~/\n", "maildir:~/Maildir\n"),
        ("maildir:~/\n", "maildir:~/:LAYOUT=fs\n"),
        ("= ~/\n", "= ~/in\n"),
    ],
)
def test_a_maildir_elsewhere_than_the_home_is_a_problem(server: Server, old: str, new: str) -> None:
    if old not in server.doveconf:
        pytest.skip("said otherwise in this version")
    server.doveconf = server.doveconf.replace(old, new)
    assert any("the Maildir is the home itself" in problem for problem in server.adoption().problems)


@pytest.mark.parametrize("inside", [".INBOX/cur", "Maildir/cur"])
def test_an_inbox_that_nobody_would_see_is_a_problem(server: Server, inside: str) -> None:
    (server.root / "var/mail/vhosts/snorl.ax/mails/user" / inside).mkdir(parents=True)
    assert any("user@snorl.ax: " in problem for problem in server.adoption().problems)


@pytest.mark.parametrize(
    ("table", "row", "said"),
    [
        ("transport", {"domain": "other.example", "transport": "smtp:[192.0.2.1]"}, "smtp:"),
        ("virtual", {"address": "a@elsewhere.example", "userid": "user@snorl.ax"}, "elsewhere.example"),
        ("virtual", {"address": "a@snorl.ax", "userid": "|/bin/sh"}, "/bin/sh"),
    ],
)
def test_a_row_without_a_normal_form_is_a_problem(
    server: Server, table: str, row: dict[str, str], said: str
) -> None:
    server.rows[table].append(row)
    assert said in "\n".join(server.adoption().problems)


def test_a_home_outside_of_the_store_is_a_problem(server: Server) -> None:
    for home in ("/etc", "snorl.ax/../../etc/x", "Snorl.ax/mails/user"):
        server.rows["users"][0]["home"] = home
        assert any(home in problem for problem in server.adoption().problems)


def test_a_second_domain_comes_along(server: Server) -> None:
    server.rows["transport"].append({"domain": "second.example", "transport": "virtual:"})
    adoption = server.adoption()
    assert adoption.problems == ()
    assert adoption.rows.domains == ("snorl.ax", "second.example")


def test_a_domain_that_is_not_here_is_refused(server: Server) -> None:
    assert any(
        "other.example is not among" in problem for problem in server.adoption("other.example").problems
    )


def test_a_certificate_that_is_gone_is_told(server: Server) -> None:
    (server.root / "etc/letsencrypt/live/snorl.ax/privkey.pem").unlink()
    adoption = server.adoption()
    assert adoption.problems == ()
    assert any("self-signed" in note for note in adoption.notes)
    assert "letsencrypt" not in adoption.site
