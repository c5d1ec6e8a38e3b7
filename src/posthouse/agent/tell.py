"""Tell the postmaster something, by a mail of our own: through Postfix's service "notices", which takes no others.

The service listens below the spool, for the group postdrop only, delivers to nobody but the postmaster, and has a null
sender: nothing answers such a mail.
"""

from __future__ import annotations

import asyncio
import time
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime, make_msgid

from posthouse import paths
from posthouse.agent.sending import UNIX, Sample

SECONDS = 30.0


def burst(login: str, domain: str, why: str, samples: list[Sample], addresses: list[str]) -> tuple[str, str]:
    """Return subject and text of what is said when an account, or a Unix user (`sending.UNIX`), sends too much."""
    question = "Has somebody got the password?"
    if login.startswith(UNIX):
        question = "Does one of its programs run away, or has somebody broken into one?"
    begin = f"{why}. What is more waits in the queue, and nothing of it is lost.\n{question}"
    return f"{login} sends too much: it is held in the queue", _text(begin, login, domain, samples, addresses)


def spam(login: str, domain: str, why: str, samples: list[Sample], addresses: list[str]) -> tuple[str, str]:
    """Return subject and text of what is said when an account sends what the filter takes for spam."""
    begin = (
        f"{why}. It waits in the queue, and nothing of it is lost; its author was told nothing.\n"
        "Has somebody got the password?"
    )
    subject = f"{login} sends what looks like spam: it is held in the queue"
    return subject, _text(begin, login, domain, samples, addresses)


def _text(begin: str, login: str, domain: str, samples: list[Sample], addresses: list[str]) -> str:
    lines = [
        f"  {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(one.at))}  from {one.address or 'here'}"
        f"  to {one.recipients} recipients  {one.queue_id}  {_plain(one.subject)}"
        for one in samples
    ]
    # (mail of a Unix user has this sender; root may have others, and a message without one is named by its id)
    account = f"{login.removeprefix(UNIX)}@{domain}" if login.startswith(UNIX) else login
    guilty = "stop it first" if login.startswith(UNIX) else "set a new password first"
    return "\n".join(
        [
            f"{begin} You are told once a day.",
            "",
            f"Addresses it was sent from: {', '.join(addresses) or 'none but this machine'}",
            "",
            *lines,
            "",
            f"    posthouse queue list --account {account}",
            "    posthouse queue show QUEUE_ID",
            f"    posthouse queue release --account {account}     it was honest",
            f"    posthouse queue delete --account {account}      it was not; {guilty}",
            "",
        ]
    )


async def postmaster(domain: str, subject: str, text: str) -> None:
    """Send it to postmaster@DOMAIN. Raises OSError, TimeoutError, EOFError; it may be tried again."""
    message = EmailMessage(policy=SMTP)
    message["From"] = f"Posthouse <postmaster@{domain}>"
    message["To"] = f"postmaster@{domain}"
    message["Subject"] = _plain(subject)
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    body = b"".join(
        b"." + line if line.startswith(b".") else line
        for line in message.as_bytes().splitlines(keepends=True)
    )
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_unix_connection(paths.NOTICES)
        try:
            await _expect(reader, b"220")
            for command, code in (
                (b"HELO localhost", b"250"),
                (b"MAIL FROM:<>", b"250"),
                (f"RCPT TO:<postmaster@{domain}>".encode(), b"250"),
                (b"DATA", b"354"),
                (body + b".", b"250"),
                (b"QUIT", b"221"),
            ):
                writer.write(command + b"\r\n")
                await writer.drain()
                await _expect(reader, code)
        finally:
            writer.close()


async def _expect(reader: asyncio.StreamReader, code: bytes) -> None:
    while True:
        line = await reader.readuntil(b"\n")
        if line[3:4] != b"-":
            break
    if not line.startswith(code):
        raise OSError(f"Postfix answered {line.decode(errors='replace').strip()!r}")


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
