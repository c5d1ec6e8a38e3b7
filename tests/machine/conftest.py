"""Mail servers made from nothing by `up`, on a network of their own."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.machine.grounds import ASKED, BARE, CLASSIC, DISKS, MATRIX, PAIRWISE, GroundCase
from tests.machine.server import CHECKOUT, DOMAIN, HOST, PASSWORD, USER, Server

from posthouse import lab, stack
from posthouse.lab import Machine, Network
from posthouse.lab.errors import LabError
from posthouse.lab.internet import Internet
from posthouse.lab.lock import locked
from posthouse.lab.paths import RUN
from posthouse.site.model import Site
from posthouse.site.release import Ground as GroundKind
from posthouse.site.release import Release


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the machine tests, with the reason, where no machine can run."""
    reason = lab.available()
    full = config.getoption("--full")
    for item in items:
        if item.get_closest_marker("machine") and reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))
        if item.get_closest_marker("full") and not full:
            item.add_marker(pytest.mark.skip(reason="only in the full matrix: script/test --full"))


@pytest.fixture(scope="session")
def net() -> Iterator[Network]:
    """The network that all servers are on, and its names."""
    with Network("tests") as network:
        yield network


def checkout_archive(target: Path) -> Path:
    """The project as an unpacked archive would have it: no .git, nothing that is ignored."""
    archive = target / "posthouse.tar"
    listed = subprocess.run(
        ["git", "-C", str(CHECKOUT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    names = [n for n in listed.stdout.decode().split("\0") if n and (CHECKOUT / n).exists()] or [
        "posthouse", "pyproject.toml", "src", "requirements", "README.md", "LICENSE",
    ]  # fmt: skip
    subprocess.run(
        ["tar", "--owner=0", "--group=0", "-C", str(CHECKOUT), "-cf", str(archive), *names], check=True
    )
    return archive


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a tar file."""
    return checkout_archive(tmp_path_factory.mktemp("archive"))


def unpack(machine: Machine, archive: Path, where: str = "/root/posthouse 1.0") -> str:
    """Put the checkout on a machine (at a path with a space in it) and return that path."""
    machine.put(archive, "/root/posthouse.tar")
    machine.run(["mkdir", "-p", where])
    machine.run(["tar", "-xf", "/root/posthouse.tar", "-C", where])
    machine.run(["rm", "/root/posthouse.tar"])
    return where


def _recipe(suite: str, chain: str) -> str:
    """What a snapshot depends on: the launcher, the locked libraries, the packages."""
    digest = hashlib.sha256()
    for path in (
        CHECKOUT / "posthouse",
        *(CHECKOUT / f"requirements/{name}.txt" for name in ("build", "runtime")),
    ):
        digest.update(path.read_bytes())
    site = Site(domain=DOMAIN, hostname=HOST, postmaster=USER, filter=chain)  # type: ignore[arg-type]
    release = Release(12 if suite == "bookworm" else 13)
    packages = stack.assemble(site, release, GroundKind("systemd"), {}).packages
    return hashlib.sha256(digest.digest() + repr(packages).encode()).hexdigest()[:12]


def _snapshot(net: Network, suite: str, archive: Path, chain: str = "rspamd") -> str:
    """The name of a snapshot with all packages and the program's libraries installed, made where it is not there."""
    name = f"packages-{_recipe(suite, chain)}"
    # The other chain's stands on the usual one's, which is there anyhow.
    base = "bare" if chain == "rspamd" else _snapshot(net, suite, archive)
    with locked(RUN / f"snapshot-{suite}.lock"):
        if not lab.has_snapshot(suite, name):
            _take_snapshot(net, suite, archive, chain, base, name)
    return name


def _take_snapshot(net: Network, suite: str, archive: Path, chain: str, base: str, name: str) -> None:
    machine = net.machine(f"make-{suite}", suite, base=base)
    where = unpack(machine, archive)
    up = [f"{where}/posthouse", "up", DOMAIN, "--filter", chain, "--packages-only", "--yes"]
    machine.run(up, timeout=1200)
    machine.run(["rm", "-rf", where])
    if chain != "rspamd":
        machine.run(["systemctl", "disable", "--now", "rspamd", "redis-server"])
    machine.snapshot(name)
    machine.destroy()


def make_machine(
    net: Network, ground: GroundCase, name: str, archive: Path, bare: bool = False, disk: int | None = None
) -> Machine:
    """Boot a machine of this ground, its names published; `disk`: MiB of one of its own."""
    base = "bare" if bare else _snapshot(net, ground.suite, archive, ground.filter)
    return net.machine(name, ground.suite, ground.pid1, base, HOST, ground.policy_rc_d, disk=disk)


def publish(net: Network, machine: Machine) -> None:
    """Give the machine its address records and reverse names."""
    net.dns.set_zone(
        DOMAIN,
        [
            f"{HOST}. 60 IN A {machine.ipv4}",
            f"{HOST}. 60 IN AAAA {machine.ipv6}",
            f"{DOMAIN}. 60 IN MX 10 {HOST}.",
            f'{DOMAIN}. 60 IN TXT "v=spf1 mx -all"',
        ],
    )
    net.dns.set_reverse({machine.ipv4: HOST, machine.ipv6: HOST})


@pytest.fixture(scope="session")
def grounds(request: pytest.FixtureRequest) -> tuple[GroundCase, ...]:
    """The grounds of this run."""
    return MATRIX if request.config.getoption("--full") else PAIRWISE


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the server's log with a failed test."""
    report = yield
    given = getattr(item, "funcargs", {})
    server = given.get("server") or given.get("disked")
    if report.failed and isinstance(server, Server):
        with suppress(LabError):  # gone already, where a fixture's end failed
            report.sections.append(("the server's log", server.log()))
    return report


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that asks for `server` on each ground; where it is marked with `grounds`, on those."""
    if "ground" in metafunc.fixturenames:
        full = metafunc.config.getoption("--full")
        only = metafunc.config.getoption("--ground")
        some = metafunc.definition.get_closest_marker("grounds")
        cases = list(MATRIX if full else [case for case in PAIRWISE if not some or case.name in some.args])
        if both := metafunc.definition.get_closest_marker("both_chains"):
            cases += [case for case in CLASSIC if full or not both.args or case.name[:2] in both.args]
        elif metafunc.definition.get_closest_marker("classic"):
            cases = list(CLASSIC)
        if only and not set(CLASSIC) & set(cases):
            cases = [case for case in MATRIX if case.name == only]
        elif only:
            cases = [case for case in (*MATRIX, *CLASSIC, *ASKED) if case.name == only]
        metafunc.parametrize("ground", cases, ids=lambda case: case.name, scope="session")


def make_server(machine: Machine, net: Network, archive: Path, chain: str = "rspamd") -> Server:
    """Make a booted machine a mail server, by the README's command."""
    publish(net, machine)
    where = unpack(machine, archive)
    up = [
        f"{where}/posthouse",
        "up",
        DOMAIN,
        "--hostname",
        HOST,
        "--account",
        USER,
        "--password-stdin",
        "--filter",
        chain,
        # The tests themselves misbehave a lot; test_bans.py does so from other addresses.
        *("--never-ban", "198.18.0.0/15", "--never-ban", "2001:2::/48"),
        "--yes",
    ]
    result = machine.run(up, input=PASSWORD + "\n", timeout=1800)
    machine.run(["rm", "-rf", where])  # the checkout may go away
    made = Server(machine, net, chain)
    made.up_output = result  # type: ignore[attr-defined]
    return made


@pytest.fixture(scope="session")
def server(ground: GroundCase, net: Network, archive: Path) -> Iterator[Server]:
    """A mail server on this ground."""
    machine = make_machine(net, ground, f"mail-{ground.name}", archive, bare=ground == BARE)
    yield make_server(machine, net, archive, ground.filter)
    machine.destroy()


@pytest.fixture(scope="session", params=DISKS)
def disked(request: pytest.FixtureRequest, net: Network, archive: Path) -> Iterator[Server]:
    """A mail server with a small disk of its own, that can be full, fail, and lose what was not synced."""
    suite = {"12": "bookworm", "13": "trixie"}[request.param[:2]]
    base = _snapshot(net, suite, archive)
    machine = net.machine(f"mail-{request.param}", suite, "systemd", base, HOST, disk=900)
    yield make_server(machine, net, archive)
    machine.destroy()


@pytest.fixture(scope="session")
def internet(server: Server) -> Iterator[Internet]:
    """Everybody else, for as long as the server runs."""
    with Internet(server.net) as internet:
        yield internet
