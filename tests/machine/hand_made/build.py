"""Build the hand-made server on a fresh machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.machine.hand_made import accounts
from tests.machine.server import HOST

from posthouse import lab
from posthouse.lab import Machine, Network
from posthouse.lab.lock import locked
from posthouse.lab.paths import RUN

HERE = Path(__file__).parent
SCRIPTS = ("packages.sh", "set_up.sh", "certificate.sh", "mails.sql")


def parts() -> list[Path]:
    """Everything that the machine is built from, for the digest of its snapshot."""
    return sorted(path for path in HERE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def build(machine: Machine) -> None:
    """Make a bare Debian the hand-made mail server, with its accounts and no mail yet."""
    machine.run(["sh", "-s"], input=(HERE / "packages.sh").read_bytes(), timeout=1200)
    suite = HERE / "files" / machine.spec.suite
    for tree in (HERE / "files/common", suite):
        for file in sorted(path for path in tree.rglob("*") if path.is_file()):
            machine.write(f"/{file.relative_to(tree)}", file.read_bytes())
    machine.write("/root/mails.sql", (HERE / "mails.sql").read_bytes())
    machine.write("/root/certificate.sh", (HERE / "certificate.sh").read_bytes(), 0o755)
    machine.run(["sh", "-s"], input=(HERE / "set_up.sh").read_bytes())
    accounts.insert(machine)


def snapshot(net: Network, suite: str) -> str:
    """The name of a snapshot of the hand-made server, made where it is not there."""
    digest = hashlib.sha256()
    for part in parts():
        digest.update(part.read_bytes())
    name = f"hand-made-{digest.hexdigest()[:12]}"
    with locked(RUN / f"hand-made-{suite}.lock"):
        if not lab.has_snapshot(suite, name):
            machine = net.machine(f"build-{suite}", suite, hostname=HOST)
            build(machine)
            machine.snapshot(name)
            machine.destroy()
    return name


def dkim_record(machine: Machine) -> str:
    """The TXT record that its operator published, as a line of a zone."""
    text = machine.read("/etc/opendkim/keys/202611.txt")
    strings = text.partition("(")[2].partition(")")[0]
    return f"202611._domainkey.snorl.ax. 60 IN TXT ( {strings} )"
