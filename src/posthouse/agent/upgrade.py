"""Make the hash of a password anew by today's scheme, once it is known: at a login."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Collection

from posthouse.directory import Connection, old_hashes, passwords, verifiers
from posthouse.errors import UsageError

MOST_REMEMBERED = 10_000  # accounts with a DES hash that logged in once


class Upgrader:
    """What decides; it keeps in memory what a first login with a DES hash was (as a hash of today's)."""

    def __init__(self, mechanisms: Collection[str] = ()) -> None:
        self._mechanisms = mechanisms
        self._once: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def renew(self, connection: Connection, login: str, password: str) -> str | None:
        """Renew the hash of a login if this is its password, in the caller's transaction; return what was done.

        DES looks at eight characters only, so that what a person types beyond them may be anything: such a hash
        is made anew when the same whole password came twice in a row.

        Raises:
            PosthouseError: the directory cannot be asked or written.
        """
        row = connection.execute("SELECT password FROM users WHERE userid = ?", (login,)).fetchone()
        stored = row and row[0]
        if not stored or not old_hashes.is_old(stored) or not old_hashes.verify(stored, password):
            return None
        try:
            new = passwords.hash(password)
        except UsageError:
            return None  # nothing that could be set today; it goes on as it is
        if old_hashes.is_cut(stored) and not self._came_twice(login, stored, password, new):
            return None
        connection.execute(
            "UPDATE users SET password = ? WHERE userid = ? AND password = ?", (new, login, stored)
        )
        # They went with the old password's row; it is the same password.
        verifiers.put(connection, login, verifiers.make(password, self._mechanisms))
        self._once.pop(login, None)
        return f"its password is hashed by {passwords.SCHEME} now"

    def _came_twice(self, login: str, stored: str, password: str, new: str) -> bool:
        before = self._once.pop(login, None)
        if before and hmac.compare_digest(before[0], stored) and passwords.verify(before[1], password):
            return True
        self._once[login] = (stored, new)
        if len(self._once) > MOST_REMEMBERED:
            self._once.popitem(last=False)
        return False
