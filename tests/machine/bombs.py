"""Messages made to do harm: small where they come in, large or slow where somebody looks into them."""

from __future__ import annotations

import base64
import gzip
import io
import uuid
import zipfile
from collections.abc import Callable, Iterable
from email.utils import format_datetime, localtime

from tests.machine.server import STRANGER, USER

NULS = b"\0" * 10_000_000


def header(subject: str, kind: str = "text/plain", extra: str = "") -> bytes:
    """The header of a message; `extra` are whole header lines."""
    lines = (
        f"From: {STRANGER}\r\nTo: {USER}\r\nSubject: {subject}\r\nDate: {format_datetime(localtime())}\r\n"
        f"Message-ID: <{uuid.uuid4().hex}@elsewhere.example>\r\nMIME-Version: 1.0\r\n"
    )
    return f"{lines}{extra}Content-Type: {kind}\r\n\r\n".encode()


def parts(subject: str, number: int) -> bytes:
    """So many tiny MIME parts beside each other."""
    return header(subject, 'multipart/mixed; boundary="b"') + b"--b\r\n\r\nx\r\n" * number + b"--b--\r\n"


def nested(subject: str, depth: int) -> bytes:
    """A multipart in a multipart in a multipart ..."""
    levels = [
        f'--b{n}\r\nContent-Type: multipart/mixed; boundary="b{n + 1}"\r\n\r\n'.encode() for n in range(depth)
    ]
    end = f"--b{depth}\r\n\r\nx\r\n--b{depth}--\r\n".encode()
    return header(subject, 'multipart/mixed; boundary="b0"') + b"".join(levels) + end


def letters(subject: str, depth: int) -> bytes:
    """A message that has nothing but a message in it, and so on."""
    return header(subject, "message/rfc822") + b"Content-Type: message/rfc822\r\n\r\n" * depth + b"\r\nx\r\n"


def fields(subject: str, number: int, name: str = "X-Flood") -> bytes:
    """A header of so many fields; "%d" in the name is the field's number."""
    extra = "".join(f"{name.replace('%d', str(n))}: {'y' * 40}\r\n" for n in range(number))
    return header(subject, extra=extra) + b"x\r\n"


def one_field(subject: str, size: int) -> bytes:
    """A header with one field of that size."""
    return header(subject, extra="X-Flood: " + "\r\n ".join(["y" * 70] * (size // 73)) + "\r\n") + b"x\r\n"


def lines(subject: str, number: int) -> bytes:
    """So many lines of one letter."""
    return header(subject) + b"x\r\n" * number


def text(subject: str, size: int) -> bytes:
    """Plain words of that size."""
    line = b"the quick brown fox jumps over the lazy dog and comes back again\r\n"
    return header(subject) + line * (size // len(line))


def attached(subject: str, name: str, data: bytes) -> bytes:
    """A file attached to a line of text."""
    encoded = base64.encodebytes(data).replace(b"\n", b"\r\n")
    head = f'--b\r\nContent-Type: application/octet-stream; name="{name}"\r\n'
    head += f'Content-Disposition: attachment; filename="{name}"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    begin = header(subject, 'multipart/mixed; boundary="b"') + b"--b\r\n\r\nLook.\r\n"
    return begin + head.encode() + encoded + b"--b--\r\n"


def zipped(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


def forty_two(subject: str) -> bytes:
    """Zip files in zip files, five deep and sixteen wide: 10 TB in some kilobytes."""
    layer = zipped([("0", NULS)])
    for _ in range(5):
        layer = zipped([(f"{n}.zip", layer) for n in range(16)])
    return attached(subject, "42.zip", layer)


# Taken, since there is nothing wrong with them but their size: each is judged within the filter's time.
HARMLESS: dict[str, Callable[[str], bytes]] = {
    "a million lines": lambda subject: lines(subject, 1_000_000),
    "one field of a megabyte": lambda subject: one_field(subject, 1_000_000),
    "zip files in zip files": forty_two,
    "a zip file of many names": lambda s: attached(
        s, "many.zip", zipped((f"{n}", b"") for n in range(20_000))
    ),
    "much behind gzip": lambda subject: attached(subject, "much.gz", gzip.compress(NULS * 20)),
}
# Beyond the bounds of docs/receiving.md.
BEYOND: dict[str, Callable[[str], bytes]] = {
    "ten thousand parts": lambda subject: parts(subject, 10_000),
    "two hundred levels": lambda subject: nested(subject, 200),
    "a hundred letters in letters": lambda subject: letters(subject, 100),
    "a header of a megabyte": lambda subject: fields(subject, 20_000),
    "many forged verdicts": lambda subject: fields(subject, 20_000, "X-Spam-%d"),
    "many forged results": lambda subject: fields(subject, 20_000, "Authentication-Results"),
}
