"""A desk: a machine with the mail programs that Debian has, set up for one account of the server under test."""

from __future__ import annotations

import shlex
from urllib.parse import quote

from tests.machine.server import HOST, USER, Server

from posthouse.lab import Machine, Network, Result

PACKAGES = "mutt neomutt isync curl fetchmail msmtp getmail6 s-nail ca-certificates"
HOME = "/home/kim"
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
MUTT = """\
set my_pass = "$PASSWORD"
set smtp_url = "$SCHEME://$QUOTED@$HOST:$PORT/"
set smtp_pass = $my_pass
set from = "$USER"
set use_envelope_from = yes
set ssl_starttls = yes
set ssl_force_tls = yes
set ssl_ca_certificates_file = "$BUNDLE"
set imap_user = "$USER"
set imap_pass = $my_pass
set folder = "imaps://$HOST/"
set spoolfile = "+INBOX"
set record = "+Sent"
set trash = "+Trash"
set postponed = "+Drafts"
set delete = yes
set move = no
set wait_key = no
set pipe_decode = no
set header_cache = ""
set imap_qresync = yes
"""
MBSYNC = """\
IMAPAccount s
Host $HOST
User $USER
Pass "$PASSWORD"
$TLS IMAPS
CertificateFile $BUNDLE

IMAPStore far
Account s

MaildirStore near
Path ~/mbsync/
Inbox ~/mbsync/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Near
Sync All
SyncState *
"""
FETCHMAIL = """\
poll $HOST protocol $PROTOCOL service $PORT
  user "$USER" password "$PASSWORD" ssl sslcertck sslcertfile "$BUNDLE"
  keep fetchall mda "cat >>$HOME/fetched-$PROTOCOL"
"""
GETMAIL = """\
[retriever]
type = Simple$KINDSSLRetriever
server = $HOST
username = $USER
password = $PASSWORD
ca_certs = $BUNDLE

[destination]
type = Mboxrd
path = ~/got-$KIND

[options]
read_all = true
delete = false
"""
MSMTP = """\
defaults
auth $MECHANISM
tls on
tls_trust_file $BUNDLE
account default
host $HOST
port $PORT
tls_starttls $STARTTLS
from $USER
user $USER
password $PASSWORD
"""
S_NAIL = """\
set v15-compat
set from=$USER
set mta=$SCHEME://$QUOTED:$PASSWORD@$HOST:$PORT
set smtp-auth=$MECHANISM
set smtp-use-starttls
set tls-verify=strict
set tls-ca-file=$BUNDLE
set tls-ca-no-defaults
set sendwait
"""


class Desk:
    """The machine, and its programs' settings. `password` is an app password."""

    def __init__(self, net: Network, server: Server, password: str) -> None:
        self.suite = server.machine.spec.suite
        self.password = password
        self.machine: Machine = net.machine(f"desk-{self.suite}", self.suite, "other")
        install = f"apt-get update -qq && apt-get install -qq -y --no-install-recommends {PACKAGES}"
        self.machine.run(f"DEBIAN_FRONTEND=noninteractive sh -c '{install}'", timeout=1200)
        certificate = server.machine.read("/var/lib/posthouse/tls/fullchain.pem")
        self.machine.write("/usr/local/share/ca-certificates/server.crt", certificate)
        self.machine.run("update-ca-certificates && useradd -m kim && install -d -o kim /home/kim/mbsync")
        hosts = self.machine.read("/etc/hosts") + f"{server.address} {HOST}\n"
        self.machine.write("/etc/hosts", hosts)

    def write(self, name: str, template: str, **values: str) -> str:
        """Write a file of settings that only its owner may read, and return its path."""
        values = {
            "HOST": HOST,
            "USER": USER,
            "QUOTED": quote(USER, safe=""),
            "PASSWORD": self.password,
            "BUNDLE": BUNDLE,
            "HOME": HOME,
            **values,
        }
        for key in sorted(values, key=len, reverse=True):
            template = template.replace(f"${key}", values[key])
        self.machine.write(f"{HOME}/{name}", template)
        self.machine.run(["chown", "kim", f"{HOME}/{name}"])
        self.machine.run(["chmod", "600", f"{HOME}/{name}"])
        return f"{HOME}/{name}"

    def run(self, command: str, input: str = "", terminal: bool = False) -> Result:
        """Run a program as kim, at a terminal of 200 columns where it wants one."""
        if terminal:
            command = f"script -qec {shlex.quote('stty cols 200 rows 50; ' + command)} /dev/null"
        line = f"export HOME={HOME} LOGNAME=kim USER=kim TERM=xterm LC_ALL=C.UTF-8; cd; {command}"
        return self.machine.run(["setpriv", "--reuid=kim", "--regid=kim", "--init-groups", "sh", "-c", line],
                                input=input, timeout=180)  # fmt: skip

    def read(self, name: str) -> str:
        """What a program wrote."""
        return self.machine.run(["cat", f"{HOME}/{name}"], check=False).stdout

    def destroy(self) -> None:
        """Leave nothing."""
        self.machine.destroy()
