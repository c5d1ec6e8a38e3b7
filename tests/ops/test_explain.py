"""Every setting of every rendered file is explained, and unknown ones get their neighbours' names."""

from __future__ import annotations

import pytest

from posthouse import stack
from posthouse.errors import UsageError
from posthouse.ops.explain import explain
from posthouse.site.model import Site
from posthouse.site.release import Ground, Release

SITE = Site(domain="snorl.ax", hostname="mail.snorl.ax", postmaster="user@snorl.ax")


@pytest.mark.parametrize("debian", [12, 13])
def test_every_setting_with_an_origin_can_be_asked_for(debian: int) -> None:
    blueprint = stack.assemble(SITE, Release(debian), Ground("systemd"), {})  # type: ignore[arg-type]
    asked = [(file, name, origin) for file in blueprint.files for name, origin in file.origins]
    assert asked
    for file, name, origin in asked:
        found = [item for item in explain(blueprint, f"{file.path}:{name}") if item.setting == name]
        assert [item.origin for item in found] == [origin]


def test_field_override_and_value() -> None:
    overrides = {"postfix/main.cf": "smtpd_banner = mine\n"}
    blueprint = stack.assemble(SITE, Release(12), Ground("systemd"), overrides)
    (size,) = explain(blueprint, "main.cf:message_size_limit")
    assert (size.origin, size.value) == ("site: limits.message_size", str(SITE.limits.message_size))
    (banner,) = explain(blueprint, "main.cf:smtpd_banner")
    assert (banner.origin, banner.value) == ("override: postfix/main.cf", "mine")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("main.cf:message_size_limti", "message_size_limit"),
        ("mian.cf:x", "main.cf"),
        ("main.cf", "FILE:SETTING"),
        ("main.cf:", "FILE:SETTING"),
        (":x", "manages no file"),
        ("../main.cf:x", "manages no file"),
    ],
)
def test_what_is_unknown_gets_a_clear_error(what: str, said: str) -> None:
    blueprint = stack.assemble(SITE, Release(12), Ground("systemd"), {})
    with pytest.raises(UsageError) as caught:
        explain(blueprint, what)
    assert said in str(caught.value)
