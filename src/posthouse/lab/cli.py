"""The lab on the command line. Machines made here stay until they are destroyed, all on one network."""

import os
import sys
from pathlib import Path
from typing import TextIO

import click

from posthouse.lab import layers
from posthouse.lab.errors import LabError
from posthouse.lab.lock import locked
from posthouse.lab.machine import Machine
from posthouse.lab.network import DEV, Network, collect_dead, collect_layers
from posthouse.lab.paths import HOST_PACKAGES, RUN, SUITES


def _network() -> Network:
    """The network of the command line, made at its first use."""
    with locked(RUN / f"{DEV}.lock"):
        if not (RUN / DEV / "network.json").exists():
            Network(DEV, lifeline=False).create()
        elif not Network.open(DEV).is_kept():
            Network.open(DEV, lifeline=False).revive()
        return Network.open(DEV)


def _machine(name: str) -> Machine:
    """A machine of the command line's network, or, as NETWORK/NAME, of any other."""
    network, _, machine = name.rpartition("/")
    return Network.open(network or DEV).find(machine)


class _Main(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        try:
            if os.geteuid() != 0:
                raise LabError("lab machines need root", "run the same with sudo")
            return super().invoke(ctx)
        except LabError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(1)


@click.group(cls=_Main)
def main() -> None:
    """Fresh Debian machines under systemd-nspawn, on a network of their own. Needs root."""


@main.command()
@click.argument("name")
@click.option("--suite", type=click.Choice(SUITES), default="bookworm", show_default=True)
@click.option("--pid1", type=click.Choice(["systemd", "other"]), default="systemd", show_default=True)
@click.option("--base", default="bare", show_default=True, help="A snapshot, instead of a bare Debian.")
@click.option("--hostname", help="Fully qualified; NAME.lab unless given.")
@click.option("--policy-rc-d", type=int, help="Exit status of an operator's policy-rc.d.")
@click.option("--memory", type=int, help="Limit of the whole machine, MiB.")
@click.option("--disk", type=int, help="Size of the writable disk, MiB.")
def make(
    name: str,
    suite: str,
    pid1: str,
    base: str,
    hostname: str | None,
    policy_rc_d: int | None,
    memory: int | None,
    disk: int | None,
) -> None:
    """Make a fresh machine and boot it."""
    limit = None if memory is None else memory * 1024 * 1024
    machine = _network().machine(name, suite, pid1, base, hostname, policy_rc_d, limit, disk)
    click.echo(f"{name} {machine.ipv4} {machine.ipv6} {machine.state()}")


def _become(machine: Machine, command: list[str], user: str | None) -> None:
    call = machine.argv(command, {"TERM": os.environ.get("TERM", "dumb")}, user)
    os.execvpe(call.argv[0], call.argv, call.env)  # noqa: S606


@main.command("exec", context_settings={"ignore_unknown_options": True})
@click.option("--user", help="A user of the machine, instead of root.")
@click.argument("name")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(name: str, command: tuple[str, ...], user: str | None) -> None:
    """Run COMMAND in a machine, with this stdin and stdout: exec NAME -- COMMAND..."""
    _become(_machine(name), list(command), user)


@main.command()
@click.argument("name")
def shell(name: str) -> None:
    """Open a shell in a machine."""
    _become(_machine(name), ["/bin/bash", "-l"], None)


@main.command()
@click.argument("name")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target")
def put(name: str, source: Path, target: str) -> None:
    """Copy a file or folder SOURCE of the host to the path TARGET of a machine."""
    _machine(name).put(source, target)


@main.command()
@click.argument("name")
@click.argument("source")
@click.argument("target", type=click.Path(path_type=Path))
def get(name: str, source: str, target: Path) -> None:
    """Copy the file SOURCE of a machine to TARGET on the host."""
    _machine(name).get(source, target)


@main.command()
@click.argument("name")
@click.argument("snapshot_name", metavar="SNAPSHOT")
def snapshot(name: str, snapshot_name: str) -> None:
    """Keep a machine's disk as SNAPSHOT, for --base; a running machine is rebooted for it."""
    _machine(name).snapshot(snapshot_name)


@main.command()
@click.argument("suite", type=click.Choice(SUITES))
@click.argument("snapshot_name", metavar="SNAPSHOT")
def forget(suite: str, snapshot_name: str) -> None:
    """Remove a snapshot; its space is freed by gc when no machine stands on it."""
    layers.forget(suite, snapshot_name)


@main.command("list")
def list_machines() -> None:
    """All machines of all networks, then the snapshots."""
    for path in sorted(RUN.glob("*/machines/*/machine.json")):
        machine = Machine.load(path.parent)
        spec = machine.spec
        place = spec.name if spec.network == DEV else f"{spec.network}/{spec.name}"
        state = "on" if machine.is_on() else "off"
        click.echo(f"{place} {state} {spec.suite} {spec.pid1} {spec.ipv4} {spec.ipv6} {spec.hostname}")
    for path in sorted(layers.SNAPSHOTS.glob("*/*/layers.json")):
        click.echo(f"snapshot {path.parent.parent.name} {path.parent.name}")


@main.command()
@click.argument("name")
def console(name: str) -> None:
    """What a machine wrote to its console."""
    click.echo(_machine(name).console())


@main.command()
@click.argument("name")
def kill(name: str) -> None:
    """Cut a machine's power (SIGKILL to all of it)."""
    _machine(name).power_cut()


@main.command()
@click.argument("name")
def off(name: str) -> None:
    """Shut a machine down cleanly."""
    _machine(name).power_off()


@main.command()
@click.argument("name")
def boot(name: str) -> None:
    """Boot a machine that is off, from its disk as it is."""
    _machine(name).boot()


@main.command()
@click.argument("names", nargs=-1, required=True)
def destroy(names: tuple[str, ...]) -> None:
    """Cut machines' power and remove all of them."""
    for name in names:
        _machine(name).destroy()


@main.group()
def dns() -> None:
    """The names of the network: zones, reverse names, look-ups."""


@dns.command("set")
@click.argument("zone")
@click.argument("records", type=click.File("r"))
def dns_set(zone: str, records: TextIO) -> None:
    """Put ZONE in place, from the master file RECORDS (- for stdin; SOA and NS not needed)."""
    _network().dns.set_zone(zone, records.read())


@dns.command("remove")
@click.argument("zone")
def dns_remove(zone: str) -> None:
    """Remove ZONE."""
    _network().dns.remove_zone(zone)


@dns.command("ptr")
@click.argument("address")
@click.argument("name", required=False)
def dns_ptr(address: str, name: str | None) -> None:
    """Let ADDRESS have the reverse name NAME, or none."""
    _network().dns.set_ptr(address, name)


@dns.command("show")
def dns_show() -> None:
    """The zones as they were set."""
    for name, text in _network().dns.zones().items():
        click.echo(f"$ORIGIN {name}\n{text}")


@dns.command("lookup")
@click.argument("name")
@click.argument("kind", default="A")
def dns_lookup(name: str, kind: str) -> None:
    """Ask the network's resolver for the records of a NAME."""
    records, validated = _network().dns.lookup(name, kind)
    click.echo("\n".join(records) or "no such record")
    click.echo(f"validated: {'yes' if validated else 'no'}", err=True)


@main.command()
def gc() -> None:
    """Remove what dead runs left, and layers and base trees that nothing stands on."""
    for what in collect_dead() + collect_layers():
        click.echo(f"removed {what}")


@main.command()
def packages() -> None:
    """The Debian packages that the host needs, one a line."""
    click.echo("\n".join(HOST_PACKAGES))
