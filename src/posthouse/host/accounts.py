"""Unix users and groups, and doing something as one of them."""

from __future__ import annotations

import grp
import os
import pickle
import pwd
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from posthouse.errors import PosthouseError
from posthouse.host.run import run
from posthouse.resources import Group, User

T = TypeVar("T")
NO_LOGIN = "/usr/sbin/nologin"


@dataclass(frozen=True)
class UserState:
    """A user as found: `group` is the primary group's name, `groups` the supplementary ones."""

    uid: int
    group: str
    home: str
    groups: frozenset[str]


def groups(names: Iterable[str]) -> dict[str, int | None]:
    """Observe groups: the gid of each, None where there is none."""
    there = {entry.gr_name: entry.gr_gid for entry in grp.getgrall()}
    return {name: there.get(name) for name in names}


def users(names: Iterable[str]) -> dict[str, UserState | None]:
    """Observe users; None where there is none."""
    everybody = {entry.pw_name: entry for entry in pwd.getpwall()}
    all_groups = grp.getgrall()
    group_names = {entry.gr_gid: entry.gr_name for entry in all_groups}
    found: dict[str, UserState | None] = {}
    for name in names:
        entry = everybody.get(name)
        found[name] = entry and UserState(
            uid=entry.pw_uid,
            group=group_names.get(entry.pw_gid, str(entry.pw_gid)),
            home=entry.pw_dir,
            groups=frozenset(group.gr_name for group in all_groups if name in group.gr_mem),
        )
    return found


def all_users() -> list[str]:
    """Return the names of all users."""
    return [entry.pw_name for entry in pwd.getpwall()]


def all_groups() -> list[str]:
    """Return the names of all groups."""
    return [entry.gr_name for entry in grp.getgrall()]


def ensure_group(group: Group) -> None:
    """Make a group where it is missing (groupadd(8)).

    Raises:
        PosthouseError: it is there with another gid, or the gid is somebody else's.
    """
    gid = groups([group.name])[group.name]
    if gid is None:
        wanted = [] if group.gid is None else ["--gid", str(group.gid)]
        run(["groupadd", "--system", *wanted, group.name])
    elif group.gid is not None and gid != group.gid:
        raise PosthouseError(
            f"expected the group {group.name} to have gid {group.gid}, found gid {gid}",
            f"files belong to it by number; if nothing does, `groupmod --gid {group.gid} {group.name}`",
        )


def ensure_user(user: User) -> None:
    """Make a user without a shell where it is missing, and add the memberships that it lacks (useradd(8)).

    Raises:
        PosthouseError: it is there with another uid or primary group, or should be and is not.
    """
    found = users([user.name])[user.name]
    if found is None:
        if not user.create:
            raise PosthouseError(
                f"expected the user {user.name}, which its Debian package makes, and found none",
                "the package is not fully installed: `dpkg --configure -a` shows why",
            )
        _add(user)
        return
    if user.create and user.uid is not None and found.uid != user.uid:
        raise PosthouseError(
            f"expected the user {user.name} to have uid {user.uid}, found uid {found.uid}",
            f"files belong to it by number; if nothing does, `usermod --uid {user.uid} {user.name}`",
        )
    if user.create and user.group and found.group != user.group:
        raise PosthouseError(
            f"expected {user.group} to be the primary group of {user.name}, found {found.group}",
            f"if nothing else needs that, `usermod --gid {user.group} {user.name}`",
        )
    lacking = [name for name in user.groups if name not in found.groups and name != found.group]
    if lacking:
        run(["usermod", "--append", "--groups", ",".join(lacking), user.name])


def _add(user: User) -> None:
    argv = ["useradd", "--system", "--no-create-home", "--home-dir", user.home, "--shell", NO_LOGIN]
    argv += ["--gid", user.group] if user.group else ["--user-group"]
    if user.uid is not None:
        argv += ["--uid", str(user.uid)]
    if user.groups:
        argv += ["--groups", ",".join(user.groups)]
    run([*argv, user.name])


def drop_to(user: str, function: Callable[[], T]) -> T:
    """Call a function in a forked child that has become `user`, and return what it returns.

    The child has the user's groups and umask 027, and nothing of root left. Its result (which must be
    picklable) or its PosthouseError comes back as if it had been called here. Where this process is that
    user already, the function is simply called.

    Having changed its user the child is not dumpable, so another process of that user cannot write into
    its end of the pipe (prctl(2), PR_SET_DUMPABLE): what is unpickled here comes from this program.

    Raises:
        PosthouseError: from the function, or when there is no such user or this is not root.
    """
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise PosthouseError(
            f"there is no user {user} on this machine", "`posthouse up` makes it; has it run to its end?"
        ) from None
    if os.geteuid() == entry.pw_uid:
        return function()
    if os.geteuid() != 0:
        raise PosthouseError(f"only root can act as {user}", "say the command again with sudo")
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _become_and_answer(entry, function, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    _, status = os.waitpid(child, 0)
    if not answer:
        raise PosthouseError(f"the part that works as {user} ended without an answer (status {status})")
    ok, value = pickle.loads(answer)  # noqa: S301 - see above: written by our own child
    if not ok:
        raise value
    result: T = value
    return result


def _become_and_answer(entry: pwd.struct_passwd, function: Callable[[], object], writing: int) -> NoReturn:
    """Drop to the user, call, write the pickled answer; never return into the parent's code."""
    try:
        try:
            os.initgroups(entry.pw_name, entry.pw_gid)
            os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
            os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
            os.umask(0o027)
            os.chdir("/")
            answer = pickle.dumps((True, function()))
        except PosthouseError as error:
            answer = _pickled_error(error)
        except KeyboardInterrupt:
            answer = _pickled_error(PosthouseError("interrupted"))
        except BaseException as error:
            what = f"while working as {entry.pw_name}: {type(error).__name__}: {error}"
            answer = _pickled_error(PosthouseError(what))
        with os.fdopen(writing, "wb") as stream:
            stream.write(answer)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)


def _pickled_error(error: PosthouseError) -> bytes:
    """Pickle an error; one whose class cannot be made again from its message becomes a plain one."""
    try:
        data = pickle.dumps((False, error))
        pickle.loads(data)  # noqa: S301 - our own bytes
    except Exception:
        data = pickle.dumps((False, PosthouseError(error.message, error.hint)))
    return data
