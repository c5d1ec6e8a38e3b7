"""Its logins, with every kind of hash that such a directory comes to hold, and its aliases."""

from __future__ import annotations

from dataclasses import dataclass

from posthouse.lab import Machine


@dataclass(frozen=True)
class Login:
    """A login: how its password was hashed (`doveadm pw -s`), and whether the {SCHEME} was stored with it."""

    address: str
    password: str
    scheme: str
    marked: bool = True


LOGINS = (
    Login("user@snorl.ax", "first secret", "CRAM-MD5"),
    Login("user2@snorl.ax", "second secret", "BLF-CRYPT"),
    Login("user3@snorl.ax", "third secret", "SHA512-CRYPT"),
    Login("user4@snorl.ax", "fourth secret", "CRAM-MD5", marked=False),
)
ALIASES = (
    ("kim@snorl.ax", "user@snorl.ax"),
    ("sales@snorl.ax", "User2@snorl.ax"),  # somebody typed a capital letter; Postfix does not mind
    ("team@snorl.ax", "user@snorl.ax, user2@snorl.ax"),
    ("friend@snorl.ax", "somebody@elsewhere.example"),
)
MARKS = {"BLF-CRYPT": "CRYPT"}  # what `doveadm pw` calls {BLF-CRYPT} was stored as {CRYPT}, which it is too


def insert(machine: Machine) -> None:
    """Type the rows into psql, as it was done by hand."""
    lines = []
    for login in LOGINS:
        stored = machine.run(["doveadm", "pw", "-s", login.scheme, "-p", login.password]).stdout.strip()
        mark, _, digest = stored.partition("}")
        stored = f"{{{MARKS.get(login.scheme, mark[1:])}}}{digest}" if login.marked else digest
        home = f"snorl.ax/mails/{login.address.partition('@')[0]}"
        lines.append(
            f"INSERT INTO users VALUES ('{login.address}', '{stored}', 'A person', 5000, 5000, '{home}', NULL);"
        )
    lines += [f"INSERT INTO virtual VALUES ('{address}', '{target}');" for address, target in ALIASES]
    machine.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "mails"], input="\n".join(lines), user="postgres")
