"""The library's IMAP client, with a server or with a program beside us, and its failures in our words."""

from __future__ import annotations

import imaplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError

from posthouse.errors import PosthouseError

PATIENCE = 120.0  # seconds that a server may take for an answer

# The answer to SEARCH ALL is one line; Python's own bound of a million bytes is 130,000 messages.
imaplib._MAXLINE = 64 * 2**20  # type: ignore[attr-defined]


class Away(PosthouseError):
    """The connection broke; it may be tried again."""


class Connected(IMAPClient):  # type: ignore[misc]  # the library has no types
    """A client of a program that runs beside us: it hears on a socket, and answers in a file."""

    def __init__(self, sock: socket.socket, answers: IO[bytes]) -> None:
        self._given = sock, answers
        super().__init__("", ssl=False, timeout=PATIENCE)
        quiet(self)

    def _create_IMAP4(self) -> imaplib.IMAP4:
        return _Over(*self._given)


class _Over(imaplib.IMAP4):
    def __init__(self, sock: socket.socket, answers: IO[bytes]) -> None:
        self._given = sock, answers
        super().__init__()

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:  # noqa: ARG002
        # Python's own open() does the same after connecting (imaplib.py).
        self.host, self.port = "", 0
        self.sock, self.file = self._given


def quiet(client: IMAPClient) -> None:
    """Keep the library from holding what passes: there are passwords in it, and whole messages.

    Dates keep their time zones.
    """
    client._imap.debug = 0
    client.normalise_times = False


@contextmanager
def told(who: str) -> Iterator[None]:
    """Turn the failures of an IMAP conversation into ours.

    Raises:
        Away: the connection broke.
        PosthouseError: the server said no.
    """
    try:
        yield
    except (imaplib.IMAP4.abort, ConnectionError, TimeoutError, EOFError) as error:
        raise Away(
            f"{who}: the connection broke: {text(error)}", "Say the same again: it goes on."
        ) from error
    except (IMAPClientError, imaplib.IMAP4.error) as error:
        raise PosthouseError(f"{who}: the server said: {text(error)}") from error
    except OSError as error:
        raise Away(f"{who}: {error.strerror or error}", "Say the same again: it goes on.") from error


def text(error: BaseException) -> str:
    """Return what an error says, as printable text."""
    said = error.args[0] if error.args else error
    plain = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return "".join(char if char.isprintable() else " " for char in plain)[:300] or type(error).__name__
