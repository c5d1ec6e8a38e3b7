"""The resource kinds that the engine knows: what a machine can be told to have.

`stack` builds a `Blueprint` out of these without any I/O; `engine` compares it with the machine and
makes it so. Nothing here knows about mail.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def _join(a: tuple[T, ...], b: tuple[T, ...]) -> tuple[T, ...]:
    return a + tuple(item for item in b if item not in a)


@dataclass(frozen=True)
class Package:
    """A Debian package that must be installed. `backports`: taken from SUITE-backports."""

    name: str
    backports: bool = False


@dataclass(frozen=True)
class Group:
    """A Unix group; `gid` None lets the system choose a free system one."""

    name: str
    gid: int | None = None


@dataclass(frozen=True)
class User:
    """A Unix user without a shell. `groups` are supplementary groups, added and never taken away.

    A user that a package makes (`postfix`) is named here with `create=False` to add memberships only.
    """

    name: str
    group: str = ""
    uid: int | None = None
    home: str = "/nonexistent"
    groups: tuple[str, ...] = ()
    create: bool = True


@dataclass(frozen=True)
class Directory:
    """A directory with its owner and mode; what is in it is none of the engine's business."""

    path: Path
    owner: str = "root"
    group: str = "root"
    mode: int = 0o755


@dataclass(frozen=True)
class File:
    """A file with its whole content.

    `secrets` are the strings that no diff or listing may show. `origins` says where a setting comes
    from (setting name -> "site: hostname", "override: ...", or the reason), for `explain`. `live` is a program
    that has the machine take note of the file, run after every change of it, forth and back; where it fails, that is
    said, and nothing else.
    """

    path: Path
    content: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    secrets: tuple[str, ...] = ()
    origins: tuple[tuple[str, str], ...] = ()
    live: tuple[str, ...] = ()


@dataclass(frozen=True)
class Derived:
    """A file that a program makes out of managed files (postmap, sievec), remade when they change.

    `argv` runs with the live paths after the files are in place and before the services are touched.
    """

    path: Path
    argv: tuple[str, ...]
    inputs: tuple[Path, ...]


@dataclass(frozen=True)
class Checker:
    """A daemon's own check of the staged file set.

    `argv` and `env` values may hold `{stage}`: the folder under which the staged files stand at
    their live paths (`{stage}/etc/postfix/main.cf`). Inside the staged text files every managed
    path is replaced by its staged one, so that a checker that follows a reference stays in the stage.
    Exit status other than 0, or a line on stderr/stdout that matches `refuse` (a regular
    expression), is red.
    """

    name: str
    argv: tuple[str, ...]
    refuse: str = ""
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Program:
    """How supervisor runs a daemon in the foreground where PID 1 is not systemd; logs go to stdout."""

    argv: tuple[str, ...]
    user: str = "root"
    env: tuple[tuple[str, str], ...] = ()
    before: tuple[tuple[str, ...], ...] = ()  # commands run as root before it starts (mkdir of /run/...)
    stop_signal: str = "TERM"
    stop_seconds: int = 30
    stop_group: bool = False  # tell its children too, which would go on without it


@dataclass(frozen=True)
class Service:
    """A daemon that must run and start at boot.

    Services stand in the blueprint in the order in which they start; they stop in the reverse order.
    `reload_on` / `restart_on`: managed paths (files, or folders for all files below) whose change
    makes the service reload / restart. `reload` None: it can't reload, and restarts.
    `ready`: what answers when it is up: "unix:/path", or "tcp:127.0.0.1:25".
    `outlasts`: the other services ask it while they run; where it goes, it is stopped when they no longer do.
    """

    name: str
    unit: str
    program: Program
    reload: tuple[str, ...] | None = None
    reload_on: tuple[Path, ...] = ()
    restart_on: tuple[Path, ...] = ()
    ready: tuple[str, ...] = ()
    outlasts: bool = False


@dataclass(frozen=True)
class Blueprint:
    """Everything that a machine must have: the result of rendering a site, and the input of a plan.

    `quiet_units` are units that packages bring and that must not run (stopped and disabled).
    """

    packages: tuple[Package, ...] = ()
    groups: tuple[Group, ...] = ()
    users: tuple[User, ...] = ()
    directories: tuple[Directory, ...] = ()
    files: tuple[File, ...] = ()
    derived: tuple[Derived, ...] = ()
    checkers: tuple[Checker, ...] = ()
    services: tuple[Service, ...] = ()
    quiet_units: tuple[str, ...] = field(default=())

    def __add__(self, other: Blueprint) -> Blueprint:
        """Put two blueprints together, each kind in order; equal resources count once."""

        return Blueprint(
            packages=_join(self.packages, other.packages),
            groups=_join(self.groups, other.groups),
            users=_join(self.users, other.users),
            directories=_join(self.directories, other.directories),
            files=_join(self.files, other.files),
            derived=_join(self.derived, other.derived),
            checkers=_join(self.checkers, other.checkers),
            services=_join(self.services, other.services),
            quiet_units=_join(self.quiet_units, other.quiet_units),
        )
