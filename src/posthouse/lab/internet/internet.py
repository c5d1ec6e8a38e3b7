"""The hosts of one network, given their addresses and names one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from posthouse.lab import netns
from posthouse.lab.errors import LabError
from posthouse.lab.internet.authority import Authority
from posthouse.lab.internet.blocklist import BlockList, Habit
from posthouse.lab.internet.forwarder import Change, Forwarder
from posthouse.lab.internet.host import Host
from posthouse.lab.internet.primary import Primary
from posthouse.lab.internet.provider import Provider
from posthouse.lab.internet.relay import Relay
from posthouse.lab.internet.sender import Sender
from posthouse.lab.lock import locked
from posthouse.lab.network import Network

_MOST = 253  # hosts, each with a number in 198.19.INDEX.0/24 beside the machines' 198.18.INDEX.0/24


class Internet:
    """Everybody else; a context manager that stops them all."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self._hosts: list[Host] = []
        self._folder = tempfile.TemporaryDirectory(prefix="posthouse-internet-")
        self.authority = Authority(Path(self._folder.name))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for host in self._hosts:
            host.stop()
        self._folder.cleanup()

    def host(self, name: str, *, reverse: bool = True) -> Host:
        """Put a host on the network. Its forward names are the matter of the zone that `name` is in."""
        with locked(self.net.folder / "internet.lock"):
            number = self._next_number()
            host = Host(self.net, name, f"198.19.{self.net.index}.{number}", self.net.v6(1000 + number))
            lines = [f"address add {host.ipv4}/32 dev br0", f"address add {host.ipv6}/128 dev br0 nodad"]
            netns.batch(self.net.gateway, lines)
        self._hosts.append(host)
        if reverse:
            self.net.dns.set_reverse({host.ipv4: name, host.ipv6: name})
        return host

    def _next_number(self) -> int:
        path = self.net.folder / "internet.number"
        number = int(path.read_text()) + 1 if path.exists() else 1
        if number > _MOST:
            raise LabError(f"a network has room for {_MOST} hosts of the internet")
        path.write_text(str(number))
        return number

    def sender(self, domain: str, *, spf: str | None = None, policy: str | None = "reject") -> Sender:
        """A domain that sends mail from one host and does all it should, unless told otherwise (`Sender.of`)."""
        return Sender.of(self.host(f"mail.{domain}"), domain, spf=spf, policy=policy)

    def provider(
        self, domain: str, *, named: str | None = None, tls: bool = True, smtputf8: bool = False
    ) -> Provider:
        """A large provider that receives mail for a domain and judges it strictly (`Provider.of`)."""
        host = self.host(f"mx.{domain}")
        return Provider.of(host, domain, self.authority, named=named, tls=tls, smtputf8=smtputf8)

    def forwarder(self, domain: str, to: str, server: str, change: Change = bytes) -> Forwarder:
        """A domain whose mail goes on to an address at a server, with what `change` makes of it."""
        forwarder = Forwarder(self.host(f"mx.{domain}"), domain, to, server, change)
        forwarder.publish()
        forwarder.serve(self.authority)
        return forwarder

    def primary(self, domain: str, records: Iterable[str] = ()) -> Primary:
        """A domain's own name server, which takes dynamic updates."""
        return Primary.of(self.host(f"ns.{domain}"), domain, records)

    def mailbox(self, sender: Sender, smtputf8: bool = False) -> Forwarder:
        """What comes back to a sender's domain."""
        mailbox = Forwarder(sender.host, sender.domain)
        mailbox.serve(self.authority, smtputf8)
        return mailbox

    def relay(self, name: str, logins: dict[str, str], *, named: str | None = None) -> Relay:
        """A smart host with logins and their passwords; `named`: the name that its certificate has instead."""
        return Relay.of(self.host(name), logins, self.authority, named=named)

    def blocklist(self, zone: str, habit: Habit = Habit.ANSWERS) -> BlockList:
        """A DNS block list."""
        return BlockList(self.net, zone, habit)
