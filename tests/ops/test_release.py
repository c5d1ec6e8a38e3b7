"""What the next Debian's daemons have against overrides, all of it at once; and where an upgrade stands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from posthouse.engine.store import Store
from posthouse.errors import PosthouseError
from posthouse.ops.release import judge, pending
from posthouse.ops.release.pending import Pending
from posthouse.resources import Blueprint
from posthouse.site.model import Site
from posthouse.site.release import Ground, Release

SITE = Site(domain="snorl.ax", hostname="mail.snorl.ax", postmaster="user@snorl.ax")
OLD = ("plugin {", "mail_location", "old_setting", "bad_parameter")


def doveconf(blueprint: Blueprint) -> Mapping[str, str]:
    """Stop at the first line with something old in it, as Dovecot does; Postfix tells all of them."""
    red: dict[str, str] = {}
    for file in blueprint.files:
        lines = [(number, text) for number, text in enumerate(file.content.splitlines(), 1)]
        bad = [(number, text) for number, text in lines if text.strip().startswith(OLD)]
        if bad and file.path.name == "dovecot.conf":
            red["doveconf"] = (
                f"doveconf: Fatal: Error in configuration file {file.path} line {bad[0][0]}: Unknown setting"
            )
        elif bad and file.path.name == "main.cf":
            red["postconf"] = "\n".join(f"unused parameter: {text}" for _, text in bad)
    return red


def problems(overrides: Mapping[str, str]) -> list[str]:
    return judge.problems(SITE, Release(13), Ground("systemd"), overrides, doveconf)


def test_nothing_stands_against_a_site_without_overrides() -> None:
    assert problems({}) == []
    assert problems({"dovecot/local.conf": "mail_debug = yes\n"}) == []


def test_every_line_of_dovecots_override_is_told_at_once() -> None:
    text = "\n\nplugin {\n  inside = {\n  }\n}\nmail_debug = yes\n"
    text += "protocol imap {\n  old_setting = 1\n}\nmail_location = x\n"
    found = problems({"dovecot/local.conf": text, "postfix/main.cf": "bad_parameter = 1\n"})
    assert [line.split(":")[0] for line in found] == [
        "/etc/posthouse/overrides/dovecot/local.conf, line 3",
        "/etc/posthouse/overrides/dovecot/local.conf, line 9",
        "/etc/posthouse/overrides/dovecot/local.conf, line 11",
        "/etc/posthouse/overrides/postfix/main.cf",
    ]
    assert "plugin {" in found[0]


def test_an_override_that_cannot_be_read_is_told_with_the_others() -> None:
    found = problems({"postfix/main.cf": "= x\n", "dovecot/local.conf": "mail_location = x\n"})
    assert len(found) == 2


def test_where_an_upgrade_stands(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert pending.read(store) is None
    for step in ("system", "configuration"):
        pending.write(store, Pending(13, step, "abc", ("/etc/x",)))  # type: ignore[arg-type]
        assert pending.read(store) == Pending(13, step, "abc", ("/etc/x",))  # type: ignore[arg-type]
        pending.refuse(store)
    pending.write(store, Pending(13, "daemons", "abc"))
    with pytest.raises(PosthouseError, match="cut off"):
        pending.refuse(store)
    pending.applied(store)
    assert pending.read(store) is not None
    pending.write(store, Pending(13, "configuration", "abc"))
    pending.applied(store)
    assert pending.read(store) is None
