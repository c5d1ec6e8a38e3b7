"""What stands beside the daemons for each way to a certificate."""

from __future__ import annotations

from typing import Literal

import pytest

from posthouse.resources import Package
from posthouse.site.model import Site, Tls, Web
from posthouse.site.release import Ground, Release
from posthouse.stack import assemble, certificate

UNITS = {f"/etc/systemd/system/posthouse-certificate.{kind}" for kind in ("service", "timer")}
GIVEN = Tls(folder="/etc/letsencrypt/live/snorl.ax")


def added(
    site: Site, tls: Tls, manager: Literal["systemd", "supervisor"] = "systemd"
) -> tuple[set[str], set[str], set[str]]:
    """Files, services and packages that a [tls] brings."""
    ground = Ground(manager)
    without = Web(enabled=False)
    whole = assemble(site.model_copy(update={"tls": tls, "web": without}), Release(13), ground, {})
    usual = assemble(site, Release(13), ground, {})
    files = {str(file.path) for file in whole.files} - {str(file.path) for file in usual.files}
    services = {one.name for one in whole.services} - {one.name for one in usual.services}
    return files, services, {p.name for p in set(whole.packages) - set(usual.packages)}


def test_a_self_signed_one_brings_nothing(site: Site) -> None:
    assert Package("certbot") not in assemble(site, Release(13), Ground("systemd"), {}).packages
    assert added(site, Tls()) == (set(), set(), set())


def test_the_authority_s_brings_certbot_and_a_timer(site: Site) -> None:
    assert added(site, Tls(mode="acme")) == (UNITS, {"posthouse-certificate"}, {"certbot"})


def test_files_bring_a_timer_and_certbot_s_own_a_hook(site: Site) -> None:
    own = Tls(mode="files", certificate="/etc/ssl/a.pem", key="/etc/ssl/a.key")
    assert added(site, own) == (UNITS, {"posthouse-certificate"}, set())
    assert added(site, GIVEN) == ({*UNITS, str(certificate.HOOK)}, {"posthouse-certificate"}, set())


@pytest.mark.parametrize("tls", [Tls(mode="acme"), GIVEN])
def test_under_supervisor_a_loop_takes_the_timer_s_place(site: Site, tls: Tls) -> None:
    files, services, _ = added(site, tls, "supervisor")
    assert services == {"posthouse-certificate"}
    assert not files & UNITS
    whole = assemble(site.model_copy(update={"tls": tls}), Release(13), Ground("supervisor"), {})
    (text,) = (file.content for file in whole.files if file.path.name == "supervisord.conf")
    assert "while sleep 43200; do /usr/local/bin/posthouse cert renew; done" in text


def test_nobody_s_section_changes_with_it(site: Site) -> None:
    """Supervisor restarts a program whose section is another."""

    def sections(tls: Tls) -> set[str]:
        whole = assemble(site.model_copy(update={"tls": tls}), Release(13), Ground("supervisor"), {})
        (text,) = (file.content for file in whole.files if file.path.name == "supervisord.conf")
        return {part for part in text.split("\n\n") if part.startswith("[program:")}

    without = sections(Tls())
    assert len(without) > 5
    assert without < sections(Tls(mode="acme"))
