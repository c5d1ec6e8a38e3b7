"""Dovecot's own programs on one place of an account's mail, live or not, with nobody else asked.

They run as the store's user with a configuration of their own: no directory, no quota, no plugin. Locks are
Dovecot's, so that sessions and deliveries may go on meanwhile.

What dsync keeps between Maildir and mdbox, in both directions, on 2.3 and on 2.4 (tests/machine/test_formats.py):
UIDs, UIDVALIDITY, UIDNEXT, GUIDs of folders and messages, flags, keywords, dates, subscriptions. HIGHESTMODSEQ
grows, as it may.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from posthouse import paths
from posthouse.errors import PosthouseError
from posthouse.host import machine
from posthouse.host.pipes import Pipes, talking
from posthouse.host.run import CommandFailed, run
from posthouse.mailboxes.places import Place

CONFIGS = paths.RUN / "conversion"
_DOVEADM = "/usr/bin/doveadm"
_IMAP = "/usr/lib/dovecot/imap"
_ROUNDS = 5  # dsync ends with 2 where the mailbox changed under it: it is said again
_AGAIN = 2


@dataclass(frozen=True)
class Store:
    """One place of an account's mail as Dovecot is told of it: `mail` is one of the place's three folders."""

    address: str
    place: Place
    mail: Path

    @property
    def config(self) -> Path:
        """The configuration file of this store, written by `configured`."""
        return CONFIGS / f"{self.place.format}.conf"

    @property
    def home(self) -> Path:
        """Dovecot's home of the account; nothing is read from it here."""
        return paths.SIEVE / self.place.path

    @property
    def variables(self) -> dict[str, str]:
        """What the programs read of the environment: no lookup is made for it."""
        return {"USER": self.address, "HOME": str(self.home), "DOVECOT_PRESERVE_ENVS": "USER"}


def text(store: Store, debian: int) -> str:
    """Return the configuration of a store for the Dovecot of a Debian: a pure function.

    The index of folders is left to who comes next: dsync would note parents in it that are no folders.
    """
    indexes = store.place.indexes(store.mail)
    if debian == 12:
        head = ""
        where = f"mail_location = {store.place.format}:{store.mail}" + (
            f":INDEX={indexes}" if indexes else ""
        )
    else:
        head = "dovecot_config_version = 2.4.1\ndovecot_storage_version = 2.4.1\n"
        where = f"mail_driver = {store.place.format}\nmail_path = {store.mail}"
        where += f"\nmail_index_path = {indexes}" if indexes else ""
    return f"""{head}{where}
mail_home = {store.home}
mail_uid = {paths.STORE_USER}
mail_gid = {paths.STORE_USER}
first_valid_uid = {paths.STORE_UID}
mail_fsync = always
mdbox_rotate_size = 10M
mailbox_list_index = no
protocols =
ssl = no
log_path = /dev/stderr
stats_writer_socket_path =
namespace inbox {{
  inbox = yes
  separator = /
}}
"""


def configured(*stores: Store) -> None:
    """Write the configurations of stores, which the store's user reads. They hold no secret."""
    from posthouse.host.files import write_atomic

    paths.RUN.mkdir(mode=0o755, exist_ok=True)
    CONFIGS.mkdir(mode=0o755, exist_ok=True)
    for store in stores:
        write_atomic(store.config, text(store, machine.release().debian).encode(), mode=0o644)


def copy(source: Store, target: Store) -> None:
    """Make the target what the source is, by dsync (doveadm-backup(1)); go on where another run was cut off.

    Raises:
        PosthouseError: dsync failed; the target may be half filled, the source is as it was.
    """
    configured(source, target)
    # 2.4 has to be told that nobody is to be asked about the user; 2.3 asks only where -u is given.
    alone = [] if machine.release().debian == 12 else ["--no-userdb-lookup"]
    # The other side must not find this side's configuration in its environment, which goes before -c.
    clean = ["/usr/bin/env", "-i", *(f"{key}={value}" for key, value in target.variables.items())]
    argv = [_DOVEADM, "-c", str(source.config), "backup", *alone, *clean]
    argv += [_DOVEADM, "-c", str(target.config), "dsync-server", *alone]
    # Killed with us: what is said again must not meet an earlier dsync at work.
    argv = ["/usr/bin/setpriv", "--pdeathsig", "KILL", *argv]
    for _ in range(_ROUNDS):
        done = run(argv, user=paths.STORE_USER, env=source.variables, check=False)
        if done.returncode == 0:
            return
        if done.returncode != _AGAIN:
            raise CommandFailed(argv, f"ended with status {done.returncode}", done.said)
    raise PosthouseError(
        f"{source.address}: the mailbox changed under each of {_ROUNDS} copies", "say the same again"
    )


@contextmanager
def imap(store: Store) -> Iterator[Pipes]:
    """Talk to an IMAP server of a store alone, which is logged in already (PREAUTH), for a `with` block."""
    argv = ["/usr/bin/setpriv", "--pdeathsig", "KILL", _IMAP, "-c", str(store.config)]
    with talking(argv, user=paths.STORE_USER, env=store.variables) as pipes:
        yield pipes


def kick(address: str) -> None:
    """End the account's sessions (doveadm-kick(1)); nobody there, or no Dovecot, is fine."""
    run([_DOVEADM, "kick", address], check=False, timeout=30)


def purge(address: str) -> None:
    """Free the room of deleted messages of an account's mdbox (doveadm-purge(1)). CommandFailed."""
    run([_DOVEADM, "purge", "-u", address])
