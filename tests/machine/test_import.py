"""Mail is taken in from a foreign server, from mbox files and from Maildirs: all of it, once, whatever happens."""

from __future__ import annotations

import imaplib
import json
import mailbox
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.conftest import make_machine
from tests.machine.foreign import NAME, PASSWORD, Content, Foreign, content, imap
from tests.machine.grounds import PAIRWISE, GroundCase
from tests.machine.server import DOMAIN, Server, awaited, letter
from tests.machine.server import PASSWORD as OWN

from posthouse.lab import Network

pytestmark = pytest.mark.machine
ANN = f"ann-import@{DOMAIN}"
MANY = 3000
# foreign folder: local folder
FOLDERS = {
    "INBOX": "INBOX",
    "INBOX/Sent Items": "Sent",
    "INBOX/Projects": "Projects",
    "INBOX/Projects/Gr&APYA3w-e &- mehr": "Projects.Gr&APYA3w-e &- mehr",
    "INBOX/v1.2": "v1_2",
    "INBOX/Deleted Items": "Trash",
    "INBOX/Empty": "Empty",
}


@pytest.fixture(scope="module")
def foreign(
    ground: GroundCase, net: Network, archive: Path, server: Server, request: pytest.FixtureRequest
) -> Iterator[Foreign]:
    if ground != PAIRWISE[3] and not request.config.getoption("--full"):
        pytest.skip("one ground is enough for every day; all with --full")
    machine = make_machine(net, GroundCase(ground.suite, "systemd", None), f"old-{ground.name}", archive)
    made = Foreign(machine, net, ground.suite)
    server.posthouse("user", "add", ANN, "--password-stdin", input=OWN + "\n")
    server.machine.write("/root/foreign.pem", made.certificate)
    server.machine.write("/root/foreign.password", PASSWORD + "\n")
    server.run(["chmod", "600", "/root/foreign.password"])
    yield made
    machine.destroy()


def command(*more: str, account: str = ANN, user: str = "ann") -> list[str]:
    login = ["--account", account, "--user", user, "--password-file", "/root/foreign.password"]
    return ["import", "imap", NAME, *login, "--ca-file", "/root/foreign.pem", *more]


def text(number: int, size: int = 300) -> bytes:
    body = f"This is number {number}. Grüße.\r\n".encode() * max(1, size // 32)
    return (
        f"From: a@b.example\r\nSubject: {number}\r\nMessage-ID: <{number}@b.example>\r\n\r\n".encode() + body
    )


def fill(client: imaplib.IMAP4_SSL) -> None:
    """Folders with all that a mailbox can hold."""
    chance = random.Random(1)
    for folder in FOLDERS:
        client.create(f'"{folder}"')
        client.subscribe(f'"{folder}"')
    client.unsubscribe('"INBOX/v1.2"')
    flags = [
        "",
        "\\Seen",
        "\\Seen \\Answered",
        "\\Flagged $Forwarded",
        "\\Draft",
        "\\Deleted",
        "$Label1 NonJunk",
    ]
    for folder in list(FOLDERS)[:-1]:
        for number in range(20):
            when = f'"{chance.randint(10, 28)}-Mar-{chance.randint(1999, 2026)} 0{number % 10}:00:01 +0530"'
            client.append(f'"{folder}"', f"({chance.choice(flags)})", when, text(number))
    client.append("INBOX", "", '"01-Jan-2020 00:00:00 +0000"', text(77))
    client.append("INBOX", "", '"01-Jan-2020 00:00:00 +0000"', text(77))  # twice the same is two
    client.append("INBOX", "", '"02-Jan-2020 00:00:00 +0000"', text(78, 3_000_000))
    client.append(
        "INBOX", "", '"02-Jan-2020 00:00:00 +0000"', b"no header at all\r\n\rX\r\n.\r\n..\r\nFrom x\r\n"
    )
    client.literal = None


def many(foreign: Foreign, folder: str, count: int) -> None:
    """Put many messages into a folder as files, since the Maildir is what it is."""
    place = foreign.machine.root / "srv/mail/ann" / folder
    for part in ("cur", "new", "tmp"):
        (place / part).mkdir(parents=True)
    for number in range(count):
        file = place / f"cur/1600000{number:06}.M1P1.old:2,S"
        file.write_text(f"Subject: many {number}\nMessage-ID: <many{number}@b.example>\n\nText {number}\n")
        os.utime(file, (1_600_000_000 + number, 1_600_000_000 + number))
    foreign.machine.run(["chown", "-R", "mail:mail", "/srv/mail"])


def both(
    server: Server, foreign: Foreign, folders: dict[str, str]
) -> tuple[dict[str, Content], dict[str, Content]]:
    """What an independent client sees on both ends, by the foreign folder's name."""
    with foreign.login() as there, imap(server.net, server.address, ANN, OWN) as here:
        return (
            {name: content(there, name) for name in folders},
            {name: content(here, target) for name, target in folders.items()},
        )


def cut_off(server: Server, store: Path, goal: int) -> bool:
    """Kill an import when so many messages are there, at any moment after; tell whether it was still running."""
    running = server.machine.start(["posthouse", *command()])

    def ready() -> bool:
        return running.popen.poll() is not None or (store.is_dir() and len(list(store.iterdir())) >= goal)

    awaited(ready, "some of it to be here")
    time.sleep(random.random() / 5)  # any moment
    alive = running.popen.poll() is None
    running.kill_all()
    running.wait()
    return alive


def test_what_is_refused(server: Server, foreign: Foreign) -> None:
    trusting = command()
    trusting.remove("--ca-file")
    trusting.remove("/root/foreign.pem")
    refused = server.posthouse(*trusting, check=False)
    assert refused.returncode == 2
    assert "not trusted" in refused.stderr
    server.machine.write("/root/wrong.password", "wrong\n")
    world = command()
    world[world.index("/root/foreign.password")] = "/root/wrong.password"
    refused = server.posthouse(*world, check=False)
    assert refused.returncode == 2
    assert "chmod 600" in refused.stderr
    server.run(["chmod", "600", "/root/wrong.password"])
    refused = server.posthouse(*world, check=False)
    assert refused.returncode == 2
    assert "login is refused" in refused.stderr
    refused = server.posthouse(*command(account=f"nobody-here@{DOMAIN}"), check=False)
    assert refused.returncode == 2
    assert "no account" in refused.stderr


def test_a_mailbox_is_brought_though_it_is_killed_and_nothing_comes_twice(
    server: Server, foreign: Foreign
) -> None:
    with foreign.login() as client:
        fill(client)
    many(foreign, "Many", MANY)
    folders = {**FOLDERS, "INBOX/Many": "Many"}
    planned = json.loads(server.posthouse(*command("--dry-run", "--json")).stdout)[0]
    assert {one["folder"]: one["target"] for one in planned["folders"]}["Sent Items"] == "Sent"
    own = server.send(letter(to=ANN, subject="delivered before"))
    server.find(own, ANN, password=OWN)
    store = server.machine.root / "var/mail/vhosts" / DOMAIN / "mails/ann-import/.Many/cur"
    killed = 0
    for goal in (1, MANY // 4, MANY // 2):
        killed += cut_off(server, store, goal)
    assert killed, "it was never cut off in the middle"
    server.send(letter(to=ANN, subject="delivered between"))
    server.find("delivered between", ANN, password=OWN)
    done = json.loads(server.posthouse(*command("--json")).stdout)[0]
    assert done["ok"]
    there, here = both(server, foreign, folders)
    own_mail = here["INBOX"] - there["INBOX"]
    assert own_mail.total() == 2, "what was delivered meanwhile is there as well"
    here["INBOX"] -= own_mail
    assert here == there
    assert here["INBOX/Many"].total() == MANY
    counts = {one["target"]: (one["there"], one["here"]) for one in done["folders"]}
    assert counts["Many"] == (MANY, MANY)
    assert all(a == b for a, b in counts.values())
    with imap(server.net, server.address, ANN, OWN) as client:
        subscribed = b"\n".join(line for line in client.lsub()[1] if isinstance(line, bytes))
        assert b"Projects.Gr&APYA3w-e &- mehr" in subscribed
        assert b"v1_2" not in subscribed


def test_said_again_it_brings_what_is_new(server: Server, foreign: Foreign) -> None:
    with foreign.login() as client:
        client.select("INBOX")
        client.append("INBOX", "\\Flagged", '"05-Jan-2021 00:00:00 +0000"', text(500))
        client.store("1:3", "+FLAGS", "\\Answered")
        client.store("4", "FLAGS", "()")
        client.select('"INBOX/Projects"')
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()
    said = json.loads(server.posthouse(*command("--json")).stdout)[0]
    assert said["ok"]
    assert sum(one["new"] for one in said["folders"]) == 1
    there, here = both(server, foreign, FOLDERS)
    assert (there["INBOX"] - here["INBOX"]).total() == 0
    assert (here["INBOX/Projects"] - there["INBOX/Projects"]).total() > 0  # what was deleted there stays here
    server.posthouse(*command("--follow"))
    there, here = both(server, foreign, FOLDERS)
    assert here["INBOX/Projects"] == there["INBOX/Projects"]
    again = json.loads(server.posthouse(*command("--json")).stdout)[0]
    assert sum(one["new"] for one in again["folders"]) == 0


def test_a_foreign_server_that_numbers_anew(server: Server, foreign: Foreign) -> None:
    """Its UIDVALIDITY changes: everything is known again by its content."""
    foreign.machine.run("rm -f /srv/mail/ann/Many/dovecot* /srv/mail/ann/dovecot*index*")
    said = json.loads(server.posthouse(*command("--json")).stdout)[0]
    assert said["ok"]
    counts = {one["target"]: (one["there"], one["here"], one["new"]) for one in said["folders"]}
    assert counts["Many"] == (MANY, MANY, 0)


def test_many_accounts_from_a_table(server: Server, foreign: Foreign) -> None:
    with foreign.login("bob") as client:
        client.append("INBOX", "", '"05-Jan-2021 00:00:00 +0000"', text(1))
    bob = f"bob-import@{DOMAIN}"
    server.posthouse("user", "add", bob, "--password-stdin", input=OWN + "\n")
    quoted = PASSWORD.replace('"', '""')
    table = f'account,user,password\n{ANN},ann,"{quoted}"\n{bob},bob,"{quoted}"\n'
    server.machine.write("/root/table.csv", table)
    server.run(["chmod", "600", "/root/table.csv"])
    many = ["import", "imap", NAME, "--accounts", "/root/table.csv", "--ca-file", "/root/foreign.pem"]
    said = json.loads(server.posthouse(*many, "--json").stdout)
    assert [(one["account"], one["ok"]) for one in said] == [(ANN, True), (bob, True)]
    with imap(server.net, server.address, bob, OWN) as client:
        assert content(client, "INBOX").total() == 1


def test_an_mbox_file_and_a_maildir(server: Server, foreign: Foreign, tmp_path: Path) -> None:
    """Files that Python's own library wrote, and the foreign server's own tree."""
    account = f"files-import@{DOMAIN}"
    server.posthouse("user", "add", account, "--password-stdin", input=OWN + "\n")
    box = mailbox.mbox(str(tmp_path / "box"))
    for number in range(50):
        message = mailbox.mboxMessage(text(number).replace(b"\r\n", b"\n") + b"\nFrom here on\n>From there\n")
        message.set_from("a@b.example", time.gmtime(1_500_000_000 + number))
        message.set_flags("RO" if number % 2 else "")
        box.add(message)
    box.close()
    server.machine.put(tmp_path / "box", "/root/box")
    bring = ["import", "mbox", "/root/box", "--account", account, "--folder", "Old/Box", "--json"]
    first, again = (json.loads(server.posthouse(*bring).stdout)[0]["folders"][0] for _ in range(2))
    assert (first["there"], first["here"], first["new"]) == (50, 50, 50)
    assert (again["there"], again["here"], again["new"]) == (50, 50, 0)
    with imap(server.net, server.address, account, OWN) as client:
        found = content(client, "Old.Box")
        assert found.total() == 50
        assert {when for _, _, when in found} == {1_500_000_000 + number for number in range(50)}
        assert sum(count for (_, flags, _), count in found.items() if flags == ("\\Seen",)) == 25
    server.machine.put(foreign.machine.root / "srv/mail/ann", "/root/tree")
    bring = ["import", "maildir", "/root/tree", "--account", account, "--json"]
    done = json.loads(server.posthouse(*bring).stdout)[0]
    assert done["ok"]
    with foreign.login() as there, imap(server.net, server.address, account, OWN) as here:
        for name, target in {**FOLDERS, "INBOX/Many": "Many"}.items():
            assert {c[:2] for c in content(here, target)} == {c[:2] for c in content(there, name)}, name
    assert sum(one["new"] for one in json.loads(server.posthouse(*bring).stdout)[0]["folders"]) == 0


def test_a_full_mailbox_says_so_and_goes_on_when_there_is_room(server: Server, foreign: Foreign) -> None:
    account = f"full-import@{DOMAIN}"
    server.posthouse("user", "add", account, "--password-stdin", "--quota", "1M", input=OWN + "\n")
    refused = server.posthouse(*command(account=account), check=False)
    assert refused.returncode == 1
    assert "quota" in refused.stderr.lower()
    server.posthouse("user", "change", account, "--quota", "0")
    assert json.loads(server.posthouse(*command("--json", account=account)).stdout)[0]["ok"]
