"""A foreign mail server: another machine with a Dovecot that Posthouse has nothing to do with."""

from __future__ import annotations

import hashlib
import imaplib
import re
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from posthouse.lab import Machine, Network
from posthouse.lab.wait import until

NAME = "old.example"
PASSWORD = 'foreign % "pass" Wörd'
_COMMON = """
protocols = imap
log_path = /var/log/foreign.log
first_valid_uid = 1
service imap-login {
  inet_listener imap {
    port = 143
  }
  inet_listener imaps {
    port = 993
    ssl = yes
  }
}
"""
_SPECIAL = """
  mailbox "Sent Items" {
    auto = subscribe
    special_use = \\Sent
  }
"""
_23 = """
ssl = yes
ssl_cert = </root/foreign.crt
ssl_key = </root/foreign.key
mail_location = maildir:/srv/mail/%n:LAYOUT=fs
mail_home = /srv/home/%n
mail_uid = mail
mail_gid = mail
passdb {
  driver = passwd-file
  args = /root/foreign.users
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/srv/home/%n
}
"""
_24 = """
ssl = yes
ssl_server_cert_file = /root/foreign.crt
ssl_server_key_file = /root/foreign.key
mail_driver = maildir
mail_path = /srv/mail/%{user | username}
mailbox_list_layout = fs
mail_home = /srv/home/%{user | username}
mail_uid = mail
mail_gid = mail
passdb passwd-file {
  passwd_file_path = /root/foreign.users
}
userdb static {
  fields {
    uid = mail
    gid = mail
    home = /srv/home/%{user | username}
  }
}
"""

Content = Counter[tuple[str, tuple[str, ...], int]]


class Foreign:
    """The machine, its certificate, and IMAP as somebody who wrote none of Posthouse would speak it."""

    def __init__(self, machine: Machine, net: Network, suite: str) -> None:
        self.machine = machine
        self.net = net
        head = (
            "" if suite == "bookworm" else "dovecot_config_version = 2.4.1\ndovecot_storage_version = 2.4.1\n"
        )
        body = _23 if suite == "bookworm" else _24
        space = "namespace inbox {\n  inbox = yes\n  prefix = INBOX/\n  separator = /\n" + _SPECIAL + "}\n"
        machine.write("/root/foreign.conf", head + _COMMON + body + space)
        machine.write("/root/foreign.users", f"ann:{{PLAIN}}{PASSWORD}\nbob:{{PLAIN}}{PASSWORD}\n")
        machine.run(
            "mkdir -p /srv/mail /srv/home && chown mail:mail /srv/mail /srv/home && chmod 644 /root/foreign.* &&"
            " chmod 711 /root && openssl req -x509 -newkey rsa:2048 -nodes -days 9 -keyout /root/foreign.key"
            f" -out /root/foreign.crt -subj /CN={NAME} -addext subjectAltName=DNS:{NAME}"
            " -addext keyUsage=critical,digitalSignature,keyCertSign 2>&1"
        )
        machine.run("systemctl disable --now dovecot.socket dovecot.service 2>/dev/null; true")
        machine.run("/usr/sbin/dovecot -c /root/foreign.conf")
        net.dns.set_zone(NAME, [f"{NAME}. 60 IN A {machine.ipv4}"])
        until(lambda: self._answers(), 30, "the foreign server")

    @property
    def certificate(self) -> str:
        """Its certificate, in PEM form."""
        return self.machine.read("/root/foreign.crt")

    def _answers(self) -> bool:
        try:
            with imap(self.net, self.machine.ipv4, "ann", PASSWORD):
                return True
        except OSError:
            return False

    @contextmanager
    def login(self, user: str = "ann") -> Iterator[imaplib.IMAP4_SSL]:
        """An IMAP session."""
        with imap(self.net, self.machine.ipv4, user, PASSWORD) as client:
            yield client


@contextmanager
def imap(net: Network, address: str, user: str, password: str) -> Iterator[imaplib.IMAP4_SSL]:
    """Python's own IMAP client, logged in."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with net.inside():
        client = imaplib.IMAP4_SSL(address, 993, ssl_context=context, timeout=60)
    try:
        client.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
        yield client
    finally:
        client.shutdown()


def content(client: imaplib.IMAP4_SSL, folder: str) -> Content:
    """What is in a folder: for each message its text's digest, its flags, and its date in seconds."""
    kind, count = client.select(f'"{folder}"', readonly=True)
    assert kind == "OK", folder
    if count == [b"0"]:
        return Counter()
    _, data = client.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")
    found: Content = Counter()
    for part in data:
        if not isinstance(part, tuple):
            continue
        flags = re.search(rb"FLAGS \(([^)]*)\)", part[0])[1].decode().split()  # type: ignore[index]
        date = re.search(rb'INTERNALDATE "([^"]*)"', part[0])[1].decode()  # type: ignore[index]
        when = int(datetime.strptime(date, "%d-%b-%Y %H:%M:%S %z").timestamp())
        digest = hashlib.sha256(part[1].replace(b"\r\n", b"\n")).hexdigest()
        found[digest, tuple(sorted(set(flags) - {"\\Recent"})), when] += 1
    return found
