"""What `status` says of a certificate, as its end comes nearer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.tls import making

from posthouse import paths
from posthouse.ops import certificate_status, certificates
from posthouse.site.model import Site, Tls
from posthouse.tls import pair, place, self_signed
from posthouse.tls.acme.tries import Last, Tries

HOST = "mail.snorl.ax"


def site(**tls: object) -> Site:
    return Site(domain="snorl.ax", hostname=HOST, postmaster="user@snorl.ax", tls=Tls(**tls))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(certificates, "TRIES", Tries(tmp_path / "tries.json"))
    monkeypatch.setattr(place.kind, "__defaults__", (tmp_path / "tls",))
    monkeypatch.setattr(paths, "TLS", tmp_path / "tls")
    place.put("acme", *making.pair(HOST), tmp_path / "tls")
    return tmp_path / "tls"


def said(wanted: Site, days: float = 0.0, text: str = "") -> list[tuple[str, str, str]]:
    present = certificates.in_use()
    assert present is not None
    now = datetime.now(UTC) + timedelta(days=days)
    return list(certificate_status.judged(wanted, present, text, now))


def test_a_good_one() -> None:
    ((state, detail, mend),) = said(site(mode="acme"))
    assert (state, mend) == ("ok", "")
    assert "89 days left" in detail


def test_one_that_comes_to_its_end() -> None:
    assert [line[0] for line in said(site(mode="acme"), days=70)] == ["ok"]
    ((state, detail, mend),) = said(site(mode="acme"), days=77)
    assert (state, mend) == ("warning", "posthouse cert renew")
    assert "was not renewed" in detail
    ((state, detail, _),) = said(site(mode="acme"), days=91)
    assert state == "failure"
    assert "EXPIRED" in detail


def test_names_that_it_is_not_for() -> None:
    ((state, detail, _),) = said(site(mode="acme", names=["imap.snorl.ax"]))
    assert state == "warning"
    assert "not for imap.snorl.ax" in detail


def test_how_the_last_order_failed() -> None:
    certificates.TRIES.end(Last(0.0, False, {"": "cannot be reached"}))
    _, (state, detail, _) = said(site(mode="acme"))
    assert state == "warning"
    assert detail == "the last order, 1970-01-01 00:00 UTC: cannot be reached"


def test_a_self_signed_one_is_said_loudly_with_the_line_that_ends_it(folder: Path) -> None:
    self_signed.ensure(HOST, folder, instead=True)
    ((state, detail, mend),) = said(site())
    assert state == "warning"
    assert detail.startswith("SELF-SIGNED:")
    assert mend == certificate_status.END
    ((_, detail, mend),) = said(site(mode="acme"))
    assert "until the authority issues one" in detail
    assert mend == "posthouse cert renew"
    assert "below [tls]" in said(site(names=[HOST]), text="[tls]\n")[0][2]


def test_when_one_is_due() -> None:
    now = datetime.now(UTC).timestamp()
    chain, key = making.pair(HOST, days=(-30, 60))
    present = pair.parse(chain, key)
    assert not certificates.due(site(mode="acme"), present, now)
    assert certificates.due(site(mode="acme"), present, now + 31 * 86400)
    assert certificates.due(site(mode="acme", names=["imap.snorl.ax"]), present, now)
    assert certificates.due(site(mode="acme"), None, now)
