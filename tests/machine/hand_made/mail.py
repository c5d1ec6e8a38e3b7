"""Its mail: mailboxes with folders, flags, keywords and gaps among the UIDs, and mail that waits in the queue."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from imapclient import IMAPClient
from tests.machine.hand_made.accounts import LOGINS
from tests.machine.server import DOMAIN, Server, awaited, letter

FOLDERS = ("Junk", "Archive", "Archive.2024", "Entwürfe & Co", "Unsubscribed")
UNSUBSCRIBED = FOLDERS[-1]
PASSWORDS = {login.address: login.password for login in LOGINS}


@dataclass(frozen=True)
class Folder:
    """All that a client may remember of a folder: flags and size by UID."""

    uidvalidity: int
    uidnext: int
    messages: dict[int, tuple[tuple[str, ...], int, str]]


def fill(server: Server) -> None:
    """Give every login its folders and mails, by IMAP, as its mail program did."""
    for address, password in PASSWORDS.items():
        with server.imap(address, password) as client:
            for folder in FOLDERS:
                client.create_folder(folder)
                if folder != UNSUBSCRIBED:
                    client.subscribe_folder(folder)
            for folder in ("INBOX", *FOLDERS):
                _fill(client, folder, address)


def _fill(client: IMAPClient, folder: str, address: str) -> None:
    flags = ([b"\\Seen"], [b"\\Seen", b"\\Answered", b"work"], [], [b"\\Flagged", b"$Label1"], [b"\\Draft"])
    for number, given in enumerate(flags):
        client.append(folder, letter(to=address, text=f"Number {number}.\n").as_bytes(), given)
    client.select_folder(folder)
    client.delete_messages([client.search()[2]])
    client.expunge()
    client.unselect_folder()


def photograph(server: Server, address: str) -> tuple[dict[str, Folder], set[str]]:
    """Return every folder of a login, and the names that it subscribes to."""
    with server.imap(address, PASSWORDS[address]) as client:
        folders = {}
        for _, _, name in client.list_folders():
            status = client.select_folder(name, readonly=True)
            asked = ["FLAGS", "RFC822.SIZE", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"]
            uids = client.search()
            data = client.fetch(uids, asked) if uids else {}
            messages = {
                uid: (
                    tuple(sorted(flag.decode() for flag in row[b"FLAGS"] if flag != b"\\Recent")),
                    row[b"RFC822.SIZE"],
                    row[b"BODY[HEADER.FIELDS (MESSAGE-ID)]"].decode().strip(),
                )
                for uid, row in data.items()
            }
            folders[name] = Folder(status[b"UIDVALIDITY"], status[b"UIDNEXT"], messages)
        return folders, {name for _, _, name in client.list_sub_folders()}


def leave_in_queue(server: Server) -> dict[str, str]:
    """Leave mail waiting: to us, which this server cannot deliver, and to a host that is away. Subject to queue id.

    Its pipe takes one recipient at a time, and is given two: accepted, and never delivered.
    """
    to_us = server.send(letter(to=f"user@{DOMAIN}"), to=[f"user@{DOMAIN}", f"user2@{DOMAIN}"])
    away = letter(sender=f"user2@{DOMAIN}", to="somebody@away.example")
    with server.smtp(587, f"user2@{DOMAIN}", PASSWORDS[f"user2@{DOMAIN}"]) as client:
        client.send_message(away)
        client.quit()
    awaited(lambda: len(_waiting(server)) >= 2, "both messages to wait in the queue")
    ids = {to["address"]: entry["queue_id"] for entry in _waiting(server) for to in entry["recipients"]}
    return {to_us: ids[f"user@{DOMAIN}"], str(away["Subject"]): ids["somebody@away.example"]}


def _waiting(server: Server) -> list[dict[str, Any]]:
    return [entry for line in server.queue() if (entry := json.loads(line))["queue_name"] == "deferred"]
