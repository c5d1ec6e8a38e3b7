"""The mail store as it is found: one Maildir an account, below /var/mail/vhosts."""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.adoption.dovecot import Dovecot
from posthouse.adoption.postfix import Postfix
from posthouse.adoption.rows import Rows

# The ways to say that the home is the Maildir.
_HOME = ("", "~", "~/", "%h", "%h/", "%{home}", "%{home}/", "maildir++")


def problems(root: Path, postfix: Postfix, dovecot: Dovecot, rows: Rows) -> list[str]:
    """Return what keeps the store from being used as it is."""
    found = []
    if dovecot.driver != "maildir":
        found.append(
            f"Dovecot keeps mail as {dovecot.driver or 'something unknown'}; only a Maildir store is taken over."
            " `dsync` converts it (dovecot-sync(1)); or set up another machine and import the mail by IMAP."
        )
    found += [
        f"Dovecot: {name} = {value}: only a store in which the Maildir is the home itself is taken over (~/)"
        for name, value in dovecot.places.items()
        if value not in _HOME
    ]
    base = postfix.value("virtual_mailbox_base").rstrip("/")
    if base not in ("", str(paths.STORE)):
        found.append(
            f"the store is {base}; move it to {paths.STORE}, or make that a link to it, and say this again"
        )
    for user in rows.users:
        folder = root / str(paths.STORE / path(user.home, user.userid)).lstrip("/")
        if any((folder / name).is_dir() for name in ("mailboxes", "storage", "dbox-Mails")):
            found.append(
                f"{user.userid}: its mail is a dbox, not a Maildir; convert it first (dovecot-sync(1))"
            )
        elif (folder / ".INBOX/cur").is_dir():
            found.append(
                f"{user.userid}: its INBOX is the folder .INBOX; stop Dovecot, move all that is in {folder}/.INBOX one"
                " folder up, set mail_inbox_path = ~/ and start it, or nobody would see that mail"
            )
        elif folder.is_dir() and any(folder.iterdir()) and not (folder / "cur").is_dir():
            found.append(
                f"{user.userid}: there is something in {folder}, and it is no Maildir (no cur in it)"
            )
    return found


def path(home: str | None, userid: str) -> str:
    """Return an account's Maildir, below the store."""
    local, _, domain = userid.partition("@")
    return home or f"{domain}/mails/{local}"
