"""The mail store as it is found: one Maildir an account, below /var/mail/vhosts."""

from __future__ import annotations

from pathlib import Path

from posthouse import paths
from posthouse.adoption.dovecot import Dovecot
from posthouse.adoption.postfix import Postfix
from posthouse.adoption.rows import Rows


def problems(root: Path, postfix: Postfix, dovecot: Dovecot, rows: Rows) -> list[str]:
    """Return what keeps the store from being used as it is."""
    found = []
    if dovecot.driver != "maildir":
        found.append(
            f"Dovecot keeps mail as {dovecot.driver or 'something unknown'}; only a Maildir store is taken over."
            " `dsync` converts it (dovecot-sync(1)); or set up another machine and import the mail by IMAP."
        )
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
    return found


def path(home: str | None, userid: str) -> str:
    """Return an account's Maildir, below the store."""
    local, _, domain = userid.partition("@")
    return home or f"{domain}/mails/{local}"
