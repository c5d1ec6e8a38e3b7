"""The way back from a server with certificates from an authority, port 443 and MTA-STS: nothing of them is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.conftest import make_machine
from tests.machine.grounds import GroundCase
from tests.machine.server import DOMAIN, HOST, Server, letter
from tests.machine.test_certificates import CA_FILE, SITE_FILE, certificate, names, pebble, vouching
from tests.machine.test_purge import difference, picture, up

from posthouse.lab import Network
from posthouse.lab.internet import Authority, Pebble

pytestmark = [pytest.mark.machine, pytest.mark.full]
__all__ = ["pebble", "vouching"]  # fixtures
CASES = [GroundCase("trixie", "systemd", None), GroundCase("bookworm", "other", None)]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def bare(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Server]:
    machine = make_machine(net, request.param, f"purgeweb-{request.param.name}", archive, bare=True)
    made = Server(machine, net, request.param.filter)
    names(made)
    yield made
    machine.destroy()


def test_nothing_is_left_of_certificates_and_of_what_is_served(
    bare: Server, archive: Path, pebble: Pebble, vouching: Authority
) -> None:
    # Every Debian that was installed has it; apt itself can do with it, so where it came with us apt keeps it.
    bare.run("apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y adduser")
    before = picture(bare.machine)
    up(bare, archive)
    bare.machine.write(CA_FILE, vouching.pem)
    tls = {"mode": "acme", "acme_server": pebble.url, "acme_ca_file": CA_FILE}
    lines = [f"{key} = {json.dumps(value)}" for key, value in tls.items()]
    text = bare.machine.read(SITE_FILE) + "\n".join(["", "[tls]", *lines, "[outgoing]", "mta_sts = true", ""])
    bare.machine.write(SITE_FILE, text)
    applied = bare.posthouse("apply", "--yes")
    assert "a new one is served on every port" in applied.stderr
    assert certificate(bare)["names"] == [HOST]
    assert bare.run("grep -c ':01BB 0*:0000 0A' /proc/net/tcp /proc/net/tcp6", check=False).stdout
    bare.arrives(letter())
    bare.posthouse("down", "--purge", "--yes")
    left = difference(before, picture(bare.machine))
    assert left == [], left
    assert bare.run("cat /var/lib/posthouse/kept/acme/key.pem").stdout.startswith("-----BEGIN")

    # With all told to go, the second time: also what was kept.
    up(bare, archive)
    bare.posthouse("down", "--purge", "--with-mail", "--lose-mail-of", DOMAIN, "--yes")
    gone = "ls -d /var/lib/posthouse /etc/posthouse /opt/posthouse /etc/letsencrypt /var/log/letsencrypt"
    assert bare.run(gone, check=False).stdout == ""
