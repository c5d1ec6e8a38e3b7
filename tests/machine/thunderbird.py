"""Debian's Thunderbird on a machine of its own, as a user of it has it who trusts one authority more."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.machine.marionette import Failed, Marionette

from posthouse.lab import Machine, Network
from posthouse.lab.errors import LabError
from posthouse.lab.wait import until

_STEPS = (Path(__file__).parent / "clients/thunderbird.js").read_text()
_HOME = "/home/kim"
_POLICIES = "/etc/thunderbird/policies"  # as an administrator sets them for everybody
_LOG = f"MOZ_LOG=sync,IMAP:4 MOZ_LOG_FILE={_HOME}/imap"  # it leaves logins out of it
_START = f"exec env {_LOG} thunderbird --headless --marionette --remote-allow-system-access --profile {_HOME}/profile"


class Thunderbird:
    """The machine and the program, which runs with a fresh profile. `pictures`: where its window is kept on failure."""

    def __init__(self, net: Network, suite: str, authority: str, pictures: Path) -> None:
        self.machine: Machine = net.machine(f"thunderbird-{suite}", suite, "other")
        self._pictures = pictures
        install = "apt-get update -qq && apt-get install -qq -y --no-install-recommends thunderbird"
        self.machine.run(f"DEBIAN_FRONTEND=noninteractive sh -c '{install}'", timeout=1800)
        self.machine.run(f"useradd -m kim && install -d -o kim {_HOME}/profile && mkdir -p {_POLICIES}")
        self.machine.write(f"{_POLICIES}/authority.pem", authority)
        policies = {"Certificates": {"Install": [f"{_POLICIES}/authority.pem"]}, "DisableAppUpdate": True}
        self.machine.write(f"{_POLICIES}/policies.json", json.dumps({"policies": policies}))
        line = f"export HOME={_HOME} LC_ALL=C.UTF-8; cd; {_START} >{_HOME}/log 2>&1"
        as_kim = ["setpriv", "--reuid=kim", "--regid=kim", "--init-groups", "sh", "-c", line]
        self._running = self.machine.start(as_kim)
        self._session = until(self._connected, 120, "Thunderbird to listen")

    def _connected(self) -> Marionette | None:
        with suppress(OSError):
            return Marionette(self.machine)
        return None

    def do(self, steps: str, *given: object) -> Any:
        """Take steps (tests/machine/clients/thunderbird.js) and return the last one's value."""
        try:
            return self._session.script(f"{_STEPS}\n{steps}", *given)
        except Failed as error:
            picture = self._pictures / "thunderbird.png"
            picture.write_bytes(self._session.screenshot())
            raise Failed(f"{steps}\n{error}\nits window: {picture}") from None

    def commands(self) -> list[str]:
        """What it said to IMAP servers, by its own log, without the tags."""
        lines = self.machine.run(f"cat {_HOME}/imap.moz_log", check=False).raw.decode(errors="replace")
        said = (line.partition("SendData: ")[2] for line in lines.splitlines() if "SendData: " in line)
        return [command for _, _, command in (line.partition(" ") for line in said) if command]

    def destroy(self) -> None:
        """Leave nothing."""
        self._session.close()
        with suppress(LabError):
            self._running.kill_all()
        self.machine.destroy()
