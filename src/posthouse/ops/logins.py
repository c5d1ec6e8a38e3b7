"""Logins at smart hosts: from the operator's password files, or sealed in the directory, into maps that only root, and
so Postfix's smtp, reads.

They live on their own: in no plan, generation or log. Each is named by all but the password, so that an apply that is
taken back, or a rollback, finds the one that it had.
"""

from __future__ import annotations

from pathlib import Path

from posthouse import directory, paths
from posthouse.directory import relay_logins
from posthouse.directory.relay_logins import RelayLogin
from posthouse.errors import PosthouseError, UsageError
from posthouse.host import files
from posthouse.host.secret_file import read_password
from posthouse.site.model import Site
from posthouse.stack.postfix import smarthosts
from posthouse.stack.postfix.smarthosts import Transport

NEW = "the password in {} is new, or was not read before"
NEW_IN_DIRECTORY = "the login of {} in the directory is new, or was not read before"


def changed(site: Site) -> tuple[tuple[Path, str], ...]:
    """Return the maps that `ensure` would write anew, each with the reason in words. PosthouseError as `ensure`.

    Before there is a directory, nothing is said of what will stand in it.
    """
    from posthouse.ops import database

    there = database.in_use() is not None
    return tuple(
        (path, _reason(transport))
        for path, (transport, text) in _wanted(site, asking=there).items()
        if isinstance(text, bytes) and (not path.exists() or path.read_bytes() != text)
    )


def notes(site: Site) -> tuple[str, ...]:
    """Say which logins cannot be read any more, though they were: what was read then is still in use."""
    from posthouse.ops import database

    return tuple(
        f"{text.message}; the password that was read before stays in use. {text.hint or ''}".rstrip()
        for _, text in _wanted(site, asking=database.in_use() is not None).values()
        if isinstance(text, PosthouseError)
    )


def ensure(site: Site) -> list[Path]:
    """Have a map for each login; return those that changed.

    Raises:
        PosthouseError: a password file is not there, not for root only, or holds no password; the directory has no
            login, or cannot be asked; and never was.
    """
    fresh = []
    for path, (_, text) in _wanted(site).items():
        if isinstance(text, bytes) and (not path.exists() or path.read_bytes() != text):
            files.write_atomic(path, text, mode=0o600)
            fresh.append(path)
    return fresh


def login(transport: Transport) -> tuple[str, str] | None:
    """Return name and password at a smart host; None where it wants none. PosthouseError as `ensure`."""
    if transport.host.credentials == "directory":
        return _in_directory(transport)
    if transport.host.login is None:
        return None
    assert transport.host.password_file is not None
    found = read_password(Path(transport.host.password_file), "relay.password_file")
    check_password(found, f"relay.password_file: {transport.host.password_file}")
    return transport.host.login, found


def check_password(password: str, where: str) -> None:
    """UsageError for a password that Postfix cannot be given."""
    if password != password.strip():
        raise UsageError(
            f"{where}: a space stands at an end of the password",
            "Postfix cannot be given such a password: choose another one at the smart host.",
        )


def mend(transport: Transport) -> str:
    """Return what to do where a login is missing or refused."""
    if transport.host.credentials == "directory":
        return f"posthouse relay login set {transport.names[0]} --username NAME"
    return "write the right password into its password_file, then: posthouse apply"


def bound(name: str, username: str) -> str:
    """Return what a sealed password is for: it opens for no other name and no other login."""
    return f"relay {name} {username}"


def _in_directory(transport: Transport) -> tuple[str, str]:
    from posthouse.ops import sealed

    def find(connection: directory.Connection) -> RelayLogin | None:
        return relay_logins.first(connection, transport.names)

    found = directory.reading(find)
    if found is None:
        raise UsageError(
            f"relay: the directory has no login of {' or '.join(transport.names)}", mend(transport)
        )
    try:
        return found.username, sealed.opened(found.sealed, bound(found.name, found.username))
    except PosthouseError as error:
        raise UsageError(
            f"relay: the login of {found.name} in the directory cannot be opened: {error.message}",
            f"posthouse relay login set {found.name} --username {found.username}",
        ) from error


def _reason(transport: Transport) -> str:
    if transport.host.credentials == "directory":
        return NEW_IN_DIRECTORY.format(transport.host.server)
    return NEW.format(transport.host.password_file)


def _wanted(site: Site, *, asking: bool = True) -> dict[Path, tuple[Transport, bytes | PosthouseError]]:
    """Return the maps (texthash: of postconf(1) -m; smtp_sasl_password_maps of postconf(5)).

    Where one was made before, a login that cannot be read stops nothing: the service must start all the same. `asking`:
    the directory, too.
    """
    found: dict[Path, tuple[Transport, bytes | PosthouseError]] = {}
    for transport in smarthosts.of(site).all:
        if transport.logins is None or not (asking or transport.host.credentials == "file"):
            continue
        try:
            name, password = login(transport) or ("", "")
            line = f"{transport.hop} {name}:{password}\n"
        except PosthouseError as error:
            if not transport.logins.exists():
                raise
            found[transport.logins] = (transport, error)
        else:
            found[transport.logins] = (transport, line.encode())
    return found


def check(site: Site, ours: set[str]) -> None:
    """UsageError where a route contradicts the directory, whose domains are `ours`."""
    for route in site.relay.route:
        if route.to in ours:
            raise UsageError(
                f'{paths.SITE_FILE}: relay.route: to = "{route.to}" is one of our domains: its mail stays here',
                "Take the route out.",
            )
        if route.from_ is not None and route.from_ not in ours:
            raise UsageError(
                f'{paths.SITE_FILE}: relay.route: from = "{route.from_}" is none of our domains',
                f"posthouse domain add {route.from_}, or take the route out.",
            )
