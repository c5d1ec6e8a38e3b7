"""Who else is on the internet: the hosts that a mail server meets, each with its addresses, names and habits.

with Network("story") as net, Internet(net) as internet:
    provider = internet.provider("bigmail.example")
    ann = internet.sender("honest.example")
    ann.send(to="user@snorl.ax", server=server.ipv4)
    verdict = provider.verdict("a subject")

Every host has an IPv4 and an IPv6 address of the network, which filters take for public ones, and speaks from
both. Nothing here shares code with the filters that it judges, or that judge it.
"""

from posthouse.lab.internet.authority import Authority
from posthouse.lab.internet.blocklist import BlockList, Habit
from posthouse.lab.internet.forwarder import Forwarder, as_a_list, tampered
from posthouse.lab.internet.host import Host
from posthouse.lab.internet.internet import Internet
from posthouse.lab.internet.pebble import Pebble
from posthouse.lab.internet.powerdns import PowerDns
from posthouse.lab.internet.primary import Primary
from posthouse.lab.internet.provider import Provider, Received
from posthouse.lab.internet.relay import Relay
from posthouse.lab.internet.sender import Sender
from posthouse.lab.internet.verdict import Verdict

__all__ = [
    "Authority",
    "BlockList",
    "Forwarder",
    "Habit",
    "Host",
    "Internet",
    "Pebble",
    "PowerDns",
    "Primary",
    "Provider",
    "Received",
    "Relay",
    "Sender",
    "Verdict",
    "as_a_list",
    "tampered",
]
