"""Plan, apply, drift, rollback on a live server: nothing unseen, nothing half-done, everything taken back."""

from __future__ import annotations

import json
import random
import re
import signal
import smtplib

import pytest
from tests.machine.server import DOMAIN, USER, Server, awaited, letter

pytestmark = pytest.mark.machine
SITE = "/etc/posthouse/posthouse.toml"


@pytest.fixture
def site(server: Server) -> object:
    """The site file, put back (and applied) after the test."""
    before = server.machine.read(SITE)
    yield before
    server.machine.write(SITE, before)
    server.posthouse("apply", "--yes")
    assert server.posthouse("plan", "--exit-code").returncode == 0


def change_size(server: Server, before: str, size: int) -> None:
    """Give [limits] message_size another value."""
    lines = [line for line in before.splitlines() if not line.startswith(("message_size", "[limits]"))]
    server.machine.write(SITE, "\n".join([*lines, "", "[limits]", f"message_size = {size}", ""]))


def live_size(server: Server) -> int:
    """What Postfix says."""
    return int(server.run(["postconf", "-h", "message_size_limit"]).stdout)


def test_nothing_to_do_is_said_and_restarts_nothing(server: Server) -> None:
    daemons = ("master", "dovecot", "rspamd", "posthouse.agent")
    before = [server.pids(name) for name in daemons]
    assert all(before)
    assert server.posthouse("plan", "--exit-code").returncode == 0
    server.posthouse("apply", "--yes")
    assert [server.pids(name) for name in daemons[:2]] == before[:2]


def test_a_change_is_shown_applied_and_taken_back(server: Server, site: str) -> None:
    old = live_size(server)
    generation = json.loads(server.posthouse("generations", "--json").stdout)
    change_size(server, site, 31_457_280)
    plan = server.posthouse("plan", "--exit-code", check=False)
    assert plan.returncode == 3
    assert "+message_size_limit = 31457280" in plan.stdout
    server.posthouse("apply", "--yes")
    assert live_size(server) == 31_457_280
    number = max(g["number"] for g in generation["generations"])
    server.posthouse("rollback", str(number), "--yes")
    assert live_size(server) == old
    server.arrives(letter())


def test_a_plan_whose_ground_has_moved_is_refused(server: Server, site: str) -> None:
    change_size(server, site, 31_457_280)
    digest = json.loads(server.posthouse("plan", "--json").stdout)["digest"]
    change_size(server, site, 32_505_856)
    assert server.posthouse("apply", "--yes", "--plan", digest, check=False).returncode != 0
    assert live_size(server) not in (31_457_280, 32_505_856)


def test_a_red_checker_changes_nothing(server: Server, site: str) -> None:
    override = "/etc/posthouse/overrides/dovecot/local.conf"
    server.run(["mkdir", "-p", "/etc/posthouse/overrides/dovecot"])
    before = server.run("sha256sum /etc/dovecot/dovecot.conf /etc/postfix/main.cf").stdout
    server.machine.write(override, "no_such_setting_anywhere = yes\n")
    result = server.posthouse("apply", "--yes", check=False)
    assert result.returncode == 1
    assert "no_such_setting_anywhere" in result.stderr + result.stdout
    assert server.run("sha256sum /etc/dovecot/dovecot.conf /etc/postfix/main.cf").stdout == before
    server.run(["rm", override])
    server.arrives(letter())


def test_a_failing_probe_brings_the_last_generation_back(server: Server, site: str) -> None:
    """An override that every checker likes and that stops mail: it comes back by itself, and the file stays."""
    override = "/etc/posthouse/overrides/postfix/main.cf"
    server.run(["mkdir", "-p", "/etc/posthouse/overrides/postfix"])
    server.machine.write(override, "virtual_transport = error:this override breaks delivery\n")
    result = server.posthouse("apply", "--yes", check=False)
    assert result.returncode == 1
    assert server.machine.read(override).startswith("virtual_transport = error:")
    assert "error:" not in server.run(["postconf", "-h", "virtual_transport"]).stdout
    server.arrives(letter())
    shown = server.posthouse("plan", check=False)
    assert "not applied" in (shown.stdout + shown.stderr).lower()
    server.run(["rm", override])


def test_a_hand_edit_is_seen_kept_adopted_and_discarded(server: Server, site: str) -> None:
    edit = "postconf -e 'smtpd_banner = $myhostname ESMTP by hand' && postfix reload"
    server.run(edit)
    plan = server.posthouse("plan", check=False)
    assert "by hand" in plan.stdout
    server.posthouse("apply", "--yes", check=False)
    assert "by hand" in server.machine.read("/etc/postfix/main.cf")
    server.posthouse("drift", "discard", "/etc/postfix/main.cf", "--yes")
    assert "by hand" not in server.machine.read("/etc/postfix/main.cf")
    server.run(edit)
    server.posthouse("drift", "adopt", "/etc/postfix/main.cf", "--yes")
    assert "by hand" in server.machine.read("/etc/posthouse/overrides/postfix/main.cf")
    server.posthouse("apply", "--yes")
    assert "by hand" in server.run(["postconf", "-h", "smtpd_banner"]).stdout
    assert server.posthouse("plan", "--exit-code").returncode == 0
    assert "override" in server.posthouse("explain", "main.cf:smtpd_banner").stdout
    server.run(["rm", "/etc/posthouse/overrides/postfix/main.cf"])


def test_a_stopped_service_is_a_change(server: Server) -> None:
    server.service("stop", "dovecot", "dovecot.service")
    plan = server.posthouse("plan", "--exit-code", check=False)
    assert plan.returncode == 3
    assert "dovecot" in plan.stdout
    server.posthouse("apply", "--yes")
    server.arrives(letter())


def test_apply_killed_at_random_points(server: Server, site: str) -> None:
    chance = random.Random(server.machine.spec.name)
    sizes = [20_971_520, 22_020_096]
    for turn in range(6):
        change_size(server, site, sizes[turn % 2])
        running = server.machine.start(["posthouse", "apply", "--yes"])
        delay = chance.uniform(0.05, 3.0)
        try:
            running.popen.wait(delay)
        except Exception:
            running.send_signal(signal.SIGKILL)
        running.kill_all()
        running.popen.wait(60)
        sent, refusal = letter(), ""
        try:
            server.send(sent)
        except (smtplib.SMTPException, OSError) as error:
            refusal = str(error)
        # Cut off between stopping and starting a daemon: "try again later" at worst.
        assert not re.search(r"\(5\d\d,", refusal), refusal
        if not refusal:
            server.find(str(sent["Subject"]))
    server.posthouse("apply", "--yes")
    assert live_size(server) == sizes[1]
    server.arrives(letter())


def test_two_at_once(server: Server, site: str) -> None:
    change_size(server, site, 23_068_672)
    both = [server.machine.start(["posthouse", "apply", "--yes"]) for _ in range(2)]
    results = [running.wait(300) for running in both]
    assert 0 in [result.returncode for result in results]
    assert all("Traceback" not in result.stderr for result in results)
    assert live_size(server) == 23_068_672


def test_confirm_takes_itself_back(server: Server, site: str) -> None:
    old = live_size(server)
    change_size(server, site, 24_117_248)
    server.posthouse("apply", "--yes", "--confirm", "3s")
    assert live_size(server) == 24_117_248
    awaited(lambda: live_size(server) == old, "the unconfirmed apply to take itself back", 60)
    awaited(lambda: "not confirmed" in server.posthouse("plan").stdout, "the reason in the plan", 60)
    # an entry point is said at every start: it must not bring back what was taken back
    said = server.posthouse("up", DOMAIN)
    assert "waits for a change" in said.stderr
    assert live_size(server) == old


def test_rollback_to_the_machine_as_found_and_back(server: Server) -> None:
    number = json.loads(server.posthouse("generations", "--json").stdout)["current"]
    server.posthouse("rollback", "0", "--yes")
    assert server.run("command -v posthouse").returncode == 0
    assert server.pids("master") == []
    server.posthouse("rollback", str(number), "--yes")
    server.arrives(letter())
    with server.imap(USER, folder="INBOX") as client:
        assert client.search(["ALL"])


@pytest.mark.parametrize(
    "text",
    [
        "domain = ",
        "\xff\xfe",
        f'domain = "{DOMAIN}"\nunknwon = 1\n',
        'domain = "https://snorl.ax"\n',
        'domain = 7\nhostname = "x"\n',
    ],
)
def test_a_bad_site_file_gets_a_clear_error(server: Server, site: str, text: str) -> None:
    server.machine.write(SITE, text)
    for command in (["plan"], ["apply", "--yes"], ["config", "check"]):
        result = server.posthouse(*command, check=False)
        assert result.returncode == 2, command
        assert "posthouse.toml" in result.stderr
        assert "Traceback" not in result.stderr
    server.arrives(letter())


def test_a_postmaster_whom_nobody_reads_is_refused(server: Server, site: str) -> None:
    server.machine.write(SITE, re.sub(r"(?m)^postmaster = .*$", f'postmaster = "ghost@{DOMAIN}"', site))
    refused = server.posthouse("apply", "--yes", check=False)
    assert refused.returncode == 2
    assert f"ghost@{DOMAIN} is at our own domain" in refused.stderr


def test_up_puts_a_lost_site_file_back(server: Server, site: str) -> None:
    server.run(["rm", SITE])
    server.posthouse("up", DOMAIN)
    assert server.machine.read(SITE) == site
