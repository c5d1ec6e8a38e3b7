"""The site file: every error at once, each with its line and what to do."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.errors import UsageError
from posthouse.site import load

GOOD = 'domain = "snorl.ax"\nhostname = "mail.snorl.ax"\npostmaster = "user@snorl.ax"\n'
PG = GOOD + '[directory]\nbackend = "postgresql"\n'
SECRET = 'password_file = "/etc/posthouse/secret"\n'


def problems(text: str) -> list[str]:
    site, found = load.check(text)
    assert (site is None) == bool(found)
    return [problem.text("f") for problem in found]


def test_a_small_file_is_enough() -> None:
    site = load.parse(GOOD)
    assert site.hostname == "mail.snorl.ax"
    assert site.limits.message_size == 50 << 20


def test_sizes_and_inline_tables() -> None:
    assert load.parse(GOOD + 'limits = {message_size = "20 MiB"}').limits.message_size == 20 << 20


def test_all_errors_at_once_with_their_lines() -> None:
    text = (
        'domain = "http://snorl.ax/"\nhostnam = "x"\npostmaster = 3\n'
        '[limits]\nmessage_size = "lots"\nquota = true\n'
        "[spam]\njunk_score = 'x'\nreject_score = -1\n[dmarc]\npolicy = 'no'\n[limit]\n"
    )
    assert problems(text) == [
        "f: hostname: this key must be set",
        "f:1: domain: 'http://snorl.ax/' is a URL, not a name; write 'snorl.ax'",
        "f:2: hostnam: there is no such key; did you mean 'hostname'?",
        "f:3: postmaster: expected text in quotes, found 3",
        'f:5: limits.message_size: \'lots\' is not a size: write a number of bytes, or "50 MiB", "2 GiB"',
        "f:6: limits.quota: expected a whole number, found true",
        "f:8: spam.junk_score: expected a number, found 'x'",
        "f:9: spam.reject_score: expected more than 0, found -1",
        "f:11: dmarc.policy: expected 'none', 'quarantine' or 'reject', found 'no'",
        "f:12: limit: there is no such key; did you mean 'limits'?",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "f: domain: this key must be set"),
        (GOOD + 'filter = "rsp', "f:4: the file ends in the middle"),
        (GOOD + "[limits", "f:4: the file ends in the middle"),
        (GOOD + 'domain = "b.ax"', "f:4: this key or table stands in the file twice"),
        (GOOD + "[spam]\n[spam]\n", "f:5"),
        ("domain: snorl.ax", "f:1:7: "),
        (GOOD + "network = 3", "f:4: network: expected a table, found 3"),
        (GOOD + "spam.junk_score = nan", "f:4: spam.junk_score: expected an ordinary number"),
        (GOOD + "spam.reject_score = 1", "f:4: spam: reject_score (1) is below"),
        (GOOD + "network.ipv4 = '1.2.3'", "f:4: network.ipv4: '1.2.3' is not an IPv4 address"),
        (GOOD + 'directory.backend = "mysql"', "f:4: directory.backend: expected 'sqlite' or 'postgresql'"),
        (
            GOOD + 'directory.url = "postgresql://p@db.ax/m"',
            'f:4: directory: url is set, and backend is "sqlite"',
        ),
        (PG + 'url = "postgresql://p@db.ax/m"', "f:4: directory: url is set without password_file"),
        (PG + 'password_file = "/x"', "f:4: directory: password_file is set without url"),
        (PG + SECRET + 'url = "mysql://p@db.ax/m"', "f:7: directory.url: 'mysql://p@db.ax/m' is not the URL"),
        (
            PG + SECRET + 'url = "postgresql://db.ax/m"',
            "f:7: directory.url: 'postgresql://db.ax/m': expected a plain",
        ),
        (
            PG + SECRET + 'url = "postgresql://postfix@db.ax/m"',
            "f:7: directory.url: 'postgresql://postfix@db.ax/m': the",
        ),
        (PG + SECRET + 'url = "postgresql://p@db/m"', "f:7: directory.url: 'db' has no dot"),
        (
            PG + SECRET + 'url = "postgresql://p@db.ax/m?sslmode=disable"',
            "f:7: directory.url: 'postgresql://p@db.ax",
        ),
        (PG + SECRET + 'url = "postgresql://p:hush@db.ax/m"', "f:7: directory.url: it holds a password"),
        (PG + SECRET + 'url = "postgresql://p:hush@db.ax:x/m"', "f:7: directory.url: it is not a URL"),
        (GOOD.replace("mail.snorl", "snorl"), "f: hostname and domain are both"),
        (GOOD + "x = " + "[" * 9000, "f"),
    ],
)
def test_what_is_said(text: str, says: str) -> None:
    assert problems(text)[0].startswith(says)
    assert "hush" not in "".join(problems(text))


@given(st.integers(0, len(GOOD)))
def test_a_half_written_file_is_never_taken_silently(end: int) -> None:
    site, found = load.check(GOOD[:end])
    assert (site is not None) == (end >= len(GOOD.rstrip()))
    assert (site is None) == bool(found)


@given(st.text(max_size=200))
def test_any_text_gives_problems_not_a_crash(text: str) -> None:
    assert load.check(text)[1]


def test_unreadable_files(tmp_path: Path) -> None:
    file = tmp_path / "posthouse.toml"
    with pytest.raises(UsageError, match="no site file yet"):
        load.load(file)
    file.write_bytes(b'domain = "a.ax"\nhostname = "\xff"')
    with pytest.raises(load.SiteFileError, match=r":2: expected UTF-8 text, found the byte 0xff"):
        load.load(file)
    with pytest.raises(load.SiteFileError, match="directory"):
        load.load(tmp_path)
    file.write_bytes(b"#" * 2_000_000)
    with pytest.raises(load.SiteFileError, match="1 MiB"):
        load.load(file)


TLS = 'domain = "snorl.ax"\nhostname = "mail.snorl.ax"\npostmaster = "user@snorl.ax"\n[tls]\n'


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "self-signed"),
        ('mode = "acme"\nnames = ["imap.snorl.ax"]', "acme"),
        ('folder = "/etc/letsencrypt/live/snorl.ax"', "files"),
        ('mode = "files"\ncertificate = "/etc/ssl/a.pem"\nkey = "/etc/ssl/a.key"', "files"),
        ('mode = "acme"\nacme_server = "https://acme.example:14000/dir"', "acme"),
    ],
)
def test_where_the_certificate_comes_from(text: str, kind: str) -> None:
    assert load.parse(TLS + text).tls.kind == kind


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('mode = "files"', "set certificate and key, or folder"),
        ('mode = "files"\ncertificate = "/a"', "go together"),
        ('mode = "acme"\nfolder = "/etc/x"', 'mode is "acme"'),
        ('certificate = "/a"\nkey = "/b"', 'mode is "self-signed"'),
        ('mode = "acme"\nacme_server = "http://acme.example/"', "not the URL of an ACME directory"),
        (
            'mode = "acme"\nacme_server = "https://user:secret@acme.example/"',
            "not the URL of an ACME directory",
        ),
        ('mode = "acme"\nnames = ["*.snorl.ax"]', "host name"),
        ('mode = "acme"\nchallenge = "dns-01"', "set [dns.update] or [dns.octodns]"),
        ('mode = "acme"\nchallenge = "dns-01"\nwebroot = "/var/www"', "nobody asks on port 80"),
    ],
)
def test_a_wrong_certificate_table_is_told(text: str, told: str) -> None:
    _, problems = load.check(TLS + text)
    assert any(told in problem.message for problem in problems), problems


OCTODNS = GOOD + '[dns.octodns]\nprovider = "octodns_powerdns.PowerDnsProvider"\n'


def test_who_takes_records_by_an_api() -> None:
    text = OCTODNS + 'settings = { host = "192.0.2.1", port = 8081, ssl_verify = false }\n'
    site = load.parse(
        text + 'secrets = { api_key = "/etc/posthouse/key" }\n[tls]\nmode = "acme"\nchallenge = "dns-01"'
    )
    assert site.dns.pushed
    assert site.dns.octodns is not None
    assert site.dns.octodns.settings == {"host": "192.0.2.1", "port": 8081, "ssl_verify": False}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'settings = { api_key = "abc" }',
            "6: dns.octodns.settings.api_key: api_key is a secret: write it into a file",
        ),
        (
            'settings = { "Bad-Key" = 1 }',
            "dns.octodns.settings.Bad-Key: 'Bad-Key' is not the name of a setting",
        ),
        ('settings = { a = 1 }\nsecrets = { a = "/a" }', "a stands in settings and in secrets: keep one"),
        ('secrets = { token = "abc" }', "is not the full path of a file"),
        (
            '[dns.update]\nserver = "192.0.2.1"\nkey = "k"\nsecret_file = "/s"',
            "two ways to the same: keep one",
        ),
    ],
)
def test_a_wrong_table_of_who_takes_records_is_told(text: str, told: str) -> None:
    (problem,) = problems(OCTODNS + text)
    assert told in problem
    assert "abc" not in problem or "token" in problem


def test_a_provider_that_is_none() -> None:
    (problem,) = problems(GOOD + '[dns.octodns]\nprovider = "hetzner"')
    assert "such as 'octodns_hetzner.HetznerProvider'" in problem
