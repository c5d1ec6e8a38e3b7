"""The errors that reach the operator.

Every error says what was expected, what was found, where, and what to do. `cli/main.py` prints it
without a traceback and exits with its status.
"""

from __future__ import annotations


class PosthouseError(Exception):
    """Something went wrong that the operator can act on; exit status 1.

    `message` says what was expected and found, and where; `hint` what to do next.
    """

    exit_status = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  {self.hint}"


class UsageError(PosthouseError):
    """The call or the site file is wrong, and nothing was done; exit status 2."""

    exit_status = 2
