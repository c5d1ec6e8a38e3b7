"""The daemons' clock is set, by a day and a year, forwards and back: mail flows on, and none is lost.

The clock of a lab machine is the host's, so the daemons get another one by libfaketime, which reads from a file
what time they shall see; what only counts on (CLOCK_MONOTONIC) counts on.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.machine.ledger import Ledger, accounts
from tests.machine.server import Server
from tests.machine.test_kills import stands_again

pytestmark = [pytest.mark.machine, pytest.mark.full]

FILE = "/etc/faketimerc"
VALUES = {
    "LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "FAKETIME_TIMESTAMP_FILE": FILE,
    "FAKETIME_NO_CACHE": "1",
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
}
OVERRIDES = "/etc/posthouse/overrides"
JUMPS = ("+1d", "-1d", "+365d", "-365d", "+0")


def set_clock(server: Server, jump: str) -> None:
    """Show the daemons this time: `+1d` is tomorrow. Postfix's are in its chroot."""
    for path in (FILE, f"/var/spool/postfix{FILE}"):
        server.run(f"echo '{jump}' >{path}.new && chmod 644 {path}.new && mv {path}.new {path}")


@pytest.fixture
def clocked(server: Server) -> Iterator[Server]:
    """A server whose Postfix and Dovecot see the time that `set_clock` gives them."""
    spec = server.machine.spec
    if spec.pid1 != "systemd" or spec.policy_rc_d is not None:
        pytest.skip("the daemons are the same on every ground")
    server.run("apt-get update -q && apt-get install -qy faketime", env={"DEBIAN_FRONTEND": "noninteractive"})
    set_clock(server, "+0")
    if spec.suite == "bookworm":
        dovecot = f"import_environment = $import_environment {' '.join(VALUES)}\n"
    else:
        values = "".join(f"  {name} = {value}\n" for name, value in VALUES.items())
        dovecot = f"import_environment {{\n{values}}}\n"
    postfix = server.run(["postconf", "-h", "import_environment"]).stdout.strip()
    server.machine.write(f"{OVERRIDES}/dovecot/local.conf", dovecot)
    server.machine.write(
        f"{OVERRIDES}/postfix/main.cf", f"import_environment = {postfix} {' '.join(VALUES)}\n"
    )
    drop_in = "[Service]\n" + "".join(f"Environment={name}={value}\n" for name, value in VALUES.items())
    units = ("dovecot", "postfix@-" if spec.suite == "bookworm" else "postfix")
    for unit in units:
        server.machine.write(f"/etc/systemd/system/{unit}.service.d/zz-clock.conf", drop_in)
    server.posthouse("apply", "--yes")
    server.run(["systemctl", "daemon-reload"])
    server.run(["systemctl", "restart", *units])
    yield server
    server.run(["rm", f"{OVERRIDES}/dovecot/local.conf", f"{OVERRIDES}/postfix/main.cf"])
    server.run(["rm", *(f"/etc/systemd/system/{unit}.service.d/zz-clock.conf" for unit in units)])
    server.posthouse("apply", "--yes")
    server.run(["systemctl", "daemon-reload"])
    server.run(["systemctl", "restart", *units])


def test_mail_flows_on_whatever_the_clock_says(clocked: Server) -> None:
    ledger = Ledger(clocked, accounts(clocked), largest=20_000)
    for jump in JUMPS:
        ledger.send(20, until_taken=True)
        set_clock(clocked, jump)
        # What systemd's timer starts when the machine's own clock is set, which a test cannot do.
        clocked.run(["systemctl", "is-active", "posthouse-clock.timer"])
        clocked.run(["systemctl", "start", "posthouse-clock.service"])
        ledger.send(20, until_taken=True)
        stands_again(clocked)
        print(f"{jump}: {clocked.run('postqueue -j | wc -l').stdout.strip()} wait")
    audit = ledger.audit()
    moved = "journalctl --no-pager -o cat -b | grep -i 'time.*moved\\|clock' | sort | uniq -c | sort -rn | head -20"
    print(audit, clocked.run(moved, check=False).stdout, sep="\n")
    assert not audit.wrong, str(audit)
