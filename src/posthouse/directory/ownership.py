"""Who may send as which address: the law of submitted and of local mail.

A login owns its own address and the plus-addresses of it, the same at its domain's aliases, each alias whose
only target it is (through chains too), and what it was granted; with the site's names known, the site's
postmaster owns the builtin addresses. A catch-all gives nothing: it takes a grant of "@domain". What is
inactive owns nothing, and is owned by nobody. Everything is asked of the database each time: a change holds
for the next command.
"""

from __future__ import annotations

from posthouse.directory import addresses, aliases
from posthouse.directory.backend import Connection
from posthouse.directory.connect import translated
from posthouse.directory.queries import Names
from posthouse.errors import UsageError

MOST_STEPS = 1000  # of one alias's web; a larger one is a mailing list, and nobody's own


def owned_by_login(connection: Connection, login: str, address: str, names: Names | None = None) -> bool:
    """Tell whether the login may send as the address, both as they come; nonsense is owned by nobody.

    Raises:
        PosthouseError: the directory cannot be read. The answer is then neither yes nor no.
    """
    try:
        login, address = addresses.account(login), addresses.alias(address)
    except UsageError:
        return False
    if address.startswith("@"):
        return False
    with translated():
        if not _active_account(connection, login):
            return False
        main = _at_main_domain(connection, address)
        if main is None:
            return False
        if _granted(connection, login, {address, main}):
            return True
        return _leaves(connection, main if _is_plain(connection, address) else address, login, names) == {
            login
        }


def owned_by_unix(connection: Connection, user: str, address: str, hostname: str, main_domain: str) -> bool:
    """Tell whether a Unix user may send local mail as the address: USER, with or without an extension, at the
    main domain or the host; root as any address of an active domain of ours, or of the host.

    Raises:
        PosthouseError: the directory cannot be read.
    """
    try:
        address = addresses.target(address)
    except UsageError:
        return False
    local, domain = addresses.split(addresses.base(address))
    host, main = hostname.lower(), main_domain.lower()
    if user != "root":
        return local == user.lower() and domain in (host, main)
    with translated():
        return domain == host or _at_main_domain(connection, address) is not None


def _active_account(connection: Connection, address: str) -> bool:
    query = """SELECT 1 FROM users u JOIN transport t ON t.domain = u.domain
        WHERE u.userid = ? AND u.active = 1 AND t.active = 1"""
    return connection.execute(query, (address,)).fetchone() is not None


def _at_main_domain(connection: Connection, address: str) -> str | None:
    """Return the address at the domain that its domain is an alias of, or itself; None if it is not ours."""
    local, domain = addresses.split(address)
    row = connection.execute(
        """SELECT coalesce(m.domain, t.domain) FROM transport t LEFT JOIN transport m ON m.domain = t.alias_of
           WHERE t.domain = ? AND t.active = 1 AND coalesce(m.active, 1) = 1""",
        (domain,),
    ).fetchone()
    return row and f"{local}@{row[0]}"


def _granted(connection: Connection, login: str, names: set[str]) -> bool:
    keys = {key for name in names for key in (name, addresses.base(name), "@" + addresses.split(name)[1])}
    marks = ", ".join("?" * len(keys))
    query = f"SELECT 1 FROM grants WHERE userid = ? AND address IN ({marks})"  # noqa: S608 - only marks
    return connection.execute(query, (login, *keys)).fetchone() is not None


def _is_plain(connection: Connection, address: str) -> bool:
    """Tell whether an address at a domain alias has no row of its own there."""
    keys = (address, addresses.base(address))
    query = "SELECT 1 FROM virtual WHERE address IN (?, ?) AND active = 1"
    return connection.execute(query, keys).fetchone() is None


def _leaves(connection: Connection, start: str, login: str, names: Names | None) -> set[str]:
    """Return what an address leads to in the end: accounts, addresses elsewhere, and those that lead nowhere.

    The way stops at an account, its own aliases notwithstanding: whatever it forwards, it was the target.
    """
    leaves: set[str] = set()
    seen, todo = {start}, [start]
    while todo:
        address = todo.pop()
        if len(seen) > MOST_STEPS:
            return {*leaves, address}
        exact = connection.execute(
            "SELECT 1 FROM virtual WHERE address = ? AND active = 1", (address,)
        ).fetchone()
        account = addresses.base(address)
        if not (exact and address != account) and _is_account(connection, account):
            leaves.add(account if account != login or _active_account(connection, login) else address)
            continue
        hops = aliases.next_hops(connection, address) or _builtin(connection, address, names)
        if not hops:
            leaves.add(address)
        for hop in hops:
            if hop not in seen:
                seen.add(hop)
                todo.append(hop)
    return leaves


def _is_account(connection: Connection, address: str) -> bool:
    return connection.execute("SELECT 1 FROM users WHERE userid = ?", (address,)).fetchone() is not None


def _builtin(connection: Connection, address: str, names: Names | None) -> tuple[str, ...]:
    local, domain = addresses.split(addresses.base(address))
    if names is None or local not in names.builtin:
        return ()
    ours = connection.execute("SELECT 1 FROM transport WHERE domain = ? AND active = 1", (domain,)).fetchone()
    return (names.postmaster,) if ours else ()
