"""A live Debian 12 server becomes Debian 13: held back until it is meant, and then nothing is lost."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from imapclient import IMAPClient
from tests.machine.conftest import make_machine, publish, unpack
from tests.machine.grounds import GroundCase
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server, letter

from posthouse.lab import Network
from posthouse.lab.wait import until

pytestmark = [pytest.mark.machine, pytest.mark.full]
MESSAGES = 1000
OVERRIDE = "/etc/posthouse/overrides/dovecot/local.conf"
LATER = "later@[198.18.200.200]"  # nobody answers there
DOVECOT = "dpkg-query -W -f '${Version}' dovecot-core"
# Of Debian 13 the daemons, were it not for the guard, and one package that may come: all others would take an hour.
PREFERENCES = """\
Package: dns-root-data src:dovecot:any src:postfix:any src:rspamd:any src:redis:any src:unbound:any
Pin: release n=/^trixie/
Pin-Priority: 500

Package: src:spamassassin:any src:opendkim:any src:opendmarc:any src:spf-engine:any
Pin: release n=/^trixie/
Pin-Priority: 500

Package: *
Pin: release n=/^trixie/
Pin-Priority: -1
"""
UNATTENDED = """\
Unattended-Upgrade::Origins-Pattern { "origin=*"; };
"""
APT = "DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends"


@pytest.fixture(scope="module", params=["rspamd", "spamassassin"])
def old(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Server]:
    """A Debian 12 server with a mailbox of a thousand messages. The tests of this file go in order."""
    ground = GroundCase("bookworm", "systemd", None, request.param)
    machine = make_machine(net, ground, f"release-{request.param}", archive)
    publish(net, machine)
    where = unpack(machine, archive)
    machine.run(
        [
            f"{where}/posthouse",
            "up",
            DOMAIN,
            "--hostname",
            HOST,
            "--account",
            USER,
            "--filter",
            request.param,
            "--password-stdin",
            "--yes",
        ],
        input=PASSWORD + "\n",
        timeout=1800,
    )
    machine.run(["rm", "-rf", where])
    server = Server(machine, net, request.param)
    with server.imap() as client:
        client.create_folder("Work")
        client.subscribe_folder("Work")
        for number in range(MESSAGES):
            flags = [
                f for f, each in ((rb"\Seen", 2), (rb"\Flagged", 5), (b"$Later", 7)) if number % each == 0
            ]
            client.append("Work", letter(subject=f"number {number}").as_bytes(), flags)
        client.select_folder("Work")
        client.delete_messages(client.search(["SUBJECT", "number 999"]))
        client.expunge()
    yield server
    machine.destroy()


def mailbox(client: IMAPClient) -> object:
    """UIDVALIDITY, UIDs, flags, sizes and subscriptions of everything there is."""
    found = {}
    for _, _, name in client.list_folders():
        status = client.select_folder(name, readonly=True)
        rows = client.fetch(client.search(["ALL"]), ["FLAGS", "RFC822.SIZE"]) if status[b"EXISTS"] else {}
        messages = {
            uid: (sorted(set(row[b"FLAGS"]) - {rb"\Recent"}), row[b"RFC822.SIZE"])
            for uid, row in rows.items()
        }
        found[name] = (status[b"UIDVALIDITY"], messages)
    return found, sorted(name for _, _, name in client.list_sub_folders())


def test_apt_and_unattended_upgrades_leave_the_daemons_alone(old: Server) -> None:
    sources = old.machine.read("/etc/apt/sources.list")
    before = old.run(DOVECOT).stdout
    old.run(f"apt-get update && {APT} install unattended-upgrades", timeout=600)
    old.run("sed -i s/bookworm/trixie/ /etc/apt/sources.list && apt-get update", timeout=300)
    old.machine.write("/etc/apt/apt.conf.d/99all", UNATTENDED)
    simulated = old.run("apt-get -s full-upgrade").stdout
    assert not re.findall(
        r"^(?:Inst|Remv) (?:dovecot|postfix|rspamd|redis|unbound|spam|opendkim|opendmarc)\S*",
        simulated,
        re.MULTILINE,
    )
    old.machine.write("/etc/apt/preferences.d/zz-test", PREFERENCES)
    # What it would take, and that it would take something at all.
    said = old.run("unattended-upgrade --dry-run -d 2>&1", check=False, timeout=600).stdout
    taken = re.search(r"(?:Packages|pkgs) that (?:will|look like they should) be upgraded:(.*)", said)
    assert taken, said[-3000:]
    assert taken[1].split() == ["dns-root-data"]
    old.machine.write("/etc/apt/sources.list", sources)
    old.run("rm /etc/apt/apt.conf.d/99all /etc/apt/preferences.d/zz-test && apt-get update", timeout=300)
    assert old.run(DOVECOT).stdout == before


def test_what_cannot_be_undone_is_told_before_it_is_asked(old: Server) -> None:
    refused = old.posthouse("release", "upgrade", check=False)
    assert refused.returncode == 2
    assert "There is no way back to the old Debian" in refused.stderr.partition("needs a yes")[0]
    assert "bookworm" in old.machine.read("/etc/apt/sources.list")


def test_what_the_next_dovecot_refuses_is_listed_at_once(old: Server) -> None:
    old.run(["mkdir", "-p", str(Path(OVERRIDE).parent)])
    old.machine.write(
        OVERRIDE, "plugin {\n  x = y\n}\nmail_max_userip_connections = 20\nmail_location = maildir:~\n"
    )
    assert old.run(["posthouse", "release", "upgrade", "--yes"], check=False, timeout=600).returncode == 1
    found = json.loads(old.run(["posthouse", "release", "check", "--json"], check=False, timeout=600).stdout)
    assert [problem.split(":")[0] for problem in found["problems"]] == [
        f"{OVERRIDE}, line 1",
        f"{OVERRIDE}, line 5",
    ]
    assert "bookworm" in old.machine.read("/etc/apt/sources.list")
    old.run(["rm", OVERRIDE])


def test_nothing_is_lost(old: Server) -> None:
    old.send(letter(USER, LATER), to=[LATER], port=587, user=USER)
    until(lambda: LATER in "".join(old.queue()), 30, "a message in the queue")
    key = old.run("sha256sum /var/lib/posthouse/dkim/*.key").stdout
    with old.imap() as client:
        before = mailbox(client)

    # Killed while dpkg changes the daemons; power cut; said again.
    running = old.machine.start("posthouse release upgrade --yes > /root/upgrade.log 2>&1")
    step = "/var/lib/posthouse/engine/release.json"

    def daemons_change() -> bool:
        assert running.poll() is None, old.machine.read("/root/upgrade.log")
        return '"daemons"' in old.run(f"cat {step}", check=False).stdout and bool(old.pids("dpkg"))

    until(daemons_change, 1800, "the daemons' packages to change")
    beforehand = old.machine.read("/root/upgrade.log").partition("letting the daemons of Debian 13")[0]
    assert "There is no way back to the old Debian" in beforehand
    running.send_signal(signal.SIGKILL)
    old.machine.power_cut()
    old.machine.boot()
    refused = old.posthouse("apply", "--yes", check=False)
    assert refused.returncode == 1
    assert "posthouse release upgrade" in refused.stderr
    done = old.run(["posthouse", "release", "upgrade", "--yes"], timeout=1800)
    assert "Debian 13 runs" in done.stdout

    assert old.run(DOVECOT).stdout.startswith("1:2.4.")
    assert old.run(["readlink", "/usr/bin/python3"]).stdout.strip() == "python3.13"
    assert old.posthouse("plan", "--exit-code").returncode == 0
    assert "/etc/" not in old.posthouse("drift").stdout
    assert old.run(["systemctl", "--failed", "--no-legend", "--plain"]).stdout.strip() == ""
    assert "n=/^trixie" in old.machine.read("/etc/apt/preferences.d/posthouse")
    assert old.run("sha256sum /var/lib/posthouse/dkim/*.key").stdout == key
    assert LATER in "".join(old.queue())
    with old.imap() as client:
        after = mailbox(client)
    assert after[0]["Work"] == before[0]["Work"]  # type: ignore[index]
    assert after[1] == before[1]  # type: ignore[index]
    for name, (validity, messages) in before[0].items():  # type: ignore[index]
        assert after[0][name][0] == validity  # type: ignore[index]
        assert messages.items() <= after[0][name][1].items()  # type: ignore[index]
    old.arrives(letter())
    found = old.find(old.send(letter(USER, USER), port=587, user=USER))
    assert found["DKIM-Signature"]


def test_an_earlier_generation_still_comes_back(old: Server) -> None:
    old.posthouse("rollback", "1", "--yes")
    old.arrives(letter())
