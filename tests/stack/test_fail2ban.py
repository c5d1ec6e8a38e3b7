"""fail2ban beside the watch: only where the site asks for it and it can do something, and without its own jails."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from posthouse.resources import Blueprint
from posthouse.site.model import Bans, Site
from posthouse.site.release import Ground, Release
from posthouse.stack import assemble, fail2ban

SITE = Site(domain="snorl.ax", hostname="mail.snorl.ax", postmaster="user@snorl.ax")


def rendered(
    manager: Literal["systemd", "supervisor"] = "systemd",
    packet_filter: bool = True,
    others: bool = False,
    **bans: object,
) -> Blueprint:
    site = SITE.model_copy(update={"bans": Bans.model_validate({"fail2ban": True, **bans})})
    return assemble(site, Release(13), Ground(manager, fail2ban=others, packet_filter=packet_filter), {})


def jail(whole: Blueprint) -> str:
    return next(file.content for file in whole.files if file.path == fail2ban.JAIL)


@pytest.mark.parametrize("change", [{"fail2ban": False}, {"enabled": False}, {"packet_filter": False}])
def test_nothing_of_it_unasked_or_in_vain(change: dict[str, bool]) -> None:
    whole = rendered(**change)  # type: ignore[arg-type]
    assert not [file for file in whole.files if file.path.is_relative_to(fail2ban.ETC)]
    assert "fail2ban" not in {package.name for package in whole.packages}
    assert "fail2ban" not in {service.name for service in whole.services}
    assert not [file for file in whole.files if "--fail2ban" in file.content]


def test_who_is_never_banned_is_not_barred() -> None:
    assert " 192.0.2.0/24\n" in jail(rendered(never=["192.0.2.0/24"]))


def test_debians_own_jail_is_off_where_it_came_for_us() -> None:
    assert "[sshd]\nenabled = false\n" in jail(rendered())
    assert "sshd" not in jail(rendered(others=True))


def test_each_service_manager_has_its_log() -> None:
    assert "backend = systemd" in jail(rendered())
    supervised = rendered("supervisor")
    assert "logpath = /var/log/posthouse/posthouse-watch.log\n" in jail(supervised)
    text = next(
        file.content for file in supervised.files if file.path == Path("/etc/posthouse/supervisord.conf")
    )
    assert "[program:fail2ban]" in text
    assert "--fail2ban yes" in text
