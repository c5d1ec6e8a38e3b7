"""Which names an order is for, and when one is worth it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.tls import making

from posthouse.errors import PosthouseError
from posthouse.ops import certificates
from posthouse.site.model import Site, Tls, Web
from posthouse.tls import pair

HOST = "mail.snorl.ax"
STS = "mta-sts.snorl.ax"


def site(web: Web | None = None, **tls: object) -> Site:
    given = Tls(**{"mode": "acme", **tls})  # type: ignore[arg-type]
    return Site(domain="snorl.ax", hostname=HOST, postmaster="user@snorl.ax", tls=given, web=web or Web())


@pytest.fixture
def domains(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    known = {"snorl.ax", "b.example"}
    monkeypatch.setattr(certificates, "_domains", lambda: known)
    return known


def test_the_names_below_our_domains(domains: set[str]) -> None:
    labels = ("mta-sts", "autoconfig", "autodiscover")
    assert certificates.web_names(site()) == tuple(
        f"{label}.{domain}" for label in labels for domain in ("b.example", "snorl.ax")
    )
    assert "autoconfig.snorl.ax" not in certificates.web_names(site(names=["autoconfig.snorl.ax"]))
    assert certificates.web_names(site(Web(enabled=False))) == ()
    assert certificates.web_names(site(webroot="/var/www/html")) == ()
    assert certificates.web_names(site(Web(enabled=True), mode="files", folder="/etc/ssl/own")) == ()


def test_a_certificate_has_a_hundred_names_at_most(domains: set[str]) -> None:
    domains |= {f"d{number:02}.example" for number in range(60)}
    found = certificates.web_names(site(names=["imap.snorl.ax"]))
    assert len(found) == 98
    assert sum(name.startswith("mta-sts.") for name in found) == 62
    assert not any(name.startswith("autodiscover.") for name in found)


def look(present: pair.Pair, bad: dict[str, str], without: dict[str, str], left: float) -> None:
    now = (present.ends - timedelta(days=left)).timestamp()
    certificates._worth_it(site(), present, [HOST], bad, without, now, force=False)


def test_a_name_that_was_never_served_holds_nothing_up() -> None:
    present = pair.parse(*making.pair(HOST))
    look(present, {}, {STS: "it has no address in the DNS"}, 80)
    with pytest.raises(PosthouseError, match="nothing was ordered"):
        look(present, {"imap.snorl.ax": "it has no address in the DNS"}, {}, 80)


def test_one_that_is_served_is_not_dropped_lightly() -> None:
    present = pair.parse(*making.pair(HOST, STS))
    with pytest.raises(PosthouseError, match=f"not be for {STS} any longer"):
        look(present, {}, {STS: "the resolver did not answer"}, 20)
    look(present, {}, {STS: "the resolver did not answer"}, 10)


def test_an_order_is_worth_it_for_a_name_more_or_a_longer_life() -> None:
    present = pair.parse(*making.pair(HOST))
    early, late = ((present.ends - timedelta(days=left)).timestamp() for left in (80, 20))
    assert not certificates._gains(present, [HOST], early)
    assert certificates._gains(present, [HOST, STS], early)
    assert certificates._gains(present, [HOST], late)
    assert certificates._gains(None, [HOST], early)
