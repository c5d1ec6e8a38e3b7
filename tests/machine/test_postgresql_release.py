"""Debian 12 becomes 13 with the directory in PostgreSQL on this host: ours is carried over, an operator's is his."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.conftest import make_machine, publish, unpack
from tests.machine.grounds import GroundCase
from tests.machine.server import DOMAIN, HOST, PASSWORD, USER, Server, awaited, letter
from tests.machine.test_postgresql import psql

from posthouse.lab import Network
from posthouse.lab.wait import until

pytestmark = [pytest.mark.machine, pytest.mark.full, pytest.mark.timeout(3600)]

SHOP = "CREATE DATABASE shop;\n\\c shop\nCREATE TABLE wares (name text);\nINSERT INTO wares VALUES ('hat');\n"


@pytest.fixture(params=["ours", "ours-supervisor", "own"])
def old(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Server]:
    """A Debian 12 server on PostgreSQL, which came with Posthouse, or was there with a database of its operator."""
    name = f"release-{request.param}"
    pid1 = "other" if request.param.endswith("supervisor") else "systemd"
    machine = make_machine(net, GroundCase("bookworm", pid1, None), name, archive)
    publish(net, machine)
    if request.param == "own":
        machine.run("apt-get -qq update", timeout=300)
        install = "apt-get -y -qq --no-install-recommends install postgresql"
        machine.run(install, env={"DEBIAN_FRONTEND": "noninteractive"}, timeout=600)
        machine.run("psql -Xqv ON_ERROR_STOP=1 postgres", input=SHOP, user="postgres")
    where = unpack(machine, archive)
    up = [f"{where}/posthouse", "up", DOMAIN, "--hostname", HOST, "--account", USER]
    up += ["--directory", "postgresql", "--password-stdin", "--yes"]
    machine.run(up, input=PASSWORD + "\n", timeout=1800)
    machine.run(["rm", "-rf", where])
    server = Server(machine, net)
    psql(
        server,
        "mailwriter",
        """INSERT INTO transport (domain, transport) VALUES ('plain.example', 'virtual:');
        INSERT INTO virtual (address, userid) VALUES ('info@plain.example', 'user@snorl.ax');""",
    )
    server.find(server.send(letter(subject="before", to="info@plain.example")))
    yield server
    machine.destroy()


def standing(server: Server) -> dict[str, object]:
    """What `directory show` says, but for the version of the database's program."""
    shown: dict[str, object] = json.loads(server.posthouse("directory", "show", "--json").stdout)
    return {key: value for key, value in shown.items() if key != "version"}


def works(server: Server) -> None:
    """The new PostgreSQL has everything, the roles with their passwords too, and mail flows."""
    query = "psql -XAtc 'SHOW server_version' postgres"
    assert server.run(query, user="postgres").stdout.startswith("17.")
    psql(
        server,
        "mailwriter",
        "INSERT INTO virtual (address, userid) VALUES ('more@plain.example', 'user@snorl.ax');",
    )
    server.find(server.send(letter(to="more@plain.example")))
    server.find(server.send(letter(to="info@plain.example")))
    assert server.count("before") == 1
    assert server.posthouse("plan", "--exit-code").returncode == 0


@pytest.mark.parametrize("old", ["ours", "ours-supervisor"], indirect=True)
def test_our_cluster_is_carried_over(old: Server) -> None:
    """Also where the power goes while it is carried."""
    before = standing(old)
    running = old.machine.start("posthouse release upgrade --yes > /root/upgrade.log 2>&1")

    def carries() -> bool:
        log = old.run("cat /root/upgrade.log", check=False).stdout
        assert running.poll() is None, log
        return "carrying PostgreSQL's" in log

    until(carries, 1800, "the cluster to be carried over")
    old.machine.power_cut()
    old.machine.boot()
    old.run(["posthouse", "release", "upgrade", "--yes"], timeout=1800)
    assert standing(old) == before
    works(old)
    assert old.run("psql -XAtc 'SHOW shared_buffers' postgres", user="postgres").stdout == "32MB\n"
    old.machine.power_cut()
    old.machine.boot()
    if old.machine.spec.pid1 != "systemd":
        old.run(["posthouse", "up", DOMAIN, "--yes"], timeout=300)
    awaited(lambda: old.count("before"), "a login after a reboot", 90)
    old.arrives(letter())


@pytest.mark.parametrize("old", ["own"], indirect=True)
def test_the_operators_cluster_is_his_to_carry(old: Server) -> None:
    """What is said at each step leads there."""
    before = standing(old)
    refused = old.posthouse("release", "upgrade", "--yes", check=False)
    assert refused.returncode == 1
    assert "`posthouse directory move sqlite`, then this again" in refused.stderr
    old.run(["posthouse", "directory", "move", "sqlite", "--yes"], timeout=600)
    old.run(["posthouse", "release", "upgrade", "--yes"], timeout=1800)
    old.arrives(letter())
    refused = old.posthouse("directory", "move", "postgresql", "--yes", check=False)
    assert refused.returncode == 2
    # Debian's package makes no cluster of its own beside one that is there.
    assert "`pg_upgradecluster 15 main`; then say the same again" in refused.stderr, refused.stderr
    old.run("pg_upgradecluster 15 main", timeout=600)
    old.run(["posthouse", "directory", "move", "postgresql", "--yes"], timeout=600)
    assert standing(old) == before
    works(old)
    assert old.run("psql -XAtc 'TABLE wares' shop", user="postgres").stdout == "hat\n"
