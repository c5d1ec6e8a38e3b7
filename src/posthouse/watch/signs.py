r"""What a line of the mail log says of a client's address: pure, and written for lines that strangers wrote.

A client chooses its user names, HELO and addresses, and Postfix and Dovecot quote them. So the address is taken only
from where the daemon itself wrote it: right after the fixed words at the start of Postfix's lines (a client's host name
holds no bracket there, since Postfix checks it: valid_hostname.c), and from the *last* `rip=` of Dovecot's login
processes, which stands after the user's name. In lines of Dovecot's auth processes the name holds nothing but
`auth_username_chars`, none of which could end it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

from posthouse.mailflow.log import Line

Address = IPv4Address | IPv6Address
Kind = Literal["auth", "login", "relay", "recipient", "slow", "good"]

_IP = r"([0-9A-Fa-f.:]{2,45})"
_CLIENT = rf"[A-Za-z0-9._-]+\[{_IP}\]"
_SASL = re.compile(
    rf"warning: {_CLIENT}: SASL [A-Za-z0-9-]+ authentication failed(?:.*, sasl_username=(\S*)\Z)?", re.DOTALL
)
# Dovecot could not be asked: the client was told to try again (454), and does.
_NOT_ASKED = "authentication failed: (reason unavailable), sasl_username=(unavailable)"
_NO_LOGIN = re.compile(rf"NOQUEUE: milter-reject: MAIL from {_CLIENT}: 530 5\.7\.0 ")
_RCPT = re.compile(
    rf"(?:NOQUEUE|[0-9A-Za-z]{{6,20}}): reject: RCPT from {_CLIENT}: (\d{{3}}) (\d\.\d+\.\d+) <(.*)",
    re.DOTALL,
)
# before a login or a message: who is slow there, or silent, only keeps a place
_SLOW = re.compile(rf"(?:NOQUEUE: )?timeout after (?:CONNECT|HELO|EHLO|STARTTLS|UNKNOWN) from {_CLIENT}\Z")
_SUBMITTED = re.compile(
    rf"[0-9A-Za-z]{{6,20}}: client={_CLIENT}, sasl_method=[A-Z0-9-]+, sasl_username=(\S+)\Z"
)
_GOOD = re.compile(rf"(?:Info: )?(?:Login|Logged in): user=<([^<>]*)>, .*\brip={_IP}, lip=", re.DOTALL)
_FAILED = re.compile(
    rf"[^<]*\(auth failed, (\d{{1,4}}) attempts[^<]*user=<(.*)>, .*\brip={_IP}, lip=", re.DOTALL
)
# Dovecot 2.3 names the client in the text, 2.4 before it.
_AUTH_23 = re.compile(
    r"(?:(?:Info|Error): )?(?:conn unix:auth-worker \(pid=\d+,uid=\d+\): auth-worker<\d+>: )?"
    rf"[a-z0-9_-]+\(([^(),]*),{_IP}(?:,<[^<>()]*>)?\): (.*)",
    re.DOTALL,
)
_CLIENT_24 = re.compile(rf"\(([^(),]*),{_IP}(?:,[^()]*)?\)")
# In supervisor's files 2.4 has the level behind the request's number.
_AUTH_24 = re.compile(r"(?:Info: )?(?:request \[\d+\]: )?(?:Info: )?(?:Error|[a-z0-9_-]+): (.*)", re.DOTALL)
_WRONG = re.compile(
    r"password mismatch|unknown user|user not found|username character disallowed"
    # offered by an override, and no passdb has such credentials
    r"|all password databases were skipped",
    re.IGNORECASE,
)
_MARK = re.compile(r" \((?:SHA1 of )?given password: ([0-9a-f]{1,40})\)(?: - trying the next passdb)?\Z")
_MOST_ATTEMPTS = 100  # that one line can count for


@dataclass(frozen=True)
class Sign:
    """Something that an address did.

    Kinds: `auth`, a wrong password as Dovecot's auth process saw it, with `mark`, which tells wrong passwords apart,
    where there is one (CRAM-MD5 and SCRAM hide the password); `login`, `weight` failures as the daemon in front saw
    them (the same ones again); `relay`, an attempt to relay; `recipient`, an address that is not here (`mark`);
    `slow`, a connection that said nothing in time; `good`, a login of `user`.
    """

    when: float
    address: Address
    kind: Kind
    text: str
    user: str = ""
    mark: str = ""
    weight: int = 1


def read(line: Line) -> Sign | None:
    """Return what a line says; None where that is nothing of an address."""
    if line.service == "postfix":
        return _postfix(line) if line.process in ("smtpd", "postscreen") else None
    if line.service != "dovecot":
        return None
    if line.process.endswith("-login"):
        return _login(line)
    return _auth(line) if line.process in ("auth", "auth-worker") else None


def _postfix(line: Line) -> Sign | None:
    if found := _SASL.match(line.text):
        if line.text.endswith(_NOT_ASKED):
            return None
        return _sign(line, found[1], "login", found[2] or "")
    if found := _NO_LOGIN.match(line.text):
        return _sign(line, found[1], "relay")
    if found := _SLOW.match(line.text):
        return _sign(line, found[1], "slow")
    if found := _SUBMITTED.match(line.text):
        return _sign(line, found[1], "good", found[2])
    found = _RCPT.match(line.text)
    if found is None:
        return None
    code, said = (found[2], found[3]), found[4]
    if code == ("550", "5.1.1"):
        return _sign(line, found[1], "recipient", mark=said.partition(">: ")[0].lower()[:320])
    if code == ("554", "5.7.1") and ("Relay access denied" in said or "Client host rejected" in said):
        return _sign(line, found[1], "relay")
    return None


def _login(line: Line) -> Sign | None:
    if found := _GOOD.match(line.text):
        return _sign(line, found[2], "good", found[1])
    if found := _FAILED.match(line.text):
        return _sign(line, found[3], "login", found[2], weight=min(int(found[1]), _MOST_ATTEMPTS))
    return None


def _auth(line: Line) -> Sign | None:
    if client := _CLIENT_24.fullmatch(line.subject):
        found = _AUTH_24.match(line.text)
        said = found[1] if found else ""
    else:
        client = _AUTH_23.match(line.text)
        said = client[3] if client else ""
    if client is None or not (wrong := _WRONG.match(said)):
        return None
    mark = _MARK.match(said, wrong.end())
    return _sign(line, client[2], "auth", client[1], mark[1] if mark else "")


def _sign(
    line: Line, address: str, kind: Kind, user: str = "", mark: str = "", weight: int = 1
) -> Sign | None:
    try:
        found: Address = ip_address(address)
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    text = f"{line.service}/{line.process}: {line.text}"[:400]
    return Sign(line.when, found, kind, text, user.lower()[:320], mark, weight)
