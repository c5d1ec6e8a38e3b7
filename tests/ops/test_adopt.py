"""Edits made by hand, said as overrides; where adopted, rendering with the override says the edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from posthouse import stack
from posthouse.ops.adopt import CannotAdopt, adopted
from posthouse.site.model import Site
from posthouse.site.release import Ground, Release

SITE = Site(domain="snorl.ax", hostname="mail.snorl.ax", postmaster="user@snorl.ax")


def rendered(path: str, overrides: dict[str, str], debian: int = 13) -> str:
    blueprint = stack.assemble(SITE, Release(debian), Ground("systemd"), overrides)  # type: ignore[arg-type]
    return next(file.content for file in blueprint.files if file.path == Path(path))


def adopt(path: str, theirs: str, overrides: dict[str, str] | None = None) -> dict[str, str]:
    before = overrides or {}
    name, text = adopted(Path(path), rendered(path, before), theirs, before)
    return {**before, name: text}


def test_a_parameter_said_again_at_the_end() -> None:
    ours = rendered("/etc/postfix/main.cf", {})
    after = adopt(
        "/etc/postfix/main.cf", ours + "smtpd_banner = by hand\nmynetworks = 10.0.0.0/8,\n  127.0.0.1\n"
    )
    assert after == {"postfix/main.cf": "mynetworks = 10.0.0.0/8,\n    127.0.0.1\nsmtpd_banner = by hand\n"}
    assert "smtpd_banner = by hand" in rendered("/etc/postfix/main.cf", after)


def test_a_second_edit_keeps_the_first_override() -> None:
    before = {"postfix/main.cf": "smtpd_banner = first\nalways_bcc = a@b.example\n"}
    ours = rendered("/etc/postfix/main.cf", before)
    after = adopt("/etc/postfix/main.cf", ours.replace("= first", "= second"), before)
    assert after["postfix/main.cf"] == "always_bcc = a@b.example\nsmtpd_banner = second\n"


def test_a_parameter_taken_away_cannot_be_an_override() -> None:
    ours = rendered("/etc/postfix/main.cf", {})
    theirs = "\n".join(line for line in ours.splitlines() if not line.startswith("smtpd_banner")) + "\n"
    with pytest.raises(CannotAdopt, match="smtpd_banner"):
        adopt("/etc/postfix/main.cf", theirs)


def test_a_service_of_master_cf() -> None:
    ours = rendered("/etc/postfix/master.cf", {})
    after = adopt(
        "/etc/postfix/master.cf", ours + "2525 inet n - y - - smtpd\n  -o syslog_name=postfix/2525\n"
    )
    assert after == {"postfix/master.cf": "2525 inet n - y - - smtpd\n    -o syslog_name=postfix/2525\n"}
    assert "2525 inet" in rendered("/etc/postfix/master.cf", after)


def test_settings_outside_of_blocks_go_to_the_end() -> None:
    ours = rendered("/etc/dovecot/dovecot.conf", {})
    line = next(line for line in ours.splitlines() if line.startswith("ssl_min_protocol"))
    after = adopt("/etc/dovecot/dovecot.conf", ours.replace(line, "ssl_min_protocol = TLSv1.3"))
    assert after == {"dovecot/local.conf": "ssl_min_protocol = TLSv1.3\n"}


def test_a_line_inside_a_block_is_refused_with_what_to_do() -> None:
    ours = rendered("/etc/dovecot/dovecot.conf", {})
    place = ours.index("{\n") + 2
    with pytest.raises(CannotAdopt, match="inside a block") as caught:
        adopt("/etc/dovecot/dovecot.conf", ours[:place] + "  odd = yes\n" + ours[place:])
    assert caught.value.hint


def test_a_setting_of_rspamd() -> None:
    path = "/etc/rspamd/local.d/actions.conf"
    after = adopt(path, rendered(path, {}) + "greylist = 4;\n")
    assert after == {"rspamd/local.d/actions.conf": "greylist = 4;\n"}
    assert "greylist = 4;" in rendered("/etc/rspamd/override.d/actions.conf", after)
    again = adopt("/etc/rspamd/override.d/actions.conf", "greylist = 5;\n", after)
    assert again == {"rspamd/local.d/actions.conf": "greylist = 5;\n"}


def test_a_file_without_overrides_says_so() -> None:
    with pytest.raises(CannotAdopt, match="has no overrides"):
        adopted(Path("/etc/redis/redis.conf"), "a", "b", {})
