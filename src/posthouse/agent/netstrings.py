"""What Postfix's socketmap clients speak (socketmap_table(5)): netstrings, `LENGTH:TEXT,`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

MAX_QUESTION = 1000  # bytes; an address has 320 at most


async def answered(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Callable[[str], Awaitable[str]]
) -> None:
    """Answer one question after the other, until Postfix goes."""
    try:
        while True:
            writer.write(written(await answer(await read(reader, MAX_QUESTION))))
            await writer.drain()
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
        pass  # gone, or nobody who speaks this
    finally:
        writer.close()


async def read(reader: asyncio.StreamReader, most: int) -> str:
    """Read one. Raises ValueError where it is none or too long, EOFError, OSError, asyncio.LimitOverrunError."""
    length = int((await reader.readuntil(b":"))[:-1])
    if not 0 < length <= most:
        raise ValueError(f"a netstring of {length} octets")
    return (await reader.readexactly(length + 1))[:-1].decode("utf-8", "replace")


def written(text: str) -> bytes:
    """Return the netstring of a text."""
    data = text.encode()
    return b"%d:%s," % (len(data), data)
