"""What `up` takes and refuses before it touches anything."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from posthouse import paths
from posthouse.cli import _adopt
from posthouse.errors import UsageError
from posthouse.ops import up
from posthouse.site import load
from posthouse.site.model import Site
from posthouse.site.write import new_file

SITE = Site(domain="snorl.ax", hostname="mail.snorl.ax", postmaster="user@snorl.ax")


@pytest.mark.parametrize(
    ("own", "taken"),
    [
        ("mx.snorl.ax", "mx.snorl.ax"),
        ("debian", "mail.snorl.ax"),
        ("localhost.localdomain", "mail.snorl.ax"),
        ("snorl.ax", "mail.snorl.ax"),
        ("bad_name.snorl.ax", "mail.snorl.ax"),
    ],
)
def test_the_host_name_is_the_machines_own_where_that_can_be_one(
    own: str, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda: own)
    assert up.proposed("snorl.ax", None) == up.Wanted("snorl.ax", taken, "admin@snorl.ax")


def test_what_the_file_says_is_the_default() -> None:
    assert up.proposed("SNORL.ax", SITE) == up.Wanted("snorl.ax", "mail.snorl.ax", "user@snorl.ax")


def test_an_international_domain_is_taken_in_its_encoded_form() -> None:
    assert up.proposed("bücher.example", None).domain == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    "domain", ["http://snorl.ax", "snorl ax", "snorl", "straße.example", "", "a'b.ax", "-v"]
)
def test_a_domain_that_is_none(domain: str) -> None:
    with pytest.raises(UsageError, match="DOMAIN: "):
        up.proposed(domain, None)


def test_another_domain_than_the_files() -> None:
    with pytest.raises(UsageError, match=r"main domain is snorl\.ax, not other\.ax") as caught:
        up.proposed("other.ax", SITE)
    assert "posthouse domain add other.ax" in str(caught.value)


@pytest.mark.parametrize(
    ("site", "hostname", "account", "says"),
    [
        (None, "mail", None, "no dot"),
        (None, "https://mail.snorl.ax", None, "write 'mail.snorl.ax'"),
        (None, "snorl.ax", None, "name of its own"),
        (SITE, "mx.snorl.ax", None, "this host's name is mail.snorl.ax"),
        (None, None, "user@other.ax", "is not at snorl.ax"),
        (None, None, "a b@snorl.ax", "a b"),
        (None, None, "'; DROP TABLE users@snorl.ax", "DROP"),
        (None, None, "", ""),
    ],
)
def test_what_is_refused(site: Site | None, hostname: str | None, account: str | None, says: str) -> None:
    wanted = up.proposed("snorl.ax", site)
    with pytest.raises(UsageError) as caught:
        up.settled(wanted, site, hostname=hostname, account=account)
    assert says in str(caught.value)


def test_an_account_may_be_named_without_its_domain() -> None:
    wanted = up.settled(up.proposed("snorl.ax", None), None, hostname="MX.snorl.ax", account="Kim")
    assert (wanted.hostname, wanted.account) == ("mx.snorl.ax", "kim@snorl.ax")


def test_the_file_that_it_writes_is_right() -> None:
    site = load.parse(new_file("snorl.ax", "mail.snorl.ax", "o_kim@snorl.ax", "198.18.0.9", None))
    assert site == Site(
        domain="snorl.ax", hostname="mail.snorl.ax", postmaster="o_kim@snorl.ax", network=site.network
    )
    assert (site.network.ipv4, site.network.ipv6) == ("198.18.0.9", None)


def test_a_file_that_is_wrong_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "SITE_FILE", tmp_path / "posthouse.toml")
    assert up.existing_site() is None
    paths.SITE_FILE.write_text('domain = "snorl.ax"\nhostname = "mail.sn')
    monkeypatch.setattr(load.load, "__defaults__", (paths.SITE_FILE,))
    with pytest.raises(load.SiteFileError, match="half written"):
        up.existing_site()


def test_a_server_is_taken_over_with_rspamd() -> None:
    _adopt.check_filter(None)
    _adopt.check_filter("rspamd")
    with pytest.raises(UsageError, match="not with spamassassin"):
        _adopt.check_filter("spamassassin")
