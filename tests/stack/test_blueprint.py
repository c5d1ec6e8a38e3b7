"""What must hold of the whole blueprint on every platform."""

from __future__ import annotations

import re

import pytest

from posthouse.errors import UsageError
from posthouse.resources import Blueprint
from posthouse.site.model import Destination, Earlier, Filter, Limits, Outgoing, Site, Spam, TlsLevel
from posthouse.site.release import Ground, Release
from posthouse.stack import assemble

BEFORE = ["posthouse-lists", "posthouse-agent", "unbound", "posthouse-watch"]
AFTER = ["dovecot", "postfix", "posthouse-purge", "posthouse-dkim"]


CHAINS: dict[Filter, list[str]] = {
    "rspamd": ["redis", "rspamd"],
    "spamassassin": ["opendkim", "opendmarc", "spamd", "posthouse-gate"],
}


@pytest.fixture
def blueprint(platform: tuple[str, Release, Ground], site: Site) -> Blueprint:
    _, release, ground = platform
    return assemble(site, release, ground, {})


@pytest.fixture(params=CHAINS)
def chain(request: pytest.FixtureRequest) -> Filter:
    return request.param  # type: ignore[no-any-return]


def _file(blueprint: Blueprint, path: str) -> str:
    return next(file.content for file in blueprint.files if str(file.path) == path)


def test_a_pure_function(platform: tuple[str, Release, Ground], site: Site, blueprint: Blueprint) -> None:
    _, release, ground = platform
    assert assemble(site, release, ground, {}) == blueprint


def test_services_start_in_order(platform: tuple[str, Release, Ground], site: Site, chain: Filter) -> None:
    _, release, ground = platform
    blueprint = assemble(site.model_copy(update={"filter": chain}), release, ground, {})
    only_systemd = ["posthouse-clock"] if ground.manager == "systemd" else []
    assert [service.name for service in blueprint.services] == [
        *BEFORE,
        *CHAINS[chain],
        *AFTER,
        *only_systemd,
    ]


def test_only_the_chosen_chain_is_installed_and_asked(
    platform: tuple[str, Release, Ground], site: Site, chain: Filter
) -> None:
    _, release, ground = platform
    blueprint = assemble(site.model_copy(update={"filter": chain}), release, ground, {})
    packages = {package.name for package in blueprint.packages}
    assert ({"rspamd", "redis-server"} & packages != set()) == (chain == "rspamd")
    assert ({"opendkim", "spamd"} & packages != set()) == (chain == "spamassassin")
    main, master = (_file(blueprint, f"/etc/postfix/{name}.cf") for name in ("main", "master"))
    assert ("rspamd" in main + master) == (chain == "rspamd")
    assert ("opendkim" in main + master) == (chain == "spamassassin")
    assert "milter_default_action = tempfail\n" in main


def test_what_an_earlier_server_left_is_quiet_unless_it_has_a_place_here(
    platform: tuple[str, Release, Ground], site: Site, chain: Filter
) -> None:
    _, release, ground = platform
    left = Earlier(quiet_units=["opendkim.service", "saslauthd.service"])
    blueprint = assemble(site.model_copy(update={"filter": chain, "earlier": left}), release, ground, {})
    assert ("opendkim.service" in blueprint.quiet_units) == (chain == "rspamd")
    assert "saslauthd.service" in blueprint.quiet_units


def test_overrides_of_the_classic_chain(platform: tuple[str, Release, Ground], site: Site) -> None:
    _, release, ground = platform
    overrides = {
        "spamassassin/local.cf": "score GTUBE 7\n",
        "opendkim/opendkim.conf": "LogWhy yes\n",
        "opendmarc/opendmarc.conf": "SoftwareHeader true\n",
    }
    blueprint = assemble(site.model_copy(update={"filter": "spamassassin"}), release, ground, overrides)
    assert _file(blueprint, "/etc/spamassassin/local.cf").endswith("score GTUBE 7\n")
    assert _file(blueprint, "/etc/opendkim.conf").endswith("LogWhy yes\n")
    assert _file(blueprint, "/etc/opendmarc.conf").endswith("SoftwareHeader true\n")


def test_every_path_once(blueprint: Blueprint) -> None:
    paths = [file.path for file in blueprint.files]
    assert len(set(paths)) == len(paths)


def test_units_only_where_systemd_is(platform: tuple[str, Release, Ground], blueprint: Blueprint) -> None:
    units = [file for file in blueprint.files if str(file.path).startswith("/etc/systemd")]
    assert bool(units) == (platform[2].manager == "systemd")
    supervisord = [file for file in blueprint.files if file.path.name == "supervisord.conf"]
    assert bool(supervisord) == (platform[2].manager == "supervisor")


def test_every_setting_of_postfix_has_a_reason(blueprint: Blueprint) -> None:
    for file in blueprint.files:
        if file.path.name in {"main.cf", "master.cf"}:
            assert file.origins
            assert not [name for name, reason in file.origins if not reason]


def test_the_questions_are_not_for_everybody(blueprint: Blueprint) -> None:
    for file in blueprint.files:
        if "/directory/" in str(file.path) or file.path.name in {"passdb.conf", "userdb.conf"}:
            assert file.mode == 0o640


def test_the_site_is_used(platform: tuple[str, Release, Ground], site: Site) -> None:
    _, release, ground = platform
    other = site.model_copy(
        update={
            "limits": Limits(message_size=2_000_000, quota=5_000_000),
            "spam": Spam(junk_score=4.5, reject_score=12.0),
        }
    )
    blueprint = assemble(other, release, ground, {})
    assert "message_size_limit = 2000000\n" in _file(blueprint, "/etc/postfix/main.cf")
    assert "5000000" in _file(blueprint, "/etc/dovecot/dovecot.conf")
    actions = _file(blueprint, "/etc/rspamd/local.d/actions.conf")
    assert "add_header = 4.5;" in actions
    assert "reject = 12.0;" in actions


def test_overrides_reach_their_daemon(platform: tuple[str, Release, Ground], site: Site) -> None:
    _, release, ground = platform
    blueprint = assemble(
        site,
        release,
        ground,
        {
            "postfix/main.cf": "relayhost = [smart.example]\n",
            "postfix/master.cf": "smtp inet n - y - 20 smtpd\n",
            "dovecot/local.conf": "mail_debug = yes\n",
            "unbound/local.conf": "server:\n    verbosity: 2\n",
            "rspamd/local.d/actions.conf": "add_header = 3;\n",
        },
    )
    assert "relayhost = [smart.example]\n" in _file(blueprint, "/etc/postfix/main.cf")
    assert "smtp inet n - y - 20 smtpd\n" in _file(blueprint, "/etc/postfix/master.cf")
    assert _file(blueprint, "/etc/dovecot/dovecot.conf").endswith("mail_debug = yes\n")
    assert _file(blueprint, "/etc/unbound/unbound.conf.d/posthouse.conf").endswith("verbosity: 2\n")
    assert _file(blueprint, "/etc/rspamd/override.d/actions.conf") == "add_header = 3;\n"
    origins = {name: reason for file in blueprint.files for name, reason in file.origins}
    assert origins["relayhost"] == "override: postfix/main.cf"
    assert origins["smtp/inet"] == "override: postfix/master.cf"
    assert origins["mail_debug"] == "override: dovecot/local.conf"


@pytest.mark.parametrize("name", ["postfix/mian.cf", "dovecot.conf", "rspamd/local.d/a/b", "rspamd/x.conf"])
def test_an_override_that_nothing_reads_is_refused(
    platform: tuple[str, Release, Ground], site: Site, name: str
) -> None:
    _, release, ground = platform
    with pytest.raises(UsageError, match="/etc/posthouse/overrides"):
        assemble(site, release, ground, {name: "x = y\n"})


def test_apt_keeps_every_daemon_at_its_debian(
    platform: tuple[str, Release, Ground], blueprint: Blueprint
) -> None:
    text = _file(blueprint, "/etc/apt/preferences.d/posthouse")
    assert f"n=/^{platform[1].suite}(-security" in text
    daemons = {package.name.split("-")[0] for package in blueprint.packages} - {"dns", "nftables"}
    assert daemons
    for name in daemons:
        assert f"src:{name}" in text


@pytest.mark.parametrize(
    ("said", "red"),
    [
        ("warning: /etc/postfix/main.cf: unused parameter: posthouse_forward=x", False),
        ("warning: /etc/postfix/main.cf: unused parameter: smtpd_milter=x", True),
        ("warning: /etc/postfix/main.cf, line 3: overriding earlier entry: a=b", True),
        ("fatal: open /etc/postfix/main.cf: No such file or directory", True),
    ],
)
def test_an_override_may_leave_our_own_parameters_unused(
    platform: tuple[str, Release, Ground], site: Site, said: str, red: bool
) -> None:
    _, release, ground = platform
    found = assemble(site, release, ground, {"postfix/main.cf": "smtpd_milters =\n"})
    (checker,) = (one for one in found.checkers if one.name == "postconf parameters")
    assert checker.refuse is not None
    assert bool(re.search(checker.refuse, f"/usr/sbin/postconf: {said}")) == red


@pytest.mark.parametrize("tls", ["may", "verify"])
def test_mta_sts_is_asked_after_the_operator_s_own_policies(
    platform: tuple[str, Release, Ground], site: Site, tls: TlsLevel
) -> None:
    _, release, ground = platform
    own = Destination(domain="bank.example", tls="verify")
    outgoing = Outgoing(tls=tls, mta_sts=True, destination=[own])
    blueprint = assemble(site.model_copy(update={"outgoing": outgoing}), release, ground, {})
    main = _file(blueprint, "/etc/postfix/main.cf")
    asked = main.find("socketmap:unix:posthouse/tls-policy.sock:policy")
    assert (asked > main.find("{ bank.example = verify }") > 0) is (tls == "may")
    assert any(package.name == "postfix-mta-sts-resolver" for package in blueprint.packages)
    usual = assemble(site, release, ground, {})
    assert "tls-policy" not in _file(usual, "/etc/postfix/main.cf")
    assert not any("mta-sts" in package.name for package in usual.packages)
