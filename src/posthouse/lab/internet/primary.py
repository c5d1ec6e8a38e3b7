"""A domain's own name server, which takes dynamic updates (RFC 2136) from who has its key: Knot DNS."""

from __future__ import annotations

import base64
import secrets
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from posthouse.lab.cgroup import Cgroup
from posthouse.lab.errors import LabError
from posthouse.lab.internet.host import Host
from posthouse.lab.wait import until

KEY = "posthouse"
_CONFIGURATION = """\
server:
  listen: [ "{v4}@53", "{v6}@53" ]
  rundir: "{folder}"
database:
  storage: "{folder}"
log:
  - target: "{folder}/knot.log"
    any: info
key:
  - id: "{key}"
    algorithm: hmac-sha256
    secret: "{secret}"
acl:
  - id: updates
    key: "{key}"
    action: update
zone:
  - domain: "{domain}"
    storage: "{folder}"
    file: "zone"
    acl: updates
"""


@dataclass
class Primary:
    """Answers for `domain` as `ns.DOMAIN`; `secret` is its key's, in Base64."""

    host: Host
    domain: str
    secret: str
    folder: Path

    @classmethod
    def of(cls, host: Host, domain: str, records: Iterable[str]) -> Primary:
        """Start it with these lines of a master file beside its SOA and NS; the domain is delegated to it.

        Raises:
            LabError: it ended; its log says why.
        """
        folder = Path(tempfile.mkdtemp(prefix="posthouse-knot-"))
        secret = base64.b64encode(secrets.token_bytes(32)).decode()
        text = _CONFIGURATION.format(
            v4=host.ipv4, v6=host.ipv6, folder=folder, key=KEY, secret=secret, domain=domain
        )
        (folder / "knot.conf").write_text(text)
        head = [
            f"$ORIGIN {domain}.",
            "$TTL 1",
            "@ SOA ns hostmaster 1 3600 600 86400 1",
            "@ NS ns",
            f"ns A {host.ipv4}",
            f"ns AAAA {host.ipv6}",
        ]
        (folder / "zone").write_text("\n".join([*head, *records, ""]))
        primary = cls(host, domain, secret, folder)
        primary._start()
        host.net.dns.delegate(domain, (host.ipv4, host.ipv6))
        return primary

    def _start(self) -> None:
        join = 'echo $$ >"$1"; shift; exec "$@"'
        group = str(Cgroup(self.host.net.name, ".dns").entries("exec")[0])  # ends with the network
        command = [
            "ip",
            "netns",
            "exec",
            self.host.net.gateway,
            "knotd",
            "-c",
            str(self.folder / "knot.conf"),
        ]
        process = subprocess.Popen(
            ["sh", "-ec", join, "sh", group, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def stop() -> None:
            process.terminate()
            process.wait()

        self.host.on_stop(stop)

        def answers() -> bool:
            if process.poll() is not None:
                log = self.folder / "knot.log"
                raise LabError(
                    f"knotd ended with {process.returncode}: {log.read_text() if log.exists() else ''}"
                )
            return self.host.answers(53)

        until(answers, 30, "knotd to answer")
