"""What is to be brought where: an account, its source, and how to open it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from posthouse.directory import addresses
from posthouse.errors import UsageError
from posthouse.imports import mbox as mboxes
from posthouse.imports import remote, table, text_file
from posthouse.imports.mail import Source
from posthouse.imports.maildir import Maildirs
from posthouse.imports.people import Problems, twice
from posthouse.imports.transfer import Wanted
from posthouse.imports.tree import entries, open_file

COLUMNS = ("account", "user", "password", "host", "port")
_SKIPPED = (".msf", ".dat", ".html", ".json", ".sqlite", ".db", ".lock")


@dataclass(frozen=True)
class Job:
    """One account's import; `folder` is where the source's INBOX goes."""

    account: str
    open: Callable[[], AbstractContextManager[Source]]
    folder: str | None = None

    def wanted(self, renamed: Mapping[str, str], skip: frozenset[str], follow: bool) -> Wanted:
        """Return what the operator chose, for this one."""
        own = {} if self.folder is None else {"INBOX": self.folder}
        return Wanted({**own, **renamed}, skip, follow)


def server(
    host: str, port: int | None, tls: str, ca_file: str | None, prefix: str | None, views: bool
) -> remote.Server:
    """Return where to log in. UsageError where the CA file cannot be read."""
    kind = remote.Tls(tls)
    if ca_file is not None and not os.access(ca_file, os.R_OK):
        raise UsageError(f"{ca_file}: it cannot be read", "Name a file with certificates in PEM form.")
    number = port or (993 if kind is remote.Tls.IMAPS else 143)
    return remote.Server(host, number, kind, Path(ca_file) if ca_file else None, prefix, views)


def imap(account: str, where: remote.Server, user: str, password: str) -> Job:
    """Return the job for one login. UsageError where the account is no address."""
    login = remote.Login(user, password)
    return Job(addresses.account(account), lambda: remote.opened(where, login))


def read(file: str, where: remote.Server) -> list[Job]:
    """Return the jobs of a table: account, user, password, and host and port where they are not all the same.

    Raises:
        UsageError: everything that is wrong, by line, or others can read the file.
    """
    if file == "-":
        text = text_file.read(file)
    else:
        with secret_file(file) as stream:
            text = text_file.decode(stream.read(), file)
    problems = Problems()
    found: list[Job] = []
    keys = []
    for line, row in table.rows(text, text_file.shown(file), problems, COLUMNS, ("account", "password")):
        account = problems.catch(line, addresses.account, row["account"].strip())
        port = row.get("port", "").strip()
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            problems.add(line, f"port: expected a number up to 65535, found {port!r}")
            port = ""
        if not row["password"]:
            problems.add(line, "no password")
        if account is None:
            continue
        there = replace(where, host=row.get("host", "").strip() or where.host, port=int(port or where.port))
        user = row.get("user", "").strip() or account
        found.append(imap(account, there, user, row["password"]))
        keys.append((line, f"{account} from {user} at {there.host}"))
    twice(problems, keys, "the account")
    problems.raise_any()
    return found


def mbox(account: str, path: str, folder: str | None) -> Job:
    """Return the job for an mbox file, or a folder of them. UsageError where there is none."""
    if Path(path).is_dir():
        base = tuple(folder.split("/")) if folder else ()
        files = [(file, (*base, *names)) for file, names in _mboxes(path)]
        if not files:
            raise UsageError(f"{path}: there is no mbox file in it", "A first line `From ...` makes one.")
    else:
        with open_file(path) as stream:
            if not mboxes.is_mbox(stream):
                raise UsageError(f"{path}: this is no mbox file", "Its first line begins with `From `.")
        files = [(path, tuple((folder or "INBOX").split("/")))]
    source = mboxes.Mboxes(files)
    return Job(addresses.account(account), lambda: nullcontext(source))


def maildir(account: str, path: str, folder: str | None) -> Job:
    """Return the job for a Maildir. UsageError where it is none."""
    source = Maildirs(path)
    return Job(addresses.account(account), lambda: nullcontext(source), folder)


@contextmanager
def secret_file(path: str) -> Iterator[IO[bytes]]:
    """Open a file with passwords in it. UsageError where others can read it."""
    with open_file(path) as stream:
        if os.fstat(stream.fileno()).st_mode & (stat.S_IROTH | stat.S_IWOTH):
            raise UsageError(f"{path}: every user of this machine can read it", f"chmod 600 {path}")
        yield stream


def _mboxes(folder: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The mbox files below a folder; Thunderbird keeps the folders below `Name` in `Name.sbd`."""
    for entry in entries(folder):
        name = entry.name.removesuffix(".sbd")
        if entry.is_dir():
            for file, names in _mboxes(entry.path):
                yield file, (name, *names)
        elif entry.is_file() and not entry.name.startswith(".") and not entry.name.endswith(_SKIPPED):
            with open_file(entry.path) as stream:
                if mboxes.is_mbox(stream):
                    yield entry.path, ("INBOX",) if entry.name.lower() == "inbox" else (entry.name,)
